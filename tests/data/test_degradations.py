"""Each degradation alone against another computation of it; then seeds, batches, sizes and options."""

import cv2
import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from scipy.stats import kstest
from torch.nn import functional as F

from rim_plugin.data.degradations import compress_jpeg, degrade_batch, degrade_face
from rim_plugin.data.resize import degrade, to_tensor
from rim_plugin.errors import OptionsError
from rim_plugin.options.conversion import convert
from rim_plugin.options.datasets import DegradationOptions

from basicsr.data.degradations import generate_gaussian_noise_pt, generate_poisson_noise_pt

OFF = {name: {'probability': 0} for name in ('blur', 'noise', 'jpeg', 'second')}
OFF['resize'] = {'area': 0, 'bilinear': 0, 'nearest': 0}
SEEDS = torch.arange(6)


def options(**blocks):
    """Nothing but what the blocks say."""
    return convert({**OFF, **blocks}, DegradationOptions, path='degradation')


def small_faces(faces, side=112):
    return (F.interpolate(faces, (side, side), mode='area') * 255).round() / 255


def levels(faces):
    return (faces * 255).round().byte().permute(0, 2, 3, 1).numpy()


# No degradation


@pytest.mark.parametrize('kind', [None, DegradationOptions(probability=0)])
@pytest.mark.parametrize('size', [7, 8, 28, 56, 112, 224])
def test_without_degradation_probes_are_bit_for_bit_those_of_degrade(images, faces, size, kind):
    expected = np.stack([degrade(image, size) for image in images])
    batch = degrade_batch(faces, size, kind, SEEDS)
    assert torch.equal(batch, torch.stack([to_tensor(image) for image in expected]))
    assert np.array_equal(degrade_face(images[0], size, kind), expected[0])


def test_all_off_is_the_clean_reduction_but_for_the_order_of_sums(faces):
    difference = degrade_batch(faces, 28, options(), SEEDS) - degrade_batch(faces, 28, None, SEEDS)
    assert difference.abs().max() < 1.01 / 255 and (difference != 0).float().mean() < 1e-3


# Change of size


@pytest.mark.parametrize('kind', ['area', 'bilinear', 'bicubic', 'nearest'])
def test_each_reduction_alone(faces, kind):
    only = {name: float(name == kind) for name in ('area', 'bilinear', 'bicubic', 'nearest')}
    found = degrade_batch(faces, 28, options(resize=only), SEEDS)
    if kind == 'area':
        expected = F.avg_pool2d(faces, 8)
    elif kind == 'nearest':
        expected = faces[..., 4::8, 4::8]
    else:
        expected = F.interpolate(faces, (28, 28), mode=kind, antialias=True).clamp(0, 1)
    assert (found - expected).abs().max() <= 0.5 / 255 + 1e-5


# Blur


@pytest.mark.parametrize('side, size', [(112, 112), (112, 28), (224, 56)])
def test_blur_is_in_pixels_of_the_probe(faces, side, size):
    """The blur is at 4 times the probe's side, in these sizes without a reduction before."""
    given, scale = faces if side == 224 else small_faces(faces), side / size
    block = {'probability': 1, 'sigma': 0.9, 'motion': 0, 'anisotropic': 0}
    found = degrade_batch(given, size, options(blur=block), SEEDS)
    blurred = [gaussian_filter(face, (0, 0.9 * scale, 0.9 * scale), mode='nearest', truncate=6) for face in given]
    blurred = torch.from_numpy(np.stack(blurred))
    expected = F.interpolate(blurred, (size, size), mode='bicubic', antialias=True).clamp(0, 1)
    assert (found - expected).abs().max() < 1.6 / 255


def test_a_reduction_before_the_blur_hardly_changes_it(faces):
    found = degrade_batch(faces, 14, options(blur={'probability': 1, 'sigma': 0.6, 'motion': 0}), SEEDS)
    blurred = [gaussian_filter(face, (0, 9.6, 9.6), mode='nearest', truncate=6) for face in faces]
    expected = F.interpolate(torch.from_numpy(np.stack(blurred)), (14, 14), mode='bicubic', antialias=True)
    isotropic = (found - expected).abs().flatten(1).max(1).values
    assert isotropic.min() < 2.5 / 255


