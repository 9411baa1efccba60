"""Calibration of weights on faces whose persons are known: pairs of sizes, false match rates, and quality.

Each face is embedded once in each size. What is reported (confidence, FPIR, errors by quality) is of persons that the
calibration did not see: those of either half of all persons are judged by a calibration on the other half. What goes
into the weights file is calibrated on all of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from rim_plugin.calibration_values import Calibration, Quality
from rim_plugin.data.face_source import NOBODY
from rim_plugin.data.face_store import FaceStore
from rim_plugin.errors import OptionsError
from rim_plugin.evaluation.open_set import expected_fpir
from rim_plugin.evaluation.reliability import Reliability, reliability
from rim_plugin.names import same_key, same_name
from rim_plugin.tools.api import RIM
from rim_plugin.tools.calibration import at_sizes, calibrate, log_odds, search_threshold
from rim_plugin.tools.quality_calibration import embedded, largest_untold, measure_qualities, reduced

SIZES = (4, 7, 14, 28, 112)
FPIRS = (0.01, 0.1)
_LEAST_PERSONS = 20


class KnownFaces(NamedTuple):
    """Aligned faces, uint8 (112, 112, 3) each, and who they are, str (N, )."""

    faces: list[np.ndarray]
    persons: np.ndarray


class Measured(NamedTuple):
    """What calibration gives.

    Attributes:
        calibrations, qualities: for the weights file.
        facts: figures for the card, JSON values.
        curves: reliability diagrams by pair of sizes, and all together.
        rejections: false non-match rates when 0, 1, ... percent of the probes are refused, by size.
    """

    calibrations: tuple[Calibration, ...]
    qualities: tuple[Quality, ...]
    facts: dict[str, Any]
    curves: dict[str, Reliability]
    rejections: dict[str, np.ndarray]


def known_faces(
    store: str | os.PathLike[str],
    identities: str | os.PathLike[str],
    exclude: str | os.PathLike[str] | None,
    persons: int,
) -> KnownFaces:
    """Two faces of each of some persons.

    Args:
        store: prepared store, LMDB, of aligned windows of 112 pixels or more.
        identities: text file of lines NAME PERSON; ``-`` for a person who is not known.
        exclude: text file that names faces, one a line, that are left out, such as those of the training.
        persons: how many at most, drawn from all with two faces.

    Raises:
        FileNotFoundError: store or list are not there.
        OptionsError: too few persons have two faces.
    """
    faces = FaceStore(store, 'lmdb')
    left_out = {same_key(_stem(row[0])) for row in _rows(exclude)} if exclude else set()
    by_person: dict[str, list[str]] = {}
    known = {
        same_key(_stem(row[0])): same_name(row[1]) for row in _rows(identities) if len(row) > 1 and row[1] != NOBODY
    }
    for key in faces.keys:
        if same_key(key) in known and same_key(key) not in left_out:
            by_person.setdefault(known[same_key(key)], []).append(key)
    twice = sorted(person for person, keys in by_person.items() if len(keys) > 1)
    if len(twice) < _LEAST_PERSONS:
        raise OptionsError(
            f'--calibrate {store}: {len(twice)} persons of {identities} have two faces there that are not left out; '
            f'{_LEAST_PERSONS} are the least, and some hundred are better'
        )
    chosen = np.random.default_rng(0).permutation(twice)[:persons]
    keys = [(person, key) for person in chosen for key in by_person[person][:2]]
    margin, side = faces.margin, faces.shape[0]
    images = [faces.image('gt', key)[margin : side - margin, margin : side - margin] for _, key in keys]
    return KnownFaces([reduced(image, SIZES[-1]) for image in images], np.array([str(person) for person, _ in keys]))


def _rows(path: str | os.PathLike[str]) -> list[list[str]]:
    return [line.split() for line in Path(path).read_text(encoding='utf-8').splitlines() if line.strip()]


def _stem(name: str) -> str:
    return os.path.splitext(name)[0]


def measure_calibration(rim: RIM, known: KnownFaces, sizes: Sequence[int] = SIZES) -> Measured:
    """Calibrate on known faces, each seen at every one of the sizes in pixels.

    Sizes at which too many pictures that are no face pass teach a quality, but get no verdict: thresholds are for
    larger ones.
    """
    with tqdm(total=len(sizes) * len(known.faces), unit='face', desc='calibration') as bar:
        seen = {size: embedded(rim, [reduced(face, size) for face in known.faces], bar) for size in sizes}
    half = np.unique(known.persons, return_inverse=True)[1] % 2 == 0
    quality = measure_qualities(rim, known.faces, known.persons, seen, half)
    untold = largest_untold(quality.passing)
    embeddings = {size: each.rows for size, each in seen.items() if size > untold}
    parts = [_calibrated(embeddings, known.persons, part) for part in (half, ~half)]
    verdicts = list(_verdicts(embeddings, known.persons, half, parts))
    curves = {f'{pair[0]} and {pair[1]} px': reliability(*rows) for pair, rows in verdicts}
    curves['all'] = reliability(*(np.concatenate(each) for each in zip(*(rows for _, rows in verdicts))))
    facts = {
        'faces': len(known.faces),
        'persons': len(np.unique(known.persons)),
        'sizes': list(embeddings),
        'untold': [size for size in sizes if size <= untold],
        'calibration_error': {name: curve.error for name, curve in curves.items()},
        'chance_error': {name: curve.chance for name, curve in curves.items()},
        'fpir': _fpir_figures(embeddings, known.persons, half, parts),
        'quality': quality.passing,
    }
    return Measured(_calibrated(embeddings, known.persons), quality.qualities, facts, curves, quality.rejections)


def _pairs(
    embeddings: dict[int, np.ndarray], persons: np.ndarray, sizes: tuple[int, int], part: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Similarities of all pairs of one person's different faces, and of all pairs of different persons, of a part."""
    first, second = (embeddings[size][part] for size in sizes)
    same = persons[part][:, None] == persons[part][None]
    mated, others = same & ~np.eye(len(same), dtype=bool), ~same
    if sizes[0] == sizes[1]:
        mated, others = np.triu(mated), np.triu(others)
    scores = first @ second.T
    return scores[mated], scores[others]


