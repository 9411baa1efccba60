"""From the command line to the first iteration: options, folders."""

import logging
import os
import sys

import pytest
import torch
from support.tiny_training import write_options

from rim_plugin import building
from rim_plugin.compat import launch
from rim_plugin.errors import OptionsError
from rim_plugin.models.networks import build_nets
from rim_plugin.options.reading import read_options
from rim_plugin.run_state import RUN

from basicsr.models import build_model
from basicsr.train import copy_opt_file, make_exp_dirs, parse_options
from basicsr.utils import misc
from basicsr.utils.options import dict2str


def parse(monkeypatch, *arguments):
    monkeypatch.setattr(sys, 'argv', ['train.py', *arguments])
    monkeypatch.setattr(sys, 'excepthook', sys.excepthook)
    return parse_options('root')[0]


def test_forced_options(monkeypatch, tmp_path):
    file = write_options(tmp_path / 'o.yml')
    opt = parse(
        monkeypatch,
        '-opt',
        file,
        '--force_yml',
        'train:optim_g:lr=2e-4',
        'val:suffix=none',
        'manual_seed=3',
        'train:optim_g:weight_decay=1',
        'val:pbar=True',
        '--auto_resume',
    )
    assert opt['train']['optim_g'] == {'type': 'RMSprop', 'lr': 2e-4, 'momentum': 0.9, 'weight_decay': 1}
    assert opt['val']['suffix'] is None and opt['val']['pbar'] is True and opt['auto_resume']
    assert opt['manual_seed'] == RUN.seed == torch.initial_seed() == 3


@pytest.mark.skipif(torch.cuda.is_available(), reason='for machines without a GPU')
def test_options_for_a_gpu_train_on_the_cpu(monkeypatch, tmp_path):
    file = write_options(tmp_path / 'o.yml', num_gpu=1, datasets__train__prefetch_mode='cuda')
    opt = parse(monkeypatch, '-opt', file)
    assert opt['num_gpu'] == 0 and opt['datasets']['train']['prefetch_mode'] is None


def test_one_of_several_gpus_without_a_launcher(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 3)
    monkeypatch.setattr('rim_plugin.options.checking._check_solvers', lambda *_: None)  # a step would ask for a driver
    opt = parse(monkeypatch, '-opt', write_options(tmp_path / 'o.yml', num_gpu='auto'))
    assert opt['num_gpu'] == 1 and 'torchrun --nproc_per_node=3' in capsys.readouterr().out


def test_unknown_keys_under_path_are_no_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = {'experiments_root': 'run', 'models': 'run/models', 'teacher': 'weights'}
    make_exp_dirs({'is_train': True, 'path': path})
    assert os.listdir(tmp_path) == ['run'] and os.listdir('run') == ['models']


LOST = (
    'Error: another process of this training is gone or out of reach ({}). Restarted with --auto_resume, by hand or by '
    'torchrun --max-restarts, the training goes on from its last checkpoint.\n'
)
INTERRUPTED = 'Interrupted before the training began: nothing to save.\n'
IN_A_WORKER = """Caught OptionsError in DataLoader worker process 0.
Original Traceback (most recent call last):
  File "worker.py", line 349, in _worker_loop
rim_plugin.errors.OptionsError: dataset lfw: face 3
"""


def interrupted_in_a_class():
    """What Python before 3.12 makes of Ctrl-C while it makes a class, as in an import."""
    error = RuntimeError("Error calling __set_name__ on 'cached_property' instance")
    error.__cause__ = KeyboardInterrupt()
    return error


@pytest.mark.parametrize(
    'error, told',
    [
        (OptionsError('scale: 0'), 'Error: scale: 0\n'),
        (OptionsError(IN_A_WORKER), 'Error: dataset lfw: face 3\n'),
        (FloatingPointError('l_pix is nan'), 'Error: l_pix is nan\n'),
        (KeyboardInterrupt(), INTERRUPTED),
        (interrupted_in_a_class(), INTERRUPTED),
        (
            RuntimeError('[gloo/transport/tcp/pair.cc:545] Read error'),
            LOST.format('[gloo/transport/tcp/pair.cc:545] Read error'),
        ),
        (torch.distributed.DistStoreError('timeout'), LOST.format('timeout')),
        (RuntimeError('x'), 'a traceback'),
        (KeyError('x'), 'a traceback'),
    ],
)
def test_errors_of_the_user_end_in_one_line(monkeypatch, tmp_path, capsys, error, told):
    monkeypatch.setattr(sys, 'excepthook', lambda *_: print('a traceback', end='', file=sys.stderr))
    monkeypatch.setattr(sys, 'argv', ['train.py', '-opt', write_options(tmp_path / 'o.yml')])
    parse_options('root')
    capsys.readouterr()
    sys.excepthook(type(error), error, None)
    assert capsys.readouterr().err == told


