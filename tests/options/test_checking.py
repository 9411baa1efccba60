"""Mistakes in options: one line that names key, file and nearest name, before anything is created on disk."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.tiny_training import write_options

from rim_plugin.errors import OptionsError
from rim_plugin.options.checking import check
from rim_plugin.options.reading import read_options, take_forced

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
def test_options_of_this_project_pass(file, monkeypatch):
    monkeypatch.setattr('os.path.exists', lambda path: True)  # the data need not be here
    check(read_options(str(file)), str(file), file.parent.name != 'test')


RIM = [
    file
    for file in OURS
    if 'RIMModel' in file.read_text() or file.parent.name in ('ablation', 'recognition') or file.name.startswith('rim')
]


@pytest.mark.parametrize('file', RIM, ids=lambda f: f.stem)
def test_models_of_this_project_are_built(file, monkeypatch):
    monkeypatch.setattr('rim_plugin.models.networks.load_recogniser_weights', lambda net, path: None)
    options = read_options(
        str(file), ['num_gpu=0', 'train:compile=false'] if file.parent.name != 'test' else ['num_gpu=0']
    )
    options['path'] = {'pretrain_network_t': 'random'}
    options.update(dist=False, rank=0, world_size=1, is_train='train' in options)
    model = build_model(options)
    assert model.is_train == hasattr(model, 'phases')


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
    ],
)
def test_mistakes(tmp_path, changes, message):
    assert problem(tmp_path, **changes).startswith(f'/o.yml: {message}')


def test_missing_data(tmp_path):
    paired = {'name': 'a', 'type': 'PairedImageDataset', 'batch_size_per_gpu': 1, 'num_worker_per_gpu': 0}
    assert 'datasets.train.dataroot_gt: missing' in problem(tmp_path, datasets__train=paired)
    paired.update(dataroot_gt='none', dataroot_lq='none')
    assert 'datasets.train.dataroot_gt: none: no such file or folder' in problem(tmp_path, datasets__train=paired)


def test_third_party_models_may_have_their_own_keys(tmp_path):
    file = write_options(tmp_path / 'o.yml', train__strange_knob=3, strange_top=1)
    check(read_options(file), file, True)


def test_declared_keys_leave_no_room(tmp_path):
    assert 'train.strange_knob: unknown key' in problem(tmp_path, model_type='RIMModel', train__strange_knob=3)


class TestFile:
    def test_missing_or_broken(self, tmp_path):
        with pytest.raises(OptionsError, match='no such options file'):
            read_options(str(tmp_path / 'absent.yml'))
        for text, message in (
            ('a: [1', 'not valid YAML'),
            ('only words', 'not an options file'),
            ('a: 1\nb: 2\na: 3', "line 1.*'a' is given twice"),
            ('a: !!python/object:os.x {}', 'not valid YAML'),
        ):
            (tmp_path / 'o.yml').write_text(text)
            with pytest.raises(OptionsError, match=message):
                read_options(str(tmp_path / 'o.yml'))

    @pytest.mark.parametrize('text', ['1e-4', '1E-4', '1.0e-4', '!!float 1e-4', '.1e-3'])
    def test_small_numbers_are_numbers(self, tmp_path, text):
        (tmp_path / 'o.yml').write_text(f'lr: {text}\nname: 1e-4x\nit: 10')
        assert read_options(str(tmp_path / 'o.yml')) == {'lr': pytest.approx(1e-4), 'name': '1e-4x', 'it': 10}


class TestBase:
    @staticmethod
    def written(folder, **files):
        for name, text in files.items():
            (folder / f'{name}.yml').write_text(text)
        return str(folder / f'{name}.yml')

    def test_key_by_key_over_several_files_blocks_replaced_on_demand(self, tmp_path):
        (tmp_path / 'below').mkdir()
        file = self.written(
            tmp_path,
            a='name: a\nnetwork_g: {type: FHN, size: 3}\ntrain: {lr: 1e-3, list: [1, 2], ema: 0.9}',
            b='_base_: a.yml\nname: b\nnetwork_g: {_delete_: true, type: SRCNN}\ntrain: {lr: 1e-4, ema: ~}',
        )
        file = self.written(tmp_path / 'below', c='_base_: ../b.yml\ntrain: {list: [3]}\nval: {pbar: true}')
        assert read_options(file, ['train:lr=1']) == {
            'name': 'b',
            'network_g': {'type': 'SRCNN'},
            'train': {'lr': 1, 'list': [3], 'ema': None},
            'val': {'pbar': True},
        }

    def test_a_block_takes_the_place_of_nothing_but_not_of_a_number(self, tmp_path):
        self.written(tmp_path, a='empty: ~\nnumber: 3\n')
        file = self.written(tmp_path, d='_base_: a.yml\nempty: {a: 1}\n')
        assert read_options(file) == {'empty': {'a': 1}, 'number': 3}
        with pytest.raises(OptionsError, match='e.yml: number={.*cannot inherit'):
            read_options(self.written(tmp_path, e='_base_: a.yml\nnumber: {a: 1}\n'))

    def test_absent_or_circular(self, tmp_path):
        with pytest.raises(OptionsError, match=r'none.yml: no such options file \(named as _base_ in .*a.yml\)'):
            read_options(self.written(tmp_path, a='_base_: none.yml'))
        with pytest.raises(OptionsError, match='b.yml: _base_ leads back to .*a.yml'):
            read_options(self.written(tmp_path, b='_base_: a.yml', a='_base_: b.yml'))


class TestForced:
    def test_taken_from_the_command_line(self):
        argv, forced = take_forced(['t.py', '--force_yml', 'a=1', 'b:c=2', '-opt', 'x.yml', '--debug'])
        assert argv == ['t.py', '-opt', 'x.yml', '--debug'] and forced == ['a=1', 'b:c=2']

    @pytest.mark.parametrize(
        'entry, message',
        [
            ('trian:total_iter=3', "no block trian; did you mean 'train'?"),
            ('train:optim:lr=3', "no block train:optim; did you mean 'optim_g'?"),
            ('train', 'has to look like'),
            ('name=[1', 'is not a YAML value'),
            ('train:total_itr=3', "train.total_itr: unknown key; did you mean 'total_iter'?"),
        ],
    )
    def test_mistakes(self, tmp_path, entry, message):
        assert message in problem(tmp_path, forced=[entry])

    def test_networks_and_datasets_can_be_taken_away(self, tmp_path):
        (tmp_path / 'o.yml').write_text(
            'network_g: {type: FHN}\nnetwork_r: {type: HRN}\ndatasets: {train: {name: a}, val: {name: b}}\n'
            'path: {pretrain_network_g: g.pth, strict_load_g: true, param_key_g: params, pretrain_network_r: ~}'
        )
        assert read_options(str(tmp_path / 'o.yml'), ['network_g=~', 'datasets:val=~']) == {
            'network_r': {'type': 'HRN'},
            'datasets': {'train': {'name': 'a'}},
            'path': {'pretrain_network_r': None},
        }

    def test_text_is_never_run(self, tmp_path):
        file = write_options(tmp_path / 'o.yml')
        options = read_options(file, ['name"]=exit()#=[exit()]'])
        assert options['name"]'] == 'exit()#=[exit()]'


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


def test_the_weights_of_the_plugin_are_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path('a.yml').write_text(
        'path:\n  pretrain_network_t: weights/rim.safetensors\n  pretrain_network_g: weights/x.pth\n'
    )
    found = read_options('a.yml')['path']
    assert Path(found['pretrain_network_t']).samefile(Path(__file__).parents[2] / 'weights/rim.safetensors')
    assert found['pretrain_network_g'] == 'weights/x.pth'
    Path('weights').mkdir()
    Path('weights/rim.safetensors').touch()
    assert read_options('a.yml')['path']['pretrain_network_t'] == 'weights/rim.safetensors'
