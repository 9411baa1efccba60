"""Mistakes in options: one line that names key, file and nearest name, before anything is created on disk."""

import os
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from support.tiny_training import write_options

from rim_plugin.errors import OptionsError
from rim_plugin.options.checking import check
from rim_plugin.options.reading import read_options

from basicsr.models import build_model


def problem(tmp_path, is_train=True, forced=(), **changes):
    """The error that ``changes`` of a right options file bring."""
    file = write_options(tmp_path / 'o.yml', **changes)
    with pytest.raises(OptionsError) as caught:
        check(read_options(file, forced), file, is_train)
    assert '\n' not in str(caught.value)
    return str(caught.value).replace(str(tmp_path), '')


def test_right_options_pass(tmp_path):
    file = write_options(tmp_path / 'o.yml')
    check(read_options(file), file, True)
    check(read_options(file), file, False)


OURS = sorted(
    file
    for file in (Path(__file__).parents[2] / 'options').rglob('*.yml')
    if file.parent.name not in ('base', 'benchmark')
)


@pytest.mark.parametrize('file', OURS, ids=lambda f: f.stem)
def test_options_of_this_project_pass(file):
    check(read_options(str(file)), str(file), file.parent.name != 'test', look_for_files=False)


LARGE = (
    'other_teacher',
    'paper_assistant',
    'rim',
    'rim_gpu',
    'rim_gpu_hrn',
    'rim_more',
    'rim_more_hrn',
    'student_assistant',
)
RIM = [
    file
    for file in OURS
    if 'RIMModel' in file.read_text() or file.parent.name in ('ablation', 'recognition') or file.name.startswith('rim')
]


@pytest.mark.parametrize(
    'file',
    [pytest.param(file, marks=pytest.mark.slow) if file.stem in LARGE else file for file in RIM],
    ids=lambda f: f.stem,
)
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
    """Networks that are attributes of a model, or values of its attributes."""
    for value in vars(model).values():
        for each in value.values() if isinstance(value, dict) else [value]:
            if isinstance(each, torch.nn.Module):
                yield each


