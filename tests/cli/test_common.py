"""What all commands do: mistakes end in one line, interruptions quietly, faults of the program loudly."""

import runpy
import subprocess
import sys
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path

import cv2
import lmdb
import pytest

from rim_plugin import cli
from rim_plugin.cli.common import add_networks, command, print_skipped, whole_number

SCRIPTS = Path(__file__).parents[2] / 'scripts'


@command
def raising(argv):
    raise argv[0]


@pytest.mark.parametrize('error', [ValueError, OSError, RuntimeError, cv2.error, lmdb.Error])
def test_mistakes_end_in_one_line(error):
    with pytest.raises(SystemExit) as caught:
        raising([error('two\nlines')])
    assert caught.value.code == 'Error: two lines'


@pytest.mark.parametrize('name', ['hallucinate', 'verify', 'gallery', 'export', 'pack', 'prepare'])
def test_an_empty_argument_is_told(name):
    with pytest.raises(SystemExit, match='Error: an argument is empty'):
        getattr(cli, name)(['', '-o', 'out'])


def test_an_interruption_ends_quietly():
    with pytest.raises(SystemExit) as caught:
        raising([KeyboardInterrupt()])
    assert caught.value.code == 130


def test_a_fault_of_the_program_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        raising([ZeroDivisionError()])


def test_whole_numbers():
    number = whole_number(1, 8)
    assert [number(text) for text in ('1', '8')] == [1, 8]
    for text in ('0', '9', '-1', '1.5', 'many', ''):
        with pytest.raises(ArgumentTypeError, match=f'{text} is no whole number from 1 to 8'):
            number(text)


def test_engines_are_checked_without_loading_one(capsys):
    parse = add_networks(ArgumentParser()).parse_args
    assert parse([]).engine == 'auto' and parse(['--engine', 'openvino:int8']).engine == 'openvino:int8'
    assert parse(['--engine', 'torch']).engine == 'torch:fp32'
    with pytest.raises(SystemExit) as caught:
        parse(['--engine', 'onnx'])
    assert caught.value.code == 2 and "--engine: engine: 'onnx' is unknown" in capsys.readouterr().err


def test_inputs_left_out_are_counted(capsys):
    print_skipped([])
    assert capsys.readouterr().err == ''
    print_skipped(iter(['a: torn', 'b: wet']))
    assert capsys.readouterr().err == 'Left out, 2:\na: torn\nb: wet\n'


@pytest.mark.parametrize(
    'name', ['hallucinate', 'verify', 'gallery', 'export', 'pack_weights', 'prepare_faces', 'benchmark']
)
def test_scripts_are_the_commands(name, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', [f'{name}.py', '--help'])
    with pytest.raises(SystemExit) as caught:
        runpy.run_path(str(SCRIPTS / f'{name}.py'), run_name='__main__')
    assert caught.value.code == 0 and f'usage: {name}.py' in capsys.readouterr().out


def test_who_reads_no_further_gets_no_traceback():
    """As in ``rim info | head -1``: the pipe is closed before anything is written."""
    code = (
        'import sys; from rim_plugin.cli import common; sys.stdin.readline()\nwith common.one_line_errors(): print(1)'
    )
    program = subprocess.Popen([sys.executable, '-c', code], stdin=-1, stdout=-1, stderr=-1)
    program.stdout.close()
    _, errors = program.communicate(b'\n')
    assert (program.returncode, errors) == (141, b'')
