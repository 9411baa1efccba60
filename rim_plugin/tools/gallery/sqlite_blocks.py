"""Blocks of binary codes in a SQLite file: what a search of many photos reads whole."""

from __future__ import annotations

import sqlite3
from zlib import crc32

import numpy as np

TABLE = 'CREATE TABLE block (first INTEGER PRIMARY KEY, ids BLOB NOT NULL, codes BLOB NOT NULL, crc INTEGER NOT NULL)'
_BLOCK = 4096  # codes
_ROW = 'SELECT first, ids, codes, crc FROM block'


class Damage(Exception):
    """What is damaged in a file, in a few words."""


class Blocks:
    """Codes uint8 (n, bytes) of photos ``ids``, int64 (n, ), rising.

    Every method raises :class:`Damage` where a block is not as it was written.

    Args:
        database: has :data:`TABLE`; whoever calls begins and ends transactions.
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """All ids and codes."""
        blocks = [_checked(row) for row in self._database.execute(f'{_ROW} ORDER BY first')]
        if len({codes.shape[1] for _, codes in blocks}) != 1:
            raise Damage('codes of different lengths, or none')
        ids, codes = (np.concatenate(each) for each in zip(*blocks))
        return ids, codes

    def append(self, ids: np.ndarray, codes: np.ndarray) -> None:
        """Add codes, beginning with what the last block has room for."""
        last = self._database.execute(f'{_ROW} ORDER BY first DESC LIMIT 1').fetchone()
        if last is not None:
            before, known = _checked(last)
            if len(before) < _BLOCK:
                self._drop(last[0])
                ids, codes = np.concatenate([before, ids]), np.concatenate([known, codes])
        for start in range(0, len(ids), _BLOCK):
            self._insert(ids[start : start + _BLOCK], codes[start : start + _BLOCK])

    def delete(self, old: np.ndarray) -> None:
        """Take out the codes of these photos, int64 (n, )."""
        while len(old):
            query = f'{_ROW} WHERE first <= ? ORDER BY first DESC LIMIT 1'
            row = self._database.execute(query, (int(old.max()),)).fetchone()
            ids, codes = (old[:0], old[:0]) if row is None else _checked(row)
            if int(old.max()) not in ids:
                raise Damage('codes are missing')
            kept = ~np.isin(ids, old)
            self._drop(row[0])
            self._insert(ids[kept], codes[kept])
            old = old[~np.isin(old, ids)]

    def _drop(self, first: int) -> None:
        self._database.execute('DELETE FROM block WHERE first = ?', (first,))

    def _insert(self, ids: np.ndarray, codes: np.ndarray) -> None:
        if len(ids):
            row = int(ids[0]), ids.astype('<i8').tobytes(), codes.tobytes()
            self._database.execute('INSERT INTO block VALUES (?, ?, ?, ?)', (*row, _crc(*row)))


def _crc(first: int, ids: bytes, codes: bytes) -> int:
    return crc32(codes, crc32(ids, first))


def _checked(row: tuple[int, bytes, bytes, int]) -> tuple[np.ndarray, np.ndarray]:
    """Ids (n, ) and codes (n, bytes) of a block's row."""
    first, ids, codes, crc = row
    whole = isinstance(ids, bytes) and isinstance(codes, bytes) and len(ids) and not len(ids) % 8
    if not whole or len(codes) % (len(ids) // 8) or _crc(first, ids, codes) != crc:
        raise Damage(f'codes from {first} on')
    numbers = np.frombuffer(ids, '<i8')
    return numbers, np.frombuffer(codes, np.uint8).reshape(len(numbers), -1)
