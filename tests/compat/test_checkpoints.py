"""Files of a run: whole or not there, of this network; which of them a run goes on from, and what comes back."""

import io
import logging
import os
import random
import signal

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from support.tiny_training import TinyNet

from rim_plugin.compat import checkpoints
from rim_plugin.errors import OptionsError
from rim_plugin.randomness import rng_state
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


def load(opt):
    return checkpoints.load_resume_state(None, opt)


@pytest.fixture
def opt(model, tmp_path, monkeypatch):
    """Options of a run with whole checkpoints at 9 and 10; the current folder is another one."""
    (tmp_path / 'elsewhere').mkdir()
    monkeypatch.chdir(tmp_path / 'elsewhere')
    model.optimizers = [torch.optim.Adam(model.net_g.parameters())]
    for iteration in (9, 10):
        model.save_network(model.net_g, 'net_g', iteration)
        model.save_training_state(0, iteration)
    return {'auto_resume': True, 'dist': False, 'network_g': {}, 'path': {**model.opt['path'], 'resume_state': None}}


def test_newest_state_from_any_folder(opt, tmp_path):
    assert load(opt)['iter'] == 10
    assert opt['path']['pretrain_network_g'] == str(tmp_path / 'models/net_g_10.pth')


@pytest.mark.parametrize('damage', ['states/10.state', 'models/net_g_10.pth'])
@pytest.mark.parametrize('content', [None, b'half'])
def test_falls_back_to_the_checkpoint_before(opt, tmp_path, damage, content):
    os.remove(tmp_path / damage)
    if content:
        (tmp_path / damage).write_bytes(content)
    assert load(opt)['iter'] == 9
    assert opt['path']['pretrain_network_g'].endswith('net_g_9.pth')


def dumped(content):
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


@pytest.mark.parametrize('damage', ['states/10.state', 'models/net_g_10.pth'])
@pytest.mark.parametrize('place', range(20))
def test_a_few_bytes_that_changed_are_seen(opt, tmp_path, damage, place):
    whole = dumped(read_tensors(tmp_path / 'states/10.state'))
    content = bytearray((tmp_path / damage).read_bytes())
    start = random.Random(place).randrange(len(content) - 20)
    content[start : start + 20] = bytes(value ^ 0x5A for value in content[start : start + 20])
    (tmp_path / damage).write_bytes(content)
    state = load(opt)
    # bytes of a state that nobody reads may change: padding, and the date of a part
    assert state['iter'] == 9 or damage.startswith('states') and dumped(state) == whole


def test_what_was_passed_over_is_told(opt, model, tmp_path, caplog):
    os.remove(tmp_path / 'models/net_g_9.pth')
    torch.save({'params': TinyNet().state_dict()}, tmp_path / 'models/net_g_10.pth')
    for iteration in (11, 12):
        model.save_network(model.net_g, 'net_g', iteration)
        model.save_training_state(0, iteration)
    weights = torch.load(tmp_path / 'models/net_g_12.pth')
    next(iter(weights['params'].values())).fill_(float('inf'))
    torch.save(weights, tmp_path / 'models/net_g_12.pth')
    os.remove(tmp_path / 'models/net_g_11.pth')
    with pytest.raises(OptionsError, match=r'newest: .*net_g_12.pth: damaged: params\..* is NaN or infinite'):
        load(opt)
    model.save_network(model.net_g, 'net_g', 8)
    model.save_training_state(0, 8)
    state = load(opt)
    assert state['iter'] == 8
    logging.getLogger('basicsr').addHandler(caplog.handler)
    model.resume_training(state)
    logging.getLogger('basicsr').removeHandler(caplog.handler)
    told = [line for line in caplog.text.splitlines() if 'Not resumed from' in line]
    endings = ['is NaN or infinite', 'net_g_11.pth: no such file', '10.state', 'net_g_9.pth: no such file']
    assert len(told) == 4 and all(part in line for part, line in zip(endings, told, strict=True))


def test_no_whole_checkpoint_is_an_error_no_restart(opt, tmp_path):
    for iteration in (9, 10):
        os.remove(tmp_path / f'models/net_g_{iteration}.pth')
    with pytest.raises(OptionsError, match='no training state can be resumed from.*net_g_10.pth: no such file'):
        load(opt)


def test_new_run(opt, tmp_path):
    opt['path']['training_states'] = str(tmp_path / 'none')
    assert load(opt) is None


def test_a_network_never_saved_keeps_its_own_weights(opt):
    opt['network_t'], opt['path']['pretrain_network_t'] = {}, 'teacher.pth'
    load(opt)
    assert opt['path']['pretrain_network_t'] == 'teacher.pth'


def test_best_metrics_and_random_states_come_back(opt, model):
    model.best_metric_results = {'val': {'psnr': {'better': 'higher', 'val': 30.0, 'iter': 10}}}
    model.save_network(model.net_g, 'net_g', 11)
    model.save_training_state(0, 11)
    state = rng_state()['torch']
    torch.rand(3)
    model.best_metric_results = {}
    model.resume_training(load(opt))
    assert model.best_metric_results['val']['psnr']['val'] == 30.0 and torch.equal(rng_state()['torch'], state)


def test_a_folder_whose_name_is_a_pattern(opt, tmp_path):
    folder = (tmp_path / 'models').rename(tmp_path / 'run [1]')
    opt['path']['models'] = str(folder)
    load(opt)
    assert opt['path']['pretrain_network_g'] == str(folder / 'net_g_10.pth')


def test_the_state_that_the_options_name(opt, tmp_path):
    opt['auto_resume'], opt['path']['resume_state'] = False, str(tmp_path / 'states/9.state')
    assert load(opt)['iter'] == RUN.iteration == 9
    opt['path']['resume_state'] = str(tmp_path / 'models/net_g_9.pth')
    with pytest.raises(OptionsError, match='net_g_9.pth: not a training state of BasicSR'):
        load(opt)
