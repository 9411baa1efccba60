"""Muon: orthogonalised momentum for layers, Adam for the rest."""

import math

import pytest
import torch
from torch import nn

from rim_plugin.muon import Muon, orthogonalised
from rim_plugin.options.arguments import optimizer_types


@pytest.mark.parametrize('shape', [(2, 8, 40), (3, 40, 8), (1, 6, 6)])
def test_orthogonalised_keeps_directions_and_levels_singular_values(shape):
    torch.manual_seed(0)
    matrices = torch.randn(shape)
    u, _, v = torch.linalg.svd(matrices, full_matrices=False)
    result = orthogonalised(matrices)
    values = torch.linalg.svdvals(result)
    assert values.min() > 0.5 and values.max() < 1.3
    inner = u.mT @ result @ v.mT  # diagonal, in the singular vectors of the input
    assert (inner - torch.diag_embed(torch.diagonal(inner, dim1=1, dim2=2))).abs().max() < 1e-3


@pytest.mark.parametrize('shape', [(2, 48, 432), (1, 64, 64), (2, 40, 8)])
def test_singular_values_go_through_the_published_polynomial(shape):
    matrices = torch.randn(shape) * torch.logspace(0, -3, shape[2])
    u, values, v = torch.linalg.svd(matrices.double(), full_matrices=False)
    values = values / values.norm(dim=1, keepdim=True)
    for _ in range(5):
        values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
    expected = u @ torch.diag_embed(values) @ v
    torch.testing.assert_close(orthogonalised(matrices).double(), expected, atol=2e-4, rtol=0)


def test_each_matrix_is_orthogonalised_by_itself_and_zero_stays_zero():
    matrices = torch.randn(3, 4, 9)
    matrices[1] = 0
    together = orthogonalised(matrices)
    assert not together[1].any()
    torch.testing.assert_close(together[2:], orthogonalised(matrices[2:]))


def test_first_step_of_a_convolution():
    torch.manual_seed(0)
    layer = nn.Conv2d(4, 8, 3)
    before = layer.weight.detach().clone()
    layer.weight.grad = torch.randn_like(layer.weight)
    Muon([layer.weight], lr=0.01, weight_decay=0.5).step()
    momentum = 0.05 * layer.weight.grad
    ahead = 0.05 * layer.weight.grad + 0.95 * momentum
    step = orthogonalised(ahead.reshape(1, 8, 36))[0] * 0.2 * math.sqrt(36) * 0.01
    torch.testing.assert_close(layer.weight, before * (1 - 0.005) - step.reshape(before.shape))
    rate = (layer.weight.detach() - before * (1 - 0.005)).square().mean().sqrt() / 0.01
    assert rate == pytest.approx(0.2, rel=0.3)  # as one of Adam's


def test_a_later_step_looks_ahead_of_its_momentum():
    torch.manual_seed(0)
    layer = nn.Conv2d(2, 4, (1, 3), bias=False)
    optimizer = Muon(layer.parameters(), lr=0.01, momentum=0.9)
    momentum = torch.zeros(4, 6)
    for _ in range(3):
        gradient, before = torch.randn(4, 6), layer.weight.detach().clone()
        layer.weight.grad = gradient.view(4, 2, 1, 3)
        optimizer.step()
        momentum = 0.9 * momentum + 0.1 * gradient
        step = orthogonalised((0.1 * gradient + 0.9 * momentum)[None])[0] * 0.2 * math.sqrt(6) * 0.01
        torch.testing.assert_close(layer.weight.detach(), before - step.view(before.shape))


def test_all_but_convolutions_are_adams():
    torch.manual_seed(0)
    start = [torch.randn(6), torch.randn(1, 3, 4, 4), torch.randn(()), torch.randn(4, 5), torch.randn(6, 5, 1, 1)]
    ours, theirs = ([nn.Parameter(value.clone()) for value in start] for _ in range(2))
    pair = Muon(ours, lr=1.0, other_lr=0.1), torch.optim.Adam(theirs, lr=0.1, betas=(0.9, 0.99))
    for _ in range(5):
        gradients = [torch.randn_like(value) for value in start]
        for values, optimizer in zip((ours, theirs), pair, strict=True):
            for value, gradient in zip(values, gradients, strict=True):
                value.grad = gradient
            optimizer.step()
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b)


def test_rates_of_both_kinds_and_of_groups():
    layer, other = nn.Conv2d(3, 3, 3), nn.Conv2d(3, 3, 3)
    plain = Muon(layer.parameters(), lr=0.1, other_lr=0.2)
    assert [(group['matrices'], group['lr']) for group in plain.param_groups] == [(True, 0.1), (False, 0.2)]
    groups = [{'params': layer.parameters()}, {'params': other.parameters(), 'lr': 0.5}]
    assert [group['lr'] for group in Muon(groups, lr=0.1).param_groups] == [0.1, 0.1, 0.5, 0.5]


def test_parameters_without_gradient_stay():
    layer = nn.Conv2d(3, 3, 3)
    before = layer.weight.detach().clone()
    layer.bias.grad = torch.ones(3)
    optimizer = Muon(layer.parameters())
    optimizer.step()
    assert torch.equal(layer.weight, before)
    assert optimizer.step(lambda: torch.tensor(7.0)) == 7


def test_a_resumed_optimizer_goes_on_as_an_unbroken_one():
    torch.manual_seed(0)
    whole, first = nn.Conv2d(4, 4, 2), nn.Conv2d(4, 4, 2)
    first.load_state_dict(whole.state_dict())
    gradients = [[torch.randn_like(value) for value in whole.parameters()] for _ in range(4)]

    def train(net, optimizer, steps):
        for step in steps:
            for value, gradient in zip(net.parameters(), gradients[step], strict=True):
                value.grad = gradient
            optimizer.step()
        return optimizer

    train(whole, Muon(whole.parameters()), range(4))
    state = train(first, Muon(first.parameters()), range(2)).state_dict()
    resumed = Muon(first.parameters())
    resumed.load_state_dict(state)
    train(first, resumed, (2, 3))
    for a, b in zip(whole.parameters(), first.parameters(), strict=True):
        assert torch.equal(a, b)


def test_options_name_it_in_place_of_torchs():
    assert optimizer_types()['Muon'] is Muon
