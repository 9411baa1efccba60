"""Weight files of recognisers: wrappings, and files that do not fit."""

import pytest
import torch
from safetensors.torch import save_file
from support.published_weights import loaded, refusal

from rim_plugin.archs.mobilefacenet_arch import MobileFaceNet


def small_weights():
    torch.manual_seed(3)
    return MobileFaceNet().state_dict()


@pytest.mark.parametrize(
    'wrap',
    [
        lambda weights: weights,
        lambda weights: {'params': weights},
        pytest.param(lambda weights: {'state_dict': weights, 'epoch': 3}, marks=pytest.mark.slow),
        lambda weights: {'params_ema': weights, 'params': {key: 0 * value for key, value in weights.items()}},
        pytest.param(
            lambda weights: {'state_dict_backbone': weights, 'state_dict_softmax_fc': {}}, marks=pytest.mark.slow
        ),
        lambda weights: {f'module.{key}': value for key, value in weights.items()},
        lambda weights: {key: value for key, value in weights.items() if 'num_batches_tracked' not in key},
    ],
)
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


@pytest.mark.parametrize('name', ['net.pth', 'net.safetensors', 'net.onnx'])
def test_a_missing_file_is_told(tmp_path, name):
    assert 'No such file' in refusal(tmp_path / name, MobileFaceNet()).replace('no such', 'No such')


@pytest.mark.parametrize('suffix', ['pth', 'safetensors'])
def test_half_a_file_is_told(tmp_path, suffix):
    path = tmp_path / f'net.{suffix}'
    (torch.save if suffix == 'pth' else save_file)(small_weights(), path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert 'not a' in refusal(path, MobileFaceNet())


def test_weights_of_an_unknown_network_are_shown(tmp_path):
    torch.save({'encoder.weight': torch.zeros(3)}, tmp_path / 'net.pth')
    error = refusal(tmp_path / 'net.pth', MobileFaceNet())
    assert 'weights of another kind of network (encoder.weight), but the network is MobileFaceNet' in error


def test_squeeze_and_excitation_of_face_evolve_is_shown(tmp_path):
    """IR-SE networks share all other keys with the IR networks."""
    names = ('input_layer.0.weight', 'body.0.res_layer.1.weight', 'body.0.res_layer.5.fc1.weight')
    torch.save({name: torch.zeros(64, 64, 1, 1) for name in names}, tmp_path / 'net.pth')
    error = refusal(tmp_path / 'net.pth', MobileFaceNet())
    assert 'unexpected: body.0.res_layer.5.fc1.weight, conv1.weight, layer1.0.conv1.weight' in error


def test_one_other_shape_is_named(tmp_path):
    weights = small_weights()
    weights['linear1.conv.weight'] = torch.zeros(512, 512, 1, 1)
    torch.save(weights, tmp_path / 'net.pth')
    error = refusal(tmp_path / 'net.pth', MobileFaceNet())
    assert 'does not fit MobileFaceNet: other shape: linear1.conv.weight (512, 512, 1, 1) for (128, 512, 1, 1)' in error


@pytest.mark.parametrize('content', [[1, 2], {}, {'params': {}}, {'epoch': 3}, {'params': 'none'}])
def test_a_file_without_weights_is_told(tmp_path, content):
    torch.save(content, tmp_path / 'net.pth')
    assert 'holds no weights' in refusal(tmp_path / 'net.pth', MobileFaceNet())


def test_code_in_a_file_is_not_run(tmp_path):

    class Trap:
        def __reduce__(self):
            return open, (str(tmp_path / 'trap'), 'w')

    torch.save({'params': Trap()}, tmp_path / 'net.pth')
    assert 'safe to read' in refusal(tmp_path / 'net.pth', MobileFaceNet())
    assert not (tmp_path / 'trap').exists()
