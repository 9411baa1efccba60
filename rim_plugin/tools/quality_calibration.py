"""Calibration of qualities on faces whose persons are known, and the side from which a face is told from no face."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from tqdm import tqdm

from rim_plugin.calibration_values import Quality
from rim_plugin.data.resize import degrade
from rim_plugin.tools.api import RIM
from rim_plugin.tools.no_faces import no_face
from rim_plugin.tools.quality import RECOGNISED, SEEN, fit_quality, fit_recognised, scores

LEAST_REFUSED = 0.9  # share of pictures that are no face that is refused at every size at which there are verdicts
_REFUSED = 0.31  # of all pairs, as far as the error-versus-reject curve goes

Rows = TypeVar('Rows')


class Embedded(NamedTuple):
    """Faces of two photos or more of each person at one size.

    Attributes:
        rows: (N, D) unit embeddings.
        agreements: (N, ), see :meth:`rim_plugin.tools.api.RIM.embed_agreeing`.
    """

    rows: np.ndarray
    agreements: np.ndarray


class QualitiesMeasured(NamedTuple):
    """What the calibration of qualities gives.

    Attributes:
        qualities: by size, for the weights file.
        rejections: false non-match rates when 0, 1, ... percent of the probes are refused, by size.
        passing: shares of faces that pass and of other pictures that do not, by size, for the card.
    """

    qualities: tuple[Quality, ...]
    rejections: dict[str, np.ndarray]
    passing: list[dict[str, Any]]


def reduced(face: np.ndarray, size: int) -> np.ndarray:
    """The face, uint8 (q, q, 3), at ``size`` pixels."""
    return face if len(face) == size else degrade(face, size)


def in_parts(work: Callable[[list[np.ndarray]], Rows], faces: Sequence[np.ndarray], size: int, bar: tqdm) -> list[Rows]:
    """What ``work`` makes of the faces, ``size`` at a time; the bar tells of each part."""
    results = []
    for first in range(0, len(faces), size):
        part = list(faces[first : first + size])
        results.append(work(part))
        bar.update(len(part))
    return results


def embedded(rim: RIM, faces: Sequence[np.ndarray], bar: tqdm) -> Embedded:
    """Embeddings and agreements of faces."""
    return Embedded(*(np.concatenate(each) for each in zip(*in_parts(rim.embed_agreeing, faces, rim.batch, bar))))


def measure_qualities(
    rim: RIM, faces: Sequence[np.ndarray], persons: np.ndarray, seen: Mapping[int, Embedded], half: np.ndarray
) -> QualitiesMeasured:
    """Qualities by size; what is told of them is of faces in either half by the qualities of the other.

    Args:
        rim: sees the faces.
        faces: uint8 (112, 112, 3) each, from every second of which a picture that is no face is made.
        persons: (N, ) whose they are, two photos of each or more.
        seen: the faces by size in pixels; the largest size is full resolution.
        half: (N, ) bool, persons of one half.
    """
    others = [no_face(face, number) for number, face in enumerate(faces) if number % 2 == 0]
    small = [size for size in seen if size <= SEEN]
    qualities, rejections, passing = [], {}, []
    bar = tqdm(total=len(small) * (len(faces) + 2 * len(others)), unit='picture', desc='quality')
    for size in small:
        pictures = [reduced(each, size) for each in (*faces, *others)]
        features = np.concatenate(in_parts(rim.quality_features, pictures, rim.batch, bar))
        agreements = np.concatenate([seen[size].agreements, embedded(rim, pictures[len(faces) :], bar).agreements])
        mated, strangers = similarities(seen[size].rows, seen[max(seen)].rows, persons)
        threshold = float(np.quantile(strangers, 1 - RECOGNISED))
        table = _Pictures(np.column_stack([features, agreements]), mated, threshold)
        held_out, told = _held_out(size, table, half)
        passing.append({'size': size, **told})
        qualities.append(_fitted(size, table, np.ones(len(faces), bool), np.ones(len(others), bool)))
        rejections[f'{size} px'] = rejection(mated, held_out)
    bar.close()
    return QualitiesMeasured(tuple(qualities), rejections, passing)


class _Pictures(NamedTuple):
    """Of n faces and m other pictures of one size: features (n + m, 5), similarities (n, ) of the faces with another
    photo of the person, and the similarity from which a face is recognised."""

    features: np.ndarray
    mated: np.ndarray
    threshold: float


def _fitted(size: int, pictures: _Pictures, faces: np.ndarray, others: np.ndarray) -> Quality:
    """By some of the faces, bool (n, ), and of the other pictures, bool (m, )."""
    values, none = pictures.features[: len(faces)][faces], pictures.features[len(faces) :][others]
    recognised = fit_recognised(values[:, -1], pictures.mated[faces], pictures.threshold)
    return fit_quality(size, values, none)._replace(recognised=recognised)


def _held_out(size: int, pictures: _Pictures, half: np.ndarray) -> tuple[np.ndarray, dict[str, float]]:
    """Qualities (n, ) of each half's faces by those of the other half, and how often the least ones are right."""
    count = len(half)
    held_out, shares = np.empty(count), []
    for part in (half, ~half):
        quality = _fitted(size, pictures, part, part[::2])
        values = scores(quality, pictures.features)
        held_out[~part] = values[:count][~part]
        passed, refused = held_out[~part] >= quality.least, values[count:][~part[::2]] < quality.least
        shares.append((passed.mean(), refused.mean()))
    passing, refused_share = np.mean(shares, 0)
    return held_out, {'faces passing': float(passing), 'other pictures refused': float(refused_share)}


def similarities(probes: np.ndarray, full: np.ndarray, persons: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Similarities of probes (N, D) with photos (N, D) of the same persons (N, ) at full resolution.

    Returns:
        (N, ) of each with another photo of its person, and (M, ) of all with those of others.
    """
    same = persons[:, None] == persons[None]
    similarity = probes @ full.T
    other = (same & ~np.eye(len(same), dtype=bool)).argmax(1)
    return similarity[np.arange(len(same)), other], similarity[~same]


def rejection(mated: np.ndarray, quality: np.ndarray) -> np.ndarray:
    """False non-match rates, a tenth with all pairs, when those of least quality are refused, percent by percent."""
    missed = mated < np.quantile(mated, 0.1)
    least = np.quantile(quality, np.arange(0, _REFUSED, 0.01))
    return np.array([missed[quality >= each].mean() for each in least])


def largest_untold(passing: Sequence[Mapping[str, float]]) -> int:
    """The largest size in pixels at which too few other pictures are refused: up to it, a verdict on a face cannot be
    told from one on noise. 0 where there is none."""
    return max((int(row['size']) for row in passing if row['other pictures refused'] < LEAST_REFUSED), default=0)
