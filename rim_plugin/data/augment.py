"""Other faces than there are: morphs of two persons, and small changes of pose and light. For distillation.

A teacher tells what any face is, so that a face of nobody serves to learn from it: with few persons in the training
data, the more the better (Beyer et al., *Knowledge distillation: a good teacher is patient and consistent*, 2022, who
mix images in the same way).
"""

import math
import random

import cv2
import numpy as np
from scipy.interpolate import RBFInterpolator

from rim_plugin.data.alignment import warp_image, warp_parsing, warp_points

_CELL = 8  # pixels between the places at which a warp is computed
_FIELD = 5  # random numbers along a side of a field of shares: eyes, nose and mouth lie apart
_SMOOTHING = 3.0  # landmarks that nearly coincide must not tear the image; leaves up to two pixels


def _anchors(size):
    """Points of the border, that stay where they are: (12, 2)."""
    ticks = np.linspace(0, size - 1, 4)
    return np.array([(x, y) for x in ticks for y in ticks if {x, y} & {ticks[0], ticks[-1]}])


def _backward_map(source, target, size):
    """Where in the old image the content of each pixel of the new one lies, float32 (size, size, 2), so that what is
    at ``source`` (L, 2) comes to ``target``: radial basis functions |r| through the landmarks."""
    anchors = _anchors(size)
    points = np.concatenate([target, anchors])
    moves = np.concatenate([source, anchors]) - points
    centres = np.arange(_CELL / 2 - 0.5, size, _CELL)
    grid = np.stack(np.meshgrid(centres, centres), -1).reshape(-1, 2)
    moved = RBFInterpolator(points, moves, kernel='linear', smoothing=_SMOOTHING)(grid)
    field = cv2.resize(moved.reshape(len(centres), len(centres), 2).astype(np.float32), (size, size))
    return field + np.stack(np.meshgrid(*[np.arange(size, dtype=np.float32)] * 2), -1)


def morph_faces(first, second, shape, blend):
    """A face between two: both are warped to landmarks between theirs, then blended.

    Args:
        first, second (tuple): image uint8 RGB (S, S, 3), landmarks (L, 2) in its pixels, parsing map uint8 (S, S) or
            None.
        shape (float): share of the first one's landmarks in the result's, 0 to 1.
        blend (float | ndarray): share of the first one's colours, 0 to 1: everywhere, or (S, S) of each pixel.

    Returns:
        tuple: image, landmarks float32 and parsing map of the result; the parsing map is, at each pixel, that of the
        face with the larger share.

    Raises:
        ValueError: the images or the landmarks differ in shape.
    """
    if first[0].shape != second[0].shape or first[1].shape != second[1].shape:
        raise ValueError(
            f'morph: faces of {first[0].shape} and {second[0].shape} with {len(first[1])} and '
            f'{len(second[1])} landmarks do not fit together'
        )
    landmarks = shape * first[1] + (1 - shape) * second[1]
    maps = [_backward_map(points, landmarks, len(image)) for image, points, _ in (first, second)]
    images = [
        cv2.remap(face[0], where, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        for face, where in zip((first, second), maps)
    ]
    share, parsing = np.full(images[0].shape[:2], blend, np.float32), None
    if first[2] is not None:
        parsing = np.where(
            share >= 0.5,
            *(
                cv2.remap(face[2], where, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT_101)
                for face, where in zip((first, second), maps)
            ),
        )
    return cv2.blendLinear(*images, share, 1 - share), landmarks.astype(np.float32), parsing


def draw_blend(size, noise):
    """Draw from Python's ``random`` the share of the first face in each pixel of a morph, float32 (size, size).

    The log-odds are a smooth random field, so that eyes may be of one person and the mouth of the other.

    Args:
        size (int): of the face, in pixels.
        noise (float): standard deviation of the field; with 0 the share is the same everywhere.
    """
    start = random.uniform(0.25, 0.75)
    field = np.array([random.gauss(0, noise) for _ in range(_FIELD**2)], np.float32).reshape(_FIELD, _FIELD)
    field = cv2.resize(field, (size, size), interpolation=cv2.INTER_CUBIC) + math.log(start / (1 - start))
    return 1 / (1 + np.exp(-field))


class FaceAugmentation:
    """Draws from Python's ``random`` what becomes of a face.

    Args:
        morph (float): share of faces that are morphs of two, see :func:`morph_faces`. Default: 0.
        blend_noise (float): see :func:`draw_blend`. Default: 0.
        rotate (float): standard deviation of the rotation, in degrees. Default: 0.
        scale (float): of the logarithm of the magnification. Default: 0.
        shift (float): of the displacement along either axis, in pixels. Default: 0.
        gamma (float): of the logarithm of gamma (values in [0, 1] raised to it). Default: 0.
        from_iter (int): the first iteration whose faces are changed; RIM's hallucination phase sees faces as they are.
            Default: 1.

    Raises:
        ValueError: ``morph`` is no share, or another number is below 0; the message names the option.
    """

    def __init__(self, morph=0, blend_noise=0, rotate=0, scale=0, shift=0, gamma=0, from_iter=1):
        values = {
            'morph': morph,
            'blend_noise': blend_noise,
            'rotate': rotate,
            'scale': scale,
            'shift': shift,
            'gamma': gamma,
            'from_iter': from_iter,
        }
        for name, value in values.items():
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
                raise ValueError(f'augment.{name} must be a number of at least 0, not {value!r}')
        if morph > 1:
            raise ValueError(f'augment.morph is a share, 0 to 1, not {morph}')
        self.morph, self.blend_noise, self.gamma, self.from_iter = morph, blend_noise, gamma, from_iter
        self.rotate, self.scale, self.shift = rotate, scale, shift

    def wants_morph(self):
        """Draw whether the next face becomes a morph."""
        return random.random() < self.morph

    def __call__(self, face, other=None):
        """
        Args:
            face (tuple): image uint8 RGB (S, S, 3), landmarks float32 (L, 2) or None, parsing map uint8 (S, S) or None.
            other (tuple | None): another such face, with which it becomes a morph.

        Returns:
            tuple: as ``face``.
        """
        if other is not None:
            face = morph_faces(face, other, random.uniform(0.25, 0.75), draw_blend(len(face[0]), self.blend_noise))
        image, landmarks, parsing = face
        if self.rotate or self.scale or self.shift:
            matrix = self._pose(len(image))
            image = warp_image(image, matrix, len(image))
            landmarks = landmarks if landmarks is None else warp_points(landmarks, matrix)
            parsing = parsing if parsing is None else warp_parsing(parsing, matrix, len(image))
        if self.gamma:
            levels = (np.arange(256) / 255) ** math.exp(random.gauss(0, self.gamma)) * 255
            image = cv2.LUT(image, levels.round().astype(np.uint8))
        return image, landmarks, parsing

    def _pose(self, size):
        """Similarity transform about the centre of the image, (2, 3)."""
        centre = (size - 1) / 2
        matrix = cv2.getRotationMatrix2D(
            (centre, centre), random.gauss(0, self.rotate), math.exp(random.gauss(0, self.scale))
        )
        matrix[:, 2] += random.gauss(0, self.shift), random.gauss(0, self.shift)
        return matrix
