"""The weights format: what goes in comes out, and each kind of wrong file gets one line."""

import copy
import hashlib
import json

import pytest
import torch
from safetensors.torch import save_file
from support.refusals import refused
from support.small_networks import SMALL_INTEGRATOR, SMALL_PATHS
from torch import nn

from rim_plugin.archs.recogniser_weights import load_recogniser_weights
from rim_plugin.calibration_values import Calibration, Quality, Tail, read_quality
from rim_plugin.files import read_metadata
from rim_plugin.shipped import shipped_weights
from rim_plugin.tensor_files import read_weights
from rim_plugin.weights_file import (
    Weights,
    build_packed,
    load_into,
    load_weights,
    packed_options,
    packed_student,
    save_weights,
)

from basicsr.archs import build_network as build

SRCNN = {'type': 'SRCNN', 'channels': [4, 2]}
CALIBRATIONS = (Calibration(8, 0.2, 10.0, 100), Calibration(32, 0.4, 20.0, 100))


def packed(path, networks=None, tensors=None, label='fhn'):
    """Write a weights file of a small SRCNN; returns the network and the path."""
    torch.manual_seed(0)
    net = build(dict(SRCNN))
    state = {f'{label}.{key}': value.half() for key, value in net.state_dict().items()}
    save_weights(Weights({label: SRCNN} if networks is None else networks, tensors or state, CALIBRATIONS), path)
    net.load_state_dict({key: value.half() for key, value in net.state_dict().items()})
    return net, path


@pytest.fixture
def small(tmp_path):
    return packed(tmp_path / 'small.safetensors')


def equal(net, other):
    state = other.state_dict()
    return all(torch.equal(value, state[key]) for key, value in net.state_dict().items())


