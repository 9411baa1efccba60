"""Writes options/schema.json (completion in editors) and docs/options.md from rim_plugin/options/schema.py."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

import rim_plugin  # noqa: F401  registers the datasets
from rim_plugin.options import datasets as dataset_options
from rim_plugin.options import schema
from rim_plugin.options.conversion import fields_of, words

from basicsr.utils.registry import DATASET_REGISTRY

ROOT = Path(__file__).parents[1]
TRAIN = (schema.TrainOptions, schema.RIMTrain, schema.BaselineTrain, schema.BaselineGANTrain)
TYPED = {'type': 'object', 'properties': {'type': {'type': ['string', 'null']}}}  # a class's constructor has the others
BASES = {'_base_': {'description': 'File, or files, whose keys this one takes over; a later one wins.'}}

DELETE = {'_delete_': {'type': 'boolean', 'description': "Replace the base's block instead of adding to it."}}

Json = dict[str, Any]
Struct = type[msgspec.Struct]


def datasets() -> dict[str, Struct]:
    """Options of our datasets, by name."""
    known = dict(iter(DATASET_REGISTRY))
    ours = {name: cls for name, cls in sorted(known.items()) if cls.__module__.startswith('rim_plugin.')}
    return {name: cls.options_type for name, cls in ours.items()}


def definitions() -> dict[str, Json]:
    """JSON schema of every struct. Nothing is required, since a base may have it, and ~ takes anything away."""
    structs = [*TRAIN, schema.ValOptions, schema.LoggerOptions, schema.Options, schema.BenchmarkOptions]
    structs += [schema.PathOptions, schema.NetworkPathOptions, *datasets().values()]
    _, found = msgspec.json.schema_components(structs, ref_template='#/$defs/{name}')
    return {name: _relaxed(found[name]) for name in sorted(found)}


def _relaxed(struct: Json) -> Json:
    properties = {key: _or_null(_open(value)) for key, value in struct['properties'].items()}
    return {
        'type': 'object',
        'description': struct.get('description', ''),
        'properties': {**properties, **DELETE},
        'additionalProperties': False,
    }


def _open(value: Json) -> Json:
    """A block of any keys may say ``_delete_``, too, and be empty where the base is not."""
    if 'anyOf' in value:
        return {**value, 'anyOf': [_open(each) for each in value['anyOf']]}
    if isinstance(value.get('additionalProperties'), dict):
        return {**value, 'properties': DELETE, 'additionalProperties': _or_null(value['additionalProperties'])}
    return value


def _or_null(value: Json) -> Json:
    kept: Json = {key: value[key] for key in ('description', 'default') if key in value}
    rest = {key: each for key, each in value.items() if key not in kept}
    return {**kept, 'anyOf': [rest, {'type': 'null'}]} if rest else kept


def make_schema() -> Json:
    """The schema of all files under options/."""
    defs = definitions()
    train: Json = {key: value for struct in TRAIN for key, value in defs.pop(struct.__name__)['properties'].items()}
    nullable = {'anyOf': [TYPED, {'type': 'null'}]}
    defs['train'] = {
        'type': 'object',
        'properties': train,
        'patternProperties': {'^optim_': nullable, '_opt$': nullable},
        'additionalProperties': False,
    }
    defs['dataset'] = {
        'type': 'object',
        'properties': {'type': {'type': 'string'}},
        'allOf': [
            {
                'if': {'properties': {'type': {'const': name}}, 'required': ['type']},
                'then': {'$ref': f'#/$defs/{struct.__name__}'},
            }
            for name, struct in datasets().items()
        ],
    }
    path, per_network = defs['PathOptions'], defs.pop('NetworkPathOptions')['properties']
    path['patternProperties'] = {f'^{key}_': value for key, value in per_network.items() if key[0] != '_'}
    run, benchmark = defs.pop('Options'), defs['BenchmarkOptions']
    sets = {'anyOf': [{'type': 'object', 'additionalProperties': _or_null(_ref('dataset'))}, {'type': 'null'}]}
    run['properties'].update(BASES, datasets=sets, **{key: _or_null(_ref(name)) for key, name in _BLOCKS.items()})
    run['patternProperties'] = {'^network_': nullable}
    benchmark['properties'].update(BASES, sr_sets=sets, pair_sets=sets)
    defs['run'] = run
    return {
        '$schema': 'https://json-schema.org/draft/2020-12/schema',
        'title': 'Options of the RIM plugin for BasicSR',
        'if': {'anyOf': [{'required': [key]} for key in ('methods', 'pair_sets', 'robustness')]},
        'then': _ref('BenchmarkOptions'),
        'else': _ref('run'),
        '$defs': defs,
    }


_BLOCKS = {'train': 'train', 'val': 'ValOptions', 'logger': 'LoggerOptions', 'path': 'PathOptions'}


def _ref(name: str) -> Json:
    return {'$ref': f'#/$defs/{name}'}


def make_page() -> str:
    """The reference page."""
    return '\n'.join(_page()) + '\n'


_INTRODUCTION = """\
# Options

