"""Attention similarity against NumPy, and what it does not see."""

import numpy as np
import pytest
import torch

from rim_plugin.archs.recogniser import RecogniserOutput
from rim_plugin.losses.attention_loss import AttentionSimilarityLoss, attention_similarity_loss


def maps(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def cosine(a, b):
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


def test_equation_face_by_face():
    student, teacher = maps(0, 3, 4, 2, 5), maps(1, 3, 4, 2, 5)
    terms = []
    for s, t in zip(student.numpy() ** 2, teacher.numpy() ** 2):
        places = cosine(s.mean(0).ravel(), t.mean(0).ravel())
        channels = cosine(s.reshape(4, -1).mean(1), t.reshape(4, -1).mean(1))
        terms.append(1 - (places + channels) / 2)
    assert attention_similarity_loss(student, teacher).item() == pytest.approx(np.mean(terms), rel=1e-12)


def test_sign_and_size_of_the_features_do_not_count_and_the_teacher_gets_no_gradient():
    student, teacher = maps(0, 2, 3, 4, 4), maps(1, 2, 3, 4, 4).requires_grad_()
    assert attention_similarity_loss(-5 * student, student).item() == pytest.approx(0, abs=1e-12)
    attention_similarity_loss(student.requires_grad_(), teacher).backward()
    assert student.grad.any() and teacher.grad is None


def test_a_map_of_zeros_is_unlike_and_finite():
    student = torch.zeros(1, 2, 3, 3, requires_grad=True)
    loss = attention_similarity_loss(student, torch.ones(1, 2, 3, 3))
    loss.backward()
    assert loss.item() == 1 and student.grad.isfinite().all()


def test_the_module_is_the_mean_over_blocks():
    blocks = [[maps(seed + place, 2, 3, 4, 4) for place in range(2)] for seed in (0, 10)]
    student, teacher = (RecogniserOutput(tuple(each), maps(5, 2, 4)) for each in blocks)
    each = [attention_similarity_loss(*pair).item() for pair in zip(*blocks)]
    assert AttentionSimilarityLoss(2.0)(student, teacher).item() == pytest.approx(sum(each))
