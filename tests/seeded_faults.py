"""Faults in equations, alignment and thresholds, each of which the tests must catch.

    python tests/seeded_faults.py [--fast]

puts one fault after the other into a copy of the package, runs the tests that should catch it, and prints which fails
first. It exits with 1 if a fault survives, or if tests fail without any. ``--fast`` leaves out the faults whose tests
train networks. pytest does not collect this file; ``test_seeded_faults.py`` keeps the list from going out of date.
"""

import argparse
import contextlib
import multiprocessing
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from faults import FAULTS, Fault

REPOSITORY = Path(__file__).absolute().parents[1]
# imported once, and not again for every fault; the package and BasicSR, which needs it, are not among them
PRELOADED = ['pytest', 'torchvision', 'torchmetrics', 'sklearn.linear_model', 'skimage.transform', 'cv2', 'matplotlib']


def seed(root: Path, fault: Fault) -> None:
    """Put a fault into the package of ``root``.

    Raises:
        ValueError: its old text does not occur exactly once.
    """
    file = root / 'rim_plugin' / fault.file
    text = file.read_text(encoding='utf-8')
    if text.count(fault.old) != 1:
        raise ValueError(f'{fault.file}: {fault.old!r} occurs {text.count(fault.old)} times, not once')
    file.write_text(text.replace(fault.old, fault.new), encoding='utf-8')


def first_failure(tests: Sequence[str], fault: Fault | None = None, repository: Path = REPOSITORY) -> str:
    """Name of the first of ``tests`` (below ``tests/``) to fail with a fault; empty if none does.

    Raises:
        RuntimeError: pytest did not get as far as running tests.
        ValueError: see :func:`seed`.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for entry in repository.iterdir():
            if entry.name == 'rim_plugin':
                shutil.copytree(entry, root / entry.name, ignore=shutil.ignore_patterns('__pycache__'))
            elif entry.name != '.git':
                (root / entry.name).symlink_to(entry)
        if fault:
            seed(root, fault)
        context = multiprocessing.get_context('forkserver')
        context.set_forkserver_preload(PRELOADED)
        process = context.Process(target=_run_pytest, args=(folder, [f'tests/{test}' for test in tests]))
        process.start()
        process.join()
        output = (root / 'output.txt').read_text(encoding='utf-8')
    if process.exitcode not in (0, 1):
        raise RuntimeError(f'pytest ended with {process.exitcode}:\n{output}')
    failed = re.search(r'^(?:FAILED|ERROR) tests/(.+?)(?: - .*)?$', output, re.MULTILINE)
    return failed[1] if failed else '?' * process.exitcode


def _run_pytest(folder: str, tests: Sequence[str]) -> None:
    import pytest  # in the child alone: the parent starts at once

    os.chdir(folder)
    sys.path.insert(0, folder)
    os.environ['PYTHONPATH'] = folder  # for the processes of tests
    sys.dont_write_bytecode = True
    with open('output.txt', 'w', encoding='utf-8') as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            code = pytest.main(['-x', '-q', '-m', 'not slow', '-p', 'no:cacheprovider', *tests])
    sys.exit(code)


def main() -> int:
    """Run the command; returns its exit status."""
    parser = argparse.ArgumentParser(description='Seed faults one by one and see whether the tests catch them.')
    parser.add_argument('--fast', action='store_true', help='leave out the faults whose tests train networks')
    fast = parser.parse_args().fast
    faults = [fault for fault in FAULTS if not (fast and fault.slow)]
    failed = first_failure(sorted({test for fault in faults for test in fault.tests.split()}))
    if failed:
        print(f'{failed} fails without any fault')
        return 1
    survivors = 0
    for number, fault in enumerate(faults, 1):
        start = time.monotonic()
        failed = first_failure(fault.tests.split(), fault)
        survivors += not failed
        verdict = f'caught by {failed}' if failed else 'SURVIVED'
        print(f'{number:2} {time.monotonic() - start:4.0f} s  {fault.wrong:66} {verdict}', flush=True)
    print(f'{len(faults) - survivors} of {len(faults)} faults caught')
    return int(survivors > 0)


if __name__ == '__main__':
    sys.exit(main())
