"""``rim info``: text and JSON, with nothing installed, too."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from rim_plugin import __version__, cli

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_text_and_json_say_the_same(capsys):
    cli.info(['--json'])
    found = json.loads(capsys.readouterr().out)
    assert [*found] == ['versions', 'devices', 'weights', 'extras'] and found['weights']['as in NAME.json']
    assert found['versions']['rim-plugin'] == __version__ and found['devices']['threads'] >= 1
    cli.info([])
    lines = capsys.readouterr().out.splitlines()
    assert f'  torch: {found["versions"]["torch"]}' in lines and '  as in NAME.json: yes' in lines
    assert f'  sha256: {found["weights"]["sha256"]}' in lines


@pytest.mark.slow
def test_an_empty_python_is_told_about_without_a_traceback():
    code = f'import sys; sys.path.insert(0, {str(ROOT)!r}); from rim_plugin import cli; cli.info([])'
    done = subprocess.run([sys.executable, '-I', '-S', '-c', code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == ''
    assert (
        '  torch: absent' in done.stdout
        and "devices: cannot be told: ModuleNotFoundError: No module named 'torch'" in done.stdout
    )
    code = code.replace('cli.info([])', 'cli.hallucinate(["docs/rim_demo.png", "-o", "out"])')
    done = subprocess.run([sys.executable, '-I', '-S', '-c', code], cwd=ROOT, capture_output=True, text=True)
    assert (
        done.returncode == 1
        and done.stderr.endswith('rim info tells what is missing\n')
        and len(done.stderr.splitlines()) == 1
    )