class TestPackedFiles:
    def test_what_goes_in_comes_out(self, tmp_path):
        net, path = packed(tmp_path / 'folder' / 'a.safetensors')
        weights = load_weights(path)
        assert weights.networks == {'fhn': SRCNN} and weights.calibrations == CALIBRATIONS
        assert {value.dtype for value in weights.tensors.values()} == {torch.float16}
        built = build_packed(weights, 'fhn')
        assert equal(net, built) and {value.dtype for value in built.parameters()} == {torch.float32}
        assert build_packed(weights, 'hrn') is None

    def test_the_sidecar_tells_what_is_inside(self, small):
        sidecar = json.loads(small[1].with_suffix('.json').read_text())
        assert sidecar['file'] == 'small.safetensors' and sidecar['sha256'] == load_weights(small[1]).sha256
        assert [Calibration(**each) for each in sidecar['calibrations']] == list(CALIBRATIONS)

    def test_tails_and_qualities_come_back(self, tmp_path):
        tail = Tail((0.0, 0.1, 0.2, 0.3, 0.4, 0.5), 0.05, -0.1)
        weights = Weights(
            {},
            {'fhn.a': torch.zeros(1)},
            (Calibration(7, 0.1, 9.0, 5, 14, 8.0, tail, (0.1, 0.6, 0.9), 0.2, 0.4), *CALIBRATIONS),
            qualities=(
                Quality(7, (0.1, 0.2), (1.0, 2.0), (3.0, 4.0), 0.5, 0.3),
                Quality(14, (0.1, 0.2), (1.0, 2.0), (3.0, 4.0), 0.5, 0.3, (-5.0, 6.0, -7.0)),
            ),
        )
        save_weights(weights, tmp_path / 'a.safetensors')
        read = load_weights(tmp_path / 'a.safetensors')
        assert read.calibrations == weights.calibrations and read.qualities == weights.qualities
        sidecar = json.loads((tmp_path / 'a.json').read_text())
        assert sidecar['calibrations'][0]['tail']['shape'] == -0.1 and sidecar['qualities'][0]['least'] == 0.3

    def test_qualities_of_before_tell_faces_alone(self, tmp_path):
        quality = Quality(7, (0.1, 0.2), (1.0, 2.0), (3.0, 4.0), 0.5, 0.3)
        values = quality._asdict()
        del values['recognised']
        assert read_quality(values) == quality and quality.recognised is None

    @pytest.mark.parametrize('count', [0, 1, 4])
    def test_a_quality_of_other_signs_is_refused(self, count):
        quality = Quality(7, (0.1, 0.2), (1.0, 2.0), (3.0, 4.0), 0.5, 0.3, (1.0,) * count)
        with pytest.raises(ValueError, match=f'recognised has {count} numbers'):
            read_quality(quality._asdict())

    def test_calibrations_of_before_are_of_small_and_full_faces(self):
        assert (CALIBRATIONS[0].other, CALIBRATIONS[0].lower_slope, CALIBRATIONS[0].tail) == (112, 10.0, None)

    def test_options_alone(self, small, tmp_path):
        assert packed_options(str(small[1]), 'fhn') == SRCNN and packed_options(small[1], 'hrn') == {}
        save_file({'a': torch.zeros(1)}, tmp_path / 'x.safetensors')
        assert packed_options(tmp_path / 'x.safetensors', 'hrn') == packed_options('nowhere.pth', 'hrn') == {}

    @pytest.mark.slow
    def test_the_shipped_file(self):
        weights = load_weights(shipped_weights())
        fhn, hrn = (build_packed(weights, label) for label in ('fhn', 'hrn'))
        student, expected = packed_student(weights.tensors), hrn.student.net.state_dict()
        assert equal(hrn.student.net, build_packed(weights, 'hrn').student.net) and len(weights.calibrations) > 3
        assert student.keys() == expected.keys() and fhn is not None
        assert all(torch.equal(value.to(expected[key]), expected[key]) for key, value in student.items())

    def test_a_missing_file_is_named(self):
        assert 'nowhere.safetensors: no such weights file' in refused(load_weights, 'nowhere.safetensors')

    def test_every_changed_byte_is_found(self, small):
        content = bytearray(small[1].read_bytes())
        content[-1] ^= 1
        small[1].write_bytes(content)
        assert 'SHA-256' in refused(load_weights, small[1])
        assert 'its SHA-256 is' in refused(read_weights, small[1])
        assert 'its SHA-256 is' in refused(load_into, build(dict(SRCNN)), small[1])

    def test_a_training_does_not_begin_with_a_changed_file(self, tmp_path):
        _, path = packed(tmp_path / 'hrn.safetensors', label='hrn')
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
        assert 'its SHA-256 is' in refused(load_recogniser_weights, build({'type': 'MobileFaceNet'}), path)
        path.with_suffix('.json').unlink()
        assert 'missing; it holds the SHA-256' in refused(read_weights, path)

    def test_a_truncated_file_is_refused(self, small):
        content = small[1].read_bytes()
        for length in (100, len(content) - 10):
            small[1].write_bytes(content[:length])
            assert 'damaged' in refused(load_weights, small[1])
            assert 'not a readable safetensors file' in refused(read_weights, small[1])

    def test_without_its_json_it_is_refused(self, small):
        small[1].with_suffix('.json').unlink()
        assert 'small.json: missing' in refused(load_weights, small[1])
        for content in ('{}', '[]', 'half {', '\xff'):
            small[1].with_suffix('.json').write_text(content, encoding='latin-1')
            assert 'small.json: holds no SHA-256' in refused(load_weights, small[1])

    def test_files_of_other_kinds_are_refused(self, tmp_path):
        save_file({'a': torch.zeros(1)}, tmp_path / 'other.safetensors')
        torch.save({'a': torch.zeros(1)}, tmp_path / 'other.pth')
        for name in ('other.safetensors', 'other.pth'):
            assert 'no weights file of RIM' in refused(load_weights, tmp_path / name)

    @pytest.mark.parametrize(
        'metadata, told',
        [
            ('{"format": 3}', 'format 3'),
            (
                '{"format": 1}',
                'metadata are not of this version of rim_plugin (Object missing required field `networks`)',
            ),
            ('{"format": 1, "calibrations": [{"side": 8}], "networks": {}, "facts": {}}', 'side'),
            ('{"format"', 'damaged'),
            ('3', 'damaged'),
        ],
    )
    def test_other_metadata_are_refused(self, tmp_path, metadata, told):
        path = tmp_path / 'x.safetensors'
        save_file({'a': torch.zeros(1)}, path, {'rim': metadata})
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        path.with_suffix('.json').write_text(json.dumps({'sha256': digest}))
        assert told in refused(load_weights, path)

    @pytest.mark.parametrize('place', ['', 'calibrations', 'qualities'])
    def test_values_of_other_kinds_are_refused(self, tmp_path, place):
        path = tmp_path / 'x.safetensors'
        tail = Tail((0.0, 0.1, 0.2, 0.3, 0.4, 0.5), 0.05, -0.1)
        calibrations = (Calibration(7, 0.1, 9.0, 5, 14, 8.0, tail),)
        qualities = (Quality(7, (0.1, 0.2), (1.0, 2.0), (3.0, 4.0), 0.5, 0.3, (-5.0, 6.0)),)
        save_weights(Weights({}, {'fhn.a': torch.zeros(1)}, calibrations, {}, '', qualities, (7, 56)), path)
        right = read_metadata(path, 'rim')
        for key, value in (right[place][0] if place else right).items():
            for odd in ('x', [None], ['k'], *([float('nan'), -float('inf')] if isinstance(value, float) else [])):
                header = copy.deepcopy(right)
                (header[place][0] if place else header)[key] = odd
                save_file({'fhn.a': torch.zeros(1)}, path, {'rim': json.dumps(header)})
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                path.with_suffix('.json').write_text(json.dumps({'sha256': digest}))
                assert refused(load_weights, path).startswith(f'{path}: '), (key, odd)

    @pytest.mark.parametrize(
        'change, told',
        [({'type': 'Unheard'}, 'Unheard'), ({'channels': [4, 3]}, 'other shape'), ({'colour': 1}, 'colour')],
    )
    def test_another_architecture_is_refused(self, tmp_path, change, told):
        _, path = packed(tmp_path / 'x.safetensors', {'fhn': {**SRCNN, **change}})
        message = refused(build_packed, load_weights(path), 'fhn', path)
        assert told in message and 'x.safetensors' in message

    def test_a_network_of_too_many_layers_is_refused(self, tmp_path):
        _, path = packed(tmp_path / 'x.safetensors', {'fhn': {'type': 'VDSR', 'num_layer': 10**9}})
        assert 'more than 5,000 layers' in refused(build_packed, load_weights(path), 'fhn', path)

    def test_options_without_a_type_are_refused(self, tmp_path):
        _, path = packed(tmp_path / 'x.safetensors', {'fhn': {}})
        assert 'x.safetensors: None cannot be built' in refused(build_packed, load_weights(path), 'fhn', path)

    def test_a_failed_write_leaves_the_old_file(self, small):
        before = small[1].read_bytes()
        with pytest.raises(TypeError):
            save_weights(Weights({}, {}, facts={'x': object()}), small[1])
        assert small[1].read_bytes() == before and load_weights(small[1])


