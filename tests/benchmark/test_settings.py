"""A benchmark's options file: what follows from it, and one line for each mistake."""

from pathlib import Path

import pytest
import torch
from support.benchmarks import DRAWN, benchmark, dump

from rim_plugin.benchmark import settings
from rim_plugin.benchmark.measure import build_method
from rim_plugin.benchmark.run import measurements, probe_side
from rim_plugin.benchmark.settings import read_benchmark
from rim_plugin.errors import OptionsError
from rim_plugin.options.checking import check

ROOT = Path(__file__).parents[2]
PAIRS = {'type': 'DrawnPairDataset', 'num_identities': 4, 'faces_per_identity': 2}


def test_what_a_file_leaves_out(folder):
    small = benchmark()
    assert (small.folder, small.reference.name, small.pair_sets) == (Path('out/small'), 'bicubic', {})
    assert (small.metrics, small.methods[0].recogniser, small.kinds('drawn')) == ({}, None, {})
    block = {'type': 'calculate_lpips', 'weights': 'srcnn.pth'}
    assert benchmark(metrics={'lpips': block, 'other': None}).metrics == {'lpips': block}
    srcnn, bicubic = small.methods
    assert (srcnn.title, srcnn.tables, srcnn.query_sizes, srcnn.force) == ('SRCNN', ('sr', 'recognition'), [28], [])
    assert srcnn.weights == {'g': 'srcnn.pth'} and bicubic.weights == {} and list(srcnn.networks) == ['g']
    assert benchmark(methods={'a': {'options': 'bicubic.yml'}}).methods[0].title == 'a'


def test_weights_of_a_training_lie_in_its_folder_unless_they_are_named(folder):
    dump('train.yml', {'name': 'run', 'network_g': {'type': 'TriPathGenerator'}, 'network_d': {}, 'train': {}})
    block = {'options': 'train.yml', 'weights': {'d': 'mine.pth'}}
    small = benchmark(methods={'a': block, 'b': {'options': 'bicubic.yml'}}, force=['name=forced'])
    assert small.methods[0].weights == {'g': 'experiments/forced/models/net_g_latest.pth', 'd': 'mine.pth'}
    assert small.methods[0].missing == list(small.methods[0].weights.values())
    assert small.methods[1].options['name'] == 'bicubic'  # force is for what is trained


def test_gallery_is_that_of_the_methods_validation(folder):
    dump('hrn.yml', {'name': 'hrn', 'val': {'gallery': 'hrn'}})
    methods = benchmark(methods={'a': {'options': 'hrn.yml'}, 'b': {'options': 'bicubic.yml'}}).methods
    assert [method.gallery for method in methods] == ['hrn', None]


def test_a_file_takes_a_method_of_its_base_away(folder):
    benchmark()
    Path('child.yml').write_text('_base_: b.yml\nmethods: {srcnn: ~}\n')
    assert [method.name for method in read_benchmark('child.yml').methods] == ['bicubic']


