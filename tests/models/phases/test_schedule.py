"""The arithmetic of phases."""

import pytest

from rim_plugin.models.phases.base import PARTS
from rim_plugin.models.phases.schedule import Schedule
from rim_plugin.options.conversion import convert
from rim_plugin.options.schema import RIMTrain

FOUR = {'total_iter': 10, 'phases': {'fhn': 4, 'student': 3, 'assistant': 2, 'joint': 1}}


def schedule(**train):
    return Schedule(convert({'scheduler': {}, **train}, RIMTrain, path='train'))


def test_iterations_fall_into_phases():
    phases = schedule(**FOUR)
    assert [phases.at(i) for i in range(1, 12)] == ['fhn'] * 4 + ['student'] * 3 + ['assistant'] * 2 + ['joint'] * 2
    assert [phases.since(i) for i in range(1, 11)] == [1, 2, 3, 4, 1, 2, 3, 1, 2, 1]
    assert [i for i in range(1, 11) if phases.begins(i)] == [5, 8, 10]


def test_which_parts_a_run_trains():
    assert all(schedule(**FOUR).trains(part) for part in PARTS)
    student = schedule(total_iter=2, phase='student')
    assert [part for part in PARTS if student.trains(part)] == ['student']


def test_one_phase_alone_lasts_the_whole_run():
    assert schedule(total_iter=5).at(5) == 'fhn'
    assert schedule(total_iter=5, phase='joint').names == ['joint']


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
        schedule(**{**FOUR, **change})
