"""What the sections of a report share: ranked cells, differences, and what a training took."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rim_plugin.benchmark.bootstrap import LEVEL, Ranking
from rim_plugin.benchmark.figures import Plots
from rim_plugin.benchmark.results import Results
from rim_plugin.benchmark.run import Result
from rim_plugin.benchmark.settings import Method
from rim_plugin.benchmark.tables import NOTHING, SIGNIFICANT, Cell, Rank, Table, interval_cell

MARKS = (
    f'Bold: the best; underlined: the second; {SIGNIFICANT}: better than every other method at {100 * LEVEL:g} %, by a '
    "paired bootstrap with Holm's correction. Intervals are of 95 %."
)
NOT_MEASURABLE = 'not measurable'


class Section(NamedTuple):
    """A section of the report.

    Attributes:
        title: over it.
        text: one paragraph under the title.
        tables: those without rows are left out.
        images: paths of figures.
        anchor: its name in links of the page.
    """

    title: str
    text: str
    tables: list[Table]
    images: list[str]
    anchor: str


class Figure(NamedTuple):
    """A column of a table: its head, the place of its results, their metric, digits behind the point."""

    head: str
    place: tuple[str, ...]
    metric: str
    digits: int


def ranked_cell(results: Results, name: str, figure: Figure, words: str = '') -> Cell:
    """A method's figure with its bounds and its rank; ``words`` in its place where there are any."""
    interval = results.intervals.get((name, *figure.place), {}).get(figure.metric)
    if words or interval is None:
        return Cell(words or NOTHING)
    found = results.rankings.get(figure.place, {}).get(figure.metric)
    rank, significant = _rank(found, name)
    best = (found.best, *figure.place) if found else None
    if best is not None and interval.mean == results.intervals[best][figure.metric].mean:
        rank = 'best'  # a tie
    return interval_cell(interval, figure.digits)._replace(rank=rank, significant=significant)


def _rank(found: Ranking | None, name: str) -> tuple[Rank, bool]:
    if found is None:
        return '', False
    if name == found.best:
        return 'best', found.significant
    return ('second' if name == found.second else ''), False


def difference_table(results: Results, name: str, title: str, figures: Sequence[Figure]) -> Table:
    """Differences to the reference of the methods that have any."""
    rows: list[list[Cell]] = []
    for method in results.benchmark.methods:
        known = [results.differences.get((method.name, *each.place), {}).get(each.metric) for each in figures]
        if any(known):
            cells = (interval_cell(each, figure.digits, '+') for each, figure in zip(known, figures))
            rows.append([Cell(method.title), *cells])
    return Table(name, title, ['method', *(figure.head for figure in figures)], rows)


def paper_cell(figures: dict[str, float], key: str) -> Cell:
    """A figure of the paper, or a dash."""
    return Cell(f'{figures[key]:.3f}' if key in figures else NOTHING)


def budget_cell(results: Results, method: Method) -> Cell:
    """What a training took, as logs say or, of one elsewhere, as the benchmark's file does; a dash where neither."""
    budget = results.budgets[method.name]
    if budget is None:
        return Cell(method.trained or NOTHING)
    return Cell(f'{budget.iterations:,} x {budget.batch} faces, {budget.seconds / 60:.1f} min')


def error_of(results: Iterable[Result]) -> str:
    """What is wrong with all of some results; nothing where one of them was measured."""
    errors = [each.get('error', '') for each in results]
    return errors[0] if errors and all(errors) else ''


def search_curves(results: Results, plots: Plots, place: tuple[str, ...], stem: str, probes: str) -> list[str]:
    """DET curves of the methods with open-set searches at a place; no figure where none has any.

    Args:
        results, plots: of the report.
        place: (kind, set, part or size).
        stem: of the figure's file.
        probes: which, for its title.
    """
    searches = {
        method.title: (result['arrays']['mated'], result['arrays']['non_mated'])
        for method, result in results.at(*place)
        if 'non_mated' in result.get('arrays', {})
    }
    return [plots.det_curves(stem, f'{place[1]}: open-set searches, {probes}', searches)] if searches else []
