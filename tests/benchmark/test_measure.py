"""Measured values equal BasicSR's and numpy's; a newly registered metric is measured by itself."""

import json
import time

import numpy as np
import pytest
import torch
from support.benchmarks import DRAWN, NET
from support.small_networks import NARROW_INTEGRATOR, NARROW_PATHS
from support.tiny_recognition import ALIKE as TEACHER
from torchvision.models import alexnet

from rim_plugin.archs.fhn_arch import FHN
from rim_plugin.benchmark import measure
from rim_plugin.benchmark.cache import Cache
from rim_plugin.benchmark.measure import _milliseconds, build_method, measure_images, measure_pairs, measure_speed
from rim_plugin.evaluation import metric as metrics
from rim_plugin.evaluation.embeddings import KnownEmbeddings
from rim_plugin.evaluation.metric import ImageMetric
from rim_plugin.evaluation.metrics.fid import FID
from rim_plugin.evaluation.open_set import det_curve

from basicsr.archs import build_network
from basicsr.data import build_dataset
from basicsr.metrics import calculate_psnr, calculate_ssim
from basicsr.utils import tensor2img

FACES = dict(DRAWN, name='drawn')
GENERATOR = {'type': 'TriPathGenerator', **NARROW_PATHS}
DISCRIMINATOR = {
    'type': 'MixAdversarialDiscriminator',
    'integrator': NARROW_INTEGRATOR,
    'discriminator': {'channels': 4, 'embedding': 8},
}


@pytest.fixture
def srcnn(folder):
    return build_method({'g': NET}, {'g': 'srcnn.pth'})


@pytest.fixture
def rim(tiny_teacher, tmp_path):
    """RIM with random weights: its pipeline."""
    torch.manual_seed(0)
    generator = build_network(dict(GENERATOR))
    torch.save({'params': generator.state_dict()}, tmp_path / 'g.pth')
    return build_method(
        {'g': GENERATOR, 'd': DISCRIMINATOR}, {'g': str(tmp_path / 'g.pth')}, {**TEACHER, 'weights': tiny_teacher}
    )


@pytest.mark.slow
def test_image_metrics_are_what_basicsr_measures_image_by_image(srcnn):
    result = measure_images(srcnn, FACES, 2, {}, False)
    images, dataset = result['images'], build_dataset({**FACES, 'phase': 'val', 'scale': 8})
    assert images.keys() == {'name', 'psnr_y', 'ssim_y', 'psnr_rgb', 'ssim_rgb'}  # no teacher, no priors
    assert images['name'] == [dataset[i]['gt_path'] for i in range(3)]
    for i in range(3):
        with torch.no_grad():
            sr = tensor2img(srcnn.fhn(dataset[i]['lq'][None]))
        gt = tensor2img(dataset[i]['gt'])
        for y, colour in ((True, 'y'), (False, 'rgb')):
            for metric, function in (('psnr', calculate_psnr), ('ssim', calculate_ssim)):
                expected = function(sr, gt, crop_border=0, test_y_channel=y)
                assert images[f'{metric}_{colour}'][i] == pytest.approx(expected, abs=1e-4)
    assert result['means']['psnr_y'] == pytest.approx(np.mean(images['psnr_y']))
    assert result['arrays'].keys() == {f'{face}/{title}' for face in (0, 1) for title in ('LR 28x28', 'SR', 'HR')}
    assert (result['arrays']['1/HR'] == tensor2img(dataset[1]['gt'])).all()


@pytest.mark.slow
def test_identity_and_priors_are_measured_where_the_method_has_them(rim):
    result = measure_images(rim, FACES, 1, {}, False)
    images = result['images']
    assert images.keys() >= {'identity', 'nme', 'parsing_miou'}
    assert result['resampled'].keys() == {'parsing_miou'}
    low, high = np.percentile(result['resampled']['parsing_miou'], (0, 100))
    assert len(result['resampled']['parsing_miou']) == 200 and low <= result['means']['parsing_miou'] <= high
    assert all(0 < value < 10 for value in images['nme']) and all(0 <= value <= 1 for value in images['parsing_miou'])
    dataset = build_dataset({**FACES, 'phase': 'val', 'scale': 8})
    with torch.no_grad():
        faces = [rim.hallucinate(dataset[2]['lq'][None]).clamp(0, 1), dataset[2]['gt'][None]]
        sr, hr = (rim.teacher(face).embedding[0].double() for face in faces)
    assert images['identity'][2] == pytest.approx(float(sr @ hr / sr.norm() / hr.norm()), abs=1e-6)
    assert {'0/landmarks', '0/parsing', '0/coarse'} <= result['arrays'].keys()


