"""Graphs on disk: made once, also by two processes; damaged ones are made again."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rim_plugin.tools import graph_cache
from rim_plugin.tools.graph_cache import cache_folder, kept_graph, kept_or_made

ROOT = Path(__file__).parents[2]
# Makes a graph slowly, and notes that it did.
SLOW = """
import os, sys, time
from rim_plugin.tools.graph_cache import kept_or_made
def make():
    open(sys.argv[1], 'a').write('made ')
    time.sleep(0.5)
    return b'graph'
print(kept_or_made('key', make))
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv('RIM_CACHE', str(tmp_path / 'cache'))
    return tmp_path / 'cache'


def unwanted():
    raise AssertionError('made again')


def test_a_graph_is_made_once():
    assert kept_graph('key') is None
    assert kept_or_made('key', lambda: b'graph') == b'graph' == kept_graph('key') == kept_or_made('key', unwanted)
    assert kept_or_made('other', lambda: b'') == b'' == kept_or_made('other', unwanted)


@pytest.mark.parametrize('damage', [lambda content: content[:-1], lambda content: b'', lambda content: content + b'x'])
def test_a_damaged_graph_is_made_again(folder, damage):
    kept_or_made('key', lambda: b'graph')
    path = folder / 'key.graph'
    path.write_bytes(damage(path.read_bytes()))
    assert kept_graph('key') is None
    assert kept_or_made('key', lambda: b'new') == b'new' == kept_graph('key')


def test_of_many_the_least_recently_used_go(folder, monkeypatch):
    monkeypatch.setattr(graph_cache, 'KEPT', 2)
    for time, key in enumerate('abc'):
        kept_or_made(key, key.encode)
        os.utime(folder / f'{key}.graph', (time, time))
    kept_graph('b')
    kept_or_made('d', lambda: b'd')
    assert [kept_graph(key) for key in 'abcd'] == [None, b'b', None, b'd']


def test_without_a_folder_to_write_to_it_is_made_each_time(folder):
    folder.write_text('a file is in the way')
    assert [kept_or_made('key', lambda: b'graph') for _ in range(2)] == [b'graph'] * 2
    assert folder.read_text() == 'a file is in the way'


def test_a_failure_leaves_nothing(folder):
    with pytest.raises(ZeroDivisionError):
        kept_or_made('key', lambda: bytes(1 // 0))
    assert kept_graph('key') is None and kept_or_made('key', lambda: b'graph') == b'graph'


def test_the_folder_is_that_of_the_user(monkeypatch, tmp_path):
    monkeypatch.delenv('RIM_CACHE')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    assert cache_folder() == tmp_path / 'rim_plugin'


@pytest.mark.slow
def test_of_two_processes_one_makes_it(tmp_path):
    command = [sys.executable, '-c', SLOW, str(tmp_path / 'log')]
    running = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate(timeout=120)[0] for process in running] == ["b'graph'\n"] * 2
    assert (tmp_path / 'log').read_text() == 'made '