def no_discriminator(build):
    return build(
        {
            'model_type': 'RIMModel',
            'num_gpu': 0,
            'is_train': False,
            'dist': False,
            'path': {},
            'network_g': {'type': 'TriPathGenerator', 'feature_size': 56},
        }
    )


@pytest.mark.slow
def test_a_value_error_of_our_constructors_ends_in_one_line(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(sys, 'excepthook', lambda *_: print('a traceback', end='', file=sys.stderr))
    monkeypatch.setattr(sys, 'argv', ['train.py', '-opt', write_options(tmp_path / 'o.yml')])
    parse_options('root')

    def told(build):
        with pytest.raises(ValueError) as caught:
            no_discriminator(build)
        capsys.readouterr()
        sys.excepthook(caught.type, caught.value, caught.tb)
        return capsys.readouterr().err

    assert told(build_model).startswith('Error: network_d is missing')
    assert told(build_nets) == 'a traceback'  # BasicSR builds no model
    monkeypatch.setattr(building, 'build_network', lambda options: int('a bug'))
    assert told(build_model).startswith('Error: network_g: TriPathGenerator cannot be built so (invalid literal')


def test_the_options_as_run_lie_beside_the_copied_file(monkeypatch, tmp_path):
    file = write_options(tmp_path / 'o.yml')
    parse(monkeypatch, '-opt', file, '--force_yml', 'train:total_iter=3')
    (tmp_path / 'run').mkdir()
    copy_opt_file(file, str(tmp_path / 'run'))
    assert read_options(str(tmp_path / 'run/options.yml'))['train']['total_iter'] == 3
    assert read_options(str(tmp_path / 'run/o.yml'))['train']['total_iter'] == 20


def test_the_functions_of_the_caller_are_patched_once(monkeypatch, tmp_path):
    file = write_options(tmp_path / 'o.yml')
    monkeypatch.setitem(globals(), 'init_tb_loggers', lambda opt: 'a writer')
    for _ in range(2):
        parse(monkeypatch, '-opt', file)
    assert init_tb_loggers({}) == RUN.tb_logger == 'a writer'  # noqa: F821
    assert not hasattr(init_tb_loggers.__wrapped__, '__wrapped__')  # noqa: F821  not around the patched one


@pytest.mark.slow
def test_runs_that_begin_within_a_second_are_all_kept(tmp_path):
    for number in range(3):
        misc.mkdir_and_rename(str(tmp_path / 'run'))
        (tmp_path / 'run/log').write_text(str(number))
    assert sorted(path.read_text() for path in tmp_path.glob('run*/log')) == ['0', '1', '2']


def test_all_options_go_to_the_log_file_and_its_place_to_the_console(monkeypatch, tmp_path):
    caller = {'dict2str': dict2str}
    launch._patch_caller(caller, [])
    logger, lines = logging.getLogger('basicsr'), []
    console = logging.StreamHandler()
    console.emit = lambda record: lines.append(record.getMessage())
    file = logging.FileHandler(tmp_path / 'a.log')
    monkeypatch.setattr(logger, 'handlers', [console, file])
    before = logger.level
    logger.setLevel(logging.INFO)
    logger.info(caller['dict2str']({'name': 'a', 'train': {'total_iter': 5}}))
    logger.info('two\nlines')  # of something else
    logger.setLevel(before)
    file.close()
    place = f'Log, with all options and the layers of networks: {tmp_path / "a.log"}'
    assert lines == [place, 'two\nlines']
    assert 'total_iter: 5' in (tmp_path / 'a.log').read_text() and place in (tmp_path / 'a.log').read_text()