@pytest.mark.slow
def test_lpips_where_its_weights_are_given(srcnn):
    pytest.importorskip('lpips')
    torch.save(alexnet().state_dict(), 'alexnet.pth')
    result = measure_images(srcnn, FACES, 0, {'lpips': {'type': 'calculate_lpips', 'weights': 'alexnet.pth'}}, False)
    assert len(result['images']['lpips']) == 3 and min(result['images']['lpips']) > 0
    assert not result['arrays']


@pytest.mark.slow
def test_fid_is_of_the_set(srcnn, monkeypatch):
    monkeypatch.setattr(FID, 'measure', lambda self, data: torch.stack([data['sr'], data['gt']], 1).mean((3, 4)))
    result = measure_images(srcnn, FACES, 0, {'fid': {'type': 'calculate_fid', 'weights': 'net.pth'}}, False)
    assert 'fid' not in result['images'] and result['means']['fid'] > 0 and len(result['resampled']['fid']) == 200


def test_a_registered_metric_is_measured_without_more(srcnn, monkeypatch):
    class Brightness(ImageMetric):
        title, digits, needs, standard = 'brightness', 1, ('sr',), {'brightness': {}}

        def measure(self, data):
            return data['sr'].mean((1, 2, 3)).double()

    monkeypatch.setitem(metrics.METRICS, 'calculate_brightness', Brightness)
    images = measure_images(srcnn, FACES, 0, {}, False)['images']
    face = build_dataset({**FACES, 'phase': 'val', 'scale': 8})[1]
    with torch.no_grad():
        assert images['brightness'][1] == pytest.approx(srcnn.fhn(face['lq'][None]).mean().item(), abs=1e-6)


def test_weights_are_the_averaged_ones_where_there_are_any(folder):
    nets = [build_network(dict(NET)) for _ in range(2)]
    torch.save({'params': nets[0].state_dict(), 'params_ema': nets[1].state_dict()}, 'both.pth')
    built = build_method({'g': NET}, {'g': 'both.pth'}).fhn.state_dict()
    assert all(torch.equal(value, built[key]) for key, value in nets[1].state_dict().items())
    torch.save({'params': nets[0].state_dict()}, 'one.pth')
    built = build_method({'g': NET}, {'g': 'one.pth'}).fhn.state_dict()
    assert all(torch.equal(value, built[key]) for key, value in nets[0].state_dict().items())


def test_methods_are_ready_to_infer(rim, tiny_teacher):
    assert isinstance(rim.fhn, FHN) and rim.hrn is None and rim.gallery == 'teacher'
    assert not any(layer.training for layer in rim.modules())
    assert not any(value.requires_grad for value in rim.parameters())
    hrn = {'type': 'HRN', 'student': TEACHER, 'assistant': TEACHER, 'head': 'own'}
    full = build_method({'r': hrn}, {}, {**TEACHER, 'weights': tiny_teacher}, 'hrn')
    assert full.gallery == 'hrn' and full.fhn is None and full.hrn is not None


@pytest.mark.slow
def test_size_and_speed(srcnn, monkeypatch):
    monkeypatch.setattr(measure, '_TIMED_SECONDS', 0.02)
    speed = measure_speed(srcnn)['speed']
    assert speed['parameters'] == sum(value.numel() for value in srcnn.fhn.parameters())
    layers = (3 * 4 * 81, 4 * 2 * 25, 2 * 3 * 25)
    assert speed['gmacs'] == pytest.approx(224**2 * sum(layers) / 1e9, rel=0.02)
    assert speed['ms_1'] > 0 and speed['ms_32'] > 0 and speed['peak_mib'] > 50


class Sleeper(torch.nn.Module):
    """A network that takes ``seconds``, and counts how often."""

    def __init__(self, seconds):
        super().__init__()
        self.seconds, self.runs = seconds, 0

    def forward(self, probes):
        self.runs += 1
        time.sleep(self.seconds)


