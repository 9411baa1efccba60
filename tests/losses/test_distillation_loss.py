"""Eq. 11 against loops over numbers, its gradient, and what it refuses."""

import math

import pytest
import torch

from rim_plugin.archs.recogniser import RecogniserOutput
from rim_plugin.losses.distillation_loss import DistillationLoss

SHAPES = ((2, 3, 4, 4), (2, 5, 2, 3))


def output(seed, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    maps = tuple(torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype) for shape in SHAPES)
    return RecogniserOutput(maps, torch.randn(2, 7, generator=generator, dtype=torch.float64).to(dtype))


def slow_squared(a, b):
    """Sum over the numbers of (a - b)^2, averaged over the two faces."""
    return sum((x - y) ** 2 for x, y in zip(a.flatten().tolist(), b.flatten().tolist())) / 2


def slow_cosine(a, b):
    total = 0
    for x, y in zip(a.flatten(1).tolist(), b.flatten(1).tolist()):
        dot = sum(p * q for p, q in zip(x, y))
        total += 1 - dot / math.sqrt(sum(p * p for p in x) * sum(q * q for q in y))
    return total / len(a)


def test_equation_11_on_the_last_block_on_all_and_on_the_embedding():
    student, teacher = output(0), output(1)
    each = [slow_squared(t, s) for t, s in zip(teacher.blocks, student.blocks)]
    assert DistillationLoss(reduction='sum')(student, teacher).item() == pytest.approx(each[-1], rel=1e-12)
    assert DistillationLoss(3, reduction='sum', target='all')(student, teacher).item() == pytest.approx(
        3 * sum(each), rel=1e-12
    )
    assert DistillationLoss()(student, teacher).item() == pytest.approx(each[-1] / (5 * 2 * 3), rel=1e-12)
    assert DistillationLoss(target='embedding')(student, teacher).item() == pytest.approx(
        slow_squared(teacher.embedding, student.embedding) / 7, rel=1e-12
    )


@pytest.mark.parametrize('target', ['last', 'all', 'embedding'])
def test_cosine_distance(target):
    student, teacher = output(0), output(1)
    pairs = {'embedding': [(student.embedding, teacher.embedding)], 'all': list(zip(student.blocks, teacher.blocks))}
    expected = sum(slow_cosine(*pair) for pair in pairs.get(target, pairs['all'][-1:]))
    found = DistillationLoss(target=target, distance='cosine')(student, teacher).item()
    assert found == pytest.approx(expected, rel=1e-10)


def test_identical_features_give_zero():
    assert DistillationLoss(target='all')(output(0), output(0)).item() == 0


@pytest.mark.parametrize('options', [{}, {'target': 'all', 'reduction': 'sum'}, {'distance': 'cosine'}])
def test_gradcheck_of_equation_11(options):
    student, teacher = output(0), output(1)
    maps = [block.requires_grad_() for block in student.blocks]
    assert torch.autograd.gradcheck(
        lambda *blocks: DistillationLoss(**options)(RecogniserOutput(blocks, None), teacher), maps
    )


def test_no_gradient_reaches_the_teacher():
    student, teacher = output(0), output(1)
    for block in (*student.blocks, *teacher.blocks):
        block.requires_grad_()
    DistillationLoss()(student, teacher).backward()
    assert all(block.grad is None for block in teacher.blocks) and student.blocks[-1].grad.any()


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_computed_in_float32(dtype):
    student, teacher = output(0, dtype), output(1, dtype)
    wide = [RecogniserOutput(tuple(block.double() for block in each.blocks), None) for each in (student, teacher)]
    with torch.autocast('cpu', torch.bfloat16):
        loss = DistillationLoss(target='all')(student, teacher)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(DistillationLoss(target='all')(*wide).item(), rel=1e-5)


def test_cosines_are_averaged():
    with pytest.raises(ValueError, match='reduction of distance cosine must be mean'):
        DistillationLoss(distance='cosine', reduction='sum')


def test_wrong_shapes_are_named_with_their_block():
    student, teacher = output(0), output(1)
    other = RecogniserOutput((teacher.blocks[0], teacher.blocks[1][:, :1]), None)
    with pytest.raises(ValueError, match=r'block 2.*\(2, 5, 2, 3\).*\(2, 1, 2, 3\)'):
        DistillationLoss()(student, other)
    with pytest.raises(ValueError, match='teacher 0'):
        DistillationLoss()(student, RecogniserOutput((), teacher.embedding))
