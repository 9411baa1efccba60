"""Weights of networks that timm (Wightman 2019) has, under its names or under those of EdgeFace's checkpoints."""

from collections.abc import Mapping

from torch import Tensor

PREFIX = 'model.'  # of the parameters here, and of those in EdgeFace's checkpoints


def translated_keys(weights: dict[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights under the names of ``own``, a state dict whose keys begin with ``model.``; others as they are.

    EdgeFace's LoRaLin (George et al. 2023) replaces y = W x + b by y = W2 (W1 x) + b, ``LAYER.linear1`` and
    ``LAYER.linear2``; the product W2 W1 is the same map, and takes their place.

    Args:
        weights: under timm's names, with or without the prefix, or as EdgeFace publishes them.
        own: of the network that is to take them.
    """
    prefixed = {PREFIX + key: value for key, value in weights.items()}
    if prefixed.keys() & own.keys():
        weights = prefixed
    dense = dict(weights)
    for key, first in weights.items():
        layer, ending, _ = key.partition('.linear1.weight')
        second = weights.get(f'{layer}.linear2.weight')
        if not ending or second is None or f'{layer}.weight' not in own or second.shape[1:] != first.shape[:1]:
            continue
        del dense[key], dense[f'{layer}.linear2.weight']
        dense[f'{layer}.weight'] = (second.double() @ first.double()).float()
        if f'{layer}.linear2.bias' in dense:
            dense[f'{layer}.bias'] = dense.pop(f'{layer}.linear2.bias')
    return dense
