"""The report of a benchmark: one page to read (HTML and Markdown); every value as JSON, of faces and pairs as CSV."""

import base64
import json
import re

import markdown
import numpy as np

from rim_plugin.benchmark.figures import NAMES, Plots
from rim_plugin.benchmark.intervals import mean_interval
from rim_plugin.benchmark.paper import RECOGNITION_TABLES, SR_TABLE
from rim_plugin.benchmark.values import IMAGE_METRICS, Values
from rim_plugin.environment import device_name, environment
from rim_plugin.files import write_atomically

_PAIR_FIGURES = {'accuracy': 'Accuracy', 'tar_at_far_1e-3': 'TAR at FAR 1e-3', 'auc': 'AUC', 'rank_1': 'Rank-1'}
_STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:110em;margin:2em auto;padding:0 1em;color:#222}
table{border-collapse:collapse;margin:1em 0;font-size:13px;display:block;overflow-x:auto}
td,th{padding:.3em .6em;border-bottom:1px solid #ddd;text-align:right}td{white-space:nowrap}
td:first-child,th:first-child{text-align:left}img{max-width:100%}
td:has(code){text-align:left;vertical-align:top}td:has(code+code){white-space:normal;min-width:50em}
code{background:#f3f3f3;padding:0 .2em;overflow-wrap:anywhere}"""
_PAPER = "The paper's own figures, not comparable in absolute terms (other data, recogniser, alignment, pairs):"


def write_report(benchmark, results):
    """Write ``report.html``, ``report.md``, ``results.json``, ``images_SET.csv``, ``pairs_SET.csv`` and ``figures/``.

    Args:
        benchmark (Benchmark): what was asked.
        results (list[tuple[Unit, dict]]): what :func:`rim_plugin.benchmark.run.run_benchmark` found.

    Returns:
        Path: of the HTML page.
    """
    values = Values(benchmark, results)
    text = _Report(values).markdown()
    folder = benchmark.folder
    write_atomically(folder / 'report.md', text)
    write_atomically(folder / 'report.html', _page(text, folder, benchmark.name))
    write_atomically(folder / 'results.json', json.dumps(values.everything(), indent=1) + '\n')
    for name in benchmark.sr_sets:
        write_atomically(folder / f'images_{name}.csv', values.image_csv(name))
    for name in benchmark.pair_sets:
        write_atomically(folder / f'pairs_{name}.csv', values.pair_csv(name))
    return folder / 'report.html'


class _Report:
    def __init__(self, values):
        self.values, self.benchmark = values, values.benchmark
        titles = [method.title for method in self.benchmark.methods]
        self.plots = Plots(self.benchmark.folder / 'figures', titles, values.reference.title)

    def markdown(self):
        parts = [f'# {self.benchmark.name}', _environment_line()]
        for name, options in self.benchmark.sr_sets.items():
            parts += self.sr_section(name, options)
        for name in self.benchmark.pair_sets:
            parts += self.recognition_section(name)
        return '\n\n'.join([*parts, *self.methods_section()]) + '\n'

    def sr_section(self, name, options):
        rows = self.values.of_kind('sr', name)
        done = {method.title: result for method, result in rows if 'error' not in result}
        metrics = [metric for metric in IMAGE_METRICS if any(result['images'][metric] for result in done.values())]
        size = options.get('query_size', 28)
        parts = [
            f'## Super-resolution: {name}',
            f'Probes of {size} x {size} pixels to 224 x 224, no crop; means over '
            f'{len(next(iter(done.values()))["images"]["name"]) if done else 0} faces with bootstrap 95 % '
            'intervals. Identity: cosine of the recogniser between SR and HR face. Time and '
            f'memory: 28-pixel probes, {device_name()}.',
            self.sr_table(metrics, rows),
        ]
        differences = {method.title: self.values.differences[(method.name, 'sr', name)] for method, _ in rows}
        if any(differences.values()):
            table = [
                [
                    title,
                    *(
                        _interval(found[metric], IMAGE_METRICS[metric][1], '+') if metric in found else '-'
                        for metric in metrics
                    ),
                ]
                for title, found in differences.items()
                if found
            ]
            parts += [
                f'**Difference to {self.values.reference.title}**, paired, with bootstrap 95 % intervals',
                _table(['method', *(IMAGE_METRICS[metric][0] for metric in metrics)], table),
            ]
        if done:
            if self.benchmark.pictures:
                pictures = {title: result['arrays'] for title, result in done.items()}
                parts += [_image(self.plots.picture_grid(name, pictures))]
            parts += [
                _image(
                    self.plots.score_distribution(
                        name, metric, {key: value['images'][metric] for key, value in done.items()}
                    )
                )
                for metric in NAMES
            ]
            timed = {
                method.title: (speed['speed']['ms_1'], np.mean(done[method.title]['images']['psnr_y']))
                for method, speed in self.values.of_kind('speed')
                if 'speed' in speed and method.title in done
            }
            parts += [_image(self.plots.quality_over_time(name, timed))] if timed else []
        return [*parts, f'*{_PAPER} {SR_TABLE[0]}*', _table(*SR_TABLE[1:])]

    def sr_table(self, metrics, rows):
        header = [
            'method',
            *(IMAGE_METRICS[metric][0] for metric in metrics),
            'parameters',
            'GMACs',
            'ms, batch 1',
            'ms, batch 32',
            'peak MiB',
        ]
        return _table(header, [self.sr_row(metrics, *row) for row in rows])

    def sr_row(self, metrics, method, result):
        if 'error' in result:
            return [method.title, result['error']]
        cells = [
            _interval(mean_interval(result['images'][metric]), IMAGE_METRICS[metric][1])
            if result['images'][metric]
            else '-'
            for metric in metrics
        ]
        measured = self.values.found[(method.name, 'speed')]
        if 'error' in measured:
            return [method.title, *cells, measured['error']]
        speed = measured['speed']
        return [
            method.title,
            *cells,
            f'{speed["parameters"]:,}',
            f'{speed["gmacs"]:.2f}',
            f'{speed["ms_1"]:.1f}',
            f'{speed["ms_32"]:.1f}',
            f'{speed["peak_mib"]:.0f}',
        ]

    def recognition_section(self, name):
        sizes = [str(size) for size in self.benchmark.query_sizes]
        found = {
            method.title: {
                size: self.values.found[(method.name, 'pairs', name, size)]
                for size in sizes
                if (method.name, 'pairs', name, size) in self.values.found
            }
            for method in self.benchmark.methods
            if 'recognition' in method.tables
        }
        done = {
            title: {size: result for size, result in results.items() if 'error' not in result}
            for title, results in found.items()
        }
        done = {title: results for title, results in done.items() if results}
        parts = [f'## Recognition: {name}', self.protocol(done)]
        for figure, title in _PAIR_FIGURES.items():
            rows = [[title, *_pair_cells(results, figure, sizes)] for title, results in found.items()]
            parts += [f'**{title}** by probe size (pixels)', _table(['method', *sizes], rows)]
        rows = self.accuracy_differences(name, sizes)
        if rows:
            parts += [
                f'**Accuracy, difference to {self.values.reference.title}**, the same pairs, with bootstrap 95 % '
                'intervals over the pairs',
                _table(['method', *sizes], rows),
            ]
        if done:
            parts.append(
                _image(
                    self.plots.accuracy_over_size(
                        name,
                        {
                            title: {size: result['figures']['accuracy'] for size, result in results.items()}
                            for title, results in done.items()
                        },
                    )
                )
            )
        for size in sizes:
            pairs = {
                title: (results[size]['arrays']['scores'], results[size]['arrays']['issame'])
                for title, results in done.items()
                if size in results
            }
            if pairs:
                parts.append(_image(self.plots.roc_curves(f'{name}_{size}', f'{name}: ROC, probes at {size}', pairs)))
        for title, *table in RECOGNITION_TABLES:
            parts += [f'*{_PAPER} {title}*', _table(*table)]
        return parts

    def accuracy_differences(self, name, sizes):
        rows = []
        for method in self.benchmark.methods:
            found = [
                self.values.differences.get((method.name, 'pairs', name, size), {}).get('accuracy') for size in sizes
            ]
            if any(found):
                rows.append([method.title, *(_interval(each, 4, '+') if each else '-' for each in found)])
        return rows

    @staticmethod
    def protocol(done):
        """What the result files say of gallery, probes and folds, of the first method and a size below the full one."""
        protocols = [result['protocol'] for results in done.values() for result in results.values()]
        if not protocols:
            return 'No method could be measured.'
        first = next((found for found in protocols if found['query_size']), protocols[0])
        told = ', '.join(
            f'{key.replace("_", " ")}: {value}'
            for key, value in first.items()
            if key not in ('query_size', 'upscaling') and value is not None
        )
        told = told.replace(f' to {first["query_size"]} px', " to the probe's size")
        return f'Accuracy with the threshold chosen on the other folds, +- standard deviation over the folds. {told}.'

    def methods_section(self):
        rows = [
            [
                method.title,
                f'`{method.file}`',
                ' '.join(f'`{entry}`' for entry in method.force) or '-',
                ', '.join(f'`{path}`' for path in dict.fromkeys(method.weights.values())) or '-',
                _budget(self.values.budgets[method.name]),
                f'{method.recogniser["type"]} `{method.recogniser.get("weights", "-")}`' if method.recogniser else '-',
            ]
            for method in self.benchmark.methods
        ]
        return ['## Methods', _table(['method', 'options', 'changes', 'weights', 'trained', 'recogniser'], rows)]


def _environment_line():
    found = environment()
    packages = ', '.join(f'{name} {number}' for name, number in found['packages'].items())
    return f'Commit {found["commit"]}; Python {found["python"]}, {packages}; {found["machine"]}.'


def _budget(found):
    return f'{found["iterations"]:,} x {found["batch"]} faces, {found["seconds"] / 60:.1f} minutes' if found else '-'


def _pair_cells(results, figure, sizes):
    """Cells of one method: its figure at each size, or once what is wrong."""
    errors = [result['error'] for result in results.values() if 'error' in result]
    if len(errors) == len(results):
        return errors[:1]
    cells = []
    for result in (results.get(size, {}) for size in sizes):
        value = result.get('figures', {}).get(figure)
        spread = f' +- {result["figures"]["accuracy_std"]:.4f}' if figure == 'accuracy' and value is not None else ''
        cells.append(result.get('error', '-') if value is None else f'{value:.4f}{spread}')
    return cells


def _interval(interval, digits, sign=''):
    mean, low, high = (f'{value:{sign}.{digits}f}' for value in interval)
    return f'{mean} [{low}, {high}]'


def _table(header, rows):
    lines = [header, ['---'] * len(header), *([*row, *[''] * (len(header) - len(row))] for row in rows)]
    return '\n'.join('| ' + ' | '.join(map(_cell, line)) + ' |' for line in lines)


def _cell(value):
    return f'{value:.3f}' if isinstance(value, float) else str(value).replace('|', '/')


def _image(path):
    return f'![{path}]({path})'


def _page(text, folder, title):
    """One self-contained HTML page of the Markdown, pictures inside."""

    def embedded(match):
        return 'src="data:image/png;base64,' + base64.b64encode((folder / match[1]).read_bytes()).decode() + '"'

    body = re.sub(r'src="(figures/[^"]+)"', embedded, markdown.markdown(text, extensions=['tables']))
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
        f'{body}</html>\n'
    )
