"""The section of a set of faces: table of quality and speed, differences, figures."""

from collections.abc import Mapping

from rim_plugin.benchmark.figures import Plots
from rim_plugin.benchmark.paper import NOTE, paper_image_figures
from rim_plugin.benchmark.results import Results
from rim_plugin.benchmark.run import Result, probe_side
from rim_plugin.benchmark.sections import MARKS, Figure, Section, budget_cell, difference_table, paper_cell, ranked_cell
from rim_plugin.benchmark.settings import Method
from rim_plugin.benchmark.tables import Cell, Table
from rim_plugin.environment import device_name

_SPEED = {
    'parameters': ('parameters', ',d'),
    'gmacs': ('GMACs', '.2f'),
    'ms_1': ('ms, batch 1', '.1f'),
    'ms_32': ('ms, batch 32', '.1f'),
    'peak_mib': ('peak MiB', '.0f'),
}


def sr_section(results: Results, plots: Plots, name: str) -> Section:
    """The section of an SR set; draws its figures."""
    rows = results.at('sr', name)
    measured = {method.title: result for method, result in rows if 'error' not in result}
    known = {key for result in measured.values() for key in result['means']}
    columns = results.image_columns
    shown = [key for key, column in columns.items() if key in known or column.absent]
    figures = [Figure(columns[key].heading, ('sr', name), key, columns[key].digits) for key in shown]
    with_paper = {key for method, _ in rows for key in paper_image_figures(method.paper, name)} & known
    heads = [head for each in figures for head in _heads(each, with_paper)]
    header = ['method', *heads, *(title for title, _ in _SPEED.values()), 'trained']
    cells = [[Cell(each.title), *_cells(results, figures, with_paper, each, result)] for each, result in rows]
    reference = results.benchmark.reference.title
    notes = [MARKS, *([NOTE] if with_paper else []), *filter(None, (column.remedy for column in columns.values()))]
    return Section(
        f'Super-resolution: {name}',
        _text(results, name, measured),
        [
            Table(f'sr_{name}', 'Quality and speed', header, cells, ' '.join(notes)),
            difference_table(
                results,
                f'sr_{name}_difference',
                f'Difference to {reference}, paired, with bootstrap 95 % intervals',
                [each for each in figures if each.metric in known],
            ),
        ],
        _images(results, plots, name, measured) if measured else [],
        f'sr-{name}',
    )


def _text(results: Results, name: str, measured: Mapping[str, Result]) -> str:
    protocol = results.protocols().get(('sr', name))
    if protocol is None:
        return 'No method could be measured.'
    return (
        f'Probes of {protocol["probe_size"]} x {protocol["probe_size"]} pixels to {protocol["face_size"]} x '
        f'{protocol["face_size"]}, no crop; means over {protocol["images"]} faces. Protocol {protocol["hash"]} '
        f'(protocols/sr_{name}.yml). Identity: cosine of the recogniser between SR and HR face. Time and memory: '
        f'{probe_side(results.benchmark)}-pixel probes, {device_name()}.'
    )


def _heads(figure: Figure, with_paper: set[str]) -> list[str]:
    return [figure.head, *([f'{figure.head}, paper'] if figure.metric in with_paper else [])]


def _cells(results: Results, figures: list[Figure], with_paper: set[str], method: Method, result: Result) -> list[Cell]:
    if 'error' in result:
        return [Cell(result['error'])]
    paper = paper_image_figures(method.paper, figures[0].place[1]) if figures else {}
    cells: list[Cell] = []
    for figure in figures:
        cells.append(ranked_cell(results, method.name, figure, results.image_columns[figure.metric].absent))
        if figure.metric in with_paper:
            cells.append(paper_cell(paper, figure.metric))
    return [*cells, *_speed_cells(results, method), budget_cell(results, method)]


def _speed_cells(results: Results, method: Method) -> list[Cell]:
    speed = results.by_place.get((method.name, 'speed'), {'error': "another program's"})
    if 'error' in speed:
        return [Cell(speed['error']), *[Cell('')] * (len(_SPEED) - 1)]
    return [Cell(f'{speed["speed"][key]:{form}}') for key, (_, form) in _SPEED.items()]


def _images(results: Results, plots: Plots, name: str, measured: Mapping[str, Result]) -> list[str]:
    images = []
    if results.benchmark.options.pictures:
        images.append(plots.picture_grid(name, {title: result['arrays'] for title, result in measured.items()}))
    for key, column in results.image_columns.items():
        scores = {title: result['images'][key] for title, result in measured.items() if key in result['images']}
        if column.axis and scores:
            images.append(plots.score_distribution(name, key, column.axis, scores))
    timed = {
        method.title: (result['speed']['ms_1'], float(measured[method.title]['means']['psnr_y']))
        for method, result in results.at('speed')
        if 'speed' in result and method.title in measured
    }
    return [*images, plots.quality_over_time(name, timed)] if timed else images
