"""insightface's ONNX files into IResNet, by round trips."""

import warnings
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper
from support.published_weights import LAYERS, arcface_layout, loaded, random_weights, refusal

from rim_plugin.archs.iresnet_arch import IResNet
from rim_plugin.archs.mobilefacenet_arch import MobileFaceNet

pytestmark = pytest.mark.slow  # files of 96 MB


@pytest.fixture(scope='module')
def arcface():
    """IResNet-18 with random weights and statistics, in evaluation mode."""
    net = IResNet(18).eval()
    net.load_state_dict(random_weights(arcface_layout(LAYERS)))
    return net


@pytest.fixture(scope='module')
def face():
    return torch.rand(2, 3, 112, 112, generator=torch.Generator().manual_seed(1))


def export(net, path, fold):
    """ONNX by the exporter that made insightface's files; its evaluation mode folds BatchNorm into convolutions."""

    class Embedding(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, face):
            return net.head(net.block_maps(face)[-1])

    mode = torch.onnx.TrainingMode.EVAL if fold else torch.onnx.TrainingMode.PRESERVE
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # that it is the old exporter, and traces
        torch.onnx.export(
            Embedding().eval(),
            (torch.rand(1, 3, 112, 112),),
            path,
            dynamo=False,
            training=mode,
            opset_version=13,
            input_names=['data'],
            dynamic_axes={'data': {0: 'N'}},
        )
    return onnx.load(path)


@pytest.fixture(scope='module', params=[True, False], ids=['folded', 'unfolded'])
def exported(request, arcface, tmp_path_factory):
    """The model, the path and whether BatchNorm is folded, of IResNet-18 as ONNX."""
    path = tmp_path_factory.mktemp('onnx') / 'w600k_r18.onnx'
    yield SimpleNamespace(model=export(arcface, path, request.param), path=path, folded=request.param)
    path.unlink()


def run(path, net, face):
    """onnxruntime's embedding."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=['CPUExecutionProvider'])
    return torch.from_numpy(session.run(None, {session.get_inputs()[0].name: net.prepare(face).numpy()})[0])


def assert_equal_but_rounding(output, expected):
    """To 1e-5 of the largest value: folded weights are rounded, and onnxruntime's sums come in another order."""
    scale = expected.abs().max()
    torch.testing.assert_close(output / scale, expected / scale, atol=1e-5, rtol=0)


def test_onnx_comes_back_with_the_same_embeddings(exported, arcface, face):
    operators = [node.op_type for node in exported.model.graph.node]
    assert operators.count('BatchNormalization') == (10 if exported.folded else 10 + 1 + 16 + 4)
    net = loaded(exported.path)
    with torch.no_grad():
        output, expected = net(face), arcface(face)
    assert expected.embedding.std() > 0.1
    for a, b in zip((*output.blocks, output.embedding), (*expected.blocks, expected.embedding), strict=True):
        assert_equal_but_rounding(a, b)
    assert_equal_but_rounding(output.embedding, run(exported.path, net, face))


def test_exported_onnx_has_the_contents_of_insightfaces_files(arcface, exported):
    """w600k_r50.onnx holds 43,590,976 numbers, IResNet-50 has 43,590,848 parameters: 128 more at any depth,
    by BatchNorm folded into convolutions and nowhere else."""
    held = sum(int(np.prod(value.dims)) for value in exported.model.graph.initializer)
    statistics = sum(value.numel() for value in arcface.buffers() if value.ndim)
    added = 128 if exported.folded else statistics
    assert held == sum(value.numel() for value in arcface.parameters()) + added


def test_neither_names_nor_order_nor_epsilon_of_the_graph_matter(exported, arcface, face, tmp_path):
    """Nodes in another topological order under other names, a weight behind an Identity, a larger epsilon, fc as it is
    stored by exporters without transB."""
    model, number = onnx.ModelProto(), {}
    model.CopyFrom(exported.model)
    graph = model.graph
    nodes = list(graph.node)
    projections = [node for node in nodes if node.op_type == 'Conv' and 'downsample' in node.name]
    assert len(projections) == 4
    for node in projections:  # ahead of the main path, right after the node that feeds it
        nodes.remove(node)
        feeder = next(place for place, other in enumerate(nodes) if node.input[0] in other.output)
        nodes.insert(feeder + 1, node)
    values = {value.name: value for value in graph.initializer}
    for node in nodes:
        for attribute in node.attribute:
            if attribute.name == 'epsilon':
                variance = values[node.input[4]]
                array = numpy_helper.to_array(variance) - np.float32(1e-3 - attribute.f)
                attribute.f = 1e-3
                variance.CopyFrom(numpy_helper.from_array(array, variance.name))
            if attribute.name == 'transB':
                attribute.i = 0
                weight = values[node.input[1]]
                weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight).T.copy(), weight.name))
    nodes.insert(0, onnx.helper.make_node('Identity', [nodes[0].input[1]], ['alias']))
    nodes[1].input[1] = 'alias'
    del graph.node[:]
    graph.node.extend(nodes)
    for value in graph.initializer:
        value.name = number.setdefault(value.name, str(len(number)))
    for node in graph.node:
        node.name = ''
        for names in (node.input, node.output):
            names[:] = [
                name if name == graph.output[0].name else number.setdefault(name, str(len(number))) for name in names
            ]
    graph.input[0].name = number['data']
    path = tmp_path / 'other.onnx'
    onnx.save(model, path)
    net = loaded(path)
    with torch.no_grad():
        embedding = net(face).embedding
        assert_equal_but_rounding(embedding, arcface(face).embedding)
    assert_equal_but_rounding(embedding, run(path, net, face))
    path.unlink()


def test_half_an_onnx_file_is_told(exported, tmp_path):
    path = tmp_path / 'half.onnx'
    with open(exported.path, 'rb') as file:
        path.write_bytes(file.read(2_000_000))
    assert 'not a readable ONNX file' in refusal(path, MobileFaceNet())


def test_a_weight_with_too_few_bytes_is_told(exported, tmp_path):
    model = onnx.ModelProto()
    model.CopyFrom(exported.model)
    big = max(model.graph.initializer, key=lambda value: len(value.raw_data))
    big.raw_data = big.raw_data[:1000]
    onnx.save(model, tmp_path / 'short.onnx')
    assert 'not an IResNet' in refusal(tmp_path / 'short.onnx', MobileFaceNet())


def test_weights_of_another_depth_are_named(exported):
    error = refusal(exported.path, IResNet(34))
    assert 'weights of IResNet (depth: 18, variant: insightface)' in error
    assert 'the network is IResNet (depth: 34, variant: insightface)' in error


def test_an_onnx_file_of_another_network_says_where_they_part(tmp_path):
    make = onnx.helper
    info = make.make_tensor_value_info
    graph = make.make_graph(
        [make.make_node('Relu', ['data'], ['out'])],
        'other',
        [info('data', onnx.TensorProto.FLOAT, ['N', 3, 112, 112])],
        [info('out', onnx.TensorProto.FLOAT, ['N', 3, 112, 112])],
    )
    onnx.save(make.make_model(graph), tmp_path / 'net.onnx')
    error = refusal(tmp_path / 'net.onnx', MobileFaceNet())
    assert 'Relu instead of Conv at conv1' in error and 'OnnxRecogniser' in error
