"""A photo in, what the page shows of it out: the faces found, each before and after, priors, size and quality."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from rim_plugin.archs.recogniser import FACE_SIZE
from rim_plugin.data.alignment import alignment_matrix
from rim_plugin.data.detect import Detector
from rim_plugin.data.found import whole_picture
from rim_plugin.errors import PhotoError
from rim_plugin.sheets import draw_landmarks, draw_parsing
from rim_plugin.tools.api import RIM, landmark_network
from rim_plugin.tools.face_inputs import check_side
from rim_plugin.tools.face_landmarks import Seen
from rim_plugin.tools.photos import PhotoFace, cut_face, enlarged, find_faces, fitting_scale, paste_faces
from rim_plugin.tools.priors import Priors

SHOWN = 2400  # pixels of the longer side of what a browser gets
_SURE, _UNSURE = 0.35, 0.24  # landmarks' certainty from which a face is clear, below which there may be none


class FaceShown(NamedTuple):
    """A face of a photo.

    Attributes:
        side: in pixels, the face's own resolution.
        certainty: of its landmarks, 0 to about 1; None where the weights have no landmark path.
        before: uint8 (S, S, 3), by bicubic interpolation.
        after: uint8 (S, S, 3), hallucinated; ``before`` where the face is large enough as it is.
        priors: uint8 (S, S, 3) each, what the prior paths estimate, drawn; empty without such paths.
    """

    side: int
    certainty: float | None
    before: np.ndarray
    after: np.ndarray
    priors: list[np.ndarray]

    @property
    def restored(self) -> bool:
        """Whether the face was hallucinated."""
        return self.after is not self.before


class PhotoShown(NamedTuple):
    """A photo.

    Attributes:
        before: uint8 (H, W, 3), enlarged by bicubic interpolation.
        after: uint8 (H, W, 3), with the hallucinated faces.
        marked: uint8 (H, W, 3), with a numbered frame around each face.
        faces: the largest first.
    """

    before: np.ndarray
    after: np.ndarray
    marked: np.ndarray
    faces: list[FaceShown]


def faces_of(picture: np.ndarray, detector: Detector | None, largest: int) -> list[PhotoFace]:
    """The faces of a picture without those in doubt, the largest first.

    Args:
        picture: uint8 (H, W, 3), RGB.
        detector: see :func:`rim_plugin.tools.detection.load_detector`; None: the picture is an aligned face.
        largest: pixels; larger faces are reduced to it.

    Raises:
        PhotoError: there is none.
        ValueError: without a detector, the picture is no aligned face.
    """
    if detector is None:
        check_side(*picture.shape[1::-1])
        return [cut_face(picture, whole_picture(len(picture)), largest)]
    found = find_faces(picture, detector, largest)
    faces = [face for face in found if not face.doubt]
    if not faces:
        raise PhotoError(f'No face found{": " * bool(found)}{found[0].doubt if found else ""}. Take another photo')
    return sorted(faces, key=lambda face: -face.side)


def enlarge_photo(rim: RIM, photo: np.ndarray, detector: Detector | None) -> PhotoShown:
    """All that is shown of a photo.

    Args:
        rim: with a hallucination network.
        photo: uint8 (H, W, 3), RGB.
        detector: see :func:`faces_of`.

    Raises:
        PhotoError: no face is found.
        ValueError: the weights have no hallucination network.
    """
    found = faces_of(photo, detector, rim.image_size - 1)
    shown = show_faces(rim, [face.image for face in found])
    height, width = photo.shape[:2]
    wanted = fitting_scale(width, height, [face.side for face in found], rim.image_size)
    scale = min(wanted, max(SHOWN // max(width, height), 1))
    before = enlarged(photo, scale * width, scale * height)
    after = paste_faces(before, scale, [(face.points, each.after) for face, each in zip(found, shown) if each.restored])
    marked = _mark(before, [(face.points + 0.5) * scale - 0.5 for face in found])
    return PhotoShown(_reduced(before), _reduced(after), _reduced(marked), shown)


def show_faces(rim: RIM, faces: list[np.ndarray]) -> list[FaceShown]:
    """Each aligned face, uint8 (q, q, 3), with q below the hallucinated side, before and after."""
    size = rim.image_size
    before = [cv2.resize(face, (size, size), interpolation=cv2.INTER_CUBIC) for face in faces]
    after = [large if has_gained else first for first, (large, has_gained) in zip(before, rim.restore(faces))]
    priors = rim.priors(faces) if rim.pipeline.has_priors else [Priors(None, None, None)] * len(faces)
    certainties = [_certainty(each) for each in landmark_network().priors(faces, parsing=False)]
    return [
        FaceShown(len(face), certainty, first, last, _drawn(last, each))
        for face, certainty, first, last, each in zip(faces, certainties, before, after, priors)
    ]


def _certainty(priors: Priors) -> float | None:
    if priors.landmarks is None or priors.peaks is None:
        return None
    return Seen(priors.landmarks, priors.peaks).certainty


def _drawn(face: np.ndarray, priors: Priors) -> list[np.ndarray]:
    import torch

    pictures = []
    if priors.landmarks is not None:
        pictures.append(draw_landmarks(face, torch.from_numpy(priors.landmarks)))
    if priors.parsing is not None:
        pictures.append(draw_parsing(priors.parsing, len(face))[:, :, ::-1])
    return pictures


def _reduced(photo: np.ndarray) -> np.ndarray:
    """A photo no larger than :data:`SHOWN`."""
    factor = SHOWN / max(photo.shape[:2])
    return photo if factor >= 1 else cv2.resize(photo, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)


def _mark(photo: np.ndarray, faces: list[np.ndarray]) -> np.ndarray:
    """A copy of a photo with a numbered frame around each face; ``faces``: five points (5, 2) each, in its pixels."""
    marked = photo.copy()
    width = max(round(max(photo.shape[:2]) / 400), 1)
    for number, points in enumerate(faces, 1):
        frame = np.array([(0, 0), (FACE_SIZE, 0), (FACE_SIZE, FACE_SIZE), (0, FACE_SIZE)])
        back = cv2.invertAffineTransform(alignment_matrix(points, FACE_SIZE))
        corners = np.rint(frame @ back[:, :2].T + back[:, 2]).astype(np.int32)
        cv2.polylines(marked, [corners], True, (255, 190, 40), 2 * width, cv2.LINE_AA)
        place = corners[3] + (4 * width, -6 * width)  # the upper corner may lie below the picture's label
        for colour, thickness in (((30, 30, 30), 4 * width), ((255, 190, 40), 2 * width)):
            cv2.putText(marked, str(number), place.tolist(), cv2.FONT_HERSHEY_SIMPLEX, 0.55 * width, colour, thickness)
    return marked


def describe(face: FaceShown) -> str:
    """Size and quality of a face in one line of plain words."""
    kind = 'hallucinated' if face.restored else 'left as it is: it has the detail that hallucination would add'
    size = f'{face.side} x {face.side} pixels, {kind}'
    return '. '.join([size, *_quality(face)]) + '.'


def _quality(face: FaceShown) -> list[str]:
    """What speaks for and against the result."""
    lines = []
    if face.side < 10:
        lines.append('Below 10 pixels the result is a likely face, not this person’s')
    if face.certainty is not None:
        sure = 'clear' if face.certainty >= _SURE else 'fair' if face.certainty >= _UNSURE else 'hardly seen'
        lines.append(f'Landmarks {sure} ({face.certainty:.2f})')
    return lines
