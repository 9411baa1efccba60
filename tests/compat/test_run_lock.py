"""One training of a name at a time."""

import os
from multiprocessing import get_context

import pytest

from rim_plugin.compat import run_lock
from rim_plugin.errors import OptionsError
from rim_plugin.run_state import RUN


def hold(options, held, end):
    run_lock.take(options)
    held.set()
    end.wait()


@pytest.fixture
def options(tmp_path):
    yield {'name': 'run', 'rank': 0, 'path': {'experiments_root': str(tmp_path / 'experiments/run')}}
    if RUN.lock is not None:
        RUN.lock.release()
        RUN.lock = None


@pytest.mark.slow
def test_another_process_is_named_and_a_killed_one_holds_nothing(options):
    context = get_context('fork')  # a new interpreter would import torch for seconds
    held, end = context.Event(), context.Event()
    other = context.Process(target=hold, args=(options, held, end))
    other.start()
    assert held.wait(20)
    with pytest.raises(OptionsError, match=f'name: run: process {other.pid} trains under this name, into .*/run; wait'):
        run_lock.take(options, 0.1)
    run_lock.take({**options, 'rank': 1}, 0)
    run_lock.take({**options, 'path': {'experiments_root': f'{options["path"]["experiments_root"]}2'}}, 0)
    other.kill()
    other.join()
    run_lock.take(options, 0)


def test_a_process_may_train_again(options):
    for _ in range(2):
        run_lock.take(options, 0)
    assert RUN.lock.is_locked
    RUN.reset()
    assert RUN.lock.is_locked


@pytest.mark.skipif(os.geteuid() == 0, reason='root writes everywhere')
def test_a_folder_that_cannot_be_written_to_is_named(options, tmp_path):
    (tmp_path / 'experiments').mkdir(mode=0o500)
    with pytest.raises(OptionsError, match='experiments: cannot be written to .Permission denied'):
        run_lock.take(options, 0)


def test_a_file_in_the_place_of_the_folder_is_named(options, tmp_path):
    (tmp_path / 'experiments').write_text('')
    with pytest.raises(OptionsError, match='experiments: cannot be written to'):
        run_lock.take(options, 0)
