"""Blocks of binary codes in the tables of a store: what a search of many photos reads whole."""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any
from zlib import crc32

import numpy as np

BLOCK = 4096  # codes
Row = tuple[int, bytes, bytes, int]  # the first photo's id, all ids, their codes, CRC-32


class Damage(Exception):
    """What is damaged in a store, in a few words."""


class Blocks(ABC):
    """Codes uint8 (n, bytes) of photos ``ids``, int64 (n, ), rising; whoever calls begins and ends transactions.

    Every method raises :class:`Damage` where a block is not as it was written.
    """

    @abstractmethod
    def _last(self, number: int | None = None) -> Row | None:
        """The last block, or the last that begins with this id or one before it."""

    @abstractmethod
    def _insert(self, row: Row) -> None:
        """Write a new block."""

    @abstractmethod
    def _drop(self, first: int) -> None:
        """Delete a block."""

    def append(self, ids: np.ndarray, codes: np.ndarray) -> None:
        """Add codes, beginning with what the last block has room for."""
        last = self._last()
        if last is not None:
            before, known = checked(last)
            if len(before) < BLOCK:
                self._drop(last[0])
                ids, codes = np.concatenate([before, ids]), np.concatenate([known, codes])
        for start in range(0, len(ids), BLOCK):
            self._insert(_row(ids[start : start + BLOCK], codes[start : start + BLOCK]))

    def delete(self, old: np.ndarray) -> None:
        """Take out the codes of these photos, int64 (n, )."""
        while len(old):
            row = self._last(int(old.max()))
            ids, codes = (old[:0], old[:0]) if row is None else checked(row)
            if row is None or int(old.max()) not in ids:
                raise Damage('codes are missing')
            kept = ~np.isin(ids, old)
            self._drop(row[0])
            if kept.any():
                self._insert(_row(ids[kept], codes[kept]))
            old = old[~np.isin(old, ids)]


class SqliteBlocks(Blocks):
    """Those of a SQLite file.

    Args:
        database: has :attr:`TABLE`.
    """

    TABLE = (
        'CREATE TABLE block (first INTEGER PRIMARY KEY, ids BLOB NOT NULL, codes BLOB NOT NULL, crc INTEGER NOT NULL)'
    )
    _ROW = 'SELECT first, ids, codes, crc FROM block'

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def rows(self) -> Iterator[Row]:
        """All blocks."""
        return self._database.execute(f'{self._ROW} ORDER BY first')

    def _last(self, number: int | None = None) -> Row | None:
        where, values = ('', ()) if number is None else ('WHERE first <= ?', (number,))
        row: Row | None = self._database.execute(f'{self._ROW} {where} ORDER BY first DESC LIMIT 1', values).fetchone()
        return row

    def _insert(self, row: Row) -> None:
        self._database.execute('INSERT INTO block VALUES (?, ?, ?, ?)', row)

    def _drop(self, first: int) -> None:
        self._database.execute('DELETE FROM block WHERE first = ?', (first,))


class PostgresBlocks(Blocks):
    """Those of one gallery in a PostgreSQL database.

    Args:
        database: a psycopg connection; the database has :attr:`TABLE`.
        gallery: its id.
        version: of the gallery, with which blocks are written.
    """

    TABLE = (
        'CREATE TABLE IF NOT EXISTS rim_block (gallery integer NOT NULL REFERENCES rim_gallery, first bigint NOT NULL, '
        'version bigint NOT NULL, ids bytea NOT NULL, codes bytea NOT NULL, crc bigint NOT NULL, '
        'PRIMARY KEY (gallery, first))'
    )
    _ROW = 'SELECT first, ids, codes, crc FROM rim_block WHERE gallery = %s'

    def __init__(self, database: Any, gallery: int, version: int) -> None:
        self._database, self._gallery, self._version = database, gallery, version

    def since(self, version: int) -> Iterator[Row]:
        """Blocks that were written after this version."""
        rows: Iterator[Row] = self._database.execute(
            f'{self._ROW} AND version > %s', (self._gallery, version), binary=True
        )
        return rows

    def firsts(self) -> list[int]:
        """The first id of every block, rising."""
        query = 'SELECT first FROM rim_block WHERE gallery = %s ORDER BY first'
        return [first for (first,) in self._database.execute(query, (self._gallery,))]

    def _last(self, number: int | None = None) -> Row | None:
        where, values = ('', ()) if number is None else ('AND first <= %s', (number,))
        query = f'{self._ROW} {where} ORDER BY first DESC LIMIT 1'
        row: Row | None = self._database.execute(query, (self._gallery, *values), binary=True).fetchone()
        return row

    def _insert(self, row: Row) -> None:
        insert = 'INSERT INTO rim_block (gallery, version, first, ids, codes, crc) VALUES (%s, %s, %s, %s, %s, %s)'
        self._database.execute(insert, (self._gallery, self._version, *row))

    def _drop(self, first: int) -> None:
        self._database.execute('DELETE FROM rim_block WHERE gallery = %s AND first = %s', (self._gallery, first))


def joined(blocks: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """All ids and codes of checked blocks.

    Raises:
        Damage: there are none, or their codes differ in length.
    """
    if len({codes.shape[1] for _, codes in blocks}) != 1:
        raise Damage('codes of different lengths, or none')
    ids, codes = (np.concatenate(each) for each in zip(*blocks))
    return ids, codes


def _row(ids: np.ndarray, codes: np.ndarray) -> Row:
    first, numbers, values = int(ids[0]), ids.astype('<i8').tobytes(), codes.tobytes()
    return first, numbers, values, _crc(first, numbers, values)


def _crc(first: int, ids: bytes, codes: bytes) -> int:
    return crc32(codes, crc32(ids, first))


def checked(row: Row) -> tuple[np.ndarray, np.ndarray]:
    """Ids (n, ) and codes (n, bytes) of a block.

    Raises:
        Damage: it is not as it was written.
    """
    first, ids, codes, crc = row
    whole = isinstance(ids, bytes) and isinstance(codes, bytes) and len(ids) and not len(ids) % 8
    if not whole or len(codes) % (len(ids) // 8) or _crc(first, ids, codes) != crc:
        raise Damage(f'codes from {first} on')
    numbers = np.frombuffer(ids, '<i8')
    return numbers, np.frombuffer(codes, np.uint8).reshape(len(numbers), -1)