@pytest.mark.parametrize(
    'changes, message',
    [
        (
            dict(train__scheduler={'type': 'CosineAnnealingRestartLR', 'periods': [1, 2]}),
            'train.scheduler.restart_weights: 1 for 2 periods; one for each',
        ),
        (
            dict(
                train__scheduler={'type': 'CosineAnnealingRestartLR', 'periods': [1, 1], 'restart_weights': [1, 1]},
                train__total_iter=3,
            ),
            'train.scheduler.periods: they add up to 2, less than train.total_iter, 3',
        ),
        (
            dict(train__scheduler={'type': 'CosineAnnealingRestartLR', 'periods': 9}),
            'train.scheduler.periods: 9 is no list of numbers',
        ),
        (
            dict(network_g={'type': 'FHN', 'integrator': {'chanels': 3}}),
            "network_g.integrator.chanels: unknown key; did you mean 'channels'?",
        ),
        (
            dict(network_g={'type': 'HRN', 'teacher': {}, 'student': {'type': 'MobileFacNet'}}),
            "network_g.student.type: unknown network 'MobileFacNet'; did you mean 'MobileFaceNet'?",
        ),
        (
            dict(network_g={'type': 'HRN', 'teacher': {}, 'student': {'type': 'ResNet', 'depht': 18}}),
            "network_g.student.depht: unknown key; did you mean 'depth'?",
        ),
        (dict(network_g={'type': 'FixedInput', 'net': {}}), 'network_g.net.type: missing'),
        (dict(network_g__type='TinyNett'), "network_g.type: unknown network 'TinyNett'; did you mean 'TinyNet'?"),
        (dict(network_g__widht=3), "network_g.widht: unknown key; did you mean 'width'?"),
        (dict(network_g__width='many'), "network_g.width: 'many' is a text, a number is expected"),
        (dict(network_g={'type': 'RRDBNet', 'num_in_ch': 3}), 'network_g.num_out_ch: missing'),
        (dict(network_g='TinyNet'), 'network_g: has to be a block with a type'),
        (dict(model_type='RIMmodel'), "model_type: unknown model 'RIMmodel'; did you mean 'RIMModel'?"),
        (dict(model_typ='SRModel'), "model_typ: unknown key; did you mean 'model_type'?"),
        (dict(manual_sed=1), "manual_sed: unknown key; did you mean 'manual_seed'?"),
        (
            dict(datasets__train__type='TinySett'),
            "datasets.train.type: unknown dataset 'TinySett'; did you mean 'TinySet'?",
        ),
        (dict(datasets__train__lenght=3), "datasets.train.lenght: unknown key; did you mean 'length'?"),
        (
            dict(datasets__train__io_backend={'type': 'disc'}),
            "datasets.train.io_backend.type: unknown backend 'disc'; did you mean 'disk'?",
        ),
        (
            dict(datasets__training={}),
            "datasets.training: has to be train, val, test, or to begin with 'val_' or 'test_'",
        ),
        (dict(train__pixel_opt__type='L1Los'), "train.pixel_opt.type: unknown loss 'L1Los'; did you mean 'L1Loss'?"),
        (dict(train__pixel_opt__reductoin='sum'), "train.pixel_opt.reductoin: unknown key; did you mean 'reduction'?"),
        (
            dict(train__optim_g__type='RMSProp'),
            "train.optim_g.type: unknown optimizer 'RMSProp'; did you mean 'RMSprop'?",
        ),
        (dict(train__optim_g__momentun=1), "train.optim_g.momentun: unknown key; did you mean 'momentum'?"),
        (dict(train__optim_g__lr='fast'), "train.optim_g.lr: 'fast' is a text, a number is expected"),
        (dict(train__scheduler__gama=1), "train.scheduler.gama: unknown key; did you mean 'gamma'?"),
        (
            dict(train__scheduler__type='StepLR'),
            "train.scheduler.type: unknown scheduler 'StepLR'; did you mean 'MultiStepLR'?",
        ),
        (dict(train__warm_up_iter=1), "train.warm_up_iter: unknown key; did you mean 'warmup_iter'?"),
        (dict(train__ema_decy=1), "train.ema_decy: unknown key; did you mean 'ema_decay'?"),
        (dict(val__val_frq=1), "val.val_frq: unknown key; did you mean 'val_freq'?"),
        (dict(val__metrics__psnr__type='psnr'), "val.metrics.psnr.type: unknown metric 'psnr'"),
        (
            dict(val__metrics__psnr__crop_boarder=1),
            "val.metrics.psnr.crop_boarder: unknown key; did you mean 'crop_border'?",
        ),
        (dict(logger__print_freqency=1), "logger.print_freqency: unknown key; did you mean 'print_freq'?"),
        (
            dict(path__pretrain_network_h=None),
            "path.pretrain_network_h: unknown key; did you mean 'pretrain_network_g'?",
        ),
        (dict(path__pretrain_network_g='no.pth'), 'path.pretrain_network_g: no.pth: no such file or folder'),
        (dict(path__resume_state='no.state'), 'path.resume_state: no.state: no such file or folder'),
        (dict(path=None), 'path: has to be a block of keys'),
        (dict(train=None), 'train: has to be a block of keys'),
        (dict(datasets__train=[1]), 'datasets.train: has to be a block of keys'),
        (dict(val__metrics__psnr__better='more'), 'val.metrics.psnr.better.more: unknown'),
        (dict(num_gpu='all'), "num_gpu: 'all' is not a whole number of at least 0 or auto"),
        (dict(network_g__type=None), 'network_g.type: ~ is nothing, a text is expected'),
    ],
)
def test_mistakes(tmp_path, changes, message):
    assert problem(tmp_path, **changes).startswith(f'/o.yml: {message}')


