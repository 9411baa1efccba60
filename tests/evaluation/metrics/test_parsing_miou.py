import math

import pytest
import torch

from rim_plugin.metrics.parsing_iou import calculate_parsing_miou

from basicsr.utils.registry import METRIC_REGISTRY


def parsing(batch=3, classes=5, size=(6, 7), occurring=4):
    generator = torch.Generator().manual_seed(0)
    truth = torch.randint(occurring, (batch, *size), generator=generator)
    logits = torch.randn(batch, classes, *size, generator=generator)
    logits.scatter_add_(1, truth.unsqueeze(1), torch.full((batch, 1, *size), 1.0))
    logits[:, occurring:] -= 100  # classes that neither occur nor are estimated
    return logits, truth


def slow_counts(logits, truth, ignore_index=255):
    counts = []
    for n in range(len(truth)):
        of_image = [[0, 0] for _ in range(logits.shape[1])]
        for i in range(truth.shape[1]):
            for j in range(truth.shape[2]):
                true_class = truth[n, i, j].item()
                if true_class == ignore_index:
                    continue
                scores = logits[n, :, i, j].tolist()
                estimate = scores.index(max(scores))
                for c in {true_class, estimate}:
                    of_image[c][1] += 1
                of_image[true_class][0] += estimate == true_class
        counts.append(of_image)
    return counts


def slow_mean_iou(counts):
    ious = []
    for c in range(len(counts[0])):
        union = sum(of_image[c][1] for of_image in counts)
        if union:
            ious.append(sum(of_image[c][0] for of_image in counts) / union)
    return sum(ious) / len(ious)


@pytest.mark.parametrize('ignored', [False, True])
def test_equals_slow_counts(ignored):
    logits, truth = parsing()
    if ignored:
        truth[:, 2] = 255
    values = calculate_parsing_miou({'parsing_logits': logits, 'parsing': truth})
    expected = slow_counts(logits, truth)
    assert values.shape == (3, 5, 2) and values.tolist() == expected
    assert calculate_parsing_miou.reduce(values) == pytest.approx(slow_mean_iou(expected), rel=1e-12)
    assert 0.2 < calculate_parsing_miou.reduce(values) < 0.9


def test_batches_joined_equal_one_batch():
    logits, truth = parsing(batch=4)
    whole = calculate_parsing_miou({'parsing_logits': logits, 'parsing': truth})
    parts = [
        calculate_parsing_miou({'parsing_logits': a, 'parsing': b}) for a, b in zip(logits.split(3), truth.split(3))
    ]
    assert torch.equal(torch.cat(parts), whole)


def test_perfect_wrong_and_empty():
    logits, truth = parsing()
    perfect = torch.nn.functional.one_hot(truth, 5).permute(0, 3, 1, 2).float()
    reduce = calculate_parsing_miou.reduce
    assert reduce(calculate_parsing_miou({'parsing_logits': perfect, 'parsing': truth})) == 1
    assert reduce(calculate_parsing_miou({'parsing_logits': perfect, 'parsing': (truth + 1) % 4})) == 0
    nothing = torch.full_like(truth, 255)
    assert math.isnan(reduce(calculate_parsing_miou({'parsing_logits': logits, 'parsing': nothing})))


def test_class_estimated_but_absent_counts_as_zero():
    truth = torch.zeros(1, 2, 2, dtype=torch.int64)
    logits = torch.zeros(1, 3, 2, 2)
    logits[:, 0] = 1
    logits[0, 1, 0, 0] = 2  # one pixel of four is taken for class 1
    values = calculate_parsing_miou({'parsing_logits': logits, 'parsing': truth})
    assert calculate_parsing_miou.reduce(values) == pytest.approx((3 / 4 + 0) / 2)


def test_bad_input():
    logits, truth = parsing()
    for bad in (truth[:, :3], truth[:2], truth[0]):
        with pytest.raises(ValueError, match=r'logits must be \(N, C, h, w\)'):
            calculate_parsing_miou({'parsing_logits': logits, 'parsing': bad})


def test_registered_and_marked():
    assert METRIC_REGISTRY.get('calculate_parsing_miou') is calculate_parsing_miou
    assert calculate_parsing_miou.batched and calculate_parsing_miou.better == 'higher'
