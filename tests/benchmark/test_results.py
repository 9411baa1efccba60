"""Values of a benchmark: intervals that cover the mean as often as they say, paired differences, JSON and CSV."""

import csv
import io
import json

import numpy as np
import pytest
from support.benchmarks import DRAWN, METHODS, SPEED, benchmark, pair_result, sr_result

from rim_plugin.benchmark.results import Results, difference, interval, mean_interval
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


def test_a_metric_that_is_no_mean_over_faces_has_no_bounds():
    result, other = (
        {'images': {'iou': faces}, 'means': {'iou': mean}} for faces, mean in (([0.2, 0.4], 0.5), ([0.1, 0.1], 0.1))
    )
    assert interval(result, 'iou') == (0.5, None, None) and interval(other, 'iou') == (0.1, 0.1, 0.1)
    assert difference(result, other, 'iou') == (0.4, None, None)
    assert interval(result, 'psnr') is None


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
    assert (
        everything['reference'] == 'bicubic' and 'antialiased bicubic' in everything['sr_sets']['drawn']['downscaling']
    )
    assert everything['pairs']['few'] == {'issame': [True, False] * 4, 'folds': [0] * 4 + [1] * 4}
    assert everything['methods']['srcnn']['weights'] == {'g': 'srcnn.pth'}
    assert everything['methods']['srcnn']['training'] is None


def test_degraded_probes_are_told(folder):
    kinds = {'drawn': {}, 'clean': 'none'}
    small = benchmark(sr_sets={name: {**DRAWN, 'degradation': kind} for name, kind in kinds.items()})
    found = Results(small, []).everything()['sr_sets']
    assert found['drawn']['downscaling'].startswith('by its degradation') and found['drawn']['degradation'] == {}
    assert found['clean']['downscaling'].startswith('antialiased bicubic')


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


def test_interval_covers_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = [low <= 3 <= high for _, low, high in (mean_interval(rng.normal(3, 2, 100)) for _ in range(100))]
    assert 88 <= sum(covered) <= 99
    mean, low, high = mean_interval(rng.normal(3, 2, 400))
    assert high - low == pytest.approx(2 * 1.96 * 2 / 20, rel=0.15) and low < mean < high
    assert mean_interval([2.0]) == mean_interval([2.0, 2.0]) == (2, 2, 2)
    assert mean_interval([1.0, np.inf])[0] == np.inf
