"""What the sections of a report show: tables and figures of an SR set, tables and curves of a list of pairs."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from rim_plugin.benchmark.figures import Plots
from rim_plugin.benchmark.results import Interval, Results, interval
from rim_plugin.benchmark.run import Result
from rim_plugin.benchmark.settings import Method
from rim_plugin.evaluation.metric import Metric, PairMetric, standard_metrics

NOTHING = '-'
_SPEED = {
    'parameters': ('parameters', ',d'),
    'gmacs': ('GMACs', '.2f'),
    'ms_1': ('ms, batch 1', '.1f'),
    'ms_32': ('ms, batch 32', '.1f'),
    'peak_mib': ('peak MiB', '.0f'),
}

BySize = dict[str, Result]  # a method's results on a list of pairs, by probe size


class Table(NamedTuple):
    """A table with the Markdown over it; rows that are shorter than the header end in empty cells."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


class Section(NamedTuple):
    """A section of the report.

    Attributes:
        name: of the set of faces or of pairs.
        facts: what the template says of it.
        tables: those without rows are left out.
        images: paths of figures.
    """

    name: str
    facts: dict[str, Any]
    tables: list[Table]
    images: list[str]


class Column(NamedTuple):
    """A column of a table of differences: its head, the place of its results, their metric, digits behind the point."""

    head: str
    place: tuple[str, ...]
    metric: str
    digits: int


def interval_cell(interval: Interval | None, digits: int, sign: str = '') -> str:
    """``mean [low, high]``, or ``mean`` without bounds; a dash where there is none.

    Args:
        interval: what to write.
        digits: after the point.
        sign: ``+`` writes it before positive numbers, too, as differences have it.
    """
    if interval is None:
        return NOTHING
    mean, *bounds = (f'{value:{sign}.{digits}f}' for value in interval if value is not None)
    return f'{mean} [{", ".join(bounds)}]' if bounds else mean


def _differences(results: Results, title: str, columns: Sequence[Column]) -> Table:
    """Differences to the reference of the methods that have any."""
    rows: list[list[str]] = []
    for method in results.benchmark.methods:
        known = [results.differences.get((method.name, *each.place), {}).get(each.metric) for each in columns]
        if any(known):
            cells = (interval_cell(each, column.digits, '+') for each, column in zip(known, columns))
            rows.append([method.title, *cells])
    return Table(title, ['method', *(column.head for column in columns)], rows)


def sr_section(results: Results, plots: Plots, name: str) -> Section:
    """The section of an SR set; draws its figures."""
    benchmark, rows = results.benchmark, results.at('sr', name)
    measured = {method.title: result for method, result in rows if 'error' not in result}
    known = {key for result in measured.values() for key in result['means']}
    metrics = {key: metric for key, metric in results.image_metrics.items() if key in known}
    header = ['method', *(metric.heading for metric in metrics.values()), *(title for title, _ in _SPEED.values())]
    columns = [Column(metric.heading, ('sr', name), key, metric.digits) for key, metric in metrics.items()]
    faces = len(next(iter(measured.values()))['images']['name']) if measured else 0
    title = f'**Difference to {benchmark.reference.title}**, paired, with bootstrap 95 % intervals'
    return Section(
        name,
        {'size': benchmark.sr_sets[name].get('query_size', 28), 'faces': faces},
        [
            Table('', header, [[method.title, *_sr_cells(results, metrics, method, each)] for method, each in rows]),
            _differences(results, title, columns),
        ],
        _sr_images(results, plots, name, measured) if measured else [],
    )


def _sr_cells(results: Results, metrics: Mapping[str, Metric], method: Method, result: Result) -> list[str]:
    if 'error' in result:
        return [result['error']]
    cells = [interval_cell(interval(result, key), metric.digits) for key, metric in metrics.items()]
    speed = results.by_place[(method.name, 'speed')]
    if 'error' in speed:
        return [*cells, speed['error']]
    return [*cells, *(f'{speed["speed"][key]:{form}}' for key, (_, form) in _SPEED.items())]


