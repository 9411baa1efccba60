"""What the sections of a report show: tables and figures of an SR set, tables and curves of a list of pairs."""

from typing import Any, NamedTuple

import numpy as np

from rim_plugin.benchmark.columns import head, image_metrics, pair_metrics
from rim_plugin.benchmark.figures import NAMES, Plots
from rim_plugin.benchmark.paper import RECOGNITION_TABLES, SR_TABLE
from rim_plugin.benchmark.results import Results, interval
from rim_plugin.benchmark.run import Result
from rim_plugin.benchmark.settings import Method
from rim_plugin.benchmark.tables import NOTHING, Cell, Table, interval_cell

_SPEED = {
    'parameters': ('parameters', ',d'),
    'gmacs': ('GMACs', '.2f'),
    'ms_1': ('ms, batch 1', '.1f'),
    'ms_32': ('ms, batch 32', '.1f'),
    'peak_mib': ('peak MiB', '.0f'),
}


class SRSection(NamedTuple):
    """Of an SR set: probes of ``size`` pixels, how many faces, tables, figures' paths."""

    name: str
    size: int
    faces: int
    quality: Table
    differences: Table
    images: list[str]
    paper: Table = SR_TABLE


class RecognitionSection(NamedTuple):
    """Of a list of pairs: the protocol in words, a table for each figure, figures' paths."""

    name: str
    protocol: str
    tables: list[Table]
    differences: Table
    images: list[str]
    paper: tuple[Table, ...] = RECOGNITION_TABLES


def sr_section(results: Results, plots: Plots, name: str) -> SRSection:
    """The section of an SR set; draws its figures."""
    benchmark = results.benchmark
    rows = results.at('sr', name)
    measured = {method.title: result for method, result in rows if 'error' not in result}
    columns = {
        key: metric
        for key, metric in image_metrics(benchmark.lpips).items()
        if any(key in result['means'] for result in measured.values())
    }
    heads = ['method', *map(head, columns.values())]
    digits = {key: metric.digits for key, metric in columns.items()}
    return SRSection(
        name,
        benchmark.sr_sets[name].get('query_size', 28),
        len(next(iter(measured.values()))['images']['name']) if measured else 0,
        Table('', [*heads, *(title for title, _ in _SPEED.values())], [_sr_row(results, digits, *row) for row in rows]),
        Table('', heads, _sr_differences(results, name, digits)),
        _sr_images(results, plots, name, measured) if measured else [],
    )


def _sr_row(results: Results, digits: dict[str, int], method: Method, result: Result) -> list[Cell]:
    if 'error' in result:
        return [method.title, result['error']]
    cells = [interval_cell(interval(result, metric), places) for metric, places in digits.items()]
    speed = results.by_place[(method.name, 'speed')]
    if 'error' in speed:
        return [method.title, *cells, speed['error']]
    return [method.title, *cells, *(f'{speed["speed"][key]:{form}}' for key, (_, form) in _SPEED.items())]


def _sr_differences(results: Results, name: str, digits: dict[str, int]) -> list[list[Cell]]:
    rows: list[list[Cell]] = []
    for method, _ in results.at('sr', name):
        differences = results.differences[(method.name, 'sr', name)]
        if differences:
            cells = (interval_cell(differences.get(metric), places, '+') for metric, places in digits.items())
            rows.append([method.title, *cells])
    return rows


def _sr_images(results: Results, plots: Plots, name: str, measured: dict[str, Result]) -> list[str]:
    images = []
    if results.benchmark.pictures:
        images.append(plots.picture_grid(name, {title: result['arrays'] for title, result in measured.items()}))
    for metric in NAMES:
        scores = {title: result['images'][metric] for title, result in measured.items()}
        images.append(plots.score_distribution(name, metric, scores))
    timed = {
        method.title: (result['speed']['ms_1'], float(np.mean(measured[method.title]['images']['psnr_y'])))
        for method, result in results.at('speed')
        if 'speed' in result and method.title in measured
    }
    return [*images, plots.quality_over_time(name, timed)] if timed else images


BySize = dict[str, Result]  # a method's results on a list of pairs, by probe size


