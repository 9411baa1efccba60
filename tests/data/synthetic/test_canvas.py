import numpy as np

from rim_plugin.data.synthetic.canvas import Canvas, fill_classes, mix

SQUARE = np.array([[2.0, 2.0], [8.0, 2.0], [8.0, 8.0], [2.0, 8.0]])


def test_mix_is_linear():
    np.testing.assert_allclose(mix((0, 100, 200), (100, 100, 0), 0.25), [25, 100, 150])


def test_class_map_follows_pixel_centres():
    square = np.array([[10.2, 20.2], [29.8, 20.2], [29.8, 39.8], [10.2, 39.8]])
    expected = np.zeros((64, 64), np.uint8)
    expected[21:40, 11:30] = 4
    np.testing.assert_array_equal(fill_classes(64, [(square, 4)]), expected)


def test_canvas_keeps_pixel_centres():
    canvas = Canvas(np.zeros((32, 32, 4), np.uint8))
    canvas.dot(np.array([12.0, 20.0]), 4, (255, 255, 255))
    weight = canvas.finish()[..., 0].astype(float)
    y, x = np.mgrid[:32, :32]
    centre = np.array([(x * weight).sum(), (y * weight).sum()]) / weight.sum()
    np.testing.assert_allclose(centre, [12, 20], atol=0.15)
    assert abs(weight.sum() / 255 - np.pi * 4**2) < 6


def test_what_is_drawn_inside_a_polygon_shows_there_alone():
    canvas = Canvas(np.zeros((32, 32, 4), np.uint8))
    with canvas.inside(SQUARE):
        canvas.dot((5, 5), 20, (0, 200, 0))
    picture = canvas.finish()
    assert picture[4, 4].tolist() == [0, 200, 0, 255] and picture[10, 10].tolist() == [0, 0, 0, 0]
    with canvas.inside(SQUARE + 14, soft=2):
        canvas.dot((19, 19), 20, (0, 200, 0))
    edge = canvas.finish()[19, 10:30, 1].astype(int)
    assert (np.diff(edge[:8]) >= 0).all() and len(set(edge.tolist())) > 5 and edge.max() > 150


def test_shading_weights_are_drawn_with_the_colour():
    canvas = Canvas(np.zeros((32, 32, 4), np.uint8))
    canvas.fill(SQUARE, (300, -5, 7), 160)
    assert canvas.finish()[5, 5].tolist() == [255, 0, 7, 160]


def test_a_polygon_beside_the_canvas_shows_nothing():
    canvas = Canvas(np.zeros((32, 32, 4), np.uint8))
    with canvas.inside(SQUARE + 100):
        canvas.dot((5, 5), 20, (0, 200, 0))
    assert not canvas.finish().any()
