"""The wheel, made of the source distribution, in an empty environment and an empty folder."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from PIL import Image

from rim_plugin import __version__
from rim_plugin.shipped import FOLDERS

ROOT = Path(__file__).parents[1]
SOURCES = (
    'rim_plugin',
    *FOLDERS,
    'pyproject.toml',
    'setup.py',
    'MANIFEST.in',
    'README.md',
    'LICENSE',
    'constraints.txt',
)
BUILD = 'import sys; from setuptools import build_meta; print(getattr(build_meta, sys.argv[1])(sys.argv[2]))'
SHORT = (
    'train:total_iter=2',
    'train:phases={fhn: 2}',
    'train:scheduler={type: CosineAnnealingRestartLR, periods: [2]}',
)
SHORT += ('datasets:train:num_worker_per_gpu=0', 'datasets:val:num_identities=2', 'datasets:val_pairs=null')


def called(*command, cwd, **environment):
    """What a command prints; it has to succeed."""
    kept = {key: value for key, value in os.environ.items() if key != 'PYTHONPATH'}
    done = subprocess.run(command, cwd=cwd, env={**kept, **environment}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build(kind, source, dist):
    """A distribution by the project's own build settings, without an environment that has torch a second time."""
    return dist / called(sys.executable, '-c', BUILD, f'build_{kind}', str(dist), cwd=source).splitlines()[-1]


@pytest.fixture(scope='module')
def python(tmp_path_factory):
    """Python of an environment with the wheel, in which the packages of this one stand for its dependencies."""
    root = tmp_path_factory.mktemp('wheel')
    (root / 'source').mkdir()
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, root / 'source' / name)
    shutil.unpack_archive(build('sdist', root / 'source', root), root)
    wheel = build('wheel', root / f'rim_plugin-{__version__}', root)
    called(sys.executable, '-m', 'venv', '--without-pip', str(root / 'venv'), cwd=root)
    python = root / 'venv/bin/python'
    pip = (sys.executable, '-m', 'pip', '--python', str(python), 'install', '--quiet', '--no-deps', '--no-index')
    called(*pip, str(wheel), cwd=root)
    places = [path for path in sys.path if 'site-packages' in path] or [sysconfig.get_path('purelib')]
    site = called(str(python), '-c', "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=root).strip()
    Path(site, 'dependencies.pth').write_text('\n'.join(places))
    return python


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_commands_work_in_an_empty_folder(python, tmp_path, make_face):
    rim = str(python.parent / 'rim')
    assert 'hallucinate' in called(rim, '--help', cwd=tmp_path)
    found = json.loads(called(rim, 'info', '--json', cwd=tmp_path))
    assert found['versions']['rim-plugin'] == __version__ and found['weights']['as in NAME.json'] is True
    assert str(python.parents[1]) in found['weights']['file'] and 'installed' in found['extras']['required']
    told = called(f'{rim}-train', 'rim_demo', '--force_yml', *SHORT, cwd=tmp_path)
    assert (tmp_path / 'experiments/rim_demo/models/net_fhn_latest.pth').is_file(), told
    Image.fromarray(make_face(28)).save(tmp_path / 'small.png')
    called(rim, 'hallucinate', 'small.png', '-o', 'out', '--detect', 'none', cwd=tmp_path)
    assert Image.open(tmp_path / 'out/small.png').size == (224, 224)
    verdict = json.loads(
        called(
            str(python.parent / 'rim-verify'), 'small.png', 'out/small.png', '--json', '--detect', 'none', cwd=tmp_path
        )
    )
    assert verdict['similarity'] > 0.5


@pytest.mark.slow
def test_the_wheel_has_every_option_and_the_weights(python):
    code = 'from rim_plugin.shipped import shipped; print(shipped("options").parent)'
    share = Path(called(str(python), '-c', code, cwd=python.parent).strip())
    assert python.parents[1] in share.parents
    for folder in FOLDERS:
        names = {file.relative_to(ROOT) for file in (ROOT / folder).rglob('*') if file.is_file()}
        assert names == {file.relative_to(share) for file in (share / folder).rglob('*') if file.is_file()}
