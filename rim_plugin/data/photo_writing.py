"""Pictures to bytes of PNG, JPEG, WebP or TIFF, with colour profile, EXIF data, opacity and, where the format has them,
16 bits a channel."""

import io
import struct
import zlib
from typing import Any

import cv2
import numpy as np
from PIL import Image

from rim_plugin.data.photo_files import Photo

EXTENSIONS = {'png': 'PNG', 'jpg': 'JPEG', 'webp': 'WEBP', 'tif': 'TIFF'}
_QUALITY = 95  # of JPEG and WebP
# Of what is enlarged: as small as Pillow's own, in an eighth of the time; before 4.12 OpenCV has one filter alone.
_PNG = [cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
if hasattr(cv2, 'IMWRITE_PNG_FILTER'):
    _PNG += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_PAETH]
_HEADER = 33  # bytes of a PNG before its second chunk


def encode_photo(photo: Photo, extension: str) -> bytes:
    """A picture as a file's bytes.

    Args:
        photo: JPEG lays its transparency over white; JPEG and WebP keep 8 of 16 bits.
        extension: one of :data:`EXTENSIONS`.

    Raises:
        OSError: the format cannot hold so many pixels.
    """
    if extension == 'png':
        return _png(photo)
    if photo.pixels.dtype == np.uint16 and extension == 'tif':
        return _deep_tiff(photo)
    pixels = photo.rgb if extension == 'jpg' else _eight_bits(photo.pixels)
    extra: dict[str, Any] = {'icc_profile': photo.profile} if photo.profile else {}
    if photo.exif:
        extra['exif'] = photo.exif
    file = io.BytesIO()
    if extension in ('jpg', 'webp'):
        extra['quality'] = _QUALITY
    Image.fromarray(pixels).save(file, EXTENSIONS[extension], **extra)
    return file.getvalue()


def _eight_bits(pixels: np.ndarray) -> np.ndarray:
    return pixels if pixels.dtype == np.uint8 else np.rint(pixels / 257).astype(np.uint8)


def _png(photo: Photo) -> bytes:
    """OpenCV's PNG, of 8 or 16 bits a channel, with the chunks that it leaves out."""
    order = cv2.COLOR_RGB2BGR if photo.pixels.shape[2] == 3 else cv2.COLOR_RGBA2BGRA
    encoded = cv2.imencode('.png', cv2.cvtColor(photo.pixels, order), _PNG)[1].tobytes()
    chunks = b''
    if photo.profile:
        chunks += _chunk(b'iCCP', b'ICC profile\0\0' + zlib.compress(photo.profile))
    if photo.exif:
        chunks += _chunk(b'eXIf', photo.exif.removeprefix(b'Exif\0\0'))
    return encoded[:_HEADER] + chunks + encoded[_HEADER:]


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack('>I', len(content)) + kind + content + struct.pack('>I', zlib.crc32(kind + content))


def _deep_tiff(photo: Photo) -> bytes:
    """TIFF of 16 bits a channel; of EXIF data it has nothing."""
    import tifffile

    file = io.BytesIO()
    opacity = ['unassalpha'] if photo.pixels.shape[2] == 4 else None
    tifffile.imwrite(
        file, photo.pixels, photometric='rgb', compression='zlib', iccprofile=photo.profile, extrasamples=opacity
    )
    return file.getvalue()
