"""Tables of a report and what stands in their cells."""

from collections.abc import Sequence
from typing import NamedTuple

from rim_plugin.benchmark.intervals import Interval
from rim_plugin.markdown_table import markdown_table

Cell = str | float
NOTHING = '-'


class Table(NamedTuple):
    """A table; rows that are shorter than the header end in empty cells."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]

    def markdown(self) -> str:
        """The table, without its title, in Markdown."""
        rows = [[f'{cell:.3f}' if isinstance(cell, float) else cell for cell in row] for row in self.rows]
        return markdown_table(self.header, rows)


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
