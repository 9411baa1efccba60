"""Detection by scikit-image's cascade, aligned by landmarks that a stand-in for RIM finds exactly."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from rim_plugin.data.alignment import alignment_template
from rim_plugin.data.landmarks import five_points
from rim_plugin.data.synthetic.faces import draw_face
from rim_plugin.tools.cascade import CascadeDetector, start_points, suppress_overlaps

COLOURS = np.array([(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (255, 0, 255)], np.uint8)
INDICES = (range(36, 42), range(42, 48), (30,), (48,), (54,))  # of the five points in 68


class SeesDots:
    """Finds five points of a face by the colours of their dots, in pixels of a face of ``image_size``."""

    image_size, upright = 224, 90

    def priors(self, faces, parsing):
        return [self.seen(face) for face in faces]

    def seen(self, face):
        landmarks = np.zeros((68, 2))
        y, x = np.mgrid[: len(face), : len(face)]
        for colour, indices in zip(COLOURS, INDICES):
            weight = (np.abs(face.astype(int) - colour).sum(2) < 150) + 1e-9
            output = np.array([(x * weight).sum(), (y * weight).sum()]) / weight.sum()
            landmarks[list(indices)] = (output + 0.5) * (self.image_size / len(face)) - 0.5
        eyes = landmarks[42:48].mean(0) - landmarks[36:42].mean(0)
        sure = self.upright - abs(np.degrees(np.arctan2(eyes[1], eyes[0])))  # surest of faces that are upright
        return SimpleNamespace(landmarks=landmarks, peaks=np.full(68, sure))


def dotted(points, size=400):
    """A grey photo with a dot of its colour at each of five points."""
    photo = np.full((size, size, 3), 128, np.uint8)
    for point, colour in zip(points, COLOURS):
        cv2.circle(photo, tuple(int(round(value)) for value in point), 9, colour.tolist(), -1)
    return photo


@pytest.mark.parametrize('angle, scale, shift', [(0, 1, (0, 0)), (20, 0.8, (20, -15)), (-15, 1.2, (-10, 25))])
def test_landmarks_align_what_the_window_only_hints_at(angle, scale, shift):
    side = 180
    matrix = cv2.getRotationMatrix2D((112, 112), angle, scale)
    points = alignment_template(224) @ matrix[:, :2].T + matrix[:, 2] + shift + 80
    photo = dotted(points)
    centre = points[:2].mean(0)
    window = (centre[0] - 0.479 * side, centre[1] - 0.388 * side, side)
    output = CascadeDetector(SeesDots())._points(photo, window)
    assert np.abs(output - points).max() < 2.5, output - points


def test_the_surest_start_counts():
    class Stubborn(SeesDots):
        """Leaves every start where it is."""

        def seen(self, face):
            output = super().seen(face)
            points = alignment_template(224)
            for point, indices in zip(points, INDICES):
                output.landmarks[list(indices)] = point
            return output

    truth = start_points((100, 100, 200), 10)
    output = CascadeDetector(Stubborn())._points(dotted(truth), (100, 100, 200))
    np.testing.assert_allclose(output, truth, atol=1)


def test_weights_without_landmarks_are_named():
    detector = CascadeDetector(SimpleNamespace(priors=lambda faces, parsing: [SimpleNamespace(landmarks=None)] * 9))
    with pytest.raises(ValueError, match='cascade.*landmark path'):
        detector._points(dotted(()), (100, 100, 120))


@pytest.mark.slow
def test_faces_of_a_photo_are_found():
    """Two drawn people in one photo; nothing in an empty one."""
    faces = [draw_face(0, identity, 0) for identity in (0, 3)]
    photo = np.full((400, 700, 3), 128, np.uint8)
    places = [(60, 60), (400, 110)]
    for (image, *_), (left, top) in zip(faces, places):
        photo[top : top + 224, left : left + 224] = image
    detector = CascadeDetector(None)
    windows = detector.windows(photo)
    assert len(windows) == 2
    for left, top, side in windows:
        eyes = np.array((left, top)) + side * np.array((0.479, 0.388))
        truth = [five_points(face[1])[:2].mean(0) + place for face, place in zip(faces, places)]
        assert min(np.abs(eyes - each).max() for each in truth) < 0.2 * side
    for shape in ((300, 300), (1, 1), (1, 4000)):
        assert detector.windows(np.full((*shape, 3), 128, np.uint8)).shape == (0, 3)
    assert detector(np.full((300, 300, 3), 128, np.uint8)).shape == (0, 5, 2)


def test_windows_of_one_face_become_one():
    output = suppress_overlaps(np.array([(11.0, 12, 80), (10, 10, 100), (140, 20, 60), (30, 30, 20)]))
    assert output.tolist() == [[10, 10, 100], [140, 20, 60]]
    assert suppress_overlaps([]).shape == (0, 3)