TRI = {'type': 'TriPathGenerator'}
MOBILE = {'type': 'HRN', 'teacher': {'type': 'MobileFaceNet'}}
SRCNN = {'type': 'SRCNN'}
METRIC = {'type': 'calculate_psnr'}


@pytest.mark.parametrize(
    'changes, message',
    [
        # what networks can choose, and how large they may be
        (
            dict(network_g={**TRI, 'prior_paths': 'seperate'}),
            "network_g.prior_paths: 'seperate' is not one of separate",
        ),
        (dict(network_g={**TRI, 'concat': 'all'}), "network_g.concat: 'all' is not one of features, features+priors"),
        (dict(network_g={**TRI, 'norm': 'batch'}), "network_g.norm: 'batch' is not one of instance, none"),
        (dict(network_g={**TRI, 'prior_norm': 'Instance'}), "network_g.prior_norm: 'Instance' is not one of instance"),
        (dict(network_g={**TRI, 'image_size': 0}), 'network_g.image_size: 0 is not a whole number of at least 1'),
        (dict(network_g={**TRI, 'image_size': 2.24e2}), 'network_g.image_size: 224.0 is not a whole number'),
        (dict(network_g={**MOBILE, 'head': 'both'}), "network_g.head: 'both' is not one of teacher, own"),
        (dict(network_g={**MOBILE, 'assistant_view': 'hr'}), "network_g.assistant_view: 'hr' is not one of sr, probe"),
        (dict(network_g={**MOBILE, 'fusion': 'max'}), "network_g.fusion: 'max' is not one of sum, mean or a number"),
        (dict(network_g={**MOBILE, 'fusion': 0}), 'network_g.fusion: 0 is not one of sum, mean or a number above 0'),
        (dict(network_g={**MOBILE, 'student': {'type': 'ResNet', 'depth': 50}}), 'network_g.student.depth: 50 is not'),
        (dict(network_g={'type': 'IResNet', 'variant': 'arcface'}), "network_g.variant: 'arcface' is not one of"),
        (dict(network_g={**SRCNN, 'kernels': [9, 5]}), 'network_g.kernels: [9, 5] is not a list of 3, each a whole'),
        (dict(network_g={'type': 'LapSRN', 'scale': 1}), 'network_g.scale: 1 is not a whole number of at least 2'),
        # losses
        (dict(train__distill_opt={'type': 'DistillationLoss', 'target': 'first'}), "train.distill_opt.target: 'first'"),
        (dict(train__distill_opt={'type': 'DistillationLoss', 'distance': 'l1'}), "train.distill_opt.distance: 'l1'"),
        (
            dict(train__landmark_opt={'type': 'HeatmapLoss', 'reduction': 'none'}),
            "train.landmark_opt.reduction: 'none'",
        ),
        (
            dict(train__parsing_opt={'type': 'ParsingLoss', 'class_weights': [-1]}),
            'train.parsing_opt.class_weights: [-1]',
        ),
        (
            dict(train__domain_opt={'type': 'MKMMDLoss', 'bandwidth': 'mode'}),
            "train.domain_opt.bandwidth: 'mode' is not",
        ),
        (dict(train__domain_opt={'type': 'MKMMDLoss', 'bandwidth': [0]}), 'train.domain_opt.bandwidth: [0] is not'),
        (
            dict(train__contrast_opt={'type': 'ContrastiveDistillationLoss', 'temperature': 0}),
            'train.contrast_opt.temperature: 0 is not a number above 0',
        ),
        (
            dict(train__contrast_opt={'type': 'ContrastiveDistillationLoss', 'same_person': 1}),
            'train.contrast_opt.same_person: 1 is not a number above -1 and below 1',
        ),
        (
            dict(train__identity_opt={'type': 'ArcFaceLoss', 'num_classes': 2, 'embedding_size': 2, 'margin': 2}),
            'train.identity_opt.margin: 2 is not a number',
        ),
        (
            dict(train__optim_g={'type': 'Adam', 'lr': 1, 'betas': [0.9]}),
            'train.optim_g.betas: [0.9] is not a list of 2',
        ),
        # metrics, those too that stand for one of BasicSR's
        (dict(val__metrics__psnr={**METRIC, 'input_order': 'HWC'}), 'val.metrics.psnr.input_order: unknown key'),
        (dict(val__metrics__psnr={**METRIC, 'crop_border': -1}), 'val.metrics.psnr.crop_border: -1 is not a whole'),
        (dict(val__metrics__psnr={**METRIC, 'crop_border': '4'}), "val.metrics.psnr.crop_border: '4' is a text"),
        (dict(val__metrics__s={'type': 'calculate_ssim', 'crop_border': 1.5}), 'val.metrics.s.crop_border: 1.5 is not'),
        (dict(val__metrics__r={'type': 'calculate_rank', 'k': 0}), 'val.metrics.r.k: 0 is not a whole number'),
        (dict(val__metrics__t={'type': 'calculate_tar_at_far', 'far': 2}), 'val.metrics.t.far: 2 is not a number'),
        (
            dict(val__metrics__v={'type': 'calculate_verification_accuracy', 'thresholds': 'best'}),
            "val.metrics.v.thresholds: 'best' is not one of exact, insightface",
        ),
        # phases
        (dict(train__phase='foo'), "train.phase: 'foo' is unknown; known: assistant, fhn, joint, student"),
        (dict(train__phases={'fnh': 20}), "train.phases: 'fnh' is unknown; did you mean 'fhn'?"),
        (dict(train__phases={'fhn': 19}), 'train.total_iter is 20, but the phases add up to 19 iterations'),
        (dict(train__phase='fhn', train__phases={'fhn': 20}), 'train.phase and train.phases exclude each other'),
        (dict(train__pixel_opt=None), 'train.pixel_opt is missing: phase fhn needs it'),
        (dict(train__phase='student'), 'network_r is missing: phase student trains it'),
        (dict(train__phase='student', network_r=MOBILE), 'train.distill_opt is missing: phase student needs it'),
        (dict(train__accumulate=7), 'train.accumulate is 7; it has to divide the batch of 2'),
        (dict(train__classifier_lr=0.1), 'train.identity_opt is missing: train.classifier_lr'),
        # the whole file
        (dict(name=''), "name: '' is no name of a folder"),
        (dict(name='a/b'), "name: 'a/b' is no name of a folder"),
        (dict(name='..'), "name: '..' is no name of a folder"),
        (
            dict(dist_params={'backend': 'ncll'}),
            "dist_params.backend: 'ncll' is not one of nccl, gloo, mpi; did you mean",
        ),
        (dict(dist_params={'port': 0}), 'dist_params.port: 0 is not a whole number'),
        (dict(dist_params={'prot': 1}), "dist_params.prot: unknown key; did you mean 'port'?"),
    ],
)
def test_what_constructors_and_models_would_refuse(tmp_path, changes, message):
    changes = {'model_type': 'RIMModel', 'datasets__train__batch_size_per_gpu': 2, **changes}
    assert problem(tmp_path, **changes).startswith(f'/o.yml: {message}')


