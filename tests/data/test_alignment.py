import cv2
import numpy as np
import pytest

from rim_plugin.data.alignment import (
    ARCFACE_TEMPLATE,
    align_face,
    alignment_matrix,
    alignment_template,
    warp_image,
    warp_parsing,
    warp_points,
)


def similarity(scale, degrees, shift):
    a, b = scale * np.cos(np.radians(degrees)), scale * np.sin(np.radians(degrees))
    return np.array([[a, -b, shift[0]], [b, a, shift[1]]])


# insightface's arcface_src, on 112 x 112 pixels: left eye, right eye, nose, left and right mouth corner.
ARCFACE_112 = [(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)]
# The same by hand on 224 x 224: a pixel's centre x lies x + 0.5 from the edge, so that x becomes 2 x + 0.5.
ARCFACE_224 = [
    (77.0892, 103.8926),
    (147.5636, 103.5028),
    (112.5504, 143.9732),
    (83.5986, 185.231),
    (141.9598, 184.9082),
]


def test_the_template_is_arcfaces():
    np.testing.assert_array_equal(ARCFACE_TEMPLATE, ARCFACE_112)
    np.testing.assert_allclose(alignment_template(112), ARCFACE_112, rtol=0, atol=1e-12)


def test_the_template_scales_about_pixel_centres():
    np.testing.assert_allclose(alignment_template(224), ARCFACE_224, rtol=0, atol=1e-9)
    # the edges of the picture, -0.5 and size - 0.5, stay edges: distances to them scale by size / 112 exactly
    for size in (28, 100, 448):
        np.testing.assert_allclose((alignment_template(size) + 0.5) / size, (np.array(ARCFACE_112) + 0.5) / 112)


@pytest.mark.parametrize('size', [112, 224])
def test_a_known_similarity_is_found(size):
    matrix = similarity(0.7, 25, (40, -12))
    found = alignment_matrix(warp_points(alignment_template(size), matrix), size)
    np.testing.assert_allclose(
        warp_points(warp_points(alignment_template(size), matrix), found), alignment_template(size), atol=1e-3
    )


def test_the_estimate_is_the_least_squares_one():
    rng = np.random.default_rng(0)
    points, target = alignment_template(224) + rng.normal(0, 6, (5, 2)), alignment_template(224)
    rows, values = [], []
    for (x, y), (u, v) in zip(points, target):
        rows += [[x, -y, 1, 0], [y, x, 0, 1]]
        values += [u, v]
    a, b, tx, ty = np.linalg.lstsq(np.array(rows), np.array(values), rcond=None)[0]
    np.testing.assert_allclose(alignment_matrix(points), [[a, -b, tx], [b, a, ty]], atol=1e-9)


@pytest.mark.parametrize('scale', [0.5, 1, 3, pytest.param(6, marks=pytest.mark.slow)])
def test_picture_and_points_move_together(scale):
    """A dot drawn at a point is found where warp_points puts that point, whatever the photo's resolution."""
    placement = similarity(scale, 8, (30 * scale, 20 * scale))
    five = warp_points(alignment_template(224), placement)
    dots = warp_points([(60, 70), (150, 90), (112, 170)], placement)
    x, y = np.meshgrid(np.arange(int(300 * scale)), np.arange(int(300 * scale)))
    for dot in dots:
        spot = 255 * np.exp(-((x - dot[0]) ** 2 + (y - dot[1]) ** 2) / (2 * (4 * scale) ** 2))
        face, matrix = align_face(np.repeat(spot[:, :, None], 3, 2).round().astype(np.uint8), five)
        assert face.shape == (224, 224, 3) and face.dtype == np.uint8
        mass = face[:, :, 0].astype(float)
        fy, fx = np.mgrid[:224, :224]
        centre = np.array([(mass * fx).sum(), (mass * fy).sum()]) / mass.sum()
        assert np.abs(centre - warp_points(dot[None], matrix)[0]).max() < 0.1


def test_a_shift_by_whole_pixels_copies_and_the_border_is_mirrored():
    photo = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    face = warp_image(photo, np.array([[1.0, 0, 3], [0, 1, 5]]), 48)
    rows, columns = np.abs(np.arange(48) - 5), np.abs(np.arange(48) - 3)
    rows = np.where(rows > 39, 78 - rows, rows)
    assert np.array_equal(face, photo[rows][:, columns])


def test_a_large_photo_is_averaged_not_picked():
    board = np.indices((1200, 1200)).sum(0)[:, :, None] % 2 * np.full(3, 255)
    face = warp_image(board.astype(np.uint8), similarity(1 / 5, 3, (0, 0)))
    assert face[10:-10, 10:-10].std() < 3


def test_parsing_is_picked_from_the_nearest_pixel():
    rng = np.random.default_rng(0)
    parsing = cv2.resize(rng.integers(0, 11, (20, 20), np.uint8), (300, 300), interpolation=cv2.INTER_NEAREST)
    matrix = similarity(0.9, 10, (10, -20))
    inverse = cv2.invertAffineTransform(matrix)
    x, y = np.meshgrid(np.arange(224), np.arange(224))
    source = warp_points(np.stack([x.ravel(), y.ravel()], 1), inverse)
    inside = ((source > 0) & (source < 299)).all(1)
    expected = parsing[source[inside, 1].round().astype(int), source[inside, 0].round().astype(int)]
    warped = warp_parsing(parsing, matrix).ravel()[inside]
    assert (warped == expected).mean() > 0.995  # ties at pixel borders go either way
    assert set(np.unique(warped)) <= set(range(11))


@pytest.mark.parametrize(
    'points', [np.zeros((4, 2)), np.full((5, 2), np.nan), np.ones((5, 2)), np.full((5, 2), 3) + np.eye(5, 2)]
)
def test_points_that_make_no_face_are_refused(points):
    with pytest.raises(ValueError, match='five'):
        alignment_matrix(points)


def test_other_than_8_bit_colour_is_refused():
    with pytest.raises(ValueError, match=r'\(H, W, 3\)'):
        align_face(np.zeros((300, 300), np.uint8), alignment_template(224))
