"""Folders of faces or photos through the hallucination network."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import cv2
import numpy as np
import torch
from tqdm import tqdm

from rim_plugin.data.detect import Detector
from rim_plugin.data.found import whole_picture
from rim_plugin.data.photo_files import Photo
from rim_plugin.data.resize import to_tensor
from rim_plugin.errors import UnreadableImage
from rim_plugin.files import remove_drafts
from rim_plugin.memory import give_back
from rim_plugin.sheets import GAP, comparison_sheet
from rim_plugin.tools.api import RIM, RestoredFace
from rim_plugin.tools.face_inputs import check_side
from rim_plugin.tools.face_landmarks import hardly_aligned
from rim_plugin.tools.file_queue import Read, Writer, parts_of, read_ahead
from rim_plugin.tools.notes import Note, Report, face_note
from rim_plugin.tools.output_files import Existing, beside, plan_files
from rim_plugin.tools.photos import (
    PhotoFace,
    check_enlarged,
    cut_face,
    enlarged,
    enlarged_photo,
    find_faces,
    fitting_scale,
    paste_faces,
)

if TYPE_CHECKING:
    from rim_plugin.tools.background import Background  # with it PyYAML, which few runs need

OnNoFace = Literal['copy', 'skip', 'fail']
Job: TypeAlias = 'tuple[Path, Path]'  # a picture, and its target
_BATCHES = 4  # of the network, that are read at a time: faces of several sizes still make full batches
_LOOKED_AT = 16  # pictures of a run, of which each is said to be an aligned face: that takes twice the network's time
_HARDLY_ALIGNED = 'hardly an aligned face: --detect auto cuts faces out of photos'
_NO_GAIN = 'left as it is: it has the detail that hallucination would add'


@dataclass(frozen=True)
class HallucinateOptions:
    """How pictures are hallucinated.

    Args:
        detector: finds the faces, see :func:`rim_plugin.tools.detection.load_detector`; None: the inputs are aligned
            faces.
        scale: how much larger pictures become; None: photos as their faces do, at most 4, aligned faces of fewer
            pixels than the network gives to those.
        on_no_face: what becomes of a picture in which no face is restored: ``copy`` writes it enlarged, ``skip`` leaves
            it out, ``fail`` ends the run.
        compare: also write NAME_compare: bicubic enlargement and result.
        priors: also write NAME_priors: LR, SR, landmarks and parsing map of each face.
        crops: also write NAME_faces/1_before, 1_after and so on: the restored faces of each photo.
        extension: of the files, see :data:`rim_plugin.data.photo_writing.EXTENSIONS`.
        suffix: follows the picture's own name.
        existing: what becomes of inputs whose files are there: ``refuse`` all, ``replace`` them, ``skip`` them.
        background: enlarges what is not face in whole photos; None: bicubic interpolation.
    """

    detector: Detector | None = None
    scale: int | None = None
    on_no_face: OnNoFace = 'copy'
    compare: bool = False
    priors: bool = False
    crops: bool = False
    extension: str = 'png'
    suffix: str = ''
    existing: Existing = 'refuse'
    background: Background | None = None

    @property
    def more(self) -> list[str]:
        """What further files a picture has."""
        return ['_compare'] * self.compare + ['_priors'] * self.priors + ['_faces/'] * self.crops


class Picture(NamedTuple):
    """A picture that was hallucinated.

    Attributes:
        target: of its files, see :func:`rim_plugin.tools.output_files.beside`.
        before: by bicubic interpolation.
        after: the same, hallucinated.
        small, large: its restored faces before and after, uint8 (q, q, 3).
        note: what became of it.
    """

    target: Path
    before: Photo
    after: Photo
    small: list[np.ndarray]
    large: list[np.ndarray]
    note: Note

    def files(self, rim: RIM, options: HallucinateOptions) -> Iterator[tuple[Path, Photo]]:
        """(file, picture) of each file to write."""
        yield self.target, self.after
        if options.compare:
            white = np.full((len(self.after.pixels), GAP, 3), 255, np.uint8)
            yield beside(self.target, '_compare'), _plain(np.hstack([self.before.rgb, white, self.after.rgb]))
        if options.priors and self.small:
            yield beside(self.target, '_priors'), _plain(prior_sheet(rim, self.small, self.large))
        for number, pair in enumerate(zip(self.small, self.large) if options.crops else (), 1):
            for time, face in zip(('before', 'after'), pair):
                yield beside(self.target, '_faces/') / f'{number}_{time}{self.target.suffix}', _plain(face)


def _plain(image: np.ndarray) -> Photo:
    """A picture without more, of uint8 (H, W, 3)."""
    return Photo(image, None, b'')


class Part(NamedTuple):
    """What was done of some of the pictures, and what became of each that could be read."""

    report: Report
    notes: list[Note]


def hallucinate_files(
    rim: RIM,
    inputs: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    options: HallucinateOptions,
    tell: Callable[[Note], None] = lambda note: None,
    elsewhere: Callable[[Sequence[Job]], Iterator[Part]] | None = None,
) -> Report:
    """Hallucinate the faces of files and folders, into files of the same names.

    Files are read ahead and written behind the network in threads; memory does not grow with their number.

    Args:
        rim: with a hallucination network.
        inputs: pictures, or folders that are searched with their sub-folders.
        output: folder for NAME.png; the places below an input folder are kept.
        options: how.
        tell: called with what became of each picture that could be read.
        elsewhere: does :func:`hallucinate_jobs` with other processes, see :mod:`rim_plugin.tools.bulk`.

    Raises:
        FileNotFoundError: an input is not there, or a folder without pictures.
        FileExistsError: a file to be written is there already, with ``refuse``; nothing is done.
        OSError: a file cannot be written.
        ValueError: no face is restored in a picture, with ``fail``; every input would be overwritten; the weights lack
            what is asked for.
    """
    remove_drafts(Path(output))
    ending = f'{options.suffix}.{options.extension}'
    plan = plan_files(inputs, Path(output), ending, options.more, options.existing)
    report = Report(len(plan.jobs) + plan.present + len(plan.skipped), present=plan.present, skipped=plan.skipped)
    jobs = list(plan.jobs.items())
    with tqdm(total=len(jobs), unit='file') as bar:
        for part in elsewhere(jobs) if elsewhere else hallucinate_jobs(rim, jobs, options, _LOOKED_AT):
            report.add(part.report)
            with bar.external_write_mode():  # else a line would begin behind the bar
                for note in part.notes:
                    tell(note)
            bar.update(part.report.written + len(part.report.skipped))
    return report


def hallucinate_jobs(rim: RIM, jobs: Sequence[Job], options: HallucinateOptions, looked_at: int = 0) -> Iterator[Part]:
    """Hallucinate pictures, and what was done of each, as soon as it is; see :func:`hallucinate_files`.

    Args:
        rim, options: see there.
        jobs: path of each picture, and its target; files that are there are replaced.
        looked_at: of so many of the first pictures that are said to be aligned faces it is told where they hardly are.
    """
    check = partial(_check, is_face=options.detector is None, scale=options.scale or 1)
    with Writer() as writer:
        for read in read_ahead(parts_of(jobs, _BATCHES * rim.batch), check):
            for picture in _pictures(rim, read, options, looked_at):
                yield _put(picture, rim, options, writer)
            looked_at = max(looked_at - len(read), 0)
            give_back()


def _check(width: int, height: int, is_face: bool, scale: int) -> None:
    """ValueError where a picture of this size in pixels is no aligned face, as it has to be, or becomes too large."""
    if is_face:
        check_side(width, height)
    check_enlarged(width, height, scale)


def _put(picture: Picture | UnreadableImage, rim: RIM, options: HallucinateOptions, writer: Writer) -> Part:
    """Write a picture's files, or leave it out because it cannot be read or nothing in it was restored."""
    if isinstance(picture, UnreadableImage):
        return Part(Report(skipped=[str(picture)]), [])
    if not picture.small and options.on_no_face != 'copy':
        if options.on_no_face == 'fail':
            raise ValueError(f'{picture.note}; --on-no-face copy goes on with the enlarged picture')
        return Part(Report(skipped=[str(picture.note)]), [picture.note])
    for file, image in picture.files(rim, options):
        writer.write(file, image)
    return Part(Report(written=1, enlarged=int(not picture.small)), [picture.note])


