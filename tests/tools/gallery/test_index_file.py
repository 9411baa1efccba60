"""Index files of earlier versions: read, or refused in one line."""

import json
import random

import numpy as np
import pytest
from safetensors.numpy import save
from support.galleries import SHA256, photos_of, unit

from rim_plugin.tools.gallery.index_file import is_index_file, read_index
from rim_plugin.tools.gallery.store import GalleryError, NoSuchGallery

PHOTOS = photos_of(['Ann', 'Bjørn', 'Ann'])
ROWS = [photo[:3] for photo in PHOTOS]  # as earlier versions had them


def index(photos=ROWS, embeddings=None, sha256=SHA256):
    """What earlier versions wrote."""
    rows = unit(3) if embeddings is None else embeddings
    return save({'embeddings': rows}, {'gallery': json.dumps({'sha256': sha256, 'photos': photos})})


@pytest.fixture
def path(tmp_path):
    (tmp_path / 'old').write_bytes(index())
    return tmp_path / 'old'


def test_an_index_is_read(path):
    sha256, photos, embeddings = read_index(path)
    assert (sha256, photos) == (SHA256, PHOTOS) and np.array_equal(embeddings, unit(3)) and is_index_file(path)


def test_an_empty_index_is_read(path):
    path.write_bytes(index([], np.empty((0, 0), np.float32)))
    assert read_index(path)[1] == []


def nan_row():
    rows = unit(3)
    rows[1, 5] = np.nan
    return rows


@pytest.mark.parametrize(
    'content',
    [
        b'text',
        b'',
        index(embeddings=nan_row()),
        index(embeddings=3 * unit(3)),
        index(embeddings=unit(2)),
        index(embeddings=unit(3).astype(np.float16)),
        index(embeddings=np.ones(3, np.float32)),
        index([['Ann', 'a.jpg']] * 3),
        index([['Ann', 'a.jpg', 28.5]] * 3),
        index([['', 'a.jpg', 28]] * 3),
        index([[7, 'a.jpg', 28]] * 3),
        index(7),
        index(sha256=None),
        save({'rows': unit(3)}, {'gallery': json.dumps({'sha256': SHA256, 'photos': ROWS})}),
        save({'embeddings': unit(3)}, {'gallery': '[' * 5000}),
        save({'embeddings': unit(3)}),
    ],
    ids=range(16),
)
def test_what_is_no_index_is_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(GalleryError, match='old: damaged, or no index of rim-gallery'):
        read_index(path)


def test_no_file_is_no_gallery(tmp_path):
    with pytest.raises(NoSuchGallery):
        read_index(tmp_path / 'nowhere')


def test_changed_bytes_end_in_one_line(path):
    """The format has no checksum: small changes of a value are not seen, a traceback or a wrong length never."""
    whole, draw = path.read_bytes(), random.Random(0)
    for _ in range(150):
        changed = bytearray(whole)
        changed[draw.randrange(len(whole))] ^= draw.randrange(1, 256)
        path.write_bytes(changed)
        try:
            _, photos, rows = read_index(path)
        except GalleryError as error:
            assert '\n' not in str(error)
        else:
            assert len(photos) == 3 and np.allclose(np.linalg.norm(rows, axis=1), 1, atol=0.01)
