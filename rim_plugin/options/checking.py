"""Checks a whole options file before anything is created on disk.

Keys and types of blocks come from :mod:`rim_plugin.options.schema`, those of blocks with a ``type`` from that class's
constructor. What a model or dataset reads, it declares in class attributes:

* models: ``train_options`` and ``val_options``, structs; ``loss_terms()`` and ``optimizer_letters()``, the names
  in ``NAME_opt`` and ``optim_NAME``; ``network_arguments``, network to arguments that the model works out itself;
  ``metric_types``, metrics by name that it builds in place of the registry's; ``remedies``, a key of ``path`` to what
  helps where its file is absent; ``check_options(options, is_train, item)``, what else it needs, which raises
  ValueError, item being the first of the training data or None;
* datasets: ``options_type``, a struct; their constructors raise ValueError or OSError where the data are not right.

Those that declare nothing may read any key: there a key is only an error when it looks like a known one.
"""

import argparse
import os
from collections import Counter
from collections.abc import Collection, Mapping
from importlib.util import find_spec
from typing import Any, Literal

import msgspec
import torch

from rim_plugin.errors import first_words, shown
from rim_plugin.options.arguments import check_built, optimizer_types, registered, scheduler_types
from rim_plugin.options.conversion import (
    Field,
    Place,
    check_block,
    check_present,
    convert_value,
    fields_of,
    require_block,
    require_finite,
)
from rim_plugin.options.datasets import BASICSR_ROOTS, BasicSRDatasetOptions, require_batch
from rim_plugin.options.kinds import Count, NotNegative
from rim_plugin.options.reading import read_options
from rim_plugin.options.schema import BasicSRVal, LoggerOptions, NetworkPathOptions, Options, PathOptions, TrainOptions
from rim_plugin.randomness import SampleIndex

from basicsr.utils.file_client import FileClient
from basicsr.utils.registry import ARCH_REGISTRY, DATASET_REGISTRY, LOSS_REGISTRY, METRIC_REGISTRY, MODEL_REGISTRY

_LONGEST_NAME = 200  # bytes; file systems allow 255, and BasicSR adds a date
_FILES = ('dataroot', 'meta_info_file', 'identities')  # beginnings of keys that name files


def check(
    options: Mapping[str, Any], file: str, is_train: bool, auto_resume: bool = False, look_for_files: bool = True
) -> None:
    """Check a whole options tree.

    Args:
        options: as read from the file.
        file: its name, for the messages.
        is_train: training, or test.
        auto_resume: then ``path.resume_state`` is not used and may be missing.
        look_for_files: whether data and weights have to be there.

    Raises:
        OptionsError: ``FILE: train.pixel_opt.reductoin: unknown key; did you mean 'reduction'?``
    """
    _Checker(file, look_for_files).check(options, is_train, auto_resume)


def check_dataset(block: Mapping[str, Any], path: str, file: str, look_for_files: bool = True) -> None:
    """Check the block of one dataset, which stands at ``path`` in ``file``; raises as :func:`check`."""
    _Checker(file, look_for_files).dataset(block, Place(file, path), needed={'type': ''})


def check_command(argv: list[str], forced: Collection[str], is_train: bool) -> str | None:
    """Check the options file that ``argv`` names, and return its path; without ``-opt``, BasicSR's own parser says
    what is missing.

    Raises:
        OptionsError: see :func:`check`.
    """
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument('-opt')
    parser.add_argument('--auto_resume', action='store_true')
    args, _ = parser.parse_known_args(argv[1:])
    if args.opt is not None and '-h' not in argv and '--help' not in argv:
        check(read_options(args.opt, forced), args.opt, is_train, args.auto_resume)
    return args.opt


