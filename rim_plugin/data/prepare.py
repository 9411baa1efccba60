"""Photos to a store of aligned faces with landmarks and parsing maps (see face_store.py for what it holds)."""

import os
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
from PIL import Image
from tqdm import tqdm

from rim_plugin.data.alignment import align_face, warp_parsing, warp_points
from rim_plugin.data.annotations import AnnotationReader, open_annotations
from rim_plugin.data.detect import Detected, Detector, make_detector
from rim_plugin.data.face_store import face_key
from rim_plugin.data.face_store_writer import FaceStoreWriter
from rim_plugin.data.landmarks import five_points
from rim_plugin.data.parsing_files import read_parsing
from rim_plugin.data.photo_files import read_rgb
from rim_plugin.errors import SkippedPhoto, UnreadableImage
from rim_plugin.files import write_atomically

_PHOTO_EXTENSIONS = {'.jpg', '.jpeg', '.png', '.bmp', '.gif', '.jp2', '.pgm', '.ppm', '.tif', '.tiff', '.webp'}
_LeftOut = tuple[Path, str, str]  # photo, reason, detail
_Made = tuple[bytes, bytes | None, np.ndarray | None]  # face, parsing map, landmarks (L, 2)
Outcome: TypeAlias = '_Made | SkippedPhoto'
Outcomes: TypeAlias = Generator[Outcome, None, None]
Elsewhere: TypeAlias = Callable[[Sequence[Path]], Outcomes]


@dataclass(frozen=True)
class PrepareOptions:
    """What to prepare and how.

    Args:
        photos: folder of photos, searched with its sub-folders.
        output: the store's folder.
        landmarks: annotations, see :func:`~rim_plugin.data.annotations.open_annotations`.
        parsing: folder of parsing maps, see :func:`~rim_plugin.data.parsing_files.read_parsing`.
        detector: instead of ``landmarks``, see :func:`~rim_plugin.data.detect.make_detector`.
        aligned: instead of both, for photos that are aligned faces of ``size`` pixels: how many of these are margin, on
            every side of ArcFace's window. JPEG files are taken as they are; there are no landmarks.
        size: side of the faces in pixels, 4 to 4096.
        quality: JPEG quality, 1 to 100.
        backend: ``lmdb`` or ``disk`` (a folder of files).
        workers: threads, 1 to 1024; as many as processors by default.
        subset: text file naming the wanted photos, one relative path a line.

    Raises:
        FileNotFoundError: the parsing folder is not there.
        ValueError: none or several of ``landmarks``, ``detector`` and ``aligned``; a number out of its range; parsing
            maps of aligned faces.
    """

    photos: str | os.PathLike[str]
    output: str | os.PathLike[str]
    landmarks: str | os.PathLike[str] | None = None
    parsing: str | os.PathLike[str] | None = None
    detector: str | None = None
    aligned: int | None = None
    size: int = 224
    quality: int = 95
    backend: str = 'lmdb'
    workers: int | None = None
    subset: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        if [self.landmarks, self.detector, self.aligned].count(None) != 2:
            raise ValueError('Name either the annotations (landmarks), a detector that finds the faces, or aligned.')
        if self.parsing is not None and not Path(self.parsing).is_dir():
            raise FileNotFoundError(f'Parsing maps: no such folder: {self.parsing}')
        for name, least, most in (('size', 4, 4096), ('quality', 1, 100), ('workers', 1, 1024)):
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                raise ValueError(f'{name} is {value}: it has to be {least} to {most}.')
        if self.aligned is not None:
            self._check_aligned(self.aligned)

    def _check_aligned(self, margin: int) -> None:
        if not 0 <= 2 * margin < self.size:
            raise ValueError(f'aligned is {margin}: a margin on every side of faces of {self.size} pixels leaves none.')
        if self.parsing is not None:
            raise ValueError('parsing: faces that are aligned already are taken without parsing maps.')