def _pictures(
    rim: RIM, part: list[Read], options: HallucinateOptions, looked_at: int
) -> Iterator[Picture | UnreadableImage]:
    """The pictures of a part: first the photos, one by one, and what cannot be read, then the aligned faces, of which
    those of one size go through the network together."""
    aligned: list[tuple[Path, Path, Photo, PhotoFace]] = []
    for path, target, photo in part:
        if isinstance(photo, UnreadableImage):
            yield photo
            continue
        faces = _faces(photo, options.detector)
        if len(faces) == 1 and faces[0].whole:
            aligned.append((path, target, photo, faces[0]))
        else:
            yield _photo(rim, path, target, photo, faces, options)
    images = [face.image for *_, face in aligned]
    doubts = [] if options.detector else map(hardly_aligned, images[:looked_at])  # a detector has looked at them all
    for (path, target, photo, face), restored, doubt in zip_longest(aligned, rim.restore(images), doubts):
        picture = _aligned(path, target, photo, face, restored, options.scale)
        yield picture._replace(note=picture.note._replace(warning=_HARDLY_ALIGNED)) if doubt else picture


def _faces(photo: Photo, detector: Detector | None) -> list[PhotoFace]:
    if detector is None:
        return [cut_face(photo.rgb, whole_picture(len(photo.pixels)), len(photo.pixels))]
    return find_faces(photo.rgb, detector, max(photo.pixels.shape))