class TestEarlierNames:
    """Weights and options that were written under names of before."""

    @pytest.mark.slow
    @pytest.mark.parametrize('name', ['net.pth', 'packed.safetensors'])
    def test_tensors(self, tmp_path, name):
        alike = {'type': 'MobileFaceNet'}
        options = {'type': 'HRN', 'teacher': alike, 'student': alike, 'assistant': alike, 'head': 'own'}
        torch.manual_seed(0)
        hrn = build({**options, 'assistant_scale': 0.5})
        before = {key.replace('.adapters.', '.fits.'): value for key, value in hrn.state_dict().items()}
        assert 'assistant.fits.0.1.weight' in before and not any('adapters' in key for key in before)
        if name == 'net.pth':
            torch.save({'params': before}, tmp_path / name)
        else:
            packed(tmp_path / name, {'hrn': options}, {f'hrn.{key}': value for key, value in before.items()})
            assert equal(build_packed(load_weights(tmp_path / name), 'hrn'), hrn)
        net = build(options)
        load_into(net, tmp_path / name)
        assert equal(net, hrn)

    def test_options(self, tmp_path):
        paths = {'type': 'TriPathGenerator', **SMALL_PATHS}
        paths['work_size'] = paths.pop('feature_size')
        integrator = {**SMALL_INTEGRATOR, 'work_size': 16}
        del integrator['feature_size']
        options = {'type': 'FHN', 'generator': paths, 'integrator': integrator}
        _, path = packed(tmp_path / 'x.safetensors', {'fhn': options})
        for read in (load_weights(path).networks['fhn'], packed_options(path, 'fhn')):
            assert read['generator']['feature_size'] == read['integrator']['feature_size'] == 16
            assert 'work_size' not in {**read['generator'], **read['integrator']}


