"""Contrastive distillation against a loop over numbers, its gradient, its queue, and what it refuses."""

import math

import pytest
import torch

from rim_plugin.archs.recogniser import RecogniserOutput
from rim_plugin.losses.contrastive_loss import ContrastiveDistillationLoss


def embeddings(seed, count=3, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return RecogniserOutput((), torch.randn(count, 5, generator=generator, dtype=torch.float64).to(dtype))


def slow_loss(student, own, others, temperature, same_person):
    """The formula of the docstring, face by face and number by number."""

    def cosine(a, b):
        return sum(x * y for x, y in zip(a, b)) / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))

    total = 0
    for s, t in zip(student.tolist(), own.tolist()):
        positive = math.exp(cosine(s, t) / temperature)
        negatives = sum(
            math.exp(cosine(s, other) / temperature) for other in others.tolist() if cosine(t, other) <= same_person
        )
        total -= math.log(positive / (positive + negatives))
    return total / len(student)


@pytest.mark.parametrize('same_person', [0.0, 0.5, 0.99])
def test_equals_the_formula_over_this_batch_and_the_ones_before(same_person):
    loss = ContrastiveDistillationLoss(2, temperature=0.3, queue_size=7, same_person=same_person)
    seen = torch.zeros(0, 5, dtype=torch.float64)
    for step in range(4):  # 12 faces, of which 7 are kept
        student, teacher = embeddings(step), embeddings(10 + step)
        seen = torch.cat([seen, teacher.embedding])[-7:]
        expected = 2 * slow_loss(student.embedding, teacher.embedding, seen, 0.3, same_person)
        assert loss(student, teacher).item() == pytest.approx(expected, rel=1e-12)
    assert loss.queue.shape == (7, 5)


def test_what_counts_where_no_option_is_given():
    teacher = torch.tensor([[1.0, 0.0, 0.0], [0.52, math.sqrt(1 - 0.52**2), 0.0], [0.48, 0.0, math.sqrt(1 - 0.48**2)]])
    student = RecogniserOutput((), torch.tensor([[0.6, 0.8, 0.0]]))
    loss = ContrastiveDistillationLoss()
    loss(RecogniserOutput((), teacher[1:]), RecogniserOutput((), teacher[1:]))  # into the queue
    # cosine 0.52 with the teacher's own face is the same person, 0.48 another: that one alone is held against the face
    expected = math.log(1 + math.exp((0.6 * 0.48 - 0.6) / 0.07))
    assert loss(student, RecogniserOutput((), teacher[:1])).item() == pytest.approx(expected, rel=1e-4)
    assert loss.queue_size == 4096


def test_a_face_seen_again_is_not_held_against_itself():
    loss = ContrastiveDistillationLoss(temperature=0.1)
    assert [loss(embeddings(seed, 1), embeddings(9, 1)).item() for seed in range(3)] == [0, 0, 0]
    assert loss(embeddings(0, 1), embeddings(8, 1)).item() > 0


def test_moves_each_embedding_towards_its_own_face():
    loss = ContrastiveDistillationLoss()
    student, teacher = embeddings(0).embedding.requires_grad_(), embeddings(1)
    for _ in range(300):
        (gradient,) = torch.autograd.grad(loss(RecogniserOutput((), student), teacher), student)
        student = (student - 0.1 * gradient).detach().requires_grad_()
    similarity = torch.cosine_similarity(student[:, None], teacher.embedding[None], dim=2)
    assert similarity.argmax(1).tolist() == [0, 1, 2]


def test_gradient():
    teacher = embeddings(1)

    def value(student):
        loss = ContrastiveDistillationLoss(temperature=0.5, queue_size=4)
        loss(embeddings(2), embeddings(3))
        return loss(RecogniserOutput((), student), teacher)

    assert torch.autograd.gradcheck(value, embeddings(0).embedding.requires_grad_())


def test_half_precision_is_computed_in_float32_and_the_teacher_gets_no_gradient():
    student, teacher = embeddings(0, dtype=torch.bfloat16), embeddings(1, dtype=torch.bfloat16)
    teacher.embedding.requires_grad_()
    student.embedding.requires_grad_()
    value = ContrastiveDistillationLoss()(student, teacher)
    value.backward()
    assert value.dtype == torch.float32 and teacher.embedding.grad is None and student.embedding.grad.abs().sum() > 0


def test_embeddings_of_different_shapes():
    with pytest.raises(ValueError, match=r'student \(2, 5\), teacher \(3, 5\)'):
        ContrastiveDistillationLoss()(embeddings(0, 2), embeddings(1, 3))
