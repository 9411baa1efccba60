"""Options files with one change each, at random but from a fixed seed: refused in one line, or right."""

import random
import zlib
from contextlib import contextmanager

import pytest
from support.mutations import mutated_text
from support.wrong_options import ROOT, suite_files, wrong

from rim_plugin.errors import OptionsError
from rim_plugin.options.checking import check
from rim_plugin.options.reading import read_options

FILES = suite_files()
QUICK = [ROOT / 'options' / name for name in ('rim_demo.yml', 'baselines/srcnn.yml', 'test/bicubic.yml')]


def outcome(text, file, path):
    """The options that a mutated text is accepted as; None where it is refused, in one line."""
    path.write_text(text, encoding='utf-8', errors='surrogatepass')
    try:
        options = read_options(str(path))
        check(options, str(path), file.parent.name != 'test', look_for_files=False)
        return options
    except OptionsError as error:
        message = str(error)
        assert '\n' not in message and message.isprintable() and len(message) < 600, message
        return None


def walk(file, count, tmp_path, monkeypatch):
    """Mutations of a file, of which those that are accepted are not wrong; returns how many are."""
    monkeypatch.chdir(ROOT)
    right = read_options(str(file))
    chance = random.Random(zlib.crc32(file.name.encode()))
    accepted = 0
    for number in range(count):
        text = mutated_text(right, chance)
        with told(number, text):
            options = outcome(text, file, tmp_path / 'o.yml')
            if options is not None:
                accepted += 1
                assert list(wrong(right, options)) == []
    return accepted


@contextmanager
def told(number, text):
    """An error within the block names the mutation."""
    try:
        yield
    except BaseException as error:
        error.add_note(f'mutation {number}:\n{text}') if hasattr(error, 'add_note') else None
        raise


@pytest.mark.parametrize(
    'file', [pytest.param(QUICK[0], marks=pytest.mark.slow), *QUICK[1:]], ids=lambda file: file.stem
)
def test_a_few_mutations_are_refused_or_right(file, tmp_path, monkeypatch):
    assert walk(file, 12, tmp_path, monkeypatch) < 12


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize('file', FILES, ids=lambda file: file.relative_to(ROOT / 'options').as_posix())
def test_mutations_are_refused_or_right(file, tmp_path, monkeypatch, request):
    count = request.config.getoption('mutations')
    assert walk(file, count, tmp_path, monkeypatch) < count


@pytest.mark.parametrize(
    'change, reason',
    [
        ({'use_hflip': 'nein'}, 'a switch'),
        ({'use_tb_logger': [False]}, 'a switch'),
        ({'loss_weight': -1}, 'negative'),
        ({'loss_weight': [1]}, 'no number'),
        ({'total_iter': 0}, 'less than one'),
        ({'total_iter': 2.5}, 'not whole'),
        ({'amp': 'fp61'}, 'none of the choices'),
        ({'use_hflpi': True}, 'nobody reads'),
        ({'name': 'a/b'}, 'no name'),
        ({'lr': None}, 'empty'),
    ],
)
def test_the_rules_know_what_is_wrong(change, reason):
    right = {'use_hflip': True, 'use_tb_logger': True, 'loss_weight': 1, 'total_iter': 9, 'amp': 'none', 'name': 'x'}
    (line,) = wrong({**right, 'lr': 0.1}, {**right, 'lr': 0.1, **change})
    assert reason in line


def test_every_kind_of_mutation_changes_something():
    right = read_options(str(QUICK[0]))
    texts = [mutated_text(right, random.Random(seed)) for seed in range(40)]
    assert len({*texts}) > 35


def test_a_training_without_hallucination_needs_none_of_its_losses():
    right = {'train': {'phases': {'student': 2}, 'pixel_opt': {'type': 'L1Loss'}, 'lr': 0.1}}
    assert list(wrong(right, {'train': {'phases': {'student': 2}, 'lr': 0.1}})) == []
    assert len(list(wrong({'train': right['train'] | {'phases': {'fhn': 2}}}, {'train': {'phases': {'fhn': 2}}}))) == 2