def _calibrated(
    embeddings: dict[int, np.ndarray], persons: np.ndarray, part: np.ndarray | None = None
) -> tuple[Calibration, ...]:
    part = np.ones(len(persons), bool) if part is None else part
    calibrations = []
    for sizes in combinations_with_replacement(sorted(embeddings), 2):
        mated, others = _pairs(embeddings, persons, sizes, part)
        issame = np.repeat([True, False], [len(mated), len(others)])
        calibrations.append(calibrate(sizes, np.concatenate([mated, others]), issame, others))
    return tuple(calibrations)


Verdicts = tuple[np.ndarray, np.ndarray, np.ndarray]  # confidence, whether it is right, weight


def _verdicts(
    embeddings: dict[int, np.ndarray], persons: np.ndarray, half: np.ndarray, parts: list[tuple[Calibration, ...]]
) -> Iterator[tuple[tuple[int, int], Verdicts]]:
    """Of every pair of sizes the verdicts on either half by the calibration on the other."""
    from scipy.special import expit

    for sizes in combinations_with_replacement(sorted(embeddings), 2):
        rows: list[Verdicts] = []
        for part, calibrations in zip((~half, half), parts):
            curve = at_sizes(calibrations, sizes)
            for similarity, same in zip(_pairs(embeddings, persons, sizes, part), (True, False)):
                likely = expit(log_odds(similarity, *curve))
                accepted = similarity >= curve[0]
                weights = np.full(len(similarity), 1 / len(similarity))
                rows.append((np.where(accepted, likely, 1 - likely), accepted == same, weights))
        confidence, right, weights = (np.concatenate(each) for each in zip(*rows))
        yield sizes, (confidence, right, weights)


def _fpir_figures(
    embeddings: dict[int, np.ndarray], persons: np.ndarray, half: np.ndarray, parts: list[tuple[Calibration, ...]]
) -> list[dict[str, Any]]:
    """FPIR of searches of galleries at full resolution, by thresholds of persons that are none of them."""
    rows, largest = [], max(embeddings)
    galleries = sorted({20, int(half.sum() // 2 * 2 - 4)})
    for size in embeddings:
        for photos in galleries:
            for asked in FPIRS:
                found = []
                for part, calibrations in zip((~half, half), parts):
                    similarity = np.array(embeddings[size][part] @ embeddings[largest][part].T, np.float64)
                    similarity[persons[part][:, None] == persons[part][None]] = np.nan
                    threshold = search_threshold(calibrations, (size, largest), photos, asked)
                    found.append(expected_fpir(similarity, threshold, min(photos, similarity.shape[1] - 2)))
                rows.append({'size': size, 'photos': photos, 'asked': asked, 'fpir': float(np.mean(found))})
    return rows
