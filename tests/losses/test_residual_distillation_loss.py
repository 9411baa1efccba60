"""Eq. 12 against a loop over numbers, its gradient, and what it refuses."""

import pytest
import torch

from rim_plugin.losses.residual_distillation_loss import ResidualDistillationLoss

SHAPES = ((2, 3, 4, 4), (2, 5, 2, 3))


def maps(seed, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype) for shape in SHAPES)


def slow_squared(teacher, student, assistant):
    """Sum over the numbers of ((f_T - f_S) - f_A)^2, averaged over the two faces."""
    rows = zip(*(feature.flatten().tolist() for feature in (teacher, student, assistant)), strict=True)
    return sum((t - s - a) ** 2 for t, s, a in rows) / 2


def test_equation_12():
    assistant, student, teacher = (maps(seed) for seed in (0, 1, 2))
    each = [slow_squared(t, s, a) for t, s, a in zip(teacher, student, assistant)]
    assert ResidualDistillationLoss(2, 'sum')(assistant, student, teacher).item() == pytest.approx(2 * sum(each))
    means = each[0] / (3 * 4 * 4) + each[1] / (5 * 2 * 3)
    assert ResidualDistillationLoss()(assistant, student, teacher).item() == pytest.approx(means)


def test_the_last_block_alone():
    assistant, student, teacher = (maps(seed) for seed in (0, 1, 2))
    last = slow_squared(teacher[-1], student[-1], assistant[-1])
    assert ResidualDistillationLoss(3, 'sum', 'last')(assistant, student, teacher).item() == pytest.approx(3 * last)


@pytest.mark.parametrize('reduction', ['mean', 'sum'])
def test_relative_to_what_the_student_misses(reduction):
    assistant, student, teacher = (maps(seed) for seed in (0, 1, 2))
    none = tuple(block * 0 for block in assistant)
    shares = [
        slow_squared(*each) / slow_squared(*each[:2], zero) for *each, zero in zip(teacher, student, assistant, none)
    ]
    loss = ResidualDistillationLoss(reduction=reduction, relative=True)
    assert loss(assistant, student, teacher).item() == pytest.approx(sum(shares))
    assert loss(none, student, teacher).item() == pytest.approx(2)  # one for each block
    large = [tuple(1e3 * block for block in blocks) for blocks in (assistant, student, teacher)]
    assert loss(*large).item() == pytest.approx(sum(shares))


def test_relative_to_nothing_is_finite():
    student = maps(0, torch.float32)
    assistant = tuple(torch.zeros_like(block).requires_grad_() for block in student)
    loss = ResidualDistillationLoss(relative=True)(assistant, student, student)
    loss.backward()
    assert loss.item() == 0
    assert all(block.grad.isfinite().all() for block in assistant)


def test_a_perfect_assistant_gives_zero():
    student, teacher = maps(0), maps(1)
    perfect = tuple(t - s for t, s in zip(teacher, student, strict=True))
    assert ResidualDistillationLoss()(perfect, student, teacher).item() == 0


@pytest.mark.parametrize('options', [{}, {'relative': True}, {'target': 'last'}])
def test_equation_12_trains_the_assistant_alone(options):
    loss = ResidualDistillationLoss(**options)
    assistant, student, teacher = (maps(seed) for seed in (0, 1, 2))
    for block in (*assistant, *student, *teacher):
        block.requires_grad_()
    assert torch.autograd.gradcheck(lambda *blocks: loss(blocks, student, teacher), assistant)
    loss(assistant, student, teacher).backward()
    assert all(block.grad is None for block in (*student, *teacher))


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_computed_in_float32(dtype):
    three = [maps(seed, dtype) for seed in range(3)]
    wide = [tuple(block.double() for block in blocks) for blocks in three]
    with torch.autocast('cpu', torch.bfloat16):
        loss = ResidualDistillationLoss()(*three)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(ResidualDistillationLoss()(*wide).item(), rel=1e-5)


def test_wrong_maps_are_named_with_their_block():
    assistant, student, teacher = (maps(seed) for seed in range(3))
    with pytest.raises(ValueError, match=r'block 2.*student \(2, 1, 2, 3\)'):
        ResidualDistillationLoss()(assistant, (student[0], student[1][:, :1]), teacher)
    with pytest.raises(ValueError, match='teacher 0'):
        ResidualDistillationLoss()(assistant, student, ())
