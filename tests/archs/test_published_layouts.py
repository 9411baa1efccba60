"""Weight files of arcface_torch and face.evoLVe into IResNet."""

from types import SimpleNamespace

import pytest
import torch
from support.published_weights import LAYERS, Reference, arcface_layout, evolve_layout, loaded, random_weights, refusal

from rim_plugin.archs.iresnet_arch import IResNet
from rim_plugin.archs.mobilefacenet_arch import MobileFaceNet

pytestmark = pytest.mark.slow  # files of 96 MB
KINDS = {'insightface': (arcface_layout, Reference.arcface), 'face_evolve': (evolve_layout, Reference.evolve)}


@pytest.fixture(scope='module', params=KINDS)
def published(request, tmp_path_factory):
    """A ``.pth`` file in a published layout, and what such a network finds in an image."""
    layout, compute = KINDS[request.param]
    weights = random_weights(layout(LAYERS))
    path = tmp_path_factory.mktemp(request.param) / 'backbone.pth'
    torch.save(weights, path)
    image = torch.rand(1, 3, 112, 112, dtype=torch.float64)
    maps, embedding = compute(Reference(weights), image, LAYERS)
    yield SimpleNamespace(
        variant=request.param, weights=weights, path=path, image=image, maps=maps, embedding=embedding
    )
    path.unlink()  # 96 MB


def test_published_layouts_compute_what_their_descriptions_say(published):
    net = loaded(published.path, IResNet(18, published.variant)).double()
    output = net(published.image)
    for a, b in zip((*output.blocks, output.embedding), (*published.maps, published.embedding), strict=True):
        torch.testing.assert_close(a, b, atol=1e-9, rtol=1e-9)


def test_parameters_are_those_of_the_layout(published):
    net = IResNet(18, published.variant)
    assert sum(value.numel() for value in net.state_dict().values()) == sum(
        value.numel() for value in published.weights.values()
    )


def test_weights_of_another_network_are_named(published):
    error = refusal(published.path, MobileFaceNet())
    assert f'weights of IResNet (depth: 18, variant: {published.variant})' in error
    assert 'the network is MobileFaceNet' in error and 'options' in error


def test_weights_of_another_variant_are_named(published):
    other = {'insightface': 'face_evolve', 'face_evolve': 'insightface'}[published.variant]
    error = refusal(published.path, IResNet(18, other))
    assert f'variant: {published.variant}' in error and f'the network is IResNet (depth: 18, variant: {other})' in error
