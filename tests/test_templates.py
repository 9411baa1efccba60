"""Tables and templates."""

import jinja2
import pytest

from rim_plugin.templates import markdown_table, render


def test_short_rows_are_filled_and_bars_replaced():
    lines = markdown_table([['x|y', 1], ['z']], ['a', 'b']).splitlines()
    assert lines == ['| a | b |', '| --- | --- |', '| x/y | 1 |', '| z |  |']


def test_a_template_renders_tables_and_refuses_what_it_does_not_know(tmp_path):
    (tmp_path / 'a.jinja').write_text('{{ rows | table(["a"]) }}\n{{ name }}\n')
    assert render(tmp_path / 'a.jinja', rows=[['<']], name='&') == '| a |\n| --- |\n| < |\n&\n'
    with pytest.raises(jinja2.UndefinedError, match='name'):
        render(tmp_path / 'a.jinja', rows=[])
