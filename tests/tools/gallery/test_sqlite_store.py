"""The file: whole or refused in one line, whatever happened to it."""

import json
import os
import random
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections import Counter
from zlib import crc32

import numpy as np
import pytest
from safetensors.numpy import save_file
from support.galleries import SHA256, fill, photos_of, unit

from rim_plugin.tools.gallery import sqlite_store
from rim_plugin.tools.gallery.sqlite_store import SqliteStore
from rim_plugin.tools.gallery.store import Enrolled, GalleryError

NAMES = [f'person {number // 2} of many' for number in range(64)]
ROWS = unit(len(NAMES), 3)


@pytest.fixture
def codes_at_once(monkeypatch):
    """Binary codes are used from 16 photos on, 8 embeddings of which are compared."""
    monkeypatch.setattr(sqlite_store, 'EXACT', 16)
    monkeypatch.setattr('rim_plugin.tools.gallery.store._RESCORED', 8)


@pytest.fixture
def path(tmp_path):
    with SqliteStore(tmp_path / 'people.rim', SHA256, make=True) as store:
        fill(store, NAMES, 3, 'auto')
    return tmp_path / 'people.rim'


def content(path):
    """All that a gallery tells: its weights, how its faces were cut, its people, what is found."""
    with SqliteStore(path) as store:
        return (store.sha256, store.cut()), store.people(), [store.search(probe, 2) for probe in ROWS]


def outcomes(path, whole, damages):
    """How often each happens to copies that a function of ``damages`` each has changed."""
    right, counts = content(path), {'the same': 0, 'other': [], 'refused': 0}
    for number, damage in enumerate(damages):
        damage(path, bytearray(whole))
        try:
            after = content(path)
        except GalleryError as error:
            assert '\n' not in str(error) and str(path) in str(error)
            counts['refused'] += 1
        else:
            if after == right:
                counts['the same'] += 1
            else:
                counts['other'].append(number)
    return counts


def change(place, mask):
    def damage(path, whole):
        whole[place] ^= mask
        path.write_bytes(whole)

    return damage


def cut(length):
    return lambda path, whole: path.write_bytes(whole[:length])


def byte_changes(whole, count, seed=0):
    """Changed bytes anywhere, and as many where there is something."""
    draw = random.Random(seed)
    used = [place for place, byte in enumerate(whole) if byte]
    places = [draw.randrange(len(whole)) for _ in range(count)] + [draw.choice(used) for _ in range(count)]
    return [change(place, draw.randrange(1, 256)) for place in places]


@pytest.mark.slow
@pytest.mark.parametrize('search', ['exact', 'codes'])
def test_changed_bytes_never_tell_other_content(path, search, request):
    """RIM_FUZZ=N: N bytes instead of 150."""
    if search == 'codes':
        request.getfixturevalue('codes_at_once')
    whole = path.read_bytes()
    counts = outcomes(path, whole, byte_changes(whole, int(os.environ.get('RIM_FUZZ', 150))))
    assert counts['other'] == [] and counts['refused'] > 50


