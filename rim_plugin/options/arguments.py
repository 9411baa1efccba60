"""Blocks with a ``type``: their other keys are the arguments of that class's constructor, or of that function."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import torch

from rim_plugin.errors import did_you_mean
from rim_plugin.options.conversion import Field, Place, check_block, plain, require_block
from rim_plugin.options.kinds import NotNegative, Size

from basicsr.models import lr_scheduler
from basicsr.utils.registry import ARCH_REGISTRY, Registry

SCHEDULERS: dict[str, type] = {
    'MultiStepLR': lr_scheduler.MultiStepRestartLR,
    'MultiStepRestartLR': lr_scheduler.MultiStepRestartLR,
    'CosineAnnealingRestartLR': lr_scheduler.CosineAnnealingRestartLR,
}


@lru_cache
def optimizer_types() -> dict[str, type[torch.optim.Optimizer]]:
    """The optimizers of ``torch.optim``, by name."""
    return {
        name: cls
        for name, cls in vars(torch.optim).items()
        if name != 'Optimizer' and isinstance(cls, type) and issubclass(cls, torch.optim.Optimizer)
    }


def check_arguments(
    block: Mapping[str, Any],
    function: Callable[..., Any],
    place: Place,
    given: Collection[str] = (),
    optional: Collection[str] = (),
    signed: bool = True,
) -> None:
    """Check a block against a signature: unknown and missing keys, and types.

    A type is that of the annotation, or of the default where there is none. Former names of arguments are known
    where the class has ``renamed_arguments`` (former to present name), and blocks within the block where it has
    ``inner_blocks`` (key to class, or to a dict of classes by type).

    Args:
        block: what was read.
        function: class or function.
        place: where the block stands.
        given: parameters that the caller gives; not for the block.
        optional: parameters that the caller gives unless the block does.
        signed: whether a number that is not whole may be negative although its default is not.
    """
    former = getattr(function, 'renamed_arguments', {})
    present = {former.get(key, key) for key in block}
    parameters = inspect.signature(function).parameters.values()
    hints, fields = _hints(function), {}
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) or parameter.name in given:
            continue
        required = parameter.default is parameter.empty and parameter.name not in {*optional, *(present - block.keys())}
        fields[parameter.name] = Field(_annotation(parameter, hints, signed), required)
    fields.update({old: fields[new]._replace(required=False) for old, new in former.items() if new in fields})
    fields['type'] = Field(str)
    # exact: the constructor gets the values as they are written
    check_block(block, fields, place, strict=not any(p.kind == p.VAR_KEYWORD for p in parameters), exact=True)
    for key, inner in getattr(function, 'inner_blocks', {}).items():
        if isinstance(block.get(key), dict):
            _check_inner(block[key], inner, place / key)


def check_built(
    block: object,
    registry: Registry | Mapping[str, Any],
    kind: str,
    place: Place,
    given: Collection[str] = (),
    optional: Collection[str] = (),
    signed: bool = True,
) -> None:
    """Check a block of one of BasicSR's registries, see :func:`check_arguments`.

    Args:
        registry: or a dict, name to class or function.
        kind: what the registry holds, for errors.
    """
    if not isinstance(block, Mapping):
        raise place.error('has to be a block with a type')
    check_built_type(block, place)
    check_arguments(block, registered(registry, kind, block['type'], place / 'type'), place, given, optional, signed)


def check_chosen(block: object, types: Mapping[str, type], kind: str, place: Place, given: str) -> None:
    """Check a block whose type is one of ``types``; the parameter ``given`` is not for the block."""
    block = require_block(block, place)
    check_built_type(block, place)
    check_arguments(block, choose(types, kind, block['type'], place / 'type'), place, (given,), signed=False)


def check_built_type(block: Mapping[str, Any], place: Place) -> None:
    """``type`` has to be there, a text."""
    check_block(block, {**dict.fromkeys(block, Field()), 'type': Field(str, required=True)}, place)


def registered(registry: Registry | Mapping[str, Any], kind: str, name: object, place: Place) -> Any:
    """The class or function of a registry by its name, which BasicSR may have registered with its suffix."""
    entries = dict(iter(registry)) if isinstance(registry, Registry) else registry
    names = {key.removesuffix('_basicsr'): value for key, value in entries.items()}
    return choose({**names, **entries}, kind, name, place, known=names)


def choose(types: Mapping[str, Any], kind: str, name: object, place: Place, known: Collection[str] = ()) -> Any:
    """``types[name]``, or an error with the nearest of the ``known`` names."""
    if not isinstance(name, str) or name not in types:
        raise place.error(f'unknown {kind} {name!r}{did_you_mean(name, known or types)}')
    return types[name]


def _check_inner(block: dict[str, Any], inner: type | dict[str, type], place: Place) -> None:
    """A network within a network, of whose arguments the outer one gives some. A dict of classes: the first is the
    default, and a registered one will do."""
    if isinstance(inner, dict):
        if not inner:
            check_built_type(block, place)
        kind = str(block.get('type', next(iter(inner), None)))
        inner = inner.get(kind) or registered(ARCH_REGISTRY, 'network', kind, place / 'type')
    check_arguments(block, inner, place, optional=inspect.signature(inner).parameters)


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(function.__init__ if inspect.isclass(function) else function, include_extras=True)
    except (NameError, TypeError, AttributeError):  # names that only a type checker sees
        return {}


def _annotation(parameter: inspect.Parameter, hints: Mapping[str, Any], signed: bool) -> Any:
    """The type that a value has to have: as annotated, else that of the default.

    Whole numbers (sizes, counts) and weights of losses are not negative unless the default is.
    """
    default = None if parameter.default is parameter.empty else parameter.default
    annotation = plain(hints[parameter.name]) if parameter.name in hints else _type_of(default)
    if isinstance(default, (int, float)) and default < 0:
        return annotation
    if type(default) is int and annotation is float or parameter.name.endswith('weight'):
        signed = False
    bounded = {int: Size, float: float if signed else NotNegative}
    if get_origin(annotation) in (Union, UnionType):
        return Union[tuple(bounded.get(member, member) for member in get_args(annotation))]  # noqa: UP007
    return bounded.get(annotation, annotation)


def _type_of(default: object) -> Any:
    """A number is a number, whole or not: an argument of default 1 may take 0.5."""
    if isinstance(default, (bool, str)):
        return type(default)
    return float if isinstance(default, (int, float)) else Any
