from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from zlib import crc32

import cv2
import lmdb
import numpy as np
import pytest

from rim_plugin.data.lmdb_writer import FolderWriter, LmdbWriter
from rim_plugin.files import write_atomically

from basicsr.data.data_util import paths_from_lmdb
from basicsr.utils import FileClient


def encoded(seed, extension='.png', side=32):
    return cv2.imencode(extension, np.random.default_rng(seed).integers(0, 256, (side, 24, 3), np.uint8))[1].tobytes()


def test_basicsr_reads_what_was_written(tmp_path):
    path = tmp_path / 'faces.lmdb'
    images = {'b/2': encoded(0, '.jpg'), 'a_1': encoded(1), 'c%2E3': encoded(2)}
    with LmdbWriter(path, level=95) as writer:
        for key, image in images.items():
            writer.put(key, image)
    lines = (path / 'meta_info.txt').read_text().splitlines()
    headers = ['a_1.png (32,24,3) 95', 'b/2.jpg (32,24,3) 95', 'c%2E3.png (32,24,3) 95']
    assert lines == [f'{header} {crc32(images[key]):08x}' for header, key in zip(headers, sorted(images))]
    assert paths_from_lmdb(str(path)) == ['a_1', 'b/2', 'c%2E3']
    client = FileClient('lmdb', db_paths=str(path), client_keys='gt')
    assert {key: client.get(key, 'gt') for key in images} == images


def test_the_map_grows(tmp_path):
    with LmdbWriter(tmp_path / 'faces.lmdb', map_size=32 * 1024) as writer:
        for seed in range(60):
            writer.put(f'{seed:03}', encoded(seed, side=200))
        writer.flush()
        assert len(writer.keys()) == 60
    assert len((tmp_path / 'faces.lmdb/meta_info.txt').read_text().splitlines()) == 60


@pytest.mark.parametrize('writer_type, name', [(LmdbWriter, 'gt.lmdb'), (FolderWriter, 'gt')])
def test_a_stopped_write_never_looks_complete_and_goes_on(tmp_path, writer_type, name):
    meta = tmp_path / name / 'meta_info.txt'
    with pytest.raises(KeyboardInterrupt), writer_type(tmp_path / name) as writer:
        writer.put('one', encoded(1))
        raise KeyboardInterrupt
    assert not meta.exists()
    with writer_type(tmp_path / name) as writer:
        assert writer.keys() == {'one'}
        writer.put('two', encoded(2))
    assert [line.split('.')[0] for line in meta.read_text().splitlines()] == ['one', 'two']
    with pytest.raises(KeyboardInterrupt), writer_type(tmp_path / name):
        assert not meta.exists()
        raise KeyboardInterrupt
    assert not meta.exists()


def test_lmdb_and_folder_hold_the_same(tmp_path):
    keys = ['Anne/Anne_0001', 'Anna', 'Z', 'a-b', 'a/b', 'a0']
    for writer_type, name in ((LmdbWriter, 'gt.lmdb'), (FolderWriter, 'gt')):
        with writer_type(tmp_path / name, level=9) as writer:
            for seed, key in enumerate(keys):
                writer.put(key, encoded(seed))
    assert (tmp_path / 'gt/meta_info.txt').read_text() == (tmp_path / 'gt.lmdb/meta_info.txt').read_text()
    assert (tmp_path / 'gt/Anne/Anne_0001.png').read_bytes() == encoded(0)


@pytest.mark.parametrize('key', ['', 'a.b', 'a b', 'größe', 'x' * 512, 'tab\t'])
def test_keys_that_basicsr_cannot_read_are_refused(tmp_path, key):
    with LmdbWriter(tmp_path / 'faces.lmdb') as writer, pytest.raises(ValueError, match='ASCII'):
        writer.put(key, encoded(0))


def test_a_folder_not_named_lmdb_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"'\.lmdb'"):
        LmdbWriter(tmp_path / 'faces')


def test_atomic_writing_leaves_no_trace_but_the_file(tmp_path):
    write_atomically(tmp_path / 'a.txt', 'old')
    write_atomically(tmp_path / 'a.txt', 'nëw')
    assert (tmp_path / 'a.txt').read_text(encoding='utf-8') == 'nëw'
    assert [p.name for p in tmp_path.iterdir()] == ['a.txt']


def test_a_replaced_file_keeps_its_permissions_and_links(tmp_path):
    path, link = tmp_path / 'private', tmp_path / 'link'
    write_atomically(path, 'old')
    path.chmod(0o600)
    link.symlink_to(path)
    write_atomically(link, 'new')
    assert link.is_symlink() and path.read_text() == 'new' and path.stat().st_mode & 0o777 == 0o600
    (tmp_path / 'folder').mkdir()
    with pytest.raises(OSError):
        write_atomically(tmp_path / 'folder', 'text')
    assert sorted(each.name for each in tmp_path.iterdir()) == ['folder', 'link', 'private']


def test_many_writers_never_tear_a_file(tmp_path):
    path, contents = tmp_path / 'file', [bytes([value]) * 2**20 for value in range(4)]
    write_atomically(path, contents[0])
    with ThreadPoolExecutor() as pool:
        written = [pool.submit(write_atomically, path, content) for content in contents * 5]
        while not all(each.done() for each in written):
            assert path.read_bytes() in contents
        assert [each.result() for each in written] == [None] * 20


class Broken:
    """An environment of LMDB that cannot write."""

    def __init__(self, env):
        self.close = env.close

    def begin(self, write):
        raise lmdb.DiskError('mdb_txn_commit: Input/output error')


@pytest.mark.parametrize(
    ('free', 'kind', 'words'),
    [(10, OSError, 'No space left on device: .*faces.lmdb'), (10**9, lmdb.Error, 'faces.lmdb: .*Input/output error')],
)
def test_a_full_disk_is_told_from_a_broken_one(tmp_path, monkeypatch, free, kind, words):
    monkeypatch.setattr('shutil.disk_usage', lambda _: SimpleNamespace(free=free))
    with pytest.raises(kind, match=words), LmdbWriter(tmp_path / 'faces.lmdb') as writer:
        writer._env = Broken(writer._env)
        writer.put('a', encoded(0))
