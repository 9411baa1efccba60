"""Values of a benchmark: intervals that cover the mean as often as they say, paired differences, JSON and CSV."""

import csv
import io
import json

import numpy as np
import pytest
from support.benchmarks import METHODS, SPEED, benchmark, pair_result, sr_result

from rim_plugin.benchmark.results import Results, difference, image_columns
from rim_plugin.benchmark.run import measurements

PAIRS = {'few': {'type': 'DrawnPairDataset', 'num_identities': 4, 'faces_per_identity': 2, 'folds': 2}}


@pytest.fixture
def results(folder):
    """An SR set and a list of pairs, both by SRCNN and, to compare with, by bicubic."""
    small = benchmark(pair_sets=PAIRS, query_sizes=[14], recogniser={'type': 'MobileFaceNet'})
    by_kind = {
        ('srcnn', 'speed'): {'speed': SPEED, 'arrays': {}},
        ('bicubic', 'speed'): {'error': 'out of memory'},
        ('srcnn', 'sr'): sr_result(['psnr_y', 'ssim_y', 'nme'], seed=1),
        ('bicubic', 'sr'): sr_result(['psnr_y', 'ssim_y'], seed=2),
        ('srcnn', 'pairs'): pair_result(0.75, seed=1),
        ('bicubic', 'pairs'): pair_result(0.5, seed=2),
    }
    wanted = [each for method in small.methods for each in measurements(small, method)]
    return Results(small, [(each, by_kind[each.method.name, each.kind]) for each in wanted])


def test_differences_to_the_reference_are_paired(results):
    found = results.differences['srcnn', 'sr', 'drawn']
    mine, other = (results.by_place[name, 'sr', 'drawn']['images'] for name in METHODS)
    assert found.keys() == {'psnr_y', 'ssim_y'}  # of what both have
    for metric, (mean, low, high) in found.items():
        each = np.subtract(mine[metric], other[metric])
        assert mean == pytest.approx(each.mean()) and each.min() <= low < mean < high <= each.max()
    assert results.differences['bicubic', 'sr', 'drawn'] == results.differences['srcnn', 'speed'] == {}


def test_difference_of_accuracy_is_over_the_same_pairs(results):
    right = []
    for name in METHODS:
        arrays = results.by_place[name, 'pairs', 'few', '14']['arrays']
        scores, issame, folds = (arrays[key] for key in ('scores', 'issame', 'folds'))
        verdicts = np.empty(8)
        for fold in (0, 1):
            others = folds != fold
            candidates = [*sorted(scores[others]), np.inf]
            best = max(candidates, key=lambda each: (np.mean((scores[others] >= each) == issame[others]), each))
            verdicts[~others] = (scores[~others] >= best) == issame[~others]
        right.append(verdicts.mean())
    assert results.differences['srcnn', 'pairs', 'few', '14']['accuracy'].mean == pytest.approx(right[0] - right[1])


def test_a_metric_that_is_no_mean_over_faces_has_no_bounds(folder):
    result, other = (
        {'images': {'iou': faces}, 'means': {'iou': mean}} for faces, mean in (([0.2, 0.4], 0.5), ([0.1, 0.1], 0.1))
    )
    assert difference(result, other, 'iou') == (0.4, None, None)
    small = benchmark()
    (_, sr, *_) = measurements(small, small.methods[0])
    assert Results(small, [(sr, result)]).intervals['srcnn', 'sr', 'drawn'] == {'iou': (0.5, None, None)}


def set_result(value, seed, faces=30):
    """A result with a metric that a set has and a face has not."""
    result = sr_result(['psnr_y'], faces)
    result['means']['fid'] = value
    result['resampled'] = {'fid': (value + np.random.default_rng(seed).normal(1, 0.5, 200)).tolist()}
    return result


def test_a_metric_of_sets_has_bounds_by_resampled_sets(folder):
    small = benchmark(metrics={'fid': {'type': 'calculate_fid', 'weights': 'srcnn.pth'}})
    wanted = [each for method in small.methods for each in measurements(small, method) if each.kind == 'sr']
    one, two = set_result(8.0, 1), set_result(5.0, 2)
    found = Results(small, zip(wanted, [one, two]))
    value, low, high = found.intervals['srcnn', 'sr', 'drawn']['fid']
    assert value == 8 and (low + high) / 2 == pytest.approx(8) and high - low == pytest.approx(3.92 * 0.5, rel=0.1)
    apart = found.differences['srcnn', 'sr', 'drawn']['fid']
    assert apart.mean == 3 and apart.high - apart.low == pytest.approx(3.92 * 0.5 * 2**0.5, rel=0.15)
    ranked = found.rankings['sr', 'drawn']['fid']
    assert ranked.best == 'bicubic' and ranked.significant and found.image_columns['fid'].digits == 2
    near = Results(small, zip(wanted, [set_result(5.1, 1), two])).rankings['sr', 'drawn']['fid']
    assert near.best == 'bicubic' and not near.significant
    assert {row['fid'] for row in csv.DictReader(io.StringIO(found.image_csv('drawn')))} == {''}


