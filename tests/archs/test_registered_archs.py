"""A walk over the registry: every network that rim_plugin registers is tested by being registered."""

import inspect
import re
from copy import deepcopy
from functools import cache

import pytest
import torch
from support.small_networks import OURS, build, inputs, tensors
from support.tiny_recognition import TinyRecogniser

from rim_plugin.archs.recogniser import Recogniser

from basicsr.utils.registry import ARCH_REGISTRY

BLOCKS = [(2, info.channels, 112 // info.stride, 112 // info.stride) for info in TinyRecogniser.feature_info]
# what each network gives, in order; one that is not named here gives faces of 224 pixels
SHAPES = {
    'TriPathGenerator': [(2, 3, 64, 64), (2, 12, 16, 16), (2, 5, 16, 16), (2, 11, 16, 16)],
    'FHN': [(2, 3, 64, 64)],
    'MixAdversarialDiscriminator': [(2, 3, 64, 64), (2, 8)],
    'ComponentDiscriminator': [(2, 3, 1)],
    'IResNet': [(2, 64, 56, 56), (2, 128, 28, 28), (2, 256, 14, 14), (2, 512, 7, 7), (2, 512)],
    'EdgeFace': [(2, 8, 28, 28), (2, 8, 14, 14), (2, 8, 7, 7), (2, 16, 3, 3), (2, 16)],
    'MobileFaceNet': [(2, 64, 56, 48), (2, 64, 28, 24), (2, 128, 14, 12), (2, 512, 7, 6), (2, 128)],
    'TimmRecogniser': [(2, 24, 28, 28), (2, 48, 14, 14), (2, 88, 7, 7), (2, 168, 3, 3), (2, 8)],
    'HRN': [*BLOCKS, *BLOCKS, BLOCKS[-1]],
    'FixedInput': [(2, 3, 112, 112)],
    'SPARNet': [(2, 3, 64, 64)],
    'FeatureIntegrator': [(2, 3, 64, 64)],
    'SubPixelIntegrator': [(2, 3, 64, 64)],
    'SubPixelTriPathGenerator': [(2, 3, 64, 64), (2, 16, 8, 8), (2, 5, 16, 16), (2, 11, 16, 16), (2, 5, 2)],
    'VGGDiscriminator': [(2, 1)],
}
# of the walk, with networks that cannot be built small, or whose many layers take long, left to the slow tests
STEPS = [pytest.param(name, marks=pytest.mark.slow) if name in ('IResNet', 'SPARNet') else name for name in OURS]


@cache
def evaluated(name):
    """A network in evaluation mode, which no test changes, and inputs for it."""
    torch.manual_seed(0)
    return build(name).eval().requires_grad_(False), inputs(name)


def test_the_networks_of_the_paper_are_registered():
    assert {'TriPathGenerator', 'MixAdversarialDiscriminator', 'FHN', 'HRN', 'IResNet'} <= set(OURS)


@pytest.mark.parametrize('name', STEPS)
def test_forward_gives_the_promised_shapes(name):
    net, data = evaluated(name)
    output = tensors(net(*data))
    assert [tuple(tensor.shape) for tensor in output] == SHAPES.get(name, [(2, 3, 224, 224)])
    assert all(tensor.isfinite().all() for tensor in output)


@pytest.mark.parametrize('name', OURS)
def test_every_argument_is_annotated_and_documented(name):
    cls = ARCH_REGISTRY.get(name)
    documented = inspect.getdoc(cls)
    for argument, parameter in inspect.signature(cls).parameters.items():
        assert re.search(rf'^    {argument}: ', documented, re.MULTILINE), argument
        assert parameter.annotation is not parameter.empty, argument


@pytest.mark.parametrize('name', [each for each in STEPS if each != 'Bicubic'])  # which has no parameters
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


@pytest.mark.parametrize('name', STEPS)
def test_weights_survive_save_and_load(name, tmp_path):
    net, data = evaluated(name)
    torch.save(net.state_dict(), tmp_path / 'net.pth')
    torch.manual_seed(1)
    other = build(name).eval()
    other.load_state_dict(torch.load(tmp_path / 'net.pth', weights_only=True))
    for a, b in zip(tensors(net(*data)), tensors(other(*data)), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize('name', STEPS)
def test_memory_format_does_not_change_the_result(name):
    net, data = evaluated(name)
    expected = tensors(net(*data))
    net = deepcopy(net).to(memory_format=torch.channels_last)
    images = (item.contiguous(memory_format=torch.channels_last) if item.ndim == 4 else item for item in data)
    output = tensors(net(*images))
    for a, b in zip(expected, output, strict=True):
        scale = max(1, a.abs().max().item())  # an untrained ResNet-IR gives values far from 1
        torch.testing.assert_close(a, b, atol=1e-4 * scale, rtol=1e-4)


@pytest.mark.parametrize('name', STEPS)
def test_faces_of_a_batch_do_not_see_each_other(name):
    net, data = evaluated(name)
    alone = tensors(net(*(item[:1] for item in data)))
    for a, b in zip(alone, tensors(net(*data)), strict=True):
        torch.testing.assert_close(a, b[:1], atol=1e-4, rtol=1e-4)
