"""A table says the same in Markdown, HTML, LaTeX and CSV."""

import csv
import html
import io
import re

import pytest
from support.benchmarks import TABLE

from rim_plugin.benchmark.bootstrap import Interval
from rim_plugin.benchmark.latex import as_latex
from rim_plugin.benchmark.tables import Cell, Table, as_csv, as_html, as_markdown, interval_cell, to_read, words


@pytest.mark.parametrize(
    'interval, sign, words',
    [
        (Interval(1.0, 0.5, 1.25), '', '1.00 [0.50, 1.25]'),
        (Interval(1.0, -0.5, 1.25), '+', '+1.00 [-0.50, +1.25]'),
        (Interval(0.5), '', '0.50'),
        (None, '', '-'),
    ],
)
def test_interval_cell(interval, sign, words):
    assert str(interval_cell(interval, 2, sign)) == words


def test_markdown():
    lines = as_markdown(TABLE).splitlines()
    assert lines[0] == '**A few & more**' and lines[-1] == 'Bold: best.'
    assert lines[2:][:5] == [
        '| method | PSNR | time |',
        '| --- | --- | --- |',
        '| RIM <b> | **28.5**† [28.1, 28.9] | 2.0 |',
        '| a_b | <u>27.0</u> [26.0, 27.9] | - |',
        '| broken | no weights |  |',
    ]


def test_html_escapes_and_marks():
    text = as_html(TABLE)
    assert '<th scope="row">RIM &lt;b&gt;</th><td><b>28.5</b>† <span class="bounds">[28.1, 28.9]</span></td>' in text
    assert (
        '<u>27.0</u>' in text
        and text.count('<td') == 5
        and '<td colspan="2">no weights<' in text
        and '<figcaption>A few &amp; more</figcaption>' in text
    )


def test_a_note_stands_once_under_tables_that_share_it():
    notes = [
        table.note for table in to_read([TABLE, TABLE._replace(rows=[]), TABLE, TABLE._replace(note='other'), TABLE])
    ]
    assert notes == [TABLE.note, '', 'other', TABLE.note]


def test_words_reach_over_the_empty_cells_behind_them():
    page = as_html(Table('t', '', ['method', 'a', 'b', 'c'], [[Cell('RIM'), *words('weights not given', '', '0.9')]]))
    assert '<td colspan="2">weights not given</td><td>0.9</td>' in page


def test_csv_has_bounds_and_ranks_in_columns_of_their_own():
    rows = list(csv.reader(io.StringIO(as_csv(TABLE))))
    assert rows[0] == ['method', 'PSNR', 'PSNR: low', 'PSNR: high', 'PSNR: rank', 'time']
    assert rows[1] == ['RIM <b>', '28.5', '28.1', '28.9', 'best†', '2.0']
    assert rows[3] == ['broken', 'no weights', '', '', '', '']


def numbers(text):
    return re.findall(r'\d+\.\d+', text)


def test_the_figures_are_the_same_in_all_four():
    wanted = ['28.5', '28.1', '28.9', '2.0', '27.0', '26.0', '27.9']
    for written in (as_markdown, as_html, as_latex, as_csv):
        assert numbers(html.unescape(written(TABLE))) == wanted, written


def test_a_few_words_in_the_place_of_a_figure_are_broken_into_lines():
    rows = [[Cell('RIM'), Cell('weights not given'), Cell('20 x 4 faces, 1.5 min'), Cell('1.0', ('0.5', '1.5'))]]
    page = as_html(Table('t', '', ['method', 'lpips', 'trained', 'PSNR'], rows))
    assert page.count('class="phrase"') == 1 and '<td class="phrase">weights not given' in page