class Pair(nn.Module):
    """Two layers."""

    def __init__(self, width=2):
        super().__init__()
        self.first, self.second = nn.Linear(2, width), nn.Linear(2, 2)


class TestLoadInto:
    @pytest.fixture
    def file(self, tmp_path):
        """The weights of a Pair, saved from DataParallel."""
        net = Pair()
        torch.save({f'module.{key}': value for key, value in net.state_dict().items()}, tmp_path / 'pair.pth')
        return net, tmp_path / 'pair.pth'

    def test_a_packed_network(self, small):
        net = build(dict(SRCNN))
        assert not equal(net, small[0])
        load_into(net, small[1])
        assert equal(net, small[0])

    def test_a_bare_state_dict_of_a_wrapped_network(self, file):
        net = Pair()
        load_into(net, file[1], None)
        assert equal(net, file[0])

    def test_strict_takes_all_or_nothing(self, file):
        for net in (Pair(3), nn.Linear(2, 2)):
            before = {key: value.clone() for key, value in net.state_dict().items()}
            assert f'pair.pth does not fit {type(net).__name__}: ' in refused(load_into, net, file[1], None)
            assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())

    @pytest.mark.parametrize('strict', [True, False])
    @pytest.mark.parametrize(
        'value, words',
        [
            (3, 'no tensors: bias'),
            ({'a': torch.zeros(2)}, 'no tensors: bias'),
            (torch.tensor([1.0, float('nan')]), 'NaN or infinite: bias'),
            (torch.tensor([1.0, float('-inf')]), 'NaN or infinite: bias'),
            (torch.zeros(2, dtype=torch.int32), 'other type: bias'),
            (torch.zeros(2, dtype=torch.complex64), 'other type: bias'),
            (torch.zeros(2, dtype=torch.bool), 'other type: bias'),
        ],
    )
    def test_values_that_are_no_weights_are_named(self, tmp_path, strict, value, words):
        net, path = nn.Linear(3, 2), tmp_path / 'odd.pth'
        torch.save({'params': {**net.state_dict(), 'bias': value}}, path)
        before = net.bias.clone()
        if strict or torch.is_tensor(value):
            assert words in refused(load_into, net, path, 'params', strict)
        else:  # what does not fit is left alone
            load_into(net, path, strict=False)
        assert torch.equal(net.bias, before)

    @pytest.mark.parametrize('content', [5, None, [1], 'x', {}, {'params': 5}, {'params': [1]}, {'params': {1: 2}}])
    def test_files_without_weights_are_told(self, tmp_path, content):
        torch.save(content, tmp_path / 'odd.pth')
        assert 'odd.pth: ' in refused(load_into, nn.Linear(3, 2), tmp_path / 'odd.pth')

    def test_not_strict_takes_what_fits(self, file):
        net = Pair(3)
        net.third = nn.Linear(1, 1)
        before = {key: value.clone() for key, value in net.state_dict().items()}
        weights = load_into(net, file[1], None, strict=False)
        assert weights.keys() == file[0].state_dict().keys()
        for key, value in net.state_dict().items():
            expected = file[0].state_dict() if key.startswith('second') else before
            assert torch.equal(value, expected[key]), key

    def test_bare_safetensors_need_no_sidecar(self, tmp_path):
        torch.manual_seed(1)
        source, net = build(dict(SRCNN)), build(dict(SRCNN))
        save_file(source.state_dict(), tmp_path / 'x.safetensors')
        assert load_into(net, tmp_path / 'x.safetensors').keys() == net.state_dict().keys() and equal(net, source)
