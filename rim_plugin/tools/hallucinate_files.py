"""Folders of faces or photos through the hallucination network."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import cv2
import numpy as np
import torch
from tqdm import tqdm

from rim_plugin.archs.recogniser import FACE_SIZE
from rim_plugin.data.detect import Detector
from rim_plugin.data.photo_files import read_rgb
from rim_plugin.data.resize import to_tensor
from rim_plugin.errors import UnreadableImage
from rim_plugin.files import remove_drafts, require_folder, write_atomically
from rim_plugin.memory import give_back
from rim_plugin.sheets import GAP, comparison_sheet
from rim_plugin.tools.api import RIM
from rim_plugin.tools.photos import check_enlarged, enlarged_photo, find_faces, paste_faces

Existing = Literal['refuse', 'replace', 'skip']
Job: TypeAlias = 'tuple[Path, Path]'  # path, target without extension
Read: TypeAlias = 'tuple[Path, Path, np.ndarray | UnreadableImage]'  # path, target, picture or why there is none
_BATCHES = 4  # of the network, that are read at a time: faces of several sizes still make full batches
_THREADS = 4  # that read, and that write
_PICTURES_TO_WRITE = 64


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


@dataclass
class Report:
    """What a run did.

    Attributes:
        written: pictures, without comparisons and priors.
        present: pictures that were there already, with ``existing='skip'``.
        skipped: a line about each input that was left out.
    """

    written: int = 0
    present: int = 0
    skipped: list[str] = field(default_factory=list)

    def add(self, other: Report) -> None:
        """Take in what another part of the run did."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))


def hallucinate_files(
    rim: RIM,
    inputs: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    detector: Detector | None,
    scale: int,
    compare: bool,
    priors: bool,
    existing: Existing = 'refuse',
    elsewhere: Callable[[Sequence[Job]], Iterator[Report]] | None = None,
) -> Report:
    """Hallucinate the faces of files and folders, into PNG files of the same names.

    Files are read ahead and written behind the network in threads; memory does not grow with their number.

    Args:
        rim: with a hallucination network.
        inputs: pictures, or folders that are searched with their sub-folders.
        output: folder for NAME.png; the places below an input folder are kept.
        detector: finds the faces of whole photos, see :func:`rim_plugin.tools.cascade.load_detector`; None: the
            inputs are aligned faces.
        scale: how much larger whole photos become.
        compare: also write NAME_compare.png: bicubic enlargement and result.
        priors: also write NAME_priors.png: LR, SR, landmarks and parsing map of each face.
        existing: what becomes of inputs whose files are there: ``refuse`` all, ``replace`` them, ``skip`` them.
        elsewhere: does :func:`hallucinate_jobs` with other processes, see :mod:`rim_plugin.tools.bulk`.

    Raises:
        FileNotFoundError: an input is not there, or a folder without pictures.
        FileExistsError: a file to be written is there already, with ``refuse``; nothing is done.
        OSError: a file cannot be written.
        ValueError: two inputs would become one file, or an input be overwritten; the weights lack what is asked for.
    """
    remove_drafts(Path(output))
    plan = plan_files(inputs, Path(output), ['_compare'] * compare + ['_priors'] * priors, existing)
    jobs, report = list(plan.jobs.items()), Report(present=plan.present)
    wanted = detector, scale, compare, priors
    parts = elsewhere(jobs) if elsewhere else hallucinate_jobs(rim, jobs, *wanted)
    with tqdm(total=len(jobs), unit='file') as bar:
        for part in parts:
            report.add(part)
            bar.update(part.written + len(part.skipped))
    return report


def hallucinate_jobs(
    rim: RIM, jobs: Sequence[Job], detector: Detector | None, scale: int, compare: bool, priors: bool
) -> Iterator[Report]:
    """Hallucinate pictures, and what was done of each part of them; see :func:`hallucinate_files`.

    Args:
        rim, detector, scale, compare, priors: see there.
        jobs: path of each picture, and its target without extension; files that are there are replaced.
    """
    step = 1 if detector else _BATCHES * rim.batch
    parts = [jobs[start : start + step] for start in range(0, len(jobs), step)]
    check = partial(check_enlarged, scale=scale) if detector else rim.check_small_side
    with Writer() as writer:
        for part in read_ahead(parts, check):
            report = Report()
            pictures = _photos(rim, part, report, detector, scale) if detector else _faces(rim, part, report)
            for picture in pictures:
                for file, image in picture.files(rim, compare, priors):
                    writer.write(file, image)
                report.written += 1
            yield report
            give_back()


