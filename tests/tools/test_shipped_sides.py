"""The plugin's own weights on faces of every side: never worse than bicubic interpolation or than fewer pixels."""

import cv2
import numpy as np
import pytest

from rim_plugin import RIM
from rim_plugin.data.alignment import align_face
from rim_plugin.data.annotations import open_annotations
from rim_plugin.data.landmarks import five_points
from rim_plugin.data.photo_files import read_rgb
from rim_plugin.data.resize import degrade
from rim_plugin.data.synthetic.faces import draw_face

pytestmark = pytest.mark.slow
SIDES = (4, 5, 6, 7, 9, 12, 14, 20, 28, 36, 46, 56, 60, 64, 68, 72, 76, 80, 96, 112, 140, 180, 200, 223)
EMBEDDED = (7, 14, 20, 28, 40, 56, 75, 90, 100, 111, 112, 140, 180, 223)


@pytest.fixture(scope='module')
def rim():
    return RIM.from_pretrained(engine='torch')


@pytest.fixture(scope='module', params=['drawn', 'real'])
def kind(request):
    return request.param


@pytest.fixture(scope='module')
def faces(request, kind):
    """Six faces of 224 pixels."""
    if kind == 'drawn':
        return [draw_face(0, identity, 0)[0] for identity in range(6)]
    folder = request.getfixturevalue('real_faces') / 'helen/test'
    annotations, faces = open_annotations(folder / 'landmarks'), []
    for path in sorted((folder / 'images').iterdir())[::55]:
        photo = read_rgb(path, upright=False)
        faces.append(align_face(photo, five_points(annotations(path.name, photo)))[0])
    return faces


def psnr(images, truths):
    """Mean over faces, of the brightness, dB."""
    greys = [[cv2.cvtColor(each, cv2.COLOR_RGB2GRAY) / 1.0 for each in some] for some in (images, truths)]
    return np.mean([10 * np.log10(255**2 / (np.square(one - other).mean() + 1e-9)) for one, other in zip(*greys)])


def large(images, side=224):
    return [cv2.resize(each, (side, side), interpolation=cv2.INTER_CUBIC) for each in images]


def test_no_side_is_worse_than_bicubic_interpolation_or_than_fewer_pixels(rim, kind, faces):
    """Of drawn faces, of which the network makes more than of real ones, .08 dB are lost where it begins to fade."""
    small = [[degrade(face, side) for face in faces] for side in SIDES]
    bicubic = np.array([psnr(large(each), faces) for each in small])
    ours = np.array([psnr(rim.hallucinate(each), faces) for each in small])
    assert (ours > bicubic - 0.1).all() and (np.diff(ours) > (0 if kind == 'real' else -0.1)).all()
    assert all(np.array_equal(*pair) for pair in zip(rim.hallucinate(faces), faces))


def test_a_face_handed_over_larger_is_as_good_as_it_was(rim, faces):
    for side, at in ((14, 56), (14, 512), (28, 112), (40, 224)):
        small = [degrade(face, side) for face in faces]
        seen = large(small, at)
        native, bicubic = psnr(rim.hallucinate(small), faces), psnr(large(small), faces)
        handed_over = [face if len(face) == 224 else degrade(face, 224) for face in rim.hallucinate(seen)]
        assert psnr(handed_over, faces) > max(native - 0.3, bicubic)


def test_an_embedding_never_gets_worse_as_the_picture_gets_larger(rim, faces):
    full = rim.embed(faces)
    cosines = [(rim.embed([degrade(face, side) for face in faces]) * full).sum(1).mean() for side in EMBEDDED]
    assert (np.diff(cosines) > -2e-4).all() and cosines[-1] > 0.9999