def test_everything_is_json_and_has_intervals_and_scores(results):
    everything = json.loads(json.dumps(results.everything()))
    by_place = {(entry['method'], entry['kind']): entry for entry in everything['results']}
    images = by_place['srcnn', 'sr']['images']
    mean, low, high = by_place['srcnn', 'sr']['means']['nme']
    assert mean == pytest.approx(np.mean(images['nme'])) and low < mean < high
    assert (
        by_place['srcnn', 'pairs']['scores']
        == results.by_place['srcnn', 'pairs', 'few', '14']['arrays']['scores'].tolist()
    )
    assert by_place['bicubic', 'speed']['error'] == 'out of memory' and by_place['srcnn', 'speed']['speed'] == SPEED
    assert everything['reference'] == 'bicubic' and by_place['srcnn', 'sr']['protocol'] == 'abc'
    assert {('sr', 'abc'), ('pairs', 'def')} == {(each['kind'], each['hash']) for each in everything['protocols']}
    assert everything['pairs']['few'] == {'issame': [True, False] * 4, 'folds': [0] * 4 + [1] * 4}
    assert everything['methods']['srcnn']['weights'] == {'g': 'srcnn.pth'}
    assert everything['methods']['srcnn']['training'] is None


def test_results_of_unlike_protocols_do_not_share_a_table(results, folder):
    small = results.benchmark
    wanted = [each for method in small.methods for each in measurements(small, method) if each.kind == 'sr']
    other = sr_result(['psnr_y'])
    other['protocol'] = {**other['protocol'], 'hash': 'xyz'}
    found = Results(small, zip(wanted, [sr_result(['psnr_y']), other]))
    assert found.by_place['bicubic', 'sr', 'drawn'] == {'error': 'by another protocol: xyz, not abc'}
    assert found.rankings['sr', 'drawn'] == {} and found.differences['srcnn', 'sr', 'drawn'] == {}


def test_rankings_are_by_the_metric_and_as_sure_as_the_faces_say(folder):
    small = benchmark()
    wanted = [each for method in small.methods for each in measurements(small, method) if each.kind == 'sr']
    one, two = (sr_result(['psnr_y', 'nme'], faces=40, seed=seed) for seed in (1, 2))
    two['images']['psnr_y'] = [value + 0.5 for value in one['images']['psnr_y']]  # better on each face
    two['means']['psnr_y'] = one['means']['psnr_y'] + 0.5
    found = Results(small, zip(wanted, [one, two])).rankings['sr', 'drawn']
    assert found['psnr_y'].best == 'bicubic' and found['psnr_y'].second == 'srcnn' and found['psnr_y'].significant
    assert found['nme'].best == min((one, 'srcnn'), (two, 'bicubic'), key=lambda each: each[0]['means']['nme'])[1]
    assert not found['nme'].significant and found['nme'].p[found['nme'].second] > 0.05


def test_figures_of_pairs_have_bounds_over_pairs_and_probes(folder):
    small = benchmark(sr_sets={}, pair_sets=PAIRS, query_sizes=[14], recogniser={'type': 'MobileFaceNet'})
    result = pair_result(1.0, auc=0.9, rank_1=0.5, **{'tpir_fpir_1e-2': 0.5}, probes=10)
    (wanted, *_) = measurements(small, small.methods[0])
    found = Results(small, [(wanted, result)]).intervals['srcnn', 'pairs', 'few', '14']
    assert found['rank_1'][1:] == pytest.approx((0.2366, 0.7634), abs=1e-4)  # Wilson's interval of 5 of 10
    assert found['tpir_fpir_1e-2'] == found['rank_1']
    assert 0 <= found['auc'].low <= found['auc'].high <= 1


def test_a_further_metric_without_its_file_says_so():
    blocks = {
        'lpips': {'type': 'calculate_lpips', 'weights': None},
        'niqe': {'type': 'calculate_niqe', 'crop_border': 0},
    }
    columns = image_columns(blocks)
    assert columns['lpips'].absent == 'weights not given' and not columns['lpips'].higher_is_better
    assert columns['lpips'].remedy == (
        "lpips: its file is torchvision's AlexNet, alexnet-owt-7be5be79.pth of its model zoo; the path goes under "
        'metrics: lpips: weights.'
    )
    assert (
        columns['niqe'].remedy == ''
        and columns['niqe'].heading == 'niqe (less is better)'
        and columns['niqe'].absent == ''
    )


def test_csv_has_a_line_for_every_face(results):
    lines = list(csv.DictReader(io.StringIO(results.image_csv('drawn'))))
    assert [(line['method'], line['image']) for line in lines] == [
        (name, f'{i}.png') for name in METHODS for i in range(3)
    ]
    images = results.by_place['srcnn', 'sr', 'drawn']['images']
    assert [float(line['nme']) for line in lines[:3]] == images['nme']
    assert [line['nme'] for line in lines[3:]] == [''] * 3  # bicubic has none


def test_csv_has_a_line_for_every_pair(results):
    lines = list(csv.DictReader(io.StringIO(results.pair_csv('few'))))
    for name in METHODS:
        scores = results.by_place[name, 'pairs', 'few', '14']['arrays']['scores']
        assert [float(line[f'{name}_14']) for line in lines] == scores.tolist()
    assert [line['issame'] for line in lines] == ['1', '0'] * 4
    assert [int(line['fold']) for line in lines] == [0] * 4 + [1] * 4