@dataclass
class Summary:
    """What a run did: faces written now, faces there before, and (photo, reason, detail) of those left out."""

    output: Path
    written: int = 0
    present: int = 0
    left_out: list[_LeftOut] = field(default_factory=list)

    def __str__(self) -> str:
        text = f'{self.output}: {self.written + self.present} faces'
        if self.present:
            text += f' ({self.present} of them were there already)'
        reasons = Counter(reason for _, reason, _ in self.left_out).most_common()
        if reasons:
            text += f'; {len(self.left_out)} photos left out, see {self.output / "left_out.txt"}: '
            text += ', '.join(f'{count} {reason}' for reason, count in reasons)
        return text


def find_photos(folder: str | os.PathLike[str], subset: str | os.PathLike[str] | None = None) -> list[Path]:
    """Paths of the photos below ``folder``, relative to it, sorted.

    Args:
        folder: searched with its sub-folders.
        subset: a text file that names the wanted photos, one relative path a line.

    Raises:
        FileNotFoundError: no such folder, no photo in it, or a photo of ``subset`` that is not there.
    """
    root = Path(folder)
    if not root.is_dir():
        raise FileNotFoundError(f'Photos: no such folder: {root}')
    names = sorted(path.relative_to(root) for path in _files(root) if path.suffix.lower() in _PHOTO_EXTENSIONS)
    if not names:
        raise FileNotFoundError(f'Photos: {root} holds none ({", ".join(sorted(_PHOTO_EXTENSIONS))}).')
    if subset is None:
        return names
    wanted = {Path(line.strip()) for line in Path(subset).read_text(encoding='utf-8').splitlines() if line.strip()}
    absent = sorted(wanted - set(names))
    if absent:
        raise FileNotFoundError(f'{subset} names {len(absent)} photos that are not in {root}, the first {absent[0]}')
    return sorted(wanted)


def _files(folder: Path, above: tuple[Path, ...] = ()) -> Iterator[Path]:
    """Paths below a folder, those of linked folders, too, but not of a folder within itself.

    Raises:
        PermissionError: a folder may not be listed.
    """
    real = folder.resolve()
    for path in folder.iterdir() if real not in above else ():
        if path.is_dir():
            yield from _files(path, (*above, real))
        else:
            yield path


def read_photo(path: Path, upright: bool) -> np.ndarray:
    """Read a photo as uint8 RGB (H, W, 3).

    Args:
        path: of the photo.
        upright: turn it as its EXIF data say; else the stored pixels, to which annotations refer.

    Raises:
        SkippedPhoto: it cannot be read.
    """
    try:
        return read_rgb(path, upright)
    except UnreadableImage as error:
        raise SkippedPhoto('unreadable or truncated photo', str(error)) from None


def _encode(extension: str, image: np.ndarray, *params: int) -> bytes:
    return cv2.imencode(extension, image, params)[1].tobytes()


def _jpeg(face: np.ndarray, quality: int) -> bytes:
    return _encode('.jpg', cv2.cvtColor(face, cv2.COLOR_RGB2BGR), cv2.IMWRITE_JPEG_QUALITY, quality)


def _take_face(options: PrepareOptions, name: Path) -> _Made:
    """The face that the photo ``name`` is; raises SkippedPhoto."""
    path = options.photos / name
    face = read_photo(path, upright=True)
    if face.shape[:2] != (options.size, options.size):
        height, width = face.shape[:2]
        raise SkippedPhoto('not of the size', f'{width}x{height} pixels, size is {options.size}')
    with Image.open(path) as image:
        as_it_is = image.format == 'JPEG' and image.mode == 'RGB'
    return path.read_bytes() if as_it_is else _jpeg(face, options.quality), None, None


def _aligned_face(options: PrepareOptions, annotations: AnnotationReader, name: Path) -> _Made:
    """The face of the photo ``name``; raises SkippedPhoto."""
    photo = read_photo(options.photos / name, upright=isinstance(annotations, Detected))
    points = annotations(name, photo)
    five = five_points(points)
    if (five < 0).any() or (five > np.array(photo.shape[1::-1]) - 1).any():
        raise SkippedPhoto('face outside the photo', 'an eye, the nose or a mouth corner lies outside')
    try:
        face, matrix = align_face(photo, five, options.size)
    except ValueError as error:
        raise SkippedPhoto('cannot be aligned', str(error)) from None
    parsing = None
    if options.parsing:
        classes = read_parsing(options.parsing, name, photo.shape[:2])
        warped = warp_parsing(classes, matrix, options.size)
        parsing = _encode('.png', warped, cv2.IMWRITE_PNG_COMPRESSION, 9)
    return _jpeg(face, options.quality), parsing, warp_points(points, matrix)


