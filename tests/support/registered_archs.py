"""Every network that rim_plugin registers, small, with an input for it."""

import torch

from support.small_networks import SMALL_INTEGRATOR, SMALL_PATHS

from basicsr.archs import build_network
from basicsr.utils.registry import ARCH_REGISTRY

# a network that is not named here is built with its defaults and fed a 28-pixel probe
SMALL = {
    'TriPathGenerator': SMALL_PATHS,
    'FHN': {'generator': SMALL_PATHS, 'integrator': SMALL_INTEGRATOR},
    'MixAdversarialDiscriminator': {
        'in_channels': 12,
        'image_size': 64,
        'integrator': SMALL_INTEGRATOR,
        'discriminator': {'channels': 4, 'embedding': 8, 'pool': 2},
    },
    'IResNet': {'depth': 18},
    'HRN': {
        'teacher': {'type': 'MobileFaceNet'},
        'student': {'type': 'ResNet', 'depth': 18},
        'assistant': {'type': 'ResNet', 'depth': 18},
    },
    'FixedInput': {
        'net': {'type': 'EDSR', 'num_in_ch': 3, 'num_out_ch': 3, 'num_feat': 4, 'num_block': 1, 'upscale': 8},
        'input_size': 14,
    },
    'VGGDiscriminator': {'num_feat': 4, 'pool': 2},
}
INPUTS = {
    'TriPathGenerator': lambda: (torch.rand(2, 3, 8, 8),),
    'FHN': lambda: (torch.rand(2, 3, 8, 8),),
    'MixAdversarialDiscriminator': lambda: (torch.rand(2, 12, 16, 16), torch.rand(2, 3, 64, 64)),
    'IResNet': lambda: (torch.rand(2, 3, 112, 112),),
    'MobileFaceNet': lambda: (torch.rand(2, 3, 112, 112),),
    'HRN': lambda: (torch.rand(2, 3, 112, 112),),
    'VGGDiscriminator': lambda: (torch.rand(2, 3, 64, 64),),
}
NOT_WALKED = {'OnnxRecogniser'}  # runs a file of the user's, without gradients: test_recognisers.py
OURS = sorted({name for name, cls in ARCH_REGISTRY if cls.__module__.startswith('rim_plugin')} - NOT_WALKED)


def build(name):
    return build_network(dict(SMALL.get(name, {}), type=name))


def inputs(name):
    return INPUTS.get(name, lambda: (torch.rand(1, 3, 28, 28),))()


def tensors(output):
    if torch.is_tensor(output):
        return [output]
    return [tensor for item in output if item is not None for tensor in tensors(item)]
