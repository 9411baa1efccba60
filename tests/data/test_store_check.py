"""A whole store is read: what is damaged is told, a line each, and nothing of what is whole."""

import json
import multiprocessing
import os

import cv2
import lmdb
import numpy as np
import pytest

from rim_plugin.data.face_store import SUFFIXES
from rim_plugin.data.face_store_writer import FaceStoreWriter
from rim_plugin.data.store_check import check_store, inspect_store

BACKENDS = ['lmdb', 'disk']


def encoded(seed, extension='.jpg', channels=3, side=16, top=11):
    image = np.random.default_rng(seed).integers(0, top, (side, side, channels), np.uint8)
    return cv2.imencode(extension, image)[1].tobytes()


@pytest.fixture(params=BACKENDS)
def store(request, tmp_path):
    """A whole store of four faces, and functions that change one of its images."""
    settings = {'quality': 95, 'parsing': True, 'size': 16, 'num_landmarks': 68}
    with FaceStoreWriter(tmp_path, request.param, settings) as writer:
        for seed in range(4):
            writer.put(f'face{seed}', encoded(seed), encoded(seed, '.png', 1), np.full((68, 2), seed))
    return Store(tmp_path, request.param)


class Store:
    def __init__(self, root, backend):
        self.root, self.backend = root, backend

    def folder(self, kind):
        return self.root / f'{kind}{SUFFIXES[self.backend]}'

    def put(self, kind, key, content):
        """Replace an image, or take it away (None)."""
        if self.backend == 'disk':
            path = self.folder(kind) / f'{key}.{"jpg" if kind == "gt" else "png"}'
            path.unlink(missing_ok=True) if content is None else path.write_bytes(content)
            return
        with lmdb.open(str(self.folder(kind))) as environment, environment.begin(write=True) as transaction:
            transaction.delete(key.encode()) if content is None else transaction.put(key.encode(), content)

    def landmarks(self, change):
        with np.load(self.root / 'landmarks.npz') as data:
            names, points = list(data['names']), data['points'].copy()
        names, points = change(names, points)
        np.savez(self.root / 'landmarks.npz', names=np.array(names), points=points)

    @property
    def faults(self):
        return inspect_store(self.root).faults


def test_a_whole_store_has_no_faults(store):
    assert inspect_store(store.root) == (4, [])


@pytest.mark.parametrize(
    'kind, content, line',
    [
        ('gt', b'no picture', 'face1: gt: it cannot be decoded'),
        ('gt', encoded(1)[:60], 'face1: gt: it cannot be decoded'),
        ('gt', encoded(1, side=8), 'face1: gt: 8x8 pixels, listed as 16x16'),
        ('gt', None, 'face1: gt: listed, but not there'),
        ('parsing', encoded(1, '.png', 1, top=200), 'face1: parsing: class 19'),
        ('parsing', None, 'face1: parsing: listed, but not there'),
    ],
)
def test_damaged_images_are_named(store, kind, content, line):
    store.put(kind, 'face1', content)
    (fault,) = store.faults
    assert fault.startswith(line)


def test_what_is_not_listed_is_told(store):
    store.put('gt', 'more', encoded(9))
    (fault,) = store.faults
    assert fault.startswith('more: in ') and 'but not in its meta_info.txt' in fault


def without_first(names, points):
    return names[1:], points[1:]


def not_a_number(names, points):
    points[2, 5] = np.nan
    return names, points


def five_alone(names, points):
    return names, points[:, :5]


def another_name(names, points):
    return ['else', *names[1:]], points


@pytest.mark.parametrize(
    'change, lines',
    [
        (without_first, ['face0: no landmarks']),
        (not_a_number, ['face2: landmarks: not finite']),
        (five_alone, ['ROOT/landmarks.npz: 5 landmarks a face, prepared with 68']),
        (another_name, ['face0: no landmarks', 'else: landmarks without a face']),
    ],
)
def test_damaged_landmarks_are_told(store, change, lines):
    store.landmarks(change)
    assert [fault.replace(str(store.root), 'ROOT') for fault in store.faults] == lines


