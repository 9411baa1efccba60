"""What losses share about their inputs: number types and shapes."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from rim_plugin.errors import OptionsError, check_choice

Reduction = Literal['mean', 'sum']


def check_reduction(loss: str, reduction: str) -> None:
    """OptionsError, in the name of the loss, unless the reduction is one of Reduction."""
    check_choice(f'{loss}: reduction', reduction, get_args(Reduction))


def widened(*tensors: Tensor) -> list[Tensor]:
    """Tensors in one dtype, float32 or float64: squares and differences of half-precision numbers lose too much."""
    dtype = torch.float32
    for tensor in tensors:
        dtype = torch.promote_types(dtype, tensor.dtype)
    return [tensor.to(dtype) for tensor in tensors]


def full_precision(tensor: Tensor) -> torch.autocast:
    """Context in which autocast leaves matrix products on the tensor's device in their own dtype."""
    return torch.autocast(tensor.device.type, enabled=False)


def readable(tensor: Tensor) -> bool:
    """Whether its numbers can be looked at: there are none on ``meta``, nor while a CUDA graph is recorded."""
    return not tensor.is_meta and not (tensor.is_cuda and torch.cuda.is_current_stream_capturing())


def check_shapes(loss: str, place: str, **tensors: Tensor) -> None:
    """Check that tensors have one shape; any other would be broadcast in silence.

    Args:
        loss: name of the loss, for the message.
        place: what they are, for the message.
        tensors: by the name of who made them.

    Raises:
        ValueError: they have not.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if len(set(shapes.values())) > 1:
        message = ', '.join(f'{name} {shape}' for name, shape in shapes.items())
        raise ValueError(f'{loss}: {place} must have one shape: {message}')


def check_blocks(loss: str, **networks: Sequence[Tensor]) -> None:
    """Check that networks give equally many block maps, at least one, each of one shape.

    Args:
        loss: name of the loss, for the message.
        networks: block maps by the name of the network.

    Raises:
        ValueError: they do not; names the block and the shapes.
    """
    counts = {name: len(blocks) for name, blocks in networks.items()}
    if len(set(counts.values())) > 1 or 0 in counts.values():
        message = ', '.join(f'{name} {count}' for name, count in counts.items())
        raise ValueError(f'{loss}: every network must give equally many block maps, one or more: {message}')
    for number, maps in enumerate(zip(*networks.values(), strict=True), 1):
        check_shapes(loss, f'block {number}', **dict(zip(networks, maps, strict=True)))


def one_number(loss: object, value: Any) -> Tensor:
    """What any registered loss gives as a scalar: BasicSR's perceptual loss gives content and style, one may be None.

    Args:
        loss: which gave it.
        value: a tensor of one element, or a list of such, or of None.

    Raises:
        OptionsError: there is no number.
    """
    parts = [part for part in (value if isinstance(value, list | tuple) else [value]) if part is not None]
    if parts and all(isinstance(part, Tensor) and part.numel() == 1 for part in parts):
        return torch.stack([part.reshape(()) for part in parts]).sum()
    raise OptionsError(f'{type(loss).__name__} gives {shapes(value)} instead of one number')


def shapes(value: Any) -> str:
    """Shapes of tensors, within lists, too; another value as it is."""
    if isinstance(value, Tensor):
        return str(tuple(value.shape))
    return f'[{", ".join(map(shapes, value))}]' if isinstance(value, list | tuple) else str(value)
