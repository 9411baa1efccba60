from dataclasses import asdict

import numpy as np
import pytest

from rim_plugin.data.synthetic.geometry import View
from rim_plugin.data.synthetic.people import (
    BEARDS,
    GLASSES,
    HAIR_STYLES,
    FaceShape,
    Shot,
    distributions,
    sample_person,
    sample_shot,
)

SEED = 5
SHOT_RANGES = {
    'yaw': (-0.48, 0.48),
    'pitch': (-0.24, 0.24),
    'roll': (-0.04, 0.04),
    'zoom': (0.97, 1.03),
    'shift': (-2.4, 2.4),
    'smile': (0, 1.1),
    'gap': (0.025, 0.65),
    'blink': (0, 1),
    'brow_raise': (-0.1, 0.1),
    'frown': (0, 0.08),
    'gaze': (-0.09, 0.09),
    'light': (-1, 1),
    'ambient': (0.4, 0.8),
    'exposure': (0.82, 1.12),
    'warmth': (-0.12, 0.12),
    'cloth': (20, 230),
    'background_seed': (0, 2**31),
}


@pytest.mark.slow
def test_persons_differ():
    """In shape under one and the same pose and expression, in colour, and in what they wear."""
    frontal = [View(sample_person(SEED, identity), sample_shot(SEED, 0, 0)).landmarks for identity in range(30)]
    assert np.std(frontal, axis=0).mean() > 1.5
    persons = [sample_person(SEED, identity) for identity in range(300)]
    assert len({tuple(person.skin) for person in persons}) == 300
    assert {person.hair_style for person in persons} == set(HAIR_STYLES)
    assert {person.beard for person in persons} == set(BEARDS)
    assert {person.glasses for person in persons} == set(GLASSES)


def test_a_person_and_a_shot_depend_on_their_numbers_alone():
    assert str(asdict(sample_person(SEED, 3))) == str(asdict(sample_person(SEED, 3)))
    assert str(asdict(sample_shot(SEED, 3, 1))) == str(asdict(sample_shot(SEED, 3, 1)))
    assert len({sample_shot(*numbers).yaw for numbers in ((5, 3, 1), (5, 3, 2), (5, 4, 1), (6, 3, 1))}) == 4


def test_shots_keep_to_their_ranges_and_use_them():
    shots = [asdict(sample_shot(SEED, identity, index)) for identity in range(100) for index in range(5)]
    assert set(shots[0]) == set(SHOT_RANGES)
    for name, (low, high) in SHOT_RANGES.items():
        values = np.array([shot[name] for shot in shots])
        tolerance = 1e-9 * (high - low)
        assert low - tolerance <= values.min() and values.max() <= high + tolerance, name
        assert np.ptp(values) > 0.7 * (high - low), name
    np.testing.assert_allclose([np.linalg.norm(shot['light']) for shot in shots], 1)


@pytest.mark.slow
def test_values_are_distributed_as_their_fields_say():
    persons = [sample_person(SEED, identity) for identity in range(600)]
    shots = [sample_shot(SEED, identity, 0) for identity in range(600)]
    for kind, samples in ((FaceShape, [person.shape for person in persons]), (Shot, shots)):
        for name, (mean, deviation, feminine, lowest) in distributions(kind).items():
            values = np.array([getattr(sample, name) for sample in samples])
            low, high = mean - 2 * deviation + min(feminine, 0), mean + 2 * deviation + max(feminine, 0)
            low = max(low, lowest)
            assert low <= values.min() + 1e-9 and values.max() <= high + 1e-9, name
            assert np.ptp(values) > 0.9 * (high - low), name


@pytest.mark.slow
def test_women_differ_from_men_as_the_fields_say():
    shapes = [sample_person(SEED, identity) for identity in range(600)]
    bearded = [person.shape.brow_thick for person in shapes if person.beard != 'none']
    everyone = [person.shape.brow_thick for person in shapes]
    assert np.mean(bearded) > np.mean(everyone) + 0.02  # 0.07 between women and men


def test_every_hair_style_has_its_odds():
    for odds in ([style.women for style in HAIR_STYLES.values()], [style.men for style in HAIR_STYLES.values()]):
        assert abs(sum(odds) - 1) < 1e-9


def test_brows_of_fair_hair_are_darker_and_dark_hair_stays():
    persons = [sample_person(SEED, identity) for identity in range(40)]
    for person in persons:
        darker = person.facial_hair(0.5)
        if person.hair.mean() > 90:
            np.testing.assert_allclose(darker, (person.hair + (60, 44, 36)) / 2)
        else:
            np.testing.assert_array_equal(darker, person.hair)
