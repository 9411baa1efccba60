"""Photos to a store of aligned faces with landmarks and parsing maps (see face_store.py for what it holds)."""

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps
from tqdm import tqdm

from rim_plugin.data.alignment import align_face, warp_parsing, warp_points
from rim_plugin.data.annotations import open_annotations
from rim_plugin.data.detect import Detected, load_detector
from rim_plugin.data.face_store import FaceStoreWriter, face_key
from rim_plugin.data.landmarks import PARSING_CLASSES, five_points
from rim_plugin.errors import SkippedPhoto
from rim_plugin.files import write_atomically

_PHOTO_EXTENSIONS = {'.jpg', '.jpeg', '.png', '.bmp', '.gif', '.jp2', '.pgm', '.ppm', '.tif', '.tiff', '.webp'}


@dataclass
class Summary:
    """What a run did: faces written now, faces there before, and (photo, reason, detail) of those left out."""

    output: Path
    written: int = 0
    present: int = 0
    left_out: list = field(default_factory=list)

    def __str__(self):
        text = f'{self.output}: {self.written + self.present} faces'
        if self.present:
            text += f' ({self.present} of them were there already)'
        reasons = Counter(reason for _, reason, _ in self.left_out).most_common()
        if reasons:
            text += f'; {len(self.left_out)} photos left out, see {self.output / "left_out.txt"}: '
            text += ', '.join(f'{count} {reason}' for reason, count in reasons)
        return text


def find_photos(folder, subset=None):
    """Paths of the photos below ``folder``, relative to it, sorted.

    Args:
        folder (str | Path): searched with its sub-folders.
        subset (str | Path | None): a text file that names the wanted photos, one relative path a line.

    Raises:
        FileNotFoundError: no such folder, no photo in it, or a photo of ``subset`` that is not there.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f'Photos: no such folder: {folder}')
    names = sorted(path.relative_to(folder) for path in _files(folder) if path.suffix.lower() in _PHOTO_EXTENSIONS)
    if not names:
        raise FileNotFoundError(f'Photos: {folder} holds none ({", ".join(sorted(_PHOTO_EXTENSIONS))}).')
    if subset is None:
        return names
    wanted = {Path(line.strip()) for line in Path(subset).read_text(encoding='utf-8').splitlines() if line.strip()}
    absent = sorted(wanted - set(names))
    if absent:
        raise FileNotFoundError(f'{subset} names {len(absent)} photos that are not in {folder}, the first {absent[0]}')
    return sorted(wanted)


def _files(folder, above=()):
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


def read_photo(path, upright):
    """uint8 RGB; ``upright``: turned as its EXIF data say, else the stored pixels, to which annotations refer."""
    try:
        with Image.open(path) as image:
            return np.array((ImageOps.exif_transpose(image) if upright else image).convert('RGB'))
    except Exception as error:  # Pillow's readers of damaged EXIF blocks and rare kinds raise anything
        raise SkippedPhoto('unreadable or truncated photo', str(error)) from None


def _read_parsing(path, shape):
    """uint8 class map of ``shape``, from a palette or 8-bit grey PNG."""
    if not path.is_file():
        raise SkippedPhoto('no parsing map', f'{path} is missing')
    try:
        with Image.open(path) as image:
            mode, parsing = image.mode, np.array(image)
    except (OSError, SyntaxError, ValueError) as error:
        raise SkippedPhoto('bad parsing map', f'{path}: {error}') from None
    if mode not in ('P', 'L') or parsing.shape != shape or parsing.max() >= len(PARSING_CLASSES):
        raise SkippedPhoto(
            'bad parsing map',
            f'{path}: mode {mode}, shape {parsing.shape}, highest class {parsing.max()}; '
            f'wanted a palette or grey PNG of shape {shape}, classes 0 to {len(PARSING_CLASSES) - 1}',
        )
    return parsing


def _encode(extension, image, *params):
    return cv2.imencode(extension, image, params)[1].tobytes()


@dataclass(frozen=True)
class _FaceMaker:
    """Makes one face; its settings are those of :func:`prepare_faces`."""

    photos: Path
    annotations: object
    parsing: Path
    size: int
    quality: int

    def make(self, name):
        """(gt bytes, parsing bytes or None, landmarks (L, 2)) of the photo ``name``; raises SkippedPhoto."""
        photo = read_photo(self.photos / name, upright=isinstance(self.annotations, Detected))
        points = self.annotations(name, photo)
        five = five_points(points)
        if (five < 0).any() or (five > np.array(photo.shape[1::-1]) - 1).any():
            raise SkippedPhoto('face outside the photo', 'an eye, the nose or a mouth corner lies outside')
        try:
            face, matrix = align_face(photo, five, self.size)
        except ValueError as error:
            raise SkippedPhoto('cannot be aligned', str(error)) from None
        gt = _encode('.jpg', cv2.cvtColor(face, cv2.COLOR_RGB2BGR), cv2.IMWRITE_JPEG_QUALITY, self.quality)
        parsing = None
        if self.parsing:
            classes = _read_parsing((self.parsing / name).with_suffix('.png'), photo.shape[:2])
            parsing = _encode('.png', warp_parsing(classes, matrix, self.size), cv2.IMWRITE_PNG_COMPRESSION, 9)
        return gt, parsing, warp_points(points, matrix)

    def __call__(self, name):
        """What ``make`` returns or the SkippedPhoto that it raises: a photo's fault must not end the run."""
        try:
            return self.make(name)
        except SkippedPhoto as fault:
            return fault


