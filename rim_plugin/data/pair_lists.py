"""Reading lists of face pairs.

LFW's ``pairs.txt`` (also XQLFW), the two-line layout of CALFW and CPLFW, and insightface's ``.bin``, which holds the
images as well.
"""

import os
import pickle
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rim_plugin.names import same_name

_FOLDS = 10  # where a list has none
_AS_LISTED = 'as the list has them'
_BY_KIND = 'same and different pairs, each in the order of the list, cut in equal parts'
_WITH_FLAGS = 'same pairs as the list has them; different pairs, in its order, cut in equal parts'
_CONTIGUOUS = 'all pairs in the order of the list, cut in equal parts'
_KNOWN = (
    "Known are LFW's (a header of one or two numbers, then 'name i j' and 'nameA i nameB j'), CALFW's and "
    "CPLFW's (two lines a pair, 'image flag'), and insightface's .bin."
)


_Row = tuple[int, list[str]]  # number of a line, its fields
_Image = tuple[str | None, str | bytes]  # identity where known, path or encoded image


class PairListError(ValueError):
    """A fault in a pair list; the message is one line with its place and the remedy."""


class PairList(NamedTuple):
    """A list of face pairs.

    Attributes:
        images: each image once, in the order of the list: str, its path below the photos' folder
            without extension, or bytes, the encoded image itself.
        identities: who they are, where the list says it.
        pairs: (P, 2) int64, indices into ``images``.
        issame: (P,) bool.
        folds: (P,) int64, from 0.
        fold_rule: where the folds come from.
    """

    images: list[Any]
    identities: list[str] | None
    pairs: np.ndarray
    issame: np.ndarray
    folds: np.ndarray
    fold_rule: str