@pytest.mark.parametrize('kind', [{'motion': 1, 'length': 6}, {'motion': 0, 'anisotropic': 1, 'sigma': [0.1, 3]}])
def test_motion_and_anisotropic_blur_have_a_direction(kind):
    point = torch.zeros(200, 3, 33, 33)
    point[..., 16, 16] = 1
    found = degrade_batch(point, 33, options(blur={'probability': 1, **kind}), torch.arange(200))[:, 0].double()
    x = torch.arange(33) - 16.0
    total = found.sum((1, 2))
    xx, yy = (found * x**2).sum((1, 2)) / total, (found * x[:, None] ** 2).sum((1, 2)) / total
    xy = (found * x * x[:, None]).sum((1, 2)) / total
    spread = torch.linalg.eigvalsh(torch.stack((xx, xy, xy, yy), 1).view(-1, 2, 2))
    assert (spread[:, 1] > 2 * spread[:, 0]).float().mean() > (0.95 if kind['motion'] else 0.4)
    assert (xy > 0).float().mean() == pytest.approx(0.5, abs=0.15)
    if kind['motion']:
        assert float(spread[:, 1].median()) == pytest.approx(6**2 / 12, rel=0.15)


# Noise

GREY = torch.full((300, 3, 16, 16), 128 / 255)


def added(block, images=GREY):
    found = degrade_batch(
        images, images.shape[-1], options(noise={'probability': 1, **block}), torch.arange(len(images))
    )
    return (found - images) * 255


@pytest.mark.parametrize('sigma', [4, 20])
def test_gaussian_noise_is_that_of_basicsr(sigma):
    noise = added({'sigma': sigma, 'poisson': 0, 'grey': 0})
    torch.manual_seed(0)
    expected = generate_gaussian_noise_pt(GREY, sigma) * 255
    assert abs(float(noise.mean())) < 0.2 and float(noise.std()) == pytest.approx(float(expected.std()), rel=0.01)
    channels = np.corrcoef(noise.transpose(0, 1).reshape(3, -1).numpy())
    assert np.abs(channels - np.eye(3)).max() < 0.02
    faces = np.corrcoef(noise[:2].reshape(2, -1).numpy())[0, 1]
    assert abs(faces) < 0.15


def test_deviations_are_drawn_for_each_face():
    found = added({'sigma': [2, 30], 'poisson': 0, 'grey': 0}).flatten(1).std(1)
    assert kstest((found.numpy() - 2) / 28, 'uniform').pvalue > 0.01


@pytest.mark.parametrize('scale', [0.5, 2])
def test_poisson_noise_is_that_of_basicsr(scale):
    ramp = (torch.arange(256.0) / 255).view(1, 1, 16, 16).expand(400, 3, 16, 16)
    noise = added({'poisson': 1, 'poisson_scale': scale, 'grey': 0}, ramp)
    torch.manual_seed(0)
    expected = generate_poisson_noise_pt(ramp[:200], scale) * 255  # 256 levels, hence 256 counts
    for row in (1, 4, 8):
        assert float(noise[:, :, row].std()) == pytest.approx(float(expected[:, :, row].std()), rel=0.04)
        assert abs(float(noise[:, :, row].mean())) < 0.3


def test_shares_of_kinds_of_noise():
    noise = added({'poisson': 0.3, 'grey': 0.6, 'sigma': 10, 'poisson_scale': 3})
    grey = (noise[:, 0] == noise[:, 1]).flatten(1).all(1).float().mean()
    assert 0.52 < grey < 0.68
    poisson_share = (noise.flatten(1).std(1) > 20).float().mean()  # 3 * sqrt(128) = 34, against 10
    assert 0.22 < poisson_share < 0.38
    some = degrade_batch(GREY, 16, options(noise={'probability': 0.25}), torch.arange(300))
    assert 0.18 < (some != degrade_batch(GREY, 16, None, torch.arange(300))).flatten(1).any(1).float().mean() < 0.32


def test_grey_poisson_noise_is_that_of_the_brightness(faces):
    noise = added({'poisson': 1, 'grey': 1, 'poisson_scale': 1}, small_faces(faces, 28))
    inner = ((small_faces(faces, 28) > 0.2) & (small_faces(faces, 28) < 0.8)).all(1)
    values = noise.permute(0, 2, 3, 1)[inner]
    assert len(values) > 500 and (values.max(1).values - values.min(1).values).max() < 1.01


# JPEG


