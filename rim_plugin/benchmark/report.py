"""The report of a benchmark: one page to read (HTML and Markdown), every table as LaTeX and CSV, every value as JSON,
of faces and pairs as CSV, and the protocols."""

import base64
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rim_plugin.benchmark.browser import browser_data
from rim_plugin.benchmark.figures import Plots
from rim_plugin.benchmark.latex import PACKAGES, as_latex, document
from rim_plugin.benchmark.measurement import Measurement
from rim_plugin.benchmark.native_section import native_section
from rim_plugin.benchmark.protocol import write_protocol
from rim_plugin.benchmark.recognition_section import recognition_section
from rim_plugin.benchmark.results import Results
from rim_plugin.benchmark.robustness_section import robustness_section
from rim_plugin.benchmark.run import Result
from rim_plugin.benchmark.sections import Section, budget_cell
from rim_plugin.benchmark.settings import Benchmark, Method
from rim_plugin.benchmark.sr_section import sr_section
from rim_plugin.benchmark.tables import NOTHING, Cell, Table, as_csv, as_html, as_markdown, to_read, words
from rim_plugin.environment import environment
from rim_plugin.files import write_atomically
from rim_plugin.templates import render

_TEMPLATES = Path(__file__).parent
_LATEX_HEAD = '% ' + ', '.join(f'\\usepackage{{{each}}}' for each in PACKAGES) + '\n'


def write_report(benchmark: Benchmark, measured: Iterable[tuple[Measurement, Result]]) -> Path:
    """Write ``report.html``, ``report.md``, ``results.json``, ``images_SET.csv``, ``pairs_SET.csv``, ``tables/``
    (LaTeX and CSV), ``protocols/`` and ``figures/``.

    Args:
        benchmark: what was asked.
        measured: of :func:`rim_plugin.benchmark.run.run_benchmark`.

    Returns:
        The HTML page.
    """
    results, folder = Results(benchmark, measured), benchmark.folder
    values = report_values(results)
    write_atomically(
        folder / 'report.md',
        render(_TEMPLATES / 'report.md.jinja', {'to_read': to_read, 'as_markdown': as_markdown}, **values),
    )
    write_atomically(folder / 'report.html', _page(results, values))
    write_atomically(folder / 'results.json', json.dumps(results.everything(), indent=1) + '\n')
    for name in benchmark.sr_sets:
        write_atomically(folder / f'images_{name}.csv', results.image_csv(name))
    for name in benchmark.pair_sets:
        write_atomically(folder / f'pairs_{name}.csv', results.pair_csv(name))
    for place, protocol in results.protocols().items():
        write_protocol(folder / 'protocols' / f'{"_".join(place)}.yml', protocol)
    _write_tables(folder / 'tables', values)
    return folder / 'report.html'


def report_values(results: Results) -> dict[str, Any]:
    """What the templates show; draws the figures into the benchmark's folder."""
    benchmark = results.benchmark
    titles = [method.title for method in benchmark.methods]
    plots = Plots(benchmark.folder / 'figures', titles, benchmark.reference.title)
    sections = [
        *(sr_section(results, plots, name) for name in benchmark.sr_sets),
        *(recognition_section(results, plots, name) for name in benchmark.pair_sets),
        *(native_section(results, plots, name) for name in benchmark.native_sets),
        robustness_section(results, plots),
    ]
    return {
        'name': benchmark.options.name,
        'machine': _machine(),
        'sections': [each for each in sections if each is not None],
        'methods': _methods(results),
    }


def _machine() -> str:
    found = environment()
    packages = ', '.join(f'{package} {version}' for package, version in found['packages'].items())
    return f'Commit {found["commit"]}; Python {found["python"]}, {packages}; {found["machine"]}.'


def _methods(results: Results) -> Table:
    header = ['method', 'options', 'changes', 'weights', 'trained', 'recogniser']
    rows = [[*_method_row(each), budget_cell(results, each), _recogniser(each)] for each in results.benchmark.methods]
    return Table('methods', '', header, rows, wide=True)


def _method_row(method: Method) -> list[Cell]:
    return words(
        method.title,
        f'`{method.file}`',
        ' '.join(f'`{entry}`' for entry in method.force) or NOTHING,
        ', '.join(f'`{path}`' for path in dict.fromkeys(method.weights.values())) or NOTHING,
    )


def _recogniser(method: Method) -> Cell:
    recogniser = method.recogniser
    return Cell(f'{recogniser["type"]} `{recogniser.get("weights", NOTHING)}`' if recogniser else NOTHING)


def _page(results: Results, values: dict[str, Any]) -> str:
    """One self-contained HTML page, with the pictures inside."""
    folder = results.benchmark.folder
    browsers = {f'sr-{name}': browser_data(results, name) for name in results.benchmark.sr_sets}

    def embedded(path: str) -> str:
        return 'data:image/png;base64,' + base64.b64encode((folder / path).read_bytes()).decode()

    return render(
        _TEMPLATES / 'page.html.jinja',
        {'to_read': to_read, 'as_html': as_html, 'embedded': embedded},
        browsers={anchor: _script_json(data) for anchor, data in browsers.items() if data is not None},
        **values,
    )


def _script_json(data: dict[str, Any]) -> str:
    """JSON that ends no ``script`` element."""
    return json.dumps(data).replace('</', '<\\/')


def _write_tables(folder: Path, values: dict[str, Any]) -> None:
    """Each table as NAME.csv and NAME.tex, and all as one LaTeX document to compile."""
    folder.mkdir(parents=True, exist_ok=True)
    sections: list[Section] = values['sections']
    tables = [table for section in sections for table in section.tables if table.rows]
    for table in [*tables, values['methods']]:
        write_atomically(folder / f'{table.name}.csv', as_csv(table))
    for table in tables:
        write_atomically(folder / f'{table.name}.tex', _LATEX_HEAD + as_latex(table))
    write_atomically(folder / 'all.tex', document([table.name for table in tables]))
