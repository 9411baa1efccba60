"""The prepared face store without photos: what is written is read, and what is unfinished is no store."""

import json
import os
import random
from pathlib import Path
from urllib.parse import unquote

import cv2
import numpy as np
import pytest

from rim_plugin.data.face_store import FaceStore, face_key
from rim_plugin.data.face_store_writer import FaceStoreWriter
from rim_plugin.data.store_check import inspect_store
from rim_plugin.data.stored_landmarks import read_landmarks
from rim_plugin.errors import OptionsError

SETTINGS = {'num_landmarks': 68, 'quality': 95, 'parsing': True, 'size': 16}
BACKENDS = ['lmdb', 'disk']


def encoded(seed, extension='.jpg', channels=3):
    image = np.random.default_rng(seed).integers(0, 11, (16, 16, channels), np.uint8)
    return cv2.imencode(extension, image)[1].tobytes()


def write(root, backend, seeds, settings=SETTINGS):
    with FaceStoreWriter(root, backend, settings) as store:
        for seed in seeds:
            parsing = encoded(seed, '.png', 1) if settings['parsing'] else None
            store.put(f'face{seed}', encoded(seed), parsing, np.full((68, 2), seed + 0.25))


def test_damaged_settings_are_told(tmp_path):
    write(tmp_path, 'disk', [0])
    assert FaceStore(tmp_path, 'disk').margin == 0
    (tmp_path / 'prepare.json').write_text('{')
    with pytest.raises(OptionsError, match="prepare.json' is damaged .*; prepare the faces again"):
        FaceStore(tmp_path, 'disk')


@pytest.mark.parametrize('backend', BACKENDS)
def test_what_was_written_is_read(tmp_path, backend):
    write(tmp_path, backend, [2, 0, 1])
    store = FaceStore(tmp_path, backend)
    assert store.keys == ['face0', 'face1', 'face2'] and store.shape == (16, 16, 3) and store.has_parsing
    for seed, key in enumerate(store.keys):
        assert store.read('gt', key) == encoded(seed) and store.read('parsing', key) == encoded(seed, '.png', 1)
        assert store.landmarks[key].dtype == np.float32 and (store.landmarks[key] == seed + 0.25).all()
    assert read_landmarks(tmp_path).keys() == set(store.keys)
    with pytest.raises(FileNotFoundError):
        store.read('gt', 'face3')


@pytest.mark.parametrize('backend', BACKENDS)
def test_a_store_without_parsing_maps(tmp_path, backend):
    write(tmp_path, backend, [0], {**SETTINGS, 'parsing': False})
    assert not FaceStore(tmp_path, backend).has_parsing and not list(tmp_path.glob('parsing*'))


@pytest.mark.parametrize('backend', BACKENDS)
def test_a_face_without_its_landmarks_or_parsing_map_is_not_done(tmp_path, backend):
    with pytest.raises(RuntimeError), FaceStoreWriter(tmp_path, backend, SETTINGS) as store:
        for seed in (0, 1, 2):
            store.put(f'face{seed}', encoded(seed), encoded(seed, '.png', 1), np.zeros((68, 2)))
        raise RuntimeError('stopped')
    journal = tmp_path / 'landmarks.partial'
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text(''.join(lines[:2]) + lines[2][:20])  # the last line is cut
    with pytest.raises(FileNotFoundError, match='unfinished'):
        FaceStore(tmp_path, backend)
    with FaceStoreWriter(tmp_path, backend, SETTINGS) as store:
        assert store.done() == {'face0', 'face1'}
        store.put('face2', encoded(2), encoded(2, '.png', 1), np.ones((68, 2)))
    assert FaceStore(tmp_path, backend).landmarks.keys() == {'face0', 'face1', 'face2'}
    assert not journal.exists()


