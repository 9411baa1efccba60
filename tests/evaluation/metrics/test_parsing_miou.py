import math

import pytest
import torch
from torchmetrics.functional.classification import multiclass_jaccard_index

from rim_plugin.evaluation.metrics.parsing_miou import ParsingMIoU


def miou(logits, truth):
    metric = ParsingMIoU()
    metric.update({'parsing_logits': logits, 'parsing': truth})
    return metric.compute()


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
    values = ParsingMIoU().measure({'parsing_logits': logits, 'parsing': truth})
    expected = slow_counts(logits, truth)
    assert values.shape == (3, 5, 2) and values.tolist() == expected
    assert miou(logits, truth) == pytest.approx(slow_mean_iou(expected), rel=1e-12)
    assert 0.2 < miou(logits, truth) < 0.9


def test_batches_joined_equal_one_batch():
    logits, truth = parsing(batch=4)
    metric = ParsingMIoU()
    for a, b in zip(logits.split(3), truth.split(3)):
        metric.update({'parsing_logits': a, 'parsing': b})
    assert metric.compute() == miou(logits, truth)
    assert metric.values.tolist() == [miou(logits[i : i + 1], truth[i : i + 1]) for i in range(4)]


def test_perfect_wrong_and_empty():
    logits, truth = parsing()
    perfect = torch.nn.functional.one_hot(truth, 5).permute(0, 3, 1, 2).float()
    assert miou(perfect, truth) == 1
    assert miou(perfect, (truth + 1) % 4) == 0
    assert math.isnan(miou(logits, torch.full_like(truth, 255)))


def test_class_estimated_but_absent_counts_as_zero():
    truth = torch.zeros(1, 2, 2, dtype=torch.int64)
    logits = torch.zeros(1, 3, 2, 2)
    logits[:, 0] = 1
    logits[0, 1, 0, 0] = 2  # one pixel of four is taken for class 1
    assert miou(logits, truth) == pytest.approx((3 / 4 + 0) / 2)


def test_bad_input():
    logits, truth = parsing()
    for bad in (truth[:, :3], truth[:2], truth[0]):
        with pytest.raises(ValueError, match=r'logits must be \(N, C, h, w\)'):
            ParsingMIoU().measure({'parsing_logits': logits, 'parsing': bad})


def test_equals_torchmetrics_jaccard_index():
    logits, truth = parsing()
    truth[:, 2] = 255
    expected = multiclass_jaccard_index(logits.argmax(1), truth, num_classes=5, ignore_index=255)
    assert miou(logits, truth) == pytest.approx(expected.item(), rel=1e-6)
