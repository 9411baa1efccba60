"""Stores of every kind, people to enrol."""

import tempfile
from pathlib import Path

import pytest
from PIL import Image
from support import postgres

from rim_plugin.tools.gallery.opening import open_store


@pytest.fixture(scope='session')
def database():
    """The address of a real PostgreSQL server."""
    if not postgres.is_installed():
        pytest.skip('PostgreSQL with pgvector is not installed: pip install .[test]')
    # none of pytest's folders, which each run of it closes again to others, the server's user among them
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for parent in (folder, *folder.parents):
            if not parent.stat().st_mode & 0o001:
                parent.chmod(0o755)
        with postgres.server(folder) as url:
            yield url


@pytest.fixture(params=['file', pytest.param('server', marks=pytest.mark.slow)])
def opened(request, tmp_path):
    """A function that opens this test's gallery."""
    server = request.getfixturevalue('database') if request.param == 'server' else None
    place = request.node.name if server else tmp_path / 'made/people.rim'
    stores = []

    def make(sha256=None, make=False):
        stores.append(open_store(place, server, sha256, make))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


@pytest.fixture
def people(tmp_path, make_face):
    """Three persons, one of them with two photos, one directly in the folder; and a file that is no picture."""
    root = tmp_path / 'people'
    for seed, name in enumerate(('Ann/1.png', 'Ann/2.png', 'Bob/1.png', 'Çelik.png')):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(make_face(28 + seed, seed)).save(root / name)
    (root / 'Bob/text.jpg').write_text('no picture')
    return root
