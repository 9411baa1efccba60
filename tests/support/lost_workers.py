"""A detector that ends its process, as a crash does, the first time that it is called."""

import os
import signal
from contextlib import suppress

from support.commands import two_faces

DIES_ONCE = f'{__name__}:dies_once'
MARK = 'RIM_TEST_MARK'  # names the file that tells whether it has


def dies_once(image):
    """Two faces, see :func:`support.commands.two_faces`; no process survives the first call of all."""
    with suppress(FileExistsError):
        os.close(os.open(os.environ[MARK], os.O_CREAT | os.O_EXCL))
        os.kill(os.getpid(), signal.SIGKILL)
    return two_faces(image)
