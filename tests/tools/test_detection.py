"""Detectors by name, the second look at what they find, and aligned faces told from photos."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from support.commands import POINTS, nobody
from support.textures import textures

from rim_plugin.data.alignment import alignment_template
from rim_plugin.data.detect import detect_each, detect_faces
from rim_plugin.data.found import Found, found_by_points
from rim_plugin.data.landmarks import five_points
from rim_plugin.data.synthetic.faces import draw_face
from rim_plugin.data.tiles import TiledDetector
from rim_plugin.tools import detection
from rim_plugin.tools.api import landmark_network
from rim_plugin.tools.cascade import CascadeDetector
from rim_plugin.tools.detection import AutoDetector, CheckedDetector, Turning, load_detector, stands_aligned
from rim_plugin.tools.detection import without_parts as dropped
from rim_plugin.tools.face_landmarks import Seen, see_each

FACE = alignment_template(100) + 50


@pytest.fixture(scope='module')
def shipped():
    """RIM with the weights of the repository."""
    return landmark_network()


def drawn(side, identity=42):
    face = draw_face(7, identity, 0)
    image = cv2.resize(face.image, (side, side), interpolation=cv2.INTER_AREA)
    return image, (five_points(face.landmarks) + 0.5) * (side / len(face.image)) - 0.5


def photo_with(side, place=(70, 50), size=200):
    """A grey photo with a drawn face, and its five points."""
    photo = np.full((size, size + 20, 3), 128, np.uint8)
    image, points = drawn(side)
    photo[place[1] : place[1] + side, place[0] : place[0] + side] = image
    return photo, points + place


@pytest.mark.slow
@pytest.mark.parametrize('turns', [0, 1, 2, 3])
@pytest.mark.parametrize('side', [28, 60])
def test_a_face_of_a_photo_on_its_side_or_head_is_found(shipped, turns, side):
    photo, points = photo_with(side)
    turned = np.ascontiguousarray(np.rot90(photo, turns))
    (found,) = [each for each in load_detector('auto', shipped)(turned) if not each.doubt]
    height, width = photo.shape[:2]
    x, y = points.T
    expected = [(x, y), (y, width - 1 - x), (width - 1 - x, height - 1 - y), (height - 1 - y, x)][turns]
    assert np.hypot(*(found.points - np.stack(expected, 1)).T).mean() < 0.03 * side
    assert found.certainty > 0.24 and found.score > 0.9
    assert (found.box[:2] < found.points.min(0)).all() and (found.points.max(0) < found.box[2:]).all()


@pytest.mark.slow
@pytest.mark.parametrize('side', [14, 28, 112, 224])
def test_an_aligned_face_stays_as_it_is_and_a_wider_square_does_not(shipped, side):
    detector = AutoDetector(shipped)
    (found,) = detector(drawn(side)[0])
    assert np.array_equal(found.points, alignment_template(side))
    if side >= 28:
        wider = cv2.copyMakeBorder(drawn(side)[0], *[side // 4] * 4, cv2.BORDER_REPLICATE)
        (found,) = [each for each in detector(wider) if not each.doubt]
        assert np.hypot(*(found.points - drawn(side)[1] - side // 4).T).mean() < 0.03 * side


@pytest.mark.slow
def test_several_pictures_are_seen_as_each_alone(shipped, monkeypatch):
    """Small square ones together; a find that is none, a wider square, a tiny one and a photo are among them."""
    wider = cv2.copyMakeBorder(drawn(60)[0], *[15] * 4, cv2.BORDER_REPLICATE)
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    pictures = [drawn(28)[0], wider, drawn(14)[0], noise, photo_with(60)[0], drawn(40)[0], drawn(28, 7)[0]]
    detector = AutoDetector(shipped)
    alone = [detector(picture) for picture in pictures]
    looks = []
    monkeypatch.setattr(detection, 'see_each', lambda rim, places: looks.append(len(places)) or see_each(rim, places))
    together = detect_each(detector, pictures)
    assert len(looks) == 1 and looks[0] >= 4  # all of them at once
    assert [len(each) for each in together] == [len(each) for each in alone]
    for each, other in zip(sum(together, []), sum(alone, [])):
        assert np.allclose(each.points, other.points, atol=0.01) and each.doubt == other.doubt
        assert np.isclose(each.certainty, other.certainty, atol=1e-4, equal_nan=True)
    assert [len(each) for each in detect_each(lambda picture: FACE[None], pictures[:2])] == [1, 1]


@pytest.mark.slow
def test_in_textures_noise_and_walls_there_is_no_face(shipped):
    detector = load_detector('auto', shipped)
    painted = [
        (number, each) for number, image in enumerate(textures(200)) for each in detector(image) if not each.doubt
    ]
    assert painted == []


def test_a_find_counts_where_the_landmarks_agree(monkeypatch):
    points = {'agreed': FACE + 1.0, 'moved': FACE + 9.0}
    peaks = {'sure': np.full(68, 0.6), 'unsure': np.r_[np.full(20, 0.1), np.full(48, 0.9)]}
    monkeypatch.setattr(detection, 'has_landmarks', lambda rim: True)
    monkeypatch.setattr(detection, 'see_landmarks', lambda rim, photo, starts: [Seen(points[rim[0]], peaks[rim[1]])])

    def looked(*seen, refine=False):
        return CheckedDetector(lambda photo: FACE[None], seen, refine)(np.zeros((200, 200, 3), np.uint8))[0]

    assert looked('agreed', 'sure').doubt == '' and looked('agreed', 'sure').certainty == pytest.approx(0.6)
    assert 'uncertain, 0.10' in looked('agreed', 'unsure').doubt
    assert 'not where' in looked('moved', 'sure').doubt
    assert np.array_equal(looked('agreed', 'sure').points, FACE)
    assert np.array_equal(looked('agreed', 'sure', refine=True).points, FACE + 1)


def test_without_a_landmark_path_finds_stay_as_they_are():
    def priors(face, parsing):
        return SimpleNamespace(landmarks=None)

    (found,) = CheckedDetector(lambda photo: FACE[None], SimpleNamespace(priors=priors), True)(np.zeros((9, 9, 3)))
    assert np.array_equal(found.points, FACE) and found.doubt == '' and np.isnan(found.certainty)


def test_a_find_within_a_larger_face_is_in_doubt():
    large, ear, other = (found_by_points(each) for each in (FACE * 3, FACE * 0.5 + 220, FACE * 0.5 + 600))
    assert [bool(each.doubt) for each in dropped([large, ear, other])] == [False, True, False]
    unsure = large._replace(doubt='not sure')
    assert [each.doubt for each in dropped([unsure, ear])] == ['not sure', '']


def test_a_photo_is_turned_only_where_no_face_is_found_clearly():
    shapes = []

    def sees(doubt, certainty=0.5):
        def detector(photo):
            shapes.append(photo.shape[:2])
            return [Found(FACE, 0.9, np.array([1.0, 2, 3, 4]), certainty, doubt)]

        return detector

    photo = np.zeros((300, 400, 3), np.uint8)
    assert np.array_equal(Turning(sees(''))(photo)[0].points, FACE) and shapes == [(300, 400)]
    assert np.array_equal(Turning(sees('blurred'))(photo)[0].points, FACE)
    assert shapes[1:] == [(300, 400), (400, 300), (400, 300), (300, 400)]
    assert np.array_equal(Turning(sees('', 0.25))(photo)[0].points, FACE) and len(shapes) == 9
    assert np.array_equal(Turning(sees('', np.nan))(photo)[0].points, FACE) and len(shapes) == 10
    assert Turning(lambda photo: [])(photo) == []


def test_of_several_turns_the_most_certain_face_counts():
    def detector(photo):
        return [Found(FACE, 0.9, np.array([50.0, 60, 150, 170]), 0.6 if photo[0, 0, 0] else 0.25)]

    photo = np.zeros((300, 400, 3), np.uint8)
    photo[0, -1] = 1  # which a turn by 90 degrees brings to the corner
    (found,) = Turning(detector)(photo)
    assert np.array_equal(found.points, np.stack([399 - FACE[:, 1], FACE[:, 0]], 1)) and found.certainty == 0.6
    assert found.box.tolist() == [229, 50, 339, 150]


@pytest.mark.parametrize(
    'scale, shift, aligned', [(1, 0, True), (1.07, 2, True), (1.25, 0, False), (0.8, 0, False), (1, 9, False)]
)
def test_where_an_aligned_face_stands(scale, shift, aligned):
    points = (alignment_template(112) - 55.5) * scale + 55.5 + shift
    assert stands_aligned(points, 112) == aligned
    assert not stands_aligned(points[:, ::-1], 112)


def test_detectors_have_names(capsys):
    rim = SimpleNamespace(priors=lambda face, parsing: SimpleNamespace(landmarks=None))
    assert isinstance(load_detector('mtcnn', rim)._detector, CheckedDetector)
    cascade = load_detector('cascade', rim, tiles=False)._detector._detector
    assert cascade.func is detect_faces and isinstance(cascade.args[0], CascadeDetector)
    assert 'upright, frontal faces only' in capsys.readouterr().err
    assert load_detector('support.commands:nobody') is nobody and len(POINTS) == 2
    with pytest.raises(RuntimeError, match="Unknown detector 'mtcn'. Name 'auto', 'cascade', 'mtcnn'"):
        load_detector('mtcn', rim)


@pytest.mark.parametrize('name', ['auto', 'mtcnn', 'cascade'])
def test_tiles_are_searched_unless_the_largest_face_is_meant(name):
    rim = SimpleNamespace(priors=lambda face, parsing: SimpleNamespace(landmarks=None))

    def searched(tiles):
        detector = load_detector(name, rim, tiles=tiles)
        return (detector._checked if name == 'auto' else detector._detector)._detector

    assert isinstance(searched(True), TiledDetector) and not isinstance(searched(False), TiledDetector)


def test_a_large_photo_on_its_side_is_turned_small_and_then_searched_whole():
    sides = []

    def detector(photo):
        """A face where the uppermost row is white, at the left."""
        sides.append(photo.shape[:2])
        if photo[0].mean() < 128:
            return []
        points = FACE * (photo.shape[0] / 3000) / 10
        return [found_by_points(points)._replace(certainty=0.4)]

    photo = np.zeros((2000, 3000, 3), np.uint8)
    photo[:, -20:] = 255  # rot90 takes the last column to the top
    (found,) = Turning(detector)(photo)
    assert sides == [(2000, 3000), (2000, 1333), (2000, 1333), (1333, 2000), (3000, 2000)]
    x, y = (FACE / 10).T
    assert np.allclose(found.points, np.stack([2999 - y, x], 1))
