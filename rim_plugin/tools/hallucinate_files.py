"""Folders of faces or photos through the hallucination network."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import cv2
import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from rim_plugin.data.detect import Detector, detect_each
from rim_plugin.data.found import Found, whole_picture
from rim_plugin.data.photo_files import Photo
from rim_plugin.data.resize import to_tensor
from rim_plugin.errors import UnreadableImage
from rim_plugin.files import remove_drafts
from rim_plugin.memory import give_back
from rim_plugin.sheets import GAP, comparison_sheet
from rim_plugin.tools.api import RIM, RestoredFace
from rim_plugin.tools.face_inputs import SeenFace, check_side, effective_probe
from rim_plugin.tools.face_landmarks import hardly_aligned
from rim_plugin.tools.file_queue import Read, Writer, one_ahead, parts_of, read_ahead
from rim_plugin.tools.notes import Note, Report, face_note
from rim_plugin.tools.output_files import Existing, beside, plan_files
from rim_plugin.tools.photos import (
    PhotoFace,
    check_enlarged,
    enlarged,
    enlarged_photo,
    faces_of,
    fitting_scale,
    paste_faces,
    uncovered,
)

if TYPE_CHECKING:
    from rim_plugin.tools.background import Background  # with it PyYAML, which few runs need

OnNoFace = Literal['copy', 'skip', 'fail']
Job: TypeAlias = 'tuple[Path, Path]'  # a picture, and its target
_BATCHES = 4  # of the network, that are looked at ahead: faces of several sizes still make full batches
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
        before: by bicubic interpolation; None where nobody compares.
        after: the same, hallucinated.
        small, large: its restored faces before and after, uint8 (q, q, 3).
    """

    target: Path
    before: Photo | None
    after: Photo
    small: list[np.ndarray]
    large: list[np.ndarray]

    def files(self, rim: RIM, options: HallucinateOptions) -> Iterator[tuple[Path, Photo]]:
        """(file, picture) of each file to write."""
        yield self.target, self.after
        if self.before is not None and options.compare:
            white = np.full((len(self.after.pixels), GAP, 3), 255, np.uint8)
            yield beside(self.target, '_compare'), _plain(np.hstack([self.before.rgb, white, self.after.rgb]))
        if options.priors and self.small:
            yield beside(self.target, '_priors'), _plain(prior_sheet(rim, self.small, self.large))
        for number, pair in enumerate(zip(self.small, self.large) if options.crops else (), 1):
            for time, face in zip(('before', 'after'), pair):
                yield beside(self.target, '_faces/') / f'{number}_{time}{self.target.suffix}', _plain(face)


class Looked(NamedTuple):
    """A picture that was read, and looked at before it goes through the network.

    Attributes:
        path, target: of a job.
        photo: the picture.
        faces: those found in it; of an aligned face itself.
        probe: of an aligned face what the network gets, (1, 3, p, p); None of a photo.
        warning: see :class:`rim_plugin.tools.notes.Note`.
    """

    path: Path
    target: Path
    photo: Photo
    faces: list[PhotoFace]
    probe: Tensor | None
    warning: str


