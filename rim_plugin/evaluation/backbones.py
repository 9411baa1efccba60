"""Backbones of metrics that learnt from ImageNet: torchvision's networks, whose weights are given as a file.

Nothing is downloaded, and nothing unpickled.
"""

from collections.abc import Mapping

from torch import Tensor

from rim_plugin.errors import OptionsError
from rim_plugin.tensor_files import State, misfit, read_weights


def read_backbone(weights: str, label: str, wanted: str) -> State:
    """Tensors of a backbone by name, from its file.

    Args:
        weights: the file.
        label: the metric, for errors.
        wanted: what the file should be.

    Raises:
        OptionsError: the file is missing, damaged or holds no tensors; the message says what is wanted.
    """
    try:
        return read_weights(weights, param_key=None)
    except OptionsError as error:
        raise OptionsError(f'{label}: {error}. Wanted is {wanted}') from None


def read_features(own: Mapping[str, Tensor], weights: str, label: str, wanted: str) -> State:
    """Tensors of the part ``features`` of torchvision's AlexNet or VGG, from the file of the whole network.

    Args:
        own: name within that part to a tensor of the right shape.
        weights, label, wanted: see :func:`read_backbone`.

    Raises:
        OptionsError: see :func:`read_backbone`; or the file is another network's, and the message says what is wanted.
    """
    whole = read_backbone(weights, label, wanted)
    state = {key.removeprefix('features.'): value for key, value in whole.items() if key.startswith('features.')}
    if message := misfit(own, state):
        raise OptionsError(f'{weights}: no weights for {label}: {message}. Wanted is {wanted}')
    return state
