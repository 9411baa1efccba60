"""A Python whose start takes milliseconds, for commands in processes of their own.

:func:`forking_python` is a stand-in for ``sys.executable``: it understands ``-m MODULE ARGUMENT...``, ``-c CODE
ARGUMENT...`` and ``FILE ARGUMENT...``. The process is a fork of one that has imported torch, BasicSR and the package,
which takes ten seconds of a core; from then on it is as any other, with its own folder, environment, output, signals
and exit status. What is tested about imports themselves needs ``sys.executable``.
"""

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

TESTS = Path(__file__).absolute().parents[1]
IMPORTED = (
    *('rim_plugin.train', 'rim_plugin.test', 'rim_plugin.models.rim_model', 'rim_plugin.models.baseline_model'),
    *('rim_plugin.benchmark.measure', 'torch.distributed.run', 'torch.distributed.elastic.rendezvous.registry'),
)
# It hands its files, arguments, folder and environment over, its signals too, and ends as the fork does, which does not
# outlive it.
STAND_IN = """#!{python} -IS
import contextlib, json, os, signal, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
socket.send_fds(server, [b'.'], [0, 1, 2])
server.sendall(json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode() + b'\\n')
answers = server.makefile()
process = int(answers.readline())
def forward(number, frame):
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, forward)
code = int(answers.readline())
if code < 0:
    signal.signal(-code, signal.SIG_DFL) if -code != signal.SIGKILL else None
    os.kill(os.getpid(), -code)
os._exit(code)
"""


@functools.cache
def forking_python():
    """Path of the stand-in; its server ends with this process."""
    if not sys.platform.startswith('linux'):
        return sys.executable
    folder = Path(tempfile.mkdtemp(prefix='python'))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    address = str(folder / 'socket')
    environment = dict(os.environ, OMP_NUM_THREADS='1', PYTHONPATH=os.pathsep.join([str(TESTS.parent), str(TESTS)]))
    server = subprocess.Popen(
        [sys.executable, __file__, address], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    atexit.register(server.communicate)
    assert server.stdout.readline() == b'ready\n'
    python = folder / 'python'
    python.write_text(STAND_IN.format(python=sys.executable, address=address))
    python.chmod(0o700)
    return str(python)


def serve(address):
    """Fork for every connection until standard input ends; returns in the forks alone, with their commands."""
    gc.disable()  # nothing that is imported is garbage
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background command inherits that it is ignored
    for name in IMPORTED:
        importlib.import_module(name)
    shorten_timings()
    gc.freeze()
    gc.enable()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        os.write(1, b'ready\n')
        while 0 not in select.select([0, listener], [], [])[0]:
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                return accepted(connection)
            connection.close()
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
    sys.exit()


def shorten_timings():
    """PyTorch's timer measures for fiftieths of a second in place of seconds: no test compares what forks measure."""
    from torch.utils.benchmark import Timer

    long = Timer.blocked_autorange
    Timer.blocked_autorange = lambda self, callback=None, min_run_time=0.2: long(self, callback, min_run_time / 100)


def accepted(connection):
    """Fork once more; the first process waits for the second, which gets what the stand-in was given."""
    _, files, _, _ = socket.recv_fds(connection, 1, 3)
    arguments, folder, environment = json.loads(connection.makefile('rb').readline())
    if (process := os.fork()) != 0:
        for file in (0, 1, 2, *files):
            os.close(file)
        watch(connection, process)
    connection.close()
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    return arguments


def watch(connection, process):
    """Tell the stand-in how ``process`` ends, or end it with the stand-in."""
    connection.sendall(f'{process}\n'.encode())
    ended = os.pidfd_open(process)
    if ended not in select.select([ended, connection], [], [])[0]:
        os.kill(process, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    with contextlib.suppress(BrokenPipeError):
        connection.sendall(f'{code}\n'.encode())
    os._exit(0)


def run(arguments):
    """As ``python ARGUMENT...`` does, but for the last steps of its end, which would visit all that was imported."""
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, 'w', buffering=1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, 'w', buffering=1, errors='backslashreplace', closefd=False)  # noqa: SIM115
    if arguments[0] == '-u':  # torchrun's; lines are flushed anyway
        del arguments[0]
    kind = arguments[0]
    sys.argv = arguments[kind == '-m' :]
    sys.path[0] = os.getcwd() if kind in ('-m', '-c') else os.path.dirname(os.path.abspath(kind))
    code = 0
    try:
        if kind == '-m':
            sys.modules.pop(sys.argv[0], None)  # it runs anew
            runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)
        elif kind == '-c':
            del sys.argv[1]
            exec(arguments[1], sys.modules['__main__'].__dict__)
        else:
            runpy.run_path(sys.argv[0], run_name='__main__')
    except SystemExit as end:
        code = end.code
        if isinstance(code, str):
            print(code, file=sys.stderr)
    except BaseException as error:
        sys.excepthook(*sys.exc_info())
        code = 1
        if isinstance(error, KeyboardInterrupt):
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGINT)
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush(), sys.stderr.flush()
    os._exit(int(isinstance(code, str)) or code or 0)


if __name__ == '__main__':
    run(serve(sys.argv[1]))
