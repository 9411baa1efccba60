"""The typed blocks, and what is generated from them: schema.json and the reference page."""

import json
from pathlib import Path

import msgspec
import pytest
import yaml
from support.json_schema import errors
from support.scripts import load_script

from rim_plugin.errors import OptionsError
from rim_plugin.options import datasets, schema
from rim_plugin.options.conversion import convert, fields_of

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / 'options').rglob('*.yml'))
STRUCTS = [
    each
    for module in (schema, datasets)
    for each in vars(module).values()
    if isinstance(each, msgspec.StructMeta) and each.__name__ not in ('Struct', '_FaceTrain')
]
REQUIRED = {'total_iter': 10, 'scheduler': {'type': 'MultiStepLR'}}


@pytest.fixture(scope='module')
def make_schema():
    return load_script('make_schema')


def test_generated_files_are_current(make_schema):
    for path, text in make_schema.make_files().items():
        assert path.read_text(encoding='utf-8') == text, f'run scripts/make_schema.py: {path.name} is not current'


@pytest.mark.parametrize('file', FILES, ids=lambda f: f.relative_to(ROOT / 'options').as_posix())
def test_the_json_schema_accepts_the_files_of_this_project(file):
    whole = json.loads((ROOT / 'options/schema.json').read_text())
    assert errors(yaml.safe_load(file.read_text()), whole, whole) == []


@pytest.mark.parametrize(
    'options',
    [
        {'nam': 'a'},
        {'num_gpu': 'all'},
        {'train': {'total_itr': 3}},
        {'train': {'accumulate': 0}},
        {'train': {'amp': 'fp32'}},
        {'train': {'optim_g': 3}},
        {'val': {'batch_size': '3'}},
        {'path': {'pretrain_network_g': 3}},
        {'datasets': {'val': {'type': 'DrawnFaceDataset', 'sed': 1}}},
        {'datasets': {'val': {'type': 'FacePriorDataset', 'query_size': [0]}}},
        {'methods': {'a': {'titel': 'x'}}},
        {'methods': {}, 'query_sizes': ['half']},
    ],
)
def test_the_json_schema_refuses(options):
    whole = json.loads((ROOT / 'options/schema.json').read_text())
    assert errors(options, whole, whole)


@pytest.mark.parametrize('struct', STRUCTS, ids=lambda struct: struct.__name__)
def test_every_key_has_a_meaning_and_its_default_is_of_its_type(struct):
    assert struct.__doc__
    for field in msgspec.structs.fields(struct):
        meaning = fields_of(struct)[field.name].meaning
        assert meaning.endswith('.') and '\n' not in meaning, field.name
        if field.default is not msgspec.NODEFAULT:
            msgspec.convert(field.default, field.type)


def test_defaults_are_filled_in():
    train = convert(REQUIRED, schema.RIMTrain)
    assert (train.accumulate, train.amp, train.grad_clip, train.ema_decay) == (1, 'none', None, 0)
    assert (train.domain_interval, train.assistant_target, train.warmup_iter) == (1, 'sum', -1)
    assert train.channels_last and not train.compile and not train.start_from_teacher
    val = convert({'save_img': False}, schema.ValOptions)
    assert (val.batch_size, val.num_workers, val.num_pictures, val.pbar) == (16, 0, 8, False)
    assert (val.mirror, val.gallery, val.suffix, val.metrics) == (False, None, None, None)


def test_losses_and_optimizers_are_left_to_their_classes():
    blocks = {'pixel_opt': {'type': 'L1Loss'}, 'optim_g': {'type': 'Adam', 'lr': 1}}
    assert convert({**REQUIRED, **blocks}, schema.RIMTrain) == convert(REQUIRED, schema.RIMTrain)


@pytest.mark.parametrize(
    'block, message',
    [
        ({'total_iter': 10}, r'o.yml: train.scheduler: missing \(Course of the learning rate'),
        ({**REQUIRED, 'acumulate': 1}, "o.yml: train.acumulate: unknown key; did you mean 'accumulate'\\?"),
        ({**REQUIRED, 'accumulate': 0}, 'o.yml: train.accumulate: 0 is not a whole number of at least 1'),
        ({**REQUIRED, 'phases': {'fhn': 'x'}}, "o.yml: train.phases.fhn: 'x' is not a whole number of at least 1"),
        ({**REQUIRED, 'amp': 'bf61'}, "'bf61' is not one of none, bf16, fp16; did you mean 'bf16'"),
    ],
)
def test_errors_name_file_and_key(block, message):
    with pytest.raises(OptionsError, match=message):
        convert(block, schema.RIMTrain, 'o.yml', 'train')


def test_blocks_within_blocks_are_typed():
    options = {'name': 'a', 'methods': {'one': {'options': 'x.yml'}, 'two': None}}
    benchmark = convert(options, schema.BenchmarkOptions)
    assert benchmark.methods['one'].tables == ['sr', 'recognition'] and benchmark.methods['two'] is None
    assert (benchmark.mirror, benchmark.pictures, benchmark.query_sizes) == (False, 4, [28])
    with pytest.raises(OptionsError, match=r"methods.one.tables: \['st'\] is not a list, each one of sr, recognition"):
        convert({'name': 'a', 'methods': {'one': {'options': 'x', 'tables': ['st']}}}, schema.BenchmarkOptions)