class _Checker:
    def __init__(self, file: str, look_for_files: bool = True) -> None:
        self.root, self.look_for_files = Place(file), look_for_files

    def check(self, options: Mapping[str, Any], is_train: bool, auto_resume: bool) -> None:
        root = self.root
        needed = ('train', 'logger') if is_train else ('val',)
        check_present(options, {'model_type': '', **dict.fromkeys(needed, '')}, root)
        model = registered(MODEL_REGISTRY, 'model', options['model_type'], root / 'model_type')
        networks = [key for key in options if key.startswith('network_')]
        fields = {**fields_of(Options), **dict.fromkeys(networks, Field())}
        check_block(options, fields, root, strict=hasattr(model, 'train_options'))
        require_folder_name(options['name'], root / 'name')
        worked_out = getattr(model, 'network_arguments', {})
        for key in networks:
            check_built(options[key], ARCH_REGISTRY, 'network', root / key, optional=worked_out.get(key, ()))
        self.datasets(options['datasets'], root / 'datasets', is_train)
        item = self.data(options, root / 'datasets')
        self.path(options['path'], root / 'path', networks, model, auto_resume)
        if is_train:
            self.train(options['train'], root / 'train', model)
            self.logger(options, root / 'logger')
        if options.get('val') is not None or not is_train:
            self.val(options['val'], root / 'val', model, is_train)
        require_finite(options, root)
        try:
            getattr(model, 'check_options', lambda *_: None)(options, is_train, item)
        except ValueError as error:
            raise root.error(str(error)) from error

    def datasets(self, datasets: Mapping[str, Any], place: Place, is_train: bool) -> None:
        check_present(datasets, {'train': ''} if is_train else {}, place)
        for phase, block in datasets.items():
            if phase.split('_')[0] not in ('train', 'val', 'test'):
                raise (place / phase).error("has to be train, val, test, or to begin with 'val_' or 'test_'")
            needed = ('type', 'name', *(('batch_size_per_gpu', 'num_worker_per_gpu') if phase == 'train' else ()))
            self.dataset(block, place / phase, dict.fromkeys(needed, ''))

            require_folder_name(block['name'], place / phase / 'name')
        names = Counter(block['name'] for phase, block in datasets.items() if phase != 'train')
        if names and names.most_common(1)[0][1] > 1:
            raise place.error(f'two have the name {names.most_common(1)[0][0]!r}, under which results are kept')

    def data(self, options: Mapping[str, Any], place: Place) -> Any:
        """Make the datasets that declare their options, where files are looked for; the first item to train on."""
        item = None
        for phase, block in options['datasets'].items() if self.look_for_files else ():
            cls = registered(DATASET_REGISTRY, 'dataset', block['type'], place / phase / 'type')
            if not hasattr(cls, 'options_type'):
                continue
            ranks = int(os.environ.get('WORLD_SIZE', 1))
            batch = block.get('batch_size_per_gpu', 1) * ranks  # divided by the draws of probe sizes
            given = {**block, 'phase': phase.split('_')[0], 'batch_size_per_gpu': batch}
            try:
                dataset = cls({**given, 'scale': options['scale']} if options.get('scale') else given)
                if phase == 'train':
                    require_batch(len(dataset), block, ranks)
                    item = dataset[SampleIndex(0, 0, 0)]
            except (OSError, ValueError) as error:
                raise (place / phase).error(str(error)) from None
        return item

    def dataset(self, block: object, place: Place, needed: Mapping[str, str]) -> None:
        block = require_block(block, place)
        check_present(block, needed, place)
        cls = registered(DATASET_REGISTRY, 'dataset', block['type'], place / 'type')
        struct = getattr(cls, 'options_type', None)
        check_block(block, fields_of(struct or BasicSRDatasetOptions), place, strict=struct is not None)
        check_present(block, dict.fromkeys(BASICSR_ROOTS.get(cls.__name__, ()), ''), place)
        for key, value in block.items():
            if key.startswith(_FILES) and value is not None:
                for path in value if isinstance(value, list) else [value]:
                    self.exists(path, place / key)
        kind = block['io_backend'].get('type') if block.get('io_backend') else 'disk'
        registered(FileClient._backends, 'backend', kind, place / 'io_backend' / 'type')

    def exists(self, value: str, place: Place, remedy: str = '', folders: bool = True) -> None:
        path = os.path.expanduser(value)
        if self.look_for_files and not os.path.exists(path):
            raise place.error(f'{value}: no such file or folder (from {os.getcwd()}){remedy}')
        if self.look_for_files and not folders and os.path.isdir(path):
            raise place.error(f'{value}: a folder; name a file in it')

    def path(self, block: Mapping[str, Any], place: Place, networks: list[str], model: type, auto_resume: bool) -> None:
        labels = [key.removeprefix('network_') for key in networks]
        own = {f'{key}_{label}': field for key, field in fields_of(NetworkPathOptions).items() for label in labels}
        check_block(block, {**fields_of(PathOptions), **own}, place, strict=hasattr(model, 'train_options'))
        for key, value in block.items():
            if value is not None and (key.startswith('pretrain_') or key == 'resume_state' and not auto_resume):
                self.exists(value, place / key, getattr(model, 'remedies', {}).get(key, ''), folders=False)

    def train(self, block: object, place: Place, model: Any) -> None:
        block = require_block(block, place)
        declared = getattr(model, 'train_options', None)
        fields = fields_of(declared or TrainOptions)
        losses = {key for key, value in block.items() if key.endswith('_opt')} - fields.keys()
        # a model that declares its options says what it needs, or has a default
        optimizers = {key for key in block if key.startswith('optim_') and not (declared and block[key] is None)}
        known = losses | optimizers
        if declared is not None:
            known = {f'{name}_opt' for name in model.loss_terms()} | {
                f'optim_{name}' for name in model.optimizer_letters()
            }
        else:
            fields = {key: field._replace(required=key == 'total_iter') for key, field in fields.items()}
        check_block(block, {**dict.fromkeys(known, Field()), **fields}, place, strict=declared is not None)
        for key in sorted(losses):
            if block[key] is not None and (declared is not None or isinstance(block[key], dict)):
                check_built(block[key], LOSS_REGISTRY, 'loss', place / key)
        for key in sorted(optimizers):
            check_built(block[key], optimizer_types(), 'optimizer', place / key, given=('params',), signed=False)
            check_present(block[key], {'lr': 'learning rate'}, place / key)
        if block.get('scheduler') is not None:
            where = place / 'scheduler'
            given = ('optimizer', 'last_epoch')
            check_built(block['scheduler'], scheduler_types(), 'scheduler', where, given, signed=False)
            _check_length(block['scheduler'], where, block['total_iter'])
            _check_solvers({key: block[key] for key in optimizers}, block['scheduler'], place)

    def logger(self, options: Mapping[str, Any], place: Place) -> None:
        logger: LoggerOptions = convert_value(options['logger'], LoggerOptions, place)
        if not self.look_for_files or 'debug' in options['name']:  # of such a name BasicSR writes for neither
            return
        if logger.use_tb_logger and find_spec('tensorboard') is None:
            raise (place / 'use_tb_logger').error('needs the package tensorboard: pip install it, or set false')
        if logger.wandb is None or logger.wandb.project is None:
            return
        if not logger.use_tb_logger:
            raise (place / 'use_tb_logger').error('wandb shows what is written for TensorBoard: set true')
        if find_spec('wandb') is None:
            raise (place / 'wandb').error('needs the package wandb: pip install it, or set project to ~')

    def val(self, block: object, place: Place, model: type, is_train: bool) -> None:
        declared: type[msgspec.Struct] | None = getattr(model, 'val_options', None)
        fields = fields_of(declared or BasicSRVal)
        if is_train:
            fields['val_freq'] = Field(Count, required=True)
        values = check_block(block, fields, place, strict=declared is not None)
        for name, metric in (values.get('metrics') or {}).items():
            where = place / 'metrics' / name
            if isinstance(metric, dict) and 'better' in metric:  # BasicSR wants to know it, not the metric
                convert_value(metric['better'], Literal['higher', 'lower'], where / 'better')
                metric = {key: value for key, value in metric.items() if key != 'better'}
            known = {**dict(iter(METRIC_REGISTRY)), **getattr(model, 'metric_types', {})}
            check_built(metric, known, 'metric', where, given=('data', 'img', 'img2'))


