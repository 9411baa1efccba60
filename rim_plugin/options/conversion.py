"""Values of options against their types: what an annotation allows, in words, and one error where a value differs."""

from __future__ import annotations

import fnmatch
import inspect
import math
import textwrap
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin

import msgspec

from rim_plugin.errors import OptionsError, did_you_mean

Block = TypeVar('Block', bound=msgspec.Struct)

_PLAIN = {
    bool: ('true or false', 'a switch'),
    int: ('a whole number', 'a number'),
    float: ('a number', 'a number'),
    str: ('a text', 'a text'),
    type(None): ('~', 'nothing'),
    dict: ('a block of keys', 'a block'),
    list: ('a list', 'a list'),
    tuple: ('a list', 'a list'),
}
_BOUNDS = {'ge': 'of at least', 'gt': 'above', 'le': 'of at most', 'lt': 'below'}


class Place(NamedTuple):
    """Where a value stands: a file, or what else errors name, and the path of keys within it."""

    file: str = ''
    path: str = ''

    def __truediv__(self, key: object) -> Place:
        return Place(self.file, f'{self.path}.{key}' if self.path else str(key))

    def error(self, message: str) -> OptionsError:
        """``FILE: path.to.key: message``, of which file and path may be empty."""
        return OptionsError(': '.join(part for part in (self.file, self.path, message) if part))


class Field(NamedTuple):
    """One key that a block may have."""

    annotation: Any = Any
    required: bool = False
    meaning: str = ''


def fields_of(struct: type[msgspec.Struct]) -> dict[str, Field]:
    """The keys of a block, from its struct."""
    return {
        field.encode_name: Field(field.type, field.required, _meta(field.type).get('description', ''))
        for field in msgspec.structs.fields(struct)
    }


def convert(block: Mapping[str, Any], struct: type[Block], file: str = '', path: str = '') -> Block:
    """A block of an options file as its typed struct, defaults filled in.

    Keys that match the struct's ``open_keys`` (``optim_*``) are not its own and left out.

    Args:
        block: what was read.
        struct: what it has to be.
        file, path: where it stands, for the error.

    Raises:
        OptionsError: an unknown or missing key, or a value of another type or out of its range:
            ``FILE: train.accumulate: 0 is not a whole number of at least 1``.
    """
    return _convert_struct(block, struct, Place(file, path))


def check_block(
    block: object, fields: Mapping[str, Field], place: Place, strict: bool = True, exact: bool = False
) -> dict[str, Any]:
    """Check keys and values of a block.

    Args:
        block: what was read.
        fields: the keys that it may have.
        place: where it stands.
        strict: whether another key is always an error; if not, only one that looks like a known one.
        exact: see :func:`convert_value`.

    Returns:
        The values of ``fields`` that the block has, in their types.

    Raises:
        OptionsError: see :func:`convert`.
    """
    block = require_block(block, place)
    check_known(block, fields, place, strict)
    check_present(block, {key: field.meaning for key, field in fields.items() if field.required}, place)
    values = {}
    for key, field in fields.items():
        if key in block:
            if block[key] is None and field.required and field.meaning and str in _members(field.annotation):
                raise (place / key).error(f'missing ({field.meaning.rstrip(".")})')
            values[key] = convert_value(block[key], field.annotation, place / key, exact)
    return values


def require_block(value: object, place: Place) -> Mapping[str, Any]:
    """``value``, which has to be a block of keys."""
    if not isinstance(value, Mapping):
        raise place.error('has to be a block of keys')
    return value


def check_known(keys: Iterable[object], known: Iterable[str], place: Place, strict: bool = True) -> None:
    """Unknown keys are errors; if not ``strict``, only those that look like a known name."""
    names = set(known)
    for key in keys:
        if key not in names and (strict or get_close_matches(str(key), names, 1, 0.8)):
            raise (place / key).error(f'unknown key{did_you_mean(key, names)}')


def check_present(block: Mapping[str, Any], needed: Mapping[str, str], place: Place) -> None:
    """The ``needed`` keys (name to meaning) have to be in a block."""
    for key in sorted(needed.keys() - block.keys()):
        near = get_close_matches(key, set(map(str, block)) - needed.keys(), 1)
        meaning = f' ({needed[key].rstrip(".")})' if needed[key] else ''
        raise (place / key).error(f"missing; is '{near[0]}' a misspelling of it?" if near else f'missing{meaning}')