@pytest.mark.parametrize(
    'changes',
    [
        {'network_g': {**TRI, 'prior_paths': None, 'norm': None}},
        {'network_g': {**MOBILE, 'fusion': 0.7}},
        {'network_g': {**SRCNN, 'kernels': [9, 1, 5]}},
        {'train__domain_opt': {'type': 'MKMMDLoss', 'bandwidth': [1, 2.5]}},
        {'val__metrics__psnr': METRIC},
        {'train__phases': {'fhn': 20}, 'train__accumulate': 2},
        {'dist_params': None},
        {'train__optim_g': {'type': 'Adam', 'lr': 1e-3, 'betas': [0.9, 0.99]}},
    ],
    ids=str,
)
def test_what_they_take(tmp_path, changes):
    changes = {'model_type': 'RIMModel', 'datasets__train__batch_size_per_gpu': 2, **changes}
    file = write_options(tmp_path / 'o.yml', **changes)
    check(read_options(file), file, True)


def test_a_model_of_basicsr_calls_its_functions_itself(tmp_path):
    assert 'val.metrics.psnr.crop_border: missing' in problem(tmp_path, val__metrics__psnr=METRIC)


def test_missing_data(tmp_path):
    paired = {'name': 'a', 'type': 'PairedImageDataset', 'batch_size_per_gpu': 1, 'num_worker_per_gpu': 0}
    assert 'datasets.train.dataroot_gt: missing' in problem(tmp_path, datasets__train=paired)
    paired.update(dataroot_gt='none', dataroot_lq='none')
    assert 'datasets.train.dataroot_gt: none: no such file or folder' in problem(tmp_path, datasets__train=paired)


