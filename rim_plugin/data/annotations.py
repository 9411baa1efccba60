"""Reading face annotations: 68-point ``.pts``, Helen's 194-point text files, LFW-style lists of five points."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from rim_plugin.errors import SkippedPhoto


class AnnotationReader(Protocol):
    """Gives the landmarks of a photo."""

    num_landmarks: int

    def __call__(self, name: str | os.PathLike[str], image: np.ndarray) -> np.ndarray:
        """
        Args:
            name: path of the photo below its folder.
            image: its pixels, uint8 RGB (H, W, 3).

        Returns:
            (L, 2), x and y in pixels, an integer being the centre of a pixel.

        Raises:
            SkippedPhoto: there are no landmarks, or they cannot be read.
        """


def _points(numbers: Sequence[Sequence[str]], count: int, path: object) -> np.ndarray:
    """(count, 2) array from texts, or SkippedPhoto."""
    try:
        points = np.array([[float(x), float(y)] for x, y in numbers])
    except ValueError as error:
        raise SkippedPhoto('unreadable annotation', f'{path}: {error}') from None
    if points.shape != (count, 2):
        raise SkippedPhoto('wrong number of points', f'{path}: {len(points)} points, {count} wanted')
    if not np.isfinite(points).all():
        raise SkippedPhoto('unreadable annotation', f'{path}: a coordinate is not a finite number')
    return points


class PtsFolder:
    """68-point ``.pts`` files of 300-W, one per photo, with its path and name; 1-based, as 300-W has them."""

    num_landmarks = 68

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = Path(folder)

    def __call__(self, name: str | os.PathLike[str], image: np.ndarray) -> np.ndarray:
        path = (self._folder / name).with_suffix('.pts')
        if not path.is_file():
            raise SkippedPhoto('no annotation', f'{path} is missing')
        body = re.search(r'\{(.*?)\}', path.read_text(encoding='utf-8', errors='replace'), re.DOTALL)
        if not body:
            raise SkippedPhoto('unreadable annotation', f'{path}: no points between braces')
        rows = [line.split()[:2] for line in body.group(1).splitlines() if line.strip()]
        return _points(rows, self.num_landmarks, path) - 1


class Helen194Folder:
    """Helen's own annotation: text files ``N.txt``, the photo's name in the first line, then 194 lines ``x , y``."""

    num_landmarks = 194

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._paths: dict[str, Path] = {}
        for path in sorted(Path(folder).glob('*.txt')):
            with open(path, encoding='utf-8', errors='replace') as file:
                self._paths[file.readline().strip()] = path

    def __call__(self, name: str | os.PathLike[str], image: np.ndarray) -> np.ndarray:
        path = self._paths.get(Path(name).stem) or self._paths.get(Path(name).name)
        if not path:
            raise SkippedPhoto('no annotation', f'no text file begins with {Path(name).stem}')
        lines = path.read_text(encoding='utf-8', errors='replace').splitlines()[1:]
        return _points([line.split(',') for line in lines if line.strip()], self.num_landmarks, path)


class FivePointsFile:
    """LFW-style list: a line per photo, its path below the photos' folder and x, y of the five points; 0-based."""

    num_landmarks = 5

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = path
        self._rows: dict[str, list[str]] = {}
        for line in Path(path).read_text(encoding='utf-8', errors='replace').splitlines():
            if line.strip():
                name, *numbers = line.rsplit(maxsplit=10)
                self._rows[name] = numbers

    def __call__(self, name: str | os.PathLike[str], image: np.ndarray) -> np.ndarray:
        numbers = self._rows.get(Path(name).as_posix())
        if numbers is None:
            raise SkippedPhoto('no annotation', f'{self._path} has no line for it')
        return _points(list(zip(numbers[::2], numbers[1::2])), self.num_landmarks, f'{self._path}, line of {name}')


def open_annotations(path: str | os.PathLike[str]) -> AnnotationReader:
    """The reader for an annotation path, by what is there.

    Args:
        path: a folder of ``.pts`` (also in sub-folders), a folder of Helen-194 ``.txt``, or a text file
            of five points.

    Returns:
        The reader of that kind of annotation.

    Raises:
        FileNotFoundError: nothing is there, or a folder without annotations.
    """
    path = Path(path)
    if path.is_file():
        return FivePointsFile(path)
    if not path.is_dir():
        raise FileNotFoundError(f'Annotations: no such file or folder: {path}')
    if next(path.rglob('*.pts'), None):
        return PtsFolder(path)
    if next(path.glob('*.txt'), None):
        return Helen194Folder(path)
    raise FileNotFoundError(
        f'Annotations: {path} holds neither .pts files (68 points) nor .txt files (Helen, 194 '
        'points). For five points name the text file itself.'
    )
