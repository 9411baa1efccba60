"""Published weight files into the recognisers: layouts made up from their descriptions, computed independently."""

import warnings
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from onnx import numpy_helper
from safetensors.torch import save_file

from rim_plugin.archs.iresnet_arch import IResNet
from rim_plugin.archs.mobilefacenet_arch import MobileFaceNet
from rim_plugin.archs.recogniser_weights import load_recogniser_weights
from rim_plugin.options import OptionsError

WIDTHS = (64, 128, 256, 512)


def blocks_of(layers):
    """(in_channels, channels, stride) of each block of a ResNet-IR."""
    rows = []
    for width, count in zip(WIDTHS, layers, strict=True):
        rows += [(rows[-1][1] if rows else 64, width, 2)] + [(width, width, 1)] * (count - 1)
    return rows


def arcface_layout(layers):
    """Parts of arcface_torch's iresnet by name: conv and linear shapes, channels of 'bn', of 'prelu'."""
    parts = {'conv1': (64, 3, 3, 3), 'bn1': 'bn 64', 'prelu': 'prelu 64'}
    names = [f'layer{layer}.{index}.' for layer, count in enumerate(layers, 1) for index in range(count)]
    for name, (before, width, stride) in zip(names, blocks_of(layers), strict=True):
        parts.update({name + 'bn1': f'bn {before}', name + 'conv1': (width, before, 3, 3), name + 'bn2': f'bn {width}',
                      name + 'prelu': f'prelu {width}', name + 'conv2': (width, width, 3, 3),
                      name + 'bn3': f'bn {width}'})
        if stride == 2:
            parts.update({name + 'downsample.0': (width, before, 1, 1), name + 'downsample.1': f'bn {width}'})
    return {**parts, 'bn2': 'bn 512', 'fc': (512, 512 * 7 * 7), 'features': 'bn 512'}


def evolve_layout(layers):
    """Parts of face.evoLVe's IR networks by name, see ``arcface_layout``."""
    parts = {'input_layer.0': (64, 3, 3, 3), 'input_layer.1': 'bn 64', 'input_layer.2': 'prelu 64',
             'output_layer.0': 'bn 512', 'output_layer.3': (512, 512 * 7 * 7), 'output_layer.4': 'bn 512'}
    for index, (before, width, _) in enumerate(blocks_of(layers)):
        name = f'body.{index}.res_layer.'
        parts.update({name + '0': f'bn {before}', name + '1': (width, before, 3, 3), name + '2': f'prelu {width}',
                      name + '3': (width, width, 3, 3), name + '4': f'bn {width}'})
        if before != width:
            name = f'body.{index}.shortcut_layer.'
            parts.update({name + '0': (width, before, 1, 1), name + '1': f'bn {width}'})
    return parts


def random_weights(layout):
    """A state dict with statistics that are not those of an untrained network, and outputs of about 1."""
    torch.manual_seed(0)
    weights = {}
    for name, part in layout.items():
        if isinstance(part, tuple):
            weights[name + '.weight'] = torch.randn(part) / np.sqrt(np.prod(part[1:]))
            if len(part) == 2:
                weights[name + '.bias'] = torch.randn(part[0]) * 0.1
            continue
        kind, channels = part.split()
        channels = int(channels)
        if kind == 'prelu':
            weights[name + '.weight'] = torch.rand(channels) * 0.4
            continue
        weights.update({name + '.weight': torch.rand(channels) + 0.5, name + '.bias': torch.randn(channels) * 0.1,
                        name + '.running_mean': torch.randn(channels) * 0.1,
                        name + '.running_var': torch.rand(channels) + 0.5,
                        name + '.num_batches_tracked': torch.tensor(7)})
    return weights


