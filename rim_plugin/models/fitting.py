"""Calls of networks and losses that options name: what does not fit ends in one line with the shapes of both sides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from rim_plugin.errors import OptionsError, first_words
from rim_plugin.losses.inputs import shapes


def called(place: str, part: Callable[..., Any], *inputs: Any, **options: Any) -> Any:
    """``part(*inputs, **options)``.

    Args:
        place: of the part in the options file, ``network_g``.
        part: a network or a loss.
        inputs: tensors, lists of tensors, plain values.

    Raises:
        OptionsError: it cannot take them: ``network_g: EDSR cannot take (4, 1, 28, 28) (REASON)``; a ValueError of this
            package says so itself.
    """
    try:
        return part(*inputs, **options)
    except OptionsError as error:
        raise OptionsError(f'{place}: {error}') from error
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # of any network that somebody registers
        if isinstance(error, ValueError) and type(bare(part)).__module__.startswith('rim_plugin.'):
            raise OptionsError(f'{place}: {error}') from error
        taken = ' and '.join(map(shapes, inputs))
        name = type(bare(part)).__name__
        raise OptionsError(f'{place}: {name} cannot take {taken} ({first_words(error)})') from error


def check_faces(place: str, network: nn.Module, faces: Any, truth: Tensor) -> Tensor:
    """``faces``, which a network has made.

    Raises:
        OptionsError: they are not of the shape of ``truth``, the HR faces.
    """
    if isinstance(faces, Tensor) and faces.shape == truth.shape:
        return faces
    raise OptionsError(
        f'{place}: {type(bare(network)).__name__} makes {shapes(faces)} of the probes; the training faces are '
        f'{shapes(truth)}'
    )


def bare(part: Any) -> Any:
    """A network without the wrapper of distributed training."""
    return getattr(part, 'module', part)