def test_a_network_that_takes_longer_than_it_is_timed_for_runs_once(monkeypatch):
    monkeypatch.setattr(measure, '_TIMED_SECONDS', 0.02)
    slow, fast = Sleeper(0.03), Sleeper(0.001)
    assert _milliseconds(slow, torch.zeros(4, 3, 2, 2)) >= 30 / 4 and slow.runs == 1
    assert _milliseconds(fast, torch.zeros(4, 3, 2, 2)) >= 1 / 4 and fast.runs > 1


@pytest.mark.slow
def test_searches_are_kept_for_their_curve(tiny_teacher):
    pairs = {'type': 'DrawnPairDataset', 'num_identities': 4, 'faces_per_identity': 2, 'folds': 2, 'name': 'few'}
    pipeline = build_method({}, {}, {**TEACHER, 'weights': tiny_teacher})
    found = measure_pairs(pipeline, {**pairs, 'query_size': 28, 'identification': True}, False, KnownEmbeddings())
    mated, non_mated = (found['arrays'][key] for key in ('mated', 'non_mated'))
    assert len(mated) == len(non_mated) == 4 == found['figures']['probes']
    assert 1 - det_curve(mated, non_mated).at(0.1) == pytest.approx(found['figures']['tpir_fpir_1e-1'])


def printed(capsys):
    """The lines that tell of results."""
    lines = capsys.readouterr().out.splitlines()
    return [json.loads(line.removeprefix('RESULT ')) for line in lines if line.startswith('RESULT ')]


@pytest.mark.slow
def test_gallery_is_embedded_once_for_all_measurements(tiny_teacher, tmp_path, monkeypatch, capsys):
    pairs = {'type': 'DrawnPairDataset', 'num_identities': 4, 'faces_per_identity': 2, 'folds': 2, 'name': 'few'}
    full = [{**pairs, 'probe_side': 'none'}, False]
    gallery = {'key': 'gallery', 'arguments': full}
    measurements = [
        {'key': str(size), 'kind': 'pairs', 'arguments': [{**pairs, 'query_size': size}, False], 'gallery': gallery}
        for size in (14, 28)
    ]
    job = {'cache': str(tmp_path), 'networks': {}, 'weights': {}, 'gallery': None, 'measurements': measurements}
    calls, embed = [], measure.measure_gallery
    monkeypatch.setattr(measure, 'measure_gallery', lambda *arguments: calls.append(1) or embed(*arguments))
    recogniser = {**TEACHER, 'weights': tiny_teacher}
    measure.main({**job, 'recogniser': recogniser})
    assert len(calls) == 1
    lines = [
        line.removeprefix('RESULT ') for line in capsys.readouterr().out.splitlines() if line.startswith('RESULT ')
    ]
    assert [json.loads(line) for line in lines] == [{'key': '14'}, {'key': '28'}]
    known = Cache(tmp_path).get('gallery')['arrays']
    assert known['keys'].shape == (8, 32) and known['embeddings'].shape == (8, 128)
    pipeline = build_method({}, {}, recogniser)
    expected = measure_pairs(pipeline, *measurements[0]['arguments'], KnownEmbeddings())
    kept = Cache(tmp_path).get('14')
    np.testing.assert_allclose(kept['arrays']['scores'], expected['arrays']['scores'], atol=1e-9)
    assert kept['figures']['auc'] == pytest.approx(expected['figures']['auc'])
    assert 'mated' not in kept['arrays']  # no identification
    assert kept['figures'].keys() == expected['figures'].keys() and kept['protocol']['query_size'] == 14


def test_an_error_is_told_and_does_not_stop_the_rest(folder, capsys):
    measurements = [
        {'key': 'a', 'kind': 'sr', 'arguments': [{**FACES, 'type': 'Nothing'}, 0, {}, False], 'gallery': None},
        {'key': 'b', 'kind': 'sr', 'arguments': [FACES, 0, {}, False], 'gallery': None},
    ]
    job = {'cache': 'cache', 'networks': {'g': NET}, 'weights': {}, 'recogniser': None, 'gallery': None}
    measure.main({**job, 'measurements': measurements})
    lines = printed(capsys)
    assert 'Nothing' in lines[0]['error'] and lines[1] == {'key': 'b'}
    assert Cache('cache').get('a') is None and len(Cache('cache').get('b')['images']['name']) == 3
