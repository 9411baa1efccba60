from dataclasses import replace

import numpy as np

from rim_plugin.data.synthetic.geometry import View
from rim_plugin.data.synthetic.light import background, light_up
from rim_plugin.data.synthetic.people import sample_person, sample_shot

SEED = 5
PERSON, SHOT = sample_person(SEED, 4), replace(sample_shot(SEED, 4, 0), yaw=0.0, pitch=0.0)


def lit(shading=255, **changes):
    shot = replace(SHOT, **changes)
    picture = np.full((224, 224, 4), 120, np.uint8)
    picture[..., 3] = shading
    return light_up(picture, View(PERSON, shot), PERSON, shot).astype(float)


def test_unlit_pixels_take_the_exposure_alone():
    image = lit(shading=0, exposure=0.9, warmth=0.1, light=np.array([1.0, 0, 0]))
    expected = 120 * 0.9 * np.array([1.04, 1, 0.96])
    np.testing.assert_allclose(image.reshape(-1, 3), np.broadcast_to(expected, (224 * 224, 3)), atol=0.51)


def test_the_side_towards_the_light_is_brighter():
    left, right = (lit(light=np.array([x, 0, 0.6]), ambient=0.4).mean(2) for x in (-0.8, 0.8))
    for image, sign in ((left, 1), (right, -1)):
        assert sign * (image[80:160, 40:100].mean() - image[80:160, 124:184].mean()) > 20


def test_ambient_light_flattens_the_face():
    hard, soft = (lit(light=np.array([0.8, 0, 0.6]), ambient=ambient).mean(2).std() for ambient in (0.4, 0.8))
    assert hard > 1.5 * soft


def test_warm_light_is_red_and_cold_light_blue():
    warm, cold = (lit(warmth=warmth)[80:160, 60:160].mean((0, 1)) for warmth in (0.12, -0.12))
    assert warm[0] / warm[2] > 1.15 * cold[0] / cold[2]


def test_cheeks_blush_with_a_smile():
    shots = [replace(SHOT, smile=smile) for smile in (0.0, 1.0)]
    picture = np.full((224, 224, 4), 120, np.uint8)
    picture[..., 3] = 255
    view = View(PERSON, SHOT)  # one and the same shape
    calm, smiling = (light_up(picture, view, PERSON, shot).astype(float) for shot in shots)
    x, y = view.project([[-1.3, 1.3, 0.3]])[0].round().astype(int)
    cheek = np.s_[y - 4 : y + 5, x - 4 : x + 5]
    assert (calm - smiling)[cheek][..., 1].mean() > 5 and abs((calm - smiling)[cheek][..., 0].mean()) < 1


def test_backgrounds_are_unlit_and_differ():
    pictures = [background(replace(SHOT, background_seed=seed)) for seed in range(20)]
    assert all(picture.shape == (224, 224, 4) and not picture[..., 3].any() for picture in pictures)
    assert len({picture.tobytes() for picture in pictures}) == 20
    assert np.std([picture[..., :3].mean() for picture in pictures]) > 20