class Done(NamedTuple):
    """A picture that was through the network.

    Attributes:
        note: what becomes of it.
        is_restored: whether a face in it is.
        make: makes the result, in any thread.
    """

    note: Note
    is_restored: bool
    make: Callable[[], Picture]


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

    While the network, with this thread, has one part of the pictures, others look at the next one, and make and write
    what became of those before.

    Args:
        rim, options: see there.
        jobs: path of each picture, and its target; files that are there are replaced.
        looked_at: of so many of the first pictures that are said to be aligned faces it is told where they hardly are.
    """
    check = partial(_check, is_face=options.detector is None, scale=options.scale or 1)
    stopped = Event()
    read = read_ahead(parts_of(jobs, _BATCHES * rim.batch), check)
    looked = one_ahead(_look(rim, read, options.detector, looked_at, stopped))
    with Writer() as writer, closing(looked) as parts:
        try:
            for part in parts:
                done = _done(rim, part, options)
                yield from _in_order((number, _put(each, rim, options, writer)) for number, each in done)
                give_back()
        finally:
            stopped.set()


def _check(width: int, height: int, is_face: bool, scale: int) -> None:
    """ValueError where a picture of this size in pixels is no aligned face, as it has to be, or becomes too large."""
    if is_face:
        check_side(width, height)
    check_enlarged(width, height, scale)


def _look(
    rim: RIM, parts: Iterator[list[Read]], detector: Detector | None, looked_at: int, stopped: Event
) -> Iterator[list[Looked | UnreadableImage]]:
    """The pictures of parts with the faces in them, and why others are none; ends early once ``stopped`` is set."""
    for part in parts:
        looked: list[Looked | UnreadableImage] = []
        for start in range(0, len(part), rim.batch):
            if stopped.is_set():
                return
            looked += _look_at(rim, part[start : start + rim.batch], detector, looked_at - start)
        yield looked
        looked_at -= len(part)


def _look_at(
    rim: RIM, part: list[Read], detector: Detector | None, looked_at: int
) -> Iterator[Looked | UnreadableImage]:
    pictures = [photo.rgb for *_, photo in part if isinstance(photo, Photo)]
    faces = iter([faces_of(*each) for each in zip(pictures, _found(pictures, detector), strict=True)])
    for number, (path, target, photo) in enumerate(part):
        if isinstance(photo, UnreadableImage):
            yield photo
        else:
            yield _looked(rim, path, target, photo, next(faces), detector is None and number < looked_at)


def _found(pictures: list[np.ndarray], detector: Detector | None) -> list[list[Found]]:
    if detector is None:
        return [[whole_picture(len(picture))] for picture in pictures]
    return detect_each(detector, pictures)


def _looked(rim: RIM, path: Path, target: Path, photo: Photo, faces: list[PhotoFace], is_said: bool) -> Looked:
    """A picture with the faces in it; ``is_said``: to be an aligned face, which is to be seen."""
    is_aligned = len(faces) == 1 and faces[0].whole
    probe = effective_probe(faces[0].image, rim.gains).image if is_aligned else None
    warning = _HARDLY_ALIGNED if is_said and hardly_aligned(faces[0].image) else ''
    return Looked(path, target, photo, faces, probe, warning)


def _done(
    rim: RIM, part: list[Looked | UnreadableImage], options: HallucinateOptions
) -> Iterator[tuple[int, Done | UnreadableImage]]:
    """Number and result of each picture of a part: first the photos, one by one, and what cannot be read, then the
    aligned faces, of which those of one size go through the network together."""
    aligned: list[tuple[int, Looked, Tensor]] = []
    for number, looked in enumerate(part):
        if isinstance(looked, UnreadableImage):
            yield number, looked
        elif looked.probe is None:
            yield number, _photo(rim, looked, options)
        else:
            aligned.append((number, looked, looked.probe))
    faces = [looked.faces[0].image for _, looked, _ in aligned]
    for index, seen in rim.see(faces, [probe for *_, probe in aligned]):
        number, looked, _ = aligned[index]
        yield number, _aligned(looked, seen, options)


def _in_order(parts: Iterator[tuple[int, Part]]) -> Iterator[Part]:
    """Parts by their numbers from 0 on, each as soon as those before it are there."""
    waiting: dict[int, Part] = {}
    ready = 0
    for number, part in parts:
        waiting[number] = part
        while ready in waiting:
            yield waiting.pop(ready)
            ready += 1


def _put(done: Done | UnreadableImage, rim: RIM, options: HallucinateOptions, writer: Writer) -> Part:
    """Write a picture's files, or leave it out because it cannot be read or nothing in it was restored."""
    if isinstance(done, UnreadableImage):
        return Part(Report(skipped=[str(done)]), [])
    if not done.is_restored and options.on_no_face != 'copy':
        if options.on_no_face == 'fail':
            raise ValueError(f'{done.note}; --on-no-face copy goes on with the enlarged picture')
        return Part(Report(skipped=[str(done.note)]), [done.note])
    if options.priors:  # by the network, which is this thread's
        files = list(done.make().files(rim, options))
        writer.write_made(lambda: files)
    else:
        writer.write_made(lambda: done.make().files(rim, options))
    return Part(Report(written=1, enlarged=int(not done.is_restored)), [done.note])


def _aligned(looked: Looked, seen: SeenFace, options: HallucinateOptions) -> Done:
    """What becomes of an aligned face."""
    face = looked.faces[0]
    side = options.scale * len(face.image) if options.scale else seen.side
    told = face_note(face, '' if seen.has_gained else _NO_GAIN)
    note = Note(str(looked.path), str(looked.target), True, side / len(face.image), [told], looked.warning)
    return Done(note, seen.has_gained, partial(_picture, looked, seen, side, options.compare))


def _picture(looked: Looked, seen: SeenFace, side: int, compare: bool) -> Picture:
    """Picture of an aligned face, of ``side`` pixels."""
    target, photo = looked.target, looked.photo
    before = None
    if compare or not seen.has_gained:
        before = photo._replace(pixels=enlarged(photo.pixels, side, side))
        if not seen.has_gained:
            return Picture(target, before, before, [], [])
    large = _at_side(seen.restored(), side)
    return Picture(target, before, photo._replace(pixels=_in_place(photo.pixels, large)), [seen.face], [large])


def _at_side(face: np.ndarray, side: int) -> np.ndarray:
    """A face, uint8 (q, q, 3), with ``side`` pixels."""
    kind = cv2.INTER_AREA if side < len(face) else cv2.INTER_CUBIC
    return face if side == len(face) else cv2.resize(face, (side, side), interpolation=kind)


def _in_place(pixels: np.ndarray, rgb: np.ndarray) -> np.ndarray:
    """``rgb``, uint8 (H, W, 3), seen over white, with the depth and, enlarged, the opacity of ``pixels``."""
    if pixels.dtype == np.uint8 and pixels.shape[2] == 3:
        return rgb
    large = enlarged(pixels, *rgb.shape[1::-1])
    return np.dstack([uncovered(rgb, large), large[:, :, 3:]])


def _photo(rim: RIM, looked: Looked, options: HallucinateOptions) -> Done:
    """What becomes of a photo; faces in doubt and those with all their detail stay as they are."""
    photo, faces = looked.photo, looked.faces
    results = iter(rim.restore([face.image for face in faces if not face.doubt]))
    pairs = [(face, None if face.doubt else next(results)) for face in faces]
    chosen = [(face, restored.image) for face, restored in pairs if restored and restored.has_gained]
    height, width = photo.pixels.shape[:2]
    scale = options.scale or fitting_scale(width, height, [face.side for face, _ in chosen], rim.image_size)
    before = photo._replace(pixels=enlarged_photo(photo.pixels, scale))
    canvas = before.pixels if options.background is None else options.background(before.pixels, photo.pixels, scale)
    after = paste_faces(canvas, scale, [(face.points, large) for face, large in chosen])
    notes = [face_note(face, _why(face, restored)) for face, restored in pairs]
    note = Note(str(looked.path), str(looked.target), False, scale, notes)
    small, large = [face.image for face, _ in chosen], [large for _, large in chosen]
    picture = Picture(looked.target, before if options.compare else None, photo._replace(pixels=after), small, large)
    return Done(note, bool(chosen), lambda: picture)


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
