"""Files whole or not at all, and locks, with real second processes."""

import os
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rim_plugin.files import atomic_file, locked, remove_drafts, require_folder, require_writable, write_atomically

# without rim_plugin's __init__, which takes seconds
PROGRAM = f"""
import importlib.util, sys
spec = importlib.util.spec_from_file_location('files', {str(Path(__file__).parents[1] / 'rim_plugin/files.py')!r})
files = importlib.util.module_from_spec(spec)
spec.loader.exec_module(files)
path = sys.argv[1]
"""
HOLD = """
with files.locked(path):
    print('locked', flush=True)
    sys.stdin.readline()
"""
COUNT = """
for _ in range(50):
    with files.locked(path):
        number = int(open(path).read())
        files.write_atomically(path, str(number + 1))
"""
WRITE = """
for _ in range(60):
    files.write_atomically(path, sys.argv[2] * 100_000)
"""


REFUSED = """
import os
import filelock  # which another user may not be allowed to read
if os.geteuid() == 0:  # root may write everywhere
    os.seteuid(65534)
try:
    with files.locked(path):
        print('locked')
except OSError as error:
    print(type(error).__name__, error)
"""


def command(program):
    return [sys.executable, '-c', PROGRAM + program]


def start(program, *arguments):
    return subprocess.Popen(
        [*command(program), *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


class TestAtomicFile:
    def test_text_and_bytes(self, tmp_path):
        write_atomically(tmp_path / 'a', 'ä\n')
        assert (tmp_path / 'a').read_bytes() == b'\xc3\xa4\n'
        write_atomically(str(tmp_path / 'a'), b'\x00')
        assert (tmp_path / 'a').read_bytes() == b'\x00' and os.listdir(tmp_path) == ['a']

    def test_a_reader_meanwhile_finds_the_old_file(self, tmp_path):
        write_atomically(tmp_path / 'a', 'old')
        with atomic_file(tmp_path / 'a') as file:
            file.write(b'new')
            file.flush()
            assert (tmp_path / 'a').read_text() == 'old'
            assert [name for name in os.listdir(tmp_path) if not name.startswith('.')] == ['a']
        assert (tmp_path / 'a').read_text() == 'new'

    @pytest.mark.parametrize('before', [None, 'old'])
    def test_an_exception_leaves_what_was_there_and_no_draft(self, tmp_path, before):
        if before:
            (tmp_path / 'a').write_text(before)
        with pytest.raises(KeyboardInterrupt), atomic_file(tmp_path / 'a') as file:
            file.write(b'half')
            raise KeyboardInterrupt
        assert {path.name: path.read_text() for path in tmp_path.iterdir()} == ({'a': before} if before else {})

    def test_a_link_stays_a_link(self, tmp_path):
        (tmp_path / 'folder').mkdir()
        for target in ('folder/there', 'folder/not_yet'):
            (tmp_path / 'link').unlink(missing_ok=True)
            (tmp_path / 'link').symlink_to(target)
            write_atomically(tmp_path / 'link', target)
            assert (tmp_path / 'link').is_symlink() and (tmp_path / target).read_text() == target
        assert sorted(os.listdir(tmp_path)) == ['folder', 'link']

    def test_permissions(self, tmp_path):
        write_atomically(tmp_path / 'ours', '')
        (tmp_path / 'plain').touch()
        assert (tmp_path / 'ours').stat().st_mode == (tmp_path / 'plain').stat().st_mode
        (tmp_path / 'ours').chmod(0o640)
        write_atomically(tmp_path / 'ours', 'new')
        assert (tmp_path / 'ours').stat().st_mode & 0o777 == 0o640

    def test_a_missing_folder_is_an_error(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            write_atomically(tmp_path / 'nowhere' / 'a', '')

    @pytest.mark.slow
    def test_threads_at_once(self, tmp_path):
        barrier = threading.Barrier(4)

        def write(letter):
            barrier.wait()
            for _ in range(20):
                write_atomically(tmp_path / 'a', letter * 100_000)
                assert len(set((tmp_path / 'a').read_text())) == 1

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(write, 'abcd'))
        assert os.listdir(tmp_path) == ['a'] and (tmp_path / 'a').stat().st_size == 100_000

    @pytest.mark.slow
    def test_processes_at_once(self, tmp_path):
        path = tmp_path / 'a'
        path.write_text('a' * 100_000)
        processes = [start(WRITE, path, letter) for letter in 'ab']
        while any(process.poll() is None for process in processes):
            content = path.read_text()
            assert len(content) == 100_000 and len(set(content)) == 1
        assert [process.communicate() and process.returncode for process in processes] == [0, 0]
        assert os.listdir(tmp_path) == ['a']


class TestLocked:
    @pytest.mark.slow
    def test_two_processes_take_turns(self, tmp_path):
        path = tmp_path / 'number'
        path.write_text('0')
        processes = [start(COUNT, path) for _ in range(2)]
        assert [process.communicate() and process.returncode for process in processes] == [0, 0]
        assert path.read_text() == '100'

    def test_threads_take_turns(self, tmp_path):
        path = tmp_path / 'number'
        path.write_text('0')

        def count(_):
            with locked(path):
                path.write_text(str(int(path.read_text()) + 1))

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(count, range(20)))
        assert path.read_text() == '20'

    @pytest.mark.slow
    @pytest.mark.parametrize('end', ['kill', 'leave'])
    def test_the_next_one_waits_for_the_holder_even_for_one_that_is_killed(self, tmp_path, end):
        path, entered = tmp_path / 'a', threading.Event()

        def enter():
            with locked(path):
                entered.set()

        holder = start(HOLD, path)
        assert holder.stdout.readline() == 'locked\n'
        waiting = threading.Thread(target=enter)
        waiting.start()
        assert not entered.wait(0.3)
        if end == 'kill':
            holder.kill()
        holder.communicate('\n' if end == 'leave' else None)
        assert entered.wait(20)
        waiting.join()

    def test_the_folder_is_made_and_the_lock_is_hidden(self, tmp_path):
        with locked(tmp_path / 'new' / 'a'):
            pass
        assert not [path for path in (tmp_path / 'new').iterdir() if not path.name.startswith('.')]

    def test_a_link_has_the_lock_of_its_file(self, tmp_path):
        (tmp_path / 'link').symlink_to('folder/a')
        with locked(tmp_path / 'link'):
            assert os.listdir(tmp_path / 'folder') == ['.a.lock']

    def test_a_folder_that_cannot_be_written_to_is_an_error_of_one_line(self):
        with tempfile.TemporaryDirectory() as folder:  # tmp_path lies in folders that are closed to others
            os.chmod(folder, 0o555)
            done = subprocess.run([*command(REFUSED), folder + '/a'], capture_output=True, text=True, timeout=60)
            assert os.listdir(folder) == []
        assert done.returncode == 0, done.stderr
        assert done.stdout.count('\n') == 1 and 'PermissionError' in done.stdout and '.a.lock' in done.stdout


def test_a_file_in_the_way_of_the_folder_is_named(tmp_path):
    require_folder(tmp_path / 'new' / 'deeper')
    (tmp_path / 'file').write_text('')
    with pytest.raises(NotADirectoryError, match='file is a file: name a folder'):
        require_folder(tmp_path / 'file' / 'deeper')


def test_a_place_that_may_not_be_written_to_is_named(tmp_path, monkeypatch):
    require_writable(tmp_path / 'new' / 'deeper')
    monkeypatch.setattr(os, 'access', lambda path, mode: path != tmp_path)  # root writes everywhere
    with pytest.raises(PermissionError, match=f'{tmp_path} may not be written to'):
        require_writable(tmp_path / 'new' / 'deeper')


def test_drafts_of_killed_processes_go_and_those_of_others_stay(tmp_path):
    process = subprocess.Popen([sys.executable, '-c', ''])
    process.wait()
    dead, mine, foreign = (
        tmp_path / name for name in (f'.{process.pid}-1.tmp', f'.{os.getpid()}-1.tmp', '.notes-a.tmp')
    )
    for file in (dead, mine, foreign):
        file.touch()
    remove_drafts(tmp_path)
    assert dead.exists()  # may be that of another machine, as young as it is
    remove_drafts(tmp_path, age=0)
    assert sorted(tmp_path.iterdir()) == sorted([mine, foreign])
    remove_drafts(tmp_path / 'absent')


def test_an_error_without_a_name_gets_that_of_the_file(tmp_path):
    with pytest.raises(OSError, match='No space left.*a.txt') as caught, atomic_file(tmp_path / 'a.txt'):
        raise OSError(28, 'No space left on device')
    assert caught.value.filename == str(tmp_path / 'a.txt') and os.listdir(tmp_path) == []
