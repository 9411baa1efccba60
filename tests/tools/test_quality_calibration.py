"""Qualities from faces whose persons are known, and the sizes at which nothing tells a face from no face."""

import cv2
import numpy as np
import pytest
from support.facts import FACTS

from rim_plugin.data.resize import degrade
from rim_plugin.tools import quality_calibration
from rim_plugin.tools.card import model_card
from rim_plugin.tools.face_calibration import KnownFaces, measure_calibration
from rim_plugin.tools.quality import Signs
from rim_plugin.tools.quality_calibration import (
    both_ways,
    largest_untold,
    likely_recognised,
    people_of,
    rejection,
    with_other_photo,
)
from rim_plugin.weights_file import Weights

PERSONS = 40


class Seeing:
    """In the place of RIM: knows persons by the picture's brightness; each third is seen badly, and agrees less.

    What is brighter than 128 is no face, which it does not tell at 8 pixels. Worn pictures, which have rough edges, it
    sees worse, and their noise tells that.
    """

    batch = 16

    def embed_with_signs(self, faces):
        rows, agreements, noises = [], [], []
        for face in faces:
            person = round((float(np.median(face)) - 10) / 3)
            chance = np.random.default_rng(int(face.astype(int).sum()) + len(face))
            noises.append(float(face[1:].std()) if len(face) < 112 else 0.0)
            spread = (0.3 if person % 3 else 1.5) + 0.7 * (noises[-1] > 0.5)
            row = np.random.default_rng(person).normal(size=32) + spread * chance.normal(size=32)
            rows.append(row / np.linalg.norm(row))
            agreements.append(1 - 0.1 * spread + 0.005 * chance.normal())
        return np.array(rows, np.float32), Signs(np.array(agreements, np.float32), np.array(noises, np.float32))

    def quality_features(self, faces):
        rng = np.random.default_rng(int(faces[0].mean()))
        told = np.array([0.0 if len(face) == 8 else 5.0 * (face.mean() < 128) for face in faces])
        return told[:, None] + rng.normal(size=(len(faces), 4))


@pytest.fixture(scope='module')
def measured():
    """Two photos of each person, whose brightness is the same; the photos differ in one pixel."""
    faces = []
    for person in range(PERSONS):
        for photo in range(2):
            faces.append(np.full((112, 112, 3), 10 + 3 * person, np.uint8))
            faces[-1][0, 0] = 30 * photo
    persons = np.array([f'P{number:02d}' for number in range(PERSONS)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quality_calibration, 'no_face', lambda face, number: 255 - face)
        return measure_calibration(Seeing(), KnownFaces(faces, persons.repeat(2)), (8, 16, 112))


def test_refusing_faces_of_low_quality_lessens_the_errors(measured):
    curve = measured.rejections['16 px']
    assert curve[0] == pytest.approx(0.1, abs=0.03) and len(curve) == 31
    assert curve[30] < 0.6 * curve[0]
    assert all(each.recognised[1] > 0 for each in measured.qualities)


def test_sizes_at_which_faces_are_not_told_from_other_pictures_get_no_thresholds(measured):
    shares = {row['size']: row['other pictures refused'] for row in measured.facts['quality']}
    assert shares[8] < 0.5 and shares[16] > 0.9
    assert [(each.size, each.other) for each in measured.calibrations] == [(16, 16), (16, 112), (112, 112)]
    assert measured.facts['sizes'] == [16, 112] and measured.facts['untold'] == [8]
    assert [each.size for each in measured.qualities] == [8, 16]
    facts = {**FACTS, 'calibration': measured.facts}
    card = model_card(Weights({}, {}, measured.calibrations, facts), 'x')
    assert 'At 8 pixels there is no verdict either' in card and '16, 112 pixels, as it is and worn' in card


def test_the_largest_size_at_which_too_many_pass_ends_it():
    def rows(*refused):
        return [{'size': size, 'other pictures refused': each} for size, each in zip((4, 7, 14), refused)]

    assert largest_untold(rows(0.6, 0.95, 0.99)) == 4 and largest_untold(rows(0.95, 0.95, 0.99)) == 0
    assert largest_untold(rows(0.95, 0.89, 0.99)) == 7 and largest_untold([]) == 0


def test_each_face_is_there_as_it_is_and_worn():
    rng = np.random.default_rng(0)
    faces = [cv2.resize(rng.integers(0, 256, (9, 9, 3), np.uint8), (112, 112)) for _ in range(12)]
    seen = list(both_ways(faces, 14))
    assert all(np.array_equal(a, degrade(b, 14)) for a, b in zip(seen, faces))
    assert all(each.shape == (14, 14, 3) for each in seen) and len(seen) == 24
    changes = [np.abs(a.astype(int) - b).mean() for a, b in zip(seen, seen[12:])]
    assert np.mean(np.array(changes) > 0) > 0.7 and np.mean(changes) > 3
    assert all(np.array_equal(a, b) for a, b in zip(seen, both_ways(faces, 14)))


def test_pairs_are_of_different_photos_and_the_other_photo_is_a_clean_one():
    people = people_of(np.array(['a', 'a', 'b', 'b']))
    assert people.worn.tolist() == [False] * 4 + [True] * 4
    assert np.flatnonzero(people.mated()[0]).tolist() == [1, 5], 'not the same photo, worn'
    assert np.flatnonzero(people.strangers()[5]).tolist() == [2, 3, 6, 7]
    similarity = np.arange(64.0).reshape(8, 8)
    assert with_other_photo(similarity, people).tolist() == [1, 8, 19, 26, 33, 40, 51, 58]


def test_worn_faces_teach_verdicts_and_have_an_error_of_their_own(measured):
    full = next(each for each in measured.calibrations if (each.size, each.other) == (16, 112))
    assert full.threshold_rise > 0 < full.slope_rise
    errors = measured.facts['calibration_error']
    assert {'two clean faces', 'a worn face among them', 'all'} <= errors.keys()
    assert all('worn faces passing' in row for row in measured.facts['quality'])


def test_a_face_whose_quality_is_not_enough_for_a_verdict_is_in_no_pair(measured):
    quality = measured.qualities[1]
    values = np.column_stack([np.full((2, 4), [[5.0], [0.0]]), Signs(np.full(2, 0.97), np.zeros(2)).columns()])
    likely = likely_recognised(measured.qualities, quality.size, values)
    assert 0 < likely[0] <= 1 and np.isnan(likely[1])


def test_a_rejection_counts_what_is_missed_among_those_left():
    mated = np.array([0.0, *np.linspace(0.5, 1, 9)])
    best_first, worst_first = rejection(mated, mated), rejection(mated, -mated)
    assert best_first[0] == worst_first[0] == pytest.approx(0.1)
    assert best_first[20] == 0 and worst_first[20] == pytest.approx(1 / 8)
