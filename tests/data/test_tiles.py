"""Large pictures tile by tile: what is cut is seen whole elsewhere, and nothing twice."""

import cv2
import numpy as np
import pytest

from rim_plugin.data.found import Found
from rim_plugin.data.tiles import TiledDetector, each_once, enlarge_by_tiles, tile_starts, untiled


@pytest.mark.parametrize('length, side, overlap', [(5, 10, 2), (10, 10, 2), (11, 10, 2), (400, 64, 16), (1000, 7, 6)])
def test_tiles_cover_a_line_and_share_what_they_have_to(length, side, overlap):
    starts = tile_starts(length, side, overlap)
    assert starts[0] == 0 and starts[-1] == max(length - side, 0)
    assert all(later - start <= side - overlap for start, later in zip(starts, starts[1:]))


def spots(photo):
    """Finds of the white squares of 8 pixels and more, as a detector that reduces photos to 64 pixels sees them."""
    factor = min(64 / max(photo.shape[:2]), 1)
    small = cv2.resize(photo[:, :, 0], None, fx=factor, fy=factor, interpolation=cv2.INTER_NEAREST)
    found = []
    for left, top, width, height, _ in cv2.connectedComponentsWithStats((small > 128).astype(np.uint8))[2][1:]:
        if min(width, height) >= 8:
            box = np.array([left, top, left + width, top + height]) / factor
            points = np.repeat([(box[:2] + box[2:]) / 2], 5, axis=0)
            found.append(Found(points, min(width, height) / 100, box))
    return found


def test_a_detector_sees_small_faces_in_tiles_and_large_ones_in_the_whole_each_once():
    photo = np.zeros((150, 320, 3), np.uint8)
    squares = [(3, 5, 10), (52, 50, 12), (120, 8, 9), (180, 20, 110), (300, 135, 12)]  # left, top, side
    for left, top, side in squares:
        photo[top : top + side, left : left + side] = 255
    assert len(spots(photo)) == 1  # reduced, only the largest is left
    found = TiledDetector(spots, 64)(photo)
    middles = sorted((each.points[0] + 0.5).round().tolist() for each in found)
    assert np.allclose(middles, sorted([left + side / 2, top + side / 2] for left, top, side in squares), atol=4)
    small = [each for each in found if np.ptp(each.box[::2]) < 20]
    assert len(small) == 4 and all(np.ptp(each.box[::2]) in (9, 10, 12) for each in small)  # whole, not cut by a tile


def test_a_photo_of_a_tiles_size_is_seen_once_and_untiled_ones_always_are():
    sizes = []
    detector = TiledDetector(lambda photo: sizes.append(photo.shape[:2]) or [], 64)
    detector(np.zeros((64, 40, 3), np.uint8))
    untiled(detector)(np.zeros((70, 40, 3), np.uint8))
    detector(np.zeros((70, 40, 3), np.uint8))
    assert sizes == [(64, 40), (70, 40), (70, 40), (64, 40), (64, 40)] and untiled(spots) is spots


def test_of_several_finds_of_a_face_the_surest_stays():
    boxes = [(0, 0, 10, 10), (1, 1, 11, 11), (30, 0, 40, 10), (2, 2, 6, 6)]
    found = [Found(np.zeros((5, 2)), score, np.array(box, float)) for score, box in zip((0.8, 0.9, 0.7, 0.95), boxes)]
    assert [each.score for each in each_once(found)] == [0.9, 0.7, 0.95]  # the last is a part, no second find
    assert each_once([]) == []


@pytest.mark.parametrize('shape', [(5, 7, 3), (16, 33, 4)])
def test_tiles_make_the_picture_that_the_whole_would(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)

    def enlarge(tile):
        return cv2.resize(tile, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)

    tiled = enlarge_by_tiles(pixels, 3, 8, 4, enlarge)
    assert tiled.dtype == np.uint8 and np.abs(tiled.astype(int) - enlarge(pixels)).max() <= 1
