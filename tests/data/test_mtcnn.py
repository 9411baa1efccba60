"""MTCNN from its wheel: drawn faces are found where they are, upright or aslant; textures are none."""

import sys

import cv2
import numpy as np
import pytest

from rim_plugin.data.landmarks import five_points
from rim_plugin.data.mtcnn import MtcnnDetector
from rim_plugin.data.synthetic.faces import draw_face


@pytest.fixture(scope='module')
def detector():
    return MtcnnDetector()


def drawn_photo(side, angle=0.0):
    """A grey photo of 200 pixels with a drawn face whose side is ``side``, turned; and its five points."""
    face = draw_face(7, 42, 0)
    middle = (len(face.image) - 1) / 2
    matrix = cv2.getRotationMatrix2D((middle, middle), angle, side / len(face.image))
    matrix[:, 2] += 99.5 - middle
    photo = cv2.warpAffine(face.image, matrix, (200, 200), flags=cv2.INTER_AREA, borderValue=(128, 128, 128))
    return photo, five_points(face.landmarks) @ matrix[:, :2].T + matrix[:, 2]


@pytest.mark.parametrize('side, angle', [(60, 0), (100, 0), (100, 35), (100, -35)])
def test_a_face_is_found_where_it_is(detector, side, angle):
    photo, points = drawn_photo(side, angle)
    found = max(detector(photo), key=lambda each: each.score)
    assert not found.doubt and 0.9 <= found.score <= 1
    assert np.hypot(*(found.points - points).T).mean() < 0.06 * side
    assert (found.points % 1 > 0.01).any()  # not of whole pixels
    assert (found.box[:2] < points.min(0)).all() and (points.max(0) < found.box[2:]).all()


@pytest.mark.parametrize('shape', [(4, 4), (40, 4), (5, 300), (120, 160)])
def test_a_plain_picture_has_no_face_whatever_its_shape(detector, shape):
    assert detector(np.full((*shape, 3), 128, np.uint8)) == []


@pytest.mark.parametrize('score, sure', [(0.9, True), (0.89, False)])
def test_a_find_that_is_not_sure_comes_with_a_doubt(detector, monkeypatch, score, sure):
    stages = np.array([[10.0, 20, 50, 60, score]]), np.full((1, 5, 2), 30.0)
    monkeypatch.setattr(detector, '_stages', lambda photo: stages)
    (found,) = detector(np.zeros((80, 80, 3), np.uint8))
    assert found.score == score and found.box.tolist() == [9.5, 19.5, 49.5, 59.5]
    assert found.points == pytest.approx(30 - 0.5 - 0.015 * 40)
    assert bool(found.doubt) != sure and f'not sure, {score}' in (found.doubt or f'not sure, {score}')


def test_nothing_stays_in_the_place_of_a_module_that_python_no_longer_has():
    MtcnnDetector()
    assert not hasattr(sys.modules.get('imghdr'), '__spec__') or sys.modules['imghdr'].__spec__
