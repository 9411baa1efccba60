"""Running a benchmark end to end on drawn faces: training, measuring, the cache, failures."""

import csv
import json
import re
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from support.benchmarks import DRAWN, METHODS, NET, benchmark, dump, write_options
from support.forking_python import forking_python

from rim_plugin.benchmark.budget import training_budget
from rim_plugin.benchmark.measurement import Measurement
from rim_plugin.benchmark.method_run import MethodRun, Outcome
from rim_plugin.benchmark.report import write_report
from rim_plugin.benchmark.run import measurements, run_benchmark
from rim_plugin.cluster import Cluster
from rim_plugin.data.lmdb_writer import FolderWriter
from rim_plugin.errors import OptionsError

from basicsr.archs import build_network
from basicsr.data import build_dataset
from basicsr.utils import tensor2img

ROOT = Path(__file__).parents[2]
FEW = {'type': 'DrawnPairDataset', 'num_identities': 4, 'faces_per_identity': 2, 'folds': 2}
MOBILE = {'type': 'MobileFaceNet', 'weights': 'mobile.pth'}
NIQE = {'niqe': {'type': 'calculate_niqe', 'crop_border': 0}}


def test_what_is_measured_of_a_method(folder):
    small = benchmark(pair_sets={'few': FEW}, query_sizes=[14, 'full'], recogniser=MOBILE, metrics=NIQE, mirror=False)
    speed, sr, low, full = measurements(small, small.methods[0])
    assert (speed.kind, speed.place, speed.arguments) == ('speed', (), (28,))
    assert (sr.kind, sr.place, sr.arguments) == ('sr', ('drawn',), ({**DRAWN, 'name': 'drawn'}, 2, NIQE, True))
    whole = ({**FEW, 'name': 'few', 'probe_side': 'none'}, False)
    assert (low.place, low.arguments) == (('few', '14'), ({**FEW, 'name': 'few', 'query_size': 14}, False))
    assert (full.place, full.arguments) == (('few', 'full'), whole) and low.gallery == full.gallery == whole
    for tables, kinds in (('sr', ['speed', 'sr']), ('recognition', ['pairs', 'pairs'])):
        method = replace(small.methods[0], tables=(tables,))
        assert [each.kind for each in measurements(small, method)] == kinds
    without = replace(small.methods[0], options={'name': 'teacher'})
    assert [each.kind for each in measurements(small, without)] == ['pairs', 'pairs']  # nothing hallucinates


def test_each_kind_of_probes_is_measured_and_clean_ones_once(folder):
    noise = {'noise': {'probability': 1, 'sigma': 10.0}}
    small = benchmark(
        pair_sets={'few': FEW},
        query_sizes=[14, 'full'],
        recogniser=MOBILE,
        metrics=NIQE,
        robustness={'query_size': 14, 'degradations': {'clean': 'none', 'noise10': noise, 'none': None}},
    )
    found = {each.place: each for each in measurements(small, small.methods[0]) if each.kind != 'speed'}
    assert list(found) == [
        ('drawn',),
        ('drawn', 'clean'),
        ('drawn', 'noise10'),
        *((('few', *place)) for place in (('14',), ('full',), ('14', 'clean'), ('14', 'noise10'))),
    ]
    assert found['drawn', 'clean'].arguments == found['drawn',].arguments
    assert found['few', '14', 'clean'].arguments == found['few', '14'].arguments
    options, _, metrics, keep = found['drawn', 'noise10'].arguments
    assert options['degradation']['noise']['sigma'] == 10 and options['degradation']['seed'] == 0
    assert metrics == {} and not keep  # which are of the clean ones
    assert found['few', '14', 'noise10'].gallery == found['few', '14'].gallery
    small = benchmark(robustness={'sets': [], 'degradations': {'clean': 'none'}})
    assert [each.kind for each in measurements(small, small.methods[0])] == ['speed', 'sr']


