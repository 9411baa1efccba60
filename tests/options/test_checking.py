"""Whole options files: right ones pass, and a mistake is told before anything is created on disk."""

import os
import subprocess
import sys
from contextlib import nullcontext
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from support.forking_python import forking_python
from support.tiny_training import write_options

from rim_plugin.errors import OptionsError
from rim_plugin.options.checking import check
from rim_plugin.options.reading import read_options

from basicsr.models import build_model


def test_right_options_pass(tmp_path):
    file = write_options(tmp_path / 'o.yml')
    check(read_options(file), file, True)
    check(read_options(file), file, False)


OURS = sorted(
    file
    for file in (Path(__file__).parents[2] / 'options').rglob('*.yml')
    if file.parent.name not in ('base', 'benchmark')
)


QUICK = ('fhn_small', 'srcnn', 'bicubic')


def quick(files, some=QUICK):
    """Parameters, of which all but some are slow."""
    return [file if file.stem in some else pytest.param(file, marks=pytest.mark.slow) for file in files]


@pytest.mark.parametrize('file', quick(OURS), ids=lambda f: f.stem)
def test_options_of_this_project_pass(file):
    check(read_options(str(file)), str(file), file.parent.name != 'test', look_for_files=False)


@pytest.mark.parametrize(
    'forced',
    [
        ['network_t={type: MobileFaceNet}'],
        pytest.param(['network_t={type: IResNet, depth: 18}'], marks=pytest.mark.slow),
        pytest.param(['network_g:num_landmarks=194'], marks=pytest.mark.slow),
    ],
)
def test_the_papers_rim_takes_another_teacher_and_other_landmarks_by_one_option(forced):
    file = str(Path(__file__).parents[2] / 'options/rim.yml')
    check(read_options(file, forced), file, True, look_for_files=False)


def test_the_papers_rim_says_what_to_do_without_its_teachers_weights():
    file = str(Path(__file__).parents[2] / 'options/rim.yml')
    drawn = '{type: DrawnFaceDataset, name: drawn, num_identities: 8, batch_size_per_gpu: 4, num_worker_per_gpu: 0}'
    data = ['datasets:val=~', 'datasets:val_lfw=~', 'datasets:train=~', f'datasets:train={drawn}']
    with pytest.raises(OptionsError, match=r'rim.yml: path.pretrain_network_t: none.pth: no such .*; name the teacher'):
        check(read_options(file, [*data, 'path:pretrain_network_t=none.pth']), file, True)


RIM = [
    file
    for file in OURS
    if 'RIMModel' in file.read_text() or file.parent.name in ('ablation', 'recognition') or file.name.startswith('rim')
]


@pytest.mark.parametrize('file', quick(RIM, ['fhn_small']), ids=lambda f: f.stem)
def test_models_of_this_project_are_built(file, monkeypatch):
    monkeypatch.setattr('rim_plugin.models.networks.load_recogniser_weights', lambda net, path: None)
    training = file.parent.name != 'test'
    options = read_options(str(file), ['num_gpu=0', *(['train:compile=false'] if training else [])])
    options['path'] = {'pretrain_network_t': 'random'}
    options.update(dist=False, rank=0, world_size=1, is_train=training)
    expected = deepcopy(options)
    model = build_model(options)
    built = {type(part).__name__ for net in model_networks(model) for part in net.modules()}
    assert built >= {block['type'] for key, block in expected.items() if key.startswith('network_')}
    if training:
        of_options = [block for key, block in expected['train'].items() if key.startswith('optim_')]
        for optimizer in model.optimizers:
            rates = {group['initial_lr'] for group in optimizer.param_groups}
            assert any(type(optimizer).__name__ == each['type'] and each['lr'] in rates for each in of_options)
        assert len(model.optimizers) == len(model.schedulers) > 0


def model_networks(model):
    """Networks of a model, however it keeps them."""
    nets = getattr(model, 'nets', None)
    values = vars(model).values() if nets is None else [*nets.learning.values(), nets.teacher]
    return [value for value in values if isinstance(value, torch.nn.Module)]


def test_a_model_of_basicsr_calls_its_functions_itself(problem):
    assert 'val.metrics.psnr.crop_border: missing' in problem(val__metrics__psnr={'type': 'calculate_psnr'})


