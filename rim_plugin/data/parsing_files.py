"""Reading parsing maps: a PNG of classes for each photo, or Helen's own, a PNG for each class of a photo."""

import os
from pathlib import Path

import numpy as np
from PIL import Image

from rim_plugin.data.landmarks import PARSING_CLASSES
from rim_plugin.errors import SkippedPhoto


def read_parsing(folder: str | os.PathLike[str], name: str | os.PathLike[str], shape: tuple[int, int]) -> np.ndarray:
    """The parsing map of a photo.

    Args:
        folder: of the maps. ``NAME.png``, a palette or 8-bit grey PNG, holds classes 0 to 10; or the folder ``NAME``
            has ``NAME_lbl00.png`` to ``NAME_lbl10.png``, how much a pixel is of each class, as in the ``labels`` of
            Helen's SmithCVPR2013_dataset_resized (Smith et al. 2013).
        name: path of the photo below the photos' folder.
        shape: height and width of the photo.

    Returns:
        uint8 (H, W), classes 0 to 10; of several equal ones at a pixel the first.

    Raises:
        SkippedPhoto: there is no map, or it is damaged, of another shape or has other classes.
    """
    path = Path(folder) / name
    layers = path.with_suffix('')
    return _strongest(layers, shape) if layers.is_dir() else _classes(path.with_suffix('.png'), shape)


def _classes(path: Path, shape: tuple[int, int]) -> np.ndarray:
    mode, parsing = _opened(path, shape)
    if mode not in ('P', 'L') or parsing.max() >= len(PARSING_CLASSES):
        raise SkippedPhoto(
            'bad parsing map',
            f'{path}: mode {mode}, highest class {parsing.max()}; '
            f'wanted a palette or grey PNG of classes 0 to {len(PARSING_CLASSES) - 1}',
        )
    return parsing


def _strongest(folder: Path, shape: tuple[int, int]) -> np.ndarray:
    layers = [_layer(folder / f'{folder.name}_lbl{index:02d}.png', shape) for index in range(len(PARSING_CLASSES))]
    return np.argmax(layers, axis=0).astype(np.uint8)


def _layer(path: Path, shape: tuple[int, int]) -> np.ndarray:
    mode, layer = _opened(path, shape)
    if mode != 'L':
        raise SkippedPhoto('bad parsing map', f'{path}: mode {mode}; wanted a grey PNG')
    return layer


def _opened(path: Path, shape: tuple[int, int]) -> tuple[str, np.ndarray]:
    """Mode and pixels of an image; one of another shape than the photo's is not decoded."""
    if not path.is_file():
        raise SkippedPhoto('no parsing map', f'{path} is missing')
    try:
        with Image.open(path) as image:
            if image.size != shape[::-1]:
                width, height = image.size
                raise ValueError(f'{width}x{height} pixels, its photo has {shape[1]}x{shape[0]}')
            return image.mode, np.array(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise SkippedPhoto('bad parsing map', f'{path}: {error}') from None