def read_ahead(parts: Sequence[Sequence[tuple[Path, Path]]], check: Callable[[int, int], None]) -> Iterator[list[Read]]:
    """Part by part, (path, target) with the picture or why there is none; the next part is read meanwhile.

    Args:
        parts: paths and targets.
        check: see :func:`read_rgb`.
    """

    def read(path: Path) -> np.ndarray | UnreadableImage:
        try:
            return read_rgb(path, check=check)
        except UnreadableImage as error:
            return error

    with ThreadPoolExecutor(_THREADS) as pool:
        waiting: deque[list[Future[np.ndarray | UnreadableImage]]] = deque()
        try:
            for number, part in enumerate(parts):
                for ahead in parts[number + len(waiting) : number + 2]:
                    waiting.append([pool.submit(read, path) for path, _ in ahead])
                pictures = [future.result() for future in waiting.popleft()]
                yield [(path, target, picture) for (path, target), picture in zip(part, pictures, strict=True)]
        finally:
            pool.shutdown(cancel_futures=True)


class Writer:
    """Writes pictures in threads; as a context manager it ends when all are there. A bounded number waits.

    Raises:
        OSError: a picture could not be written, told with one of the next or at the end.
    """

    def __init__(self) -> None:
        self._pool, self._waiting = ThreadPoolExecutor(_THREADS), deque[Future[None]]()

    def __enter__(self) -> Writer:
        return self

    def write(self, path: Path, image: np.ndarray) -> None:
        """Write a picture, see :func:`write_png`, now or soon."""
        self._waiting.append(self._pool.submit(write_png, path, image))
        while len(self._waiting) > _PICTURES_TO_WRITE:
            self._waiting.popleft().result()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._pool.shutdown(cancel_futures=kind is not None)
        if kind is None:
            for future in self._waiting:
                future.result()


class Plan(NamedTuple):
    """Each picture's path to its target without extension, and how many are there already."""

    jobs: dict[Path, Path]
    present: int


def plan_files(
    inputs: Iterable[str | os.PathLike[str]], output: Path, suffixes: Sequence[str], existing: Existing
) -> Plan:
    """What there is to do; raises what :func:`hallucinate_files` says."""
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
    if existing == 'skip':
        missing = {path for file, path in sources.items() if not file.exists()}
        return Plan({path: target for path, target in jobs.items() if path in missing}, len(jobs) - len(missing))
    if existing == 'refuse' and (present := [file for file in sources if file.exists()]):
        more = f' and {len(present) - 1} more files are' if len(present) > 1 else ' is'
        raise FileExistsError(f'{present[0]}{more} there already: --force replaces them, --skip-existing goes on')
    return Plan(jobs, 0)


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


def _faces(rim: RIM, part: Iterable[Read], report: Report) -> Iterator[Picture]:
    """Picture of each aligned face of a part."""
    faces = {}
    for _, target, face in part:
        if isinstance(face, UnreadableImage):
            report.skipped.append(str(face))
        else:
            faces[target] = face
    for (target, face), result in zip(faces.items(), rim.hallucinate(list(faces.values()))):
        before = cv2.resize(face, result.shape[1::-1], interpolation=cv2.INTER_CUBIC)
        yield Picture(target, before, result, [face], [result])


def _photos(rim: RIM, part: Iterable[Read], report: Report, detector: Detector, scale: int) -> Iterator[Picture]:
    """Picture of each photo of a part; faces that the recogniser takes as they are stay as they are, too."""
    largest = min(rim.image_size, FACE_SIZE)
    for path, target, photo in part:
        if isinstance(photo, UnreadableImage):
            report.skipped.append(str(photo))
            continue
        faces = find_faces(photo, detector, largest)
        if not faces:
            report.skipped.append(f'{path}: no face below {largest} pixels found in it')
            continue
        canvas = enlarged_photo(photo, scale)
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