def read_pair_list(path: str | os.PathLike[str]) -> PairList:
    """Read a pair list in any of the known layouts.

    Args:
        path: a text file, or a ``.bin`` file.

    Returns:
        The pairs, in the order of the file.

    Raises:
        FileNotFoundError: there is no such file.
        PairListError: it has another layout, is cut off, holds a faulty line, or pairs of one kind only.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such pair list. Correct the path.')
    if path.suffix == '.bin':
        return _read_bin(path)
    lines = same_name(path.read_text(encoding='utf-8-sig', errors='replace')).splitlines()
    rows = [(number, line.split()) for number, line in enumerate(lines, 1) if line.strip()]
    first = rows[0][1] if rows else []
    if len(first) <= 2 and all(map(_is_number, first)) and first:
        return _read_lfw(path, rows)
    if len(first) == 2 and _is_number(first[1]):
        return _read_two_lines(path, rows)
    raise PairListError(
        f'{path}: not a pair list ({"empty" if not rows else f"line {rows[0][0]} is no header"}). {_KNOWN}'
    )


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _read_lfw(path: Path, rows: list[_Row]) -> PairList:
    """Header ``folds pairs`` (or ``pairs`` alone, one fold, as LFW's View 1 has), for each fold so many pairs twice."""
    *folds, pairs_per_kind = map(int, rows[0][1])
    expected = 2 * pairs_per_kind * (folds[0] if folds else 1)
    if len(rows) - 1 != expected:
        raise PairListError(
            f"{path}: its header '{' '.join(rows[0][1])}' promises {expected} pairs, but "
            f'{len(rows) - 1} follow. The file is cut off or its header wrong: fetch it again, or '
            'correct the header.'
        )
    pairs = [_lfw_pair(path, number, fields) for number, fields in rows[1:]]
    images = [[(name, f'{name}/{name}_{int(index):04d}') for name, index in pair] for pair in pairs]
    issame = np.array([a[0] == b[0] for a, b in pairs], bool)
    if folds and folds[0] > 1:
        return _pair_list(path, images, issame, np.arange(expected) // (2 * pairs_per_kind), _AS_LISTED)
    return _pair_list(path, images, issame, _folds_by_kind(issame), _BY_KIND)


def _lfw_pair(path: Path, number: int, fields: list[str]) -> tuple[list[str], list[str]]:
    """((name, index), (name, index)) of a line."""
    if len(fields) == 3:
        a, b = fields[:2], fields[::2]
    else:
        a, b = fields[:2], fields[2:]
    if not all(len(image) == 2 and _is_number(image[1]) for image in (a, b)):
        raise PairListError(
            f"{path}, line {number}: '{' '.join(fields)}' is no pair ({len(fields)} fields). A pair of "
            "one person is 'name i j', one of two persons 'nameA i nameB j': correct the line."
        )
    return a, b


def _read_two_lines(path: Path, rows: list[_Row]) -> PairList:
    """``image flag`` twice for each pair: flag 0 for two persons, else one.

    CALFW's flags 1 to 10 are the folds of the same pairs, while its different pairs, all with flag 0, have none.
    """
    for number, fields in rows:
        if len(fields) != 2 or not _is_number(fields[1]):
            raise PairListError(
                f"{path}, line {number}: '{' '.join(fields)}' is not 'image flag' ({len(fields)} "
                'fields). Correct the line.'
            )
    if len(rows) % 2:
        raise PairListError(f'{path}: {len(rows)} lines, but each pair takes two. The file is cut off: fetch it again.')
    pairs = list(zip(rows[::2], rows[1::2]))
    for (number, (_, flag)), (_, (_, other)) in pairs:
        if flag != other:
            raise PairListError(
                f'{path}, lines {number} and following: the two images of a pair have the flags {flag} '
                f'and {other}, which must be equal. Correct them.'
            )
    images = [[_named_image(fields[0]) for _, fields in pair] for pair in pairs]
    flags = np.array([int(pair[0][1][1]) for pair in pairs])
    issame = flags > 0
    if len(np.unique(flags[issame])) < 2:
        return _pair_list(path, images, issame, _folds_by_kind(issame), _BY_KIND)
    folds = np.zeros(len(flags), np.int64)
    numbers, folds[issame] = np.unique(flags[issame], return_inverse=True)
    _cut(folds, np.flatnonzero(~issame), len(numbers))
    return _pair_list(path, images, issame, folds, _WITH_FLAGS)


def _named_image(name: str) -> tuple[str, str]:
    """(identity, path without extension) of an image named ``Aaron_Eckhart_0001.jpg``, also in a folder."""
    stem = re.sub(r'\.(jpe?g|png|bmp)$', '', name, flags=re.IGNORECASE)
    return re.sub(r'_\d+$', '', stem.rsplit('/')[-1]), stem


def _folds_by_kind(issame: np.ndarray) -> np.ndarray:
    """Ten folds, or as many as there are pairs of the rarer kind, with equal parts of both kinds."""
    kinds = [np.flatnonzero(issame), np.flatnonzero(~issame)]
    folds = np.zeros(len(issame), np.int64)
    for members in kinds:
        _cut(folds, members, max(min(_FOLDS, *map(len, kinds)), 1))
    return folds


def _cut(folds: np.ndarray, members: np.ndarray, count: int) -> None:
    """Number the ``members`` 0 to ``count`` - 1 in equal parts, as scikit-learn's KFold does without shuffling."""
    for fold, part in enumerate(np.array_split(members, count)):
        folds[part] = fold


def _pair_list(
    path: Path, images: Sequence[Sequence[_Image]], issame: np.ndarray, folds: np.ndarray, fold_rule: str
) -> PairList:
    """PairList of ``images``: for each pair two (identity or None, image)."""
    if issame.all() or not issame.any():
        kind = 'the same person' if issame.any() else 'two persons'
        raise PairListError(
            f'{path}: all {len(issame)} pairs are of {kind}. Verification needs both kinds: complete the list.'
        )
    numbers: dict[Any, int] = {}
    identities: list[Any] = []
    for identity, image in (entry for pair in images for entry in pair):
        if numbers.setdefault(image, len(numbers)) == len(identities):
            identities.append(identity)
    pairs = np.array([[numbers[image] for _, image in pair] for pair in images], np.int64)
    return PairList(list(numbers), None if None in identities else identities, pairs, issame, folds, fold_rule)


def _read_bin(path: Path) -> PairList:
    """insightface's ``pickle.dump((2 P encoded images, P issame))``, of Python 2 or 3; ten folds as its evaluation."""
    try:
        with open(path, 'rb') as file:
            images, issame = _BinUnpickler(file, encoding='bytes').load()
        images = [image.content if isinstance(image, _Array) else image for image in images]
        issame = np.array([bool(same) for same in (issame.content if isinstance(issame, _Array) else issame)], bool)
        if not issame.size or len(images) != 2 * len(issame) or not all(type(image) is bytes for image in images):
            raise ValueError(f'{len(images)} images and {issame.size} pairs')
    except PairListError as error:
        raise PairListError(f'{path}: {error}') from None
    except Exception as error:  # a damaged pickle may raise almost anything
        raise PairListError(
            f"{path}: not insightface's .bin, which holds 2 P encoded images and P truth values "
            f'({type(error).__name__}: {error}). Fetch it again.'
        ) from None
    folds = np.zeros(len(issame), np.int64)
    _cut(folds, np.arange(len(issame)), min(_FOLDS, len(issame)))
    pairs = [[(None, a), (None, b)] for a, b in zip(images[::2], images[1::2])]
    return _pair_list(path, pairs, issame, folds, _CONTIGUOUS)


class _StandIn:
    """What a name in a .bin stands for. Classes only, with ``__setstate__``: a pickle can set attributes of others."""

    def __setstate__(self, state: object) -> None:
        pass


class _Bytes(_StandIn):
    """Python 3's bytes in the protocols of Python 2."""

    def __new__(cls, text: str, encoding: str) -> bytes:  # type: ignore[misc]
        return text.encode('latin-1')


class _DType(_StandIn):
    def __init__(self, code: str | bytes, *_: object) -> None:
        self.code = code.decode() if isinstance(code, bytes) else code


class _Array(_StandIn):
    """The bytes of a uint8 or bool array: an encoded image, or truth values."""

    content: bytes = b''

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        _, _, dtype, _, content = state
        self.content = _checked_content(dtype, content)


class _Buffer(_StandIn):
    def __new__(cls, content: bytes, dtype: _DType, *_: object) -> _Array:  # type: ignore[misc]
        array = _Array()
        array.content = _checked_content(dtype, content)
        return array


class _Scalar(_StandIn):
    def __new__(cls, dtype: _DType, content: bytes) -> bool:  # type: ignore[misc]
        return _checked_content(dtype, content) != b'\0'


def _checked_content(dtype: _DType, content: bytes) -> bytes:
    if dtype.code not in ('u1', 'b1'):
        raise PairListError(f'it holds an array of type {dtype.code}, only uint8 and bool are read.')
    return bytes(content)


_STAND_INS = {
    ('_codecs', 'encode'): _Bytes,
    ('numpy', 'dtype'): _DType,
    ('numpy', 'ndarray'): _Array,
    ('numpy.core.multiarray', '_reconstruct'): _Array,
    ('numpy.core.multiarray', 'scalar'): _Scalar,
    ('numpy.core.numeric', '_frombuffer'): _Buffer,
}


class _BinUnpickler(pickle.Unpickler):
    """Builds bytes, numbers, lists and tuples and reads the bytes of arrays; a pickle can call nothing else by it."""

    def find_class(self, module: str, name: str) -> Any:
        stand_in = _STAND_INS.get((module.replace('numpy._core', 'numpy.core'), name))
        if stand_in is None:
            raise PairListError(
                f'it wants to call {module}.{name}, which a file of images has no need of. It is not '
                "insightface's, or not safe: fetch it from its source."
            )
        return stand_in
