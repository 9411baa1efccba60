"""Tables of a report, and three of the ways in which they are written from the same cells: Markdown, HTML, CSV."""

import csv
import html
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from rim_plugin.benchmark.bootstrap import Interval
from rim_plugin.templates import markdown_table

NOTHING = '-'
SIGNIFICANT = '†'
_LONGEST_FIGURE = 24  # characters; longer ones are words, which are broken into lines
Rank = Literal['', 'best', 'second']


class Cell(NamedTuple):
    """What a table says in one place.

    Attributes:
        text: the figure, or words.
        bounds: of its interval, as written; or none.
        rank: among the figures of its column.
        significant: whether, as the best, it is better than every other at the level of the report.
    """

    text: str
    bounds: tuple[str, ...] = ()
    rank: Rank = ''
    significant: bool = False

    def __str__(self) -> str:
        return f'{self.text} [{", ".join(self.bounds)}]' if self.bounds else self.text


class Table(NamedTuple):
    """A table; rows that are shorter than the header end in empty cells.

    Attributes:
        name: of its files.
        title: what stands over it, and after it in smaller letters ``note``.
        header, rows: the first cell of each row is its head.
        note: on what it shows; may be empty.
        wide: whether cells are long texts, which are broken into lines.
    """

    name: str
    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ''
    wide: bool = False

    @property
    def padded(self) -> list[list[Cell]]:
        """The rows, each as long as the header."""
        return [[*row, *[Cell('')] * (len(self.header) - len(row))] for row in self.rows]


def to_read(tables: Iterable[Table]) -> Iterator[Table]:
    """Tables that have rows, in a page: each without its note where the one before has the same."""
    note = ''
    for table in tables:
        if table.rows:
            yield table._replace(note='' if table.note == note else table.note)
            note = table.note


def words(*texts: str) -> list[Cell]:
    """Cells without figures."""
    return [Cell(text) for text in texts]


def interval_cell(interval: Interval | None, digits: int, sign: str = '') -> Cell:
    """A figure with its bounds, or without where it has none; a dash where there is no figure.

    Args:
        interval: what to write.
        digits: after the point.
        sign: ``+`` writes it before positive numbers, too, as differences have it.
    """
    if interval is None:
        return Cell(NOTHING)
    mean, *bounds = (f'{value:{sign}.{digits}f}' for value in interval if value is not None)
    return Cell(mean, tuple(bounds))


def as_markdown(table: Table) -> str:
    """Title, table and note; the best in bold, the second underlined."""
    rows = [[marked(cell, '**{}**'.format, '<u>{}</u>'.format, str) for cell in row] for row in table.rows]
    parts = [f'**{table.title}**' if table.title else '', markdown_table(rows, table.header), table.note]
    return '\n\n'.join(part for part in parts if part)


def as_html(table: Table) -> str:
    """A ``figure`` with the title as caption; cells of a column carry its head for narrow screens."""
    head = ''.join(f'<th scope="col">{html.escape(each)}</th>' for each in table.header)
    body = ''.join(f'<tr>{_html_row(row)}</tr>\n' for row in table.padded)
    note = f'<p class="note">{html.escape(table.note)}</p>' if table.note else ''
    caption = f'<figcaption>{html.escape(table.title)}</figcaption>' if table.title else ''
    kind = ' class="wide"' if table.wide else ''
    return (
        f'<figure class="table" id="{html.escape(table.name)}">{caption}<div class="scroll"><table{kind}>\n'
        f'<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table></div>{note}</figure>'
    )


def _html_row(row: Sequence[Cell]) -> str:
    first, *rest = row
    cells = ''.join(_html_data(cell, columns) for cell, columns in spans(rest))
    return f'<th scope="row">{html.escape(str(first))}</th>{cells}'


def spans(cells: Sequence[Cell]) -> list[tuple[Cell, int]]:
    """Cells with the number of columns that each takes: its own, and the empty ones behind it."""
    found: list[tuple[Cell, int]] = []
    for cell in cells:
        if found and not cell.text:
            found[-1] = found[-1][0], found[-1][1] + 1
        else:
            found.append((cell, 1))
    return found


def _html_data(cell: Cell, columns: int) -> str:
    kind = _kind(cell.text, columns)
    span = f' colspan="{columns}"' if columns > 1 else ''
    return f'<td{kind}{span}>{marked(cell, "<b>{}</b>".format, "<u>{}</u>".format, _html_cell)}</td>'


def _kind(text: str, columns: int) -> str:
    if len(text) > _LONGEST_FIGURE:
        return ' class="words"'
    is_phrase = columns == 1 and ' ' in text and not any(map(str.isdigit, text))  # 'weights not given'
    return ' class="phrase"' if is_phrase else ''


def _html_cell(cell: Cell) -> str:
    text = re.sub('`(.*?)`', r'<code>\1</code>', html.escape(cell.text))
    return f'{text} <span class="bounds">[{html.escape(", ".join(cell.bounds))}]</span>' if cell.bounds else text


def marked(cell: Cell, best: Callable[[str], str], second: Callable[[str], str], written: Callable[[Cell], str]) -> str:
    """A cell with its rank, and the dagger of significance."""
    mark: Callable[[str], str] = {'best': best, 'second': second}.get(cell.rank, str)
    return written(cell._replace(text='\0')).replace('\0', mark(written(Cell(cell.text))) + _dagger(cell))


def _dagger(cell: Cell) -> str:
    return SIGNIFICANT if cell.significant else ''


def as_csv(table: Table) -> str:
    """Every figure as it is in the table; bounds and ranks in columns of their own where a column has any."""
    rows = table.padded
    bounded = [any(row[place].bounds for row in rows) for place in range(len(table.header))]
    ranked = [any(row[place].rank for row in rows) for place in range(len(table.header))]
    header = [
        name for place, head in enumerate(table.header) for name in _csv_heads(head, bounded[place], ranked[place])
    ]
    lines = [
        [text for cell, bounds, rank in zip(row, bounded, ranked) for text in _csv_cells(cell, bounds, rank)]
        for row in rows
    ]
    return csv_text([header, *lines])


def _csv_heads(head: str, bounds: bool, rank: bool) -> list[str]:
    return [head, *([f'{head}: low', f'{head}: high'] if bounds else []), *([f'{head}: rank'] if rank else [])]


def _csv_cells(cell: Cell, bounds: bool, rank: bool) -> list[str]:
    ends = [*cell.bounds, '', ''][:2] if bounds else []
    return [cell.text, *ends, *([cell.rank + _dagger(cell)] if rank else [])]


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Rows as CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator='\n').writerows(rows)
    return text.getvalue()
