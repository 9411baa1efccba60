"""Reading pictures: every kind becomes 8-bit RGB, or one line says why not and what to do."""

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import cv2
import numpy as np
from PIL import Image, ImageOps

from rim_plugin.errors import UnreadableImage

MAX_PIXELS = 100_000_000
MIN_SIDE = 4


def read_rgb(
    path: str | os.PathLike[str], upright: bool = True, check: Callable[[int, int], None] | None = None
) -> np.ndarray:
    """A picture as 8-bit RGB; 16-bit grey is scaled, grey repeated, transparency laid over white.

    Args:
        path: whatever Pillow reads; of several frames the first.
        upright: turn it as its EXIF data say; else the stored pixels, to which annotations refer.
        check: of width and height, which are known before the picture is decoded; raises ValueError.

    Returns:
        uint8, (H, W, 3).

    Raises:
        UnreadableImage: what ``check`` says; or missing, no picture, damaged, of floating point, smaller than 4 pixels
            or of 100 megapixels and more.
    """
    with _opened(path, check) as image:
        return _to_rgb(path, ImageOps.exif_transpose(image) if upright else image)


def check_picture(path: str | os.PathLike[str], check: Callable[[int, int], None] | None = None) -> None:
    """What a file's header tells of :func:`read_rgb`'s errors; nothing is decoded.

    Raises:
        UnreadableImage: see there.
    """
    with _opened(path, check):
        pass


@contextmanager
def _opened(path: str | os.PathLike[str], check: Callable[[int, int], None] | None) -> Iterator[Image.Image]:
    """Pillow's picture, its header checked; whatever goes wrong in the block, too, becomes an UnreadableImage."""
    if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
        raise UnreadableImage(f'{path}: a pipe or a device, not a file')  # which may never come to an end
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', Image.DecompressionBombWarning)  # MAX_PIXELS decides, before decoding
            with Image.open(path) as image:
                _check_size(path, *image.size)
                if check is not None:
                    _check_by(path, check, *image.size)
                yield image
    except UnreadableImage:
        raise
    except FileNotFoundError:
        raise UnreadableImage(f'{path}: no such file') from None
    except IsADirectoryError:
        raise UnreadableImage(f'{path}: a folder; name one picture in it') from None
    except Image.DecompressionBombError:
        raise UnreadableImage(_too_large(path, 'far more than 100')) from None
    except Image.UnidentifiedImageError:
        raise UnreadableImage(f'{path}: not a picture, or of a kind that is not read: save it as PNG or JPEG') from None
    except PermissionError:
        raise UnreadableImage(f"{path}: may not be read: it is somebody else's") from None
    except Exception as error:  # Pillow's readers of damaged EXIF blocks and rare kinds raise anything
        raise UnreadableImage(f'{path}: damaged or unreadable ({error}): replace it, or save it anew') from None


def decode_image(encoded: bytes, grey: bool = False) -> np.ndarray:
    """An encoded picture as uint8: RGB (H, W, 3), or the values (H, W) of a ``grey`` one.

    Raises:
        UnreadableImage: it cannot be decoded.
    """
    flag = cv2.IMREAD_GRAYSCALE if grey else cv2.IMREAD_COLOR
    image = cv2.imdecode(np.frombuffer(encoded, np.uint8), flag)
    if image is None:
        raise UnreadableImage('it cannot be decoded')
    return image if grey else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _check_size(path: str | os.PathLike[str], width: int, height: int) -> None:
    if min(width, height) < MIN_SIDE:
        raise UnreadableImage(
            f'{path}: {width}x{height} pixels are too small for a face: at least {MIN_SIDE}x'
            f'{MIN_SIDE}, and little is recognised below 14x14'
        )
    if width * height >= MAX_PIXELS:
        raise UnreadableImage(_too_large(path, f'{width * height / 1e6:.0f}'))


def _check_by(path: str | os.PathLike[str], check: Callable[[int, int], None], width: int, height: int) -> None:
    try:
        check(width, height)
    except ValueError as error:
        raise UnreadableImage(f'{path}: {error}') from None


def _too_large(path: str | os.PathLike[str], megapixels: str) -> str:
    return f'{path}: {megapixels} megapixels; only below {MAX_PIXELS // 10**6} are read: scale it down first'


def _to_rgb(path: str | os.PathLike[str], image: Image.Image) -> np.ndarray:
    """Pillow's picture to uint8 (H, W, 3)."""
    if image.mode == 'F' or image.mode == 'I' and np.asarray(image).max() > 65535:
        raise UnreadableImage(f'{path}: has 32 bits a channel: save it with 8 or 16')
    if image.mode.startswith('I'):  # Pillow's own conversion of 16-bit grey cuts at 255
        grey = (np.asarray(image).clip(0) / 257).round().astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, 2)
    if image.has_transparency_data:
        image = image.convert('RGBA')
        image = Image.alpha_composite(Image.new('RGBA', image.size, 'white'), image)
    return np.array(image.convert('RGB'))
