"""Values of options against their types: what an annotation allows, in words, and one error where a value differs."""

from __future__ import annotations

import fnmatch
import inspect
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from difflib import get_close_matches
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin

import msgspec

from rim_plugin.errors import OptionsError, did_you_mean, one_line, shown
from rim_plugin.options.kinds import ASCENDING, LARGEST

Block = TypeVar('Block', bound=msgspec.Struct)

_WORDS: dict[Any, str] = {
    **{bool: 'true or false', int: 'a whole number', float: 'a number', str: 'a text', NoneType: '~'},
    **dict.fromkeys((dict, Mapping), 'a block of keys'),
    **dict.fromkeys((list, tuple, Sequence), 'a list'),
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
        return OptionsError(one_line(': '.join(part for part in (self.file, self.path, message) if part)))


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


def convert(block: object, struct: type[Block], file: str = '', path: str = '') -> Block:
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
    foreign, place = getattr(struct, 'open_keys', ()), Place(file, path)
    own = {
        key: value
        for key, value in require_block(block, place).items()
        if not any(fnmatch.fnmatch(str(key), each) for each in foreign)
    }
    values = check_block(own, fields_of(struct), place)
    try:
        return struct(**values)
    except OptionsError as error:  # of values that do not go together
        raise place.error(str(error)) from None


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
    needed = {key: field.meaning for key, field in fields.items() if field.required}
    check_present(
        {key: value for key, value in block.items() if value is not None or not needed.get(key)}, needed, place
    )
    return {
        key: convert_value(block[key], field.annotation, place / key, exact)
        for key, field in fields.items()
        if key in block
    }


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

    Unless ``exact``, whole numbers may be written as ``5e3``, a choice in capitals, and the choice ``none`` as ``~``.

    Raises:
        OptionsError: it is of another type, or out of range.
    """
    require_finite(value, place)
    choices = [each for member in _members(annotation) if get_origin(member) is Literal for each in get_args(member)]
    for member in _members(annotation) if value is not None and value not in choices else ():
        if _is_block(member):
            return convert(value, member, *place)
        if isinstance(value, list) and get_origin(member) is list and _is_block(get_args(member)[0]):
            places = (f'{place.path}[{number}]' for number in range(len(value)))
            return [convert(each, get_args(member)[0], place.file, path) for each, path in zip(value, places)]
        if isinstance(value, Mapping) and get_origin(member) is dict and get_args(member)[1] is not Any:
            return {key: convert_value(each, get_args(member)[1], place / key, exact) for key, each in value.items()}
    spellings = [value]
    if isinstance(value, float) and value.is_integer() and not exact:
        spellings.append(int(value))
    elif not exact:
        spellings += [choice for choice in choices if choice == str(value).lower()]
    for spelling in spellings:
        with suppress(msgspec.ValidationError):
            return _check_order(msgspec.convert(spelling, annotation), annotation, place)
    near = did_you_mean(value, choices) if isinstance(value, str) else ''
    whole = LARGEST in [_meta(member).get('le') for member in (annotation, *_members(annotation))]
    if whole and isinstance(value, (int, float)) and value > LARGEST:
        raise place.error(f'{shown(value)} is more than {LARGEST}, the largest whole number that is taken')
    raise place.error(f'{shown(value)} is not {words(annotation)}' + (near if 'mean' in near else ''))


def _check_order(value: Any, annotation: Any, place: Place) -> Any:
    """``value``; the ends of a range have to ascend."""
    if isinstance(value, tuple) and ASCENDING in getattr(annotation, '__metadata__', ()) and value[0] > value[1]:
        raise place.error(f'a range goes from its low end to its high one, but {value[0]:g} is above {value[1]:g}')
    return value


def _is_block(annotation: Any) -> bool:
    return inspect.isclass(annotation) and issubclass(annotation, msgspec.Struct)


def words(annotation: Any) -> str:
    """What an annotation allows: ``a whole number of at least 1``; ``~`` is left out beside another value."""
    meta, members = _meta(annotation), _members(annotation)
    if len(members) > 1:
        return ' or '.join(dict.fromkeys(words(member) for member in members if member is not NoneType))
    kind, inner = members[0], get_args(members[0])
    if get_origin(kind) is Literal:
        return ('one of ' if len(inner) > 1 else '') + ', '.join(map(str, inner))
    text = _WORDS.get(dict if _is_block(kind) else get_origin(kind) or kind, 'another value')
    if text == 'a list' and inner:
        exact = meta.get('min_length') if meta.get('min_length') == meta.get('max_length') else None
        fixed = len(inner) if get_origin(kind) is tuple and ... not in inner else exact
        count = f' of {fixed}' if fixed else ''
        text += f'{count}, each {words(Union[tuple(each for each in inner if each is not ...)])}'  # noqa: UP007
    return ' '.join(
        [
            text,
            ' and '.join(f'{word} {meta[key]:g}' for key, word in _BOUNDS.items() if meta.get(key, LARGEST) != LARGEST),
        ]
    ).strip()


def plain(annotation: Any) -> Any:
    """An annotation without what no YAML value is, such as a tensor; ``Any`` where nothing of it can be told."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        known = (*_WORDS, Any, object)
        members = [plain(each) for each in inner if get_origin(each) or each in known or not isinstance(each, type)]
        return Union[tuple(members)] if members and Any not in members else Any  # noqa: UP007  from a tuple
    if origin is Annotated:
        return Any if plain(inner[0]) is Any else annotation
    if inspect.isclass(origin) and issubclass(origin, Mapping):
        return dict
    if inspect.isclass(origin) and issubclass(origin, Collection):
        return origin[tuple(each if each is ... else plain(each) for each in inner)]  # type: ignore[index]  # a generic one
    return annotation if annotation in _WORDS or origin is Literal else Any


def _meta(annotation: Any) -> dict[str, Any]:
    """Bounds and description of an annotation."""
    metas = [each for each in getattr(annotation, '__metadata__', ()) if isinstance(each, msgspec.Meta)]
    keys = (*_BOUNDS, 'min_length', 'max_length', 'description')
    return {key: getattr(each, key) for each in metas for key in keys if getattr(each, key) is not None}


def _members(annotation: Any) -> tuple[Any, ...]:
    """The types of a union, without what annotates them; one for another type."""
    bare = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    return get_args(bare) if get_origin(bare) in (Union, UnionType) else (bare,)
