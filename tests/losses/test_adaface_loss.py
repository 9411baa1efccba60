"""AdaFace against the equations written out face by face, and against CosFace and ArcFace where it becomes them."""

import math

import pytest
import torch
from torch.nn import functional as F

from rim_plugin.archs.recogniser import RecogniserOutput
from rim_plugin.losses.adaface_loss import AdaFaceLoss, adaface_loss
from rim_plugin.losses.arcface_loss import arcface_loss

MARGIN, SCALE = 0.4, 8.0


@pytest.fixture
def faces():
    """Embeddings of five faces, four persons, labels of which one is unknown, and qualities."""
    rng = torch.Generator().manual_seed(0)
    embeddings, weight = (torch.randn(count, 6, generator=rng, dtype=torch.float64) for count in (5, 4))
    return embeddings, weight, torch.tensor([0, 3, -1, 2, 2]), torch.tensor([1.0, -1.0, 0.3, 0.0, -0.4]).double()


def test_equations_face_by_face(faces):
    embeddings, weight, labels, quality = faces
    terms = []
    for face, label, q in zip(embeddings, labels.tolist(), quality.tolist()):
        if label < 0:
            continue
        cosines = [float(face @ each / face.norm() / each.norm()) for each in weight]
        own = math.cos(math.acos(cosines[label]) - MARGIN * q) - (MARGIN * q + MARGIN)
        others = [math.exp(SCALE * each) for place, each in enumerate(cosines) if place != label]
        terms.append(-math.log(math.exp(SCALE * own) / (math.exp(SCALE * own) + sum(others))))
    found = adaface_loss(embeddings, weight, labels, quality, MARGIN, SCALE)
    assert found.item() == pytest.approx(sum(terms) / len(terms), rel=1e-12)


def test_it_is_arcface_for_the_least_and_cosface_for_middling_quality(faces):
    embeddings, weight, labels, _ = faces
    one = torch.ones(5, dtype=torch.float64)
    least = adaface_loss(embeddings, weight, labels, -one, MARGIN, SCALE)
    assert least.item() == pytest.approx(arcface_loss(embeddings, weight, labels, MARGIN, SCALE).item(), rel=1e-12)
    cosines = F.normalize(embeddings) @ F.normalize(weight).T
    logits = SCALE * (cosines - MARGIN * F.one_hot(labels.clamp(min=0), 4).double())
    cosface = F.cross_entropy(logits[labels >= 0], labels[labels >= 0])
    middling = adaface_loss(embeddings, weight, labels, 0 * one, MARGIN, SCALE)
    assert middling.item() == pytest.approx(cosface.item(), rel=1e-12)


def test_quality_is_the_length_against_those_seen(faces):
    embeddings, _, labels, _ = faces
    loss = AdaFaceLoss(4, 6, momentum=0.5).double()
    lengths = torch.linalg.vector_norm(embeddings, dim=1)
    loss(RecogniserOutput((), embeddings), labels)
    mean, deviation = (20 + lengths.mean()) / 2, (100 + lengths.std()) / 2
    assert loss.length_mean.item() == pytest.approx(mean.item())
    assert loss.length_deviation.item() == pytest.approx(deviation.item())
    loss.eval()
    expected = (0.333 * (lengths - mean) / (deviation + 1e-3)).clamp(-1, 1)
    torch.testing.assert_close(loss._quality(embeddings), expected)
    assert loss._quality(1e3 * embeddings).max() <= 1


def test_faces_on_the_weight_itself_and_opposite_have_finite_gradients():
    weight = torch.eye(2, dtype=torch.float64)
    embeddings = torch.stack([weight[0], -weight[1]]).requires_grad_()
    adaface_loss(embeddings, weight, torch.tensor([0, 1]), torch.ones(2).double()).backward()
    assert embeddings.grad.isfinite().all()


def test_nobody_known_is_zero():
    loss = AdaFaceLoss(3, 4)(RecogniserOutput((), torch.randn(2, 4)), torch.tensor([-1, -1]))
    assert loss.item() == 0
