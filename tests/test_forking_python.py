"""The stand-in for Python in whole runs does as Python does."""

import os
import select
import signal
import subprocess
import sys

import pytest
from support.forking_python import forking_python

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not sys.platform.startswith('linux'), reason='forks')]
PROGRAMS = {
    'arguments, folder, environment, input': 'import os; print(sys.argv[1:], os.getcwd(), os.environ, input())',
    'an exit status': 'sys.exit(7)',
    'a message': 'sys.exit("it ends")',
    'an error': 'print("before", flush=True); 1 / 0',
    'a signal': 'import os; os.kill(os.getpid(), 15)',
    'an interruption': 'raise KeyboardInterrupt',
    'what is left to do': 'import atexit, threading; atexit.register(print, "end")\n'
    'threading.Timer(0.1, print, ["thread"]).start()',
    'a hook': 'sys.excepthook = lambda *error: print(error[0])\nraise KeyError',
}


@pytest.mark.parametrize(
    'program, kind',
    [*((program, '-c') for program in PROGRAMS), *((next(iter(PROGRAMS)), kind) for kind in ('-m', ''))],
)
def test_it_does_as_python(program, kind, tmp_path):
    code = f'import sys\n{PROGRAMS[program]}\n'
    (tmp_path / 'program.py').write_text(code)
    command = {'-c': ('-c', code), '-m': ('-m', 'program')}.get(kind, ['program.py'])
    python, fork = (
        subprocess.run(
            [python, *command, 'a', '-b'],
            cwd=tmp_path,
            env={'WHERE': 'here', 'LC_CTYPE': 'C.UTF-8'},
            input='given\n',
            capture_output=True,
            text=True,
        )
        for python in (sys.executable, forking_python())
    )
    assert fork.returncode == python.returncode and fork.stdout == python.stdout
    assert fork.stderr.splitlines()[-1:] == python.stderr.splitlines()[-1:]


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_signals_reach_it_and_it_does_not_outlive_the_stand_in(number):
    code = 'import os, time; print(os.getpid(), flush=True); time.sleep(60)'
    with subprocess.Popen([forking_python(), '-c', code], stdout=-1, stderr=-1, text=True) as stand_in:
        ended = os.pidfd_open(int(stand_in.stdout.readline()))
        stand_in.send_signal(number)
        assert stand_in.stdout.read() == ''  # to its end, which comes when nobody can write any more
    assert stand_in.returncode == -number and select.select([ended], [], [], 10)[0]