def test_many_faces_are_committed_on_the_way(tmp_path):
    """A killed run keeps all but the last of them."""
    with FaceStoreWriter(tmp_path, 'lmdb', SETTINGS) as store:
        for seed in range(65):
            store.put(f'face{seed}', encoded(seed), encoded(seed, '.png', 1), np.zeros((68, 2)))
        assert len(store.done()) == 64
        assert len((tmp_path / 'landmarks.partial').read_text().splitlines()) >= 64


CHANGES = [({'size': 32}, 'size: 16, now 32'), ({'new': 1}, 'new: None, now 1'), ({'quality': 5}, 'quality: 95, now 5')]


@pytest.mark.parametrize(
    'changes, words',
    [({'size': 32}, 'size: 16, now 32'), ({'new': 1}, 'new: None, now 1'), ({'quality': 5}, 'quality')],
)
def test_other_settings_are_refused_and_named(tmp_path, changes, words):
    write(tmp_path, 'disk', [0])
    with pytest.raises(ValueError, match=words):
        write(tmp_path, 'disk', [1], {**SETTINGS, **changes})
    assert json.loads((tmp_path / 'prepare.json').read_text()) == {**SETTINGS, 'backend': 'disk'}


@pytest.mark.parametrize(
    'name', ['a.jpg', 'sub folder/größe 写真.v2.png', 'a%2Eb.jpg', 'ends~with-all_kinds.of.dots.jpeg']
)
def test_keys_are_ascii_without_dots_and_give_the_name_back(name):
    key = face_key(name)
    assert key.isascii() and '.' not in key and ' ' not in key
    assert unquote(key) == name.rpartition('.')[0]


def test_what_is_not_there_is_named_with_the_remedy(tmp_path):
    with pytest.raises(FileNotFoundError, match='no such folder. Prepare it'):
        FaceStore(tmp_path / 'nowhere', 'lmdb')
    write(tmp_path / 'a', 'disk', [0])
    with pytest.raises(FileNotFoundError, match='Set io_backend: type: disk'):
        FaceStore(tmp_path / 'a', 'lmdb')
    (tmp_path / 'b').mkdir()
    with pytest.raises(FileNotFoundError, match='Name the folder that rim prepare made'):
        FaceStore(tmp_path / 'b', 'lmdb')


@pytest.mark.parametrize('kind', ['gt', 'parsing'])
@pytest.mark.parametrize('share', [0.0, 0.05, 0.3, 0.6, 0.9, 0.999])
def test_a_cut_lmdb_is_told_before_it_is_read(tmp_path, kind, share):
    """Reading a page that is not there is a bus error, which ends the process."""
    write(tmp_path, 'lmdb', range(40))
    file = tmp_path / f'{kind}.lmdb/data.mdb'
    os.truncate(file, int(file.stat().st_size * share))
    with pytest.raises(OptionsError, match=f'{kind}.lmdb/data.mdb. (has .* bytes|is no LMDB, or damaged)'):
        FaceStore(tmp_path, 'lmdb')


def landmarks(root, change):
    with np.load(root / 'landmarks.npz') as data:
        names, points = data['names'], data['points']
    np.savez_compressed(root / 'landmarks.npz', **dict(zip(('names', 'points'), change(names, points), strict=True)))


def not_finite(names, points):
    points[1, 3] = np.nan
    return names, points


@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize(
    'change, message',
    [
        (lambda names, points: (names[:1], points[:1]), "lacks the face 'face1'"),
        (not_finite, "the landmarks of 'face1' are not finite"),
        (lambda names, points: (names, points[:1]), 'points of shape .1, 68, 2. for 2 names'),
        (lambda names, points: (names, points[..., :1]), 'points of shape .2, 68, 1. for 2 names'),
        (lambda names, points: (names, points.astype(str)), 'points are no numbers'),
        (lambda names, points: (names, points + [[[0]], [[40]]]), "landmarks of 'face1' that lie far outside"),
        (lambda names, points: (names, points[:, :10]), 'has 10 landmarks a face, prepared with 68'),
    ],
)
def test_landmarks_that_do_not_fit_are_told(tmp_path, backend, change, message):
    write(tmp_path, backend, [0, 1])
    landmarks(tmp_path, change)
    with pytest.raises(OptionsError, match=f'landmarks.npz.*{message}'):
        FaceStore(tmp_path, backend)


