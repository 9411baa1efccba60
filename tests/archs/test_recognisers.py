"""The recognisers: the real MobileFaceNet against a computation of its own, ResNet-IR, and networks in ONNX files."""

import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from support.onnx_models import mean_colour

from rim_plugin.archs.iresnet_arch import IResNet
from rim_plugin.archs.mobilefacenet_arch import MobileFaceNet
from rim_plugin.archs.onnx_recogniser_arch import OnnxRecogniser
from rim_plugin.archs.recogniser_weights import load_recogniser_weights
from rim_plugin.errors import OptionsError

TEACHER = Path(__file__).parents[3] / 'shared' / 'data' / 'mobilefacenet_arcface_casia.safetensors'
NETWORKS = {
    'IResNet': lambda: IResNet(18),
    'IResNet, face_evolve': lambda: IResNet(18, 'face_evolve'),
    'MobileFaceNet': MobileFaceNet,
}


@pytest.fixture(
    scope='module', params=['IResNet', pytest.param('IResNet, face_evolve', marks=pytest.mark.slow), 'MobileFaceNet']
)
def net(request):
    torch.manual_seed(0)
    return NETWORKS[request.param]().eval().requires_grad_(False)


@pytest.fixture(scope='module')
def teacher():
    """A real recogniser, trained with ArcFace on CASIA-WebFace; skips where its weights are absent."""
    if not TEACHER.is_file():
        pytest.skip(f'no weights of the MobileFaceNet teacher in {TEACHER}')
    net = MobileFaceNet().eval()
    load_recogniser_weights(net, TEACHER)
    return net


def mobilefacenet(weights, face):
    """The network from its description alone: blocks and embedding of a prepared face, in the weights' precision."""

    def norm(x, name):
        mean, var = weights[name + '.running_mean'], weights[name + '.running_var']
        scale = weights[name + '.weight'] / (var + 1e-5).sqrt()
        return x * scale[:, None, None] + (weights[name + '.bias'] - mean * scale)[:, None, None]

    def prelu(x, name):
        return torch.where(x > 0, x, x * weights[name + '.weight'][:, None, None])

    def conv(x, name, **kwargs):
        return F.conv2d(x, weights[name + '.weight'], **kwargs)

    def layer(x, name, **kwargs):
        x = norm(conv(x, name + '.conv', **kwargs), name + '.bn')
        return prelu(x, name + '.prelu') if name + '.prelu.weight' in weights else x

    x = layer(layer(face, 'conv1', stride=2, padding=1), 'dw_conv1', padding=1, groups=64)
    maps, index = [x], 0
    for expansion, channels, repeats, stride in (
        (2, 64, 5, 2),
        (4, 128, 1, 2),
        (2, 128, 6, 1),
        (4, 128, 1, 2),
        (2, 128, 2, 1),
    ):
        for repeat in range(repeats):
            name, step = f'blocks.{index}.conv.', 1 if repeat else stride
            inner = prelu(norm(conv(x, name + '0'), name + '1'), name + '2')
            assert inner.shape[1] == expansion * x.shape[1]
            inner = conv(inner, name + '3', stride=step, padding=1, groups=inner.shape[1])
            out = norm(conv(prelu(norm(inner, name + '4'), name + '5'), name + '6'), name + '7')
            x = x + out if step == 1 and x.shape[1] == channels else out
            index += 1
            if index in (5, 12):
                maps.append(x)
    maps.append(layer(x, 'conv2'))
    return maps, layer(layer(maps[-1], 'linear7', groups=512), 'linear1')[:, :, 0, 0]