def _sr_images(results: Results, plots: Plots, name: str, measured: Mapping[str, Result]) -> list[str]:
    images = []
    if results.benchmark.options.pictures:
        images.append(plots.picture_grid(name, {title: result['arrays'] for title, result in measured.items()}))
    for key, metric in results.image_metrics.items():
        scores = {title: result['images'][key] for title, result in measured.items() if key in result['images']}
        if metric.axis and scores:
            images.append(plots.score_distribution(name, key, metric.axis, scores))
    timed = {
        method.title: (result['speed']['ms_1'], float(np.mean(measured[method.title]['images']['psnr_y'])))
        for method, result in results.at('speed')
        if 'speed' in result and method.title in measured
    }
    return [*images, plots.quality_over_time(name, timed)] if timed else images


def recognition_section(results: Results, plots: Plots, name: str) -> Section:
    """The section of a list of pairs; draws its curves."""
    benchmark = results.benchmark
    sizes = [str(size) for size in benchmark.options.query_sizes]
    rows: dict[str, BySize] = {each.title: {} for each in benchmark.methods if 'recognition' in each.tables}
    for size in sizes:
        for method, result in results.at('pairs', name, size):
            rows[method.title][size] = result
    found = {(title, size): result for title, by_size in rows.items() for size, result in by_size.items()}
    measured = {place: result for place, result in found.items() if 'error' not in result}
    known = {key for result in measured.values() for key in result['figures']}
    metrics = standard_metrics(PairMetric)
    shown = [key for key in metrics if key in known] or list(metrics)[:1]  # one for all errors
    reference = benchmark.reference.title
    title = f'**Accuracy, difference to {reference}**, the same pairs, with bootstrap 95 % intervals over the pairs'
    columns = [Column(size, ('pairs', name, size), 'accuracy', 4) for size in sizes]
    return Section(
        name,
        {'protocol': _protocol([result['protocol'] for result in measured.values()])},
        [*(_figure_table(key, metrics[key], rows, sizes) for key in shown), _differences(results, title, columns)],
        _recognition_images(plots, name, measured, sizes) if measured else [],
    )


def _figure_table(figure: str, metric: PairMetric, rows: Mapping[str, BySize], sizes: Sequence[str]) -> Table:
    """A metric of each method at each size."""
    cells = [[title, *_figure_cells(figure, metric.digits, by_size, sizes)] for title, by_size in rows.items()]
    title = metric.heading[:1].upper() + metric.heading[1:]
    return Table(f'**{title}** by probe size (pixels)', ['method', *sizes], cells)


def _figure_cells(figure: str, digits: int, by_size: BySize, sizes: Sequence[str]) -> list[str]:
    """A method's figure at each size, or once what is wrong with all of them."""
    errors = [result['error'] for result in by_size.values() if 'error' in result]
    if errors and len(errors) == len(by_size):
        return errors[:1]
    return [_figure_cell(figure, digits, by_size.get(size, {})) for size in sizes]


def _figure_cell(figure: str, digits: int, result: Result) -> str:
    figures = result.get('figures', {})
    if figure not in figures:
        return result.get('error', NOTHING)
    deviation = figures.get(f'{figure}_std')
    return f'{figures[figure]:.{digits}f}' + ('' if deviation is None else f' +- {deviation:.{digits}f}')


def _protocol(protocols: Sequence[Mapping[str, Any]]) -> str:
    """What result files say of gallery, probes and folds, of the first method and a size below the full one."""
    if not protocols:
        return ''
    first = next((protocol for protocol in protocols if protocol['query_size']), protocols[0])
    words = ', '.join(
        f'{key.replace("_", " ")}: {value}'
        for key, value in first.items()
        if key not in ('query_size', 'upscaling') and value is not None
    )
    return words.replace(f' to {first["query_size"]} px', " to the probe's size")


def _recognition_images(
    plots: Plots, name: str, measured: Mapping[tuple[str, str], Result], sizes: Sequence[str]
) -> list[str]:
    accuracy: dict[str, dict[str, float]] = defaultdict(dict)
    pairs: dict[str, dict[str, tuple[np.ndarray, np.ndarray]]] = defaultdict(dict)
    for (title, size), result in measured.items():
        accuracy[title][size] = result['figures']['accuracy']
        pairs[size][title] = result['arrays']['scores'], result['arrays']['issame']
    curves = (
        plots.roc_curves(f'{name}_{size}', f'{name}: ROC, probes at {size}', pairs[size])
        for size in sizes
        if size in pairs
    )
    return [plots.accuracy_over_size(name, accuracy), *curves]
