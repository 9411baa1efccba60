"""The section of a set of faces that are small by nature: a table for each search and for verification, DET curves."""

from rim_plugin.benchmark.bootstrap import measurable
from rim_plugin.benchmark.figures import Plots
from rim_plugin.benchmark.native_results import native_rates
from rim_plugin.benchmark.results import Results
from rim_plugin.benchmark.run import Result
from rim_plugin.benchmark.sections import MARKS, NOT_MEASURABLE, Figure, Section, ranked_cell, search_curves
from rim_plugin.benchmark.settings import Method
from rim_plugin.benchmark.tables import Cell, Table


def native_section(results: Results, plots: Plots, name: str) -> Section:
    """The section of a native set; draws its curves."""
    known = results.protocols()
    places = [*dict.fromkeys(key[1:] for key in results.by_place if key[1:3] == ('native', name) and key[1:] in known)]
    errors = results.at('native', name)  # of methods that have no parts
    tables = [_part_table(results, place, errors) for place in places]
    if not places and errors:
        rows = [[Cell(method.title), Cell(result['error'])] for method, result in errors]
        tables = [Table(f'native_{name}', 'Not measured', ['method', 'error'], rows)]
    return Section(
        f'Native low resolution: {name}',
        _text(results, places),
        tables,
        [image for place in places for image in _images(results, plots, place)],
        f'native-{name}',
    )


def _text(results: Results, places: list[tuple[str, ...]]) -> str:
    if not places:
        return 'No method could be measured.'
    protocol = results.protocols()[places[0]]
    return (
        f'{protocol["images"]} images ({protocol["templates"]} templates), layout {protocol["layout"]}; alignment: '
        f'{protocol["alignment"]}; each at its own side, up to 112 pixels. Ranks {protocol["ranks"]}; TPIR: the right '
        f'person first, TPIR20: among the first 20, at a threshold by the searches of strangers. Protocol '
        f'{protocol["hash"]}.'
    )


def _part_table(results: Results, place: tuple[str, ...], errors: list[tuple[Method, Result]]) -> Table:
    _, name, part = place
    columns = results.native_columns(name, part)
    figures = [Figure(column.heading, place, key, column.digits) for key, column in columns.items()]
    rows = [
        [Cell(method.title), *_cells(results, method, result, figures)]
        for method, result in [*results.at(*place), *errors]
    ]
    words = part.replace('_', ' ')
    title = words[:1].upper() + words[1:]
    sizes = results.protocols()[place]['searches'].get(part)
    if sizes:
        title += ', ' + ', '.join(f'{key}: {count:,}' for key, count in sizes.items())
    return Table(f'native_{name}_{part}', title, ['method', *(each.head for each in figures)], rows, MARKS)


def _cells(results: Results, method: Method, result: Result, figures: list[Figure]) -> list[Cell]:
    if 'error' in result:
        return [Cell(result['error'])]
    return [_cell(results, method, result, figure) for figure in figures]


def _cell(results: Results, method: Method, result: Result, figure: Figure) -> Cell:
    rate = native_rates([figure.metric]).get(figure.metric)
    beyond = rate is not None and not measurable(rate, int((~result['arrays']['issame']).sum()))
    return ranked_cell(results, method.name, figure, NOT_MEASURABLE if beyond else '')


def _images(results: Results, plots: Plots, place: tuple[str, ...]) -> list[str]:
    _, name, part = place
    return search_curves(results, plots, place, f'native_{name}_{part}', part.replace('_', ' '))
