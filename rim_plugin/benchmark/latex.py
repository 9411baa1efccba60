"""Tables of a report as LaTeX, at a size that a page of one column can be read at."""

from collections.abc import Sequence

from rim_plugin.benchmark.tables import SIGNIFICANT, Cell, Table, marked, spans

PACKAGES = ('booktabs', 'graphicx')
_LINE = 84  # characters of \footnotesize across \linewidth of the class article
_BETWEEN = 2  # characters between columns
_BOUNDS = 0.85  # of a character in \scriptsize
_SHRUNK = r'\ifdim\width>\linewidth\linewidth\else\width\fi'  # what the estimate is wrong about is made smaller
_SPECIAL = {'\\': r'\textbackslash{}', '~': r'\textasciitilde{}', '^': r'\textasciicircum{}', '<': '$<$', '>': '$>$'}
_SPECIAL |= {character: f'\\{character}' for character in '&%$#_{}'} | {SIGNIFICANT: r'$\dagger$'}


def as_latex(table: Table) -> str:
    """A ``table`` of the package booktabs; the best bold, the second underlined, bounds as a smaller second number.

    Columns that do not fit in a line go on in further tables, without the rows that have nothing there.
    """
    floats = [_float(table, part, columns) for part, columns in enumerate(_parts(table))]
    return '\n'.join(floats)


def latex_text(text: str) -> str:
    """A text whose special characters LaTeX prints."""
    return ''.join(_SPECIAL.get(character, character) for character in text.replace('`', ''))


def document(names: Sequence[str]) -> str:
    """A LaTeX document of the files NAME.tex, in fonts that TeX has as outlines."""
    packages = '\n'.join(f'\\usepackage{{{each}}}' for each in PACKAGES)
    inputs = '\n'.join(f'\\input{{{name}.tex}}' for name in names)
    return (
        f'\\documentclass{{article}}\n{packages}\n\\extrafloats{{200}}\n\\begin{{document}}\n{inputs}\n'
        '\\end{document}\n'
    )


def _parts(table: Table) -> list[list[int]]:
    """Numbers of the columns beside the first, shared out so that each part fits in a line."""
    room = _LINE - _width(table, 0)
    parts: list[list[int]] = [[]]
    left = room
    for column in range(1, len(table.header)):
        width = _width(table, column) + _BETWEEN
        if width > left and parts[-1]:
            parts.append([])
            left = room
        parts[-1].append(column)
        left -= width
    return parts


def _width(table: Table, column: int) -> float:
    """Characters of a column's widest line; what may reach over the next columns does not count."""
    lines = [float(len(line)) for line in _head_lines(table.header[column])]
    for row in table.padded:
        reaches = 0 < column < len(row) - 1 and not row[column + 1].text
        bounds = ', '.join(row[column].bounds)
        lines.append(0 if reaches else len(row[column].text) + (_BOUNDS * len(bounds) + 3 if bounds else 0))
    return max(lines)


def _head_lines(head: str) -> list[str]:
    """A head, with its remark in a line of its own."""
    words, remark, rest = head.partition(' (')
    return [words, f'({rest}'] if remark else [head]


def _float(table: Table, part: int, columns: Sequence[int]) -> str:
    caption = f'{table.title}. {table.note}' if part == 0 else f'{table.title}, continued.'
    label = table.name if part == 0 else f'{table.name}_{part + 1}'
    rows = [[row[0], *(row[column] for column in columns)] for row in table.padded]
    body = '\n'.join(_row(row) for row in rows if part == 0 or any(cell.text for cell in row[1:]))
    head = ' & '.join(_head(table.header[column]) for column in (0, *columns))
    return (
        f'\\begin{{table}}\n\\centering\\footnotesize\\setlength{{\\tabcolsep}}{{4pt}}\\setlength{{\\belowcaptionskip}}{{4pt}}\n'
        f'\\caption{{{latex_text(caption.strip())}}}\n\\label{{tab:{label}}}\n\\resizebox{{{_SHRUNK}}}{{!}}{{%\n'
        f'\\begin{{tabular}}{{l{"r" * len(columns)}}}\n\\toprule\n{head} \\\\\n\\midrule\n{body}\n\\bottomrule\n'
        f'\\end{{tabular}}}}\n\\end{{table}}\n'
    )


def _head(head: str) -> str:
    lines = [latex_text(line) for line in _head_lines(head)]
    return f'\\shortstack[r]{{{" ".join(lines[:1])} \\\\ {lines[1]}}}' if len(lines) > 1 else lines[0]


def _row(row: Sequence[Cell]) -> str:
    first, *rest = row
    cells = (
        _cell(cell) if columns == 1 else f'\\multicolumn{{{columns}}}{{l}}{{{_cell(cell)}}}'
        for cell, columns in spans(rest)
    )
    return ' & '.join([_cell(first), *cells]) + r' \\'


def _cell(cell: Cell) -> str:
    text = marked(cell, r'\textbf{{{}}}'.format, r'\underline{{{}}}'.format, _latex_cell)
    return text.replace(SIGNIFICANT, r'$^{\dagger}$')


def _latex_cell(cell: Cell) -> str:
    text = latex_text(cell.text)
    return rf'{text} {{\scriptsize [{", ".join(cell.bounds)}]}}' if cell.bounds else text