@pytest.mark.parametrize('content', [b'', b'half', b'PK'])
def test_a_damaged_file_of_landmarks_is_told(tmp_path, content):
    write(tmp_path, 'disk', [0])
    (tmp_path / 'landmarks.npz').write_bytes(content)
    with pytest.raises(OptionsError, match='landmarks.npz. is damaged'):
        FaceStore(tmp_path, 'disk')


@pytest.mark.parametrize('content', ['', '\n', 'face0', 'face0.jpg', 'face0.jpg (16,x,3) 95', 'face0 (16,16,3) 95'])
def test_a_damaged_list_of_faces_is_told(tmp_path, content):
    write(tmp_path, 'disk', [0])
    (tmp_path / 'gt/meta_info.txt').write_text(content)
    with pytest.raises(OptionsError, match='meta_info.txt. does not list faces as'):
        FaceStore(tmp_path, 'disk')


@pytest.mark.parametrize('margin', ['x', -1, 8, None, True, 0.5])
def test_a_margin_that_cannot_be_is_told(tmp_path, margin):
    write(tmp_path, 'disk', [0])
    (tmp_path / 'prepare.json').write_text(json.dumps({'margin': margin}))
    with pytest.raises(OptionsError, match='prepare.json. is damaged .margin'):
        FaceStore(tmp_path, 'disk')


def changed(content, chance):
    """Content with one byte changed."""
    at = chance.randrange(len(content))
    return content[:at] + bytes([content[at] ^ 1 << chance.randrange(8)]) + content[at + 1 :]


@pytest.mark.parametrize('kind', ['gt', 'parsing'])
@pytest.mark.parametrize('place', range(10))
def test_a_changed_byte_of_an_image_is_seen(tmp_path, kind, place):
    write(tmp_path, 'disk', [0, 1])
    (file,) = (tmp_path / kind).glob('face1.*')
    file.write_bytes(changed(file.read_bytes(), random.Random(place)))
    store = FaceStore(tmp_path, 'disk')
    assert store.image(kind, 'face0').shape[:2] == (16, 16)
    with pytest.raises(OptionsError, match=f"the {kind} image of 'face1' cannot be used .*rim prepare --check"):
        store.image(kind, 'face1')
    assert any(fault.startswith(f'face1: {kind}: ') for fault in inspect_store(tmp_path).faults)


def test_a_list_without_checksums_is_read(tmp_path):
    write(tmp_path, 'disk', [0])
    meta = tmp_path / 'gt/meta_info.txt'
    meta.write_text(meta.read_text().rpartition(' ')[0] + '\n')
    assert FaceStore(tmp_path, 'disk').image('gt', 'face0').shape == (16, 16, 3)


@pytest.mark.parametrize('damage', ['removed', 'empty', 'a folder', 'a pipe'])
def test_an_image_that_is_no_file_any_more_is_named(tmp_path, damage):
    write(tmp_path, 'disk', [0])
    file = tmp_path / 'gt/face0.jpg'
    file.unlink()
    {'removed': str, 'empty': Path.touch, 'a folder': Path.mkdir, 'a pipe': os.mkfifo}[damage](file)
    with pytest.raises(OptionsError, match="gt image of 'face0' cannot be used .*(is not there|it is empty)"):
        FaceStore(tmp_path, 'disk').image('gt', 'face0')


def test_a_face_that_is_listed_twice_is_told(tmp_path):
    write(tmp_path, 'disk', [0, 1])
    meta = tmp_path / 'gt/meta_info.txt'
    meta.write_text(2 * meta.read_text())
    with pytest.raises(OptionsError, match='meta_info.txt. lists a face more than once'):
        FaceStore(tmp_path, 'disk')
