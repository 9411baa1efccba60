"""The key of a network: equal for equal ones, another with every change."""

import pytest
import torch
from support.tiny_recognition import ALIKE, TinyRecogniser
from torch import nn

from rim_plugin.archs.hrn_arch import HRN
from rim_plugin.network_key import network_key
from rim_plugin.pipeline import RIMPipeline


def recogniser():
    torch.manual_seed(0)
    return TinyRecogniser().eval()


def test_equal_networks_have_one_key():
    assert network_key(recogniser()) == network_key(recogniser())
    assert network_key(recogniser()) == network_key(recogniser().to(memory_format=torch.channels_last))


@torch.no_grad()
def change_a_weight(net):
    net.linear.weight[-1, -1] += 1e-6


@torch.no_grad()
def change_statistics(net):
    net.conv1[1].running_var[3] *= 1.0001


@pytest.mark.parametrize(
    'change',
    [
        change_a_weight,
        change_statistics,
        lambda net: setattr(net, 'mean', 0.4),
        lambda net: setattr(net, 'crop', (8, 104)),
        lambda net: setattr(net.conv1[0], 'stride', (1, 1)),
        lambda net: setattr(net, 'linear', nn.Sequential(net.linear)),
        lambda net: net.train(),
    ],
)
def test_a_network_that_changes_has_another_key(change):
    net = recogniser()
    before = network_key(net)
    change(net)
    assert network_key(net) != before


def test_another_type_with_the_same_weights_has_another_key():
    class Other(TinyRecogniser):
        pass

    net = recogniser()
    other = Other().eval()
    other.load_state_dict(net.state_dict())
    assert network_key(net) != network_key(other)
    assert network_key(net) != network_key(net, mirror=True)


def test_the_key_of_the_gallery_is_the_teachers_whatever_embeds_probes():
    hrn = HRN(ALIKE, ALIKE, None, head='own').eval()
    plain, whole = RIMPipeline(teacher=recogniser()), RIMPipeline(nn.Upsample(scale_factor=8), hrn, recogniser())
    assert network_key(plain.gallery_network) == network_key(whole.gallery_network)
    assert network_key(plain) != network_key(whole)
    own = RIMPipeline(hrn=hrn, teacher=recogniser(), gallery='hrn')
    before = network_key(own.gallery_network)
    hrn.fusion_weight = 0.5
    assert network_key(own.gallery_network) != before != network_key(plain.gallery_network)
