"""The report: what its tables and its page say of results."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from support.benchmarks import DRAWN, METHODS, SPEED, benchmark, pair_result, sr_result

from rim_plugin.benchmark.report import write_report
from rim_plugin.benchmark.results import image_columns
from rim_plugin.benchmark.run import measurements
from rim_plugin.evaluation import metric as metrics
from rim_plugin.evaluation.metric import ImageMetric, PairMetric

PAIRS = {'few': {'type': 'DrawnPairDataset', 'num_identities': 4, 'faces_per_identity': 2, 'folds': 2}}


def report(results, **changes):
    """Text of a report on results by method and kind; where there is none, an error.

    Its figures are empty files: to draw them takes most of the time.
    """
    small = benchmark(**changes)
    wanted = [each for method in small.methods for each in measurements(small, method)]
    measured = [(each, results.get((each.method.name, each.kind), {'error': 'broken'})) for each in wanted]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('rim_plugin.benchmark.figures.save_figure', lambda figure, path: Path(path).touch())
        return write_report(small, measured).with_suffix('.md').read_text()


def table(text, title):
    """Rows of the first table after ``title``: lists of cells."""
    lines = text[text.index(title) :].splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith('|'))
    end = next((i for i in range(start, len(lines)) if not lines[i].startswith('|')), len(lines))
    return [[cell.strip() for cell in line.strip('|').split('|')] for line in lines[start:end]]


@pytest.fixture
def sr_results():
    speed = {'speed': SPEED, 'arrays': {}}
    return {
        ('srcnn', 'speed'): speed,
        ('bicubic', 'speed'): speed,
        ('srcnn', 'sr'): sr_result(['psnr_y', 'ssim_y', 'nme'], seed=1),
        ('bicubic', 'sr'): sr_result(['psnr_y', 'ssim_y'], seed=2),
    }


@pytest.mark.slow
def test_sr_table(folder, sr_results):
    text = report(sr_results)
    head, _, srcnn, bicubic = table(text, '## Super-resolution: drawn')
    assert head[:4] == ['method', 'PSNR Y', 'SSIM Y', 'NME (less is better)']
    assert head[4:] == ['parameters', 'GMACs', 'ms, batch 1', 'ms, batch 32', 'peak MiB', 'trained']
    means = sr_results['srcnn', 'sr']['means']
    assert srcnn[0] == 'SRCNN' and re.fullmatch(rf'\W*(<u>)?{means["psnr_y"]:.2f}\S* \[0\.\d\d, 0\.\d\d\]', srcnn[1])
    assert {srcnn[1][:2], bicubic[1][:2]} == {'**', '<u'}  # best and second
    assert srcnn[3].startswith(f'{means["nme"]:.4f} [') and bicubic[3] == '-'
    assert srcnn[4:] == ['1,234', '0.50', '2.0', '1.0', '300', '-']
    difference = table(text, '**Difference to Bicubic,')
    assert [row[0] for row in difference[2:]] == ['SRCNN']
    assert difference[2][1].startswith(f'{means["psnr_y"] - sr_results["bicubic", "sr"]["means"]["psnr_y"]:+.2f} [')
    assert difference[2][3] == '-' and 'over 3 faces' in text


@pytest.mark.slow
def test_a_registered_metric_is_a_column_without_more(folder, sr_results, monkeypatch):
    class Toy(ImageMetric):
        title, digits, standard, higher_is_better = 'toy', 1, {'toy': {}}, False

    monkeypatch.setitem(metrics.METRICS, 'calculate_toy', Toy)
    sr_results['srcnn', 'sr'] = sr_result(['psnr_y', 'ssim_y', 'toy'])
    head, _, srcnn, bicubic = table(report(sr_results), '## Super-resolution: drawn')
    place = head.index('toy (less is better)')
    assert re.fullmatch(r'0\.\d \[0\.\d, 0\.\d\]', srcnn[place]) and bicubic[place] == '-'


def test_a_registered_metric_of_pairs_is_a_table_without_more(folder, monkeypatch):
    class Toy(PairMetric):
        title, digits, standard = 'toy', 1, {'toy': {}}

    monkeypatch.setitem(metrics.METRICS, 'calculate_toy', Toy)
    results = {(name, 'pairs'): pair_result(0.5, toy=0.25) for name in METHODS}
    text = report(results, sr_sets={}, pair_sets=PAIRS, recogniser={'type': 'MobileFaceNet'})
    head, _, *rows = table(text, '**Toy by probe size')
    assert head == ['method', '28', 'trained'] and [row[0] for row in rows] == ['SRCNN', 'Bicubic']
    assert all('0.2' in row[1] for row in rows)


@pytest.mark.slow
def test_recognition_tables(folder):
    results = {
        ('srcnn', 'pairs'): pair_result(0.75, seed=1, rank_1=0.5),
        ('bicubic', 'pairs'): pair_result(0.5, seed=2),
    }
    methods = {**METHODS, 'full': {'title': 'At full', 'options': 'srcnn.yml', 'query_sizes': ['full']}}
    text = report(
        results,
        methods=methods,
        reference='bicubic',
        sr_sets={},
        pair_sets=PAIRS,
        query_sizes=[14, 'full'],
        recogniser={'type': 'MobileFaceNet'},
    )
    assert table(text, '**Accuracy by')[0] == ['method', '14', 'full', 'trained']
    assert table(text, '**Accuracy by')[2:] == [
        ['SRCNN', '**0.7500**', '**0.7500**', '-'],
        ['Bicubic', '<u>0.5000</u>', '<u>0.5000</u>', '-'],
        ['At full', 'broken', '', '-'],
    ]
    assert len(table(text, '**Rank 1 by')) == 4
    assert table(text, '**Rank 1 by')[2:4] == [['SRCNN', '0.5000', '0.5000', '-'], ['Bicubic', '-', '-', '-']]
    assert 'figures/det_' not in text  # no searches
    difference = table(text, '**Accuracy, difference to Bicubic,')
    assert len(difference) == 3 and re.fullmatch(r'[+-]\d\.\d{4} \[[+-]\d\.\d{4}, [+-]\d\.\d{4}\]', difference[2][1])
    assert "probe side: second, downscaling: antialiased bicubic from 224 to the probe's size" in text
    for name in ('accuracy_few', 'roc_few_14', 'roc_few_full'):
        assert f'![figures/{name}.png](figures/{name}.png)' in text


@pytest.mark.slow
def test_errors_stay_in_their_rows(folder, sr_results):
    del sr_results['srcnn', 'sr'], sr_results['bicubic', 'speed']
    text = report(sr_results, pair_sets=PAIRS, recogniser={'type': 'MobileFaceNet'})
    _, _, srcnn, bicubic = table(text, '## Super-resolution: drawn')
    assert srcnn[:2] == ['SRCNN', 'broken'] and bicubic[0] == 'Bicubic' and bicubic[3] == 'broken'
    assert 'No method could be measured.' in text
    assert table(text, '**Accuracy by')[2:] == [['SRCNN', 'broken', '-'], ['Bicubic', 'broken', '-']]


@pytest.mark.slow
def test_page_is_one_file_with_the_pictures_inside(folder, sr_results):
    text = report(sr_results, name='a<b')
    html = (folder / 'out/a<b/report.html').read_text()
    assert text.count('![') == html.count('data:image/png;base64,') == 4 and 'src="figures' not in html
    assert '<title>a&lt;b</title>' in html and html.count('<table') == text.count('| --- |\n') == 3
    for name in ('csd_drawn_psnr_y', 'csd_drawn_ssim_y', 'pictures_drawn', 'speed_drawn'):
        assert (folder / f'out/a<b/figures/{name}.svg').is_file()


@pytest.mark.slow
def test_methods_table_says_what_was_compared(folder, sr_results):
    rows = table(report(sr_results, recogniser={'type': 'MobileFaceNet', 'weights': 'm.pth'}), '## Methods')
    assert rows[2] == ['SRCNN', '`srcnn.yml`', '-', '`srcnn.pth`', '-', 'MobileFaceNet `m.pth`']


@pytest.mark.slow
def test_what_training_elsewhere_took_is_told_by_row(folder, sr_results):
    methods = {**METHODS, 'srcnn': {**METHODS['srcnn'], 'trained': '9 hours of a GPU'}}
    text = report(sr_results, methods=methods)
    assert [row[-1] for row in table(text, '## Super-resolution: drawn')] == ['trained', '---', '9 hours of a GPU', '-']
    assert table(text, '## Methods')[2][4] == '9 hours of a GPU'
    everything = json.loads((folder / 'out/small/results.json').read_text())
    assert everything['methods']['srcnn']['trained'] == '9 hours of a GPU'


@pytest.mark.slow
def test_files_beside_the_page(folder, sr_results):
    report(sr_results, pair_sets=PAIRS, recogniser={'type': 'MobileFaceNet'})
    out = folder / 'out/small'
    assert json.loads((out / 'results.json').read_text())['benchmark'] == 'small'
    assert {'images_drawn.csv', 'pairs_few.csv'} <= {path.name for path in out.iterdir()}


@pytest.mark.slow
def test_the_papers_figure_stands_beside(folder, sr_results):
    methods = {**METHODS, 'srcnn': {**METHODS['srcnn'], 'paper': 'SRCNN'}}
    sets = {'lfw_3': DRAWN, 'drawn': DRAWN}
    text = report(sr_results, methods=methods, sr_sets=sets)
    assert 'PSNR Y, paper' not in table(text, '## Super-resolution: drawn')[0]  # which the paper does not have
    head, _, srcnn, bicubic = table(text, '## Super-resolution: lfw_3')
    place = head.index('PSNR Y, paper')
    assert head[place - 1] == 'PSNR Y' and srcnn[place] == '25.712' and bicubic[place] == '-'
    results = {(name, 'pairs'): pair_result(0.5) for name in METHODS}
    sets = {'lfw': PAIRS['few']}
    methods['bicubic'] = {**METHODS['bicubic'], 'paper': 'T', 'query_sizes': [28]}
    text = report(results, methods=methods, sr_sets={}, pair_sets=sets, recogniser={'type': 'MobileFaceNet'})
    head, _, srcnn, bicubic = table(text, '**Accuracy by')
    assert head == ['method', '28', '28, paper', 'trained'] and [srcnn[2], bicubic[2]] == ['-', '0.843']


@pytest.mark.slow
def test_a_rate_beyond_the_list_is_not_measurable(folder):
    results = {(name, 'pairs'): pair_result(0.5, **{'tar_at_far_1e-2': 0.25}) for name in METHODS}
    text = report(results, sr_sets={}, pair_sets=PAIRS, recogniser={'type': 'MobileFaceNet'})
    assert table(text, '**TAR at FAR 1e-2 by')[2] == ['SRCNN', 'not measurable', '-']  # of 4 impostor pairs


@pytest.mark.slow
def test_open_set_searches_have_a_curve(folder):
    results = {(name, 'pairs'): pair_result(0.5, **{'tpir_fpir_1e-1': 0.25}, probes=8) for name in METHODS}
    for result in results.values():
        result['arrays'].update(mated=np.array([0.9, 0.8, -np.inf]), non_mated=np.array([0.1, 0.5, 0.4]))
    text = report(results, sr_sets={}, pair_sets=PAIRS, recogniser={'type': 'MobileFaceNet'})
    assert '![figures/det_few_28.png](figures/det_few_28.png)' in text
    assert '0.2500** [' in table(text, '**TPIR at FPIR 0.1 by')[2][1]


@pytest.mark.slow
def test_robustness_has_a_column_for_each_kind(folder, sr_results):
    kinds = {'clean': 'none', 'jpeg30': {'jpeg': {'probability': 1, 'quality': 30}}, 'gone': None}
    results = {**sr_results, **{(name, 'pairs'): pair_result(0.5) for name in METHODS}}
    text = report(results, pair_sets=PAIRS, recogniser={'type': 'MobileFaceNet'}, robustness={'degradations': kinds})
    head, _, srcnn, _ = table(text, '**drawn: PSNR Y by kind')
    assert head == ['method', 'clean', 'jpeg30'] and f'{sr_results["srcnn", "sr"]["means"]["psnr_y"]:.2f}' in srcnn[2]
    assert table(text, '**few: accuracy by kind')[0] == ['method', 'clean', 'jpeg30']
    assert 'figures/robustness_few_accuracy.png' in text and 'drawn: identity' not in text  # nobody measured it


def test_figures_are_equal_in_page_csv_json_and_latex(folder, sr_results):
    report(sr_results)
    out = folder / 'out/small'
    everything = json.loads((out / 'results.json').read_text())
    for entry in everything['results']:
        if entry['kind'] == 'sr':
            mean, low, high = (f'{value:.2f}' for value in entry['means']['psnr_y'])
            for name in ('report.html', 'report.md', 'tables/sr_drawn.tex'):
                assert re.search(rf'{mean}\D+{low}, {high}', (out / name).read_text()), name
            rows = {row['method']: row for row in csv.DictReader((out / 'tables/sr_drawn.csv').open())}
            row = rows['SRCNN' if entry['method'] == 'srcnn' else 'Bicubic']
            assert [row['PSNR Y'], row['PSNR Y: low'], row['PSNR Y: high']] == [mean, low, high]
    assert (out / 'tables/all.tex').read_text().count('\\input{') == 2


def plain(text):
    """A page's or LaTeX's text without marks, tags and escapes."""
    text = re.sub(r'\\textbf\{([^{}]*)\}|\\underline\{([^{}]*)\}', r'\1\2', text)
    text = re.sub(r'\$\^\{\\dagger\}\$|†|\*\*|<[^<>]*>|\\scriptsize|[{}\\]', '', text)
    return re.sub(r'\s+', ' ', text)


def test_every_column_has_equal_figures_everywhere(folder, sr_results):
    """Also those of sets, with bounds by resampled sets, and those without the file of their weights."""
    for seed, name in enumerate(METHODS):
        result = sr_results[name, 'sr']
        result['means']['fid'] = 20 + 30 * seed
        result['resampled'] = {'fid': (25 + np.random.default_rng(seed).normal(0, 2, 200)).tolist()}
    blocks = {
        'fid': {'type': 'calculate_fid', 'weights': 'srcnn.pth'},
        'dists': {'type': 'calculate_dists', 'weights': None},
    }
    report(sr_results, metrics=blocks)
    out = folder / 'out/small'
    texts = [plain((out / name).read_text()) for name in ('report.html', 'report.md', 'tables/sr_drawn.tex')]
    rows = {row['method']: row for row in csv.DictReader((out / 'tables/sr_drawn.csv').open())}
    entries = [each for each in json.loads((out / 'results.json').read_text())['results'] if each['kind'] == 'sr']
    columns, told = image_columns(blocks), 0
    for entry in entries:
        row = rows[METHODS[entry['method']]['title']]
        for key, interval in entry['means'].items():
            heading = columns[key].heading
            mean, low, high = (f'{value:.{columns[key].digits}f}' for value in interval)
            assert [row[heading], row[f'{heading}: low'], row[f'{heading}: high']] == [mean, low, high], key
            assert all(f'{mean} [{low}, {high}]' in text for text in texts), (key, mean)
            told += 1
        assert row['dists (less is better)'] == 'weights not given'
    assert told == 2 * 3 + 1 and all('vgg16-397923af.pth' in text and 'weights not given' in text for text in texts)
    assert entries[0]['difference']['fid'][0] == -30 and '-30.00 [' in texts[1]


@pytest.mark.slow
def test_figures_of_pairs_are_equal_everywhere(folder):
    figures = {'tpir_fpir_1e-1': 0.75, 'rank_1': 0.625, 'probes': 8}
    results = {
        (name, 'pairs'): pair_result(accuracy, seed, **figures)
        for name, accuracy, seed in (('srcnn', 0.875, 1), ('bicubic', 0.75, 2))
    }
    report(results, sr_sets={}, pair_sets=PAIRS, recogniser={'type': 'MobileFaceNet'})
    out, told = folder / 'out/small', 0
    for entry in json.loads((out / 'results.json').read_text())['results']:
        for key in ('accuracy', 'tpir_fpir_1e-1', 'rank_1'):
            path = out / f'tables/pairs_few_{key}.csv'
            rows = {row['method']: row for row in csv.DictReader(path.open())}
            mean, *bounds = (f'{value:.4f}' for value in entry['intervals'][key] if value is not None)
            row = rows[METHODS[entry['method']]['title']]
            assert [row['28'], *([row['28: low'], row['28: high']] if bounds else [])] == [mean, *bounds]
            written = f'{mean} [{", ".join(bounds)}]' if bounds else mean
            texts = [(out / name).read_text() for name in ('report.html', 'report.md', f'tables/{path.stem}.tex')]
            assert all(written in plain(text) for text in texts), (key, written)
            told += 1
    assert told == 2 * 3


@pytest.mark.slow
def test_protocols_are_written(folder, sr_results):
    report(sr_results)
    assert 'hash: abc' in (folder / 'out/small/protocols/sr_drawn.yml').read_text()
