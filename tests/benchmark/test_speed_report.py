"""The tables of speed, and the history that they are compared with."""

import json

import pytest

from rim_plugin import cli
from rim_plugin.benchmark import speed_report as report
from rim_plugin.benchmark.speed import Row
from rim_plugin.errors import OptionsError

ROWS = [
    Row('start-up', 'import torch', 2000.0, None, 1.0),
    Row('start-up', 'one face', 2500.0, None, 1.25),
    Row('inference, batch 1', 'RIM, small', 21.5, 0.77, 40.0),
]


def test_tables_have_a_line_for_each_row():
    lines = report.table(ROWS).splitlines()
    assert '| one face | 2.50 | 1.25 |' in lines
    assert '| RIM, small | 21.5 | 77% | 40.0 |' in lines
    assert sum(line.startswith('| ---') for line in lines) == 2


def test_ratios_are_the_greater_the_faster():
    assert report.ratios(ROWS) == {
        'start-up: import torch': 1.0,
        'start-up: one face': 0.8,
        'inference, batch 1: RIM, small': 40.0,
    }


def test_what_is_far_below_the_median_is_told():
    entries = [{'ratios': {'a': value, 'b': 1.0}} for value in (1.0, 10.0, 12.0)]
    assert report.slower({'a': 5.1, 'b': 0.51, 'new': 0.001}, entries) == []
    assert report.slower({'a': 4.9, 'b': 0.49}, entries) == [
        'a: 4.9 times its reference, 10 before',
        'b: 0.49 times its reference, 1 before',
    ]
    assert report.slower({'a': 0.1}, []) == []


def test_a_history_grows_by_a_line(tmp_path):
    path = tmp_path / 'history.jsonl'
    assert report.read_history(path) == []
    for value in (1.0, 2.0):
        report.add_to_history(path, {'a': value})
    entries = report.read_history(path)
    assert [entry['ratios'] for entry in entries] == [{'a': 1.0}, {'a': 2.0}]
    assert entries[0]['machine'] and entries[0]['packages']['torch']


@pytest.mark.parametrize('line', ['{', '[]', '{"ratios": {"a": "fast"}}', '{"date": 1}'])
def test_a_damaged_history_is_told_by_line(tmp_path, line):
    path = tmp_path / 'history.jsonl'
    path.write_text(json.dumps({'ratios': {}}) + f'\n{line}\n')
    with pytest.raises(OptionsError, match='line 2 is no entry of a history'):
        report.read_history(path)


@pytest.fixture
def measured(monkeypatch):
    calls = []
    monkeypatch.setattr(report, 'measure', lambda sections, rounds: calls.append((sections, rounds)) or ROWS)
    return calls


def test_the_command_prints_writes_and_adds(measured, tmp_path, capsys):
    output, history = tmp_path / 'speed.md', tmp_path / 'history.jsonl'
    cli.benchmark_speed(['--sections', 'inference', '-o', str(output), '--history', str(history), '--add'])
    assert measured == [(['inference'], 5)]
    assert output.read_text() == capsys.readouterr().out == report.table(ROWS)
    assert report.read_history(history)[0]['ratios'] == report.ratios(ROWS)


def test_the_command_fails_where_something_is_far_slower(measured, tmp_path):
    history = tmp_path / 'history.jsonl'
    history.write_text(json.dumps({'ratios': {'inference, batch 1: RIM, small': 100.0}}) + '\n')
    with pytest.raises(SystemExit, match='RIM, small: 40 times its reference, 100 before'):
        cli.benchmark_speed(['--history', str(history)])


def test_adding_needs_a_history(measured):
    with pytest.raises(SystemExit):
        cli.benchmark_speed(['--add'])
    assert not measured
