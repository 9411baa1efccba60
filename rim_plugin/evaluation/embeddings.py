"""Embeddings that are known already, by all that they follow from: the networks and the values of the face."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from rim_plugin.network_key import DIGEST

_LIMIT = 2**28  # bytes: half a million embeddings in 128 dimensions


class KnownEmbeddings:
    """Embeddings by network and face, those that were used last.

    Weights, faces, sizes or degradations that change give other keys: nothing that is known can be out of date.

    Args:
        arrays: of :attr:`arrays`, to begin with.
        limit: bytes that all embeddings together may take.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray] | None = None, limit: int = _LIMIT) -> None:
        self._limit, self._bytes = limit, 0
        self._rows: OrderedDict[bytes, np.ndarray] = OrderedDict()
        if arrays is not None:
            self._keep({key.tobytes(): row for key, row in zip(arrays['keys'], arrays['embeddings'])})

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """All of one length: ``keys``, uint8 (N, 32), and ``embeddings``, float32 (N, D)."""
        keys = np.frombuffer(b''.join(self._rows), np.uint8).reshape(-1, 2 * DIGEST)
        return {'keys': keys, 'embeddings': np.array(list(self._rows.values()))}

    def embed(self, faces: Tensor, embedder: bytes, embed: Callable[[Tensor], Tensor]) -> Tensor:
        """``embed(faces)``, for which only unknown faces are embedded, in one batch.

        Args:
            faces: (N, 3, h, w), N > 0, on the CPU.
            embedder: all that ``embed`` depends on, see :func:`rim_plugin.network_key.network_key`.
            embed: (n, 3, h, w) to (n, D).

        Returns:
            (N, D), on the CPU.
        """
        keys = [embedder + _face_key(face) for face in faces]
        unknown = {key: place for place, key in enumerate(keys) if key not in self._rows}
        rows = {key: self._rows[key] for key in keys if key not in unknown}
        if unknown:
            rows.update(zip(unknown, embed(faces[list(unknown.values())]).cpu().numpy()))
        self._keep(rows)
        return torch.from_numpy(np.stack([rows[key] for key in keys]))

    def _keep(self, rows: Mapping[bytes, np.ndarray]) -> None:
        for key, row in rows.items():
            if key not in self._rows:
                self._rows[key] = row.copy()  # by itself, without its batch
                self._bytes += row.nbytes
            self._rows.move_to_end(key)
        while self._bytes > self._limit:
            self._bytes -= self._rows.popitem(last=False)[1].nbytes


def _face_key(face: Tensor) -> bytes:
    digest = hashlib.blake2b(repr((face.shape, face.dtype)).encode(), digest_size=DIGEST)
    digest.update(face.contiguous().numpy().data)
    return digest.digest()
