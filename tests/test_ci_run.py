""".ci/run with a stand-in for scripts/run.sh."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from rim_plugin.options.reading import read_options

SCRIPT = Path(__file__).parents[1] / '.ci/run'
STAND_IN = """#!/bin/bash
# leaves a file where temporary files belong; pytest fails when asked to, and the demo leaves its checkpoints
echo "$1" >>"$NOTES"; mktemp >>"$NOTES.files"
[ "$1" != pytest ] || [ ! -e "$NOTES.fail" ] || exit 5
mkdir -p experiments/rim_demo/models; touch experiments/rim_demo/models/net_{fhn,r}_8.pth
"""


@pytest.mark.parametrize('fails', [False, True])
def test_temporary_files_go_with_the_run_even_where_it_fails(tmp_path, fails):
    for name, text in (('.ci/run', SCRIPT.read_text()), ('scripts/run.sh', STAND_IN)):
        path = tmp_path / 'project' / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
        path.chmod(0o755)
    (tmp_path / 'tmp').mkdir()
    notes = tmp_path / 'notes'
    if fails:
        Path(f'{notes}.fail').touch()
    environment = dict(os.environ, CI='', NOTES=str(notes), TMPDIR=str(tmp_path / 'tmp'))
    done = subprocess.run([tmp_path / 'project/.ci/run'], env=environment, capture_output=True, text=True)
    steps = ['ruff', 'ruff', 'mypy', 'mkdocs', 'pytest', 'jupyter', 'python', 'python']
    assert done.returncode == (5 if fails else 0), done.stderr
    assert notes.read_text().split() == (steps[:5] if fails else steps)
    files = Path(f'{notes}.files').read_text().split()
    assert all(Path(file).is_relative_to(tmp_path / 'tmp') for file in files) and os.listdir(tmp_path / 'tmp') == []


def test_the_short_run_has_the_phases_of_the_demo():
    phases = read_options(str(SCRIPT.parents[1] / 'options/rim_demo.yml'))['train']['phases']
    short = yaml.safe_load(re.findall(r"'train:phases=(.*?)'", SCRIPT.read_text())[0])
    assert list(phases) == list(short)
