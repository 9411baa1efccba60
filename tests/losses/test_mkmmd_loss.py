import math

import pytest
import torch
from torch import nn

from rim_plugin.losses.mkmmd_loss import MKMMDLoss, pooled_bandwidth

from basicsr.losses import build_loss

MULTIPLIERS = [1 / 4, 1 / 2, 1, 2, 4]


def samples(n1, n2, dim=6, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    source = torch.randn(n1, dim, generator=generator, dtype=torch.float64)
    target = torch.randn(n2, dim, generator=generator, dtype=torch.float64) * 1.5 + 0.7
    return source.to(dtype), target.to(dtype)


# independent slow computation: Python floats, one pair at a time


def slow_d2(a, b):
    return sum((x - y) ** 2 for x, y in zip(a, b))


def slow_kernel(a, b, sigmas, betas):
    return sum(beta * math.exp(-slow_d2(a, b) / (2 * sigma)) for sigma, beta in zip(sigmas, betas))


def slow_mmd(source, target, sigmas, betas):
    source, target = source.tolist(), target.tolist()

    def k(a, b):
        return slow_kernel(a, b, sigmas, betas)

    def within(points):
        return sum(k(a, b) for a in points for b in points) / len(points) ** 2

    between = sum(k(a, b) for a in source for b in target) / (len(source) * len(target))
    return within(source) + within(target) - 2 * between


def slow_bandwidth(source, target, statistic):
    pooled = source.tolist() + target.tolist()
    d2 = sorted(slow_d2(pooled[i], pooled[j]) for i in range(len(pooled)) for j in range(i))
    return d2[(len(d2) - 1) // 2] if statistic == 'median' else sum(d2) / len(d2)


@pytest.mark.parametrize('bandwidth', ['median', 'mean', 3.0, [0.5, 2.0, 7.0]])
@pytest.mark.parametrize('counts', [(6, 6), (5, 8), (1, 3)])
def test_equals_slow_equations(bandwidth, counts):
    source, target = samples(*counts)
    if isinstance(bandwidth, str):
        sigmas = [m * slow_bandwidth(source, target, bandwidth) for m in MULTIPLIERS]
    else:
        sigmas = bandwidth if isinstance(bandwidth, list) else [bandwidth]
    expected = slow_mmd(source, target, sigmas, [1 / len(sigmas)] * len(sigmas))
    loss = MKMMDLoss(bandwidth=bandwidth, loss_weight=2.5)(source, target)
    assert loss.dtype == torch.float64 and loss.shape == ()
    assert loss.item() == pytest.approx(2.5 * expected, rel=1e-10, abs=1e-13)


def test_multipliers_and_kernel_weights():
    source, target = samples(4, 6)
    betas = [0.7, 0.2, 0.1]
    sigmas = [m * slow_bandwidth(source, target, 'mean') for m in (0.1, 1, 10)]
    loss = MKMMDLoss(bandwidth='mean', multipliers=[0.1, 1, 10], kernel_weights=betas)(source, target)
    assert loss.item() == pytest.approx(slow_mmd(source, target, sigmas, betas), rel=1e-10)


def test_equation_7_in_an_explicit_feature_space():
    # exp(-(x - y)^2 / 2 sigma) = <f(x), f(y)> with f_j(x) = exp(-x^2 / 2 sigma) (x^2 / sigma)^(j/2) / sqrt(j!)
    sigma, terms = 2.0, 40
    source, target = (x[:, :1] for x in samples(5, 4))

    def feature_mean(points):
        features = [
            [
                math.exp(-x * x / (2 * sigma)) * (x / math.sqrt(sigma)) ** j / math.sqrt(math.factorial(j))
                for j in range(terms)
            ]
            for x in points.flatten().tolist()
        ]
        return [sum(column) / len(features) for column in zip(*features)]

    expected = slow_d2(feature_mean(source), feature_mean(target))
    assert MKMMDLoss(bandwidth=sigma)(source, target).item() == pytest.approx(expected, rel=1e-9)


def test_xlearn_formula():
    # kernels exp(-d^2 / bw) averaged: sigma_u = bw / 2
    source, target = samples(4, 4)
    widths = [1.0, 2.0, 4.0, 8.0]

    def block(xs, ys):
        values = [math.exp(-slow_d2(a, b) / w) / len(widths) for a in xs.tolist() for b in ys.tolist() for w in widths]
        return sum(values) / 16

    xlearn = block(source, source) + block(target, target) - block(source, target) - block(target, source)
    loss = MKMMDLoss(bandwidth=[w / 2 for w in widths])(source, target)
    assert loss.item() == pytest.approx(xlearn, rel=1e-10)


def test_bandwidth_counts_each_pair_of_different_samples_once():
    source, target = torch.tensor([[0.0], [1.0]]), torch.tensor([[3.0]])
    # d^2: 1 within the source, 9 and 4 between
    assert pooled_bandwidth(source, target, 'median').item() == 4
    assert pooled_bandwidth(source, target, 'mean').item() == pytest.approx(14 / 3)


def test_bandwidths_are_constants_for_the_gradient():
    source, target = samples(4, 4)
    source.requires_grad_()
    MKMMDLoss()(source, target).backward()
    fixed = source.detach().clone().requires_grad_()
    median = slow_bandwidth(fixed, target, 'median')
    MKMMDLoss(bandwidth=[m * median for m in MULTIPLIERS])(fixed, target).backward()
    torch.testing.assert_close(source.grad, fixed.grad)


@pytest.mark.parametrize('dtype', [torch.float64, torch.float32, torch.bfloat16])
def test_identical_sets_give_zero(dtype):
    source, _ = samples(9, 1, dim=64, dtype=dtype)
    source.requires_grad_()
    loss = MKMMDLoss()(source, source.detach().clone())
    loss.backward()
    assert loss.item() == 0
    torch.testing.assert_close(source.grad, torch.zeros_like(source), atol=1e-7, rtol=0)


@pytest.mark.parametrize('bandwidth', ['median', 'mean', 1.0])
@pytest.mark.parametrize('dtype', [torch.float64, torch.float32, torch.float16])
def test_samples_that_all_coincide_give_finite_gradients(bandwidth, dtype):
    source = torch.full((4, 8), 0.3, dtype=dtype, requires_grad=True)
    target = torch.full((3, 8), 0.3, dtype=dtype, requires_grad=True)
    loss = MKMMDLoss(bandwidth=bandwidth)(source, target)
    loss.backward()
    assert loss.item() == 0
    assert source.grad.isfinite().all() and target.grad.isfinite().all()


def test_zero_median_beside_distant_samples():
    source = torch.zeros(6, 4, requires_grad=True)
    target = torch.cat([torch.zeros(2, 4), torch.full((1, 4), 5.0)]).requires_grad_()
    assert pooled_bandwidth(source, target).item() == pytest.approx(1e-12)
    loss = MKMMDLoss()(source, target)
    loss.backward()
    assert loss.isfinite() and loss > 0
    assert source.grad.isfinite().all() and target.grad.isfinite().all()


def test_one_sample_a_domain():
    source, target = samples(1, 1)
    source.requires_grad_()
    loss = MKMMDLoss()(source, target)
    loss.backward()
    # d^2 is its own median
    assert loss.item() == pytest.approx(2 - 2 * sum(math.exp(-1 / (2 * m)) for m in MULTIPLIERS) / 5)
    assert source.grad.abs().max() > 0
    assert (source.grad * (target - source.detach())).sum() < 0  # descent moves it to the other sample


def test_is_not_negative():
    for seed in range(30):
        assert MKMMDLoss()(samples(5, 1, seed=seed)[0], samples(5, 1, seed=seed + 100)[0]).item() >= 0


def test_default_multipliers_and_kernel_weights():
    loss = MKMMDLoss()
    assert loss.scales.tolist() == [0.25, 0.5, 1, 2, 4] and loss.kernel_weights.tolist() == [0.2] * 5


def test_near_duplicates_far_from_the_origin():
    # the Gram form would lose these differences to rounding
    source, target = samples(4, 4, dtype=torch.float32)
    near, far = (MKMMDLoss()(source / 100 + shift, target / 100 + shift).item() for shift in (0, 100))
    assert far == pytest.approx(near, rel=1e-2)


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32(dtype):
    source, target = samples(6, 5, dim=32, dtype=dtype)
    loss = MKMMDLoss()(source, target)
    assert loss.dtype == torch.float32
    expected = MKMMDLoss()(source.double(), target.double()).item()
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_autocast_changes_nothing():
    source, target = samples(6, 6, dim=32, dtype=torch.float32)
    loss = MKMMDLoss()
    with torch.autocast('cpu', torch.bfloat16):
        inside = loss(source, target)
    assert inside.dtype == torch.float32
    assert inside.item() == loss(source, target).item()


def test_build_from_options_and_checkpoint_is_empty():
    loss = build_loss({'type': 'MKMMDLoss', 'loss_weight': 0.5, 'bandwidth': [1, 2], 'kernel_weights': [0.25, 0.75]})
    assert isinstance(loss, MKMMDLoss) and loss.state_dict() == {}


@pytest.mark.parametrize(
    'options, words',
    [
        ({'bandwidth': 'mode'}, 'bandwidth'),
        ({'bandwidth': 0}, 'bandwidth, .* must be positive'),
        ({'bandwidth': []}, 'bandwidth, .* must be positive'),
        ({'bandwidth': [1.0, float('nan')]}, 'bandwidth, .* must be positive'),
        ({'multipliers': [1, -1]}, 'multipliers .* must be positive'),
        ({'multipliers': []}, 'multipliers .* must be positive'),
        ({'bandwidth': 1.0, 'multipliers': [1, 2]}, 'median or mean only'),
        ({'kernel_weights': [0.5, 0.5]}, 'kernel_weights must be 5 numbers'),
        ({'multipliers': [1, 2], 'kernel_weights': [0.5, 0.6]}, '2 numbers of sum 1'),
        ({'multipliers': [1, 2], 'kernel_weights': [1.5, -0.5]}, 'kernel_weights must be positive'),
    ],
)
def test_bad_options(options, words):
    with pytest.raises(ValueError, match=words):
        MKMMDLoss(**options)


@pytest.mark.parametrize(
    'source, target, words',
    [
        (torch.zeros(3, 4), torch.zeros(3, 5), r'\(N1, D\)'),
        (torch.zeros(3, 4, 1, 1), torch.zeros(3, 4, 1, 1), r'\(N1, D\)'),
        (torch.zeros(0, 4), torch.zeros(3, 4), 'at least 1'),
        (torch.zeros(3, 4), torch.zeros(0, 4), 'at least 1'),
    ],
)
def test_bad_input(source, target, words):
    with pytest.raises(ValueError, match=words):
        MKMMDLoss()(source, target)


# behaviour: the two sides of Eq. 10


def test_embedding_that_maximises_makes_it_rise():
    torch.manual_seed(0)
    source, target = torch.randn(64, 8), torch.randn(64, 8) + 0.5 * torch.eye(8)[0]
    embed = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 16), nn.LayerNorm(16, elementwise_affine=False))
    optimizer = torch.optim.RMSprop(embed.parameters(), lr=1e-3)
    values = []
    for _ in range(150):
        loss = MKMMDLoss()(embed(source), embed(target))
        optimizer.zero_grad()
        (-loss).backward()
        optimizer.step()
        values.append(loss.item())
    assert values[-1] > 5 * values[0]


def test_samples_that_minimise_make_it_fall():
    torch.manual_seed(0)
    source, target = nn.Parameter(torch.randn(64, 8)), torch.randn(64, 8) * 0.5 + 1
    optimizer = torch.optim.Adam([source], lr=0.05)
    values = []
    for _ in range(150):
        loss = MKMMDLoss()(source, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        values.append(loss.item())
    assert values[-1] < 0.05 * values[0]
    assert (source.detach().mean(0) - target.mean(0)).norm() < 0.3
