"""Options by name or by file; what is neither ends in one line."""

from argparse import ArgumentParser

import pytest

from rim_plugin.cli.options_argument import add_options, options_file
from rim_plugin.errors import OptionsError
from rim_plugin.shipped import shipped


def file_of(*argv, kind='train'):
    parser = ArgumentParser()
    add_options(parser, kind)
    return options_file(parser.parse_args(argv), kind)


@pytest.mark.parametrize(
    'argv', [['rim_demo'], ['-opt', 'rim_demo'], ['options/rim_demo.yml'], ['-opt', 'options/rim_demo.yml']]
)
def test_a_name_and_a_file_are_the_same(argv, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert file_of(*argv) == str(shipped('options/rim_demo.yml'))


def test_kinds_have_their_own_names():
    assert file_of('lfw', kind='test') == str(shipped('options/test/lfw.yml'))
    assert file_of('lfw', kind='benchmark') == str(shipped('options/benchmark/lfw.yml'))


def test_a_file_goes_before_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'rim_demo').touch()
    assert file_of('rim_demo') == 'rim_demo'


@pytest.mark.parametrize(
    ('argv', 'told'),
    [
        (['rim_dem'], "did you mean 'rim_demo' or 'rim_more'"),
        (['zzz'], '^zzz: neither a file nor one of the names that rim train --help lists$'),
        (['my.yml'], '^my.yml: no such options file'),
        ([], 'name one options file, or one of the names that rim train --help lists'),
        (['rim', '-opt', 'rim'], 'name one options file'),
    ],
)
def test_what_is_none_is_told_in_one_line(argv, told):
    with pytest.raises(OptionsError, match=told) as caught:
        file_of(*argv)
    assert '\n' not in str(caught.value)
