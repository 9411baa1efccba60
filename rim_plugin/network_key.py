"""What tells one network from another: its classes, settings and weights."""

import hashlib
from itertools import chain

import torch
from torch import nn

DIGEST = 16  # bytes
_SETTINGS = (bool, int, float, str, tuple, list, dict, type(None))


def network_key(network: nn.Module, mirror: bool = False) -> bytes:
    """A hash of a network's classes, settings and weights, and of whether mirror images are added, 16 bytes."""
    digest = hashlib.blake2b(repr(mirror).encode(), digest_size=DIGEST)
    for name, layer in network.named_modules():
        settings = {key: value for key, value in vars(layer).items() if key[0] != '_' and isinstance(value, _SETTINGS)}
        digest.update(repr((name, type(layer), sorted(settings.items()))).encode())
    for name, value in chain(network.named_parameters(), network.named_buffers()):
        digest.update(repr((name, value.shape, value.dtype)).encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.digest()
