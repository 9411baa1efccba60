"""The arithmetic of phases."""

import pytest

from rim_plugin.models.phases import Phases

FOUR = {'total_iter': 10, 'phases': {'fhn': 4, 'student': 3, 'assistant': 2, 'joint': 1}}


def test_iterations_fall_into_phases():
    phases = Phases(FOUR)
    assert [phases.at(i) for i in range(1, 12)] == ['fhn'] * 4 + ['student'] * 3 + ['assistant'] * 2 + ['joint'] * 2
    assert [phases.since(i) for i in range(1, 11)] == [1, 2, 3, 4, 1, 2, 3, 1, 2, 1]
    assert [i for i in range(1, 11) if phases.begins(i)] == [5, 8, 10]


def test_first_phase_that_trains_a_part():
    assert {part: Phases(FOUR).training(part) for part in 'gidsa'} == {
        'g': 'fhn',
        'i': 'fhn',
        'd': 'fhn',
        's': 'student',
        'a': 'assistant',
    }
    assert Phases({'total_iter': 2, 'phase': 'student'}).training('g') is None


def test_one_phase_alone_lasts_the_whole_run():
    assert Phases({'total_iter': 5}).at(5) == 'fhn'
    assert Phases({'total_iter': 5, 'phase': 'joint'}).names == ['joint']


@pytest.mark.parametrize(
    'change, words',
    [
        ({'phase': 'fhn'}, 'exclude each other'),
        ({'total_iter': 11}, 'add up to 10'),
        ({'phases': {'studnet': 10}}, "train.phases: 'studnet' is unknown"),
        ({'phases': {'fhn': 0, 'student': 10}}, 'train.phases.fhn: 0'),
    ],
)
def test_wrong_options_are_named(change, words):
    with pytest.raises(ValueError, match=words):
        Phases({**FOUR, **change})
