"""Names of before: options of networks and tensors of files that hold them, by the names that networks have."""

import re
import warnings
from typing import Any, TypeVar

_FORMER_OPTIONS = {'work_size': 'feature_size'}
_FORMER_TENSORS = (r'\b(student|assistant)\.fits\.', r'\1.adapters.')

Value = TypeVar('Value')


def present_names(options: Any, place: str = '') -> Any:
    """Options of networks, within each other, by the names that constructors take.

    Args:
        options: may hold former names.
        place: where they stand, for a warning of each former name; empty for none.
    """
    if not isinstance(options, dict):
        return options
    for former in _FORMER_OPTIONS.keys() & options.keys() if place else ():
        warnings.warn(f'{place}.{former} is the former name of {_FORMER_OPTIONS[former]}')
    return {
        _FORMER_OPTIONS.get(key, key): present_names(value, place and f'{place}.{key}')
        for key, value in options.items()
    }


def renamed_tensors(state: dict[str, Value]) -> dict[str, Value]:
    """A state dict whose tensors have the names that the networks give them; files may hold other names of theirs."""
    return {re.sub(*_FORMER_TENSORS, key): value for key, value in state.items()}
