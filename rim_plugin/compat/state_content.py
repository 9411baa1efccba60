"""Content of a training state: what kinds of values it has, and a seal by which a changed one is seen."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import msgspec
import torch
from msgspec import Meta

from rim_plugin.errors import OptionsError, first_words
from rim_plugin.options.kinds import Size

_SEAL = 'sha256'


class StateContent(msgspec.Struct, forbid_unknown_fields=False):
    """A ``.state`` file. BasicSR's own have the first four keys alone."""

    epoch: Size
    iter: Size
    optimizers: list[dict[str, Any]]
    schedulers: list[dict[str, Any]]
    manual_seed: Size = 0
    batches_per_epoch: Size = 0
    batches_done: Size = 0
    networks: dict[str, str] = {}
    options: dict[str, Any] = {}
    solvers: list[dict[str, Any]] = []
    rng: list[dict[str, Any]] = []
    carried: dict[str, Any] = {}
    sha256: Annotated[str, Meta(min_length=64, max_length=64)] | None = None


def sealed(state: Mapping[str, Any]) -> dict[str, Any]:
    """A state with the SHA-256 of its content."""
    return {**state, _SEAL: _digest(state)}


def check_content(state: Any, path: str) -> None:
    """Check a state that was read: kinds and ranges of its values, finite optimizers, the seal where it has one.

    Args:
        state: content of the file.
        path: of the file, for the error.

    Raises:
        OptionsError: it is no training state, or its values are not those that were written.
    """
    try:
        msgspec.convert(state, StateContent)
    except (msgspec.ValidationError, AttributeError) as error:  # the latter of a tensor in place of a dict
        raise OptionsError(f'{path}: not a training state of BasicSR ({first_words(error)})') from None
    require_finite(path, state['optimizers'])
    if state.get(_SEAL) not in (None, _digest({key: value for key, value in state.items() if key != _SEAL})):
        raise OptionsError(f'{path}: its values are not those that were written: another SHA-256')


def is_finite(value: Any) -> bool:
    """Whether a value is no tensor with a NaN or infinite number."""
    return not torch.is_tensor(value) or not value.is_floating_point() or bool(torch.isfinite(value).all())


def require_finite(path: object, content: Any) -> None:
    """OptionsError where a tensor within dicts and lists is NaN or infinite; names ``path`` and the place."""
    for name, value in _leaves(content):
        if not is_finite(value):
            raise OptionsError(f'{path}: damaged: {name or "a tensor"} is NaN or infinite')


def _leaves(value: Any, name: str = '') -> Iterator[tuple[str, Any]]:
    """Path and value of everything that is no dict, list or tuple, in order; of an empty one, itself."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, (list, tuple)) else ()
    if not parts:
        yield name, value
    for key, part in parts:
        yield from _leaves(part, f'{name}.{key}'.removeprefix('.'))


def _digest(state: Mapping[str, Any]) -> str:
    """SHA-256 of all leaves, hexadecimal."""
    digest = hashlib.sha256()
    for name, value in _leaves(dict(state)):
        if torch.is_tensor(value):
            digest.update(f'{name} {value.dtype} {tuple(value.shape)}\n'.encode())
            digest.update(value.detach().cpu().reshape(-1).contiguous().view(torch.uint8).numpy().tobytes())
        else:
            digest.update(f'{name} {value!r}\n'.encode())
    return digest.hexdigest()
