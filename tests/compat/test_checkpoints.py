"""Files of a run: whole or not there, of this network."""

import os
import signal

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from support.tiny_training import TinyNet

from rim_plugin.compat import checkpoints
from rim_plugin.errors import OptionsError
from rim_plugin.run_state import RUN
from rim_plugin.tensor_files import read_tensors


def test_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / 'a.pth'
    checkpoints.write({'x': 1}, path)

    def half(_content, file):
        file.write(b'half')
        raise RuntimeError('disk full')

    monkeypatch.setattr(torch, 'save', half)
    with pytest.raises(OSError, match='a.pth.*disk full'):
        checkpoints.write({'x': 2}, path)
    assert read_tensors(str(path)) == {'x': 1} and os.listdir(tmp_path) == ['a.pth']


def test_networks_round_trip(model, tmp_path):
    model.save_network([model.net_g, model.net_g_ema], 'net_g', 5, param_key=['params', 'params_ema'])
    other = TinyNet()
    for key, source in (('params', model.net_g), ('params_ema', model.net_g_ema), ('absent', model.net_g)):
        model.load_network(other, str(tmp_path / 'models/net_g_5.pth'), True, key)
        assert all(map(torch.equal, other.state_dict().values(), source.state_dict().values()))
    save_file(model.net_g_ema.state_dict(), tmp_path / 'net.safetensors')
    model.load_network(other, str(tmp_path / 'net.safetensors'))
    assert all(map(torch.equal, other.state_dict().values(), model.net_g_ema.state_dict().values()))


def test_weights_of_another_network(model, tmp_path):
    model.save_network(TinyNet(norm=False), 'net_g', -1)
    path = str(tmp_path / 'models/net_g_latest.pth')
    with pytest.raises(OptionsError, match=r'net_g_latest.pth does not fit TinyNet: missing: body.1.*and 2 more'):
        model.load_network(TinyNet(), path)
    with pytest.raises(OptionsError, match=r'other shape: body.0.*\(4, 3, 3, 3\) for \(5, 3, 3, 3\)'):
        model.load_network(TinyNet(width=5, norm=False), path)
    with pytest.raises(OptionsError, match="no weights under 'params_x'; the file holds a"):
        torch.save({'a': 1}, path)
        model.load_network(TinyNet(), path, True, 'params_x')


@pytest.mark.parametrize('value', ['nan', 'inf', '-inf'])
def test_weights_that_are_not_finite_are_not_saved(model, tmp_path, value):
    model.net_g.body[0].weight.data[0] = float(value)
    with pytest.raises(FloatingPointError, match='body.0.weight of net_g'):
        model.save_network(model.net_g, 'net_g', 5)
    assert not os.path.exists(tmp_path / 'models')


def test_numpy_values_are_saved_as_plain_ones(tmp_path):
    torch.save(checkpoints.without_numpy({'a': [np.float64(1.5)], 'b': np.arange(2)}), tmp_path / 'x')
    loaded = torch.load(tmp_path / 'x', weights_only=True)
    assert loaded['a'] == [1.5] and loaded['b'].tolist() == [0, 1]


def test_only_rank_0_writes(model, tmp_path):
    model.optimizers = []
    model.opt['rank'] = 1
    model.save_training_state(0, 3)
    assert not (tmp_path / 'states').exists()


@pytest.mark.parametrize('stop_signal', [None, signal.SIGTERM])
def test_the_state_of_a_validating_iteration_waits_for_its_metrics(model, tmp_path, monkeypatch, stop_signal):
    monkeypatch.setattr(RUN, 'epoch', 0)
    model.optimizers, model.opt['val'] = [], {'val_freq': 4}
    model.best_metric_results = {'val': {'psnr': {'val': 1.0}}}
    model.save_training_state(0, 3)
    assert os.listdir(tmp_path / 'states') == ['3.state']
    monkeypatch.setattr(RUN, 'stop_signal', stop_signal)
    model.save_training_state(0, 4)
    assert os.listdir(tmp_path / 'states') == ['3.state']
    model.best_metric_results['val']['psnr']['val'] = 2.0
    checkpoints.flush(model)
    assert read_tensors(tmp_path / 'states/4.state')['carried']['best_metric_results'] == {
        'val': {'psnr': {'val': 2.0}}
    }


def test_a_network_of_other_widths_is_loaded_in_part(model, tmp_path):
    model.save_network(model.net_g, 'net_g', 5)
    net = TinyNet(width=5)
    before = net.body[0].weight.clone()
    model.load_network(net, str(tmp_path / 'models/net_g_5.pth'), strict=False)
    assert torch.equal(net.body[3].bias, model.net_g.body[3].bias)  # three channels in both
    assert torch.equal(net.body[0].weight, before)
