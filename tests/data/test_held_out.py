"""Faces held out for validation: the same ones in both datasets, whatever their order."""

import pytest

from rim_plugin.data.held_out import faces_of_phase

KEYS = [f'süb/{number}' for number in range(30)]


@pytest.mark.parametrize(('share', 'count'), [(0.1, 3), (0.5, 15), (0.001, 1), (1, 30)])
def test_training_and_validation_share_no_face(share, count):
    training, validation = (faces_of_phase(KEYS, share, phase) for phase in ('train', 'val'))
    assert len(validation) == count and sorted(training + validation) == sorted(KEYS)


def test_who_is_held_out_depends_on_the_names_alone():
    assert faces_of_phase(KEYS[::-1], 0.2, 'val') == faces_of_phase(KEYS, 0.2, None)[::-1] != KEYS[:6][::-1]