class Reference:
    """The networks from their descriptions alone, in double precision: block maps and embedding."""

    def __init__(self, weights):
        self.weights = {key: value.double() for key, value in weights.items()}

    def norm(self, x, name):
        get = [self.weights[f'{name}.{key}'] for key in ('running_mean', 'running_var', 'weight', 'bias')]
        return F.batch_norm(x, *get, eps=1e-5)

    def conv(self, x, name, stride=1):
        weight = self.weights[name + '.weight']
        return F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)

    def prelu(self, x, name):
        return F.prelu(x, self.weights[name + '.weight'])

    def linear(self, x, name):
        return F.linear(x.flatten(1), self.weights[name + '.weight'], self.weights[name + '.bias'])

    def arcface(self, image, layers):
        x = self.prelu(self.norm(self.conv((image * 255 - 127.5) / 127.5, 'conv1'), 'bn1'), 'prelu')
        maps = []
        for layer, count in enumerate(layers, 1):
            for index in range(count):
                name, stride = f'layer{layer}.{index}.', 1 if index else 2
                y = self.norm(self.conv(self.norm(x, name + 'bn1'), name + 'conv1'), name + 'bn2')
                y = self.norm(self.conv(self.prelu(y, name + 'prelu'), name + 'conv2', stride), name + 'bn3')
                if stride == 2:
                    x = self.norm(self.conv(x, name + 'downsample.0', 2), name + 'downsample.1')
                x = x + y
            maps.append(x)
        return maps, self.norm(self.linear(self.norm(x, 'bn2'), 'fc'), 'features')

    def evolve(self, image, layers):
        x = self.norm(self.conv((image * 255 - 127.5) / 128, 'input_layer.0'), 'input_layer.1')
        x = self.prelu(x, 'input_layer.2')
        maps = []
        for index, (before, width, stride) in enumerate(blocks_of(layers)):
            if stride == 2 and index:
                maps.append(x)
            name = f'body.{index}.res_layer.'
            y = self.prelu(self.conv(self.norm(x, name + '0'), name + '1'), name + '2')
            y = self.norm(self.conv(y, name + '3', stride), name + '4')
            name = f'body.{index}.shortcut_layer.'
            x = x[..., ::stride, ::stride]
            x = y + (x if before == width else self.norm(self.conv(x, name + '0'), name + '1'))
        maps.append(x)
        return maps, self.norm(self.linear(self.norm(x, 'output_layer.0'), 'output_layer.3'), 'output_layer.4')


LAYERS = (2, 2, 2, 2)
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
    yield SimpleNamespace(variant=request.param, weights=weights, path=path, image=image, maps=maps,
                          embedding=embedding)
    path.unlink()  # 96 MB


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
        torch.onnx.export(Embedding().eval(), (torch.rand(1, 3, 112, 112), ), path, dynamo=False, training=mode,
                          opset_version=13, input_names=['data'], dynamic_axes={'data': {0: 'N'}})
    return onnx.load(path)


@pytest.fixture(scope='module', params=[True, False], ids=['folded', 'unfolded'])
def exported(request, arcface, tmp_path_factory):
    """The model, the path and whether BatchNorm is folded, of IResNet-18 as ONNX."""
    path = tmp_path_factory.mktemp('onnx') / 'w600k_r18.onnx'
    yield SimpleNamespace(model=export(arcface, path, request.param), path=path, folded=request.param)
    path.unlink()


def loaded(path, net=None):
    net = net or IResNet(18)
    load_recogniser_weights(net, path)
    return net.eval()


def run(path, net, face):
    """onnxruntime's embedding."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=['CPUExecutionProvider'])
    return torch.from_numpy(session.run(None, {session.get_inputs()[0].name: net.prepare(face).numpy()})[0])


def assert_equal_but_rounding(found, expected):
    """To 1e-5 of the largest value: folded weights are rounded, and onnxruntime's sums come in another order."""
    scale = expected.abs().max()
    torch.testing.assert_close(found / scale, expected / scale, atol=1e-5, rtol=0)


def test_published_layouts_compute_what_their_descriptions_say(published):
    net = loaded(published.path, IResNet(18, published.variant)).double()
    found = net(published.image)
    for a, b in zip((*found.blocks, found.embedding), (*published.maps, published.embedding), strict=True):
        torch.testing.assert_close(a, b, atol=1e-9, rtol=1e-9)