def require_folder_name(name: object, place: Place) -> None:
    """OptionsError where a name is none of a folder."""
    if (
        not isinstance(name, str)
        or name in ('', '.', '..')
        or {'/', os.sep} & set(name)
        or not name.isprintable()
        or name != name.strip()
    ):
        raise place.error(f'{shown(name)} is no name of a folder, without / in it')
    if len(name.encode()) > _LONGEST_NAME:
        raise place.error(f'{shown(name)} is too long for the name of a folder')


def _check_length(scheduler: Mapping[str, Any], place: Place, total_iter: int) -> None:
    """That a schedule lasts for all iterations: BasicSR and torch find out in the first one after its end."""
    if scheduler['type'] == 'OneCycleLR' and scheduler.get('total_steps', 0) < total_iter:
        raise (place / 'total_steps').error(f'set it to train.total_iter, {total_iter}, or more')
    if scheduler['type'] != 'CosineAnnealingRestartLR':
        return
    periods, weights = scheduler['periods'], scheduler.get('restart_weights', (1,))
    for key, value in (('periods', periods), ('restart_weights', weights)):
        convert_value(value, list[NotNegative], place / key)
    if len(periods) != len(weights):
        raise (place / 'restart_weights').error(f'{len(weights)} for {len(periods)} periods; one for each')
    if sum(periods) < total_iter:
        raise (place / 'periods').error(f'they add up to {sum(periods)}, less than train.total_iter, {total_iter}')


def _check_solvers(optimizers: Mapping[str, Mapping[str, Any]], scheduler: Mapping[str, Any], place: Place) -> None:
    """That optimizers and their scheduler accept their arguments, and step, on a weight of its own."""
    course = {key: value for key, value in scheduler.items() if key != 'type'}
    for key, block in optimizers.items():
        rates = {name: value for name, value in block.items() if name != 'type'}
        try:
            optimizer: Any = optimizer_types()[block['type']]
            weight = torch.zeros(1, 1, requires_grad=True)
            optimizer = optimizer([weight], **rates)
        except (ValueError, TypeError, RuntimeError) as error:
            raise (place / key).error(first_words(error)) from None
        weight.grad = torch.ones(1, 1)
        try:
            optimizer.step()
        except (TypeError, RuntimeError) as error:  # LBFGS, SparseAdam
            raise (place / key).error(f'{block["type"]} cannot step in a training ({first_words(error)})') from None
        try:
            scheduler_types()[scheduler['type']](optimizer, **course)
        except (ValueError, TypeError, ZeroDivisionError) as error:
            raise (place / 'scheduler').error(f'{first_words(error)} ({key}: {block["type"]})') from None
