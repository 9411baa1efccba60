"""Reading pictures: every kind becomes 8-bit RGB, or one line says why not and what to do."""

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, TypeAlias

import cv2
import numpy as np
from PIL import Image, ImageOps
from PIL.TiffImagePlugin import TiffImageFile

from rim_plugin.data.resize import check_image
from rim_plugin.errors import UnreadableImage

AnyPicture: TypeAlias = 'str | os.PathLike[str] | np.ndarray | Image.Image'
MAX_PIXELS = 100_000_000
MIN_SIDE = 4
_ORIENTATION, _BITS_PER_SAMPLE = 0x0112, 258  # tags of EXIF and TIFF


class Photo(NamedTuple):
    """A picture with all that its file says.

    Attributes:
        pixels: uint8 or, of 16 bits a channel, uint16 (H, W, 3), RGB, or (H, W, 4) with opacity; upright.
        profile: the ICC profile of its colours; None where it has none, or none of RGB.
        exif: its EXIF data, without the orientation, which is applied; empty where it has none.
    """

    pixels: np.ndarray
    profile: bytes | None
    exif: bytes

    @property
    def rgb(self) -> np.ndarray:
        """uint8 (H, W, 3), what networks see: transparency laid over white."""
        pixels = self.pixels if self.pixels.dtype == np.uint8 else np.rint(self.pixels / 257).astype(np.uint8)
        if pixels.shape[2] == 3:
            return pixels
        return np.array(_over_white(Image.fromarray(pixels)).convert('RGB'))


def read_photo(path: str | os.PathLike[str], check: Callable[[int, int], None] | None = None) -> Photo:
    """A picture with its 16 bits, opacity, colour profile and EXIF data; arguments and errors of :func:`read_rgb`."""
    with _opened(path, check) as image:
        upright = ImageOps.exif_transpose(image)
        exif, profile = upright.getexif(), image.info.get('icc_profile')
        is_rgb = profile is not None and profile[16:20] == b'RGB ' and image.mode in ('RGB', 'RGBA', 'P')
        return Photo(_pixels(path, image, upright), profile if is_rgb else None, exif.tobytes() if len(exif) else b'')


def _pixels(path: str | os.PathLike[str], image: Image.Image, upright: Image.Image) -> np.ndarray:
    """Pixels of :class:`Photo`."""
    if image.mode.startswith('I') and image.mode != 'I':
        return np.repeat(np.asarray(upright).astype(np.uint16)[:, :, None], 3, 2)
    if _bits(path, image) == 16 and image.mode in ('RGB', 'RGBA'):  # of which Pillow keeps eight
        return _turned_like(_decoded_deep(path), image.getexif().get(_ORIENTATION, 1))
    if image.has_transparency_data:
        return np.array(upright.convert('RGBA'))
    return _to_rgb(path, upright)


def _bits(path: str | os.PathLike[str], image: Image.Image) -> int:
    """Bits a channel that the file has."""
    if isinstance(image, TiffImageFile):
        return int(image.tag_v2.get(_BITS_PER_SAMPLE, (8,))[0])
    if image.format != 'PNG':
        return 8
    with open(path, 'rb') as file:
        return file.read(25)[24]


def _decoded_deep(path: str | os.PathLike[str]) -> np.ndarray:
    """uint16 (H, W, 3 or 4), RGB, as stored."""
    with open(path, 'rb') as file:
        pixels = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16 or pixels.ndim != 3:
        raise UnreadableImage(f'{path}: its 16 bits a channel cannot be read: save it with 8, or as PNG')
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB if pixels.shape[2] == 3 else cv2.COLOR_BGRA2RGBA)


def _turned_like(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Stored pixels upright, by EXIF's orientation, 1 to 8."""
    if orientation in (5, 6, 7, 8):
        pixels = np.swapaxes(pixels, 0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


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


def as_rgb(picture: AnyPicture) -> np.ndarray:
    """A picture as uint8 (H, W, 3), RGB: read, converted from Pillow's, or, of an array, itself.

    Raises:
        UnreadableImage: as :func:`read_rgb`.
        ValueError: an array of another kind.
    """
    if isinstance(picture, Image.Image):
        return _to_rgb('picture', ImageOps.exif_transpose(picture))
    if isinstance(picture, (str, os.PathLike)):
        return read_rgb(picture)
    check_image(picture)
    return picture


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
        UnreadableImage: it is empty, or cannot be decoded.
    """
    flag = cv2.IMREAD_GRAYSCALE if grey else cv2.IMREAD_COLOR
    image = cv2.imdecode(np.frombuffer(encoded, np.uint8), flag) if encoded else None
    if image is None:
        raise UnreadableImage('it cannot be decoded' if encoded else 'it is empty')
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
        image = _over_white(image.convert('RGBA'))
    return np.array(image.convert('RGB'))


def _over_white(image: Image.Image) -> Image.Image:
    return Image.alpha_composite(Image.new('RGBA', image.size, 'white'), image)