def test_parameters_are_those_of_the_layout(published):
    net = IResNet(18, published.variant)
    assert sum(value.numel() for value in net.state_dict().values()) == sum(
        value.numel() for value in published.weights.values())


def test_onnx_comes_back_with_the_same_embeddings(exported, arcface, face):
    operators = [node.op_type for node in exported.model.graph.node]
    assert operators.count('BatchNormalization') == (10 if exported.folded else 10 + 1 + 16 + 4)
    net = loaded(exported.path)
    with torch.no_grad():
        found, expected = net(face), arcface(face)
    assert expected.embedding.std() > 0.1
    for a, b in zip((*found.blocks, found.embedding), (*expected.blocks, expected.embedding), strict=True):
        assert_equal_but_rounding(a, b)
    assert_equal_but_rounding(found.embedding, run(exported.path, net, face))


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
    nodes = [node for node in graph.node]
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
            names[:] = [name if name == graph.output[0].name else number.setdefault(name, str(len(number)))
                        for name in names]
    graph.input[0].name = number['data']
    path = tmp_path / 'other.onnx'
    onnx.save(model, path)
    net = loaded(path)
    with torch.no_grad():
        embedding = net(face).embedding
        assert_equal_but_rounding(embedding, arcface(face).embedding)
    assert_equal_but_rounding(embedding, run(path, net, face))
    path.unlink()


def small_weights():
    torch.manual_seed(3)
    return MobileFaceNet().state_dict()


@pytest.mark.parametrize('wrap', [
    lambda weights: weights, lambda weights: {'params': weights}, lambda weights: {'state_dict': weights, 'epoch': 3},
    lambda weights: {'params_ema': weights, 'params': {key: 0 * value for key, value in weights.items()}},
    lambda weights: {'state_dict_backbone': weights, 'state_dict_softmax_fc': {}},
    lambda weights: {f'module.{key}': value for key, value in weights.items()},
    lambda weights: {key: value for key, value in weights.items() if 'num_batches_tracked' not in key}])
def test_wrapped_weights_are_found(tmp_path, wrap):
    weights = small_weights()
    torch.save(wrap(weights), tmp_path / 'net.pt')
    net = loaded(tmp_path / 'net.pt', MobileFaceNet())
    assert all(torch.equal(value, weights[key]) for key, value in net.state_dict().items())


def test_safetensors(tmp_path):
    weights = small_weights()
    save_file(weights, tmp_path / 'net.safetensors')
    net = loaded(tmp_path / 'net.safetensors', MobileFaceNet())
    assert all(torch.equal(value, weights[key]) for key, value in net.state_dict().items())


def told(path, net):
    """The error of a loading that has to fail and to leave the network as it was."""
    before = {key: value.clone() for key, value in net.state_dict().items()}
    with pytest.raises(OptionsError) as error:
        load_recogniser_weights(net, path)
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert str(path) in str(error.value) and '\n' not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize('name', ['net.pth', 'net.safetensors', 'net.onnx'])
def test_a_missing_file_is_told(tmp_path, name):
    assert 'No such file' in told(tmp_path / name, MobileFaceNet()).replace('no such', 'No such')


