"""One training of a name at a time: BasicSR moves the folder of a run that goes on away, and so ends it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import Timeout

from rim_plugin.errors import OptionsError
from rim_plugin.files import lock_of, remove_drafts, write_atomically
from rim_plugin.run_state import RUN

# Of a run that was killed, workers of its data loader hold the lock until they look for it, every five seconds.
_PATIENCE = 8.0


def take(opt: Mapping[str, Any], patience: float = _PATIENCE) -> None:
    """Hold the lock of a run until this process ends; a killed process holds none.

    Args:
        opt: of the run, for ``name``, ``rank`` and ``path.experiments_root``.
        patience: seconds to wait for another process.

    Raises:
        OptionsError: another process trains under this name, or the folder cannot be written to.
    """
    if RUN.lock is not None:  # of a run before in this process
        RUN.lock.release()
    if opt['rank'] != 0:
        return
    folder = Path(opt['path']['experiments_root'])
    holder = folder.with_name(f'.{folder.name}.pid')
    try:
        RUN.lock = lock_of(folder)
        RUN.lock.acquire(timeout=patience)
        write_atomically(holder, str(os.getpid()))
        remove_drafts(folder, age=0)  # nobody else writes there
    except Timeout:
        process = holder.read_text() if holder.is_file() else 'unknown'
        raise OptionsError(
            f'name: {opt["name"]}: process {process} trains under this name, into {folder}; wait for its end, or take '
            'another name'
        ) from None
    except OSError as error:
        raise OptionsError(f'{folder.parent}: cannot be written to ({error.strerror})') from None
