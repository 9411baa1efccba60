"""Published weights of recognisers, in whatever format and layout, into the networks of this package."""

import os
import re
from typing import Any

import torch

from rim_plugin.archs.iresnet_arch import BLOCKS
from rim_plugin.archs.onnx_files import iresnet_weights
from rim_plugin.archs.recogniser import Recogniser
from rim_plugin.archs.timm_recogniser_arch import TimmRecogniser
from rim_plugin.errors import OptionsError, some
from rim_plugin.tensor_files import State, is_packed, misfit, read_weights
from rim_plugin.weights_file import packed_student, packed_teacher

# where weights lie in a checkpoint: BasicSR's (the averaged ones first), most others', arcface_torch's of a training
_WRAPPERS = ('params_ema', 'params', 'state_dict', 'state_dict_backbone')
# face.evoLVe's parts under arcface_torch's names
_EVOLVE_ENDS = {
    'input_layer.0': 'conv1',
    'input_layer.1': 'bn1',
    'input_layer.2': 'prelu',
    'output_layer.0': 'bn2',
    'output_layer.3': 'fc',
    'output_layer.4': 'features',
}
_EVOLVE_BLOCK = {
    'res_layer.0': 'bn1',
    'res_layer.1': 'conv1',
    'res_layer.2': 'prelu',
    'res_layer.3': 'conv2',
    'res_layer.4': 'bn3',
    'shortcut_layer.0': 'downsample.0',
    'shortcut_layer.1': 'downsample.1',
}
# timm's name of an EdgeNeXt by the channels of its stem, as EdgeFace has them
_EDGENEXTS = {24: 'edgenext_xx_small', 32: 'edgenext_x_small', 48: 'edgenext_small', 80: 'edgenext_base'}


def load_recogniser_weights(net: Recogniser, path: str | os.PathLike[str]) -> None:
    """Load a recogniser's weights; all of them or, at an error, none.

    Args:
        net: e.g. IResNet, MobileFaceNet, EdgeFace, TimmRecogniser.
        path: ``.safetensors``; ``.pth`` or ``.pt``, as they are or wrapped (``params_ema``, ``params``, ``state_dict``,
            ``state_dict_backbone``), with or without ``module.``; ``.onnx`` for IResNet. Keys are those of
            arcface_torch or face.evoLVe for IResNet, timm's or EdgeFace's for EdgeFace and TimmRecogniser. Of a file
            that scripts/pack_weights.py made: the teacher inside, or else HRN's student.

    Raises:
        OptionsError: missing or damaged file, or weights of another network.
    """
    read = _read(str(path))
    weights, own = net.translated(read), net.state_dict()
    # counts of training steps, which old files and ONNX lack and nothing here reads
    counts = {f'{key.removesuffix("running_mean")}num_batches_tracked' for key in weights if 'running_mean' in key}
    weights = {**{key: own[key] for key in counts & own.keys()}, **weights}
    message = misfit(own, weights)
    if message:
        raise _misfit_error(net, read, message, path)
    net.load_state_dict(weights)
    from basicsr.utils import get_root_logger

    get_root_logger().info(f'Loaded {_kind(net)} from {path}.')


def _read(path: str) -> State:
    """State dict under the names of this package's networks."""
    if path.endswith('.onnx'):
        return iresnet_weights(path)
    weights = _unwrap(read_weights(path, param_key=None), path)
    if is_packed(weights):
        if not (recogniser := packed_teacher(weights) or packed_student(weights)):
            raise OptionsError(f'{path}: holds a network for hallucination alone, no recogniser')
        return recogniser
    return _from_evolve(weights) if 'input_layer.0.weight' in weights else weights


def _unwrap(content: Any, path: str) -> State:
    if isinstance(content, dict):
        content = next((content[key] for key in _WRAPPERS if key in content), content)
    if (
        not isinstance(content, dict)
        or not content
        or not all(isinstance(key, str) and torch.is_tensor(value) for key, value in content.items())
    ):
        raise OptionsError(f'{path}: holds no weights, neither at the top nor under one of {", ".join(_WRAPPERS)}')
    return {key.removeprefix('module.'): value for key, value in content.items()}


def _from_evolve(weights: State) -> State:
    """face.evoLVe counts the blocks of all layers in one row; a layer begins where the channels grow."""
    layer, index = 1, -1
    places: list[str] = []
    while (conv := weights.get(f'body.{len(places)}.res_layer.1.weight')) is not None:
        layer, index = (layer + 1, 0) if conv.shape[0] != conv.shape[1] else (layer, index + 1)
        places.append(f'layer{layer}.{index}.')

    def name(key: str) -> str:
        part, _, value = key.rpartition('.')
        block = re.fullmatch(r'body\.(\d+)\.(.+)', part)
        if block and int(block[1]) < len(places) and block[2] in _EVOLVE_BLOCK:
            return f'{places[int(block[1])]}{_EVOLVE_BLOCK[block[2]]}.{value}'
        return f'{_EVOLVE_ENDS[part]}.{value}' if part in _EVOLVE_ENDS else key  # the check names what is left over

    return {name(key): value for key, value in weights.items()}


def _looks_like(weights: State) -> str:
    """The network that has such weights, in the words of the options."""
    if 'linear7.conv.weight' in weights:
        return 'MobileFaceNet'
    if edgenext := _edgenext(weights):
        return edgenext
    if 'layer1.0.prelu.weight' not in weights:
        return f'another kind of network ({some(weights)})'
    blocks = tuple(
        len({key.split('.')[1] for key in weights if key.startswith(f'layer{layer}.')}) for layer in (1, 2, 3, 4)
    )
    depth = next((depth for depth, known in BLOCKS.items() if known == blocks), f'unknown, with blocks {blocks}')
    variant = 'insightface' if 'layer1.0.bn2.weight' in weights else 'face_evolve'
    return f'IResNet (depth: {depth}, variant: {variant})'


def _edgenext(weights: State) -> str:
    """timm's EdgeNeXt in the words of the options, whatever prefix and rank its weights have; empty for others."""
    parts = {key.removeprefix('model.'): value for key, value in weights.items()}
    stem, block = parts.get('stem.0.weight'), parts.get('stages.0.blocks.0.conv_dw.weight')
    if stem is None or block is None or stem.shape[0] not in _EDGENEXTS:
        return ''
    head = parts.get('head.fc.weight', parts.get('head.fc.linear2.weight'))
    size = '' if head is None else f', embedding_size: {head.shape[0]}'
    return f'TimmRecogniser (name: {_EDGENEXTS[stem.shape[0]]}{size})'


def _kind(net: Recogniser) -> str:
    """A network in the words of the options."""
    if isinstance(net, TimmRecogniser):
        return f'TimmRecogniser (name: {net.name}, embedding_size: {net.embedding_size})'
    return _looks_like(net.state_dict())


def _misfit_error(net: Recogniser, weights: State, message: str, path: str | os.PathLike[str]) -> OptionsError:
    """The error for ``weights``, as they were read, of another network than ``net``; ``message`` says what differs."""
    theirs, ours = _looks_like(weights), _kind(net)
    if theirs == ours:
        return OptionsError(f'{path}: does not fit {ours}: {message}')
    return OptionsError(
        f'{path}: weights of {theirs}, but the network is {ours}. Change the network in the options or '
        f'take other weights. ({message})'
    )
