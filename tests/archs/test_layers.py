"""Blocks that networks share: how their weights start."""

import pytest
import torch

from rim_plugin.archs.layers import ResidualBlock, conv_prelu


def test_he_initialisation_keeps_the_variance_through_prelu():
    """He et al. 2015: variance 2 / ((1 + slope^2) * inputs of a unit), PReLU's slope being 0.25."""
    torch.manual_seed(0)
    conv = conv_prelu(64, 128)[0]
    assert conv.weight.std().item() == pytest.approx((2 / (1.0625 * 64 * 9)) ** 0.5, rel=0.01)
    assert not conv.bias.any()


def test_residual_blocks_start_near_the_identity():
    torch.manual_seed(0)
    body = ResidualBlock(64).body
    assert body[3].weight.std().item() == pytest.approx(0.1 * body[0].weight.std().item(), rel=0.05)
