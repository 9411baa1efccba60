from rim_plugin.markdown_table import markdown_table


def test_short_rows_are_filled_and_bars_replaced():
    lines = markdown_table(['a', 'b'], [['x|y', 1], ['z']]).splitlines()
    assert lines == ['| a | b |', '| --- | --- |', '| x/y | 1 |', '| z |  |']
