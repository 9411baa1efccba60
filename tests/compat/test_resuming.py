"""Which files a run goes on from, and what comes back."""

import io
import logging
import os
import random

import pytest
import torch
from support.tiny_training import TinyNet

from rim_plugin.compat import resuming
from rim_plugin.errors import OptionsError
from rim_plugin.randomness import rng_state
from rim_plugin.run_state import RUN
from rim_plugin.tensor_files import read_tensors


def load(opt):
    return resuming.load_resume_state(None, opt)


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
