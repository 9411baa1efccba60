"""scripts/run.sh with a stand-in for Python's ``venv`` and ``pip`` that notes what is asked; CI runs the real ones."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / 'scripts/run.sh'
STAND_IN = """#!/bin/bash
# python: -m venv makes a folder with this very script as its python, -m pip notes its arguments; else the real Python
if [ "$1 $2" = "-m venv" ]; then
    for folder; do :; done
    echo "venv" >>"$NOTES"; rm -rf "$folder"; mkdir -p "$folder/bin"; cp "$0" "$folder/bin/python"
elif [ "$1 $2 $3" = "-m pip --version" ]; then
    [ -x "$0" ]
elif [ "$1 $2" = "-m pip" ]; then
    echo "pip $*" >>"$NOTES"; touch "$TMPDIR/half-written"; sleep "${PIP_SLEEP:-0}"
    [ ! -e "$NOTES.fail" ]
elif [ "$1" = "-c" ] && [[ "$2" == *sys.executable* ]]; then
    echo "$0"
elif [ "$1" = "-c" ] && [[ "$2" == *version_info* ]]; then
    exit "${WRONG_VERSION:-0}"
else
    exec REAL "$@"
fi
"""


@pytest.fixture
def project(tmp_path):
    """A project folder with run.sh, and an environment in which only the stand-in is a Python."""
    root = tmp_path / 'a project'
    (root / 'scripts').mkdir(parents=True)
    shutil.copy(SCRIPT, root / 'scripts')
    (root / 'constraints.txt').write_text('numpy==1\nbasicsr==1.4.2\n')
    (root / 'pyproject.toml').write_text('')
    python = tmp_path / 'python3'
    python.write_text(STAND_IN.replace('REAL', sys.executable))
    python.chmod(0o755)
    return root, dict(os.environ, PYTHON=str(python), NOTES=str(tmp_path / 'notes'))


def run(project, *command, **environment):
    """Run a command through run.sh."""
    root, base = project
    command = ['bash', str(root / 'scripts/run.sh'), *command]
    return subprocess.run(command, env={**base, **environment}, capture_output=True, text=True)


def notes(project):
    """What venv and pip were asked for since the last call."""
    path = Path(project[1]['NOTES'])
    lines = path.read_text().splitlines() if path.exists() else []
    path.write_text('')
    return lines


@pytest.mark.slow
def test_sets_up_once_and_again_when_the_versions_change(project):
    done = run(project, 'sh', '-c', 'command -v python; echo $VIRTUAL_ENV; echo "$1"', 'sh', 'two words')
    venv = str(project[0] / '.venv')
    assert done.returncode == 0 and done.stdout.splitlines() == [f'{venv}/bin/python', venv, 'two words']
    first = notes(project)
    assert first[0] == 'venv' and len(first) == 4
    assert '--no-build-isolation' in first[2] and first[3].endswith(f'-e {project[0]}')
    assert not (project[0] / '.venv/tmp').exists() and not Path(tempfile.gettempdir(), 'half-written').exists()
    assert run(project, 'true').returncode == 0 and notes(project) == []
    (project[0] / 'constraints.txt').write_text('numpy==2\nbasicsr==1.4.2\n')
    assert run(project, 'true').returncode == 0
    assert len(notes(project)) == 3  # the folder is kept, the packages are brought up to date


@pytest.mark.slow
def test_interrupted_set_up_is_done_again(project):
    open(project[1]['NOTES'] + '.fail', 'w').close()
    assert run(project, 'true').returncode != 0
    os.remove(project[1]['NOTES'] + '.fail')
    notes(project)
    assert run(project, 'true').returncode == 0 and len(notes(project)) == 3
    os.remove(project[0] / '.venv/bin/python')
    (project[0] / 'pyproject.toml').write_text('# changed')
    assert run(project, 'true').returncode == 0 and notes(project)[0] == 'venv'


@pytest.mark.slow
def test_two_at_once_set_up_once(project):
    command = ['bash', str(project[0] / 'scripts/run.sh'), 'true']
    both = [
        subprocess.Popen(command, env={**project[1], 'PIP_SLEEP': '0.3'}, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    errors = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert notes(project).count('venv') == 1 and any('waiting for another set-up' in text for text in errors)


def test_exit_code_and_usage(project):
    assert run(project, 'sh', '-c', 'exit 7').returncode == 7
    done = run(project)
    assert done.returncode == 2 and 'scripts/run.sh COMMAND' in done.stdout


def test_no_suitable_python(project):
    tools = project[0].parent / 'bin'
    tools.mkdir()
    for tool in ('bash', 'cat', 'cksum', 'dirname', 'head', 'sed'):
        os.symlink(shutil.which(tool), tools / tool)
    done = run(project, 'true', WRONG_VERSION='1', PATH=str(tools))
    assert done.returncode == 1 and 'no Python 3.10 to 3.14' in done.stderr and 'apt-get install' in done.stderr
    assert not (project[0] / '.venv').exists()


def test_a_named_python_that_will_not_do_is_told(project):
    done = run(project, 'true', PYTHON=str(project[0] / 'no python'))
    assert done.returncode == 1 and f'PYTHON={project[0]}/no python is none of these' in done.stderr


@pytest.mark.slow
def test_versions_that_were_half_changed_are_put_right(project):
    assert run(project, 'true').returncode == 0
    constraints, before = project[0] / 'constraints.txt', (project[0] / 'constraints.txt').read_text()
    constraints.write_text('numpy==2\nbasicsr==1.4.2\n')
    open(project[1]['NOTES'] + '.fail', 'w').close()
    assert run(project, 'true').returncode != 0
    os.remove(project[1]['NOTES'] + '.fail')
    constraints.write_text(before)
    notes(project)
    assert run(project, 'true').returncode == 0 and len(notes(project)) == 3


@pytest.mark.slow
def test_a_moved_project_or_a_lost_python_is_set_up_anew(project):
    assert run(project, 'true').returncode == 0
    notes(project)
    os.remove(project[0] / '.venv/bin/python')
    assert run(project, 'true').returncode == 0 and notes(project)[0] == 'venv'
    moved = project[0].rename(project[0].parent / 'a proj')  # the new path is the old one's beginning
    assert run((moved, project[1]), 'true').returncode == 0 and notes(project)[0] == 'venv'


@pytest.fixture
def disk(project):
    """Stand-ins for ``df`` and ``du``: a disk, all in GB, and what the environment takes of it."""
    tools = project[0].parent / 'tools'
    tools.mkdir()
    project[1]['PATH'] = f'{tools}:{os.environ["PATH"]}'

    def has(free, environment=0, size=100):
        table = f'Filesystem 1024-blocks Used Available\\n/dev/a {size}000000 1 {free}000000'
        for name, output in (('df', table), ('du', f'{environment}000000\t/a b/.venv')):
            (tools / name).write_text(f'#!/bin/bash\nprintf "{output}\\n"')
            (tools / name).chmod(0o755)

    return has


@pytest.mark.slow
def test_too_little_space_is_told_before_anything_is_made(project, disk):
    disk(free=9)
    done = run(project, 'true')
    assert done.returncode == 1 and done.stderr.count('\n') == 1
    assert f'{project[0]}/.venv takes 10 GB, its disk has 9 GB free: delete old environments' in done.stderr
    assert notes(project) == [] and sorted(os.listdir(project[0])) == ['constraints.txt', 'pyproject.toml', 'scripts']
    disk(free=10)
    assert run(project, 'true').returncode == 0 and notes(project)[0] == 'venv'
    disk(free=0)
    assert run(project, 'true').returncode == 0 and notes(project) == []  # nothing to set up


@pytest.mark.slow
def test_what_is_there_needs_no_space_and_stays_where_an_update_would_fill_the_disk(project, disk):
    assert run(project, 'true').returncode == 0
    notes(project)
    (project[0] / 'constraints.txt').write_text('numpy==2\nbasicsr==1.4.2\n')
    disk(free=2, environment=7)
    before = sorted(os.listdir(project[0] / '.venv'))
    done = run(project, 'true')
    assert done.returncode == 1 and 'takes 3 GB, its disk has 2 GB free' in done.stderr
    assert notes(project) == [] and sorted(os.listdir(project[0] / '.venv')) == before
    disk(free=3, environment=7)
    assert run(project, 'true').returncode == 0 and len(notes(project)) == 3


@pytest.mark.slow
def test_a_file_system_that_tells_no_size_is_taken_as_large_enough(project, disk):
    disk(free=0, size=0)
    assert run(project, 'true').returncode == 0 and notes(project)[0] == 'venv'
