"""Binary codes of embeddings, by which a large gallery is searched first.

The signs of at least 512 projections, as sign random projections (Charikar, STOC 2002) but of fixed orthogonal bases:
nothing is trained, so that a code depends on its embedding alone and photos come and go one by one.
"""

from __future__ import annotations

import functools

import numpy as np

_LEAST_BITS = 512
_TOGETHER = 4  # signs that are looked up at once
_PART = 256  # embeddings whose projections, four bytes each, stay in a core's cache


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
    """Codes, searched one after the other: four signs at a time, by a table of the 16 sums that they may have (the fast
    scan of André et al., 2017, on codes of a product quantiser whose centroids are these signs).

    Args:
        codes: uint8 (N, bytes), see :func:`encode`.
    """

    def __init__(self, codes: np.ndarray) -> None:
        import faiss

        bits = 8 * codes.shape[1]
        plain = faiss.IndexPQ(bits, bits // _TOGETHER, _TOGETHER, faiss.METRIC_INNER_PRODUCT)
        centroids = np.tile(_signs(), (bits // _TOGETHER, 1, 1)).astype(np.float32)
        faiss.copy_array_to_vector(centroids.ravel(), plain.pq.centroids)
        plain.is_trained = True
        plain.add_sa_codes(codes)
        # points into the former; its types know another constructor alone
        self._plain, self._scan = plain, faiss.IndexPQFastScan(plain)  # type: ignore[arg-type]

    def nearest(self, embedding: np.ndarray, count: int) -> np.ndarray:
        """Rows (count, ) of the codes with the largest products with an embedding, float32 (D, ), of length 1, in no
        order: of the embedding's projections and the signs (0 or 1), sums of four of which are rounded to 8 bits."""
        projected = _projections(len(embedding)) @ embedding
        # a byte's first four signs are its upper half, the quantiser's second code
        probe = projected.reshape(-1, 2, _TOGETHER)[:, ::-1].reshape(1, -1)
        rows: np.ndarray = self._scan.search(np.ascontiguousarray(probe), count)[1][0]
        return rows


def _signs() -> np.ndarray:
    """What each half of a byte of a code stands for, (16, 4), 0 or 1: the first sign is its highest bit."""
    return np.arange(2**_TOGETHER)[:, None] >> np.arange(_TOGETHER)[::-1] & 1


def _parts(rows: np.ndarray) -> list[np.ndarray]:
    """Some hundred rows at a time."""
    return np.array_split(rows, 1 + len(rows) // _PART)
