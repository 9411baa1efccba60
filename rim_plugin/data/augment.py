"""Augmentation for distillation: morphs of two persons, and small changes of pose and light.

A teacher embeds any face, that of nobody, too, so that morphs enlarge a training set of few persons; Beyer et al.,
*Knowledge distillation: a good teacher is patient and consistent* (2022), mix images in the same way.
"""

import math
import random
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from scipy.interpolate import RBFInterpolator

from rim_plugin.data.alignment import warp_image, warp_parsing, warp_points
from rim_plugin.options.datasets import AugmentOptions

# Image uint8 RGB (S, S, 3), landmarks float32 (L, 2) in its pixels or None, parsing map uint8 (S, S) or None.
Face = tuple[np.ndarray, np.ndarray | None, np.ndarray | None]

CELL = 8  # pixels between the places at which a warp is computed
FIELD = 5  # random numbers along a side of a field of blend weights: eyes, nose and mouth lie apart
SMOOTHING = 3.0  # landmarks that nearly coincide must not tear the image; leaves up to two pixels
MORPH_ENDS = 0.25, 0.75  # of the weight of a face in a morph


def border_points(size: int) -> np.ndarray:
    """(12, 2) points of the border, which stay where they are."""
    ticks = np.linspace(0, size - 1, 4)
    return np.array([(x, y) for x in ticks for y in ticks if {x, y} & {ticks[0], ticks[-1]}])


def _backward_map(source: np.ndarray, target: np.ndarray, size: int) -> np.ndarray:
    """Where in the old image the content of each pixel of the new one lies, float32 (size, size, 2).

    What is at ``source`` (L, 2) comes to ``target`` (L, 2): radial basis functions |r| through the landmarks.
    """
    anchors = border_points(size)
    points = np.concatenate([target, anchors])
    moves = np.concatenate([source, anchors]) - points
    centres = np.arange(CELL / 2 - 0.5, size, CELL)
    grid = np.stack(np.meshgrid(centres, centres), -1).reshape(-1, 2)
    moved = RBFInterpolator(points, moves, kernel='linear', smoothing=SMOOTHING)(grid)
    field = cv2.resize(moved.reshape(len(centres), len(centres), 2).astype(np.float32), (size, size))
    return field + np.stack(np.meshgrid(*[np.arange(size, dtype=np.float32)] * 2), -1)


def morph_faces(first: Face, second: Face, shape: float, blend: float | np.ndarray) -> Face:
    """A face between two: both are warped to landmarks between theirs, then blended.

    Args:
        first, second: two faces with landmarks, or, without, aligned alike, which are blended as they lie.
        shape: weight of the first one's landmarks in the result's, 0 to 1.
        blend: weight of the first one's colours, 0 to 1: everywhere, or (S, S) of each pixel.

    Returns:
        The face between; its parsing map is, at each pixel, that of the face with the larger weight.

    Raises:
        ValueError: the images or the landmarks differ in shape, or one alone has landmarks.
    """
    (image, points, parsing), (other_image, other_points, other_parsing) = first, second
    counts = [0 if each is None else len(each) for each in (points, other_points)]
    if image.shape != other_image.shape or counts[0] != counts[1]:
        raise ValueError(
            f'morph: faces of {image.shape} and {other_image.shape} with {counts[0]} and {counts[1]} landmarks do not '
            'fit together'
        )
    weight = np.full(image.shape[:2], blend, np.float32)
    if points is None or other_points is None:
        return cv2.blendLinear(image, other_image, weight, 1 - weight), None, None
    landmarks = shape * points + (1 - shape) * other_points
    own, other = (_backward_map(source, landmarks, len(image)) for source in (points, other_points))
    morph = cv2.blendLinear(_remap(image, own), _remap(other_image, other), weight, 1 - weight)
    if parsing is not None and other_parsing is not None:
        nearest = (
            _remap(classes, field, cv2.INTER_NEAREST) for classes, field in ((parsing, own), (other_parsing, other))
        )
        parsing = np.where(weight >= 0.5, *nearest)
    return morph, landmarks.astype(np.float32), parsing


