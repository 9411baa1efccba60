"""Tables as LaTeX: marks and escapes, columns that do not fit in a line, and what LaTeX makes of them."""

import re
import shutil
import subprocess

import pytest
from support.benchmarks import TABLE

from rim_plugin.benchmark.latex import as_latex, document, latex_text
from rim_plugin.benchmark.tables import Cell, Table

HEADER = ['method', 'PSNR Y', 'FID (less is better)', *(f'metric {place}' for place in range(10)), 'trained']
WIDE = Table(
    'wide_1',
    'Quality & speed',
    HEADER,
    [
        *(
            [
                Cell(f'Method_{row} of 100 % ~^'),
                *(Cell(f'{row}{place}.25', (f'{row}{place}.11', f'{row}{place}.99')) for place in range(12)),
                Cell('490 x 8 faces, 20.0 min'),
            ]
            for row in range(10, 30)
        ),
        [Cell('Not given'), Cell('weights not given (net_g.pth is absent)')],
    ],
    'Bold: the best; †: better.',
)


def test_escapes_and_marks():
    text = as_latex(TABLE)
    assert r'RIM $<$b$>$ & \textbf{28.5}$^{\dagger}$ {\scriptsize [28.1, 28.9]} & 2.0 \\' in text
    assert r'a\_b & \underline{27.0} {\scriptsize [26.0, 27.9]} & - \\' in text
    assert r'\caption{A few \& more. Bold: best.}' in text and text.count('{') == text.count('}')
    assert latex_text('5 % of `x^2`~†') == r'5 \% of x\textasciicircum{}2\textasciitilde{}$\dagger$'


def test_words_reach_over_the_empty_cells_behind_them():
    assert r'broken & \multicolumn{2}{l}{no weights} \\' in as_latex(TABLE)


def test_what_does_not_fit_goes_on_in_further_tables():
    text = as_latex(WIDE)
    assert text.count(r'\begin{table}') == text.count('Quality') == text.count('tab:wide') > 2
    for row in range(10, 30):
        for place in range(12):
            assert text.count(f'{row}{place}.25 {{\\scriptsize [{row}{place}.11, {row}{place}.99]}}') == 1
    assert text.count('Not given') == 1 and text.count('Bold') == 1  # rows with nothing left, and the note, come once
    assert as_latex(TABLE).count(r'\begin{table}') == 1


@pytest.mark.slow
@pytest.mark.skipif(shutil.which('pdflatex') is None, reason='needs LaTeX')
def test_it_compiles_and_every_table_fits_as_it_is(tmp_path):
    for table in (TABLE, WIDE):
        (tmp_path / f'{table.name}.tex').write_text(as_latex(table))
    not_resized = r'\renewcommand{\resizebox}[3]{#3}\begin{document}'
    text = document(['few', 'wide_1']).replace(r'\begin{document}', not_resized)
    (tmp_path / 'all.tex').write_text(text)
    command = ['pdflatex', '-halt-on-error', '-interaction=nonstopmode', 'all.tex']
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-800:]
    assert not re.search('Overfull|Float too large|Missing character', done.stdout), done.stdout
