"""Optimisation: gradients of micro-batches against those of the mean, clipping, log, parts without an optimizer."""

import pytest
import torch
from torch import nn

from rim_plugin.models.optimisation import Optimisation, Part


def optimisation(net, chunks=1, grad_clip=None, check=lambda terms: None):
    part = Part(net, torch.optim.SGD(net.parameters(), lr=1.0))
    return Optimisation({'net': part}, torch.amp.GradScaler('cpu', enabled=False), grad_clip, chunks, check)


def layer():
    net = nn.Linear(3, 1, bias=False)
    nn.init.constant_(net.weight, 2.0)
    return net


def test_a_step_follows_the_sum_of_the_terms_averaged_over_micro_batches():
    net, inputs = layer(), torch.tensor([[1.0, 0, 0], [0, 3.0, 0]])
    optimiser = optimisation(net, chunks=2)
    for row in inputs:
        optimiser.backward({'a': net(row).sum(), 'b': 2 * net(row).sum()})
    optimiser.step(['net'])
    assert net.weight.tolist() == [[2 - 3 * 1 / 2, 2 - 3 * 3 / 2, 2]]
    assert net.weight.grad is None
    log = optimiser.finish()
    assert {name: value.item() for name, value in log.items()} == {'l_a': (2 + 6) / 2, 'l_b': 2 + 6}
    assert optimiser.finish() == {}


def test_gradients_are_clipped_to_a_norm():
    net = layer()
    optimiser = optimisation(net, grad_clip=0.5)
    optimiser.backward({'a': net(torch.tensor([[3.0, 4.0, 0.0]])).sum()})
    optimiser.step(['net'])
    torch.testing.assert_close(net.weight.data, torch.tensor([[2 - 0.3, 2 - 0.4, 2.0]]), atol=1e-5, rtol=0)


def test_terms_are_checked_by_their_names_in_the_log_before_any_gradient():
    def check(terms):
        assert list(terms) == ['l_a']
        raise FloatingPointError('l_a')

    net = layer()
    with pytest.raises(FloatingPointError):
        optimisation(net, check=check).backward({'a': net(torch.ones(1, 3)).sum()})
    assert net.weight.grad is None


def test_parts_without_an_optimizer_are_passed_over():
    net = layer()
    optimiser = optimisation(net)
    optimiser.backward({'a': net(torch.ones(1, 3)).sum()})
    optimiser.step(['another'])
    assert torch.equal(net.weight, torch.full((1, 3), 2.0)) and net.weight.grad is not None
