"""Tables in Markdown."""

from collections.abc import Sequence


def markdown_table(header: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    """A table; rows that are shorter than the header end in empty cells, and a bar in a cell becomes a slash."""
    padded = [[*row, *[''] * (len(header) - len(row))] for row in rows]
    lines = [header, ['---'] * len(header), *padded]
    return '\n'.join('| ' + ' | '.join(str(cell).replace('|', '/') for cell in line) + ' |' for line in lines)
