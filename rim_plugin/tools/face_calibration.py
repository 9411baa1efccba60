"""Calibration of weights on faces whose persons are known: pairs of sizes, false match rates, and quality.

Each face is embedded twice in each size, as it is and worn by noise and compression. What is reported (confidence,
FPIR, errors by quality) is of persons that the calibration did not see: those of either half of all persons are judged
by a calibration on the other half. What goes into the weights file is calibrated on all of them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import combinations_with_replacement, product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rim_plugin.calibration_values import Calibration, Quality
from rim_plugin.data.face_source import NOBODY
from rim_plugin.data.face_store import FaceStore
from rim_plugin.errors import OptionsError
from rim_plugin.evaluation.open_set import expected_fpir
from rim_plugin.evaluation.reliability import Reliability, reliability
from rim_plugin.names import same_key, same_name
from rim_plugin.tools.api import RIM
from rim_plugin.tools.calibration import at_sizes, calibrate, log_odds, search_threshold
from rim_plugin.tools.quality_calibration import (
    People,
    Seen,
    fit_qualities,
    largest_untold,
    likely_recognised,
    measure_qualities,
    people_of,
    reduced,
    see_all,
    similar_to_full,
)

SIZES = (4, 7, 10, 14, 20, 28, 112)
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


class _Fitted(NamedTuple):
    """What a part of the persons, bool (2 n, ), teaches."""

    part: np.ndarray
    qualities: tuple[Quality, ...]
    calibrations: tuple[Calibration, ...] = ()


class _Pairs(NamedTuple):
    """Pairs of one kind: similarities (P, ), probabilities (P, ) that both faces are recognised, and which are of two
    faces as they are, bool (P, )."""

    scores: np.ndarray
    recognised: np.ndarray
    clean: np.ndarray


def measure_calibration(rim: RIM, known: KnownFaces, sizes: Sequence[int] = SIZES) -> Measured:
    """Calibrate on known faces, each seen at every one of the sizes in pixels, as it is and worn.

    Sizes at which too many pictures that are no face pass teach a quality, but get no verdict: thresholds are for
    larger ones.
    """
    seen, others = see_all(rim, known.faces, sizes)
    people = people_of(known.persons)
    fitted = [
        _Fitted(part, fit_qualities(seen, others, people, part))
        for part in (people.half, ~people.half, np.ones(len(people.half), bool))
    ]
    told = measure_qualities(seen, others, people, [each[:2] for each in fitted[:2]])
    untold = largest_untold(told.passing)
    seen = {size: each for size, each in seen.items() if size > untold}
    *halves, whole = [each._replace(calibrations=_calibrated(seen, people, each)) for each in fitted]
    curves = _reliabilities(seen, people, halves)
    facts = {
        'faces': len(known.faces),
        'persons': len(np.unique(known.persons)),
        'sizes': list(seen),
        'untold': [size for size in sizes if size <= untold],
        'calibration_error': {name: curve.error for name, curve in curves.items()},
        'chance_error': {name: curve.chance for name, curve in curves.items()},
        'fpir': _fpir_figures(seen, people, halves),
        'quality': told.passing,
    }
    return Measured(whole.calibrations, whole.qualities, facts, curves, told.rejections)


def _pairs(
    seen: Mapping[int, Seen], people: People, sizes: tuple[int, int], part: np.ndarray, qualities: Sequence[Quality]
) -> tuple[_Pairs, _Pairs]:
    """Pairs of one person's different photos, and of different persons, of a part, whose qualities suffice."""
    first, second = (np.where(part, likely_recognised(qualities, size, seen[size].values), np.nan) for size in sizes)
    recognised = first[:, None] * second[None]
    scores, clean = seen[sizes[0]].rows @ seen[sizes[1]].rows.T, ~(people.worn[:, None] | people.worn[None])
    kinds = [each & np.isfinite(recognised) for each in (people.mated(), people.strangers())]
    if sizes[0] == sizes[1]:
        kinds = [np.triu(each) for each in kinds]
    mated, strangers = (_Pairs(scores[each], recognised[each], clean[each]) for each in kinds)
    return mated, strangers


def _calibrated(seen: Mapping[int, Seen], people: People, fitted: _Fitted) -> tuple[Calibration, ...]:
    """By the part of the persons that taught the qualities."""
    calibrations = []
    for sizes in combinations_with_replacement(sorted(seen), 2):
        mated, strangers = _pairs(seen, people, sizes, fitted.part, fitted.qualities)
        issame = np.repeat([True, False], [len(mated.scores), len(strangers.scores)])
        scores, recognised = (np.concatenate(each) for each in list(zip(mated, strangers))[:2])
        calibrations.append(calibrate(sizes, scores, issame, strangers.scores, recognised))
    return tuple(calibrations)


class _Verdicts(NamedTuple):
    """Confidence, whether it is right, weight, and whether both faces are as they are, (V, ) each."""

    confidence: np.ndarray
    right: np.ndarray
    weight: np.ndarray
    clean: np.ndarray


def _reliabilities(seen: Mapping[int, Seen], people: People, halves: Sequence[_Fitted]) -> dict[str, Reliability]:
    """By pair of sizes, by whether faces are worn, and of all together."""
    verdicts = {
        f'{sizes[0]} and {sizes[1]} px': _verdicts(seen, people, sizes, halves)
        for sizes in combinations_with_replacement(sorted(seen), 2)
    }
    curves = {name: reliability(*each[:3]) for name, each in verdicts.items()}
    together = _Verdicts(*(np.concatenate(each) for each in zip(*verdicts.values())))
    for name, kind in (('two clean faces', together.clean), ('a worn face among them', ~together.clean)):
        curves[name] = reliability(*(each[kind] for each in together[:3]))
    return {**curves, 'all': reliability(*together[:3])}


def _verdicts(seen: Mapping[int, Seen], people: People, sizes: tuple[int, int], halves: Sequence[_Fitted]) -> _Verdicts:
    """On pairs of either half by the calibration on the other."""
    from scipy.special import expit

    rows = []
    for part, qualities, calibrations in halves:
        for pairs, same in zip(_pairs(seen, people, sizes, ~part, qualities), (True, False)):
            odds = log_odds(pairs.scores, *at_sizes(calibrations, sizes, pairs.recognised))
            weights = np.full(len(odds), 1 / len(odds))
            rows.append((expit(np.abs(odds)), (odds >= 0) == same, weights, pairs.clean))
    return _Verdicts(*(np.concatenate(each) for each in zip(*rows)))


def _fpir_figures(seen: Mapping[int, Seen], people: People, halves: Sequence[_Fitted]) -> list[dict[str, Any]]:
    """FPIR of searches of galleries at full resolution, by thresholds of persons that are none of them; probes both
    ways, photos of the gallery as they are."""
    rows, largest, clean = [], max(seen), ~people.worn
    galleries = sorted({20, int((people.half & clean).sum() // 2 * 2 - 4)})
    strangers = people.strangers()
    for size in seen:
        similarity = np.where(strangers, similar_to_full(seen, size).astype(np.float64), np.nan)
        searches = [(similarity[~part][:, ~part & clean], calibrations) for part, _, calibrations in halves]
        for photos, asked in product(galleries, FPIRS):
            found = []
            for others, calibrations in searches:
                threshold = search_threshold(calibrations, (size, largest), photos, asked)
                found.append(expected_fpir(others, threshold, min(photos, others.shape[1] - 2)))
            rows.append({'size': size, 'photos': photos, 'asked': asked, 'fpir': float(np.mean(found))})
    return rows
