"""A gallery in one SQLite file.

Three tables beside the gallery's own row: who is on which photo, the embeddings in half precision, and blocks of binary
codes (:mod:`rim_plugin.tools.gallery.codes`) that a search of many photos reads into memory. Every row carries a CRC-32
over its key and content, the gallery's row the number of photos and the sum of their CRCs: whatever is used is checked
when it is read.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote
from zlib import crc32

import numpy as np

from rim_plugin.tools.gallery.code_blocks import Damage, SqliteBlocks, checked, joined
from rim_plugin.tools.gallery.codes import CodeIndex, code_bytes, encode
from rim_plugin.tools.gallery.index_file import is_index_file
from rim_plugin.tools.gallery.store import (
    EXACT,
    AnyPath,
    Enrolled,
    GalleryError,
    Hit,
    Store,
    check_weights,
    first_persons,
    joined_cut,
    newest,
    no_such_gallery,
    nobody_enrolled,
    nobody_to_find,
    readable_text,
    unit_rows,
)

_APPLICATION = 0x52494D47  # 'RIMG', SQLite's application_id
_FORMAT, _OLDEST = 4, 2
_TABLES = (
    'CREATE TABLE gallery (sha256 TEXT NOT NULL, dimension INTEGER NOT NULL, photos INTEGER NOT NULL, '
    'total INTEGER NOT NULL, crc INTEGER NOT NULL, cut TEXT)',
    'CREATE TABLE photo (id INTEGER PRIMARY KEY, name TEXT NOT NULL, file TEXT NOT NULL, side INTEGER NOT NULL, '
    'crc INTEGER NOT NULL, quality REAL)',
    'CREATE UNIQUE INDEX photo_of_person ON photo (name, file)',
    'CREATE TABLE embedding (id INTEGER PRIMARY KEY, value BLOB NOT NULL, crc INTEGER NOT NULL)',
    SqliteBlocks.TABLE,
)
_UPGRADES = {3: ('photo', 'quality REAL'), 4: ('gallery', 'cut TEXT')}  # columns that a format added; so does writing
_PART = 1024  # embeddings read at a time
_MOST_SIMILAR = 1.01  # of embeddings in half precision
_CACHE = 16384  # KiB of the file: the upper pages of a million embeddings, which every search goes through
_SECONDS = 120  # that one writer waits for another
_TROUBLES = {
    'locked': 'another process is writing: try again',
    'disk is full': 'no space left on the disk: make room; the gallery is as it was',
    'readonly': 'the file or its folder may not be written to',
    'unable to open': 'cannot be opened: look at the permissions of file and folder',
    'disk i/o error': 'the disk reports an error in reading or writing',
}


class _Gallery(NamedTuple):
    sha256: str
    dimension: int  # of embeddings, 0 before the first
    photos: int
    total: int  # sum of the photos' CRCs
    cut: str | None = None  # how the faces were


class SqliteStore(Store):
    """A gallery in a file, see :class:`rim_plugin.tools.gallery.store.Store`. Several processes may write to it.

    Args:
        path: the file.
        sha256: of the weights in use; None where no face is compared.
        make: make an empty gallery, of these weights, where there is no file.

    Raises:
        GalleryError: no such file, no gallery, a damaged one, or one made with other weights.
    """

    def __init__(self, path: AnyPath, sha256: str | None = None, make: bool = False) -> None:
        self._path = Path(path)
        self._checked = False  # before the first writing
        self._index: tuple[int, np.ndarray, CodeIndex] | None = None  # version of the data, ids of photos, their codes
        if self._path.is_dir():
            raise GalleryError(f'{path}: a folder; a gallery is a file, named first')
        if not make and not self._path.is_file():
            raise no_such_gallery(str(path))
        if self._path.is_file() and is_index_file(self._path):
            raise GalleryError(f'{path}: an index of an earlier version: take it over by rim-gallery import NEW {path}')
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._troubles():
            uri = f'file:{quote(os.path.abspath(path))}?mode=rw{"c" * make}'
            self._database = sqlite3.connect(uri, uri=True, timeout=_SECONDS, isolation_level=None)
        self._blocks = SqliteBlocks(self._database)
        try:
            self.sha256 = self._open(sha256 if make else None)
            check_weights(str(path), self.sha256, sha256)
        except BaseException:
            self.close()
            raise

    def _open(self, sha256: str | None) -> str:
        with self._troubles():
            self._database.execute('PRAGMA trusted_schema = OFF')
            self._database.execute(f'PRAGMA cache_size = -{_CACHE}')
            if sha256 is not None and not self._objects():
                self._make(sha256)
            with self._transaction('DEFERRED'):
                version = self._pragma('user_version')
                if self._objects() != _tables(version) or self._pragma('application_id') != _APPLICATION:
                    raise Damage('no gallery')
                if not _OLDEST <= version <= _FORMAT:
                    raise Damage(f'format {version}, not {_FORMAT}')
                return self._gallery().sha256

    def _objects(self) -> list[str]:
        return sorted(sql for (sql,) in self._database.execute('SELECT sql FROM sqlite_master WHERE sql IS NOT NULL'))

    def _pragma(self, name: str) -> int:
        return int(self._database.execute(f'PRAGMA {name}').fetchone()[0])

    def _make(self, sha256: str) -> None:
        with self._transaction('IMMEDIATE'):
            if not self._objects():  # nobody else made it meanwhile
                for table in _TABLES:
                    self._database.execute(table)
                self._database.execute(f'PRAGMA application_id = {_APPLICATION}')
                self._database.execute(f'PRAGMA user_version = {_FORMAT}')
                self._set_gallery(_Gallery(sha256, 0, 0, 0))

    def close(self) -> None:
        """Free the file."""
        self._database.close()

    def people(self) -> dict[str, int]:
        """See :class:`Store`; checks every photo's row."""
        with self._reading() as gallery:
            count: Counter[str] = Counter()
            total = 0
            for row in self._rows('NOT INDEXED'):
                count[_photo(row).name] += 1
                total += row[-1]
            if (count.total(), total) != (gallery.photos, gallery.total):
                raise Damage(f'{count.total()} photos, not {gallery.photos}')
            return dict(sorted(count.items()))

    def size(self) -> int:
        """See :class:`Store`."""
        with self._reading() as gallery:
            return gallery.photos

    def cut(self) -> str | None:
        """See :class:`Store`."""
        with self._reading() as gallery:
            return gallery.cut

    def search(self, embedding: np.ndarray, ranks: int = 5) -> list[Hit]:
        """See :class:`Store`."""
        with self._reading() as gallery:
            if not gallery.photos:
                raise nobody_to_find()
            probe = unit_rows(np.asarray(embedding)[None], gallery.dimension, 'the probe')[0]
            return first_persons(lambda width: self._found(gallery, probe, width), gallery.photos, ranks)

    def _found(self, gallery: _Gallery, probe: np.ndarray, width: int) -> Iterator[tuple[float, Enrolled]]:
        """Photos by falling similarity: all, or about the ``width`` nearest."""
        if max(width, EXACT) >= gallery.photos:
            ids, similarities = self._compare(probe, 'SELECT id, value, crc FROM embedding ORDER BY id')
            if len(ids) != gallery.photos or not (np.diff(ids) > 0).all():
                raise Damage(f'{len(ids)} embeddings, not {gallery.photos}')
        else:
            wanted, codes = self._codes(gallery)
            near = np.sort(wanted[codes.nearest(probe, width)])
            parts = [self._compare(probe, _those('embedding', 'id, value, crc', part)) for part in _parts(near)]
            ids, similarities = (np.concatenate(each) for each in zip(*parts))
            if not np.array_equal(ids, near):
                raise Damage('embeddings are missing')
        order = np.argsort(-similarities, kind='stable')
        for row in order:
            yield float(similarities[row]), self._photo_of(int(ids[row]))

    def _compare(self, probe: np.ndarray, query: str) -> tuple[np.ndarray, np.ndarray]:
        """Ids and similarities, both (n, ), of a probe, float32 (D, ), and rows of the table of embeddings."""
        ids, similarities = [np.empty(0, np.int64)], [np.empty(0, np.float32)]
        cursor = self._database.execute(query)
        while rows := cursor.fetchmany(_PART):
            numbers, values = _values(rows, len(probe))
            ids.append(numbers)
            similarities.append(values.astype(np.float32) @ probe)
            if not (np.abs(similarities[-1]) < _MOST_SIMILAR).all():  # NaN, too
                raise Damage('an embedding whose length is not 1')
        return np.concatenate(ids), np.concatenate(similarities)

    def _rows(self, where: str, *values: object) -> sqlite3.Cursor:
        """Rows of photos: id, name, file, side, quality, CRC."""
        columns = f'id, name, file, side, {self._since(3, "quality")}, crc'
        return self._database.execute(f'SELECT {columns} FROM photo {where}', values)

    def _since(self, version: int, column: str) -> str:
        """A column that a format added, in a query; the file may be of one before it."""
        return column if self._pragma('user_version') >= version else 'NULL'

    def _photo_of(self, number: int) -> Enrolled:
        row = self._rows('WHERE id = ?', number).fetchone()
        if row is None:
            raise Damage(f'photo {number} is missing')
        return _photo(row)

    def _codes(self, gallery: _Gallery) -> tuple[np.ndarray, CodeIndex]:
        """Ids (N, ) of the photos and the index of their codes; read again when anybody has written."""
        version = self._pragma('data_version')
        if self._index is None or self._index[0] != version:
            self._index = None
            ids, codes = joined([checked(row) for row in self._blocks.rows()])
            if codes.shape != (gallery.photos, code_bytes(gallery.dimension)):
                raise Damage(f'codes {codes.shape} of {gallery.photos} photos')
            self._index = version, ids, CodeIndex(codes)
        return self._index[1:]

    def add(self, photos: Sequence[Enrolled], embeddings: np.ndarray, cut: str | None = None) -> None:
        """See :class:`Store`."""
        photos, embeddings = newest(photos, embeddings)
        with self._writing() as gallery:
            rows = unit_rows(embeddings, gallery.dimension, str(self._path))
            cut = joined_cut(str(self._path), gallery.cut, gallery.photos, cut)
            gallery = self._delete(gallery, self._same(photos))
            start = 1 + self._database.execute('SELECT coalesce(max(id), 0) FROM photo').fetchone()[0]
            ids = range(start, start + len(photos))
            named = [(number, *photo, _photo_crc(number, photo)) for number, photo in zip(ids, photos)]
            insert = 'INSERT INTO photo (id, name, file, side, quality, crc) VALUES (?, ?, ?, ?, ?, ?)'
            self._database.executemany(insert, named)
            values = ((number, value, crc32(value, number)) for number, value in zip(ids, _halves(rows)))
            self._database.executemany('INSERT INTO embedding VALUES (?, ?, ?)', values)
            self._blocks.append(np.array(ids, np.int64), encode(rows))
            count, total = gallery.photos + len(photos), gallery.total + sum(row[-1] for row in named)
            self._set_gallery(_Gallery(gallery.sha256, rows.shape[1], count, total, cut))

    def _same(self, photos: Sequence[Enrolled]) -> list[tuple[int, int]]:
        """Ids and CRCs of the rows that these photos replace."""
        found = (self._rows('WHERE name = ? AND file = ?', *photo[:2]).fetchone() for photo in photos)
        return [(row[0], row[-1]) for row in found if row is not None and _photo(row)]

    def remove(self, name: str) -> int:
        """See :class:`Store`."""
        name = readable_text(name)
        with self._writing() as gallery:
            old = [(row[0], row[-1]) for row in self._rows('WHERE name = ?', name) if _photo(row)]
            if not old:
                raise nobody_enrolled(name, self._names())
            self._set_gallery(self._delete(gallery, old))
            return len(old)

    def _names(self) -> list[str]:
        return [name for (name,) in self._database.execute('SELECT DISTINCT name FROM photo')]

    def _delete(self, gallery: _Gallery, old: list[tuple[int, int]]) -> _Gallery:
        """Delete photos of these ids and CRCs; the gallery's row without them, not yet written."""
        for table in ('photo', 'embedding'):
            cursor = self._database.executemany(f'DELETE FROM {table} WHERE id = ?', [(number,) for number, _ in old])
            if old and cursor.rowcount != len(old):
                raise Damage('embeddings are missing')
        self._blocks.delete(np.array([number for number, _ in old], np.int64))
        return gallery._replace(photos=gallery.photos - len(old), total=gallery.total - sum(crc for _, crc in old))

    def _gallery(self) -> _Gallery:
        columns = f'crc, sha256, dimension, photos, total, {self._since(4, "cut")}'
        rows = self._database.execute(f'SELECT {columns} FROM gallery').fetchall()
        if len(rows) != 1 or _gallery_crc(gallery := _Gallery(*rows[0][1:])) != rows[0][0]:
            raise Damage('its description')
        return gallery

    def _set_gallery(self, gallery: _Gallery) -> None:
        self._database.execute('DELETE FROM gallery')
        insert = 'INSERT INTO gallery (sha256, dimension, photos, total, cut, crc) VALUES (?, ?, ?, ?, ?, ?)'
        self._database.execute(insert, (*gallery, _gallery_crc(gallery)))

    @contextmanager
    def _reading(self) -> Iterator[_Gallery]:
        """One state of the gallery, whatever others write meanwhile."""
        with self._troubles(), self._transaction('DEFERRED'):
            yield self._gallery()

    @contextmanager
    def _writing(self) -> Iterator[_Gallery]:
        """Alone with the gallery; all that is written, or nothing."""
        self._index = None
        with self._troubles(), self._transaction('IMMEDIATE'):
            for table, column in _lacking(self._pragma('user_version')):
                self._database.execute(f'ALTER TABLE {table} ADD COLUMN {column}')
            self._database.execute(f'PRAGMA user_version = {_FORMAT}')
            if not self._checked:  # searching a damaged index of names would miss photos
                (verdict,) = self._database.execute('PRAGMA integrity_check(photo)').fetchone()
                if verdict != 'ok':
                    raise Damage(verdict)
                self._checked = True
            yield self._gallery()

    @contextmanager
    def _transaction(self, kind: str) -> Iterator[None]:
        self._database.execute(f'BEGIN {kind}')
        try:
            yield
            self._database.execute('COMMIT')
        finally:
            if self._database.in_transaction:
                self._database.execute('ROLLBACK')

    @contextmanager
    def _troubles(self) -> Iterator[None]:
        """SQLite's errors in one line."""
        try:
            yield
        except (sqlite3.Error, UnicodeDecodeError, Damage) as error:  # text that is no UTF-8, of an error, too
            told = [remedy for words, remedy in _TROUBLES.items() if words in str(error).lower()]
            damaged = f'damaged, or no gallery of rim-gallery ({error}): restore a copy, or name another file'
            raise GalleryError(f'{self._path}: {told[0] if told else damaged}') from None


