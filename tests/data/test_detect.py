import sys

import cv2
import numpy as np
import pytest

from rim_plugin.data.annotations import LeftOut
from rim_plugin.data.detect import Detected, load_detector

IMAGE = np.zeros((40, 50, 3), np.uint8)
FACE = np.array([(10., 10), (20, 10), (15, 15), (11, 20), (19, 20)])


def test_a_function_by_name(tmp_path, monkeypatch):
    (tmp_path / 'my_detector.py').write_text('def find(image):\n    return [[[1, 2]] * 5]\n')
    monkeypatch.syspath_prepend(tmp_path)
    assert np.shape(load_detector('my_detector:find')(IMAGE)) == (1, 5, 2)


@pytest.mark.parametrize('spec, message', [
    ('no_such_module:find', "No module named 'no_such_module'"), ('math:find', "no attribute 'find'"),
    ('mtcnn', "Unknown detector 'mtcnn'.*insightface.*onnx.*module:function"), ('absent.onnx', 'no such file'),
])
def test_a_detector_that_is_not_there_says_what_to_name(spec, message):
    with pytest.raises(RuntimeError, match=message):
        load_detector(spec)


def test_insightface_without_its_model_says_what_to_do(monkeypatch):
    app = pytest.importorskip('insightface.app', exc_type=ImportError)

    def unreachable(**kwargs):
        raise ConnectionError('no route')

    monkeypatch.setattr(app, 'FaceAnalysis', unreachable)
    with pytest.raises(RuntimeError, match='could not be fetched.*no route.*by hand, or name another detector'):
        load_detector('insightface')


def test_insightface_absent_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, 'insightface.app', None)
    with pytest.raises(RuntimeError, match='pip install insightface'):
        load_detector('insightface')


def test_insightface_gets_bgr(monkeypatch):
    app = pytest.importorskip('insightface.app', exc_type=ImportError)

    class Analysis:

        def __init__(self, allowed_modules):
            assert allowed_modules == ['detection']

        def prepare(self, ctx_id, det_size):
            pass

        def get(self, image):
            assert image[0, 0].tolist() == [3, 2, 1]
            return [type('Face', (), {'kps': FACE})] * 2

    monkeypatch.setattr(app, 'FaceAnalysis', Analysis)
    assert load_detector('insightface')(IMAGE + np.array([1, 2, 3], np.uint8)).shape == (2, 5, 2)


def test_yunet_rows_become_points(tmp_path, monkeypatch):
    (tmp_path / 'yunet.onnx').write_bytes(b'')
    answers = [np.concatenate([[0, 0, 9, 9], FACE.ravel(), [0.9]])[None], None]

    class Yunet:

        def setInputSize(self, size):
            assert size == (50, 40)

        def detect(self, image):
            return 1, answers.pop(0)

    monkeypatch.setattr(cv2.FaceDetectorYN, 'create', lambda path, config, size: Yunet())
    detect = load_detector(str(tmp_path / 'yunet.onnx'))
    assert np.array_equal(detect(IMAGE), FACE[None])
    assert detect(IMAGE).shape == (0, 5, 2)


def test_the_largest_face_is_taken():
    assert np.array_equal(Detected(lambda image: [FACE, 3 * FACE, 2 * FACE])('a.jpg', IMAGE), 3 * FACE)


def test_no_face_is_left_out_and_a_wrong_shape_is_an_error():
    with pytest.raises(LeftOut, match='no face found'):
        Detected(lambda image: [])('a.jpg', IMAGE)
    with pytest.raises(RuntimeError, match=r'\(k, 5, 2\)'):
        Detected(lambda image: [np.zeros((68, 2))])('a.jpg', IMAGE)
