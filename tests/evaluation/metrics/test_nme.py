import math

import pytest
import torch

from rim_plugin.metrics.landmark_error import calculate_nme

from basicsr.utils.registry import METRIC_REGISTRY

EYES = {5: ([0], [1]), 68: (range(36, 42), range(42, 48)), 194: (range(134, 154), range(114, 134))}


def landmarks(count, batch=3):
    generator = torch.Generator().manual_seed(count)
    truth = torch.rand(batch, count, 2, generator=generator) * 224
    return truth + torch.randn(truth.shape, generator=generator) * 3, truth


def slow_nme(estimated, truth):
    def centre(indices):
        return [sum(truth[i][axis] for i in indices) / len(indices) for axis in (0, 1)]

    left, right = (centre(list(eye)) for eye in EYES[len(truth)])
    return sum(math.dist(a, b) for a, b in zip(estimated, truth)) / len(truth) / math.dist(left, right)


@pytest.mark.parametrize('count', [5, 68, 194])
@pytest.mark.parametrize('batch', [1, 3])
def test_equals_slow_computation(count, batch):
    estimated, truth = landmarks(count, batch)
    values = calculate_nme({'estimated_landmarks': estimated, 'landmarks': truth})
    expected = [slow_nme(a, b) for a, b in zip(estimated.tolist(), truth.tolist())]
    assert values.tolist() == pytest.approx(expected, rel=1e-9)


def test_unit_is_the_eye_distance():
    truth = torch.tensor([[[60.0, 100.0], [100.0, 100.0], [80, 120], [65, 140], [95, 140]]])
    values = calculate_nme({'estimated_landmarks': truth + torch.tensor([0.0, 4.0]), 'landmarks': truth})
    assert values.tolist() == pytest.approx([0.1])  # 4 px of 40


def test_perfect_and_half_precision():
    estimated, truth = landmarks(68)
    assert calculate_nme({'estimated_landmarks': truth, 'landmarks': truth}).tolist() == [0, 0, 0]
    values = calculate_nme({'estimated_landmarks': estimated.half(), 'landmarks': truth})
    expected = [slow_nme(a, b) for a, b in zip(estimated.half().tolist(), truth.tolist())]
    assert values.tolist() == pytest.approx(expected, rel=1e-6)


def test_bad_input():
    estimated, truth = landmarks(68)
    with pytest.raises(ValueError, match='one shape'):
        calculate_nme({'estimated_landmarks': estimated[:, :5], 'landmarks': truth})
    with pytest.raises(ValueError, match='5, 68 or 194 landmarks, not 67'):
        calculate_nme({'estimated_landmarks': estimated[:, :67], 'landmarks': truth[:, :67]})
    truth[1] = 7
    with pytest.raises(ValueError, match='face 1 of the batch coincide'):
        calculate_nme({'estimated_landmarks': estimated, 'landmarks': truth})


def test_registered_and_marked():
    assert METRIC_REGISTRY.get('calculate_nme') is calculate_nme
    assert calculate_nme.batched and calculate_nme.better == 'lower'