NAN, INF = float('nan'), float('inf')
WRONG = {  # key to what it has to be, and values that are not
    'train__total_iter': ('a whole number', ['20', None, [20], True, {}], [0, -1, 2.5, NAN, INF]),
    'train__ema_decay': ('a number', ['0.9', None, [0.9], True], [-0.1, 1.5, NAN]),
    'train__grad_clip': ('a number', ['1', [1], True], [-1, NAN, INF]),
    'train__accumulate': ('a whole number', ['2', None, [2], False], [0, -2, 1.5, NAN]),
    'train__channels_last': ('true or false', ['yes', None, 1, [True]], []),
    'train__amp': ('one of none, bf16, fp16', [8, True, ['fp16']], ['fp32']),
    'train__phases': ('', [], [{'fhn': 0}, {'fhn': '20'}, {'fhn': None}, {'fhn': [20]}, {'fhn': True}]),
    'val__val_freq': ('a whole number', ['4', None, [4], True], [0, -4, NAN, INF]),
    'val__batch_size': ('a whole number', ['4', None, [4], True], [0, -4, 4.5, NAN]),
    'val__save_img': ('true or false', ['no', None, 0, [False]], []),
    'val__gallery': ('one of teacher, hrn', [1, None, ['hrn']], ['student']),
    'logger__print_freq': ('a whole number', ['4', None, [4], True], [0, -4, NAN]),
    'manual_seed': ('a whole number', ['4', [4], True], [-4, 4.5, NAN]),
    'datasets__train__batch_size_per_gpu': ('a whole number', ['4', None, [4], True], [0, -4, NAN, INF]),
    'datasets__train__query_size': (
        'a whole number of',
        [],
        [0, -7, 2.5, '28', None, True, NAN, [], [28, 0], ['28'], [NAN]],
    ),
    'datasets__train__heatmap_sigma': ('a number', ['1', None, [1], True], [0, -1, NAN, INF]),
    'datasets__train__use_hflip': ('true or false', ['no', None, 0, [True]], []),
    'network_g__width': ('a number', ['4', None, [4], True, {}], [-4, NAN, INF]),
    'network_g__dropout': ('a number', ['4', None, [4], True], [NAN, INF]),
    'network_g__norm': ('true or false', ['no', None, 1, [True]], []),
    'train__pixel_opt__loss_weight': ('a number', ['4', None, [4], True], [-4, NAN, INF]),
    'train__pixel_opt__reduction': ('a text', [4, None, ['mean'], True], []),
    'train__optim_g__lr': ('a number', ['fast', None, [1e-4], True, {}], [-1e-4, NAN, INF]),
    'train__optim_g__weight_decay': ('a number', ['0', None, [0], False], [-1, NAN]),
    'train__optim_g__centered': ('true or false', ['no', None, 1, []], []),
    'train__scheduler__gamma': ('a number', ['0.5', None, [0.5], True], [-0.5, NAN, INF]),
    'val__metrics__psnr__test_y_channel': ('true or false', ['no', None, 1, [True]], []),
    'val__metrics__psnr__crop_border': ('', [], [NAN]),
}
CASES = [(key, value, expected) for key, (expected, wrong, _) in WRONG.items() for value in wrong]
CASES += [(key, value, '') for key, (_, _, outside) in WRONG.items() for value in outside]


