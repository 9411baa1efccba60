"""Optimizers, EMA and losses of BasicSR's models."""

import logging
import time
from collections import OrderedDict
from pathlib import Path
from unittest.mock import Mock
from urllib.error import URLError

import pytest
import torch
import torchvision

from rim_plugin.errors import OptionsError
from rim_plugin.options.arguments import scheduler_types

from basicsr.archs.vgg_arch import VGG_PRETRAIN_PATH
from basicsr.losses.basic_loss import PerceptualLoss
from basicsr.utils.logger import MessageLogger


@pytest.mark.parametrize('name', ['Adam', 'RMSprop', 'AdamW', 'SGD'])
def test_optimizers_by_name(model, name):
    optimizer = model.get_optimizer(name, model.net_g.parameters(), 1e-3, weight_decay=1e-5)
    assert type(optimizer) is getattr(torch.optim, name) and optimizer.param_groups[0]['lr'] == 1e-3


def test_unknown_optimizer(model):
    with pytest.raises(OptionsError, match="did you mean 'RMSprop'"):
        model.get_optimizer('RMSProb', model.net_g.parameters(), 1e-3)


COURSES = {
    'StepLR': {'step_size': 3},
    'ConstantLR': {'factor': 0.5, 'total_iters': 6},
    'LinearLR': {'total_iters': 8},
    'ExponentialLR': {'gamma': 0.9},
    'PolynomialLR': {'total_iters': 9},
    'CosineAnnealingLR': {'T_max': 5},
    'CosineAnnealingWarmRestarts': {'T_0': 4},
    'CyclicLR': {'base_lr': 0.01, 'max_lr': 0.1, 'step_size_up': 3},
    'OneCycleLR': {'max_lr': 0.1, 'total_steps': 12},
    'MultiStepLR': {'milestones': [2, 6], 'gamma': 0.5},
    'MultiStepRestartLR': {'milestones': [2, 6], 'gamma': 0.5, 'restarts': [8], 'restart_weights': [0.5]},
    'CosineAnnealingRestartLR': {'periods': [5, 7], 'restart_weights': [1, 0.5]},
}


@pytest.mark.parametrize('name', scheduler_types())
@pytest.mark.parametrize('warm_up', [-1, 4])
def test_schedulers_by_name_go_on_after_the_warm_up_as_without_it(model, name, warm_up):
    weights = [torch.zeros(2, requires_grad=True) for _ in range(2)]
    ours, plain = (torch.optim.SGD([weight], 0.2, momentum=0.9) for weight in weights)
    course = scheduler_types()[name](plain, **COURSES[name])
    model.optimizers, model.opt['train'] = [ours], {'scheduler': {'type': name, **COURSES[name]}}
    model.setup_schedulers()
    for iteration in range(1, 12):
        model.update_learning_rate(iteration, warm_up)
        first, rate = ours.param_groups[0]['initial_lr'], plain.param_groups[0]['lr']
        expected = first * iteration / warm_up if iteration < warm_up else rate
        assert model.get_current_learning_rate() == [pytest.approx(expected, rel=1e-6)]
        ours.step()
        plain.step()
        course.step()


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


@pytest.mark.parametrize('content', [None, b'not weights'])
def test_weights_for_a_perceptual_loss_that_are_not_there_are_named(tmp_path, monkeypatch, content):
    def refused(*args, **kwargs):
        raise URLError('no route to host')

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torchvision.models._api, 'load_state_dict_from_url', refused)
    if content is not None:
        file = Path(VGG_PRETRAIN_PATH)
        file.parent.mkdir(parents=True)
        file.write_bytes(content)
    # VGG's 500 MB are not made for an error
    with (
        torch.device('meta'),
        pytest.raises(OptionsError, match='weights of vgg11.*put the file at experiments/pretrained_models/vgg19'),
    ):
        PerceptualLoss({'conv1_1': 1.0}, vgg_type='vgg11')


class Named(torch.utils.data.Dataset):
    def __init__(self, name):
        self.opt = {'name': name}

    def __len__(self):
        return 1


