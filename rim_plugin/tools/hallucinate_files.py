"""Folders of faces or photos through the hallucination network."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from tqdm import tqdm

from rim_plugin.archs.recogniser import FACE_SIZE
from rim_plugin.data.detect import Detector
from rim_plugin.data.photo_files import read_rgb
from rim_plugin.data.resize import to_tensor
from rim_plugin.errors import UnreadableImage
from rim_plugin.files import require_folder, write_atomically
from rim_plugin.sheets import GAP, comparison_sheet
from rim_plugin.tools.api import RIM
from rim_plugin.tools.photos import enlarged_photo, find_faces, paste_faces


class Picture(NamedTuple):
    """A picture that was hallucinated.

    Attributes:
        target: of its files without suffix and extension.
        before: uint8 (H, W, 3), by bicubic interpolation.
        after: the same, hallucinated.
        small, large: its faces before and after, uint8.
    """

    target: Path
    before: np.ndarray
    after: np.ndarray
    small: list[np.ndarray]
    large: list[np.ndarray]

    def files(self, rim: RIM, compare: bool, priors: bool) -> Iterator[tuple[Path, np.ndarray]]:
        """(file, picture) of each file to write."""
        yield _file(self.target), self.after
        if compare:
            white = np.full((len(self.after), GAP, 3), 255, np.uint8)
            yield _file(self.target, '_compare'), np.hstack([self.before, white, self.after])
        if priors:
            yield _file(self.target, '_priors'), prior_sheet(rim, self.small, self.large)


class Report(NamedTuple):
    """What a run did: files written, and a line about each input that was left out."""

    written: list[Path]
    skipped: list[str]


def hallucinate_files(
    rim: RIM,
    inputs: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    detector: Detector | None,
    scale: int,
    compare: bool,
    priors: bool,
    force: bool,
) -> Report:
    """Hallucinate the faces of files and folders, into PNG files of the same names.

    Args:
        rim: with a hallucination network.
        inputs: pictures, or folders that are searched with their sub-folders.
        output: folder for NAME.png; the places below an input folder are kept.
        detector: finds the faces of whole photos, see :func:`rim_plugin.tools.cascade.load_detector`; None: the
            inputs are aligned faces.
        scale: how much larger whole photos become.
        compare: also write NAME_compare.png: bicubic enlargement and result.
        priors: also write NAME_priors.png: LR, SR, landmarks and parsing map of each face.
        force: replace files that are there.

    Raises:
        FileNotFoundError: an input is not there, or a folder without pictures.
        FileExistsError: a file to be written is there already, without ``force``; nothing is done.
        ValueError: two inputs would become one file, or an input be overwritten; the weights lack what is asked for.
    """
    jobs = list(plan_files(inputs, Path(output), ['_compare'] * compare + ['_priors'] * priors, force).items())
    step, report = 1 if detector else rim.batch, Report([], [])
    with tqdm(total=len(jobs), unit='file') as bar:
        for start in range(0, len(jobs), step):
            part = jobs[start : start + step]
            pictures = _photos(rim, part, report, detector, scale) if detector else _faces(rim, part, report)
            for file, image in (item for picture in pictures for item in picture.files(rim, compare, priors)):
                write_png(file, image)
                report.written.append(file)
            bar.update(len(part))
    return report


def plan_files(
    inputs: Iterable[str | os.PathLike[str]], output: Path, suffixes: Sequence[str], force: bool
) -> dict[Path, Path]:
    """Each picture's path to its target without extension; raises what :func:`hallucinate_files` says."""
    require_folder(output)
    jobs = {path: (output / name).with_suffix('') for each in inputs for path, name in _pictures(Path(each))}
    own = {os.path.realpath(path) for path in jobs}
    sources: dict[Path, Path] = {}
    for path, target in jobs.items():
        for file in (_file(target, suffix) for suffix in ('', *suffixes)):
            if os.path.realpath(file) in own:
                raise ValueError(f'{file} is one of the inputs: name another output folder')
            if file in sources:
                raise ValueError(
                    f'{sources[file]} and {path} would both become {file}: rename one, or give them '
                    'different output folders'
                )
            sources[file] = path
    present = [] if force else [file for file in sources if file.exists()]
    if present:
        more = f' and {len(present) - 1} more files are' if len(present) > 1 else ' is'
        raise FileExistsError(f'{present[0]}{more} there already: --force replaces them')
    return jobs


def _pictures(path: Path) -> list[tuple[Path, str | Path]]:
    """(path, name below the input) of each picture."""
    if path.is_dir():
        from rim_plugin.data.prepare import find_photos

        return [(path / name, name) for name in find_photos(path)]
    if not path.exists():
        raise FileNotFoundError(f'{path}: no such file or folder')
    return [(path, path.name)]


def _file(target: Path, suffix: str = '') -> Path:
    return target.with_name(f'{target.name}{suffix}.png')


def _faces(rim: RIM, jobs: Iterable[tuple[Path, Path]], report: Report) -> Iterator[Picture]:
    """Picture of each aligned face of ``jobs``, all of them as one batch."""
    faces = {}
    for path, target in jobs:
        try:
            face = read_rgb(path)
            rim.check_small(face)
            faces[target] = face
        except UnreadableImage as error:
            report.skipped.append(str(error))
        except ValueError as error:
            report.skipped.append(f'{path}: {error}')
    for (target, face), result in zip(faces.items(), rim.hallucinate(list(faces.values()))):
        before = cv2.resize(face, result.shape[1::-1], interpolation=cv2.INTER_CUBIC)
        yield Picture(target, before, result, [face], [result])


def _photos(
    rim: RIM, jobs: Iterable[tuple[Path, Path]], report: Report, detector: Detector, scale: int
) -> Iterator[Picture]:
    """Picture of each photo of ``jobs``; faces that the recogniser takes as they are stay as they are, too."""
    largest = min(rim.image_size, FACE_SIZE)
    for path, target in jobs:
        try:
            photo = read_rgb(path)
            canvas = enlarged_photo(path, photo, scale)
            faces = find_faces(photo, detector, largest)
            if not faces:
                raise UnreadableImage(f'{path}: no face below {largest} pixels found in it')
        except UnreadableImage as error:
            report.skipped.append(str(error))
            continue
        small = [face.image for face in faces]
        large = rim.hallucinate(small)
        after = paste_faces(canvas, scale, [(face.points, image) for face, image in zip(faces, large)])
        yield Picture(target, canvas, after, small, large)


def write_png(path: Path, image: np.ndarray) -> None:
    """Write uint8 RGB (H, W, 3) as PNG, whole or not at all; makes the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, cv2.imencode('.png', np.ascontiguousarray(image[:, :, ::-1]))[1].tobytes())


def prior_sheet(rim: RIM, small: list[np.ndarray], large: list[np.ndarray]) -> np.ndarray:
    """LR | SR | landmarks | parsing, a face a row, from faces before and after; uint8 RGB."""
    rows = []
    for face, result, priors in zip(small, large, rim.priors(small)):
        row = {'lq': to_tensor(face), 'sr': to_tensor(result)}
        if priors.landmarks is not None:
            row['estimated_landmarks'] = torch.from_numpy(priors.landmarks)
        if priors.parsing is not None:
            row['parsing_logits'] = priors.parsing
        rows.append(row)
    return comparison_sheet(rows)[:, :, ::-1]
