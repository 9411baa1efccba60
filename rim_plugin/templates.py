"""Texts from Jinja2 templates, and the tables in them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2


def render(template: Path, filters: Mapping[str, Callable[..., object]] | None = None, /, **values: Any) -> str:
    """The text of a template, without escaping: Markdown. In it ``rows | table(header)`` is a table.

    Args:
        template: the file, which may include others beside it.
        filters: further ones, by name.
        **values: what it names.

    Raises:
        jinja2.UndefinedError: the template names something that ``values`` lack.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(template.parent),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(filters or {}, table=markdown_table)
    return environment.get_template(template.name).render(values)


def markdown_table(rows: Sequence[Sequence[object]], header: Sequence[object]) -> str:
    """A table; rows that are shorter than the header end in empty cells, and a bar in a cell becomes a slash."""
    padded = [[*row, *[''] * (len(header) - len(row))] for row in rows]
    lines = [header, ['---'] * len(header), *padded]
    return '\n'.join('| ' + ' | '.join(str(cell).replace('|', '/') for cell in line) + ' |' for line in lines)