def _without_doubles(names, left_out):
    """Key to name; of two photos with the same key the first."""
    keys = {}
    for name in names:
        first = keys.setdefault(face_key(name), name)
        if first != name:
            left_out.append((name, 'same name as another photo', f'{first} but for the extension'))
    return keys


def prepare_faces(
    photos,
    output,
    landmarks=None,
    parsing=None,
    detector=None,
    size=224,
    quality=95,
    backend='lmdb',
    workers=None,
    subset=None,
    detectors=(),
):
    """Align the faces of a folder of photos and store them with their landmarks and parsing maps.

    A stopped run is taken up by the same call; a finished one is brought up to date, also with another folder of
    photos: of two photos with the same path below their folders the first stays. What is left out, and why, is in the
    summary and in ``left_out.txt``.

    Args:
        photos (str | Path): folder of photos, searched with its sub-folders.
        output (str | Path): the store's folder.
        landmarks (str | Path | None): annotations, see :func:`~rim_plugin.data.annotations.open_annotations`.
        parsing (str | Path | None): folder of parsing maps, PNG of the photos' paths and names, classes 0 to 10.
        detector (str | None): instead of ``landmarks``, see :func:`~rim_plugin.data.detect.load_detector`.
        size (int): side of the faces in pixels.
        quality (int): JPEG quality, 1 to 100.
        backend (str): ``lmdb`` or ``disk`` (a folder of files).
        workers (int | None): threads; as many as processors by default.
        subset (str | Path | None): text file naming the wanted photos, one relative path a line.
        detectors (dict): further names for ``detector``, each with a function without arguments that makes it.

    Returns:
        Summary: counts and reasons.

    Raises:
        FileNotFoundError: photos, annotations or the parsing folder are not there.
        RuntimeError: the detector cannot be loaded.
        ValueError: neither or both of ``landmarks`` and ``detector``; a number out of its range; other settings than those of the faces already
            in ``output``; not one face could be prepared.
    """
    if (landmarks is None) == (detector is None):
        raise ValueError('Name either the annotations (landmarks) or a detector that finds the faces.')
    if parsing is not None and not Path(parsing).is_dir():
        raise FileNotFoundError(f'Parsing maps: no such folder: {parsing}')
    for name, value, least, most in (
        ('size', size, 4, 4096),
        ('quality', quality, 1, 100),
        ('workers', workers, 1, 1024),
    ):
        if value is not None and not least <= value <= most:
            raise ValueError(f'{name} is {value}: it has to be {least} to {most}.')
    names = find_photos(photos, subset)
    annotations = open_annotations(landmarks) if landmarks else Detected(load_detector(detector, detectors))
    maker = _FaceMaker(Path(photos), annotations, parsing and Path(parsing), size, quality)
    settings = {'size': size, 'quality': quality, 'num_landmarks': annotations.num_landmarks, 'parsing': bool(parsing)}
    summary = Summary(Path(output))
    keys = _without_doubles(names, summary.left_out)
    with FaceStoreWriter(output, backend, settings) as store:
        done = store.done()
        _make_faces(maker, {key: name for key, name in keys.items() if key not in done}, store, summary, workers)
        summary.present = len(done)
        lines = [f'{name}\t{reason}\t{detail}\n' for name, reason, detail in sorted(summary.left_out)]
        write_atomically(summary.output / 'left_out.txt', ''.join(lines))
        if not summary.written + summary.present:
            raise ValueError(f'Not one face could be prepared. {summary}')
    return summary


def _make_faces(maker, names, store, summary, workers):
    """Make the faces of ``names`` (key to name) in threads (decoding and warping release the GIL) and store them."""
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        try:
            results = pool.map(maker, names.values())
            for (key, name), result in zip(names.items(), tqdm(results, total=len(names), unit='face')):
                if isinstance(result, SkippedPhoto):
                    summary.left_out.append((name, result.reason, result.detail))
                else:
                    store.put(key, *result)
                    summary.written += 1
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