def _unique_keys(names: list[Path], left_out: list[_LeftOut]) -> dict[str, Path]:
    """Key to name; of two photos with the same key the first."""
    keys: dict[str, Path] = {}
    for name in names:
        first = keys.setdefault(face_key(name), name)
        if first != name:
            left_out.append((name, 'same name as another photo', f'{first} but for the extension'))
    return keys


def prepare_faces(
    options: PrepareOptions,
    load_detector: Callable[[str], Detector] = make_detector,
    elsewhere: Elsewhere | None = None,
) -> Summary:
    """Align the faces of a folder of photos and store them with their landmarks and parsing maps.

    A stopped run is taken up by the same call; a finished one is brought up to date, also with another folder of
    photos: of two photos with the same path below their folders the first stays. What is left out, and why, is in the
    summary and in ``left_out.txt``.

    Args:
        options: what to prepare and how.
        load_detector: makes the detector of a name; :func:`rim_plugin.tools.detection.load_detector` knows more.
        elsewhere: does :func:`make_face` of each photo with other processes, see :mod:`rim_plugin.tools.bulk`.

    Returns:
        Counts and reasons.

    Raises:
        FileNotFoundError: photos or annotations are not there.
        RuntimeError: the detector cannot be loaded.
        ValueError: other settings than those of the faces already in the output; not one face could be prepared.
    """
    names = find_photos(options.photos, options.subset)
    annotations = read_annotations(options, load_detector)
    settings = {
        'size': options.size,
        'quality': options.quality,
        'num_landmarks': annotations.num_landmarks if annotations else 0,
        'parsing': options.parsing is not None,
        **({} if options.aligned is None else {'margin': options.aligned}),
    }
    summary = Summary(Path(options.output))
    keys = _unique_keys(names, summary.left_out)
    with FaceStoreWriter(options.output, options.backend, settings) as store:
        done = store.done()
        missing = {key: name for key, name in keys.items() if key not in done}
        photos = list(missing.values())
        with closing(elsewhere(photos) if elsewhere else _by_threads(options, annotations, photos)) as made:
            _store_faces(missing, made, store, summary)
        summary.present = len(done)
        lines = [f'{name}\t{reason}\t{detail}\n' for name, reason, detail in sorted(summary.left_out)]
        write_atomically(summary.output / 'left_out.txt', ''.join(lines))
        if not summary.written + summary.present:
            raise ValueError(f'Not one face could be prepared. {summary}')
    return summary


def read_annotations(options: PrepareOptions, load_detector: Callable[[str], Detector]) -> AnnotationReader | None:
    """What tells where faces lie; None where they are aligned; see :func:`prepare_faces`."""
    if options.landmarks is not None:
        return open_annotations(options.landmarks)
    return None if options.detector is None else Detected(load_detector(options.detector))


def _store_faces(names: dict[str, Path], made: Outcomes, store: FaceStoreWriter, summary: Summary) -> None:
    """Store the faces of ``names`` (key to name), which come in their order."""
    for key, outcome in zip(tqdm(names, unit='face'), made, strict=True):
        if isinstance(outcome, SkippedPhoto):
            summary.left_out.append((names[key], outcome.reason, outcome.detail))
        else:
            store.put(key, *outcome)
            summary.written += 1


def _by_threads(options: PrepareOptions, annotations: AnnotationReader | None, names: Sequence[Path]) -> Outcomes:
    """Face of each photo, or why there is none, by threads: decoding and warping release the GIL."""
    with ThreadPoolExecutor(options.workers or os.cpu_count()) as pool:
        try:
            made = deque(pool.submit(make_face, options, annotations, name) for name in names)
            while made:
                yield made.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def make_face(options: PrepareOptions, annotations: AnnotationReader | None, name: Path) -> Outcome:
    """The face of a photo, or why there is none.

    Args:
        options: how.
        annotations: see :func:`read_annotations`.
        name: below the folder of photos.
    """
    try:
        return _aligned_face(options, annotations, name) if annotations else _take_face(options, name)
    except SkippedPhoto as fault:
        return fault
