"""Quantised graphs: which convolutions stay as they are, and that probes are small faces."""

import io

import numpy as np
import pytest
import torch
from torch import nn

from rim_plugin.tools.onnx_graph import to_onnx
from rim_plugin.tools.quantise import calibration_probes, convolutions_in_fp32, quantised

onnx = pytest.importorskip('onnx')
onnxruntime = pytest.importorskip('onnxruntime')


class SmallNet(nn.Module):
    """Reads an image, has a body, and makes an image, which another convolution reads."""

    def __init__(self):
        super().__init__()
        self.read, self.body, self.make = nn.Conv2d(3, 8, 3, 1, 1), nn.Conv2d(8, 8, 3, 1, 1), nn.Conv2d(8, 12, 3, 1, 1)
        self.again = nn.Conv2d(3, 8, 3, 1, 1)
        self.shuffle = nn.PixelShuffle(2)

    def forward(self, x):
        image = self.shuffle(self.make(self.body(self.read(x)).relu()))
        return self.body(self.again(image).relu())


@pytest.fixture(scope='module')
def graph():
    torch.manual_seed(0)
    net = SmallNet().eval()
    return net, to_onnx(net, 'out', 8, torch.device('cpu'))


def test_convolutions_at_images_stay_as_they_are(graph):
    names = convolutions_in_fp32(onnx.load(io.BytesIO(graph[1])).graph)
    assert sorted(names) == ['/again/Conv', '/make/Conv', '/read/Conv']


def test_the_rest_is_quantised_and_near(graph):
    net, content = graph
    probes = np.random.default_rng(0).random((9, 3, 8, 8), np.float32)
    small = quantised(content, probes)
    nodes = onnx.load(io.BytesIO(small)).graph.node
    assert any(node.op_type == 'DequantizeLinear' for node in nodes)
    output = onnxruntime.InferenceSession(small).run(None, {'probe': probes})[0]
    with torch.no_grad():
        expected = net(torch.from_numpy(probes)).numpy()
    assert 0 < np.abs(output - expected).max() < 0.1


def test_probes_are_faces_made_small(make_face):
    probes = calibration_probes([make_face(64), make_face(32)], 8)
    assert probes.shape == (2, 3, 8, 8) and probes.dtype == np.float32 and 0 <= probes.min() <= probes.max() <= 1
