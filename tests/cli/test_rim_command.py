"""``rim``: every command below it, its version, and completion in a real bash."""

import shutil
import subprocess

import pytest
from support.commands import failed

from rim_plugin import __version__, cli
from rim_plugin.cli.rim_command import COMMANDS, rim
from rim_plugin.shipped import shipped_options

COMPLETE = """
source "$1"
COMP_WORDS=({words}) COMP_CWORD={last}
_shtab_rim
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def printed(capsys, *argv):
    with pytest.raises(SystemExit) as caught:
        rim(argv)
    assert caught.value.code == 0
    return capsys.readouterr().out


def test_every_command_is_there_and_a_command_of_its_own(capsys):
    told = printed(capsys, '--help')
    for command in COMMANDS:
        assert f'\n    {command.name} ' in told and getattr(cli, command.name) is command
        assert f'usage: rim {command.name}' in printed(capsys, command.name, '--help')
    assert printed(capsys, '--version') == f'rim-plugin {__version__}\n'


def test_a_mistake_below_rim_ends_in_one_line(tmp_path, capsys):
    assert 'no such folder' in failed(rim, 'prepare', '--check', tmp_path / 'absent')
    assert 'an argument is empty' in failed(rim, 'hallucinate', '', '-o', 'out')
    with pytest.raises(SystemExit) as caught:
        rim(['halucinate'])
    assert caught.value.code == 2 and "invalid choice: 'halucinate'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ('words', 'offered'),
    [
        (['rim', 'hall'], ['hallucinate']),
        (['rim', 'gallery', 'sea'], ['search']),
        (['rim', 'train', 'rim_de'], ['rim_demo']),
        (['rim', 'test', 'bic'], ['bicubic']),
        (['rim', 'train', '--auto'], ['--auto_resume']),
        (['rim', 'verify', 'pic'], ['picture.png']),
    ],
)
def test_bash_completes(words, offered, tmp_path, capsys):
    pytest.importorskip('shtab')
    if not shutil.which('bash'):
        pytest.skip('no bash')
    (tmp_path / 'rim.bash').write_text(printed(capsys, '--print-completion', 'bash'))
    (tmp_path / 'picture.png').touch()
    script = COMPLETE.format(words=' '.join(words), last=len(words) - 1)
    done = subprocess.run(['bash', '-c', script, 'bash', 'rim.bash'], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.split() == offered, done.stderr


@pytest.mark.parametrize('shell', ['zsh', 'tcsh'])
def test_other_shells_have_theirs(shell, capsys):
    pytest.importorskip('shtab')
    told = printed(capsys, '--print-completion', shell)
    assert 'hallucinate' in told and (shell == 'tcsh' or all(name in told for name in shipped_options('train')))