@pytest.mark.parametrize('suffix', ['pth', 'safetensors'])
def test_half_a_file_is_told(tmp_path, suffix):
    path = tmp_path / f'net.{suffix}'
    (torch.save if suffix == 'pth' else save_file)(small_weights(), path)
    path.write_bytes(path.read_bytes()[:path.stat().st_size // 2])
    assert 'not a' in told(path, MobileFaceNet())


def test_half_an_onnx_file_is_told(exported, tmp_path):
    path = tmp_path / 'half.onnx'
    with open(exported.path, 'rb') as file:
        path.write_bytes(file.read(2_000_000))
    assert 'not a readable ONNX file' in told(path, MobileFaceNet())


def test_a_weight_with_too_few_bytes_is_told(exported, tmp_path):
    model = onnx.ModelProto()
    model.CopyFrom(exported.model)
    big = max(model.graph.initializer, key=lambda value: len(value.raw_data))
    big.raw_data = big.raw_data[:1000]
    onnx.save(model, tmp_path / 'short.onnx')
    assert 'not an IResNet' in told(tmp_path / 'short.onnx', MobileFaceNet())


def test_weights_of_another_network_are_named(published):
    error = told(published.path, MobileFaceNet())
    assert f'weights of IResNet (depth: 18, variant: {published.variant})' in error
    assert 'the network is MobileFaceNet' in error and 'options' in error


def test_weights_of_another_variant_are_named(published):
    other = {'insightface': 'face_evolve', 'face_evolve': 'insightface'}[published.variant]
    error = told(published.path, IResNet(18, other))
    assert f'variant: {published.variant}' in error and f'the network is IResNet (depth: 18, variant: {other})' in error


def test_weights_of_another_depth_are_named(exported):
    error = told(exported.path, IResNet(34))
    assert 'weights of IResNet (depth: 18, variant: insightface)' in error
    assert 'the network is IResNet (depth: 34, variant: insightface)' in error


def test_weights_of_an_unknown_network_are_shown(tmp_path):
    torch.save({'encoder.weight': torch.zeros(3)}, tmp_path / 'net.pth')
    error = told(tmp_path / 'net.pth', MobileFaceNet())
    assert 'weights of another kind of network (encoder.weight), but the network is MobileFaceNet' in error


def test_squeeze_and_excitation_of_face_evolve_is_shown(tmp_path):
    """IR-SE networks share all other keys with the IR networks."""
    names = ('input_layer.0.weight', 'body.0.res_layer.1.weight', 'body.0.res_layer.5.fc1.weight')
    torch.save({name: torch.zeros(64, 64, 1, 1) for name in names}, tmp_path / 'net.pth')
    error = told(tmp_path / 'net.pth', MobileFaceNet())
    assert 'unexpected: body.0.res_layer.5.fc1.weight, conv1.weight, layer1.0.conv1.weight' in error


def test_one_other_shape_is_named(tmp_path):
    weights = small_weights()
    weights['linear1.conv.weight'] = torch.zeros(512, 512, 1, 1)
    torch.save(weights, tmp_path / 'net.pth')
    error = told(tmp_path / 'net.pth', MobileFaceNet())
    assert 'does not fit MobileFaceNet: other shape: linear1.conv.weight (512, 512, 1, 1) for (128, 512, 1, 1)' in error


@pytest.mark.parametrize('content', [[1, 2], {}, {'params': {}}, {'epoch': 3}, {'params': 'none'}])
def test_a_file_without_weights_is_told(tmp_path, content):
    torch.save(content, tmp_path / 'net.pth')
    assert 'holds no weights' in told(tmp_path / 'net.pth', MobileFaceNet())


def test_code_in_a_file_is_not_run(tmp_path):

    class Trap:

        def __reduce__(self):
            return open, (str(tmp_path / 'trap'), 'w')

    torch.save({'params': Trap()}, tmp_path / 'net.pth')
    assert 'safe to read' in told(tmp_path / 'net.pth', MobileFaceNet())
    assert not (tmp_path / 'trap').exists()


def test_an_onnx_file_of_another_network_says_where_they_part(tmp_path):
    make = onnx.helper
    info = make.make_tensor_value_info
    graph = make.make_graph([make.make_node('Relu', ['data'], ['out'])], 'other',
                            [info('data', onnx.TensorProto.FLOAT, ['N', 3, 112, 112])],
                            [info('out', onnx.TensorProto.FLOAT, ['N', 3, 112, 112])])
    onnx.save(make.make_model(graph), tmp_path / 'net.onnx')
    error = told(tmp_path / 'net.onnx', MobileFaceNet())
    assert 'Relu instead of Conv at conv1' in error and 'OnnxRecogniser' in error
