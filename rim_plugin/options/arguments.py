"""Blocks with a ``type``: their other keys are the arguments of that class's constructor, or of that function."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import torch
from torch.optim.lr_scheduler import LRScheduler

from rim_plugin.errors import did_you_mean, shown
from rim_plugin.muon import Muon
from rim_plugin.options.conversion import Field, Place, check_block, plain
from rim_plugin.options.kinds import NotNegative, Size

from basicsr.models import lr_scheduler
from basicsr.utils.registry import ARCH_REGISTRY, Registry

# Schedulers of torch whose arguments no options file can hold: functions, other schedulers, a metric at every step.
_NO_BLOCKS = ('LRScheduler', 'LambdaLR', 'MultiplicativeLR', 'SequentialLR', 'ChainedScheduler', 'ReduceLROnPlateau')

# Types of arguments of BasicSR's losses and SwinIR, which say none.
_UNSAID: dict[str, Any] = {
    'layer_weights': dict[str, NotNegative],
    'vgg_type': Literal['vgg11', 'vgg11_bn', 'vgg13', 'vgg13_bn', 'vgg16', 'vgg16_bn', 'vgg19', 'vgg19_bn'],
    'criterion': Literal['l1', 'l2', 'fro'],
    'gan_type': Literal['vanilla', 'lsgan', 'wgan', 'wgan_softplus', 'hinge'],
    'upsampler': Literal['', 'pixelshuffle', 'pixelshuffledirect', 'nearest+conv'],
    'resi_connection': Literal['1conv', '3conv'],
}


@lru_cache
def optimizer_types() -> dict[str, type[torch.optim.Optimizer]]:
    """The optimizers of ``torch.optim``, by name; in place of its Muon, which takes no convolutions, this package's."""
    types = {
        name: cls
        for name, cls in vars(torch.optim).items()
        if name != 'Optimizer' and isinstance(cls, type) and issubclass(cls, torch.optim.Optimizer)
    }
    return {**types, 'Muon': Muon}


@lru_cache
def scheduler_types() -> dict[str, type[LRScheduler]]:
    """BasicSR's schedulers, and those of ``torch.optim.lr_scheduler`` that a block can describe, by name.

    ``MultiStepLR`` is BasicSR's, which has restarts, too.
    """
    types = {
        name: cls
        for name, cls in vars(torch.optim.lr_scheduler).items()
        if isinstance(cls, type) and issubclass(cls, LRScheduler) and name[0] != '_' and name not in _NO_BLOCKS
    }
    return {
        **types,
        'MultiStepLR': lr_scheduler.MultiStepRestartLR,
        'MultiStepRestartLR': lr_scheduler.MultiStepRestartLR,
        'CosineAnnealingRestartLR': lr_scheduler.CosineAnnealingRestartLR,
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

    A type is that of the annotation, or of the default where there is none. Blocks within the block are known where the
    class has ``inner_blocks`` (key to class, to a dict of classes by type, or to a registry).

    Args:
        block: what was read.
        function: class or function.
        place: where the block stands.
        given: parameters that the caller gives; not for the block.
        optional: parameters that the caller gives unless the block does.
        signed: whether a number that is not whole may be negative although its default is not.
    """
    parameters, hints = inspect.signature(function).parameters.values(), _hints(function)
    unsaid = _UNSAID if function.__module__.startswith('basicsr.') else {}
    fields = {
        each.name: Field(
            _annotation(each, hints, unsaid, signed), each.default is each.empty and each.name not in optional
        )
        for each in parameters
        if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD) and each.name not in given
    }
    # exact: the constructor gets the values as they are written
    strict = not any(each.kind == each.VAR_KEYWORD for each in parameters)
    check_block(block, {**fields, 'type': Field(str)}, place, strict, exact=True)
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
    """Check a block with a type, see :func:`check_arguments`.

    Args:
        registry: one of BasicSR's, or a dict, name to class or function.
        kind: what the registry holds, for errors.
    """
    if not isinstance(block, Mapping):
        raise place.error('has to be a block with a type')
    check_arguments(
        block, registered(registry, kind, block.get('type'), place / 'type'), place, given, optional, signed
    )


def registered(registry: Registry | Mapping[str, Any], kind: str, name: object, place: Place) -> Any:
    """The class or function of a registry by its name, which BasicSR may have registered with its suffix."""
    entries = registry if isinstance(registry, Mapping) else dict(iter(registry))
    names = {key.removesuffix('_basicsr'): value for key, value in entries.items()}
    if name is None:
        raise place.error('missing')
    if not isinstance(name, str) or name not in {*entries, *names}:
        raise place.error(f'unknown {kind} {shown(name)}{did_you_mean(name, names)}')
    return entries.get(name, names.get(name))


def _check_inner(block: dict[str, Any], inner: Any, place: Place) -> None:
    """A loss within a loss (a registry), or a network within a network, of whose arguments the outer one gives some. A
    dict of classes: the first is the default, and a registered one will do."""
    if isinstance(inner, Registry):
        check_built(block, inner, inner._name, place)
        return
    if isinstance(inner, dict):
        kind = block.get('type', next(iter(inner), None))
        inner = registered({**dict(iter(ARCH_REGISTRY)), **inner}, 'network', kind, place / 'type')
    check_arguments(block, inner, place, optional=inspect.signature(inner).parameters)


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(function.__init__ if inspect.isclass(function) else function, include_extras=True)
    except (NameError, TypeError, AttributeError):  # names that only a type checker sees
        return {}


def _annotation(parameter: inspect.Parameter, hints: Mapping[str, Any], unsaid: Mapping[str, Any], signed: bool) -> Any:
    """The type that a value has to have: as annotated, else as known here by its name, else that of the default.

    Whole numbers (sizes, counts), weights of losses and what keeps divisions finite (``eps``) are not negative unless
    the default is.
    """
    default = None if parameter.default is parameter.empty else parameter.default
    name, otherwise = parameter.name, unsaid.get(parameter.name) or _type_of(default)
    annotation = plain(hints[name]) if name in hints else otherwise
    if isinstance(default, (int, float)) and default < 0:
        return annotation
    if type(default) is int and annotation is float or parameter.name.endswith(('weight', 'eps')):
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
