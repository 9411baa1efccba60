"""Binary codes of embeddings, by which a large gallery is searched first.

The signs of at least 512 projections, as sign random projections (Charikar, STOC 2002) but of fixed orthogonal bases:
nothing is trained, so that a code depends on its embedding alone and photos come and go one by one.
"""

from __future__ import annotations

import functools

import numpy as np

_LEAST_BITS = 512
_PART = 256  # rows whose signs, a byte and then four each, stay in a core's cache


@functools.cache
def _projections(size: int) -> np.ndarray:
    """Orthogonal bases under each other, float32 (bits, size): cosine transforms of randomly signed components."""
    bits = max(_LEAST_BITS, -(-size // 64) * 64)
    frequency, place = np.ogrid[:size, :size]
    transform = np.cos(np.pi * (place + 0.5) * frequency / size) * np.sqrt(2 / size)
    transform[0] /= np.sqrt(2)
    signs = np.random.default_rng(0).choice((-1.0, 1.0), (-(-bits // size), 2, size))
    bases = [transform @ (first[:, None] * transform) * second for first, second in signs]
    return np.concatenate(bases)[:bits].astype(np.float32)


def code_bytes(size: int) -> int:
    """Bytes of the code of an embedding (size, )."""
    return len(_projections(size)) // 8


def encode(embeddings: np.ndarray) -> np.ndarray:
    """Codes uint8 (n, bytes) of embeddings float32 (n, D), whose projections are in memory some hundred at a time."""
    projections = _projections(embeddings.shape[1]).T
    return np.concatenate([np.packbits(part @ projections > 0, axis=1) for part in _parts(embeddings)])


class CodeIndex:
    """Codes, searched one after the other.

    Args:
        codes: uint8 (N, bytes), see :func:`encode`.
    """

    def __init__(self, codes: np.ndarray) -> None:
        import faiss

        self._codes = codes
        self._scan = faiss.IndexBinaryFlat(8 * codes.shape[1])
        # counting is faster for thousands of neighbours; the types of faiss lack the choice
        self._scan.use_heap = False  # type: ignore[attr-defined]
        self._scan.add(codes)

    def nearest(self, embedding: np.ndarray, count: int) -> np.ndarray:
        """Rows (count, ) of the codes most like an embedding, float32 (D, ), of length 1, in no order.

        Of the 13 * count nearest by Hamming distance, those with the largest product of embedding and signs (0 or 1).
        """
        projected = _projections(len(embedding)) @ embedding
        rows = self._scan.search(np.packbits(projected > 0)[None], min(13 * count, len(self._codes)))[1][0]
        signs = (np.unpackbits(self._codes[part], axis=1) for part in _parts(rows))
        products = np.concatenate([part.astype(np.float32) @ projected for part in signs])
        return rows[np.argpartition(-products, count - 1)[:count]]


def _parts(rows: np.ndarray) -> list[np.ndarray]:
    """Some hundred rows at a time."""
    return np.array_split(rows, 1 + len(rows) // _PART)