Made by `scripts/make_schema.py` from `rim_plugin/options/`; do not edit.

An options file is YAML. `_base_: OTHER.yml`, or a list of files of which the later wins, takes over the keys of others;
a block with `_delete_: true` replaces that of the base. `~` takes networks, datasets, metrics, losses and optimizers
away. On the command line, `--force_yml train:total_iter=1000` changes a key, `train:domain_opt=null` takes a block
away. [components.md](components.md) says what may stand in the place of which part.

Networks (`network_*`), losses (`*_opt`), optimizers (`optim_*`), `scheduler` and metrics are blocks with a `type`;
their other keys are the arguments of that class, which its docstring explains."""


def _page() -> Iterator[str]:
    yield _INTRODUCTION
    sections: list[tuple[str, Struct, Struct | None]] = [
        ('A whole file', schema.Options, None),
        ('`path`', schema.PathOptions, None),
        ('`path`, for each network', schema.NetworkPathOptions, None),
        ('`train`', schema.TrainOptions, None),
        ('`train` of RIMModel', schema.RIMTrain, schema.TrainOptions),
        ('`train` of BaselineModel', schema.BaselineTrain, schema.TrainOptions),
        ('`train` of BaselineGANModel', schema.BaselineGANTrain, schema.TrainOptions),
        ('`val`', schema.BaselineVal, None),
        ('`val` of RIMModel', schema.ValOptions, schema.BaselineVal),
        ('`logger`', schema.LoggerOptions, None),
        ('`dist_params`', schema.DistOptions, None),
        ('Every dataset', dataset_options.DatasetOptions, None),
        *((name, struct, dataset_options.DatasetOptions) for name, struct in datasets().items()),
        ('An item of `more` of FacePriorDataset', dataset_options.FurtherFaces, None),
        ('`augment` of FacePriorDataset', dataset_options.AugmentOptions, None),
        ('`degradation` of a dataset', dataset_options.DegradationOptions, None),
        *(
            (f'`degradation.{field.name}`', field.type.__origin__, None)
            for field in msgspec.structs.fields(dataset_options.DegradationOptions)
            if isinstance(field.default, msgspec.Struct)
        ),
        ('A benchmark', schema.BenchmarkOptions, None),
        ('A method of a benchmark', schema.MethodOptions, None),
    ]
    for title, struct, parent in sections:
        yield from _table(title, struct, parent)


def _table(title: str, struct: Struct, parent: Struct | None) -> Iterator[str]:
    known = fields_of(parent) if parent else {}
    yield from ('', f'## {title}', '', '| key | type | default | meaning |', '|---|---|---|---|')
    for field in msgspec.structs.fields(struct):
        if field.name not in known:
            meaning = fields_of(struct)[field.name].meaning.replace('|', r'\|')
            kind = words(field.type) + (' or ~' if _may_be_empty(field.type) else '')
            yield f'| `{field.name}` | {kind} | {_default(field)} | {meaning} |'


def _may_be_empty(annotation: Any) -> bool:
    try:
        msgspec.convert(None, annotation)
    except msgspec.ValidationError:
        return False
    return True


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return 'required'
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    if isinstance(value, msgspec.Struct):
        return '`{}`'
    text = '~' if value is None else value if isinstance(value, str) else json.dumps(value)
    return f'`{text}`'


def make_files() -> dict[Path, str]:
    """Path to text of both files."""
    return {
        ROOT / 'options/schema.json': json.dumps(make_schema(), indent=1) + '\n',
        ROOT / 'docs/options.md': make_page(),
    }


if __name__ == '__main__':
    for path, text in make_files().items():
        path.write_text(text, encoding='utf-8')