def test_keys_follow_what_a_result_depends_on(folder):
    srcnn, bicubic = benchmark(recogniser=MOBILE).methods
    torch.save({}, 'mobile.pth')
    one = Measurement(srcnn, 'pairs', ('few', '14'), ({'query_size': 14}, True), ({'probe_side': 'none'}, True))
    assert one.key == replace(one, method=replace(srcnn, title='other', query_sizes=[7])).key
    for change in ({'method': bicubic}, {'kind': 'sr'}, {'arguments': ({'query_size': 7}, True)}):
        assert one.key != replace(one, **change).key
    assert one.gallery_key == replace(one, method=bicubic).gallery_key  # the teacher's, whatever embeds probes
    hrn = replace(srcnn, options={**srcnn.options, 'val': {'gallery': 'hrn'}})
    assert one.gallery_key != replace(one, method=hrn).gallery_key
    speed = Measurement(srcnn, 'speed')
    before, threads = (one.key, speed.key), torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    after = one.key, speed.key
    torch.set_num_threads(threads)
    assert before[0] == after[0] and before[1] != after[1]


@pytest.fixture(scope='module')
def measured(tmp_path_factory):
    """A folder with the benchmark of the two methods, and its results."""
    folder = tmp_path_factory.mktemp('measured')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('sys.executable', forking_python())
        patch.chdir(folder)
        write_options()
        return folder, run_benchmark(benchmark())


