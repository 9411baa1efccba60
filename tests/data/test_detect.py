import sys

import numpy as np
import pytest

from rim_plugin.data.detect import Detected, detect_faces, make_detector
from rim_plugin.data.found import Found
from rim_plugin.errors import SkippedPhoto

IMAGE = np.zeros((40, 50, 3), np.uint8)
FACE = np.array([(10.0, 10), (20, 10), (15, 15), (11, 20), (19, 20)])


def test_a_function_by_name(tmp_path, monkeypatch):
    (tmp_path / 'my_detector.py').write_text('def find(image):\n    return [[[1, 2]] * 5]\n')
    monkeypatch.syspath_prepend(tmp_path)
    assert np.shape(make_detector('my_detector:find')(IMAGE)) == (1, 5, 2)


@pytest.mark.parametrize(
    'spec, message',
    [
        ('no_such_module:find', "No module named 'no_such_module'"),
        ('math:find', "no attribute 'find'"),
        ('nobody', "Unknown detector 'nobody'.*mtcnn.*insightface.*onnx.*module:function"),
        ('absent.onnx', 'no such file'),
    ],
)
def test_a_detector_that_is_not_there_says_what_to_name(spec, message):
    with pytest.raises(RuntimeError, match=message):
        make_detector(spec)


def test_insightface_without_its_model_says_what_to_do(monkeypatch):
    app = pytest.importorskip('insightface.app', exc_type=ImportError)

    def unreachable(**kwargs):
        raise ConnectionError('no route')

    monkeypatch.setattr(app, 'FaceAnalysis', unreachable)
    with pytest.raises(RuntimeError, match='could not be fetched.*no route.*by hand, or name another detector'):
        make_detector('insightface')


def test_insightface_absent_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, 'insightface.app', None)
    with pytest.raises(RuntimeError, match='pip install insightface'):
        make_detector('insightface')


def test_insightface_gets_bgr(monkeypatch):
    app = pytest.importorskip('insightface.app', exc_type=ImportError)

    class Analysis:
        def __init__(self, allowed_modules):
            assert allowed_modules == ['detection']

        def prepare(self, ctx_id, det_size):
            pass

        def get(self, image):
            assert image[0, 0].tolist() == [3, 2, 1]
            return [type('Face', (), {'kps': FACE, 'det_score': 0.75, 'bbox': (1, 2, 30, 35)})] * 2

    monkeypatch.setattr(app, 'FaceAnalysis', Analysis)
    found = make_detector('insightface')(IMAGE + np.array([1, 2, 3], np.uint8))
    assert [each.score for each in found] == [0.75] * 2 and found[0].box.tolist() == [1, 2, 30, 35]
    assert np.array_equal(found[1].points, FACE)


def onnx_network(path, answers, side=640):
    """A file with a network of side x side pixels, whose outputs are these arrays, by name, whatever it sees."""
    onnx = pytest.importorskip('onnx')
    nodes = [
        onnx.helper.make_node('ReduceMean', ['image'], ['mean'], keepdims=0),
        onnx.helper.make_node('Sub', ['mean', 'mean'], ['zero']),
    ]
    nodes += [onnx.helper.make_node('Add', [f'{name}_is', 'zero'], [name]) for name in answers]
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes,
        'constant',
        [value('image', 1, [1, 3, side, side])],
        [value(name, 1, answer.shape) for name, answer in answers.items()],
        [onnx.numpy_helper.from_array(answer, f'{name}_is') for name, answer in answers.items()],
    )
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid('', 13)], ir_version=8), path)


