"""Faces without annotation: five points by a detector."""

import importlib
import os
import sys
import textwrap
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, runtime_checkable

import cv2
import numpy as np

from rim_plugin.data.found import Found, found_by_points
from rim_plugin.data.tiles import TiledDetector
from rim_plugin.errors import SkippedPhoto

# From an RGB image, uint8 (H, W, 3), to a list of Found, or to (k, 5, 2) points, or any nested sequence of these.
Detector = Callable[[np.ndarray], Any]


@runtime_checkable
class DetectsEach(Protocol):
    """A detector that takes several images in less time than one by one."""

    def each(self, images: Sequence[np.ndarray]) -> list[list[Found]]:
        """The faces of each image, uint8 (H, W, 3), RGB."""


_HOW_TO_NAME = (
    "Name {}'mtcnn', 'insightface', the path of an .onnx file (SCRFD or OpenCV's YuNet), or 'module:function'."
)


def _insightface() -> Detector:
    """insightface's default detector (SCRFD); its model pack is fetched on first use."""
    FaceAnalysis = _of_insightface('app').FaceAnalysis
    try:
        with redirect_stdout(sys.stderr):
            analysis = FaceAnalysis(allowed_modules=['detection'])
            analysis.prepare(ctx_id=-1, det_size=(640, 640))
    except Exception as error:  # whatever its download, unzipping and session building raise
        raise RuntimeError(
            'Detector insightface: its model could not be fetched or loaded '
            f'({type(error).__name__}: {textwrap.shorten(str(error), 120)}). Put the unpacked pack into '
            '~/.insightface/models/buffalo_l by hand, or name another detector: an .onnx file or '
            "'module:function'."
        ) from None

    def detect(image: np.ndarray) -> list[Found]:
        faces = analysis.get(image)
        return [Found(*_as_float(face.kps, face.det_score, face.bbox)) for face in faces]

    return _within(640, detect)


def _as_float(points: Any, score: Any, box: Any) -> tuple[np.ndarray, float, np.ndarray]:
    return np.asarray(points, np.float64), float(score), np.asarray(box, np.float64)


def _of_insightface(module: str) -> ModuleType:
    try:
        return importlib.import_module(f'insightface.{module}')
    except ImportError as error:
        raise RuntimeError(
            f'Detector insightface: {error}. Install it (pip install insightface onnxruntime), or name '
            "another detector: a YuNet .onnx file or 'module:function'."
        ) from None


def _onnx(path: str) -> Detector:
    """SCRFD by insightface, or YuNet by OpenCV: which, say the outputs, some at each of three strides."""
    if not Path(path).is_file():
        raise RuntimeError(
            f"Detector {path}: no such file. OpenCV's model zoo has YuNet under face_detection_yunet, "
            'insightface its SCRFD in its model packs (det_10g.onnx).'
        )
    try:
        outputs, fault = len(cv2.dnn.readNetFromONNX(path).getUnconnectedOutLayersNames()), ''
    except cv2.error as error:
        outputs, fault = 0, f', or damaged ({textwrap.shorten(str(error), 120)})'
    load = {9: _scrfd, 12: _yunet}.get(outputs)
    if load is None:
        raise RuntimeError(f'Detector {path}: neither SCRFD with points nor YuNet of 2023 or later{fault}')
    return load(path)


def _scrfd(path: str) -> Detector:
    """insightface's SCRFD with five points a face."""
    with redirect_stdout(sys.stderr):
        detector = _of_insightface('model_zoo').get_model(path, providers=['CPUExecutionProvider'])
    detector.prepare(ctx_id=-1, input_size=(640, 640))

    def detect(image: np.ndarray) -> list[Found]:
        boxes, points = detector.detect(image)
        return [Found(*_as_float(each, row[4], row[:4])) for each, row in zip(points, boxes)]

    return _within(640, detect)


def _within(size: int, detect: Callable[[np.ndarray], list[Found]]) -> Detector:
    """``detect``, which takes BGR scaled to ``size`` pixels, for RGB of any size; a strip that would vanish there shows
    no face."""

    def detector(image: np.ndarray) -> list[Found]:
        if max(image.shape[:2]) > size * min(image.shape[:2]):
            return []
        return detect(np.ascontiguousarray(image[:, :, ::-1]))

    return TiledDetector(detector, size)