def _remap(image: np.ndarray, field: np.ndarray, method: int = cv2.INTER_LINEAR) -> np.ndarray:
    border = cv2.BORDER_REFLECT_101
    return cv2.remap(image, field, None, method, borderMode=border)  # type: ignore[call-overload]  # stubs lack None


def draw_blend(size: int, noise: float) -> np.ndarray:
    """Draw from Python's ``random`` the weight of the first face in each pixel of a morph, float32 (size, size).

    The log-odds are a smooth random field, so that eyes may be of one person and the mouth of the other.

    Args:
        size: of the face, in pixels.
        noise: standard deviation of the field; with 0 the weight is the same everywhere.
    """
    start = random.uniform(*MORPH_ENDS)
    field = np.array([random.gauss(0, noise) for _ in range(FIELD**2)], np.float32).reshape(FIELD, FIELD)
    field = cv2.resize(field, (size, size), interpolation=cv2.INTER_CUBIC) + math.log(start / (1 - start))
    return 1 / (1 + np.exp(-field))


class Frame(NamedTuple):
    """Where the wanted window lies in the faces of a store. Such faces have no priors where there is a margin.

    Attributes:
        margin: pixels of a face beyond its window, on every side.
        scale: pixels of the window over those of the HR image, in which the options count.
    """

    margin: int = 0
    scale: float = 1.0

    def side(self, size: int) -> int:
        """Pixels of the window along a side, of a face of ``size``."""
        return size - 2 * self.margin

    def cut(self, image: np.ndarray) -> np.ndarray:
        """The window of a face (size, size, 3)."""
        window = slice(self.margin, len(image) - self.margin)
        return image[window, window]

    def from_face(self, matrix: np.ndarray) -> np.ndarray:
        """A transform (2, 3) of the window as one from the whole face to the window."""
        return np.c_[matrix[:, :2], matrix[:, 2] - self.margin * matrix[:, :2].sum(1)]


WHOLE = Frame()  # an HR image


@dataclass(frozen=True)
class FaceAugmentation:
    """Draws from Python's ``random`` what becomes of a face.

    Args:
        options: what is drawn, and how far from the face as it is.
        frame: what is given of a face, and what is wanted.
    """

    options: AugmentOptions
    frame: Frame = WHOLE

    def wants_morph(self) -> bool:
        """Draw whether the next face becomes a morph."""
        return random.random() < self.options.morph

    def __call__(self, face: Face, other: Face | None = None) -> Face:
        """The window of the face with another pose and light, first morphed with the ``other`` one if there is one."""
        if other is not None:
            face = morph_faces(
                face, other, random.uniform(*MORPH_ENDS), draw_blend(len(face[0]), self.options.blend_noise)
            )
        image, landmarks, parsing = face
        options = self.options
        if options.rotate or options.scale or options.shift:
            size = self.frame.side(len(image))
            matrix = self.frame.from_face(self._pose(size))
            image = warp_image(image, matrix, size)
            landmarks = None if landmarks is None else warp_points(landmarks, matrix)
            parsing = None if parsing is None else warp_parsing(parsing, matrix, size)
        else:
            image = self.frame.cut(image)
        if options.gamma:
            levels = (np.arange(256) / 255) ** math.exp(random.gauss(0, options.gamma)) * 255
            image = cv2.LUT(image, levels.round().astype(np.uint8))
        return image, landmarks, parsing

    def _pose(self, size: int) -> np.ndarray:
        """Similarity transform about the centre of the window, (2, 3)."""
        options, centre, shift = self.options, (size - 1) / 2, self.options.shift * self.frame.scale
        matrix: np.ndarray = cv2.getRotationMatrix2D(
            (centre, centre), random.gauss(0, options.rotate), math.exp(random.gauss(0, options.scale))
        )
        matrix[:, 2] += random.gauss(0, shift), random.gauss(0, shift)
        return matrix