def test_the_end_validates_what_the_last_iteration_did_not(model):
    calls = []
    model.opt.update(train={'total_iter': 4}, datasets={key: {'name': key} for key in 'ab'})
    model.nondist_validation = lambda loader, number, *_: calls.append((loader.dataset.opt['name'], number))
    first, second = (torch.utils.data.DataLoader(Named(name)) for name in 'ab')
    for loader, number in ((first, 2), (second, 2), (first, 4), (first, 5), (second, 5), (second, 5)):
        model.validation(loader, number, None, False)
    assert calls == [('a', 2), ('b', 2), ('a', 4), ('b', 4)]
    model.opt['is_train'] = False
    for _ in range(2):
        model.validation(first, 'name of a test', None, False)
    assert calls[4:] == [('a', 'name of a test')] * 2


def test_several_validation_sets_are_no_reason_to_warn(caplog):
    logger = logging.getLogger('basicsr')
    logger.addHandler(caplog.handler)
    logger.warning('Multiple validation datasets are *only* supported by SRModel.')
    logger.warning('Another.')
    logger.removeHandler(caplog.handler)
    assert {record.getMessage() for record in caplog.records} == {'Another.'}


def test_layers_go_to_the_log_file_and_not_to_the_console(model, tmp_path):
    logger, lines = logging.getLogger('basicsr'), []
    console = logging.StreamHandler()
    console.emit = lambda record: lines.append(record.getMessage())
    file = logging.FileHandler(tmp_path / 'log')
    for handler in (console, file):
        logger.addHandler(handler)
    before = logger.level
    logger.setLevel(logging.INFO)
    model.print_network(model.net_g)
    logger.info('two\nlines')  # of something else
    logger.setLevel(before)
    for handler in (console, file):
        logger.removeHandler(handler)
    file.close()
    assert len(lines) == 2 and 'with parameters' in lines[0] and lines[1] == 'two\nlines'
    assert 'Conv2d' in (tmp_path / 'log').read_text()


def test_tensorboard_gets_the_learning_rates():
    opt = {'name': 'a', 'logger': {'print_freq': 1, 'use_tb_logger': True}, 'train': {'total_iter': 9}}
    board = Mock()
    MessageLogger(opt, 1, board)({'epoch': 0, 'iter': 5, 'lrs': [0.1, 0.2], 'l_pix': 1.0})
    assert [call.args for call in board.add_scalar.call_args_list] == [
        ('lrs/0', 0.1, 5),
        ('lrs/1', 0.2, 5),
        ('losses/l_pix', 1.0, 5),
    ]


@pytest.mark.parametrize('iteration, left', [(8, '0:00:01'), (9, '0:00:00')])
def test_the_time_left_is_that_of_the_iterations_left(iteration, left):
    opt = {'name': 'a', 'logger': {'print_freq': 1, 'use_tb_logger': False}, 'train': {'total_iter': 9}}
    logger = MessageLogger(opt, iteration - 1)
    logger.logger = Mock()
    logger.start_time = time.time() - 3  # of the first iteration and this one
    logger({'epoch': 0, 'iter': iteration, 'lrs': [0.1], 'time': 1.0, 'data_time': 0.0})
    assert f'[eta: {left},' in logger.logger.info.call_args.args[0]


def test_a_training_ends_with_one_summary(model, caplog):
    model.opt.update(train={'total_iter': 4}, datasets={key: {'name': key} for key in ('train', 'val', 'val_b')})
    model.nondist_validation = lambda *_: None
    model.validator = Mock(summary=lambda: ['the summary'])
    first, second = (torch.utils.data.DataLoader(Named(name)) for name in ('val', 'val_b'))
    logger = logging.getLogger('basicsr')
    logger.addHandler(caplog.handler)
    caplog.set_level(logging.INFO, 'basicsr')
    for loader, number in ((first, 4), (second, 4), (first, 5), (second, 5)):
        model.validation(loader, number, None, False)
    logger.removeHandler(caplog.handler)
    assert [record.getMessage() for record in caplog.records] == ['the summary']