def test_teacher_equals_an_independent_computation(teacher):
    torch.manual_seed(0)
    image = torch.rand(2, 3, 112, 112, dtype=torch.float64)
    weights = {key: value.double() for key, value in load_file(TEACHER).items()}
    maps, embedding = mobilefacenet(weights, (image[..., 8:104] * 255 - 127.5) / 128)
    output = teacher(image.float())
    for a, b in zip((*output.blocks, output.embedding), (*maps, embedding), strict=True):
        torch.testing.assert_close(a, b.float(), atol=1e-4, rtol=1e-4)
    exact = MobileFaceNet().eval().double()
    load_recogniser_weights(exact, TEACHER)
    torch.testing.assert_close(exact(image).embedding, embedding, atol=1e-10, rtol=1e-10)


def test_teacher_has_a_million_parameters_and_exactly_the_keys_of_the_file(teacher):
    assert sum(value.numel() for value in teacher.parameters()) == 999_552
    assert teacher.state_dict().keys() == load_file(TEACHER).keys()


def test_teacher_in_channels_last(teacher):
    image = torch.rand(2, 3, 112, 112)
    expected = teacher(image).embedding
    teacher.to(memory_format=torch.channels_last)
    output = teacher(image.to(memory_format=torch.channels_last))
    teacher.to(memory_format=torch.contiguous_format)
    assert all(block.is_contiguous(memory_format=torch.channels_last) for block in output.blocks)
    torch.testing.assert_close(output.embedding, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize('depth, parameters', [(18, 24_025_600), (34, 34_139_328), (50, 43_590_848), (100, 65_156_160)])
def test_iresnet_has_the_published_number_of_parameters(depth, parameters):
    with torch.device('meta'):
        assert sum(value.numel() for value in IResNet(depth).parameters()) == parameters


def test_block_maps_are_those_of_feature_info(net):
    image = torch.rand(1, 3, 112, 112)
    face = net.prepare(image)
    output = net(image)
    assert len(output.blocks) == len(net.feature_info) == 4
    for block, info in zip(output.blocks, net.feature_info, strict=True):
        assert block.shape == (1, info.channels, face.shape[2] // info.stride, face.shape[3] // info.stride)
    assert output.embedding.shape == (1, net.embedding_size)
    assert torch.equal(net.head(net.block_maps(face)[-1]), output.embedding)


@pytest.mark.slow
def test_iresnet_has_the_block_maps_of_the_paper():
    """56, 28, 14 and 7 pixels, on which the student and the assistant are matched with the teacher."""
    with torch.device('meta'):
        blocks = IResNet(50).eval()(torch.rand(1, 3, 112, 112)).blocks
    assert [tuple(block.shape[1:]) for block in blocks] == [(64, 56, 56), (128, 28, 28), (256, 14, 14), (512, 7, 7)]


def test_gradients_reach_the_image(net):
    image = torch.rand(2, 3, 224, 224, requires_grad=True)
    net(image).embedding.square().sum().backward()
    assert torch.isfinite(image.grad).all() and image.grad.abs().sum() > 0


@pytest.mark.parametrize('size', [28, 224])
def test_other_sizes_are_resized_to_112(net, size):
    image = torch.rand(1, 3, size, size)
    small = F.interpolate(image, (112, 112), mode='bicubic', antialias=True, align_corners=False)
    torch.testing.assert_close(net(image).embedding, net(small).embedding, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    'make, columns, lowest, highest',
    [
        (lambda: IResNet(18), (0, 112), -1, 1),
        (lambda: IResNet(18, 'face_evolve'), (0, 112), -127.5 / 128, 127.5 / 128),
        (MobileFaceNet, (8, 104), -127.5 / 128, 127.5 / 128),
    ],
)
def test_crop_and_normalisation(make, columns, lowest, highest):
    image = torch.arange(112).float().expand(1, 3, 112, 112) / 111  # the value tells the column
    with torch.device('meta'):
        net = make()
    face = net.prepare(image)
    expected = lowest + (highest - lowest) * image[..., slice(*columns)]
    torch.testing.assert_close(face, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    'image',
    [
        torch.rand(3, 112, 112),
        torch.rand(1, 1, 112, 112),
        torch.rand(1, 112, 112, 3),
        torch.zeros(1, 3, 112, 112, dtype=torch.uint8),
    ],
)
def test_anything_but_a_batch_of_rgb_images_is_refused(image):
    with pytest.raises(ValueError, match=r'image: .*\(N, 3, h, w\)'):
        MobileFaceNet()(image)


@pytest.mark.parametrize('batch', ['N', 1])
def test_onnx_recogniser_embeds_each_face_of_a_batch(tmp_path, batch):
    net = OnnxRecogniser(mean_colour(tmp_path / 'mean.onnx', (batch, 3, 112, 112)))
    image = torch.rand(3, 3, 112, 112)
    output = net(image)
    torch.testing.assert_close(output.embedding, image.mean((2, 3)) * 2 - 1, atol=1e-5, rtol=0)
    assert output.blocks == () and net.embedding_size == 3


def test_onnx_recognisers_of_other_files_differ_in_content(tmp_path):
    same, again, other = (
        OnnxRecogniser(mean_colour(tmp_path / f'{name}.onnx', (batch, 3, 112, 112)))
        for name, batch in (('same', 1), ('again', 1), ('other', 'N'))
    )
    assert same.content == again.content != other.content


def test_onnx_recogniser_sees_the_columns_of_its_input(tmp_path):
    net = OnnxRecogniser(mean_colour(tmp_path / 'mean.onnx', ('N', 3, 112, 96)))
    image = torch.rand(2, 3, 112, 112)
    torch.testing.assert_close(net(image).embedding, image[..., 8:104].mean((2, 3)) * 2 - 1, atol=1e-5, rtol=0)


def test_onnx_recogniser_leaves_normalisation_to_a_graph_that_has_one(tmp_path):
    net = OnnxRecogniser(mean_colour(tmp_path / 'mean.onnx', normalises=True))
    image = torch.rand(2, 3, 112, 112)
    expected = (image.mean((2, 3)) * 255 - 127.5) / 128
    torch.testing.assert_close(net(image).embedding, expected, atol=1e-5, rtol=0)


def test_onnx_recogniser_gives_neither_gradients_nor_blocks(tmp_path):
    net = OnnxRecogniser(mean_colour(tmp_path / 'mean.onnx'))
    image = torch.rand(1, 3, 112, 112, requires_grad=True)
    for use in (lambda: net(image), lambda: net.feature_info, lambda: net.block_maps(image), lambda: net.head(image)):
        with pytest.raises(RuntimeError, match='only evaluates.*IResNet'):
            use()
    with torch.no_grad():
        assert net(image).embedding.shape == (1, 3)


@pytest.mark.parametrize(
    'options, words',
    [
        ({'shape': ('N', 3, 224, 224)}, ['224x224', '112']),
        ({'shape': ('N', 1, 112, 112)}, ['cannot run it']),
        ({'shape': (4, 3, 112, 112)}, ['cannot run it']),
        ({'extra_output': True}, ['2 outputs', 'one embedding']),
    ],
)
def test_onnx_files_of_other_networks_are_told(tmp_path, options, words):
    with pytest.raises(OptionsError) as error:
        OnnxRecogniser(mean_colour(tmp_path / 'mean.onnx', **options))
    assert all(word in str(error.value) for word in ['mean.onnx', *words])


@pytest.mark.parametrize(
    'content, words',
    [(None, 'no such file'), (b'', 'not a readable ONNX file'), (b'half a file', 'not a readable ONNX file')],
)
def test_missing_and_damaged_onnx_files_are_told(tmp_path, content, words):
    path = tmp_path / 'net.onnx'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(OptionsError, match=f'net.onnx: {words}'):
        OnnxRecogniser(str(path))


@pytest.mark.parametrize('package', ['onnx', 'onnxruntime'])
def test_a_missing_package_is_named(tmp_path, monkeypatch, package):
    path = mean_colour(tmp_path / 'mean.onnx')
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(OptionsError, match=rf'OnnxRecogniser \(model: .*mean.onnx\) needs the package {package} .*pip'):
        OnnxRecogniser(path)
