"""What was installed and which commit it was."""

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

from rim_plugin.environment import device_name, environment


def test_versions_and_machine():
    found = environment()
    assert found['python'] == platform.python_version() and found['machine'].endswith(device_name())
    assert found['packages']['torch'] == version('torch') == torch.__version__.split('+')[0]
    assert found['packages'].keys() >= {'rim-plugin', 'basicsr', 'numpy'}


def test_the_commit_is_gits_or_none(monkeypatch):
    command = ['git', '-C', str(Path(__file__).parent), 'rev-parse', '--short', 'HEAD']
    try:
        commit = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip('no checkout of git')
    assert environment()['commit'].removesuffix('-dirty').endswith(commit)
    monkeypatch.setattr('shutil.which', lambda name: None)
    assert environment()['commit'] is None
