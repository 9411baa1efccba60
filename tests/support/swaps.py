"""What may stand in the place of a part of RIM: all that the registries hold, as small as its arguments allow."""

import inspect
import traceback

from support.small_networks import SMALL

from rim_plugin.archs.recogniser import Recogniser
from rim_plugin.errors import OptionsError

from basicsr.losses import build_loss  # noqa: F401  registers BasicSR's
from basicsr.utils.registry import ARCH_REGISTRY, LOSS_REGISTRY

# small values of constructors' arguments, by name; a new network gets those whose names it shares
ARGUMENTS = {
    **{'num_in_ch': 3, 'num_out_ch': 3, 'in_channels': 3, 'out_channels': 3, 'num_feat': 8, 'mid_channels': 16},
    **{
        'num_channel': 4,
        'channels': 4,
        'num_grow_ch': 4,
        'embed_dim': 4,
        'num_block': 1,
        'num_conv': 1,
        'num_group': 1,
    },
    **{'upscale': 8, 'scale': 8, 'image_size': 64, 'img_size': 8, 'window_size': 4, 'input_size': 8, 'out_size': 64},
    **{'depths': [1], 'num_heads': [1], 'upsampler': 'pixelshuffle', 'squeeze_factor': 2, 'conditional_d': False},
    **{'with_idt': True, 'act_type': 'prelu', 'layer_name_list': ['conv1_1'], 'dict_path': 'none.pth', 'num_layer': 16},
    **{'num_extract_block': 1, 'num_reconstruct_block': 1, 'model': 'none.onnx', 'narrow': 0.125, 'num_style_feat': 8},
    **{'num_mlp': 1, 'channel_multiplier': 1},
}
# where the argument's name means something else
OWN = {
    'SRCNN': {'channels': [4, 4]},
    'VGGStyleDiscriminator': {'input_size': 128},
    'VDSR': {'num_layer': 4},
    'LapSRN': {'image_size': 64},
    'FixedInput': {'net': {**SMALL['FixedInput']['net']}, 'input_size': 8},
    'TimmRecogniser': {'name': 'edgenext_xx_small', 'embedding_size': 8},
    'OnnxRecogniser': {'model': 'none.onnx'},
}
LOSS_ARGUMENTS = {'gan_type': 'vanilla', 'num_classes': 4, 'embedding_size': 128, 'layer_weights': {'conv1_1': 1.0}}


def names(registry):
    """What BasicSR and the plugin register, and not the tests, by the names that options have."""
    known = ((name, cls.__module__.split('.')[0]) for name, cls in registry)
    return sorted(name.removesuffix('_basicsr') for name, package in known if package in ('basicsr', 'rim_plugin'))


def small(name, **changes):
    """The block of a registered network; ``changes`` of arguments that it has."""
    parameters = inspect.signature(ARCH_REGISTRY.get(name)).parameters
    arguments = {**ARGUMENTS, **SMALL.get(name, {}), **OWN.get(name, {}), **changes}
    return {'type': name, **{key: value for key, value in arguments.items() if key in parameters}}


def loss(name):
    """The block of a registered loss."""
    parameters = inspect.signature(LOSS_REGISTRY.get(name)).parameters
    return {'type': name, **{key: value for key, value in LOSS_ARGUMENTS.items() if key in parameters}}


NETWORKS, LOSSES = names(ARCH_REGISTRY), names(LOSS_REGISTRY)
RECOGNISERS = [name for name in NETWORKS if issubclass(ARCH_REGISTRY.get(name), Recogniser)]


def line(action, *arguments, **options):
    """The line in which an action ends, empty where it works; any other error than one of options is raised."""
    try:
        action(*arguments, **options)
    except ValueError as error:
        last = [frame for frame, _ in traceback.walk_tb(error.__traceback__)][-1]
        if not isinstance(error, OptionsError) and not last.f_globals['__name__'].startswith('rim_plugin.'):
            raise
        assert str(error) and '\n' not in str(error)
        return str(error)
    return ''
