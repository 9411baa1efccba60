import math

import pytest
import torch

from rim_plugin.evaluation.metrics.nme import NME

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
    values = NME().measure({'estimated_landmarks': estimated, 'landmarks': truth})
    expected = [slow_nme(a, b) for a, b in zip(estimated.tolist(), truth.tolist())]
    assert values.tolist() == pytest.approx(expected, rel=1e-9)


def test_unit_is_the_eye_distance():
    truth = torch.tensor([[[60.0, 100.0], [100.0, 100.0], [80, 120], [65, 140], [95, 140]]])
    values = NME().measure({'estimated_landmarks': truth + torch.tensor([0.0, 4.0]), 'landmarks': truth})
    assert values.tolist() == pytest.approx([0.1])  # 4 px of 40


def test_perfect_and_half_precision():
    estimated, truth = landmarks(68)
    assert NME().measure({'estimated_landmarks': truth, 'landmarks': truth}).tolist() == [0, 0, 0]
    values = NME().measure({'estimated_landmarks': estimated.half(), 'landmarks': truth})
    expected = [slow_nme(a, b) for a, b in zip(estimated.half().tolist(), truth.tolist())]
    assert values.tolist() == pytest.approx(expected, rel=1e-6)


def test_bad_input():
    estimated, truth = landmarks(68)
    with pytest.raises(ValueError, match='one shape'):
        NME().measure({'estimated_landmarks': estimated[:, :5], 'landmarks': truth})
    with pytest.raises(ValueError, match='No landmark scheme has 67 points'):
        NME().measure({'estimated_landmarks': estimated[:, :67], 'landmarks': truth[:, :67]})
    truth[1] = 7
    with pytest.raises(ValueError, match='face 1 of the batch coincide'):
        NME().measure({'estimated_landmarks': estimated, 'landmarks': truth})


def test_the_value_of_all_faces_is_the_mean_over_the_faces():
    estimated, truth = landmarks(68, 5)
    metric = NME()
    for part in (slice(0, 4), slice(4, 5)):
        metric.update({'estimated_landmarks': estimated[part], 'landmarks': truth[part]})
    expected = [slow_nme(a, b) for a, b in zip(estimated.tolist(), truth.tolist())]
    assert metric.values.tolist() == pytest.approx(expected, rel=1e-9)
    assert metric.compute() == pytest.approx(sum(expected) / 5, rel=1e-9)


def test_other_landmarks_than_the_networks_are_absent():
    estimated, truth = landmarks(68)
    assert NME().applies_to({'estimated_landmarks': estimated, 'landmarks': truth})
    assert not NME().applies_to({'estimated_landmarks': estimated, 'landmarks': truth[:, :5]})
    assert not NME().applies_to({'estimated_landmarks': estimated, 'landmarks': None})
    assert not NME().applies_to({'landmarks': truth})
