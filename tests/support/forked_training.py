"""Trainings in forks of this process, which has imported everything already: a start takes milliseconds."""

import os
import sys
import time

import rim_plugin.models.rim_model  # noqa: F401  which checking options imports

from basicsr.train import train_pipeline


class ForkedTraining:
    """A training of :mod:`support.tiny_training` in a process of its own, which prints into a file."""

    def __init__(self, root, options, log, sleep=0.0):
        self.log = log
        log.write_text('')  # here: the process may be killed before its first line
        self.process = os.fork()
        if self.process == 0:
            os.environ['TINY_SLEEP'] = str(sleep)
            _train(root, options, log)

    def signal(self, number):
        """Send a signal, unless it has ended."""
        if os.waitid(os.P_PID, self.process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            os.kill(self.process, number)

    def wait(self, seconds=120):
        """Exit code, or the negative number of the signal that ended it, and what it printed."""
        end = time.monotonic() + seconds
        while (done := os.waitpid(self.process, os.WNOHANG))[0] == 0:
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.01)
        return os.waitstatus_to_exitcode(done[1]), self.log.read_text()


def _train(root, options, log):
    """Never returns."""
    code = 1
    try:
        output = os.open(log, os.O_WRONLY)
        os.dup2(output, 1), os.dup2(output, 2)
        sys.stdout, sys.stderr = open(1, 'w', closefd=False), open(2, 'w', closefd=False)  # noqa: SIM115  pytest's before
        sys.excepthook = sys.__excepthook__
        sys.argv = ['train.py', '-opt', options, '--auto_resume']
        train_pipeline(str(root))
        code = 0
    except SystemExit as end:
        code = end.code
    except BaseException as error:
        if not isinstance(error, KeyboardInterrupt) or sys.excepthook is not sys.__excepthook__:  # else before BasicSR
            sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush(), sys.stderr.flush()
        os._exit(code)