def scrfd_that_finds(face):
    """Outputs of SCRFD, in insightface's order, that show one face with these points, (5, 2) in 640 x 640 pixels."""
    answers = {
        f'{kind}_{stride}': np.zeros((2 * (640 // stride) ** 2, values), np.float32)
        for kind, values in (('score', 1), ('bbox', 4), ('kps', 10))
        for stride in (8, 16, 32)
    }
    row, column = 16, 20
    anchor = 2 * (row * 80 + column)
    answers['score_8'][anchor], answers['bbox_8'][anchor] = 0.9, 1
    answers['kps_8'][anchor] = ((face - 8 * np.array([column, row])) / 8).ravel()
    return answers


def test_an_scrfd_file_goes_to_insightface(tmp_path):
    pytest.importorskip('insightface.model_zoo', exc_type=ImportError)
    path = str(tmp_path / 'scrfd.onnx')
    onnx_network(path, scrfd_that_finds(FACE * 640 / 50))  # the picture's longer side becomes 640
    (found,) = make_detector(path)(IMAGE)
    assert found.points == pytest.approx(FACE, abs=1e-4)
    assert found.score == pytest.approx(0.9, abs=0.1) and found.box.shape == (4,)


@pytest.mark.parametrize('content', [b'', b'no network'])
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / 'a.onnx').write_bytes(content)
    with pytest.raises(RuntimeError, match='a.onnx: neither SCRFD with points nor YuNet of 2023 or later, or damaged'):
        make_detector(str(tmp_path / 'a.onnx'))


def test_another_network_is_no_detector(tmp_path):
    onnx_network(tmp_path / 'a.onnx', {'embedding': np.zeros((1, 128), np.float32)})
    with pytest.raises(RuntimeError, match='a.onnx: neither SCRFD with points nor YuNet'):
        make_detector(str(tmp_path / 'a.onnx'))


def yunet_that_finds(face, side):
    """Outputs of YuNet, in OpenCV's order, that show one face with these points, (5, 2), or none."""
    answers = {
        f'{kind}_{stride}': np.zeros((1, (side // stride) ** 2, values), np.float32)
        for kind, values in (('cls', 1), ('obj', 1), ('bbox', 4), ('kps', 10))
        for stride in (8, 16, 32)
    }
    if face is not None:
        row, column = 2, 1
        cell = row * (side // 8) + column
        answers['cls_8'][0, cell] = answers['obj_8'][0, cell] = 0.95
        answers['kps_8'][0, cell] = (face / 8 - (column, row)).ravel()
    return answers


@pytest.mark.parametrize('face', [FACE, None])
def test_a_yunet_file_goes_to_opencv(tmp_path, face):
    path = str(tmp_path / 'yunet.onnx')
    onnx_network(path, yunet_that_finds(face, 64), 64)  # OpenCV pads the picture to multiples of 32
    found = make_detector(path)(IMAGE)
    assert len(found) == (face is not None)
    for each in found:
        assert each.points == pytest.approx(face, abs=1e-4) and each.score == pytest.approx(0.95, abs=1e-4)


def test_the_largest_face_is_taken():
    assert np.array_equal(Detected(lambda image: [FACE, 3 * FACE, 2 * FACE])('a.jpg', IMAGE), 3 * FACE)


def test_a_face_in_doubt_is_not_taken():
    found = [Found(3 * FACE, 0.8, np.zeros(4), doubt='of stone'), Found(FACE, 0.99, np.zeros(4))]
    assert np.array_equal(Detected(lambda image: found)('a.jpg', IMAGE), FACE)
    with pytest.raises(SkippedPhoto, match='no face found.*of stone'):
        Detected(lambda image: found[:1])('a.jpg', IMAGE)


def test_no_face_is_left_out_and_a_wrong_shape_is_an_error():
    with pytest.raises(SkippedPhoto, match='no face found'):
        Detected(lambda image: [])('a.jpg', IMAGE)
    with pytest.raises(RuntimeError, match=r'\(k, 5, 2\)'):
        Detected(lambda image: [np.zeros((68, 2))])('a.jpg', IMAGE)


@pytest.mark.parametrize('found', [None, np.zeros((1, 68, 2)), np.zeros((1, 10)), 3])
def test_other_points_than_five_are_refused(found):
    with pytest.raises(RuntimeError, match=r'must return points of shape \(k, 5, 2\), but returned'):
        detect_faces(lambda image: found, IMAGE)
    assert detect_faces(lambda image: [], IMAGE) == detect_faces(lambda image: np.zeros((0, 5, 2)), IMAGE) == []


@pytest.mark.parametrize('spec', ['os:sep', ':x', 'os:nothing'])
def test_what_is_no_function_is_refused(spec):
    with pytest.raises(RuntimeError, match=f"Detector {spec}: .* Name 'mtcnn', 'insightface'"):
        make_detector(spec)
