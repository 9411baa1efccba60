"""Galleries in a PostgreSQL database with the extension pgvector, 0.8 or newer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from rim_plugin.errors import first_words
from rim_plugin.packages import import_package
from rim_plugin.tools.gallery.store import (
    EXACT,
    Enrolled,
    GalleryError,
    Hit,
    Store,
    best_photos,
    check_weights,
    joined_cut,
    newest,
    no_such_gallery,
    nobody_enrolled,
    nobody_to_find,
    readable_text,
    unit_rows,
)

SCHEMES = ('postgresql://', 'postgres://')
_EXTRA = "'rim-plugin[postgres]'"
_TABLES = (
    'CREATE EXTENSION IF NOT EXISTS vector',
    'CREATE TABLE IF NOT EXISTS rim_gallery (id serial PRIMARY KEY, name text UNIQUE NOT NULL, sha256 text NOT NULL, '
    'dimension integer NOT NULL)',
    'CREATE TABLE IF NOT EXISTS rim_photo (gallery integer NOT NULL REFERENCES rim_gallery, name text NOT NULL, '
    'file text NOT NULL, side integer NOT NULL, embedding halfvec NOT NULL, PRIMARY KEY (gallery, name, file))',
    # what tables of before lack; in the order in which everybody uses the two, or one would wait for the other for ever
    'ALTER TABLE rim_gallery ADD COLUMN IF NOT EXISTS cut text',
    'ALTER TABLE rim_photo ADD COLUMN IF NOT EXISTS quality real',
)
_HAS_QUALITY = "SELECT 1 FROM information_schema.columns WHERE table_name = 'rim_photo' AND column_name = 'quality'"

_MAKING = 0x52494D47  # advisory lock of those who make the tables
_LEAST_PHOTOS = 100  # that a search through the index gives
_VISITED = 1000  # by one step of it, the most that pgvector allows


class _Gallery(NamedTuple):
    id: int
    sha256: str
    dimension: int  # of embeddings, 0 before the first
    cut: str | None  # how the faces were


class PostgresStore(Store):
    """A gallery in a database, see :class:`rim_plugin.tools.gallery.store.Store`.

    Args:
        url: ``postgresql://[USER@]HOST[:PORT]/DATABASE``; a password comes from ``PGPASSWORD`` or ``~/.pgpass``, too.
        name: of the gallery in the database.
        sha256: of the weights in use; None where no face is compared.
        make: make an empty gallery of these weights, and the tables, where there are none.

    Raises:
        GalleryError: no such database or gallery, or one made with other weights.
        MissingPackage: psycopg or pgvector is not installed.
    """

    def __init__(self, url: str, name: str, sha256: str | None = None, make: bool = False) -> None:
        self._psycopg = import_package('psycopg', '--store', _EXTRA)
        self._vectors = import_package('pgvector.psycopg', '--store', _EXTRA)
        self._half = import_package('pgvector', '--store', _EXTRA).HalfVector
        self._name = readable_text(name)
        with self._troubles():
            self._database = self._psycopg.connect(url, autocommit=True, connect_timeout=10)
        try:
            if make and sha256 is not None:
                self._make(sha256)
            with self._transaction() as gallery:
                self.sha256 = gallery.sha256
                self._quality = 'quality' if self._database.execute(_HAS_QUALITY).fetchone() else 'NULL::real'
                self._vectors.register_vector(self._database)
            check_weights(name, self.sha256, sha256)
        except BaseException:
            self.close()
            raise

    def _make(self, sha256: str) -> None:
        with self._troubles(), self._database.transaction():
            self._database.execute('SELECT pg_advisory_xact_lock(%s)', (_MAKING,))
            for table in _TABLES:
                self._database.execute(table)
            row = 'INSERT INTO rim_gallery (name, sha256, dimension) VALUES (%s, %s, 0) ON CONFLICT DO NOTHING'
            self._database.execute(row, (self._name, sha256))

    def close(self) -> None:
        """Free the connection."""
        self._database.close()

    def add(self, photos: Sequence[Enrolled], embeddings: np.ndarray, cut: str | None = None) -> None:
        """See :class:`Store`. From :data:`EXACT` photos on the gallery gets an index of pgvector."""
        photos, embeddings = newest(photos, embeddings)
        with self._transaction('FOR UPDATE') as gallery:
            rows = unit_rows(embeddings, gallery.dimension, self._name)
            cut = joined_cut(self._name, gallery.cut, self._photos(gallery), cut)
            self._copy(gallery.id, photos, rows)
            gallery = gallery._replace(dimension=rows.shape[1])
            size = 'UPDATE rim_gallery SET dimension = %s WHERE id = %s'
            self._database.execute(size, (gallery.dimension, gallery.id))
            if cut != gallery.cut:
                self._database.execute('UPDATE rim_gallery SET cut = %s WHERE id = %s', (cut, gallery.id))
            if self._photos(gallery) > EXACT:
                self._database.execute(_index_statement(gallery))

    def _copy(self, gallery: int, photos: Sequence[Enrolled], rows: np.ndarray) -> None:
        self._database.execute('CREATE TEMPORARY TABLE incoming (LIKE rim_photo) ON COMMIT DROP')
        with self._database.cursor().copy('COPY incoming FROM STDIN (FORMAT BINARY)') as copy:
            copy.set_types(['int4', 'text', 'text', 'int4', 'halfvec', 'float4'])
            for photo, row in zip(photos, rows):
                copy.write_row((gallery, *photo[:3], self._half(row), photo.quality))
        self._database.execute(
            'INSERT INTO rim_photo SELECT * FROM incoming ON CONFLICT (gallery, name, file) '
            'DO UPDATE SET side = EXCLUDED.side, embedding = EXCLUDED.embedding, quality = EXCLUDED.quality'
        )
        self._database.execute('DROP TABLE incoming')

    def remove(self, name: str) -> int:
        """See :class:`Store`."""
        name = readable_text(name)
        with self._transaction('FOR UPDATE') as gallery:
            done = self._database.execute('DELETE FROM rim_photo WHERE gallery = %s AND name = %s', (gallery.id, name))
            if not done.rowcount:
                raise nobody_enrolled(name, self._people(gallery))
            return int(done.rowcount)

    def people(self) -> dict[str, int]:
        """See :class:`Store`."""
        with self._transaction() as gallery:
            return self._people(gallery)

    def _people(self, gallery: _Gallery) -> dict[str, int]:
        query = 'SELECT name, count(*) FROM rim_photo WHERE gallery = %s GROUP BY name'
        return dict(sorted(self._database.execute(query, (gallery.id,)).fetchall()))

    def size(self) -> int:
        """See :class:`Store`."""
        with self._transaction() as gallery:
            return self._photos(gallery)

    def cut(self) -> str | None:
        """See :class:`Store`."""
        with self._transaction() as gallery:
            return gallery.cut

    def search(self, embedding: np.ndarray, ranks: int = 5) -> list[Hit]:
        """See :class:`Store`."""
        with self._transaction() as gallery:
            photos = max(_LEAST_PHOTOS, 4 * ranks)
            while True:
                nearest = self._nearest(gallery, np.asarray(embedding), photos)
                if not nearest:
                    raise nobody_to_find()
                found = best_photos(nearest, ranks)
                if len(found) == ranks or len(nearest) < photos:
                    return found
                photos *= 8  # few persons with many photos each

    def _nearest(self, gallery: _Gallery, embedding: np.ndarray, photos: int) -> list[tuple[float, Enrolled]]:
        probe = unit_rows(embedding[None], gallery.dimension, 'the probe')[0]
        self._database.execute(f'SET LOCAL hnsw.ef_search = {_VISITED}')
        self._database.execute('SET LOCAL hnsw.iterative_scan = strict_order')
        distance = f'embedding::halfvec({gallery.dimension}) <#> %s::halfvec'
        query = (  # numbers are written out: with parameters, the planner would not see that the index serves
            f'SELECT name, file, side, {self._quality}, -({distance}) FROM rim_photo WHERE gallery = {gallery.id} '
            f'ORDER BY {distance} LIMIT {photos}'
        )
        vector = self._half(probe)
        rows = self._database.execute(query, (vector, vector)).fetchall()
        return [(similarity, Enrolled(*photo)) for *photo, similarity in rows]

    def _photos(self, gallery: _Gallery) -> int:
        query = 'SELECT count(*) FROM rim_photo WHERE gallery = %s'
        return int(self._database.execute(query, (gallery.id,)).fetchone()[0])

    @contextmanager
    def _transaction(self, lock: str = '') -> Iterator[_Gallery]:
        """The gallery's row in a transaction; ``lock``: alone with it, ``FOR UPDATE``."""
        with self._troubles(), self._database.transaction():
            cut = "to_jsonb(rim_gallery) ->> 'cut'"  # null in tables of before, too, which have no such column
            query = f'SELECT id, sha256, dimension, {cut} FROM rim_gallery WHERE name = %s {lock}'
            row = self._database.execute(query, (self._name,)).fetchone()
            if row is None:
                raise no_such_gallery(self._name)
            yield _Gallery(*row)

    @contextmanager
    def _troubles(self) -> Iterator[Any]:
        """psycopg's errors in one line, without the address, which may hold a password."""
        try:
            yield
        except (self._psycopg.errors.UndefinedTable, self._psycopg.errors.UndefinedObject):
            raise no_such_gallery(self._name) from None
        except self._psycopg.Error as error:
            raise GalleryError(f'{self._name}: the database says: {first_words(error)}') from None


def _index_statement(gallery: _Gallery) -> str:
    return (
        f'CREATE INDEX IF NOT EXISTS rim_photo_{gallery.id} ON rim_photo '
        f'USING hnsw ((embedding::halfvec({gallery.dimension})) halfvec_ip_ops) '
        f'WITH (m = 24, ef_construction = 200) WHERE gallery = {gallery.id}'
    )
