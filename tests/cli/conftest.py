"""Pictures for the commands."""

import pytest
from PIL import Image


@pytest.fixture
def faces(tmp_path, make_face):
    """A folder of small faces of two sizes, one below a sub-folder, and of files that cannot be used."""
    root = tmp_path / 'faces'
    (root / 'süb').mkdir(parents=True)
    for name, size in (('a.png', 8), ('b.jpg', 12), ('süb/c.png', 8)):
        Image.fromarray(make_face(size)).save(root / name)
    (root / 'text.jpg').write_text('no picture')
    Image.new('RGB', (1, 1)).save(root / 'tiny.png')
    Image.new('RGB', (30, 20)).save(root / 'wide.png')
    Image.new('RGB', (64, 64)).save(root / 'large.png')
    return root


@pytest.fixture
def photo(tmp_path, make_face):
    path = tmp_path / 'photo.png'
    Image.fromarray(make_face(160)[:120]).save(path)
    return path


@pytest.fixture(autouse=True)
def graphs(tmp_path, monkeypatch):
    """The cache of exported graphs is not the user's."""
    monkeypatch.setenv('RIM_CACHE', str(tmp_path / 'graphs'))


@pytest.fixture
def tiny_weights(tiny):
    """Arguments of a command that reads the tiny weights."""
    return ['--weights', str(tiny.weights), '--device', 'cpu']


@pytest.fixture
def networks(tiny_weights):
    """Arguments of a command that runs them; they do not tell what an aligned face is, hence every picture is one."""
    return [*tiny_weights, '--detect', 'none']
