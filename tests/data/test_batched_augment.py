"""Batches of faces are changed as single faces are."""

import cv2
import numpy as np
import pytest
import torch

from rim_plugin.data.alignment import warp_image, warp_parsing, warp_points
from rim_plugin.data.augment import morph_faces
from rim_plugin.data.batched_augment import BatchAugmentation, Faces, mirror, morph, pose
from rim_plugin.data.counter_random import integers
from rim_plugin.data.face_item import mirror_face
from rim_plugin.data.synthetic.faces import draw_face
from rim_plugin.options.datasets import AugmentOptions

SIZE = 224
SEEDS = integers(torch.arange(3000), 0)


@pytest.fixture(scope='module')
def single():
    return [tuple(draw_face(0, identity, 0)) for identity in range(4)]


def stacked(faces):
    images, landmarks, parsing = (torch.from_numpy(np.stack(part)) for part in zip(*faces))
    return Faces(images.permute(0, 3, 1, 2).float(), landmarks, parsing)


def images_of(faces):
    return faces.images.permute(0, 2, 3, 1).numpy()


def assert_like(batch, faces):
    """A batch equals single faces, up to OpenCV's places of 1/32 pixel and 8-bit weights."""
    for found, points, classes, (image, landmarks, parsing) in zip(images_of(batch), *batch[1:], faces):
        difference = np.abs(found - image)
        assert difference.mean() < 0.3 and np.quantile(difference, 0.999) < 8
        np.testing.assert_allclose(points, landmarks, atol=1e-3)
        assert (classes.numpy() != parsing).mean() < 2e-3


def test_morphs(single):
    shape, start = torch.tensor([0.3, 0.6]), np.random.default_rng(0).normal(0, 2, (2, 5, 5)).astype(np.float32)
    blends = [1 / (1 + np.exp(-cv2.resize(field, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC))) for field in start]
    expected = [morph_faces(single[i], single[i + 2], shape[i].item(), blends[i]) for i in range(2)]
    batch = morph(stacked(single[:2]), stacked(single[2:]), shape, torch.from_numpy(start))
    assert_like(batch, expected)
    assert np.abs(images_of(batch)[0] - single[0][0]).mean() > 5, 'the test changes nothing'


def test_morphs_without_parsing_maps(single):
    first, second = (stacked(single[:1])._replace(parsing=None) for _ in range(2))
    assert morph(first, second, torch.tensor([0.5]), torch.zeros(1, 5, 5)).parsing is None


def test_poses(single):
    matrices = np.stack([cv2.getRotationMatrix2D((100, 120), angle, scale) for angle, scale in ((8, 1.1), (-5, 0.9))])
    expected = [
        (warp_image(image, matrix), warp_points(landmarks, matrix), warp_parsing(parsing, matrix))
        for (image, landmarks, parsing), matrix in zip(single, matrices)
    ]
    assert_like(pose(stacked(single[:2]), torch.from_numpy(matrices).float()), expected)


def test_the_identity_is_no_change(single):
    faces = stacked(single)
    for found, given in zip(pose(faces, torch.eye(2, 3).expand(4, 2, 3)), faces):
        torch.testing.assert_close(found, given, atol=1e-3, rtol=0)


def test_mirrors(single):
    assert_like(mirror(stacked(single)), [mirror_face(*face) for face in single])


def test_the_deviations_are_as_asked(single):
    augment = BatchAugmentation(AugmentOptions(rotate=4, scale=0.1, shift=3), False)
    points = torch.tensor([[[111.5, 111.5], [211.5, 111.5]]]).expand(len(SEEDS), -1, -1)
    centre, right = augment.posed(Faces(torch.zeros(len(SEEDS), 1, 2, 2), points, None), SEEDS).landmarks.unbind(1)
    # the picture above has two pixels, about whose middle faces turn
    x, y = (right - centre).T.numpy()
    np.testing.assert_allclose(np.degrees(np.arctan2(y, x)).std(), 4, rtol=0.05)
    np.testing.assert_allclose(np.log(np.hypot(x, y)).std(), 0.1, rtol=0.05)
    middle = torch.full((len(SEEDS), 1, 2), 0.5)
    moves = augment.posed(Faces(torch.zeros(len(SEEDS), 1, 2, 2), middle, None), SEEDS).landmarks - middle
    np.testing.assert_allclose(moves.std(0)[0], [3, 3], rtol=0.05)


def test_gamma_changes_the_middle_and_keeps_black_and_white():
    levels = torch.arange(256.0).view(1, 1, 16, 16).expand(2000, 3, 16, 16)
    changed = BatchAugmentation(AugmentOptions(gamma=0.2), False).posed(Faces(levels, None, None), SEEDS[:2000]).images
    changed = changed[:, 0].flatten(1)
    gamma = torch.log(changed[:, 128] / 255) / np.log(128 / 255)
    np.testing.assert_allclose(gamma.log().std(), 0.2, rtol=0.06)
    expected = torch.round((torch.arange(256) / 255) ** gamma[:, None] * 255)
    assert (changed - expected).abs().max() <= 3 and (changed[:, 0] == 0).all() and (changed[:, 255] == 255).all()


def test_as_many_morphs_and_mirrored_faces_as_asked():
    augment = BatchAugmentation(AugmentOptions(morph=0.3), True)
    places, others = augment.partners(SEEDS, 5)
    assert abs(len(places) / len(SEEDS) - 0.3) < 0.03 and len(others) == len(places)
    np.testing.assert_allclose(np.bincount(others, minlength=5) / len(others), 0.2, atol=0.06)
    images = torch.tensor([0.0, 1.0]).view(1, 1, 1, 2).expand(len(SEEDS), 3, 1, 2)
    mirrored = augment.mirrored(Faces(images, None, None), SEEDS).images[:, 0, 0, 0]
    assert abs(mirrored.mean() - 0.5) < 0.03
    nothing = BatchAugmentation(None, False)
    assert not len(nothing.partners(SEEDS, 5)[0])
    faces = Faces(images, None, None)
    assert nothing.mirrored(faces, SEEDS) is faces and nothing.posed(faces, SEEDS) is faces


def test_a_face_s_changes_follow_from_its_seed_alone(single):
    augment = BatchAugmentation(AugmentOptions(rotate=4, gamma=0.2, morph=1, blend_noise=1), True)

    def changed(faces, others, seeds):
        places = torch.arange(len(seeds))
        faces = augment.morphed(stacked(faces), places, stacked(others), seeds)
        return augment.mirrored(augment.posed(faces, seeds), seeds)

    together = changed(single[:2], single[2:], SEEDS[:2])
    alone = changed(single[1:2], single[3:], SEEDS[1:2])
    for found, expected in zip(alone, together):
        torch.testing.assert_close(found[0], expected[1], atol=1, rtol=0)