def require_finite(value: object, place: Place) -> None:
    """NaN and infinity are errors, however deep within blocks and lists."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            require_finite(inner, place / key)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            require_finite(inner, place)
    elif isinstance(value, float) and not math.isfinite(value):
        raise place.error(f'{value} is not a finite number')


def convert_value(value: Any, annotation: Any, place: Place, exact: bool = False) -> Any:
    """A value in the type of an annotation.

    Whole numbers may be written as ``5e3``; a choice in capitals, and as ``~`` where ``none`` is one;
    not if ``exact``.

    Raises:
        OptionsError: it is of another type, or out of range.
    """
    require_finite(value, place)
    struct = _struct_of(annotation)
    if struct is not None:
        return None if value is None and allows(annotation, None) else _convert_struct(value, struct, place)
    for inner in _inner_types(annotation) if isinstance(value, Mapping) else ():
        return {key: convert_value(each, inner, place / key, exact) for key, each in value.items()}
    for candidate in [value] if exact else _spellings(value, annotation):
        if allows(annotation, candidate):
            return msgspec.convert(candidate, annotation)
    raise place.error(misfit(value, annotation))


def misfit(value: object, annotation: Any) -> str:
    """How a value differs from what an annotation wants, in words."""
    expected = words(annotation)
    kind = 'a block' if isinstance(value, Mapping) else _PLAIN.get(type(value), ('', 'something else'))[1]
    shown = '~' if value is None else textwrap.shorten(repr(value), 60)
    if expected == _PLAIN[dict][0]:
        return f'has to be {expected}'
    if kind in _kinds(annotation):
        near = did_you_mean(value, _choices(annotation)) if isinstance(value, str) else ''
        return f'{shown} is not {expected}' + (near if 'mean' in near else '')
    return f'{shown} is {kind}, {words(annotation, bounds=False)} is expected'


def words(annotation: Any, bounds: bool = True) -> str:
    """What an annotation allows, with its ``bounds`` or without: ``a whole number of at least 1``."""
    meta, annotation = _meta(annotation) if bounds else {}, _bare(annotation)
    limits = ' and '.join(f'{word} {meta[key]:g}' for key, word in _BOUNDS.items() if key in meta)
    if get_origin(annotation) is Literal:
        choices = ', '.join(map(str, get_args(annotation)))
        return f'one of {choices}' if len(get_args(annotation)) > 1 else choices
    members = [member for member in _members(annotation) if member is not type(None)]
    if len(members) > 1 or not members:
        return ' or '.join(dict.fromkeys(words(member, bounds) for member in members)) or '~'
    (kind,) = members
    if kind is not annotation:
        return words(kind, bounds)
    kind = dict if _struct_of(kind) else kind
    text = _PLAIN.get(get_origin(kind) or kind, ('another value', ''))[0]
    inner = [each for each in get_args(kind) if each is not ...]
    if text == 'a list' and inner and inner[0] is not Any:
        text = f'a list, each {words(inner[0], bounds)}'
    if 'max_length' in meta:
        text = text.replace('a list', f'a list of {meta["max_length"]}', 1)
    return f'{text} {limits}'.strip()


def plain(annotation: Any) -> Any:
    """An annotation reduced to what YAML can give; ``Any`` where nothing of it can be told."""
    meta, kind = _meta(annotation), _bare(annotation)
    origin = get_origin(kind)
    if kind in _PLAIN or origin is Literal:
        return Annotated[kind, msgspec.Meta(**meta)] if meta else kind
    if origin in (Union, types.UnionType):
        members = [member for member in map(plain, get_args(kind)) if member is not _UNKNOWN]
        return Union[tuple(members)] if members and Any not in members else Any  # noqa: UP007  from a tuple
    if inspect.isclass(origin) and issubclass(origin, Sequence):
        parts, inner = get_args(kind), {plain(each) for each in get_args(kind) if each is not ...} - {_UNKNOWN}
        values: Any = list[inner.pop()] if len(inner) == 1 else list  # type: ignore[misc]
        length = len(parts) if origin is tuple and ... not in parts else None
        return values if length is None else Annotated[values, msgspec.Meta(min_length=length, max_length=length)]
    if inspect.isclass(origin) and issubclass(origin, Mapping) or inspect.isclass(kind) and issubclass(kind, Mapping):
        return dict
    return Any if kind in (Any, object) or not inspect.isclass(kind) else _UNKNOWN


class _UNKNOWN:
    """Stands for a class that no YAML value is of, such as a tensor."""


def _convert_struct(block: object, struct: type[Block], place: Place) -> Block:
    fields, block = fields_of(struct), require_block(block, place)
    foreign = getattr(struct, 'open_keys', ())
    own = {key: value for key, value in block.items() if not any(fnmatch.fnmatch(str(key), each) for each in foreign)}
    return struct(**check_block(own, fields, place))


def allows(annotation: Any, value: object) -> bool:
    """Whether a value is of an annotation's type and in its range."""
    try:
        msgspec.convert(value, annotation)
    except msgspec.ValidationError:
        return False
    return True


def _spellings(value: object, annotation: Any) -> Iterator[object]:
    """A value, and what else it may mean: 5e3 a whole number, ``BF16`` a choice, ``~`` the choice ``none``."""
    yield value
    if isinstance(value, float) and value.is_integer():
        yield int(value)
    elif isinstance(value, str):
        yield value.lower()
    elif value is None:
        yield 'none' if 'none' in _choices(annotation) else value


def _meta(annotation: Any) -> dict[str, Any]:
    """Bounds and description of an annotation."""
    metas = [each for each in getattr(annotation, '__metadata__', ()) if isinstance(each, msgspec.Meta)]
    keys = (*_BOUNDS, 'max_length', 'description')
    return {key: getattr(each, key) for each in metas for key in keys if getattr(each, key) is not None}


def _bare(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _members(annotation: Any) -> tuple[Any, ...]:
    annotation = _bare(annotation)
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)


def _struct_of(annotation: Any) -> type[msgspec.Struct] | None:
    for member in map(_bare, _members(annotation)):
        if inspect.isclass(member) and issubclass(member, msgspec.Struct):
            return member
    return None


def _inner_types(annotation: Any) -> list[Any]:
    """What the values of a block have to be, where that is told."""
    blocks = [member for member in map(_bare, _members(annotation)) if get_origin(member) is dict]
    return [get_args(block)[1] for block in blocks if get_args(block)[1] is not Any]


def _choices(annotation: Any) -> set[str]:
    literals = [member for member in _members(annotation) if get_origin(_bare(member)) is Literal]
    return {choice for literal in literals for choice in get_args(_bare(literal))}


def _kinds(annotation: Any) -> set[str]:
    members = [_bare(member) for member in _members(annotation)]
    literals = {type(choice) for member in members if get_origin(member) is Literal for choice in get_args(member)}
    kinds = literals | {get_origin(member) or member for member in members}
    return {_PLAIN[kind][1] for kind in kinds if kind in _PLAIN}
