"""The benchmark end to end on drawn faces: tables equal to what BasicSR and numpy compute, the cache, failures."""

import csv
import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml
from torchvision.models import alexnet

from rim_plugin.benchmark.budget import training_budget
from rim_plugin.benchmark.cache import Cache, content_key
from rim_plugin.benchmark.intervals import mean_interval
from rim_plugin.benchmark.report import write_report
from rim_plugin.benchmark.run import run_benchmark
from rim_plugin.benchmark.settings import read_benchmark
from rim_plugin.data.lmdb_writer import FolderWriter
from rim_plugin.errors import OptionsError
from rim_plugin.options.checking import check

from basicsr.archs import build_network
from basicsr.data import build_dataset
from basicsr.metrics import calculate_psnr, calculate_ssim
from basicsr.utils import tensor2img

ROOT = Path(__file__).parents[2]
DRAWN = {'type': 'DrawnFaceDataset', 'num_identities': 3, 'query_size': 28}
NET = {'type': 'SRCNN', 'channels': [4, 2]}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to work in with the options of two methods and the weights of one."""
    monkeypatch.chdir(tmp_path)
    options = {
        'model_type': 'BaselineModel',
        'scale': 8,
        'num_gpu': 0,
        'datasets': {'test': dict(DRAWN, name='drawn')},
        'val': {},
    }
    for name, network in (('bicubic', {'type': 'Bicubic'}), ('srcnn', NET)):
        path = {'pretrain_network_g': 'srcnn.pth'} if name == 'srcnn' else {}
        Path(f'{name}.yml').write_text(yaml.safe_dump({**options, 'name': name, 'network_g': network, 'path': path}))
    torch.manual_seed(0)
    torch.save({'params': build_network(dict(NET)).state_dict()}, 'srcnn.pth')
    return tmp_path


def benchmark(**changes):
    """The benchmark of the two methods."""
    options = {
        'name': 'small',
        'output': 'out',
        'pictures': 2,
        'sr_sets': {'drawn': DRAWN},
        'methods': {
            'srcnn': {'title': 'SRCNN', 'options': 'srcnn.yml'},
            'bicubic': {'title': 'Bicubic', 'options': 'bicubic.yml'},
        },
        **changes,
    }
    Path('b.yml').write_text(yaml.safe_dump(options, sort_keys=False))
    return read_benchmark('b.yml')


def test_report_tells_what_basicsr_measures_image_by_image(folder):
    small = benchmark()
    page = write_report(small, run_benchmark(small))
    found = json.loads((page.parent / 'results.json').read_text())
    images = {entry['method']: entry['images'] for entry in found['results'] if entry['kind'] == 'sr'}
    dataset, net = build_dataset(dict(DRAWN, name='drawn', phase='val', scale=8)), build_network(dict(NET))
    net.load_state_dict(torch.load('srcnn.pth')['params'])
    for i in range(len(dataset)):
        with torch.no_grad():
            sr = tensor2img(net(dataset[i]['lq'][None]))
        gt = tensor2img(dataset[i]['gt'])
        for y, colour in ((True, 'y'), (False, 'rgb')):
            for metric, function in (('psnr', calculate_psnr), ('ssim', calculate_ssim)):
                expected = function(sr, gt, crop_border=0, test_y_channel=y)
                assert images['srcnn'][f'{metric}_{colour}'][i] == pytest.approx(expected, abs=1e-4)
    assert images['srcnn'].keys() == {'name', 'psnr_y', 'ssim_y', 'psnr_rgb', 'ssim_rgb', 'identity', 'lpips'}
    told = next(
        entry['difference'] for entry in found['results'] if (entry['kind'], entry['method']) == ('sr', 'srcnn')
    )
    for metric in ('psnr_y', 'ssim_y', 'psnr_rgb', 'ssim_rgb'):
        mean, low, high = told[metric]
        assert mean == pytest.approx(np.mean(np.subtract(images['srcnn'][metric], images['bicubic'][metric])))
        assert low <= mean <= high
    assert 'antialiased bicubic' in found['sr_sets']['drawn']['downscaling'] and found['reference'] == 'bicubic'
    rows = [row for row in csv.reader((page.parent / 'images_drawn.csv').open()) if row[0] == 'bicubic']
    assert [float(row[2]) for row in rows] == images['bicubic']['psnr_y']
    text = (page.parent / 'report.md').read_text()
    for method, title in (('srcnn', 'SRCNN'), ('bicubic', 'Bicubic')):
        mean = np.mean(images[method]['psnr_y'])
        assert re.search(rf'\| {title} \| {mean:.2f} \[', text)
    difference = np.mean(np.subtract(images['srcnn']['psnr_y'], images['bicubic']['psnr_y']))
    assert f' {difference:+.2f} [' in text and '28.572' in text  # the paper's, beside it
    speed = {entry['method']: entry['speed'] for entry in found['results'] if entry['kind'] == 'speed'}
    assert speed['bicubic']['parameters'] == 0
    assert speed['srcnn']['parameters'] == sum(value.numel() for value in net.parameters())
    layers = (3 * 4 * 81, 4 * 2 * 25, 2 * 3 * 25)
    assert speed['srcnn']['gmacs'] == pytest.approx(224**2 * sum(layers) / 1e9, rel=0.02)
    html = page.read_text()
    assert html.count('data:image/png;base64,') == 4 and 'src="figures' not in html
    for name in ('csd_drawn_psnr_y', 'csd_drawn_ssim_y', 'pictures_drawn', 'speed_drawn'):
        assert cv2.imread(str(page.parent / f'figures/{name}.png')) is not None
        assert (page.parent / f'figures/{name}.svg').read_text().count('<path') > 5


def test_lpips_where_its_weights_are_given(folder):
    pytest.importorskip('lpips')
    torch.save(alexnet().state_dict(), 'alexnet.pth')
    small = benchmark(lpips='alexnet.pth', methods={'bicubic': {'title': 'Bicubic', 'options': 'bicubic.yml'}})
    results = run_benchmark(small)
    values = next(result['images']['lpips'] for unit, result in results if unit.kind == 'sr')
    assert len(values) == 3 and min(values) > 0
    text = write_report(small, results).with_suffix('.md').read_text()
    assert '| LPIPS (less is better) |' in text and f' {np.mean(values):.3f} [' in text and 'identity |' not in text


def test_only_what_changed_is_measured_again_and_failures_stay_in_their_rows(folder, monkeypatch):
    first = run_benchmark(benchmark())
    monkeypatch.setattr('subprocess.Popen', None)  # nothing more to measure
    again = run_benchmark(benchmark())
    assert [result['images'] for unit, result in first if unit.kind == 'sr'] == [
        result['images'] for unit, result in again if unit.kind == 'sr'
    ]
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    net = build_network(dict(NET))
    torch.save({'params': net.state_dict()}, 'srcnn.pth')
    torch.save({'params': build_network({'type': 'SRCNN', 'channels': [3, 2]}).state_dict()}, 'other.pth')
    methods = {
        'srcnn': {'title': 'SRCNN', 'options': 'srcnn.yml'},
        'bicubic': {'options': 'bicubic.yml'},
        'absent': {'options': 'srcnn.yml', 'weights': {'g': 'none.pth'}},
        'wrong': {'title': 'Wrong', 'options': 'srcnn.yml', 'weights': {'g': 'other.pth'}},
        'none': {'options': 'bicubic.yml', 'recogniser': {'type': 'MobileFaceNet', 'weights': None}},
        'onnx': {'options': 'bicubic.yml', 'recogniser': {'type': 'OnnxRecogniser', 'model': None}},
    }
    results = run_benchmark(benchmark(methods=methods, reference='bicubic'))
    found = {unit.method.name: result for unit, result in results if unit.kind == 'sr'}
    assert found['bicubic']['images'] == next(r['images'] for u, r in first if u.place and u.method.name == 'bicubic')
    assert found['srcnn']['images'] != next(r['images'] for u, r in first if u.place and u.method.name == 'srcnn')
    assert found['absent']['error'] == 'weights not given (none.pth is absent)'
    assert found['none']['error'] == 'weights not given (recogniser MobileFaceNet)'
    assert found['onnx']['error'] == 'weights not given (recogniser OnnxRecogniser)'
    assert 'other.pth' in found['wrong']['error'] or 'size mismatch' in found['wrong']['error']
    text = write_report(benchmark(methods=methods, reference='bicubic'), results).with_suffix('.md').read_text()
    assert '| absent | weights not given (none.pth is absent) |' in text


def test_a_method_without_weights_is_trained_first(folder):
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
    log = next(Path('experiments/trained').glob('train_*.log'))
    line = '2026-01-01 {},000 INFO: {}\n'.format
    log.write_text(line('09:00:00', 'before') + line('10:00:00', 'Start training from') + line('10:00:40', 'Stopped'))
    log.with_name('train_trained_z.log').write_text(
        line('11:00:00', 'Start training from') + line('11:00:21', 'End of training.') + line('11:09:00', 'validation')
    )
    assert training_budget(small.methods[0]) == {'iterations': 1, 'batch': 1, 'seconds': 61}
    assert '| 1 x 1 faces, 1.0 minutes |' in write_report(small, results).with_suffix('.md').read_text()
    log.write_text(
        '2026-01-01 10:00:00,000 INFO: Start training from\n2026-01-03 10:00:09,000 INFO: End of training.\n'
    )
    assert training_budget(small.methods[0])['seconds'] == 2 * 24 * 3600 + 30
    assert training_budget(benchmark().methods[0]) is None
    longer = benchmark(methods={'srcnn': method}, force=[*force, 'train:total_iter=9'], train_missing=True)
    assert training_budget(longer.methods[0])['iterations'] == 1  # as trained, whatever the options say today
    broken = benchmark(
        methods={'srcnn': method}, force=[*force, 'name=broken', 'train:pixel_opt=~'], train_missing=True
    )
    for _, result in run_benchmark(broken):
        assert result['error'].startswith('training failed (out/small/logs/srcnn.log): ')


def test_recognition_at_every_size_and_at_full_resolution(folder):
    dataset = build_dataset(dict(DRAWN, num_identities=4, faces_per_identity=2, name='drawn', phase='val', scale=8))
    with FolderWriter('faces/gt') as writer:
        for i in range(8):
            writer.put(f'p{i // 2}_{i % 2 + 1:04d}', cv2.imencode('.png', tensor2img(dataset[i]['gt']))[1].tobytes())
    same = [f'p{i} 1 2' for i in range(4)]
    other = [f'p{i} 1 p{(i + 1) % 4} 2' for i in range(4)]
    Path('pairs.txt').write_text('\n'.join(['2\t2', *same[:2], *other[:2], *same[2:], *other[2:]]).replace(' ', '\t'))
    Path('teacher.yml').write_text(
        yaml.safe_dump(
            {'name': 'teacher', 'model_type': 'RIMModel', 'num_gpu': 0, 'datasets': {}, 'path': {}, 'val': {}}
        )
    )
    torch.manual_seed(0)
    torch.save(build_network({'type': 'MobileFaceNet'}).state_dict(), 'mobile.pth')
    small = benchmark(
        sr_sets={},
        query_sizes=[14, 'full'],
        reference='teacher',
        mirror=False,
        recogniser={'type': 'MobileFaceNet', 'weights': 'mobile.pth'},
        pair_sets={
            'few': {
                'type': 'FacePairDataset',
                'dataroot_gt': 'faces',
                'pair_list': 'pairs.txt',
                'io_backend': {'type': 'disk'},
                'identification': True,
            }
        },
        methods={
            'teacher': {'title': 'Teacher', 'options': 'teacher.yml'},
            'sr': {'title': 'SRCNN + teacher', 'options': 'srcnn.yml'},
            'full': {'title': 'At full', 'options': 'srcnn.yml', 'query_sizes': ['full']},
        },
    )
    results = run_benchmark(small)
    assert [unit.place for unit, _ in results] == [('few', '14'), ('few', 'full')] * 2 + [('few', 'full')]
    assert all('error' not in result for _, result in results), results
    assert len(list(small.folder.glob('cache/*.npz'))) == 5  # and the gallery, which the methods share
    scores = {(unit.method.name, unit.place[1]): result['arrays']['scores'] for unit, result in results}
    np.testing.assert_allclose(scores['teacher', 'full'], scores['sr', 'full'], atol=1e-6)
    assert np.abs(scores['teacher', '14'] - scores['sr', '14']).max() > 1e-3
    text = write_report(small, results).with_suffix('.md').read_text()
    accuracy = results[0][1]['figures']['accuracy']
    assert re.search(rf'\| Teacher \| {accuracy:.4f} \+- ', text) and 'Rank-1' in text
    assert 'probe side: second' in text and "antialiased bicubic from 224 to the probe's size, rounded" in text
    assert '| HR-HR | VGGFace2 | - | 0.994 | - | 0.840 |' in text  # the paper's, beside it
    assert re.search(r'\| At full \| - \| [01]\.\d{4} \+- ', text) and re.search(r'\| At full \| - \| [+-]0\.\d', text)
    right = []
    for method in ('sr', 'teacher'):
        arrays = next(result['arrays'] for unit, result in results if unit.method.name == method and '14' in unit.place)
        thresholds = next(
            result['figures']['fold_thresholds']
            for unit, result in results
            if unit.method.name == method and '14' in unit.place
        )
        limits = np.array([np.inf if limit is None else limit for limit in thresholds])[arrays['folds']]
        right.append(np.mean((arrays['scores'] >= limits) == arrays['issame']))
    assert f'| SRCNN + teacher | {right[0] - right[1]:+.4f} [' in text and '| +0.0000 [+0.0000, +0.0000] |' in text
    found = json.loads((small.folder / 'results.json').read_text())
    one = next(entry for entry in found['results'] if entry['method'] == 'sr' and entry['place'] == ['few', '14'])
    assert one['difference']['accuracy'][0] == pytest.approx(right[0] - right[1])
    lines = list(csv.DictReader((small.folder / 'pairs_few.csv').open()))
    assert [float(line['sr_14']) for line in lines] == one['scores'] and len(lines) == 8
    assert [line['issame'] == '1' for line in lines] == found['pairs']['few']['issame']
    assert [int(line['fold']) for line in lines] == found['pairs']['few']['folds']
    assert (small.folder / 'figures/roc_few_14.png').is_file() and (small.folder / 'figures/accuracy_few.svg').is_file()


def test_a_file_takes_a_method_of_its_base_away(folder):
    benchmark()
    Path('child.yml').write_text('_base_: b.yml\nmethods: {srcnn: ~}\n')
    assert [method.name for method in read_benchmark('child.yml').methods] == ['bicubic']


@pytest.mark.parametrize(
    'changes, words',
    [
        ({'methds': {}}, "methds: unknown key; did you mean 'methods'?"),
        ({'reference': 'bicubc'}, "reference: no method 'bicubc'; did you mean 'bicubic'?"),
        ({'methods': {'a': {'title': 'A'}}}, 'methods.a.options: missing'),
        (
            {'methods': {'a': {'options': 'bicubic.yml', 'wieghts': {}}}},
            "methods.a.wieghts: unknown key; did you mean 'weights'",
        ),
        ({'methods': {'a': {'options': 'absent.yml'}}}, 'absent.yml: no such options file'),
        ({'methods': {'a': {'options': 'bicubic.yml', 'tables': ['rs']}}}, "'rs' is none of sr, recognition"),
        ({'methods': {'a': {'options': 'bicubic.yml', 'query_sizes': [9]}}}, 'a.query_sizes: 9 is not among those'),
        ({'methods': {}}, 'methods: {} is not a block of methods'),
        ({'methods': ['a']}, "methods: ['a'] is not a block"),
        ({'methods': {'a': None}}, 'methods: {} is not a block'),
        ({'query_sizes': 28}, 'query_sizes: 28 is not a list'),
        ({'recogniser': 'abc'}, "recogniser: 'abc' is no block with type"),
        (
            {'methods': {'a': {'options': 'bicubic.yml', 'weights': {'q': 'x'}}}},
            'methods.a.weights.q: its options have no',
        ),
        ({'lpips': 'none.pth'}, 'lpips: none.pth: no such file'),
        ({'pair_sets': {'few': DRAWN}}, 'recogniser: missing'),
        (
            {'sr_sets': {'few': {**DRAWN, 'query_sise': 14}}},
            "sr_sets.few.query_sise: unknown key; did you mean 'query_size'?",
        ),
        ({'methods': {'a': {'options': 'bicubic.yml', 'tables': 'sr'}}}, "'sr' is no list, as [sr] is"),
        (
            {'methods': {'a': {'options': 'bicubic.yml', 'title': 'A'}, 'b': {'options': 'srcnn.yml', 'title': 'A'}}},
            "two have the title 'A'",
        ),
    ],
)
def test_mistakes_in_the_file(folder, changes, words):
    with pytest.raises(OptionsError) as caught:
        benchmark(**changes)
    assert words in str(caught.value)


@pytest.mark.parametrize('name', ['demo', 'lfw', 'table1'])
def test_the_options_of_this_project_are_right(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr('os.path.exists', lambda path: True)  # the data need not be here
    for method in read_benchmark(f'options/benchmark/{name}.yml').methods:
        check(method.options, method.file, 'train' in method.options)


def test_key_follows_the_content_of_files_and_nothing_else(tmp_path):
    file = tmp_path / 'weights.pth'
    file.write_text('one')
    first = content_key('sr', {'g': str(file)}, [1, {'a': 2}])
    assert first == content_key('sr', {'g': str(file)}, [1, {'a': 2}])
    assert first != content_key('sr', {'g': str(file)}, [1, {'a': 3}])
    file.write_text('two')
    assert first != content_key('sr', {'g': str(file)}, [1, {'a': 2}])
    file.write_text('one')
    assert first == content_key('sr', {'g': str(file)}, [1, {'a': 2}])


def test_key_follows_the_folders_in_a_folder_and_home(tmp_path, monkeypatch):
    (tmp_path / 'faces/ann').mkdir(parents=True)
    (tmp_path / 'faces/ann/1.jpg').write_text('face')
    monkeypatch.setenv('HOME', str(tmp_path))
    keys = [content_key(str(tmp_path / 'faces')), content_key('~/faces')]
    (tmp_path / 'faces/ann').rename(tmp_path / 'faces/bob')
    keys += [content_key(str(tmp_path / 'faces')), content_key('~/faces')]
    assert len(set(keys)) == 4


def test_cache_gives_back_what_it_was_given(tmp_path):
    cache = Cache(tmp_path / 'cache')
    assert cache.get('a') is None
    cache.put('a', {'figures': {'auc': 0.5}, 'arrays': {'scores': np.arange(3.0)}})
    found = cache.get('a')
    assert found['figures'] == {'auc': 0.5} and found['arrays']['scores'].tolist() == [0, 1, 2]


def test_interval_covers_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = [low <= 3 <= high for _, low, high in (mean_interval(rng.normal(3, 2, 100)) for _ in range(100))]
    assert 88 <= sum(covered) <= 100
    mean, low, high = mean_interval(rng.normal(3, 2, 400))
    assert high - low == pytest.approx(2 * 1.96 * 2 / 20, rel=0.15) and low < mean < high
    assert mean_interval([2.0]) == mean_interval([2.0, 2.0]) == (2, 2, 2)
    assert mean_interval([1.0, np.inf])[0] == np.inf
