import math

import pytest
import torch
from torch.nn import functional as F

from rim_plugin.losses.parsing_loss import ParsingLoss

from basicsr.losses import build_loss

CLASS_WEIGHTS = [0.5, 1.0, 2.0, 0.0]


def parsing(batch=2, classes=4, size=(3, 5), dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(batch, classes, *size, generator=generator, dtype=torch.float64) * 3
    truth = torch.randint(classes, (batch, *size), generator=generator)
    return logits.to(dtype), truth


def slow_pixels(logits, truth):
    """-sum_c y log(softmax) of each pixel with its true class, ignored pixels left out."""
    pixels = []
    for n, i, j in torch.cartesian_prod(*(torch.arange(s) for s in truth.shape)).tolist():
        true_class = truth[n, i, j].item()
        if true_class == 255:
            continue
        scores = logits[n, :, i, j].tolist()
        partition = sum(math.exp(s) for s in scores)
        one_hot = [1.0 if c == true_class else 0.0 for c in range(len(scores))]
        pixels.append((true_class, -sum(y * math.log(math.exp(s) / partition) for y, s in zip(one_hot, scores))))
    return pixels


@pytest.mark.parametrize('ignored', [False, True])
def test_equals_slow_equation(ignored):
    logits, truth = parsing()
    if ignored:
        truth[0, 1] = 255
        truth[1, :, 2] = 255
    pixels = slow_pixels(logits, truth)
    total = sum(value for _, value in pixels)
    assert len(pixels) < truth.numel() if ignored else len(pixels) == truth.numel()
    assert ParsingLoss(loss_weight=2)(logits, truth).item() == pytest.approx(2 * total / len(pixels), rel=1e-12)
    # Eq. 4 as written: 1/C, here summed over the pixels of an image
    assert ParsingLoss(reduction='sum')(logits, truth).item() == pytest.approx(total / 4 / 2, rel=1e-12)


def test_class_weights():
    logits, truth = parsing()
    truth[0, 0] = 255
    pixels = slow_pixels(logits, truth)
    total = sum(CLASS_WEIGHTS[c] * value for c, value in pixels)
    weight = sum(CLASS_WEIGHTS[c] for c, _ in pixels)
    loss = ParsingLoss(class_weights=CLASS_WEIGHTS)
    assert loss(logits, truth).item() == pytest.approx(total / weight, rel=1e-12)
    torch_own = F.cross_entropy(logits, truth, torch.tensor(CLASS_WEIGHTS).double(), ignore_index=255)
    assert loss(logits, truth).item() == pytest.approx(torch_own.item(), rel=1e-12)
    assert loss.state_dict() == {}
    literal = ParsingLoss(class_weights=CLASS_WEIGHTS, reduction='sum')(logits, truth)
    assert literal.item() == pytest.approx(total / 4 / 2, rel=1e-12)


@pytest.mark.parametrize('class_weights', [None, CLASS_WEIGHTS])
@pytest.mark.parametrize('reduction', ['mean', 'sum'])
def test_nothing_that_counts_gives_zero_not_nan(class_weights, reduction):
    logits, truth = parsing()
    logits.requires_grad_()
    loss = ParsingLoss(class_weights=class_weights, reduction=reduction)(logits, torch.full_like(truth, 255))
    loss.backward()
    assert loss.item() == 0 and (logits.grad == 0).all()


@pytest.mark.parametrize('class_weights', [None, CLASS_WEIGHTS])
@pytest.mark.parametrize('reduction', ['mean', 'sum'])
def test_gradcheck(class_weights, reduction):
    logits, truth = parsing(size=(2, 2))
    truth[0, 0, 0] = 255
    loss = ParsingLoss(class_weights=class_weights, reduction=reduction)
    assert torch.autograd.gradcheck(lambda x: loss(x, truth), logits.requires_grad_())


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16, torch.float32])
def test_computed_in_float32(dtype):
    logits, truth = parsing(dtype=dtype)
    with torch.autocast('cpu', torch.bfloat16):
        loss = ParsingLoss()(logits, truth)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(ParsingLoss()(logits.double(), truth).item(), rel=1e-5)


def test_build_from_options():
    options = {'type': 'ParsingLoss', 'class_weights': CLASS_WEIGHTS, 'ignore_index': -1, 'reduction': 'sum'}
    logits, truth = parsing()
    expected = sum(CLASS_WEIGHTS[c] * value for c, value in slow_pixels(logits[:1], truth[:1])) / 4 / 2
    truth[1] = -1
    assert build_loss(options)(logits, truth).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    'change, words',
    [
        (lambda x, y: (x, y[:, :2]), 'prior_size'),
        (lambda x, y: (x, y[0]), r'\(B, C, h, w\)'),
        (lambda x, y: (x[:1], y), r'\(B, C, h, w\)'),
        (lambda x, y: (x, y.to(torch.uint8)), 'int64'),
        (lambda x, y: (x, y + 3), r'holds class \d, the logits have classes 0 to 3'),
        (lambda x, y: (x, y - 3), 'holds class -'),
    ],
)
def test_bad_input(change, words):
    with pytest.raises(ValueError, match=words):
        ParsingLoss()(*change(*parsing()))


def test_wrong_number_of_class_weights():
    with pytest.raises(ValueError, match='2 class_weights for 4 classes'):
        ParsingLoss(class_weights=[1.0, 2.0])(*parsing())
