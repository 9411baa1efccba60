"""Calibration of qualities on faces whose persons are known, and the side from which a face is told from no face."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from rim_plugin.calibration_values import Quality
from rim_plugin.data.degradations import degrade_face
from rim_plugin.data.resize import degrade
from rim_plugin.options.datasets import BlurOptions, DegradationOptions, SecondOptions
from rim_plugin.tools.api import RIM
from rim_plugin.tools.no_faces import no_face
from rim_plugin.tools.quality import (
    RECOGNISED,
    SEEN,
    SEEN_FEATURES,
    fit_quality,
    fit_recognised,
    quality_at,
    recognition,
    scores,
)

LEAST_REFUSED = 0.9  # share of pictures that are no face that is refused at every size at which there are verdicts
# What cameras and the web do to faces of one side; blur and a second reduction lessen the side, which is estimated.
WORN = DegradationOptions(probability=1, blur=BlurOptions(probability=0), second=SecondOptions(probability=0))
_REFUSED = 0.31  # of all pairs, as far as the error-versus-reject curve goes


class People(NamedTuple):
    """Whose the rows of n faces are: those of all faces as they are, then those of all of them worn (:data:`WORN`).

    Attributes:
        persons: int (2 n, ), a number for each.
        photos: int (2 n, ), 0 to n - 1.
        half: bool (2 n, ), persons of one half.
    """

    persons: np.ndarray
    photos: np.ndarray
    half: np.ndarray

    @property
    def worn(self) -> np.ndarray:
        """Bool (2 n, )."""
        return np.arange(len(self.photos)) >= len(self.photos) // 2

    def mated(self) -> np.ndarray:
        """Bool (2 n, 2 n), different photos of one person."""
        return ~self.strangers() & (self.photos[:, None] != self.photos[None])

    def strangers(self) -> np.ndarray:
        """Bool (2 n, 2 n), photos of different persons."""
        return np.asarray(self.persons[:, None] != self.persons[None])


class Seen(NamedTuple):
    """Pictures of one size.

    Attributes:
        rows: (N, D) unit embeddings.
        values: (N, 6) features of quality, see :func:`rim_plugin.tools.quality.scores`.
    """

    rows: np.ndarray
    values: np.ndarray


class QualitiesMeasured(NamedTuple):
    """What is told of qualities: of faces in either half by the qualities of the other.

    Attributes:
        rejections: false non-match rates when 0, 1, ... percent of the probes are refused, by size.
        passing: shares of faces that pass and of other pictures that do not, by size, for the card.
    """

    rejections: dict[str, np.ndarray]
    passing: list[dict[str, Any]]


def people_of(persons: np.ndarray) -> People:
    """Of the persons (n, ) of n faces."""
    numbers = np.unique(persons, return_inverse=True)[1]
    return People(*(np.tile(each, 2) for each in (numbers, np.arange(len(numbers)), numbers % 2 == 0)))


def reduced(face: np.ndarray, size: int) -> np.ndarray:
    """The face, uint8 (q, q, 3), at ``size`` pixels."""
    return face if len(face) == size else degrade(face, size)


def both_ways(faces: Sequence[np.ndarray], size: int) -> Iterator[np.ndarray]:
    """All faces at ``size`` pixels, then all of them worn."""
    yield from (reduced(face, size) for face in faces)
    yield from (degrade_face(face, size, WORN, number) for number, face in enumerate(faces))


def see(rim: RIM, pictures: Sequence[np.ndarray], bar: tqdm) -> Seen:
    """Embeddings and features of pictures, a batch at a time; the bar tells of each."""
    rows, values = [], []
    for first in range(0, len(pictures), rim.batch):
        part = list(pictures[first : first + rim.batch])
        embeddings, signs = rim.embed_with_signs(part)
        rows.append(embeddings)
        values.append(np.column_stack([rim.quality_features(part), signs.columns()]))
        bar.update(len(part))
    return Seen(np.concatenate(rows), np.concatenate(values))


def see_all(
    rim: RIM, faces: Sequence[np.ndarray], sizes: Sequence[int]
) -> tuple[dict[int, Seen], dict[int, np.ndarray]]:
    """Faces both ways at each of the sizes, and features of pictures that are none at the small ones.

    Args:
        rim: sees the faces.
        faces: uint8 (112, 112, 3) each, from every second of which a picture that is no face is made.
        sizes: in pixels.
    """
    others = [no_face(face, number) for number, face in enumerate(faces) if number % 2 == 0]
    small = [size for size in sizes if size <= SEEN]
    total = 2 * len(sizes) * len(faces) + len(small) * len(others)
    with tqdm(total=total, unit='picture', desc='calibration') as bar:
        seen = {size: see(rim, list(both_ways(faces, size)), bar) for size in sizes}
        return seen, {size: see(rim, [reduced(each, size) for each in others], bar).values for size in small}


def fit_qualities(
    seen: Mapping[int, Seen], others: Mapping[int, np.ndarray], people: People, part: np.ndarray
) -> tuple[Quality, ...]:
    """Qualities of the sizes of ``others``, by a part of the persons, bool (2 n, ), and the pictures made of them."""
    return tuple(_fitted(size, seen, others[size], people, part) for size in others)


def _fitted(size: int, seen: Mapping[int, Seen], others: np.ndarray, people: People, part: np.ndarray) -> Quality:
    values, none = seen[size].values, others[part[: len(part) // 2 : 2]]
    similarity = similar_to_full(seen, size)
    threshold = float(np.quantile(similarity[people.strangers() & part[:, None]], 1 - RECOGNISED))
    mated = with_other_photo(similarity, people)
    recognised = fit_recognised(values[part][:, SEEN_FEATURES:], mated[part], threshold)
    known = slice(SEEN_FEATURES + 1)  # noise is no sign of a face
    return fit_quality(size, values[part & ~people.worn][:, known], none[:, known])._replace(recognised=recognised)


def measure_qualities(
    seen: Mapping[int, Seen],
    others: Mapping[int, np.ndarray],
    people: People,
    parts: Sequence[tuple[np.ndarray, tuple[Quality, ...]]],
) -> QualitiesMeasured:
    """What qualities of either half are worth for the faces of the other.

    Args:
        seen, others: see :func:`see_all`.
        people: whose the faces are.
        parts: of either half, bool (2 n, ), its qualities.
    """
    rejections, passing = {}, []
    for place, size in enumerate(others):
        held_out, shares = np.empty(len(people.half)), []
        for part, qualities in parts:
            quality = qualities[place]
            values, none = scores(quality, seen[size].values), scores(quality, others[size])
            held_out[~part] = values[~part]
            passed = [(values >= quality.least)[~part & kind].mean() for kind in (~people.worn, people.worn)]
            shares.append((*passed, (none < quality.least)[~part[: len(part) // 2 : 2]].mean()))
        names = 'faces passing', 'worn faces passing', 'other pictures refused'
        passing.append({'size': size, **dict(zip(names, map(float, np.mean(shares, 0))))})
        rejections[f'{size} px'] = rejection(with_other_photo(similar_to_full(seen, size), people), held_out)
    return QualitiesMeasured(rejections, passing)


def likely_recognised(qualities: Sequence[Quality], size: int, values: np.ndarray) -> np.ndarray:
    """(N, ) probabilities that faces of one size with such features (N, 6) are recognised; NaN for those whose quality
    is not enough for a verdict."""
    quality = quality_at(qualities, size)
    qualities_of = scores(quality, values)
    return np.where(qualities_of >= quality.least, recognition(quality, qualities_of), np.nan)


def similar_to_full(seen: Mapping[int, Seen], size: int) -> np.ndarray:
    """Similarities (2 n, 2 n) of faces at a size with all at the largest, which is full resolution."""
    return np.asarray(seen[size].rows @ seen[max(seen)].rows.T)


def with_other_photo(similarity: np.ndarray, people: People) -> np.ndarray:
    """(2 n, ) of each face with another photo of its person, as that is, of similarities (2 n, 2 n)."""
    other = (people.mated() & ~people.worn).argmax(1)
    return similarity[np.arange(len(similarity)), other]


def rejection(mated: np.ndarray, quality: np.ndarray) -> np.ndarray:
    """False non-match rates, a tenth with all pairs, when those of least quality are refused, percent by percent."""
    missed = mated < np.quantile(mated, 0.1)
    least = np.quantile(quality, np.arange(0, _REFUSED, 0.01))
    return np.array([missed[quality >= each].mean() for each in least])


def largest_untold(passing: Sequence[Mapping[str, float]]) -> int:
    """The largest size in pixels at which too few other pictures are refused: up to it, a verdict on a face cannot be
    told from one on noise. 0 where there is none."""
    return max((int(row['size']) for row in passing if row['other pictures refused'] < LEAST_REFUSED), default=0)