def test_every_fault_is_told(store):
    store.put('gt', 'face0', b'x')
    store.put('parsing', 'face3', b'x')
    store.landmarks(not_a_number)
    assert [fault.partition(':')[0] for fault in store.faults] == ['face0', 'face3', 'face2']


def test_lists_and_settings_are_read(store):
    meta = store.folder('gt') / 'meta_info.txt'
    lines = meta.read_text().splitlines(keepends=True)
    meta.write_text(''.join([*lines, lines[0]]))
    assert store.faults == [f'face0: listed more than once in {meta}']
    meta.write_text('')
    assert any('does not list faces' in fault for fault in store.faults)
    meta.write_text(''.join(lines).replace('(16,16,3)', '(8,8,3)'))
    assert 'face0: gt: listed as 8x8 pixels, prepared with --size 16' in store.faults
    meta.write_text(''.join(lines))
    (store.root / 'prepare.json').write_text(json.dumps({'backend': 'zip', 'size': 16}))
    assert store.faults == [f'{store.root / "prepare.json"}: backend zip, but the faces are in {store.backend}']
    (store.root / 'prepare.json').write_text('{')
    assert store.faults == [f'{store.root / "prepare.json"}: missing or damaged']
    (store.root / 'landmarks.npz').unlink()
    assert f'{store.root / "landmarks.npz"}: missing' in store.faults


def test_no_store_and_an_unfinished_one_are_told(store, monkeypatch):
    monkeypatch.setattr('rim_plugin.data.store_check.ProcessPoolExecutor', None)  # told before a process starts
    with pytest.raises(FileNotFoundError, match='no such folder'):
        check_store(store.root / 'absent')
    with pytest.raises(FileNotFoundError, match='no such folder'):
        inspect_store(store.root / 'absent')
    (store.folder('gt') / 'meta_info.txt').unlink()
    with pytest.raises(FileNotFoundError, match='unfinished|holds no gt'):
        inspect_store(store.root)


def test_of_a_damaged_list_that_alone_is_told(store):
    (store.folder('gt') / 'meta_info.txt').write_text('')
    count, (fault,) = inspect_store(store.root)
    assert count == 0 and 'does not list faces' in fault


@pytest.mark.parametrize(
    'settings, told', [({'margin': 9}, 'margin: 9'), ({'size': None}, 'size: None'), ({'margin': 'x'}, 'margin: x')]
)
def test_settings_that_cannot_be_are_told(store, settings, told):
    file = store.root / 'prepare.json'
    file.write_text(json.dumps({**json.loads(file.read_text()), **settings}))
    (fault,) = store.faults
    assert 'prepare.json' in fault and told in fault


def test_channels_that_are_none_of_a_face_are_told(store):
    meta = store.folder('gt') / 'meta_info.txt'
    meta.write_text(meta.read_text().replace('(16,16,3)', '(16,16,1)', 1))
    assert store.faults == ['face0: gt: listed with 1 channels, not 3']


def test_of_a_cut_lmdb_that_alone_is_told(store):
    if store.backend != 'lmdb':
        pytest.skip('LMDB alone has pages')
    os.truncate(store.folder('gt') / 'data.mdb', 9000)
    count, (fault,) = inspect_store(store.root)
    assert count == 4 and 'data.mdb' in fault


@pytest.mark.slow
def test_random_damage_of_an_lmdb_never_ends_the_check(store, monkeypatch):
    """Bytes overwritten anywhere, pages cut: a report in each case, and a fault unless nothing was hit that counts."""
    if store.backend != 'lmdb':
        pytest.skip('LMDB alone has pages')
    file, chance = store.folder('gt') / 'data.mdb', np.random.default_rng(0)
    whole, found = file.read_bytes(), 0
    os.truncate(file, len(whole) // 2)
    assert check_store(store.root).faults
    fork = multiprocessing.get_context('fork')  # from here on without the seconds of imports of a fresh interpreter
    monkeypatch.setattr('rim_plugin.data.store_check.multiprocessing.get_context', lambda method: fork)
    for _ in range(12):
        content = bytearray(whole)
        at = int(chance.integers(len(content) - 64))
        content[at : at + 64] = chance.bytes(64)
        file.write_bytes(content)
        found += bool(check_store(store.root).faults)
    assert found
