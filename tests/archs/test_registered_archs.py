"""A walk over the registry: every network that rim_plugin registers is tested by being registered."""

import pytest
import torch
from support.registered_archs import OURS, build, inputs, tensors

from rim_plugin.archs.recogniser import Recogniser


def test_the_networks_of_the_paper_are_registered():
    assert {'TriPathGenerator', 'MixAdversarialDiscriminator', 'FHN'} <= set(OURS)


@pytest.mark.parametrize('name', sorted(set(OURS) - {'Bicubic'}))  # which has no parameters
def test_forward_and_backward_reach_every_parameter(name):
    torch.manual_seed(0)
    net = build(name)
    if isinstance(net, Recogniser):
        net.eval()  # a training BatchNorm takes away the gradient of the bias before it
    for key, value in net.named_parameters():  # layers that start at zero would let no gradient through to the body
        if key.endswith('weight') and not value.any():
            torch.nn.init.normal_(value, std=0.1)
    sum(output.square().sum() for output in tensors(net(*inputs(name)))).backward()
    for key, value in net.named_parameters():
        if name == 'FHN' and '.heads.' in key:
            continue  # the estimates of the priors, which hallucination itself does not read
        assert value.grad is not None and torch.isfinite(value.grad).all(), key
        assert value.grad.abs().sum() > 0, f'{key} gets no gradient'


@pytest.mark.parametrize('name', OURS)
def test_weights_survive_save_and_load(name, tmp_path):
    torch.manual_seed(0)
    net, data = build(name).eval(), inputs(name)
    torch.save(net.state_dict(), tmp_path / 'net.pth')
    torch.manual_seed(1)
    other = build(name).eval()
    other.load_state_dict(torch.load(tmp_path / 'net.pth', weights_only=True))
    for a, b in zip(tensors(net(*data)), tensors(other(*data)), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize('name', OURS)
def test_memory_format_does_not_change_the_result(name):
    torch.manual_seed(0)
    net, data = build(name).eval(), inputs(name)
    expected = tensors(net(*data))
    net = net.to(memory_format=torch.channels_last)
    found = tensors(net(*(item.contiguous(memory_format=torch.channels_last) for item in data)))
    for a, b in zip(expected, found, strict=True):
        scale = max(1, a.abs().max().item())  # an untrained ResNet-IR gives values far from 1
        torch.testing.assert_close(a, b, atol=1e-4 * scale, rtol=1e-4)


@pytest.mark.parametrize('name', OURS)
def test_faces_of_a_batch_do_not_see_each_other(name):
    torch.manual_seed(0)
    net, data = build(name).eval(), inputs(name)
    alone = tensors(net(*(item[:1] for item in data)))
    for a, b in zip(alone, tensors(net(*data)), strict=True):
        torch.testing.assert_close(a, b[:1], atol=1e-4, rtol=1e-4)