def recognition_section(results: Results, plots: Plots, name: str) -> RecognitionSection:
    """The section of a list of pairs; draws its curves."""
    sizes = [str(size) for size in results.benchmark.query_sizes]
    rows = {
        method.title: _by_size(results, method, name, sizes)
        for method in results.benchmark.methods
        if 'recognition' in method.tables
    }
    measured = {title: _without_errors(by_size) for title, by_size in rows.items()}
    measured = {title: by_size for title, by_size in measured.items() if by_size}
    return RecognitionSection(
        name,
        _protocol(measured),
        _figure_tables(rows, sizes),
        Table('', ['method', *sizes], _accuracy_differences(results, name, sizes)),
        _recognition_images(plots, name, measured, sizes) if measured else [],
    )


def _by_size(results: Results, method: Method, name: str, sizes: list[str]) -> BySize:
    places = {size: (method.name, 'pairs', name, size) for size in sizes}
    return {size: results.by_place[place] for size, place in places.items() if place in results.by_place}


def _without_errors(by_size: BySize) -> BySize:
    return {size: result for size, result in by_size.items() if 'error' not in result}


def _figure_tables(rows: dict[str, BySize], sizes: list[str]) -> list[Table]:
    """A table for each metric of pairs that any method has; one for all errors where none was measured."""
    figures = {key for by_size in rows.values() for result in by_size.values() for key in result.get('figures', {})}
    metrics = pair_metrics()
    shown = [key for key in metrics if key in figures] or list(metrics)[:1]
    return [
        Table(
            head(metrics[key]),
            ['method', *sizes],
            [[title, *_pair_cells(by_size, key, sizes, metrics[key].digits)] for title, by_size in rows.items()],
        )
        for key in shown
    ]


def _pair_cells(by_size: BySize, figure: str, sizes: list[str], digits: int) -> list[str]:
    """A method's figure at each size, or once what is wrong with all of them."""
    if by_size and not _without_errors(by_size):
        return [next(iter(by_size.values()))['error']]
    return [_pair_cell(by_size.get(size, {}), figure, digits) for size in sizes]


def _pair_cell(result: Result, figure: str, digits: int) -> str:
    figures = result.get('figures', {})
    if figure not in figures:
        return result.get('error', NOTHING)
    deviation = figures.get(f'{figure}_std')
    return f'{figures[figure]:.{digits}f}' + ('' if deviation is None else f' +- {deviation:.{digits}f}')


def _accuracy_differences(results: Results, name: str, sizes: list[str]) -> list[list[Cell]]:
    rows: list[list[Cell]] = []
    for method in results.benchmark.methods:
        places = [(method.name, 'pairs', name, size) for size in sizes]
        differences = [results.differences.get(place, {}).get('accuracy') for place in places]
        if any(differences):
            rows.append([method.title, *(interval_cell(each, 4, '+') for each in differences)])
    return rows


def _protocol(measured: dict[str, BySize]) -> str:
    """What the result files say of gallery, probes and folds, of the first method and a size below the full one."""
    protocols: list[dict[str, Any]] = [each['protocol'] for by_size in measured.values() for each in by_size.values()]
    if not protocols:
        return ''
    first = next((protocol for protocol in protocols if protocol['query_size']), protocols[0])
    words = ', '.join(
        f'{key.replace("_", " ")}: {value}'
        for key, value in first.items()
        if key not in ('query_size', 'upscaling') and value is not None
    )
    return words.replace(f' to {first["query_size"]} px', " to the probe's size")


def _recognition_images(plots: Plots, name: str, measured: dict[str, BySize], sizes: list[str]) -> list[str]:
    accuracy = {
        title: {size: result['figures']['accuracy'] for size, result in by_size.items()}
        for title, by_size in measured.items()
    }
    images = [plots.accuracy_over_size(name, accuracy)]
    for size in sizes:
        arrays = {title: by_size[size]['arrays'] for title, by_size in measured.items() if size in by_size}
        pairs = {title: (each['scores'], each['issame']) for title, each in arrays.items()}
        if pairs:
            images.append(plots.roc_curves(f'{name}_{size}', f'{name}: ROC, probes at {size}', pairs))
    return images
