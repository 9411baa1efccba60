"""Options files with one change each, at random but from a fixed seed: refused in one line, or right."""

import json
import random
import zlib
from contextlib import contextmanager

import pytest
import torch
from support.mutations import mutated_text
from support.wrong_options import ROOT, suite_files, wrong

from rim_plugin.benchmark.settings import read_benchmark
from rim_plugin.building import build_network
from rim_plugin.errors import OptionsError
from rim_plugin.options.checking import check
from rim_plugin.options.reading import read_options
from rim_plugin.tools.background import load_background

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


def of_background(tmp_path):
    """A right options file for ``--background``."""
    block = {'type': 'SRVGGNetCompact', 'num_feat': 4, 'num_conv': 1, 'upscale': 4}
    weights = tmp_path / 'sr.pth'
    torch.save({'params': build_network(block).state_dict()}, weights)
    places = {'pretrain_network_g': str(weights), 'param_key_g': 'params', 'strict_load_g': True}
    (tmp_path / 'sr.yml').write_text(json.dumps({'network_g': block, 'path': places}))
    return tmp_path / 'sr.yml'


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    'kind', ['background', *sorted(file.name for file in (ROOT / 'options/benchmark').glob('*.yml'))]
)
def test_mutations_of_other_files_are_told_in_a_line(kind, tmp_path, monkeypatch, request):
    file = of_background(tmp_path) if kind == 'background' else ROOT / 'options/benchmark' / kind
    monkeypatch.chdir(ROOT)
    right, read = read_options(str(file)), load_background if kind == 'background' else read_benchmark
    if 'methods' not in right and kind != 'background':
        pytest.skip('a training beside the benchmark')
    chance = random.Random(zlib.crc32(file.name.encode()))
    for number in range(request.config.getoption('mutations')):
        text = mutated_text(right, chance)
        (tmp_path / 'o.yml').write_text(text, encoding='utf-8', errors='surrogatepass')
        with told(number, text):
            try:
                read(str(tmp_path / 'o.yml'))
            except OptionsError as error:
                assert '\n' not in str(error) and len(str(error)) < 600  # the command escapes what steers a terminal


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
