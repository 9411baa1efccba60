"""Galleries in a PostgreSQL database with the extension pgvector, 0.8 or newer.

Embeddings in half precision beside the names, and blocks of binary codes (:mod:`rim_plugin.tools.gallery.codes`), which
every connection keeps in memory and reads again only where they have changed. They say which photos the server
compares.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from rim_plugin.errors import first_words
from rim_plugin.packages import import_package
from rim_plugin.tools.gallery.code_blocks import BLOCK, Damage, PostgresBlocks, checked, joined
from rim_plugin.tools.gallery.codes import CodeIndex, code_bytes, encode
from rim_plugin.tools.gallery.store import (
    EXACT,
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

SCHEMES = ('postgresql://', 'postgres://')
_EXTRA = "'rim-plugin[postgres]'"
_TABLES = (
    'CREATE EXTENSION IF NOT EXISTS vector',
    'CREATE TABLE IF NOT EXISTS rim_gallery (id serial PRIMARY KEY, name text UNIQUE NOT NULL, sha256 text NOT NULL, '
    'dimension integer NOT NULL)',
    'CREATE TABLE IF NOT EXISTS rim_photo (gallery integer NOT NULL REFERENCES rim_gallery, name text NOT NULL, '
    'file text NOT NULL, side integer NOT NULL, embedding halfvec NOT NULL, PRIMARY KEY (gallery, name, file))',
    PostgresBlocks.TABLE,
    # what tables of before lack; in the order in which everybody uses the two, or one would wait for the other for ever
    'ALTER TABLE rim_gallery ADD COLUMN IF NOT EXISTS cut text, ADD COLUMN IF NOT EXISTS version bigint',
    'ALTER TABLE rim_photo ADD COLUMN IF NOT EXISTS quality real, ADD COLUMN IF NOT EXISTS id bigint',
    'CREATE SEQUENCE IF NOT EXISTS rim_photo_id',
    'CREATE UNIQUE INDEX IF NOT EXISTS rim_photo_number ON rim_photo (id)',
)
_HAS_QUALITY = "SELECT 1 FROM information_schema.columns WHERE table_name = 'rim_photo' AND column_name = 'quality'"
_MAKING = 0x52494D47  # advisory lock of those who make the tables
_SNAPSHOT = 'SET TRANSACTION ISOLATION LEVEL REPEATABLE READ'  # whatever others write meanwhile


class _Gallery(NamedTuple):
    id: int
    sha256: str
    dimension: int  # of embeddings, 0 before the first
    cut: str | None  # how the faces were
    version: int | None  # of the codes; None: of before, without codes


class _Codes(NamedTuple):
    """What a connection knows of a gallery's codes."""

    version: int = -1
    blocks: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    ids: np.ndarray = np.empty(0, np.int64)
    scan: CodeIndex | None = None


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
        self._known = _Codes()
        self._has_codes = False  # known before the first writing
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
        self._make_tables()
        with self._troubles():
            row = 'INSERT INTO rim_gallery (name, sha256, dimension, version) VALUES (%s, %s, 0, 0)'
            self._database.execute(f'{row} ON CONFLICT DO NOTHING', (self._name, sha256))

    def _make_tables(self) -> None:
        with self._troubles(), self._database.transaction():
            self._database.execute('SELECT pg_advisory_xact_lock(%s)', (_MAKING,))
            for table in _TABLES:
                self._database.execute(table)

    def close(self) -> None:
        """Free the connection."""
        self._database.close()

    def add(self, photos: Sequence[Enrolled], embeddings: np.ndarray, cut: str | None = None) -> None:
        """See :class:`Store`."""
        photos, embeddings = newest(photos, embeddings)
        with self._writing() as (gallery, blocks):
            rows = unit_rows(embeddings, gallery.dimension, self._name)
            any_photo = 'SELECT EXISTS (SELECT 1 FROM rim_photo WHERE gallery = %s)::integer'
            cut = joined_cut(self._name, gallery.cut, self._number(any_photo, gallery), cut)
            ids = self._copy(gallery, blocks, photos, rows)
            blocks.append(ids, encode(rows))
            update = 'UPDATE rim_gallery SET dimension = %s, cut = %s WHERE id = %s'
            self._database.execute(update, (rows.shape[1], cut, gallery.id))

    def _copy(
        self, gallery: _Gallery, blocks: PostgresBlocks, photos: Sequence[Enrolled], rows: np.ndarray
    ) -> np.ndarray:
        """Write photos in the place of those of the same names and files; their ids, int64 (n, )."""
        columns = 'gallery, name, file, side, embedding, quality, id'
        query = "SELECT nextval('rim_photo_id') FROM generate_series(1, %s)"
        ids = np.array(self._database.execute(query, (len(photos),)).fetchall(), np.int64).ravel()
        incoming = f'CREATE TEMPORARY TABLE incoming ON COMMIT DROP AS SELECT {columns} FROM rim_photo WITH NO DATA'
        self._database.execute(incoming)
        with self._database.cursor().copy(f'COPY incoming ({columns}) FROM STDIN (FORMAT BINARY)') as copy:
            copy.set_types(['int4', 'text', 'text', 'int4', 'halfvec', 'float4', 'int8'])
            for number, photo, row in zip(ids.tolist(), photos, rows):
                copy.write_row((gallery.id, *photo[:3], self._half(row), photo.quality, number))
        same = (
            'rim_photo.gallery = incoming.gallery AND rim_photo.name = incoming.name AND rim_photo.file = incoming.file'
        )
        self._deleted(blocks, f'DELETE FROM rim_photo USING incoming WHERE {same} RETURNING rim_photo.id')
        self._database.execute(f'INSERT INTO rim_photo ({columns}) SELECT {columns} FROM incoming')
        self._database.execute('DROP TABLE incoming')
        return ids

    def _deleted(self, blocks: PostgresBlocks, statement: str, *values: object) -> int:
        """Delete photos by a statement that returns their ids; their number."""
        ids = [number for (number,) in self._database.execute(statement, values)]
        blocks.delete(np.sort(np.array(ids, np.int64)))
        return len(ids)

    def remove(self, name: str) -> int:
        """See :class:`Store`."""
        name = readable_text(name)
        with self._writing() as (gallery, blocks):
            delete = 'DELETE FROM rim_photo WHERE gallery = %s AND name = %s RETURNING id'
            count = self._deleted(blocks, delete, gallery.id, name)
            if not count:
                raise nobody_enrolled(name, self._people(gallery))
            return count

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
            return self._number('SELECT count(*) FROM rim_photo WHERE gallery = %s', gallery)

    def cut(self) -> str | None:
        """See :class:`Store`."""
        with self._transaction() as gallery:
            return gallery.cut

    def search(self, embedding: np.ndarray, ranks: int = 5) -> list[Hit]:
        """See :class:`Store`. A gallery of an earlier version is searched photo by photo until it is written to."""
        with self._transaction() as gallery:
            probe = unit_rows(np.asarray(embedding)[None], gallery.dimension, 'the probe')[0]
            codes = self._codes(gallery)

            def found(width: int) -> list[tuple[float, Enrolled]]:
                if codes.scan is None or max(width, EXACT) >= len(codes.ids):
                    return self._best(gallery, probe, ranks)
                near = codes.ids[codes.scan.nearest(probe, width)]
                return self._best(gallery, probe, ranks, near)

            hits = first_persons(found, len(codes.ids), ranks)
            if not hits:
                raise nobody_to_find()
            return hits

    def _best(
        self, gallery: _Gallery, probe: np.ndarray, ranks: int, ids: np.ndarray | None = None
    ) -> list[tuple[float, Enrolled]]:
        """The persons' best photos, of all or of these, the first ``ranks`` by falling similarity."""
        # of ids alone, lest the planner reads the whole gallery by another index
        among, value = ('gallery = %s', gallery.id) if ids is None else ('id = ANY(%s)', ids.tolist())
        query = (
            f'SELECT * FROM (SELECT DISTINCT ON (name) name, file, side, {self._quality}, '
            f'-(embedding <#> %s::halfvec) AS similarity FROM rim_photo WHERE {among} '
            'ORDER BY name, similarity DESC) AS best ORDER BY similarity DESC LIMIT %s'
        )
        rows = self._database.execute(query, (self._half(probe), value, ranks)).fetchall()
        return [(similarity, Enrolled(*photo)) for *photo, similarity in rows]

    def _codes(self, gallery: _Gallery) -> _Codes:
        """What the gallery has now; only blocks that somebody has written since the last search are read."""
        if gallery.version is not None and gallery.version != self._known.version:
            blocks, known = PostgresBlocks(self._database, gallery.id, gallery.version), self._known
            read = {**known.blocks, **{row[0]: checked(row) for row in blocks.since(known.version)}}
            kept = {first: read[first] for first in blocks.firsts()}
            if kept:
                ids, codes = joined([*kept.values()])
                if codes.shape[1] != code_bytes(gallery.dimension):
                    raise Damage(f'codes of {codes.shape[1]} bytes')
                self._known = _Codes(gallery.version, kept, ids, CodeIndex(codes))
            else:
                self._known = _Codes(gallery.version)
        return self._known

    def _number(self, query: str, gallery: _Gallery) -> int:
        return int(self._database.execute(query, (gallery.id,)).fetchone()[0])

    @contextmanager
    def _writing(self) -> Iterator[tuple[_Gallery, PostgresBlocks]]:
        """Alone with the gallery, whose codes get a new version."""
        if not self._has_codes:
            self._upgrade()
            self._has_codes = True
        with self._transaction('FOR UPDATE') as gallery:
            version = 1 + (gallery.version or 0)
            yield gallery, PostgresBlocks(self._database, gallery.id, version)
            self._database.execute('UPDATE rim_gallery SET version = %s WHERE id = %s', (version, gallery.id))

    def _upgrade(self) -> None:
        """Give a gallery of an earlier version its codes, in the place of its index of pgvector."""
        with self._transaction() as gallery:
            former = gallery.version is None
        if not former:
            return
        self._make_tables()
        with self._transaction('FOR UPDATE') as gallery:
            if gallery.version is not None:  # somebody else was first
                return
            self._database.execute(f'DROP INDEX IF EXISTS rim_photo_{gallery.id}')
            number = "UPDATE rim_photo SET id = nextval('rim_photo_id') WHERE gallery = %s"
            self._database.execute(number, (gallery.id,))
            blocks = PostgresBlocks(self._database, gallery.id, 0)
            with self._database.cursor('numbered', binary=True) as rows:  # not all in memory
                rows.execute('SELECT id, embedding FROM rim_photo WHERE gallery = %s ORDER BY id', (gallery.id,))
                while part := rows.fetchmany(BLOCK):
                    values = np.stack([embedding.to_numpy() for _, embedding in part])
                    blocks.append(np.array([number for number, _ in part]), encode(values.astype(np.float32)))
            self._database.execute('UPDATE rim_gallery SET version = 0 WHERE id = %s', (gallery.id,))

    @contextmanager
    def _transaction(self, lock: str = '') -> Iterator[_Gallery]:
        """The gallery's row in a transaction that sees one state; ``lock``: alone with it, ``FOR UPDATE``."""
        with self._troubles(), self._database.transaction():
            if not lock:
                self._database.execute(_SNAPSHOT)
            added = (
                "to_jsonb(rim_gallery) ->> 'cut', (to_jsonb(rim_gallery) ->> 'version')::bigint"  # null in tables of
            )
            # before, too, which have no such columns
            query = f'SELECT id, sha256, dimension, {added} FROM rim_gallery WHERE name = %s {lock}'
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
        except Damage as error:
            raise GalleryError(f'{self._name}: damaged ({error}): restore the database from a copy') from None
        except self._psycopg.Error as error:
            raise GalleryError(f'{self._name}: the database says: {first_words(error)}') from None
