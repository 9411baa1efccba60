"""Faces of photos: cut at their own resolution, pasted back without a trace."""

import cv2
import numpy as np
import pytest
from support.commands import POINTS, two_faces

from rim_plugin.data.alignment import alignment_template
from rim_plugin.data.found import found_by_points, whole_picture
from rim_plugin.tools.photos import cut_face, enlarged, find_faces, fitting_scale, paste_faces, uncovered


def test_an_unchanged_face_is_pasted_back_without_a_trace():
    rng = np.random.default_rng(0)
    photo = cv2.resize(rng.integers(0, 256, (12, 16, 3), np.uint8), (160, 120), interpolation=cv2.INTER_CUBIC)
    canvas = cv2.resize(photo, (320, 240), interpolation=cv2.INTER_CUBIC)
    faces = [(points, cut_face(canvas, found_by_points((points + 0.5) * 2 - 0.5), 500).image) for points in POINTS]
    assert np.abs(paste_faces(canvas, 2, faces).astype(int) - canvas).mean() < 1


def test_faces_are_cut_at_their_own_resolution(make_face):
    faces = find_faces(make_face(160), two_faces, 64)
    assert [len(face.image) for face in faces] == [40, 24]
    assert np.abs(faces[0].image.astype(int) - make_face(160)[20:60, 30:70]).max() <= 1
    assert [round(face.side) for face in faces] == [40, 24] and not any(face.whole or face.doubt for face in faces)
    assert [len(face.image) for face in find_faces(make_face(160), two_faces, 30)] == [30, 24]


def test_an_aligned_face_is_the_whole_picture(make_face):
    (face,) = find_faces(make_face(40), lambda image: [whole_picture(40)], 224)
    assert face.whole and np.array_equal(face.image, make_face(40)) and face.side == 40
    assert len(find_faces(make_face(40), lambda image: [whole_picture(40)], 24)[0].image) == 24
    (face,) = find_faces(make_face(50)[:40], lambda image: alignment_template(40)[None], 224)
    assert not face.whole


@pytest.mark.parametrize(
    'size, sides, scale',
    [
        ((640, 480), [28], 4),
        ((640, 480), [100, 112], 3),
        ((640, 480), [300], 1),
        ((640, 480), [], 4),
        ((4000, 3000), [28], 2),
        ((9000, 9000), [28], 1),
    ],
)
def test_a_photo_grows_as_its_faces_do_and_within_bounds(size, sides, scale):
    assert fitting_scale(*size, sides, 224) == scale


def test_what_is_transparent_lends_no_colour():
    photo = np.zeros((8, 8, 4), np.uint8)
    photo[:, :4] = 200, 100, 50, 255  # beside transparent black
    large = enlarged(photo, 32, 32)
    assert large.dtype == np.uint8 and large.shape == (32, 32, 4)
    seen = large[..., 3] > 8
    assert np.abs(large[seen][:, :3].astype(int) - (200, 100, 50)).max() <= 12
    assert (large[:, :12, 3] == 255).all() and (large[:, 20:, 3] == 0).all()


def test_a_canvas_of_sixteen_bits_keeps_them():
    canvas = np.full((240, 320, 3), 30_001, np.uint16)
    face = np.full((64, 64, 3), 200, np.uint8)
    after = paste_faces(canvas, 2, [(POINTS[0], face)])
    assert after.dtype == np.uint16 and after[0, 0, 0] == 30_001 and after[80, 100, 0] == 200 * 257


@pytest.mark.parametrize('depth', [np.uint8, np.uint16])
def test_a_face_that_was_seen_over_white_keeps_its_colours_where_it_is_half_transparent(depth):
    """Its opacity is laid over white by whoever shows it, and not a second time before."""
    full = np.iinfo(depth).max
    canvas = np.full((240, 320, 4), full // 5, depth)
    canvas[..., 3] = full // 2
    canvas[70:90, 90:110, 3] = 0
    shown = np.full((64, 64, 3), round(255 * (0.2 * 0.5 + 0.5)), np.uint8)  # the same, over white
    after = paste_faces(canvas, 2, [(POINTS[0], shown)])
    assert np.abs(after.astype(int) - canvas).max() <= full / 255 * 2
    brighter = paste_faces(canvas, 2, [(POINTS[0], shown + np.uint8(20))])
    assert brighter[100, 100, 0] == pytest.approx(full // 5 + 40 * full // 255, abs=2 * full / 255)
    assert np.array_equal(brighter[70:90, 90:110], canvas[70:90, 90:110])
    assert np.array_equal(brighter[..., 3], canvas[..., 3])
    assert (uncovered(shown, canvas[:64, :64, :3]) == int(shown[0, 0, 0]) * (full // 255)).all(), 'of what is opaque'