@pytest.fixture
def copied(measured, tmp_path, monkeypatch):
    """A copy of that folder to work in, and the results."""
    shutil.copytree(measured[0], tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return measured[1]


@pytest.mark.slow
def test_report_of_what_was_measured(copied):
    small = benchmark()
    page = write_report(small, copied)
    everything = json.loads((page.parent / 'results.json').read_text())
    images = {entry['method']: entry['images'] for entry in everything['results'] if entry['kind'] == 'sr'}
    assert images['srcnn'].keys() == {'name', 'psnr_y', 'ssim_y', 'psnr_rgb', 'ssim_rgb'}
    rows = [row for row in csv.reader((page.parent / 'images_drawn.csv').open()) if row[0] == 'bicubic']
    assert [float(row[2]) for row in rows] == images['bicubic']['psnr_y']
    text = (page.parent / 'report.md').read_text()
    for method, title in (('srcnn', 'SRCNN'), ('bicubic', 'Bicubic')):
        assert re.search(rf'\| {title} \| \S*{np.mean(images[method]["psnr_y"]):.2f}\S* \[', text)
    difference = np.mean(np.subtract(images['srcnn']['psnr_y'], images['bicubic']['psnr_y']))
    assert f' {difference:+.2f} [' in text and 'identity |' not in text
    speed = {entry['method']: entry['speed'] for entry in everything['results'] if entry['kind'] == 'speed'}
    assert speed['bicubic']['parameters'] == 0 < speed['srcnn']['parameters']


@pytest.mark.slow
def test_nothing_is_measured_twice(copied, monkeypatch):
    monkeypatch.setattr('rim_plugin.benchmark.method_run.subprocess.Popen', None)
    again = run_benchmark(benchmark())
    assert [result['images'] for each, result in copied if each.kind == 'sr'] == [
        result['images'] for each, result in again if each.kind == 'sr'
    ]


@pytest.mark.slow
@pytest.mark.parametrize('workers', [1, 2])
def test_an_added_method_costs_only_itself(copied, monkeypatch, workers):
    torch.save({'params': build_network({'type': 'SRCNN', 'channels': [3, 2]}).state_dict()}, 'other.pth')
    added = {'options': 'srcnn.yml', 'weights': {'g': 'other.pth'}}
    asked = []

    def measure(run, cache, method, missing, progress):
        asked.extend((method.name, each.kind) for each in missing)
        return {}

    monkeypatch.setattr(MethodRun, '_in_a_process', measure)
    run_benchmark(benchmark(methods={**METHODS, 'added': added}, reference='bicubic'), workers)
    assert sorted(asked) == [('added', 'speed'), ('added', 'sr')]


def test_what_takes_longest_begins_first_of_several_at_once(folder, monkeypatch):
    begun = []

    def measure(run, method, wanted, progress=None):
        if run.threads is not None:  # not the speed, which comes after all
            begun.append(method.name)
        return Outcome(None, [None] * len(wanted))

    monkeypatch.setattr(MethodRun, 'measure', measure)
    monkeypatch.setattr('rim_plugin.benchmark.run.ThreadPoolExecutor', lambda count: ThreadPoolExecutor(1))
    absent = {'options': 'srcnn.yml', 'weights': {'g': 'none.pth'}}
    results = run_benchmark(benchmark(methods={**METHODS, 'absent': absent}), workers=2)
    assert begun == ['absent', 'srcnn', 'bicubic']
    assert [each.method.name for each, _ in results] == ['srcnn', 'srcnn', 'bicubic', 'bicubic', 'absent', 'absent']


@pytest.mark.slow
def test_what_changed_is_measured_again_and_failures_stay_in_their_rows(copied, forks):
    torch.save({'params': build_network(dict(NET)).state_dict()}, 'srcnn.pth')
    torch.save({'params': build_network({'type': 'SRCNN', 'channels': [3, 2]}).state_dict()}, 'other.pth')
    methods = {
        'srcnn': {'title': 'SRCNN', 'options': 'srcnn.yml'},
        'bicubic': {'options': 'bicubic.yml'},
        'absent': {'options': 'srcnn.yml', 'weights': {'g': 'none.pth'}},
        'wrong': {'title': 'Wrong', 'options': 'srcnn.yml', 'weights': {'g': 'other.pth'}},
        'none': {'options': 'bicubic.yml', 'recogniser': {'type': 'MobileFaceNet', 'weights': None}},
        'onnx': {'options': 'bicubic.yml', 'recogniser': {'type': 'OnnxRecogniser', 'model': None}},
    }
    small = benchmark(methods=methods, reference='bicubic')
    results = run_benchmark(small)
    by_method = {each.method.name: result for each, result in results if each.kind == 'sr'}
    before = {each.method.name: result for each, result in copied if each.kind == 'sr'}
    assert by_method['bicubic']['images'] == before['bicubic']['images']
    assert by_method['srcnn']['images'] != before['srcnn']['images']
    assert by_method['absent']['error'] == 'weights not given (none.pth is absent)'
    assert by_method['none']['error'] == 'weights not given (recogniser MobileFaceNet)'
    assert by_method['onnx']['error'] == 'weights not given (recogniser OnnxRecogniser)'
    assert by_method['wrong']['error'].startswith('OptionsError: other.pth does not fit SRCNN: other shape')
    text = write_report(small, results).with_suffix('.md').read_text()
    assert '| absent | weights not given (none.pth is absent) |' in text


def test_a_measuring_process_that_ends_early(folder, monkeypatch):
    monkeypatch.setattr('sys.executable', '/bin/false')
    for _, result in run_benchmark(benchmark()):
        assert result['error'].startswith('the measuring process ended early')


@pytest.mark.slow
def test_a_method_without_weights_is_trained_first(folder, forks):
    force = [
        'name=trained',
        'num_gpu=0',
        'train:total_iter=1',
        'logger:use_tb_logger=false',
        'val=~',
        'datasets:val=~',
        'network_g={type: SRCNN, channels: [4, 2]}',
        'datasets:train={name: drawn, type: DrawnFaceDataset, '
        'num_identities: 2, query_size: 28, batch_size_per_gpu: 1, num_worker_per_gpu: 0}',
    ]
    method = {'options': str(ROOT / 'options/baselines/srcnn.yml')}
    small = benchmark(methods={'srcnn': method}, force=force, train_missing=True)
    results = run_benchmark(small)
    assert Path('experiments/trained/models/net_g_latest.pth').is_file()
    assert all('error' not in result for _, result in results)
    assert training_budget(small.methods[0])[:2] == (1, 1)
    assert re.search(r'\| 1 x 1 faces, \d\.\d min \|', write_report(small, results).with_suffix('.md').read_text())
    longer = benchmark(methods={'srcnn': method}, force=[*force, 'train:total_iter=9'], train_missing=True)
    assert training_budget(longer.methods[0]).iterations == 1  # as trained, whatever the options say today
    broken = benchmark(
        methods={'srcnn': method}, force=[*force, 'name=broken', 'train:pixel_opt=~'], train_missing=True
    )
    for _, result in run_benchmark(broken):
        assert result['error'].startswith('training failed (out/small/logs/srcnn.log): ')


@pytest.mark.slow
def test_recognition_at_every_size_and_at_full_resolution(folder, forks):
    dataset = build_dataset(dict(DRAWN, num_identities=4, faces_per_identity=2, name='drawn', phase='val', scale=8))
    with FolderWriter('faces/gt') as writer:
        for i in range(8):
            writer.put(f'p{i // 2}_{i % 2 + 1:04d}', cv2.imencode('.png', tensor2img(dataset[i]['gt']))[1].tobytes())
    same = [f'p{i} 1 2' for i in range(4)]
    other = [f'p{i} 1 p{(i + 1) % 4} 2' for i in range(4)]
    Path('pairs.txt').write_text('\n'.join(['2\t2', *same[:2], *other[:2], *same[2:], *other[2:]]).replace(' ', '\t'))
    dump(
        'teacher.yml',
        {'name': 'teacher', 'model_type': 'RIMModel', 'num_gpu': 0, 'datasets': {}, 'path': {}, 'val': {}},
    )
    torch.manual_seed(0)
    torch.save(build_network({'type': 'MobileFaceNet'}).state_dict(), 'mobile.pth')
    pairs = {
        'type': 'FacePairDataset',
        'dataroot_gt': 'faces',
        'pair_list': 'pairs.txt',
        'io_backend': {'type': 'disk'},
        'identification': True,
    }
    small = benchmark(
        sr_sets={},
        query_sizes=[14, 'full'],
        reference='teacher',
        mirror=False,
        recogniser=MOBILE,
        pair_sets={'few': pairs},
        methods={
            'teacher': {'title': 'Teacher', 'options': 'teacher.yml'},
            'sr': {'title': 'SRCNN + teacher', 'options': 'srcnn.yml'},
            'full': {'title': 'At full', 'options': 'srcnn.yml', 'query_sizes': ['full']},
        },
    )
    results = run_benchmark(small)
    assert [each.place for each, _ in results] == [('few', '14'), ('few', 'full')] * 2 + [('few', 'full')]
    assert all('error' not in result for _, result in results), results
    assert len(list(small.folder.glob('cache/*.npz'))) == 5  # and the gallery, which the methods share
    by_place = {(each.method.name, each.place[1]): result for each, result in results}
    scores = {place: result['arrays']['scores'] for place, result in by_place.items()}
    np.testing.assert_allclose(scores['teacher', 'full'], scores['sr', 'full'], atol=1e-6)
    assert np.abs(scores['teacher', '14'] - scores['sr', '14']).max() > 1e-3
    text = write_report(small, results).with_suffix('.md').read_text()
    accuracy = by_place['teacher', '14']['figures']['accuracy']
    assert re.search(rf'\| Teacher \| \S*{accuracy:.4f}\S* \[', text) and '**Rank 1 by' in text
    assert 'probe side: second' in text and "antialiased bicubic from 224 to the probe's size, rounded" in text
    assert re.search(r'\| At full \| - \| \S*[01]\.\d{4}\S* \[', text) and re.search(
        r'\| At full \| - \| [+-]0\.\d', text
    )
    right = []
    for method in ('sr', 'teacher'):
        arrays, figures = (by_place[method, '14'][key] for key in ('arrays', 'figures'))
        limits = np.array([np.inf if limit is None else limit for limit in figures['fold_thresholds']])
        right.append(np.mean((arrays['scores'] >= limits[arrays['folds']]) == arrays['issame']))
    assert f'| SRCNN + teacher | {right[0] - right[1]:+.4f} [' in text and '| +0.0000 [+0.0000, +0.0000] |' in text
    everything = json.loads((small.folder / 'results.json').read_text())
    one = next(entry for entry in everything['results'] if entry['method'] == 'sr' and entry['place'] == ['few', '14'])
    assert one['difference']['accuracy'][0] == pytest.approx(right[0] - right[1])
    lines = list(csv.DictReader((small.folder / 'pairs_few.csv').open()))
    assert [float(line['sr_14']) for line in lines] == one['scores'] and len(lines) == 8
    assert (small.folder / 'figures/roc_few_14.png').is_file() and (small.folder / 'figures/accuracy_few.svg').is_file()


@pytest.mark.slow
@pytest.mark.parametrize('spread', ['threads', 'cluster'])
def test_methods_at_once_give_what_one_by_one_gives(measured, tmp_path, monkeypatch, spread, request):
    shutil.copytree(measured[0], tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns('cache'))
    monkeypatch.chdir(tmp_path)
    if spread == 'threads':
        request.getfixturevalue('forks')  # Ray starts with the interpreter itself
        results = run_benchmark(benchmark(), workers=2)
    else:
        pytest.importorskip('ray')
        with Cluster('local') as cluster:
            results = run_benchmark(benchmark(), cluster=cluster)
    assert [each.where for each, _ in results] == [each.where for each, _ in measured[1]]
    for (each, result), (_, before) in zip(results, measured[1]):
        assert 'error' not in result and result.get('images') == before.get('images')
        assert ('speed' in result) == (each.kind == 'speed')


def test_methods_of_one_training_at_once_train_it_once(folder, monkeypatch):
    trained = []

    def train(run, method):
        trained.append(method.name)
        time.sleep(0.05)
        for path in map(Path, method.weights.values()):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()

    monkeypatch.setattr(MethodRun, '_train', train)
    monkeypatch.setattr(MethodRun, '_in_a_process', lambda *args: {})
    method = {'options': str(ROOT / 'options/baselines/srcnn.yml')}
    methods = dict.fromkeys(('one', 'two'), method)
    run_benchmark(benchmark(methods=methods, train_missing=True), workers=2)
    assert len(trained) == 1


@pytest.mark.slow
def test_the_speed_of_a_method_at_once_with_others_has_its_problem(folder, forks):
    methods = {
        'bicubic': {'options': 'bicubic.yml'},
        'absent': {'title': 'Absent', 'options': 'srcnn.yml', 'weights': {'g': 'none.pth'}},
    }
    results = run_benchmark(benchmark(methods=methods), workers=2)
    errors = {each.where: result.get('error') for each, result in results}
    assert {error for where, error in errors.items() if where[0] == 'absent'} == {
        'weights not given (none.pth is absent)'
    }
    assert {error for where, error in errors.items() if where[0] == 'bicubic'} == {None}


def test_a_set_whose_list_or_faces_are_absent_says_so_in_its_rows_and_nothing_is_trained_for_it(folder):
    pairs = {
        'type': 'FacePairDataset',
        'dataroot_gt': 'calfw',
        'io_backend': {'type': 'lmdb'},
        'pair_list': 'calfw.txt',
    }
    Path('cplfw.txt').touch()
    sets = {'calfw': pairs, 'cplfw': {**pairs, 'pair_list': 'cplfw.txt'}}
    torch.save({}, 'mobile.pth')
    methods = {'srcnn': {'options': 'srcnn.yml', 'weights': {'g': 'none.pth'}, 'tables': ['recognition']}}
    small = benchmark(pair_sets=sets, query_sizes=[28], methods=methods, recogniser=MOBILE)
    results = {each.place[0]: result for each, result in run_benchmark(small)}
    assert results == {
        'calfw': {'error': 'list not given (calfw.txt is absent)'},
        'cplfw': {'error': 'faces not given (calfw is absent)'},
    }
    text = write_report(small, run_benchmark(small)).with_suffix('.md').read_text()
    assert '| srcnn | list not given (calfw.txt is absent) |' in text
    with pytest.raises(OptionsError, match='pair_sets.calfw.dataroot_gt: calfw: no such file'):
        benchmark(pair_sets=sets, sr_sets=None, methods=methods, recogniser=MOBILE)