def test_missing_data(problem):
    paired = {'name': 'a', 'type': 'PairedImageDataset', 'batch_size_per_gpu': 1, 'num_worker_per_gpu': 0}
    assert 'datasets.train.dataroot_gt: missing' in problem(datasets__train=paired)
    paired.update(dataroot_gt='none', dataroot_lq='none')
    assert 'datasets.train.dataroot_gt: none: no such file or folder' in problem(datasets__train=paired)


def test_files_are_looked_for_on_demand(tmp_path):
    file = write_options(tmp_path / 'o.yml', path__pretrain_network_g='no.pth')
    check(read_options(file), file, True, look_for_files=False)
    with pytest.raises(OptionsError, match='no such file'):
        check(read_options(file), file, True)


def test_a_forced_key_is_checked(problem):
    message = problem(forced=['train:total_itr=3'])
    assert message == "/o.yml: train.total_itr: unknown key; did you mean 'total_iter'?"


def test_third_party_models_may_have_their_own_keys(tmp_path):
    file = write_options(tmp_path / 'o.yml', train__strange_knob=3, strange_top=1)
    check(read_options(file), file, True)


@pytest.mark.parametrize(
    'key', ['strange_top', 'train__strange', 'val__strange', 'path__strange', 'train__strange_opt']
)
def test_declared_keys_leave_no_room(problem, key):
    assert f'{key.replace("__", ".")}: unknown key' in problem(model_type='RIMModel', **{key: None})


@pytest.mark.parametrize('model', ['RIMModel', 'BaselineModel', 'BaselineGANModel', 'SRModel'])
def test_each_model_has_losses_and_optimizers_of_its_own(tmp_path, model):
    losses = {
        'perceptual_opt': {'type': 'PerceptualLoss', 'layer_weights': {}},
        'distill_opt': {'type': 'DistillationLoss'},
    }
    changes = {
        'train__optim_d': {'type': 'Adam', 'lr': 1e-4},
        'train__gan_opt': {'type': 'GANLoss', 'gan_type': 'lsgan'},
    }
    changes = {**changes, 'network_d': {'type': 'VGGDiscriminator'}} if model == 'BaselineGANModel' else {}
    known = {
        'RIMModel': {'distill_opt', 'perceptual_opt'},
        'BaselineModel': set(),
        'BaselineGANModel': {'perceptual_opt'},
    }
    for key, block in losses.items():
        file = write_options(tmp_path / 'o.yml', model_type=model, **{f'train__{key}': block, **changes})
        if key in known.get(model, losses):
            check(read_options(file), file, True, look_for_files=False)  # 8-pixel images are too small for networks
        else:
            with pytest.raises(OptionsError, match=f'train.{key}: unknown key'):
                check(read_options(file), file, True)


@pytest.mark.slow
@pytest.mark.parametrize('command', [['-m', 'rim_plugin.train'], ['basicsr/train.py'], ['basicsr/test.py']])
def test_launchers_say_it_in_one_line_and_create_nothing(tmp_path, command):
    root = str(Path(__file__).parents[2])
    file = write_options(tmp_path / 'o.yml', network_g__type='MSRResNett')
    command = [os.path.join(root, part) if part.endswith('.py') else part for part in command]
    environment = dict(os.environ, PYTHONPATH=root)
    python = forking_python() if command[0] == '-m' else sys.executable  # scripts have another sys.path
    done = subprocess.run(
        [python, *command, '-opt', file], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f'Error: {file}: ') and 'Traceback' not in done.stderr
    assert os.listdir(tmp_path) == ['o.yml'] and not os.path.exists(os.path.join(root, 'experiments', 'tiny'))


@pytest.mark.parametrize(
    'package, logger, told',
    [
        ('tensorboard', {'use_tb_logger': True}, 'use_tb_logger: needs the package tensorboard: pip install it'),
        ('wandb', {'use_tb_logger': True, 'wandb': {'project': 'x'}}, 'wandb: needs the package wandb: pip install it'),
        ('wandb', {'wandb': {'project': 'x'}}, 'use_tb_logger: wandb shows what is written for TensorBoard'),
        ('wandb', {'use_tb_logger': True, 'wandb': {'project': None}}, ''),
    ],
)
def test_what_shows_the_course_of_a_training_has_to_be_installed(package, logger, told, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    file = write_options(tmp_path / 'o.yml', **{f'logger__{key}': value for key, value in logger.items()})
    with pytest.raises(OptionsError, match=f'logger.{told}') if told else nullcontext():
        check(read_options(file), file, True)
