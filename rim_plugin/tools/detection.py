"""Detectors by name: what they find is looked at again by RIM's landmark path, and an aligned face is left as it is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial

import cv2
import numpy as np
from skimage.transform import estimate_transform

from rim_plugin.data.alignment import alignment_template
from rim_plugin.data.detect import Detector, detect_faces, make_detector
from rim_plugin.data.found import Found, whole_picture
from rim_plugin.data.tiles import TiledDetector, untiled
from rim_plugin.tools.api import RIM, landmark_network
from rim_plugin.tools.face_landmarks import SMALLEST_PHOTO, Seen, has_landmarks, see_aligned, see_each, see_landmarks

_CERTAIN = 0.24  # landmarks' certainty from which a find is a face
_ALONE = 0.3  # the same, of a picture in which the detector sees none; a face that is not aligned has up to .3
_CLEAR = 0.3  # the same, of a face that stands upright; one on its side may look like another with less
_TURNED_SIDE = 2000  # pixels, at most, of a photo that is looked at turned
_MOVED = 0.05  # how far landmarks may lie from the detector's points on average, as a share of the aligned face's side
_REFINED = ('mtcnn',)  # whose points RIM's landmarks better
_SMALLER = 0.6  # share of a face's width below which a find in its middle is a part of it
_TOGETHER = 224  # side in pixels of a square picture up to which others wait for its landmarks
_SCALE, _TURN, _SHIFT = 1.1, 10.0, 0.05  # from the template, of an aligned face: factor, degrees, share of the side


def load_detector(name: str, rim: RIM | None = None, tiles: bool = True) -> Detector:
    """A detector by name.

    Args:
        name: ``auto``: an aligned face stays as it is, in any other picture MTCNN finds the faces. ``mtcnn``,
            ``cascade`` (upright faces only), ``insightface``, the path of an ``.onnx`` file, SCRFD or YuNet: the faces
            of whole photos, each looked at by RIM's landmark path. ``module:function``: a function, whose points are
            taken as they are, see :func:`rim_plugin.data.detect.make_detector`.
        rim: whose landmark path looks at the faces. Default: those of
            :func:`rim_plugin.tools.api.landmark_network`, for which the thresholds are.
        tiles: search large photos tile by tile, too, for small faces; in vain where the largest face is meant.

    Returns:
        From an RGB image, uint8 (H, W, 3), to a list of :class:`rim_plugin.data.found.Found`, or what the function
        gives.

    Raises:
        OptionsError: the weights cannot be read.
        RuntimeError: the detector cannot be loaded; the message says what to do.
    """
    if ':' in name and not name.endswith('.onnx'):
        return make_detector(name)
    if name == 'auto':
        return AutoDetector(rim or landmark_network(), tiles)
    networks: list[RIM] = []

    def cascade() -> Detector:
        from rim_plugin.tools.cascade import LONG_SIDE, CascadeDetector

        print('cascade: upright, frontal faces only', file=sys.stderr)
        networks.append(rim or landmark_network())
        return TiledDetector(partial(detect_faces, CascadeDetector(networks[0])), LONG_SIDE)

    detector = make_detector(name, {'auto': cascade, 'cascade': cascade})
    rim = networks[0] if networks else rim or landmark_network()
    return Turning(CheckedDetector(detector if tiles else untiled(detector), rim, name in _REFINED))


class CheckedDetector:
    """A detector whose finds RIM's landmark path looks at: what it does not take for a face comes with a doubt.

    Without a landmark path the finds stay as they are.

    Args:
        detector: see :func:`rim_plugin.data.detect.make_detector`.
        rim: whose landmark path looks at them.
        refine: the landmarks' five points take the place of the detector's.
    """

    def __init__(self, detector: Detector, rim: RIM, refine: bool) -> None:
        self.rim, self.sees = rim, has_landmarks(rim)
        self._detector, self._refine = detector, refine

    def __call__(self, photo: np.ndarray) -> list[Found]:
        """The finds in a photo, uint8 (H, W, 3), RGB."""
        found = self._clear(photo)
        return without_parts([self._looked_at(photo, each) for each in found] if self.sees else found)

    def each(self, photos: Sequence[np.ndarray]) -> list[list[Found]]:
        """The same of each of several photos, whose faces go through the landmark path together."""
        found = [self._clear(photo) for photo in photos]
        if not self.sees:
            return [without_parts(each) for each in found]
        places = [(photo, each.points) for photo, finds in zip(photos, found) for each in finds]
        seen = iter(see_each(self.rim, places) if places else [])
        return [without_parts([self._judged(each, next(seen)) for each in finds]) for finds in found]

    def _clear(self, photo: np.ndarray) -> list[Found]:
        return [each for each in detect_faces(self._detector, photo) if np.ptp(each.points, axis=0).max() >= 4]

    def _looked_at(self, photo: np.ndarray, found: Found) -> Found:
        return self._judged(found, see_landmarks(self.rim, photo, [found.points])[0])

    def _judged(self, found: Found, seen: Seen) -> Found:
        points = seen.points if self._refine else found.points
        return found._replace(points=points, certainty=seen.certainty, doubt=found.doubt or _doubt(found, seen))


class Turning:
    """A detector that finds upright faces, for photos that lie on their side or on their head, too.

    Where it finds none clearly it looks at the photo, reduced to 2,000 pixels, turned by 90, 270 and 180 degrees; the
    turn with the most certain face counts.

    Args:
        detector: from an RGB image to a list of :class:`rim_plugin.data.found.Found`.
    """

    def __init__(self, detector: Callable[[np.ndarray], list[Found]]) -> None:
        self._detector = detector

    def __call__(self, photo: np.ndarray) -> list[Found]:
        """``photo``: uint8 (H, W, 3), RGB."""
        upright = self._detector(photo)
        if _best(upright) >= _CLEAR:
            return upright
        factor = _TURNED_SIDE / max(photo.shape[:2])
        seen = photo if factor >= 1 else cv2.resize(photo, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        looks = {0: upright, **{turns: self._turned(seen, turns) for turns in (1, 3, 2)}}
        best = max(looks, key=lambda turns: _best(looks[turns]))
        return self._turned(photo, best) if best and seen is not photo else looks[best]

    def _turned(self, photo: np.ndarray, turns: int) -> list[Found]:
        found = self._detector(np.ascontiguousarray(np.rot90(photo, turns)))
        return [_turned_back(each, turns, *photo.shape[:2]) for each in found]


def _best(found: list[Found]) -> float:
    """Certainty of the most certain face; 1 of faces whose landmarks were not looked for, -1 where there is none."""
    return max((float(np.nan_to_num(each.certainty, nan=1.0)) for each in found if not each.doubt), default=-1.0)


def _turned_back(found: Found, turns: int, height: int, width: int) -> Found:
    """A face of a photo (height, width) that ``np.rot90`` has turned ``turns`` times, in the photo."""

    def back(points: np.ndarray) -> np.ndarray:
        x, y = points.T
        places = {1: (width - 1 - y, x), 2: (width - 1 - x, height - 1 - y), 3: (y, height - 1 - x)}
        return np.stack(places[turns], 1)

    corners = back(found.box.reshape(2, 2))
    box = np.concatenate([corners.min(0), corners.max(0)])
    return found._replace(points=back(found.points), box=box)


def _doubt(found: Found, seen: Seen) -> str:
    """What speaks against a find, in a few words; nothing where the landmarks agree with the detector."""
    if seen.certainty < _CERTAIN:
        return f'its landmarks are uncertain, {seen.certainty:.2f}'
    side = aligned_side(found.points)
    if np.hypot(*(seen.points - found.points).T).mean() > _MOVED * side:
        return "its landmarks are not where the detector's points are"
    return ''


def aligned_side(points: np.ndarray) -> float:
    """Side in pixels of the aligned window of five points (5, 2) in a photo."""
    return 1 / float(estimate_transform('similarity', points, alignment_template(1)).scale)


def without_parts(found: list[Found]) -> list[Found]:
    """The finds, each in the middle of a much larger face with a doubt."""
    return [
        each._replace(doubt=each.doubt or 'it is a part of a larger face')
        if any(_is_part(each, other) for other in found)
        else each
        for each in found
    ]


def _is_part(found: Found, other: Found) -> bool:
    middle, corners = (found.box[:2] + found.box[2:]) / 2, other.box.reshape(2, 2)
    smaller = np.ptp(found.box[::2]) < _SMALLER * np.ptp(corners[:, 0])
    return bool(not other.doubt and smaller and (corners[0] < middle).all() and (middle < corners[1]).all())


class AutoDetector:
    """MTCNN's faces, but an aligned face is the whole picture, its points those of the template.

    Args:
        rim: whose landmark path looks at them.
        tiles: see :func:`load_detector`.
    """

    def __init__(self, rim: RIM, tiles: bool = True) -> None:
        detector = make_detector('mtcnn')
        self._checked = CheckedDetector(detector if tiles else untiled(detector), rim, refine=True)
        self._photo = Turning(self._checked)

    def __call__(self, picture: np.ndarray) -> list[Found]:
        """The finds in a picture, uint8 (H, W, 3), RGB."""
        height, width = picture.shape[:2]
        if height != width:
            return self._photo(picture)
        return self._of_square(picture, [] if width < SMALLEST_PHOTO else self._checked(picture))

    def each(self, pictures: Sequence[np.ndarray]) -> list[list[Found]]:
        """The finds in each of several pictures; small square ones, which most often are aligned faces, go through the
        landmark path together."""
        small = [number for number, picture in enumerate(pictures) if _may_be_aligned(picture)]
        checked = dict(zip(small, self._checked.each([pictures[number] for number in small])))
        return [
            self._of_square(picture, checked[number]) if number in checked else self(picture)
            for number, picture in enumerate(pictures)
        ]

    def _of_square(self, picture: np.ndarray, found: list[Found]) -> list[Found]:
        """The finds in a square picture, of which these are the checked ones; none are looked for in a tiny one."""
        width = len(picture)
        faces = [each for each in found if not each.doubt]
        aligned = any(stands_aligned(each.points, width) for each in faces)
        if width < SMALLEST_PHOTO or aligned or not faces and self._is_face(picture):
            return [whole_picture(width)]
        return found if faces else self._photo(picture)

    def _is_face(self, picture: np.ndarray) -> bool:
        """Whether the landmark path alone is certain: of a face that the detector does not see."""
        if not self._checked.sees:
            return False
        seen = see_aligned(self._checked.rim, picture)
        return seen.certainty >= _ALONE and stands_aligned(seen.points, len(picture))


def _may_be_aligned(picture: np.ndarray) -> bool:
    height, width = picture.shape[:2]
    return height == width and SMALLEST_PHOTO <= width <= _TOGETHER


def stands_aligned(points: np.ndarray, side: int) -> bool:
    """Whether five points (5, 2) of a square picture of ``side`` pixels stand about where alignment puts them."""
    matrix = estimate_transform('similarity', points, alignment_template(side))
    middle = np.full((1, 2), (side - 1) / 2)
    shift = np.hypot(*(matrix(middle) - middle)[0])
    near = 1 / _SCALE <= matrix.scale <= _SCALE and abs(np.degrees(matrix.rotation)) <= _TURN
    return bool(near and shift <= _SHIFT * side)
