"""Linking an existing checkout of BasicSR, here a copy of the installed package, laid out as in the 1.4.2 sdist."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.tiny_training import write_options

from rim_plugin.errors import OptionsError
from rim_plugin.link import CONTENT, NAME, import_problem, link, unlink

import basicsr

ROOT = str(Path(__file__).parents[1])
BROKEN, MENDED = 'torchvision.transforms.functional_tensor', 'torchvision.transforms.functional'


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """An unlinked checkout as upstream has it: it does not import on today's torchvision."""
    monkeypatch.setenv('PYTHONPATH', ROOT)
    shutil.copytree(
        os.path.dirname(basicsr.__file__), tmp_path / 'BasicSR/basicsr', ignore=shutil.ignore_patterns('__pycache__')
    )
    return tmp_path / 'BasicSR'


def mend(checkout):
    """The one-line change that ``import_problem`` asks for."""
    file = checkout / 'basicsr/data/degradations.py'
    file.write_text(file.read_text().replace(BROKEN, MENDED))


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob('*.py')}


def test_link_and_unlink_leave_the_checkout_as_it_was(checkout):
    before = files(checkout)
    for _ in range(2):
        assert link(str(checkout)) == checkout / NAME
        assert (checkout / NAME).read_text() == CONTENT and len(files(checkout)) == len(before) + 1
    for _ in range(2):
        unlink(str(checkout))
        assert files(checkout) == before


def test_refuses(checkout, tmp_path):
    for call in (link, unlink):
        with pytest.raises(OptionsError, match='not a checkout of BasicSR'):
            call(str(tmp_path))
    (checkout / NAME).write_text('# mine\n')
    for call in (link, unlink):
        with pytest.raises(OptionsError, match='not made by this script'):
            call(str(checkout))
    assert (checkout / NAME).read_text() == '# mine\n'


@pytest.mark.slow
def test_the_checkouts_own_command_trains(checkout, tmp_path):
    link(str(checkout))
    problem = import_problem(str(checkout))
    assert BROKEN in problem and "to 'torchvision.transforms.functional'" in problem
    mend(checkout)
    assert import_problem(str(checkout)) is None
    shutil.copy(os.path.join(ROOT, 'tests/support/tiny_training.py'), checkout / 'basicsr/models/tiny_model.py')
    options = write_options(tmp_path / 'o.yml', train__total_iter=4)
    environment = dict(os.environ, PYTHONPATH=f'.{os.pathsep}{ROOT}')
    command = [sys.executable, 'basicsr/train.py', '-opt', options]
    done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and 'done 4' in done.stdout, done.stderr
    assert sorted(os.listdir(checkout / 'experiments/tiny/training_states')) == ['2.state', '4.state']
    command += ['--force_yml', 'train:total_itr=3']
    done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True)
    assert done.returncode == 1 and 'total_itr: unknown key' in done.stderr and 'Traceback' not in done.stderr


@pytest.mark.slow
def test_our_launcher_trains_with_an_unmended_checkout(checkout, tmp_path):
    link(str(checkout))
    options = write_options(tmp_path / 'o.yml', model_type='SRModel')
    shutil.copy(os.path.join(ROOT, 'tests/support/tiny_training.py'), checkout / 'basicsr/models/tiny_model.py')
    command = [sys.executable, '-m', 'rim_plugin.train', '-opt', options]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (checkout / 'experiments/tiny/models/net_g_latest.pth').exists()
