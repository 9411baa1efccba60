"""The tri-path generator and integrator on an eighth of the face's side, and the plain rival of the same cost."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from support.small_networks import SMALL_SUBPIXEL

from rim_plugin.archs.fhn_arch import FHN
from rim_plugin.archs.subpixel_fhn_arch import Position, SubPixelIntegrator, SubPixelTriPathGenerator, fold, unfold
from rim_plugin.archs.subpixel_resnet_arch import SubPixelResNet
from rim_plugin.benchmark.speed import gflop
from rim_plugin.errors import OptionsError
from rim_plugin.heatmaps import heatmap_landmarks, landmark_heatmaps, render_heatmaps

GENERATOR = {'type': 'SubPixelTriPathGenerator', **SMALL_SUBPIXEL}
INTEGRATOR = {'type': 'SubPixelIntegrator', 'channels': 8, 'blocks': 1}


def away_from_zero(net):
    """The net, with heads that start at zero made random, so that all of it matters."""
    generator = torch.Generator().manual_seed(1)
    for value in net.parameters():
        if not value.any():
            value.data = 0.05 * torch.randn(value.shape, generator=generator)
    return net


def flops(net, size=28):
    return gflop(net, torch.rand(1, 3, size, size))


def test_landmarks_and_parsing_do_not_change_what_the_picture_is_made_of():
    torch.manual_seed(0)
    generator = SubPixelTriPathGenerator(**SMALL_SUBPIXEL)
    output = generator.encode(torch.rand(2, 3, generator.image_size, generator.image_size))
    (output.points.sum() + output.parsing.square().sum() + output.heatmaps.sum()).backward()
    for part in (generator.coarse, generator.stem, generator.global_path):
        assert all(value.grad is None for value in part.parameters())
    assert any(value.grad.any() for value in generator.priors.parameters() if value.grad is not None)


def test_heatmaps_alone_are_those_of_forward():
    net, lq = SubPixelTriPathGenerator(**SMALL_SUBPIXEL).eval(), torch.rand(2, 3, 8, 8)
    assert torch.equal(net.heatmaps(lq), net(lq).heatmaps)
    assert SubPixelTriPathGenerator(**{**SMALL_SUBPIXEL, 'prior_paths': 'parsing'}).heatmaps(lq) is None


@pytest.mark.slow
def test_arithmetic_of_a_face_is_that_of_the_plain_rival_or_less():
    ours = FHN({'type': 'SubPixelTriPathGenerator'}, {'type': 'SubPixelIntegrator'})
    assert flops(ours) < flops(SubPixelResNet()) == pytest.approx(0.652, abs=0.001)
    assert flops(ours) < 0.65
    assert sum(value.numel() for value in SubPixelResNet().parameters()) == 417_024


@pytest.mark.parametrize('size', [7, 28, 45, 224, 300])
def test_any_probe_gives_a_224_pixel_face(size):
    generator = {**GENERATOR, 'image_size': 224}
    with torch.no_grad():
        for net in (FHN(generator, INTEGRATOR), SubPixelResNet(channels=4, blocks=1)):
            assert net(torch.rand(1, 3, size, size)).shape == (1, 3, 224, 224)


def test_untrained_networks_enlarge_by_interpolation():
    lq = torch.rand(2, 3, 8, 8)
    antialiased = F.interpolate(lq, (64, 64), mode='bicubic', align_corners=False, antialias=True)
    torch.testing.assert_close(FHN(GENERATOR, INTEGRATOR)(lq), antialiased, atol=1e-5, rtol=0)
    plain = F.interpolate(lq, (64, 64), mode='bicubic', align_corners=False)
    rival = SubPixelResNet(64, 8, channels=4, blocks=1)
    torch.testing.assert_close(rival(lq), plain, atol=1e-5, rtol=0)


def test_folding_keeps_every_pixel_in_the_block_it_lies_in():
    image = torch.rand(1, 3, 16, 24)
    folded = fold(image)
    assert folded.shape == (1, 192, 2, 3)
    assert torch.equal(folded[0, :, 1, 2], image[0, :, 8:16, 16:24].flatten())
    assert torch.equal(unfold(folded), image)
    assert torch.equal(folded, F.pixel_unshuffle(image, 8)) and folded.is_contiguous(memory_format=torch.channels_last)


def test_output_has_the_contracts_fields_and_shapes():
    net = SubPixelTriPathGenerator(**SMALL_SUBPIXEL)
    output = net(torch.rand(2, 3, 8, 8))
    shapes = [output.coarse.shape, output.heatmaps.shape, output.parsing.shape, output.points.shape, output.fused.shape]
    assert shapes == [(2, 3, 64, 64), (2, 5, 16, 16), (2, 11, 16, 16), (2, 5, 2), (2, 8 + 2 * 4, 8, 8)]
    assert net.fused_channels == 16
    short = net.encode(output.coarse, estimates=False)
    assert short.heatmaps is None and short.parsing is None
    assert torch.equal(short.fused, output.fused)


@pytest.mark.parametrize('paths, width', [('separate', 16), ('landmark', 12), ('parsing', 12), ('none', 8), (None, 8)])
def test_prior_paths_can_be_left_out(paths, width):
    net = SubPixelTriPathGenerator(**{**SMALL_SUBPIXEL, 'prior_paths': paths})
    output = net(torch.rand(1, 3, 8, 8))
    assert output.fused.shape[1] == net.fused_channels == width
    assert (output.heatmaps is None) == (output.points is None) == (paths in ('parsing', 'none', None))
    assert (output.parsing is None) == (paths in ('landmark', 'none', None))


def test_groups_of_probes_come_out_as_each_alone_does():
    net = away_from_zero(FHN(GENERATOR, INTEGRATOR)).eval()
    groups = [torch.rand(2, 3, 7, 7), torch.rand(1, 3, 20, 20)]
    together = net(groups)
    torch.testing.assert_close(together, torch.cat([net(group) for group in groups]), atol=1e-5, rtol=0)


def test_the_probes_size_matters_to_the_coarse_network_by_option_alone():
    small = torch.rand(1, 3, 8, 8)
    large = F.interpolate(small, (64, 64), mode='bicubic', align_corners=False, antialias=True)
    for modulated in (True, False):
        net = away_from_zero(SubPixelTriPathGenerator(**{**SMALL_SUBPIXEL, 'coarse_size_modulation': modulated}))
        assert torch.allclose(net.coarse(small), net.coarse(large), atol=1e-5) != modulated


@pytest.mark.parametrize('size, sigma', [(56, 1.3), (28, 0.65), (7, 2.0)])
def test_rendered_heatmaps_are_those_of_the_data(size, sigma):
    landmarks = np.array([[0.0, 0.0], [100.3, 17.9], [223.0, 150.0], [-30.0, 400.0]], np.float32)
    points = (torch.from_numpy(landmarks) + 0.5) / 224
    expected = torch.from_numpy(landmark_heatmaps(landmarks, 224, size, sigma))
    torch.testing.assert_close(render_heatmaps(points[None], size, sigma)[0], expected, atol=1e-6, rtol=0)


def test_heatmaps_say_where_the_points_are():
    net = SubPixelTriPathGenerator(**SMALL_SUBPIXEL)
    net.priors['heatmaps'].mean_shape.data = torch.rand(5, 2) * 0.6 + 0.2
    output = net(torch.rand(3, 3, 8, 8))
    found = heatmap_landmarks(output.heatmaps, 64)
    torch.testing.assert_close(found, output.points.detach() * 64 - 0.5, atol=0.02, rtol=0)


def test_gradient_of_rendering_and_of_the_landmark_path():
    points = torch.rand(1, 3, 2, dtype=torch.float64, requires_grad=True)
    # float32 within, hence the wide step
    assert torch.autograd.gradcheck(
        lambda each: render_heatmaps(each, 8, 2.0).double(), points, eps=1e-3, atol=2e-3, nondet_tol=0
    )
    net = SubPixelTriPathGenerator(**SMALL_SUBPIXEL)
    net(torch.rand(2, 3, 8, 8)).points.square().sum().backward()
    assert net.priors['heatmaps'].mean_shape.grad.abs().min() > 0


def test_a_position_is_added_to_every_face_alike():
    position = Position(4, 6)
    x = torch.rand(3, 4, 6, 6)
    torch.testing.assert_close(position(x) - x, position.map.expand(3, -1, -1, -1), atol=1e-6, rtol=0)
    assert position.map.detach().std() == pytest.approx(0.1, rel=0.3)


def test_integrator_adds_to_the_coarse_image():
    net = away_from_zero(SubPixelIntegrator(6, image_size=64, channels=8, blocks=1))
    fused, coarse = torch.rand(2, 6, 8, 8), torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(net(fused, coarse) - coarse, net(fused, 0 * coarse), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    'build, message',
    [
        (lambda: SubPixelTriPathGenerator(image_size=200), 'image_size: 200 is no multiple of 32'),
        (lambda: SubPixelTriPathGenerator(prior_paths='shared'), 'prior_paths'),
        (lambda: SubPixelResNet(224, 30), 'input_size: 30 does not divide image_size 224'),
    ],
)
def test_sizes_that_do_not_fit_are_told(build, message):
    with pytest.raises(OptionsError, match=message):
        build()


def test_the_integrator_begins_with_the_global_paths_features():
    fused = torch.randn(2, 12, 8, 8)
    torch.testing.assert_close(SubPixelIntegrator(12, image_size=64, channels=8, blocks=1).head(fused), fused[:, :8])