def _crc(*values: object) -> int:
    """CRC-32 of a row's values; of another kind than was written, another CRC."""
    return crc32(json.dumps(values, default=repr).encode())


def _tables(version: int) -> list[str]:
    """What a file of a format holds, as :meth:`SqliteStore._objects` has it."""
    tables = [*_TABLES]
    for _, column in _lacking(version):
        tables = [table.replace(f', {column}', '') for table in tables]
    return sorted(tables)


def _lacking(version: int) -> list[tuple[str, str]]:
    """Tables and columns that a file of a former format is without."""
    return [added for since, added in _UPGRADES.items() if version < since]


def _gallery_crc(gallery: _Gallery) -> int:
    """Of the gallery's row; where it is not known how faces were cut as before that was kept."""
    return _crc(*(gallery if gallery.cut is not None else gallery[:4]))


def _photo_crc(number: int, photo: Enrolled) -> int:
    """Of a photo's row; of one without quality as before there was any."""
    return _crc(number, *(photo if photo.quality is not None else photo[:3]))


def _photo(row: tuple[Any, ...]) -> Enrolled:
    """A photo's row, checked."""
    number, *values, crc = row
    if _photo_crc(number, photo := Enrolled(*values)) != crc:
        raise Damage(f'photo {number}')
    return photo


def _values(rows: list[tuple[int, bytes, int]], dimension: int) -> tuple[np.ndarray, np.ndarray]:
    """Ids (n, ) and embeddings, float16 (n, dimension), of rows of the table of embeddings, checked."""
    ids, values, crcs = zip(*rows)
    kinds = {*map(type, values)} == {bytes} and {*map(len, values)} == {2 * dimension}
    if not kinds or tuple(map(crc32, values, ids)) != crcs:
        raise Damage(f'embeddings {ids[0]} to {ids[-1]}')
    return np.array(ids), np.frombuffer(b''.join(values), '<f2').reshape(len(rows), dimension)


def _halves(rows: np.ndarray) -> Iterator[bytes]:
    """Each of the rows float32 (n, D) in half precision."""
    return (row.tobytes() for row in rows.astype('<f2'))


def _parts(ids: np.ndarray) -> Iterator[np.ndarray]:
    return (ids[start : start + _PART] for start in range(0, len(ids), _PART))


def _those(table: str, columns: str, ids: np.ndarray) -> str:
    """A query of the rows with these ids, by rising id."""
    return f'SELECT {columns} FROM {table} WHERE id IN ({",".join(map(str, ids.tolist()))}) ORDER BY id'