def _aligned(
    path: Path, target: Path, photo: Photo, face: PhotoFace, restored: RestoredFace, scale: int | None
) -> Picture:
    """Picture of an aligned face."""
    large, has_gained = restored
    if scale:
        large = _at_side(large, scale * len(face.image))
    before = photo._replace(pixels=enlarged(photo.pixels, *large.shape[1::-1]))
    told = face_note(face, '' if has_gained else _NO_GAIN)
    note = Note(str(path), str(target), True, len(large) / len(face.image), [told])
    if not has_gained:
        return Picture(target, before, before, [], [], note)
    return Picture(target, before, before._replace(pixels=_in_place(before.pixels, large)), [face.image], [large], note)


def _at_side(face: np.ndarray, side: int) -> np.ndarray:
    """A face, uint8 (q, q, 3), with ``side`` pixels."""
    kind = cv2.INTER_AREA if side < len(face) else cv2.INTER_CUBIC
    return face if side == len(face) else cv2.resize(face, (side, side), interpolation=kind)


def _in_place(pixels: np.ndarray, rgb: np.ndarray) -> np.ndarray:
    """``rgb``, uint8 (H, W, 3), with the depth and opacity of ``pixels``."""
    levels = np.iinfo(pixels.dtype).max // 255
    return np.dstack([rgb.astype(pixels.dtype) * pixels.dtype.type(levels), pixels[:, :, 3:]])


def _photo(
    rim: RIM, path: Path, target: Path, photo: Photo, faces: list[PhotoFace], options: HallucinateOptions
) -> Picture:
    """Picture of a photo; faces in doubt and those with all their detail stay as they are."""
    results = iter(rim.restore([face.image for face in faces if not face.doubt]))
    pairs = [(face, None if face.doubt else next(results)) for face in faces]
    chosen = [(face, restored.image) for face, restored in pairs if restored and restored.has_gained]
    height, width = photo.pixels.shape[:2]
    scale = options.scale or fitting_scale(width, height, [face.side for face, _ in chosen], rim.image_size)
    before = photo._replace(pixels=enlarged_photo(photo.pixels, scale))
    canvas = before.pixels if options.background is None else options.background(before.pixels, photo.pixels, scale)
    after = paste_faces(canvas, scale, [(face.points, large) for face, large in chosen])
    notes = [face_note(face, _why(face, restored)) for face, restored in pairs]
    note = Note(str(path), str(target), False, scale, notes)
    small, large = [face.image for face, _ in chosen], [large for _, large in chosen]
    return Picture(target, before, before._replace(pixels=after), small, large, note)


def _why(face: PhotoFace, restored: RestoredFace | None) -> str:
    """Why a face of a photo stays as it is; empty where it is hallucinated."""
    if restored is None:
        return f'left as it is, in doubt: {face.doubt}'
    return '' if restored.has_gained else _NO_GAIN


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
