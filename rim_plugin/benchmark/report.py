"""The report of a benchmark: one page to read (HTML and Markdown); every value as JSON, of faces and pairs as CSV."""

import base64
import json
import re
from collections.abc import Iterable
from pathlib import Path

import markdown

from rim_plugin.benchmark.budget import Budget
from rim_plugin.benchmark.figures import Plots
from rim_plugin.benchmark.results import Results
from rim_plugin.benchmark.run import Measurement, Result
from rim_plugin.benchmark.sections import NOTHING, Table, recognition_section, sr_section
from rim_plugin.benchmark.settings import Benchmark, Method
from rim_plugin.environment import device_name, environment
from rim_plugin.files import write_atomically
from rim_plugin.templates import render

_TEMPLATES = Path(__file__).parent


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
    write_atomically(folder / 'report.html', _page(text, folder, benchmark.options.name))
    write_atomically(folder / 'results.json', json.dumps(results.everything(), indent=1) + '\n')
    for name in benchmark.sr_sets:
        write_atomically(folder / f'images_{name}.csv', results.image_csv(name))
    for name in benchmark.pair_sets:
        write_atomically(folder / f'pairs_{name}.csv', results.pair_csv(name))
    return folder / 'report.html'


def report_markdown(results: Results) -> str:
    """The report as Markdown; draws its figures into the benchmark's folder."""
    benchmark, header = results.benchmark, ['method', 'options', 'changes', 'weights', 'trained', 'recogniser']
    titles = [method.title for method in benchmark.methods]
    plots = Plots(benchmark.folder / 'figures', titles, benchmark.reference.title)
    rows = [_method_row(method, results.budgets[method.name]) for method in benchmark.methods]
    return render(
        _TEMPLATES / 'report.md.jinja',
        name=benchmark.options.name,
        environment=environment(),
        device=device_name(),
        sr_sections=[sr_section(results, plots, name) for name in benchmark.sr_sets],
        recognition_sections=[recognition_section(results, plots, name) for name in benchmark.pair_sets],
        methods=Table('', header, rows),
    )


def _method_row(method: Method, budget: Budget | None) -> list[str]:
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
    return render(_TEMPLATES / 'page.html.jinja', title=title, body=body)