def test_sets_of_faces_are_changed_in_one_reading(folder, monkeypatch):
    benchmark(sr_sets={'few': DRAWN, 'more': DRAWN})
    reads, read = [], settings.read_options
    monkeypatch.setattr(settings, 'read_options', lambda path, *forced: reads.append(path) or read(path, *forced))
    sets = read_benchmark('b.yml', ['sr_sets:{}:query_size=14']).sr_sets
    assert [sets[name] for name in ('few', 'more')] == [{**DRAWN, 'query_size': 14}] * 2 and reads.count('b.yml') == 1


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
        ({'methods': {'a': {'options': 'bicubic.yml', 'tables': ['rs']}}}, "methods.a.tables: ['rs'] is not a list"),
        ({'methods': {'a': {'options': 'bicubic.yml', 'query_sizes': [9]}}}, 'a.query_sizes: 9 is not among those'),
        ({'methods': {}}, 'methods: there are none'),
        ({'methods': ['a']}, "methods: ['a'] is not a block of keys"),
        ({'methods': {'a': None}}, 'methods: there are none'),
        ({'query_sizes': 28}, 'query_sizes: 28 is not a list'),
        ({'query_sizes': []}, 'query_sizes: [] is not a list'),
        ({'recogniser': 'abc'}, "recogniser: 'abc' is not a block of keys"),
        ({'recogniser': {'weights': 'abc'}}, 'is no block with type'),
        (
            {'methods': {'a': {'options': 'bicubic.yml', 'recogniser': {'weights': 'abc'}}}},
            "methods.a.recogniser: {'weights': 'abc'} is no block with type",
        ),
        (
            {'methods': {'a': {'options': 'bicubic.yml', 'weights': {'q': 'x'}}}},
            'methods.a.weights.q: its options have no network_q, only network_g',
        ),
        (
            {'metrics': {'lpips': {'type': 'calculate_lpips', 'weights': 'none.pth'}}},
            'metrics.lpips.weights: none.pth: no such file',
        ),
        ({'metrics': {'a': {'type': 'calculate_lpisp', 'weights': None}}}, 'metrics.a.type: unknown metric'),
        ({'metrics': {'a': {'type': 'calculate_psnr_batch', 'crop': 0}}}, 'metrics.a.crop: unknown key'),
        ({'methods': {'a': {'options': 'bicubic.yml', 'paper': 'VSDR'}}}, "no row 'VSDR'; did you mean 'VDSR'?"),
        ({'robustness': {'degradations': {}, 'sets': ['drwn']}}, "no set 'drwn'; did you mean 'drawn'?"),
        ({'robustness': {'degradations': {'a': {'jpge': {}}}}}, 'jpge'),
        ({'pair_sets': {'few': PAIRS}}, 'recogniser: missing'),
        (
            {
                'recogniser': {'type': 'EdgeFace'},
                'methods': {'a': {'options': 'bicubic.yml', 'recogniser': {'type': 'MobileFaceNet'}}},
            },
            "methods.a.recogniser: another than the benchmark's, and so would be its identity similarity",
        ),
        *(({'name': name}, 'no name of a folder') for name in ('', '..', 'a/b', ' ', 'a\x1b')),
        ({'name': 'x' * 300}, 'too long for the name of a folder'),
        ({'methods': {'../a': {'options': 'bicubic.yml'}}}, "methods.../a: '../a' is no name of a folder"),
        ({'pair_sets': {'few': 'nein'}}, "pair_sets.few: 'nein' is not a block of keys"),
        ({'pair_sets': {'few': None}}, 'pair_sets.few: ~ is not a block of keys'),
        ({'sr_sets': 10**40}, 'is not a block of keys'),
        ({'sr_sets': {'few': [1]}}, 'sr_sets.few: [1] is not a block of keys'),
        (
            {'sr_sets': {'few': {**DRAWN, 'query_sise': 14}}},
            "sr_sets.few.query_sise: unknown key; did you mean 'query_size'?",
        ),
        ({'methods': {'a': {'options': 'bicubic.yml', 'tables': 'sr'}}}, "methods.a.tables: 'sr' is not a list"),
        (
            {'methods': {'a': {'options': 'bicubic.yml', 'title': 'A'}, 'b': {'options': 'srcnn.yml', 'title': 'A'}}},
            "two have the title 'A'",
        ),
    ],
)
def test_mistakes_in_the_file(folder, changes, words):
    with pytest.raises(OptionsError) as caught:
        benchmark(**changes)
    assert words in str(caught.value) and str(caught.value).count('\n') == 0


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The project's options and weights in a folder with the names, not the contents, of the faces they are for."""
    for name in ('options', 'weights'):
        (tmp_path / name).symlink_to(ROOT / name)
    for name in ('helen_test', 'helen_test_128', 'lfw', 'calfw', 'cplfw', 'xqlfw'):
        (tmp_path / 'datasets' / name).mkdir(parents=True)
    lists = ('lfw/pairs', 'lfw/sr_1000', 'calfw/pairs_CALFW', 'cplfw/pairs_CPLFW', 'xqlfw/xqlfw_pairs')
    for file in (tmp_path / f'datasets/raw/{name}.txt' for name in lists):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    'name',
    [
        *(pytest.param(name, marks=pytest.mark.slow) for name in ('demo', 'lfw', 'faces_16_128', 'native')),
        'table1',
        'table2',
        'table3',
    ],
)
def test_the_options_of_this_project_are_right(name, project):
    for method in read_benchmark(f'options/benchmark/{name}.yml').methods:
        if method.force:  # without, the file is checked with all of the project's
            check(method.options, method.file, 'train' in method.options, look_for_files=False)


@pytest.mark.slow
def test_every_method_of_the_field_s_protocol_makes_128_pixels_of_16(project):
    read = read_benchmark('options/benchmark/faces_16_128.yml')
    budgets = set()
    for method in read.methods:
        pipeline = build_method(method.networks, {})
        assert pipeline.hallucinate(torch.rand(1, 3, 16, 16)).shape == (1, 3, 128, 128), method.name
        if 'train' in method.options:
            train = method.options['datasets']['train']
            assert (train['gt_size'], train['query_size'], train['prior_size']) == (128, 16, 32)
            periods = method.options['train']['scheduler']['periods']
            budgets.add((method.options['train']['total_iter'], train['batch_size_per_gpu'], *periods))
    assert budgets == {(2500, 8, 2500)} and probe_side(read) == 16
    _, helen, celeba = measurements(read, read.methods[0])
    assert helen.absent is None and celeba.absent == 'faces not given (datasets/celeba_test_128 is absent)'
    Path('datasets/helen_test_128').rmdir()
    with pytest.raises(OptionsError, match='sr_sets.helen_50.dataroot_gt: datasets/helen_test_128: no such file'):
        read_benchmark('options/benchmark/faces_16_128.yml')


def test_lists_of_faces_are_what_they_say():
    lists = ROOT / 'options/benchmark/lists'
    helen, celeba = ((lists / f'{name}.txt').read_text().split() for name in ('helen_50', 'celeba_1000'))
    assert len(helen) == len(set(helen)) == 50 and helen == sorted(helen)
    assert celeba == [f'{number:06d}.jpg' for number in range(182638, 183638)]


@pytest.mark.real_data
def test_helen_s_list_is_the_last_50_of_its_test_images_by_name(real_faces):
    images = sorted(path.name for path in (real_faces / 'helen/test/images').iterdir())
    assert (ROOT / 'options/benchmark/lists/helen_50.txt').read_text().split() == images[-50:]


def test_a_published_list_that_is_not_there_is_told_in_its_rows(folder):
    listed = {'type': 'FacePriorDataset', 'dataroot_gt': 'none', 'io_backend': {'type': 'lmdb'}}
    listed['meta_info_file'] = 'none.txt'
    small = benchmark(sr_sets={'drawn': DRAWN, 'listed': listed})
    absent = [each.absent for each in measurements(small, small.methods[0])]
    assert absent == [None, None, 'list not given (none.txt is absent)']
    with pytest.raises(OptionsError, match='sr_sets.listed.dataroot_gt: none: no such file'):
        benchmark(sr_sets={'listed': listed})


def test_a_dataset_that_is_not_there(project):
    Path('datasets/helen_test').rmdir()
    with pytest.raises(OptionsError, match='sr_sets.helen_test.dataroot_gt: datasets/helen_test: no such file'):
        read_benchmark('options/benchmark/lfw.yml')