def _yunet(path: str) -> Detector:
    """OpenCV's YuNet, whose rows are box (4), five points (10), score; its points are in our order."""
    detector = cv2.FaceDetectorYN.create(path, '', (0, 0))

    def detect(image: np.ndarray) -> list[Found]:
        detector.setInputSize(image.shape[1::-1])
        rows = detector.detect(np.ascontiguousarray(image[:, :, ::-1]))[1]
        return [] if rows is None else [_of_yunet(row) for row in rows]

    return detect


def _of_yunet(row: np.ndarray) -> Found:
    left, top, width, height = row[:4]
    return Found(*_as_float(row[4:14].reshape(5, 2), row[14], (left, top, left + width, top + height)))


def _function(spec: str, how_to_name: str) -> Detector:
    """``module:function`` from the import path."""
    module, _, name = spec.partition(':')
    try:
        function = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise RuntimeError(f'Detector {spec}: {error}. {how_to_name}') from None
    if not callable(function):
        raise RuntimeError(f'Detector {spec}: is no function. {how_to_name}')
    return function


def make_detector(spec: str, more: Mapping[str, Callable[[], Detector]] | None = None) -> Detector:
    """A detector that needs no networks of RIM, by name; :func:`rim_plugin.tools.detection.load_detector` has them all.

    Args:
        spec: ``mtcnn``; ``insightface``; the path of an ``.onnx`` file, SCRFD or YuNet; or ``module:function``, a
            function from an RGB image, uint8 (H, W, 3), to (k, 5, 2) points: left eye, right eye, nose, left and right
            mouth corner of k faces as seen in the picture.
        more: detectors that only the caller has: name to a function without arguments that makes one.

    Returns:
        Such a function, or one to a list of :class:`Found`.

    Raises:
        RuntimeError: it cannot be loaded, or its model cannot be fetched; the message says what to do.
    """
    more = more or {}
    if spec in more:
        return more[spec]()
    how_to_name = _HOW_TO_NAME.format(''.join(f'{name!r}, ' for name in more))
    if spec == 'mtcnn':
        return _mtcnn()
    if spec == 'insightface':
        return _insightface()
    if spec.endswith('.onnx'):
        return _onnx(spec)
    if ':' in spec:
        return _function(spec, how_to_name)
    raise RuntimeError(f'Unknown detector {spec!r}. {how_to_name}')


def _mtcnn() -> Detector:
    from rim_plugin.data.mtcnn import TILE, MtcnnDetector

    return TiledDetector(MtcnnDetector(), TILE)


def detect_faces(detector: Detector, image: np.ndarray) -> list[Found]:
    """The faces that a detector sees in an image, uint8 RGB (H, W, 3).

    Raises:
        RuntimeError: it returns neither a list of :class:`Found` nor points of shape (k, 5, 2).
    """
    seen = detector(image)
    if isinstance(seen, list) and all(isinstance(each, Found) for each in seen):
        return seen
    points = np.asarray(seen, np.float64)
    if points.ndim == 3 and points.shape[1:] == (5, 2):
        return [found_by_points(each) for each in points]
    if points.ndim and not len(points):
        return []
    raise RuntimeError(f'The detector must return points of shape (k, 5, 2), but returned {points.shape}.')


def detect_each(detector: Detector, images: Sequence[np.ndarray]) -> list[list[Found]]:
    """:func:`detect_faces` of each of several images, together where the detector has ``each``."""
    if isinstance(detector, DetectsEach):
        return detector.each(images)
    return [detect_faces(detector, image) for image in images]


def largest_face(found: list[Found]) -> Found:
    """Of several faces, at least one, that whose points lie farthest apart."""
    return max(found, key=lambda each: float(np.ptp(each.points, axis=0).sum()))


class Detected:
    """Five points of the largest face of a photo: what an annotation reader is, by a detector.

    Args:
        detector: see :func:`make_detector`; called by one thread at a time.
    """

    num_landmarks = 5

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._lock = threading.Lock()

    def __call__(self, name: str | os.PathLike[str], image: np.ndarray) -> np.ndarray:
        with self._lock:
            found = detect_faces(self._detector, image)
        faces = [each for each in found if not each.doubt]
        if not faces:
            raise SkippedPhoto('no face found', found[0].doubt if found else '')
        return largest_face(faces).points
