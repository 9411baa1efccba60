"""Optimizers, EMA and losses of BasicSR's models."""

from collections import OrderedDict

import pytest
import torch

from rim_plugin.errors import OptionsError


@pytest.mark.parametrize('name', ['Adam', 'RMSprop', 'AdamW', 'SGD'])
def test_optimizers_by_name(model, name):
    optimizer = model.get_optimizer(name, model.net_g.parameters(), 1e-3, weight_decay=1e-5)
    assert type(optimizer) is getattr(torch.optim, name) and optimizer.param_groups[0]['lr'] == 1e-3


def test_unknown_optimizer(model):
    with pytest.raises(OptionsError, match="did you mean 'RMSprop'"):
        model.get_optimizer('RMSProb', model.net_g.parameters(), 1e-3)


def test_ema_takes_buffers_over(model):
    model.net_g(torch.rand(4, 3, 8, 8))
    before = [value.clone() for value in model.net_g_ema.parameters()]
    model.model_ema(0.9)
    for mine, other in zip(model.net_g_ema.buffers(), model.net_g.buffers()):
        assert torch.equal(mine, other)
    for mine, old, new in zip(model.net_g_ema.parameters(), before, model.net_g.parameters()):
        torch.testing.assert_close(mine, 0.9 * old + 0.1 * new)


def test_nan_loss_is_not_logged_but_raised(model):
    assert model.reduce_loss_dict(OrderedDict(l_a=torch.tensor(1.0))) == {'l_a': 1.0}
    with pytest.raises(FloatingPointError, match='l_a'):
        model.reduce_loss_dict(OrderedDict(l_a=torch.tensor(float('nan'))))