def opencv_jpeg(image, quality):
    encoded = cv2.imencode('.jpg', image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(encoded, cv2.IMREAD_COLOR)[..., ::-1].astype(float)


@pytest.mark.parametrize('size', [7, 28, 56, 112])
@pytest.mark.parametrize('quality', [30, 50, 90])
def test_jpeg_is_nearly_that_of_opencv(images, size, quality):
    small = np.stack([degrade(image, size) for image in images])
    batch = torch.stack([to_tensor(image) for image in small])
    found = levels(compress_jpeg(batch, torch.full((len(batch),), float(quality)))).astype(float)
    expected = np.stack([opencv_jpeg(image, quality) for image in small])
    difference, damage = np.abs(found - expected).mean(), np.abs(expected - small).mean()
    assert difference < 0.45 * damage and difference < (2.4 if size > 7 else 3.7)


def test_grey_jpeg_at_quality_50_is_that_of_opencv(images):
    """With quality 50 the tables are the standard's own, so that nothing is rounded differently."""
    small = np.stack([np.repeat(degrade(image, 56)[..., 1:2], 3, 2) for image in images])
    batch = torch.stack([to_tensor(image) for image in small])
    found = levels(compress_jpeg(batch, torch.full((len(batch),), 50.0))).astype(float)
    assert np.abs(found - np.stack([opencv_jpeg(image, 50) for image in small])).mean() < 0.25


def test_each_face_has_its_quality(faces):
    small = small_faces(faces, 40)
    quality = torch.tensor([10.0, 30, 50, 70, 90, 100])
    batch = compress_jpeg(small, quality)
    for place in range(len(faces)):
        alone = compress_jpeg(small[place : place + 1], quality[place : place + 1])
        assert (batch[place] - alone[0]).abs().max() < 1e-5
    assert torch.equal(quality, torch.tensor([10.0, 30, 50, 70, 90, 100]))
    drawn = degrade_batch(faces, 40, options(jpeg={'probability': 1, 'quality': 10}), SEEDS)
    assert (
        drawn - compress_jpeg(degrade_batch(faces, 40, None, SEEDS), torch.full((6,), 10.0))
    ).abs().mean() < 0.3 / 255


# Second round


@pytest.mark.parametrize('size', [28, 56, 112])
def test_the_second_round_leaves_less_detail_than_pixels(faces, size):
    def high(probes):
        window = torch.hann_window(size, periodic=False)
        spectrum = torch.fft.fft2(probes * window[:, None] * window).abs() ** 2
        frequency = torch.fft.fftfreq(size).abs()
        return spectrum[..., torch.maximum(frequency[:, None], frequency) > 0.3].sum((1, 2))

    once, twice = (
        degrade_batch(faces, size, options(second={'probability': share, 'factor': 2.5}), SEEDS) for share in (0, 1)
    )
    assert (high(twice) < 0.2 * high(once)).all()
    torch.testing.assert_close(F.avg_pool2d(twice, 7), F.avg_pool2d(once, 7), atol=0.06, rtol=0)


def test_the_second_round_is_two_interpolations(faces):
    found = degrade_batch(faces, 28, options(second={'probability': 1, 'factor': 2}), SEEDS)
    half = F.interpolate(F.interpolate(faces, (28, 28), mode='bicubic', antialias=True).clamp(0, 1), (14, 14),
                         mode='bicubic', antialias=True).clamp(0, 1)  # fmt: skip
    ways = [F.interpolate(half, (28, 28), mode=mode, antialias=True).clamp(0, 1) for mode in ('bilinear', 'bicubic')]
    nearest = torch.stack([(found - way).abs().flatten(1).max(1).values for way in ways])
    assert nearest.min(0).values.max() < 0.51 / 255 and set(nearest.argmin(0).tolist()) == {0, 1}


@pytest.mark.parametrize('size', [3, 7])
def test_the_smallest_probes_have_no_second_reduction(faces, size):
    found = degrade_batch(faces, size, options(second={'probability': 1, 'factor': 3}), SEEDS)
    assert torch.equal(found, degrade_batch(faces, size, options(), SEEDS))


def test_noise_and_jpeg_come_again_in_the_second_round():
    noise = {'probability': 1, 'sigma': 10, 'poisson': 0, 'grey': 0}
    second = {'probability': 1, 'factor': 1}
    twice = degrade_batch(GREY, 16, options(noise=noise, second=second), torch.arange(300)) - GREY
    assert float(twice.std() * 255) == pytest.approx(10 * 2**0.5, rel=0.02)


# Everything together


@pytest.mark.parametrize('side', [112, pytest.param(224, marks=pytest.mark.slow)])
@pytest.mark.parametrize('size', [7, 8, 28, 56, 112])
def test_all_sizes_alone_and_in_a_batch(faces, side, size):
    given, seeds = small_faces(faces, side), torch.arange(100, 106)
    found = degrade_batch(given, size, DegradationOptions(), seeds)
    assert found.shape == (6, 3, size, size) and found.dtype == torch.float32
    assert found.min() >= 0 and found.max() <= 1 and (found * 255 - (found * 255).round()).abs().max() < 1e-4
    for place in range(6):
        alone = degrade_batch(given[place : place + 1], size, DegradationOptions(), seeds[place : place + 1])
        assert (alone[0] - found[place]).abs().max() < 1.01 / 255
        image = degrade_face(levels(given)[place], size, DegradationOptions(), int(seeds[place]))
        assert image.dtype == np.uint8 and np.array_equal(image, levels(alone)[0])


def test_probes_follow_from_the_seed(faces):
    first, again, other = (degrade_batch(faces, 28, DegradationOptions(), seeds) for seeds in (SEEDS, SEEDS, SEEDS + 6))
    assert torch.equal(first, again)
    assert (first != other).flatten(1).any(1).all()
    torch.manual_seed(1)
    state = torch.get_rng_state()
    degrade_batch(faces, 28, DegradationOptions(), SEEDS)
    assert torch.equal(torch.get_rng_state(), state), "torch's own generator is left alone"


def test_as_many_probes_as_asked_are_degraded(faces):
    many, seeds = small_faces(faces, 28)[:1].expand(400, -1, -1, -1), torch.arange(400)
    noise = {'probability': 1, 'sigma': 30, 'poisson': 0}
    found = degrade_batch(many, 28, options(probability=0.3, noise=noise), seeds)
    clean = (found == degrade_batch(many, 28, None, seeds)).flatten(1).all(1)
    assert 0.23 < 1 - clean.float().mean() < 0.37


def test_no_gradient_no_autocast_no_faces(faces):
    with torch.autocast('cpu', torch.bfloat16):
        found = degrade_batch(faces.clone().requires_grad_(), 14, DegradationOptions(), SEEDS)
    assert not found.requires_grad and torch.equal(found, degrade_batch(faces, 14, DegradationOptions(), SEEDS))
    assert degrade_batch(faces[:0], 14, DegradationOptions(), SEEDS[:0]).shape == (0, 3, 14, 14)


@pytest.mark.parametrize('shape, size, count', [((1, 3, 8, 9), 4, 1), ((1, 1, 8, 8), 4, 1), ((2, 3, 8, 8), 4, 1)])
def test_what_does_not_fit_is_refused(shape, size, count):
    with pytest.raises(ValueError, match='expected|needs one seed'):
        degrade_batch(torch.zeros(shape), size, None, torch.arange(count))


@pytest.mark.parametrize('size', [0, 9])
def test_probes_are_no_larger_than_faces(size):
    with pytest.raises(ValueError, match='a size of 1 to S'):
        degrade_batch(torch.zeros(1, 3, 8, 8), size, None, torch.arange(1))


# Options


@pytest.mark.parametrize(
    'block, message',
    [
        ({'probability': 1.5}, 'degradation.probability: 1.5 is not a number of at least 0 and of at most 1'),
        ({'blur': {'sigma': [2, 1]}}, 'degradation.blur.sigma: a range goes from its low end .* but 2 is above 1'),
        ({'blur': {'sigma': [1, 2, 3]}}, 'degradation.blur.sigma: .* is not a number .* or a list of 2, each a number'),
        ({'blur': {'sigma': -1}}, 'degradation.blur.sigma: -1 is not'),
        ({'blur': {'sigmas': 1}}, "degradation.blur.sigmas: unknown key; did you mean 'sigma'"),
        (
            {'resize': {'area': 0, 'bilinear': 0, 'bicubic': 0, 'nearest': 0}},
            'degradation.resize: at least one of area',
        ),
        ({'noise': {'grey': 2}}, 'degradation.noise.grey: 2 is not'),
        ({'jpeg': {'quality': [0, 50]}}, 'degradation.jpeg.quality: .* of at least 1 and of at most 100'),
        ({'jpeg': {'quality': [90, 30]}}, 'degradation.jpeg.quality: a range'),
        ({'second': {'factor': 0.5}}, 'degradation.second.factor: 0.5 is not a number of at least 1'),
        ({'second': 3}, 'degradation.second: has to be a block of keys'),
    ],
)
def test_wrong_options_are_named_in_one_line(block, message):
    with pytest.raises(OptionsError, match=message) as error:
        convert(block, DegradationOptions, path='degradation')
    assert '\n' not in str(error.value)


def test_a_range_may_be_one_number_or_a_list():
    found = convert({'jpeg': {'quality': [30, 50]}, 'blur': {'sigma': 1}}, DegradationOptions)
    assert found.jpeg.quality == (30, 50) and found.blur.sigma == 1
