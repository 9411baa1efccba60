"""The section of a list of pairs: a table a metric, differences, curves."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from rim_plugin.benchmark.bootstrap import measurable
from rim_plugin.benchmark.figures import Plots
from rim_plugin.benchmark.paper import NOTE, paper_accuracy
from rim_plugin.benchmark.results import Results
from rim_plugin.benchmark.run import Result
from rim_plugin.benchmark.sections import (
    MARKS,
    NOT_MEASURABLE,
    Figure,
    Section,
    budget_cell,
    difference_table,
    error_of,
    paper_cell,
    ranked_cell,
    search_curves,
)
from rim_plugin.benchmark.settings import Method
from rim_plugin.benchmark.tables import Cell, Table
from rim_plugin.evaluation.metric import standard_metrics
from rim_plugin.evaluation.metrics.tar_at_far import TARAtFAR


def recognition_section(results: Results, plots: Plots, name: str) -> Section:
    """The section of a list of pairs; draws its curves."""
    benchmark = results.benchmark
    sizes = [str(size) for size in benchmark.options.query_sizes]
    found = {(each.title, size): result for size in sizes for each, result in results.at('pairs', name, size)}
    measured = {place: result for place, result in found.items() if 'error' not in result}
    known = {key for result in measured.values() for key in result['figures']}
    shown = [key for key in results.pair_columns if key in known] or list(results.pair_columns)[
        :1
    ]  # one for all errors
    title = f'Accuracy, difference to {benchmark.reference.title}, the same pairs, with bootstrap 95 % intervals'
    differences = [Figure(size, ('pairs', name, size), 'accuracy', 4) for size in sizes]
    return Section(
        f'Recognition: {name}',
        _text(results, name, sizes),
        [
            *(_metric_table(results, name, key, sizes, failed=key == shown[0]) for key in shown),
            difference_table(results, f'pairs_{name}_difference', title, differences),
        ],
        _images(results, plots, name, measured, sizes) if measured else [],
        f'pairs-{name}',
    )


def _metric_table(results: Results, name: str, metric: str, sizes: Sequence[str], failed: bool) -> Table:
    """A metric of each method at each size, with the paper's accuracy beside; rows of methods that could not be
    measured only where ``failed``."""
    column = results.pair_columns[metric]
    methods = [
        method
        for method in results.benchmark.methods
        if 'recognition' in method.tables and (failed or not _error(results, method, name, sizes))
    ]
    paper = [paper_accuracy(method.paper, name) if metric == 'accuracy' else {} for method in methods]
    with_paper = {size for figures in paper for size in figures} & set(sizes)
    header = ['method', *(head for size in sizes for head in _heads(size, with_paper)), 'trained']
    rows = [
        [
            Cell(method.title),
            *_size_cells(results, method, name, metric, sizes, with_paper),
            budget_cell(results, method),
        ]
        for method in methods
    ]
    title = f'{column.heading[:1].upper()}{column.heading[1:]} by probe size (pixels)'
    return Table(f'pairs_{name}_{metric}', title, header, rows, f'{MARKS} {NOTE}' if with_paper else MARKS)


def _size_cells(
    results: Results, method: Method, name: str, metric: str, sizes: Sequence[str], with_paper: set[str]
) -> list[Cell]:
    """A method's figure at each size, or once what is wrong with all of them; the paper's behind."""
    error = _error(results, method, name, sizes)
    digits = results.pair_columns[metric].digits
    cells: list[Cell] = []
    for size in sizes:
        figure = Figure(size, ('pairs', name, size), metric, digits)
        cells.append(Cell('' if cells else error) if error else _cell(results, method, figure))
        if size in with_paper:
            paper = paper_accuracy(method.paper, name)
            cells.append(paper_cell(paper, size) if size in paper or not error else Cell(''))
    return cells


def _error(results: Results, method: Method, name: str, sizes: Sequence[str]) -> str:
    """What is wrong with a method at all sizes, or nothing."""
    return error_of(result for size in sizes if (result := _result(results, method, name, size)))


def _heads(size: str, with_paper: set[str]) -> list[str]:
    return [size, f'{size}, paper'] if size in with_paper else [size]


def _result(results: Results, method: Method, name: str, size: str) -> Result | None:
    return results.by_place.get((method.name, 'pairs', name, size))


def _cell(results: Results, method: Method, figure: Figure) -> Cell:
    result = results.by_place.get((method.name, *figure.place), {})
    return ranked_cell(results, method.name, figure, result.get('error') or _unmeasurable(result, figure.metric))


def _unmeasurable(result: Result, metric: str) -> str:
    """Words in the place of a rate that the list has too few impostor pairs for."""
    known = standard_metrics(TARAtFAR).get(metric)
    if known is None or 'arrays' not in result:
        return ''
    return '' if measurable(known.far, int((~result['arrays']['issame']).sum())) else NOT_MEASURABLE


def _text(results: Results, name: str, sizes: Sequence[str]) -> str:
    """What result files say of gallery, probes and folds, at a size below the full one."""
    protocols = {place[2]: each for place, each in results.protocols().items() if place[:2] == ('pairs', name)}
    if not protocols:
        return 'No method could be measured.'
    first = next(
        (protocol for protocol in protocols.values() if protocol['query_size']), next(iter(protocols.values()))
    )
    words = ', '.join(
        f'{key.replace("_", " ")}: {value}'
        for key, value in first.items()
        if key not in ('query_size', 'upscaling', 'task', 'hash') and value is not None
    )
    words = words.replace(f' to {first["query_size"]} px', " to the probe's size")
    hashes = ', '.join(f'{protocols[size]["hash"]} at {size}' for size in sizes if size in protocols)
    return f'Accuracy with the threshold chosen on the other folds. {words}. Protocols {hashes}.'


def _images(
    results: Results, plots: Plots, name: str, measured: Mapping[tuple[str, str], Result], sizes: Sequence[str]
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
    searches = (
        image
        for size in sizes
        for image in search_curves(results, plots, ('pairs', name, size), f'{name}_{size}', f'probes at {size}')
    )
    return [plots.accuracy_over_size(name, accuracy), *curves, *searches]
