"""Pictures of all faces as a few arrays, small enough to keep: WebP, one after the other."""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

_QUALITY = [cv2.IMWRITE_WEBP_QUALITY, 90]


def webp(picture: np.ndarray) -> bytes:
    """A BGR uint8 picture (H, W, 3) as WebP."""
    return cv2.imencode('.webp', picture, _QUALITY)[1].tobytes()


def packed(files: Sequence[bytes]) -> dict[str, np.ndarray]:
    """Files as arrays for the cache: ``sr_files``, uint8, all in a row, and ``sr_ends``, int64, where each ends."""
    ends = np.cumsum([len(file) for file in files], dtype=np.int64)
    return {'sr_files': np.frombuffer(b''.join(files), np.uint8), 'sr_ends': ends}


def unpacked(arrays: Mapping[str, np.ndarray], index: int) -> bytes:
    """The file of a place in what :func:`packed` made."""
    start = arrays['sr_ends'][index - 1] if index else 0
    return arrays['sr_files'][start : arrays['sr_ends'][index]].tobytes()
