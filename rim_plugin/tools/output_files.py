"""Folders and pictures that are written."""

from pathlib import Path

import cv2
import numpy as np

from rim_plugin.files import write_atomically


def require_folder(path: Path) -> None:
    """NotADirectoryError where ``path``, into which files are to be written, or what it is in, is a file."""
    for place in (path, *path.parents):
        if place.exists() and not place.is_dir():
            raise NotADirectoryError(f'{place} is a file: name a folder to write into')


def write_png(path: Path, image: np.ndarray) -> None:
    """Write uint8 RGB (H, W, 3) as PNG, whole or not at all; makes the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, cv2.imencode('.png', np.ascontiguousarray(image[:, :, ::-1]))[1].tobytes())
