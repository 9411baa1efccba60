"""Images of a face store, decoded and compared with what the store says of them."""

from collections.abc import Sequence
from zlib import crc32

import numpy as np

from rim_plugin.data.landmarks import PARSING_CLASSES
from rim_plugin.data.photo_files import decode_image
from rim_plugin.errors import UnreadableImage


def decode_stored(encoded: bytes, kind: str, shape: Sequence[int], crc: int | None = None) -> np.ndarray:
    """An image of a store.

    Args:
        encoded: the file's content.
        kind: ``gt`` or ``parsing``.
        shape: (h, w, ...) that ``meta_info.txt`` gives it.
        crc: CRC-32 that it gives it; None where it gives none.

    Returns:
        uint8: RGB (h, w, 3), or a parsing map (h, w).

    Raises:
        UnreadableImage: it cannot be decoded, has another side or class than it may, or is not what was written.
    """
    image = decode_image(encoded, grey=kind == 'parsing')
    if image.shape[:2] != tuple(shape[:2]):
        raise UnreadableImage(f'{image.shape[1]}x{image.shape[0]} pixels, listed as {shape[1]}x{shape[0]}')
    if kind == 'parsing' and image.max() >= len(PARSING_CLASSES):
        raise UnreadableImage(f'class {image.max()}, where the highest is {len(PARSING_CLASSES) - 1}')
    if crc not in (None, crc32(encoded)):
        raise UnreadableImage('not what was written: another CRC-32')
    return image
