"""Octuplet loss against loops over all triplets."""

import pytest
import torch
from torch.nn.functional import cosine_similarity

from rim_plugin.archs.recogniser import RecogniserOutput
from rim_plugin.losses.octuplet_loss import OctupletLoss, batch_hard_triplet_loss

LABELS = torch.tensor([0, 1, 0, -1, 2, 1])


def embeddings(seed):
    return torch.randn(6, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_loops(anchors, others, margin, exclude_self):
    terms = []
    for i, label in enumerate(LABELS.tolist()):
        distances = [1 - cosine_similarity(anchors[i], other, 0).item() for other in others]
        known = [j for j in range(6) if label >= 0 and LABELS[j] >= 0]
        positives = [distances[j] for j in known if LABELS[j] == label and not (exclude_self and i == j)]
        negatives = [distances[j] for j in known if LABELS[j] != label]
        if positives and negatives:
            terms.append(max(0.0, margin + max(positives) - min(negatives)))
    return sum(terms) / len(terms)


@pytest.mark.parametrize('margin', [0.0, 0.25])
def test_three_terms_by_loops(margin):
    low, high = embeddings(0), embeddings(1)
    expected = (
        by_loops(high, low, margin, False) + by_loops(low, high, margin, False) + by_loops(low, low, margin, True)
    )
    student, teacher = (RecogniserOutput((), each) for each in (low, high))
    assert OctupletLoss(margin)(student, teacher, LABELS).item() == pytest.approx(expected, rel=1e-12)


def test_the_teacher_is_constant_and_what_is_far_apart_has_no_gradient():
    low, high = embeddings(0).requires_grad_(), embeddings(1).requires_grad_()
    OctupletLoss()(RecogniserOutput((), low), RecogniserOutput((), high), LABELS).backward()
    assert high.grad is None and low.grad.any() and not low.grad[3].any()  # who is unknown
    apart = torch.eye(3, 4, dtype=torch.float64).repeat(2, 1).requires_grad_()
    loss = batch_hard_triplet_loss(apart, apart, torch.tensor([0, 1, 2, 0, 1, 2]), 0.25)
    loss.backward()
    assert loss.item() == 0 and not apart.grad.any()


@pytest.mark.parametrize('labels', [[-1] * 6, [0] * 6, [0, 1, 2, 3, 4, 5]])
def test_no_triplet_is_zero_with_a_gradient_of_zero(labels):
    low = embeddings(0).requires_grad_()
    loss = batch_hard_triplet_loss(low, low, torch.tensor(labels), 0.25)
    loss.backward()
    assert loss.item() == 0 and not low.grad.any()


def test_identities_that_do_not_fit_are_refused():
    output = RecogniserOutput((), embeddings(0))
    with pytest.raises(ValueError, match=r'^OctupletLoss: identities must be \(N,\)'):
        OctupletLoss()(output, output, LABELS[:3])
