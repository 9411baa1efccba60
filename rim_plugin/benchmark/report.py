"""The report of a benchmark: one page to read (HTML and Markdown); every value as JSON, of faces and pairs as CSV."""

import base64
import json
import re
from collections.abc import Iterable
from pathlib import Path

import jinja2
import markdown

from rim_plugin.benchmark.budget import Budget
from rim_plugin.benchmark.figures import Plots
from rim_plugin.benchmark.results import Results
from rim_plugin.benchmark.run import Measurement, Result
from rim_plugin.benchmark.sections import recognition_section, sr_section
from rim_plugin.benchmark.settings import Benchmark, Method
from rim_plugin.benchmark.tables import NOTHING, Cell, Table
from rim_plugin.environment import device_name, environment
from rim_plugin.files import write_atomically


def write_report(benchmark: Benchmark, measured: Iterable[tuple[Measurement, Result]]) -> Path:
    """Write ``report.html``, ``report.md``, ``results.json``, ``images_SET.csv``, ``pairs_SET.csv`` and ``figures/``.

    Args:
        benchmark: what was asked.
        measured: of :func:`rim_plugin.benchmark.run.run_benchmark`.

    Returns:
        The HTML page.
    """
    results, folder = Results(benchmark, measured), benchmark.folder
    text = report_markdown(results)
    write_atomically(folder / 'report.md', text)
    write_atomically(folder / 'report.html', _page(text, folder, benchmark.name))
    write_atomically(folder / 'results.json', json.dumps(results.everything(), indent=1) + '\n')
    for name in benchmark.sr_sets:
        write_atomically(folder / f'images_{name}.csv', results.image_csv(name))
    for name in benchmark.pair_sets:
        write_atomically(folder / f'pairs_{name}.csv', results.pair_csv(name))
    return folder / 'report.html'


def report_markdown(results: Results) -> str:
    """The report as Markdown; draws its figures into the benchmark's folder."""
    benchmark = results.benchmark
    titles = [method.title for method in benchmark.methods]
    plots = Plots(benchmark.folder / 'figures', titles, results.reference.title)
    return _template('report.md.jinja').render(
        name=benchmark.name,
        environment=environment(),
        device=device_name(),
        reference=results.reference.title,
        sr_sections=[sr_section(results, plots, name) for name in benchmark.sr_sets],
        recognition_sections=[recognition_section(results, plots, name) for name in benchmark.pair_sets],
        methods=_methods(results),
    )


def _template(name: str) -> jinja2.Template:
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    page = jinja2.Environment(
        loader=loader,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )  # without escaping: Markdown
    page.filters['table'] = Table.markdown
    return page.get_template(name)


def _methods(results: Results) -> Table:
    header = ['method', 'options', 'changes', 'weights', 'trained', 'recogniser']
    methods = results.benchmark.methods
    return Table('', header, [_method_row(method, results.budgets[method.name]) for method in methods])


def _method_row(method: Method, budget: Budget | None) -> list[Cell]:
    recogniser = method.recogniser
    return [
        method.title,
        f'`{method.file}`',
        ' '.join(f'`{entry}`' for entry in method.force) or NOTHING,
        ', '.join(f'`{path}`' for path in dict.fromkeys(method.weights.values())) or NOTHING,
        f'{budget.iterations:,} x {budget.batch} faces, {budget.seconds / 60:.1f} minutes' if budget else NOTHING,
        f'{recogniser["type"]} `{recogniser.get("weights", NOTHING)}`' if recogniser else NOTHING,
    ]


def _page(text: str, folder: Path, title: str) -> str:
    """One self-contained HTML page of the Markdown, with the pictures inside.

    Args:
        text: the Markdown.
        folder: to which the pictures' paths are relative.
        title: of the page.
    """

    def embedded(match: re.Match[str]) -> str:
        return 'src="data:image/png;base64,' + base64.b64encode((folder / match[1]).read_bytes()).decode() + '"'

    body = re.sub(r'src="(figures/[^"]+)"', embedded, markdown.markdown(text, extensions=['tables']))
    return _template('page.html.jinja').render(title=title, body=body)
