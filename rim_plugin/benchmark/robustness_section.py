"""The section of robustness: figures of every method on probes of each kind, as tables and as plots."""

from rim_plugin.benchmark.figures import Plots
from rim_plugin.benchmark.results import Results
from rim_plugin.benchmark.sections import MARKS, Figure, Section, error_of, ranked_cell
from rim_plugin.benchmark.tables import Cell, Table

_IMAGE_METRICS = ('psnr_y', 'identity')


def robustness_section(results: Results, plots: Plots) -> Section | None:
    """PSNR, identity and accuracy on each kind of probes of each set; draws its figures. None without kinds."""
    benchmark = results.benchmark
    if benchmark.options.robustness is None:
        return None
    size = str(benchmark.options.robustness.query_size)
    columns = {**results.image_columns, **results.pair_columns}
    wanted: list[tuple[tuple[str, ...], str, str]] = [
        (('sr', name), name, metric) for name in benchmark.sr_sets for metric in _IMAGE_METRICS
    ]
    wanted += [(('pairs', name, size), name, 'accuracy') for name in benchmark.pair_sets]
    tables, images = [], []
    for place, name, metric in wanted:
        figures = [Figure(kind, (*place, kind), metric, columns[metric].digits) for kind in benchmark.kinds(name)]
        table = _table(results, name, columns[metric].heading, figures)
        if table.rows:
            tables.append(table)
            images.append(
                plots.over_kinds(f'{name}_{metric}', f'{name}: {columns[metric].heading}', _lines(results, figures))
            )
    kinds = ', '.join(benchmark.options.robustness.degradations)
    text = f'Probes of the kinds {kinds}; each set says in protocols/ what they are. Pairs: probes of {size} pixels.'
    return Section('Robustness', text, tables, images, 'robustness')


def _table(results: Results, name: str, heading: str, figures: list[Figure]) -> Table:
    rows: list[list[Cell]] = []
    for method in results.benchmark.methods:
        found = [result for each in figures if (result := results.by_place.get((method.name, *each.place)))]
        error = error_of(found)
        known = any(figure.metric in results.intervals.get((method.name, *figure.place), {}) for figure in figures)
        if known:
            rows.append([Cell(method.title), *(ranked_cell(results, method.name, figure) for figure in figures)])
        elif error:
            rows.append([Cell(method.title), Cell(error)])
    metric = figures[0].metric if figures else ''
    header = ['method', *(figure.head for figure in figures)]
    return Table(f'robustness_{name}_{metric}', f'{name}: {heading} by kind of probes', header, rows, MARKS)


def _lines(results: Results, figures: list[Figure]) -> dict[str, dict[str, float]]:
    """Title of a method to its figure by kind."""
    lines = {
        method.title: {
            each.head: interval.mean
            for each in figures
            if (interval := results.intervals.get((method.name, *each.place), {}).get(each.metric))
        }
        for method in results.benchmark.methods
    }
    return {title: values for title, values in lines.items() if values}