@pytest.mark.slow
def test_damaged_headers_and_cut_files_never_tell_other_content(path):
    whole = path.read_bytes()
    headers = [change(place, 255) for place in range(100)]
    cuts = [cut(length) for length in range(1, len(whole), len(whole) // 40)]
    counts = outcomes(path, whole, [*headers, *cuts])
    assert counts['other'] == [] and counts['refused'] > 60


def test_some_changed_bytes(path, codes_at_once):
    whole = path.read_bytes()
    text, row = whole.index(b'person 3 of many'), whole.index(ROWS[5].astype('<f2').tobytes())
    damages = [change(text, 1), change(row + 9, 128), change(16, 255), cut(len(whole) // 2), cut(50)]
    schema = whole.index(b'CREATE TABLE gallery')
    damages += [change(schema + place, 128) for place in (2, 44)]  # no UTF-8, in the words of SQLite's error, too
    assert outcomes(path, whole, damages) == {'the same': 0, 'other': [], 'refused': 7}


def rewrite(path, *statements):
    """What an evil writer does, who knows the format."""
    database = sqlite3.connect(path)
    for statement in statements:
        database.execute(*statement)
    database.commit()
    database.close()


def without_cut(path):
    """Make the file one of format 3."""
    table = sqlite_store._TABLES[0]
    rewrite(
        path,
        ('CREATE TABLE old AS SELECT sha256, dimension, photos, total FROM gallery',),
        ('DROP TABLE gallery',),
        (table.replace(', cut TEXT', ''),),
    )
    database = sqlite3.connect(path)
    row = database.execute('SELECT * FROM old').fetchone()
    database.close()
    rewrite(
        path,
        ('INSERT INTO gallery VALUES (?, ?, ?, ?, ?)', (*row, crc32(json.dumps(row).encode()))),
        ('DROP TABLE old',),
        ('PRAGMA user_version = 3',),
    )


def test_a_gallery_without_a_cut_is_read_and_takes_any(path):
    without_cut(path)
    with SqliteStore(path, SHA256) as store:
        assert store.cut() is None and store.people() == dict(Counter(NAMES))
        with SqliteStore(path, SHA256) as other:
            assert fill(other, ['Ann'], cut='auto').cut() is None
        assert fill(store, ['Bob'], cut='aligned').cut() is None and store.remove('Ann') == 1
        assert store._pragma('user_version') == 4
    with SqliteStore(path) as store:
        assert store.people() == dict(Counter([*NAMES, 'Bob']))


def test_an_empty_gallery_without_a_cut_takes_the_first(path):
    with SqliteStore(path) as store:
        for name in set(NAMES):
            store.remove(name)
    without_cut(path)
    with SqliteStore(path) as store:
        assert store.cut() is None and fill(store, ['Ann'], cut='cascade').cut() == 'cascade'


def test_a_gallery_without_qualities_is_read_and_gets_them_when_it_is_written(path):
    without_cut(path)
    rewrite(
        path,
        ('CREATE TABLE before AS SELECT id, name, file, side, crc FROM photo',),
        ('DROP TABLE photo',),
        (sqlite_store._TABLES[1].replace(', quality REAL', ''),),
        (sqlite_store._TABLES[2],),
        ('INSERT INTO photo SELECT * FROM before',),
        ('DROP TABLE before',),
        ('PRAGMA user_version = 2',),
    )
    with SqliteStore(path, SHA256) as store:
        assert store.people() == dict(Counter(NAMES)) and store.search(ROWS[5], 1)[0].quality is None
        with SqliteStore(path, SHA256) as other:
            other.add([Enrolled('Ann', 'ann.jpg', 28, 0.125)], unit(1, 9))
        assert store.search(unit(1, 9)[0], 1)[0][1:] == ('Ann', pytest.approx(1, abs=1e-3), 'ann.jpg', 28, 0.125)
        assert store.search(ROWS[5], 1)[0].name == NAMES[5]
    with SqliteStore(path) as store:
        assert store.remove('Ann') == 1 and store.people() == dict(Counter(NAMES))


@pytest.mark.parametrize('value', [np.nan, np.inf, 100])
def test_rows_out_of_range_with_a_right_checksum_are_not_searched(path, value):
    row = np.full(128, value, '<f2').tobytes()
    rewrite(path, ('UPDATE embedding SET value = ?, crc = ? WHERE id = 9', (row, crc32(row, 9))))
    with SqliteStore(path) as store, pytest.raises(GalleryError, match='damaged.*whose length is not 1'):
        store.search(ROWS[8])


@pytest.mark.parametrize(
    'statement',
    [
        'DELETE FROM embedding WHERE id = 5',
        'UPDATE embedding SET value = 7 WHERE id = 5',
        "UPDATE embedding SET value = x'00' WHERE id = 5",
        'UPDATE block SET ids = 3.5',
        "UPDATE block SET ids = x''",
        'DELETE FROM block',
        'DELETE FROM photo WHERE id < 60',
        "UPDATE photo SET side = 'x'",
        "UPDATE photo SET name = x'ff'",
        'UPDATE gallery SET photos = 63',
        "UPDATE gallery SET dimension = 'many'",
        'DELETE FROM gallery',
        'INSERT INTO gallery SELECT * FROM gallery',
        'CREATE TRIGGER evil AFTER DELETE ON photo BEGIN DELETE FROM embedding; END',
        'CREATE VIEW evil AS SELECT 1',
        'ALTER TABLE photo RENAME TO face',
        "UPDATE gallery SET cut = 'aligned'",
        'UPDATE gallery SET cut = NULL',
        "UPDATE gallery SET cut = x'ff'",
        'PRAGMA user_version = 3',
        'PRAGMA user_version = 5',
        'PRAGMA application_id = 0',
    ],
)
def test_evil_files_are_refused_in_one_line(path, statement, codes_at_once):
    rewrite(path, (statement,))
    with pytest.raises(GalleryError, match='people.rim: damaged'):
        content(path)


def test_damaged_names_are_seen_before_writing(path):
    """The index of names alone is damaged: who is looked up would not be found."""
    whole = path.read_bytes()
    places = [place for place in range(len(whole)) if whole.startswith(b'person 3 of many', place)]
    assert len(places) == 8  # two photos, in the table and in the index, each as name and in the file's path
    for place in places:
        change(place + 7, 9)(path, bytearray(whole))
        for write in (lambda store: store.remove('person 3 of many'), lambda store: fill(store, NAMES, 3)):
            with SqliteStore(path) as store, pytest.raises(GalleryError, match='damaged'):
                write(store)


def test_other_files_are_refused(tmp_path, tiny):
    (tmp_path / 'text').write_text('text ' * 1000)
    rewrite(tmp_path / 'other', ('CREATE TABLE gallery (a)',))
    for name in ('text', 'other'):
        with pytest.raises(GalleryError, match='damaged, or no gallery of rim-gallery'):
            SqliteStore(tmp_path / name)
        with pytest.raises(GalleryError, match='damaged, or no gallery of rim-gallery'):
            SqliteStore(tmp_path / name, SHA256, make=True)
    with pytest.raises(GalleryError, match='a folder; a gallery is a file'):
        SqliteStore(tmp_path, SHA256, make=True)
    with pytest.raises(GalleryError, match='earlier version: take it over by rim-gallery import'):
        SqliteStore(tiny.weights, SHA256)


def test_an_index_of_an_earlier_version_is_named(tmp_path):
    save_file({'embeddings': unit(2)}, tmp_path / 'old', {'gallery': '{}'})
    with pytest.raises(GalleryError, match='old: an index of an earlier version: take it over by rim-gallery import'):
        SqliteStore(tmp_path / 'old')


def test_an_error_in_between_leaves_the_old_gallery(path, monkeypatch):
    def killed(_):
        raise KeyboardInterrupt

    before = content(path)
    monkeypatch.setattr(sqlite_store, 'encode', killed)  # after photos and embeddings
    with SqliteStore(path) as store, pytest.raises(KeyboardInterrupt):
        fill(store, ['Ann', *NAMES])
    assert content(path) == before


KILLED = """
import os, sys
from rim_plugin.tools.gallery import sqlite_store
from support.galleries import fill
sqlite_store.encode = lambda rows: os._exit(9)
with sqlite_store.SqliteStore(sys.argv[1]) as store:
    fill(store, ['Ann'] * 5000)
"""


@pytest.mark.slow
def test_a_killed_process_leaves_the_old_gallery(path):
    before = content(path)
    environment = {**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, '-c', KILLED, path], env=environment).returncode == 9
    assert content(path) == before


def test_a_gallery_that_others_write_to_is_told(path, monkeypatch):
    monkeypatch.setattr(sqlite_store, '_SECONDS', 0)
    with SqliteStore(path) as store:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute('BEGIN IMMEDIATE')
        with pytest.raises(GalleryError, match='people.rim: another process is writing: try again'):
            store.remove(NAMES[0])
        assert len(store.people()) == 32  # reading goes on
        other.close()
        assert store.remove(NAMES[0]) == 2


def test_a_search_sees_what_others_wrote(path, codes_at_once):
    with SqliteStore(path) as store, SqliteStore(path) as other:
        assert store.search(ROWS[4], 1)[0].name == NAMES[4]
        other.remove(NAMES[4])
        other.add(photos_of(['Ann']), ROWS[4:5])
        assert store.search(ROWS[4], 1)[0].name == 'Ann'


@pytest.mark.skipif(os.geteuid() == 0, reason='root may write anything')
def test_a_file_that_may_not_be_written_is_searched(path):
    path.chmod(stat.S_IRUSR)
    assert content(path)[1]
    with SqliteStore(path) as store, pytest.raises(GalleryError, match='may not be written'):
        store.remove(NAMES[0])


def test_a_full_disk_is_told(path):
    with SqliteStore(path) as store:
        before = store.people()
        pages = store._database.execute('PRAGMA page_count').fetchone()[0]
        store._database.execute(f'PRAGMA max_page_count = {pages}')
        with pytest.raises(GalleryError, match='no space left on the disk'):
            fill(store, ['Ann'] * 200)
        assert store.people() == before


@pytest.mark.slow
def test_blocks_are_filled_emptied_and_kept_in_order(tmp_path, monkeypatch, codes_at_once):
    monkeypatch.setattr('rim_plugin.tools.gallery.code_blocks.BLOCK', 10)
    rows, kept = unit(64), {}
    with SqliteStore(tmp_path / 'people.rim', SHA256, make=True) as store:
        for number in range(64):
            store.add([Enrolled(str(number), 'a', 28)], rows[number : number + 1])
            kept[str(number)] = rows[number]
            if number % 3 == 2:
                gone = str(number // 2)
                assert store.remove(gone) == 1
                del kept[gone]
        assert [*store.people()] == sorted(kept)
        for name, row in kept.items():
            assert store.search(row, 1)[0].name == name
        sizes = [len(ids) // 8 for (ids,) in store._database.execute('SELECT ids FROM block')]
        assert sum(sizes) == len(kept) and max(sizes) <= 10 and len(sizes) < 12


@pytest.mark.slow
def test_300_000_photos_with_long_paths_are_saved(tmp_path):
    with SqliteStore(tmp_path / 'people.rim', SHA256, make=True) as store:
        photos = [Enrolled(f'person {number}', f'{"long/" * 60}{number}.jpg', 28) for number in range(300_000)]
        store.add(photos, np.tile(unit(1000, size=8), (300, 1)))
        assert len(store.people()) == 300_000 and store.search(unit(1000, size=8)[3], 1)[0].similarity > 0.99


def test_a_copied_file_is_the_whole_gallery(path, tmp_path):
    shutil.copy(path, tmp_path / 'copy')
    assert content(tmp_path / 'copy') == content(path)
    assert sorted(file.name for file in path.parent.iterdir()) == ['copy', 'people.rim']
