"""Maps on another recogniser's grid: the same places of the face."""

import torch

from rim_plugin.archs.regrid import Regrid


def test_a_ramp_over_the_face_stays_one_on_another_grid_and_crop():
    ramp = (torch.arange(14) + 0.5) * 8
    moved = Regrid((14, 14), (0, 112), (7, 6), (8, 104))(ramp.expand(1, 2, 14, 14))
    expected = 8 + (torch.arange(6) + 0.5) * 16
    torch.testing.assert_close(moved, expected.expand(1, 2, 7, 6))
    enlarged = Regrid((7, 6), (8, 104), (14, 14), (0, 112))(torch.ones(1, 2, 7, 6))
    torch.testing.assert_close(enlarged, torch.ones(1, 2, 14, 14))


def test_halving_a_grid_weighs_pixels_as_antialiased_interpolation_does():
    """Beside the rim, where F.interpolate cuts the triangle off as this does."""
    maps = torch.rand(1, 2, 28, 28)
    ours = Regrid((28, 28), (0, 112), (14, 14), (0, 112))(maps)
    theirs = torch.nn.functional.interpolate(maps, (14, 14), mode='bilinear', antialias=True, align_corners=False)
    torch.testing.assert_close(ours, theirs)