@pytest.mark.parametrize('key, value, expected', CASES, ids=str)
def test_values_of_a_wrong_type_or_out_of_range(tmp_path, key, value, expected):
    drawn = {
        'type': 'DrawnFaceDataset',
        'name': 'a',
        'num_identities': 2,
        'batch_size_per_gpu': 1,
        'num_worker_per_gpu': 0,
    }
    changes = {'model_type': 'RIMModel', 'datasets__train': drawn, key: value}
    message = problem(tmp_path, **changes)
    assert message.startswith(f'/o.yml: {key.replace("__", ".")}'), message
    assert f'{expected} is expected' in message or not expected or 'block' in message, message


def test_right_values_in_other_spellings_pass(tmp_path):
    spelt = {
        'train__total_iter': 2e1,
        'train__amp': 'BF16',
        'val__val_freq': 5e3,
        'train__grad_clip': 1,
        'num_gpu': 'auto',
    }
    file = write_options(tmp_path / 'o.yml', model_type='RIMModel', train__amp=None)
    check(read_options(file), file, True)
    file = write_options(tmp_path / 'o.yml', model_type='RIMModel', **spelt)
    check(read_options(file), file, True)


def test_nothing_is_infinite_where_no_type_is_known(tmp_path):
    assert problem(tmp_path, strange_top={'a': [1, NAN]}) == '/o.yml: strange_top.a: nan is not a finite number'


def test_files_are_looked_for_on_demand(tmp_path):
    file = write_options(tmp_path / 'o.yml', path__pretrain_network_g='no.pth')
    check(read_options(file), file, True, look_for_files=False)
    with pytest.raises(OptionsError, match='no such file'):
        check(read_options(file), file, True)


def test_a_forced_key_is_checked(tmp_path):
    message = problem(tmp_path, forced=['train:total_itr=3'])
    assert message == "/o.yml: train.total_itr: unknown key; did you mean 'total_iter'?"


def test_third_party_models_may_have_their_own_keys(tmp_path):
    file = write_options(tmp_path / 'o.yml', train__strange_knob=3, strange_top=1)
    check(read_options(file), file, True)


@pytest.mark.parametrize(
    'key', ['strange_top', 'train__strange', 'val__strange', 'path__strange', 'train__strange_opt']
)
def test_declared_keys_leave_no_room(tmp_path, key):
    assert f'{key.replace("__", ".")}: unknown key' in problem(tmp_path, model_type='RIMModel', **{key: None})


@pytest.mark.parametrize('model', ['RIMModel', 'BaselineModel', 'BaselineGANModel', 'SRModel'])
def test_each_model_has_losses_and_optimizers_of_its_own(tmp_path, model):
    losses = {
        'perceptual_opt': {'type': 'PerceptualLoss', 'layer_weights': {}},
        'distill_opt': {'type': 'DistillationLoss'},
    }
    known = {'RIMModel': {'distill_opt'}, 'BaselineModel': set(), 'BaselineGANModel': {'perceptual_opt'}}
    for key, block in losses.items():
        file = write_options(tmp_path / 'o.yml', model_type=model, **{f'train__{key}': block})
        if key in known.get(model, losses):
            check(read_options(file), file, True)
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
    done = subprocess.run(
        [sys.executable, *command, '-opt', file], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f'Error: {file}: ') and 'Traceback' not in done.stderr
    assert os.listdir(tmp_path) == ['o.yml'] and not os.path.exists(os.path.join(root, 'experiments', 'tiny'))
