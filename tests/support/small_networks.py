"""RIM's networks small enough for a test, and inputs for them: 64-pixel faces, widths of 4."""

import torch

from basicsr.archs import build_network
from basicsr.utils.registry import ARCH_REGISTRY

NARROW_PATHS = {
    'coarse_channels': 4,
    'coarse_blocks': 1,
    'coarse_repeats': 1,
    'global_channels': 4,
    'global_blocks': 1,
    'prior_channels': 4,
    'prior_blocks': 1,
    'hourglass_blocks': 1,
}
NARROW_INTEGRATOR = {'channels': 4, 'blocks': 1}
SMALL_PATHS = {'image_size': 64, 'feature_size': 16, 'num_landmarks': 5, **NARROW_PATHS}
SMALL_INTEGRATOR = {'feature_size': 16, **NARROW_INTEGRATOR}
SMALL_SUBPIXEL = {
    'image_size': 64,
    'num_landmarks': 5,
    'channels': 8,
    'prior_channels': 4,
    'prior_width': 8,
    'landmark_width': 8,
    'coarse_blocks': 1,
    'global_blocks': 1,
}
# a network that is not named here is built with its defaults and fed two 28-pixel probes
SMALL = {
    'TriPathGenerator': SMALL_PATHS,
    'SubPixelTriPathGenerator': SMALL_SUBPIXEL,
    'FeatureIntegrator': {'in_channels': 12, 'image_size': 64, **SMALL_INTEGRATOR},
    'SubPixelIntegrator': {'in_channels': 16, 'image_size': 64, 'channels': 8, 'blocks': 1},
    'SubPixelResNet': {'channels': 4, 'blocks': 1},
    'FHN': {'generator': SMALL_PATHS, 'integrator': SMALL_INTEGRATOR},
    'MixAdversarialDiscriminator': {
        'in_channels': 12,
        'image_size': 64,
        'integrator': SMALL_INTEGRATOR,
        'discriminator': {'channels': 4, 'embedding': 8, 'pool': 2},
    },
    'ComponentDiscriminator': {'net': {'type': 'VGGDiscriminator', 'num_feat': 4, 'pool': 1}},
    'IResNet': {'depth': 18},
    'HRN': {
        'teacher': {'type': 'TinyRecogniser'},
        'student': {'type': 'ResNet', 'depth': 18},
        'assistant': {'type': 'TinyRecogniser'},
    },
    'FixedInput': {
        'net': {'type': 'EDSR', 'num_in_ch': 3, 'num_out_ch': 3, 'num_feat': 4, 'num_block': 1, 'upscale': 8},
        'input_size': 14,
    },
    'TimmRecogniser': {'name': 'edgenext_xx_small', 'embedding_size': 8, 'arguments': {'depths': (1, 1, 1, 1)}},
    'LapSRN': {'num_feat': 8},
    'RRDBNetX8': {'num_feat': 8, 'num_block': 1, 'num_grow_ch': 4},
    'SPARNet': {'image_size': 64, 'channels': 4, 'most_channels': 4, 'blocks': 1},
    'SRCNN': {'channels': (8, 4)},
    'EdgeFace': {'widths': [8, 8, 8, 16], 'depths': [1, 2, 2, 2], 'embedding_size': 16},
    'VDSR': {'num_feat': 8, 'num_layer': 4},
    'VGGDiscriminator': {'num_feat': 4, 'pool': 2},
}
INPUTS = {
    'TriPathGenerator': lambda: (torch.rand(2, 3, 8, 8),),
    'SubPixelTriPathGenerator': lambda: (torch.rand(2, 3, 8, 8),),
    'FeatureIntegrator': lambda: (torch.rand(2, 12, 16, 16), torch.rand(2, 3, 64, 64)),
    'SubPixelIntegrator': lambda: (torch.rand(2, 16, 8, 8), torch.rand(2, 3, 64, 64)),
    'FHN': lambda: (torch.rand(2, 3, 8, 8),),
    'MixAdversarialDiscriminator': lambda: (torch.rand(2, 12, 16, 16), torch.rand(2, 3, 64, 64)),
    'ComponentDiscriminator': lambda: (torch.rand(2, 3, 64, 64), 64 * torch.rand(2, 68, 2)),
    'IResNet': lambda: (torch.rand(2, 3, 112, 112),),
    'MobileFaceNet': lambda: (torch.rand(2, 3, 112, 112),),
    'EdgeFace': lambda: (torch.rand(2, 3, 112, 112),),
    'TimmRecogniser': lambda: (torch.rand(2, 3, 112, 112),),
    'HRN': lambda: (torch.rand(2, 3, 112, 112),),
    'VGGDiscriminator': lambda: (torch.rand(2, 3, 64, 64),),
}
# runs a file of the user's, without gradients: test_recognisers.py; looks up pictures: test_folder_outputs.py
NOT_WALKED = {'OnnxRecogniser', 'FolderOutputs'}
OURS = sorted({name for name, cls in ARCH_REGISTRY if cls.__module__.startswith('rim_plugin')} - NOT_WALKED)


def build(name):
    """The small network of a registered name."""
    return build_network(dict(SMALL.get(name, {}), type=name))


def inputs(name):
    """Random arguments for its forward pass."""
    return INPUTS.get(name, lambda: (torch.rand(2, 3, 28, 28),))()


def tensors(output):
    """The tensors in what a network gives, whatever it gives, in order."""
    if torch.is_tensor(output):
        return [output]
    return [tensor for item in output if item is not None for tensor in tensors(item)]
