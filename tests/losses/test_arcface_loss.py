"""ArcFace's loss against loops over numbers, its gradient, and what it refuses."""

import math

import pytest
import torch
import torch.distributed as dist
from support.two_ranks import on_two_ranks

from rim_plugin.archs.recogniser import RecogniserOutput
from rim_plugin.losses.arcface_loss import ArcFaceLoss, arcface_loss

PERSONS, SIZE = 4, 5
LABELS = torch.tensor([2, 0, -1, 3, 2])


def embeddings(seed=0, dtype=torch.float64):
    return torch.randn(len(LABELS), SIZE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def output(embedding):
    return RecogniserOutput((), embedding)


def made(**options):
    """A loss with weights that are not small."""
    loss = ArcFaceLoss(PERSONS, SIZE, **options)
    generator = torch.Generator().manual_seed(9)
    for value in loss.state_dict().values():
        value.copy_(torch.randn(value.shape, generator=generator))
    return loss


def dot(a, b):
    return sum(x * y for x, y in zip(a, b))


def slow_classification(weight, logit):
    """Cross-entropy, face by face, with ``logit(x, w, own)`` of embedding, weight vector and whether it is its own."""
    total, known = 0, 0
    for x, label in zip(embeddings().tolist(), LABELS.tolist()):
        if label < 0:
            continue
        terms = [math.exp(logit(x, w, j == label)) for j, w in enumerate(weight.tolist())]
        total, known = total - math.log(terms[label] / sum(terms)), known + 1
    return total / known


@pytest.mark.parametrize('margin', [0, 0.3, 0.5, math.pi / 2])
def test_arcface_equals_the_formula(margin):
    loss = made(margin=margin, scale=7)

    def logit(x, w, own):
        cosine = dot(x, w) / math.sqrt(dot(x, x) * dot(w, w))
        angle = math.acos(cosine)
        if own and angle + margin <= math.pi:
            cosine = math.cos(angle + margin)
        elif own:
            cosine -= margin * math.sin(margin)
        return 7 * cosine

    expected = slow_classification(loss.weight, logit)
    assert loss(output(embeddings()), LABELS).item() == pytest.approx(expected, rel=1e-6)


def test_margin_and_scale_are_arcfaces_where_none_are_given():
    loss = ArcFaceLoss(2, 2)
    loss.weight.data.copy_(torch.eye(2))
    face = output(torch.tensor([[0.6, 0.8]], dtype=torch.float64))
    # 64 (0.8 - cos(arccos 0.6 + 0.5)) = 64 (0.8 - 0.6 cos 0.5 + 0.8 sin 0.5); exp(-42) is nothing beside it
    assert loss(face, torch.tensor([0])).item() == pytest.approx(42.04742, abs=1e-4)
    alone = arcface_loss(face.embedding, torch.eye(2, dtype=torch.float64), torch.tensor([0]))
    assert alone.item() == pytest.approx(42.04742, abs=1e-4)


def test_the_test_of_arcface_sees_both_branches():
    loss, x = made(), embeddings()
    angles = [
        math.acos(torch.cosine_similarity(x[i], loss.weight[label].detach().double(), dim=0))
        for i, label in enumerate(LABELS)
        if label >= 0
    ]
    assert max(angles) + math.pi / 2 > math.pi and min(angles) + 0.3 < math.pi


def test_unknown_faces_count_for_nothing():
    loss, x = made().eval(), embeddings().requires_grad_()
    value = loss(output(x), LABELS)
    assert value.item() == pytest.approx(loss(output(x[LABELS >= 0]), LABELS[LABELS >= 0]).item(), rel=1e-6)
    (gradient,) = torch.autograd.grad(value, x)
    assert not gradient[2].any() and gradient[0].any()
    none = loss(output(x), torch.full_like(LABELS, -1))
    assert none == 0 and not torch.autograd.grad(none, x)[0].any()


def test_weights_start_small_and_alike_on_every_rank():
    torch.manual_seed(1)
    first = ArcFaceLoss(300, 128).weight
    torch.manual_seed(2)
    assert torch.equal(first, ArcFaceLoss(300, 128).weight)
    assert first.std().item() == pytest.approx(0.01, rel=0.02) and abs(first.mean().item()) < 1e-3


def test_arcface_is_finite_where_embedding_and_weight_coincide():
    loss = made()
    for sign in (1, -1):
        x = (sign * loss.weight.detach()[LABELS.clamp(min=0)]).requires_grad_()
        value = loss(output(x), LABELS)
        assert value.isfinite() and torch.autograd.grad(value, x)[0].isfinite().all()


def test_training_separates_persons():
    loss, x = ArcFaceLoss(PERSONS, SIZE), embeddings(dtype=torch.float32).requires_grad_()
    optimizer = torch.optim.Adam([x, loss.weight], lr=0.05)
    first = loss(output(x), LABELS).item()
    for _ in range(200):
        optimizer.zero_grad()
        loss(output(x), LABELS).backward()
        optimizer.step()
    assert loss(output(x), LABELS).item() < 0.2 * first
    cosine = torch.cosine_similarity(x[:, None], x[None], dim=2)
    assert cosine[0, 4] > max(cosine[0, 1], cosine[0, 3])


def test_half_precision_is_widened():
    loss = made().eval()
    value = loss(output(embeddings(dtype=torch.bfloat16)), LABELS)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(loss(output(embeddings()), LABELS).item(), rel=0.05)


def test_what_does_not_fit_is_refused():
    loss = ArcFaceLoss(PERSONS, SIZE)
    with pytest.raises(ValueError, match='ArcFaceLoss: there is an identity 4, but num_classes is 4'):
        loss(output(embeddings()), LABELS + 1)
    with pytest.raises(ValueError, match=r'identities \(N, \), not \(5, 5\) and \(4,\)'):
        loss(output(embeddings()), LABELS[1:])


def on_one_rank(rank, folder):
    torch.set_num_threads(1)
    dist.init_process_group('gloo', init_method=f'file://{folder}/rendezvous', rank=rank, world_size=2)
    torch.save(of_batch(slice(rank * 2, rank * 2 + 2)), f'{folder}/rank{rank}.pt')
    dist.destroy_process_group()


def of_batch(part):
    """Loss and gradients of embeddings and weights, of a part of the batch."""
    loss, x = made(), embeddings()[part].requires_grad_()
    value = loss(output(x), LABELS[part])
    value.backward()
    return value.item(), x.grad, loss.weight.grad


@pytest.mark.slow
def test_two_processes_equal_one(tmp_path):
    on_two_ranks(on_one_rank, tmp_path)
    value, gradient, of_weights = of_batch(slice(0, 4))
    for rank in range(2):
        of_rank = torch.load(tmp_path / f'rank{rank}.pt', weights_only=True)
        assert of_rank[0] == pytest.approx(value, rel=1e-9)
        torch.testing.assert_close(of_rank[1] / 2, gradient[rank * 2 : rank * 2 + 2])  # DDP's mean over the ranks
        torch.testing.assert_close(of_rank[2], of_weights)
