"""Checks options against what is registered and what constructors take, before anything is created on disk.

A misspelt key is found by comparing with the constructor's signature (networks, losses, metrics, optimizers,
schedulers), with the class attributes ``option_keys``, ``train_keys`` and ``val_keys`` of our models and datasets (and ``inner_blocks``
of networks within which are others), and with BasicSR's own names. Models and datasets that declare no keys may read any: there a key is only an error when it
looks like a known one.
"""

import argparse
import difflib
import inspect
import os
import re

from rim_plugin.errors import OptionsError, did_you_mean
from rim_plugin.options.reading import optimizer_types, read_options

from basicsr.models import lr_scheduler
from basicsr.utils.file_client import FileClient
from basicsr.utils.registry import ARCH_REGISTRY, DATASET_REGISTRY, LOSS_REGISTRY, METRIC_REGISTRY, MODEL_REGISTRY

_TOP = {
    'name',
    'model_type',
    'scale',
    'num_gpu',
    'manual_seed',
    'datasets',
    'path',
    'train',
    'val',
    'logger',
    'dist_params',
    'find_unused_parameters',
}
_TRAIN = {'total_iter', 'warmup_iter', 'scheduler', 'ema_decay'}
_VAL = {'val_freq', 'save_img', 'metrics', 'pbar', 'suffix'}
_LOGGER = {'print_freq', 'save_checkpoint_freq', 'use_tb_logger', 'wandb'}
_PATH = {'resume_state', 'ignore_resume_networks'}
_DATASET = {
    'name',
    'type',
    'phase',
    'scale',
    'mode',
    'batch_size_per_gpu',
    'num_worker_per_gpu',
    'use_shuffle',
    'io_backend',
    'dataset_enlarge_ratio',
    'prefetch_mode',
    'num_prefetch_queue',
    'pin_memory',
    'persistent_workers',
    'use_hflip',
    'use_rot',
    'gt_size',
    'filename_tmpl',
    'dataroot_gt',
    'dataroot_lq',
    'meta_info_file',
    'color',
    'mean',
    'std',
}
_SCHEDULERS = {
    'MultiStepLR': lr_scheduler.MultiStepRestartLR,
    'MultiStepRestartLR': lr_scheduler.MultiStepRestartLR,
    'CosineAnnealingRestartLR': lr_scheduler.CosineAnnealingRestartLR,
}


def check(options, file, is_train, auto_resume=False):
    """Check a whole options tree.

    Args:
        options (dict): as read from the file.
        file (str): its name, for the messages.
        is_train (bool): training, or test.
        auto_resume (bool): then ``path.resume_state`` is not used and may be missing.

    Raises:
        OptionsError: ``FILE: train.pixel_opt.reductoin: unknown key; did you mean 'reduction'?``
    """
    _Checker(file).check(options, is_train, auto_resume)


def check_dataset(block, path, file):
    """Check the block (dict) of one dataset, which stands at ``path`` in ``file``; raises as :func:`check`."""
    checker = _Checker(file)
    checker.require(block, f'{path}.', {'type'})
    checker.dataset(block, path)


class _Checker:
    def __init__(self, file):
        self.file = file

    def check(self, options, is_train, auto_resume):
        needed = {'train', 'logger'} if is_train else {'val'}
        self.require(options, '', {'name', 'model_type', 'num_gpu', 'datasets', 'path'} | needed)
        model = self.registered(MODEL_REGISTRY, 'model', options['model_type'], 'model_type')
        networks = [key for key in options if key.startswith('network_')]
        self.declared(options, '', _TOP | set(networks), model, 'option_keys')
        by_model = set(re.findall(r'\w+', _source(model)))  # a model may give its networks arguments that it works out
        for name in networks:
            self.built(options[name], name, ARCH_REGISTRY, 'network', optional=by_model)
        self.datasets(self.block(options, 'datasets'), is_train)
        self.path(self.block(options, 'path'), networks, model, auto_resume)
        if is_train:
            self.train(self.block(options, 'train'), model)
            self.logger(self.block(options, 'logger'))
        if options.get('val') is not None:
            self.val(self.block(options, 'val'), model, is_train)

    def fail(self, path, message):
        raise OptionsError(f'{self.file}: {path}: {message}')

    def block(self, options, key, path=None):
        if not isinstance(options[key], dict):
            self.fail(path or key, 'has to be a block of keys')
        return options[key]

    def require(self, block, path, keys):
        for key in sorted(keys):
            if key not in block:
                near = difflib.get_close_matches(key, set(block) - keys, 1)
                self.fail(f'{path}{key}', f"missing; is '{near[0]}' a misspelling of it?" if near else 'missing')

    def known(self, block, path, known, strict=True):
        """Unknown keys are errors; if not ``strict``, only those that look like a known name."""
        for key in block:
            if key not in known and (strict or difflib.get_close_matches(str(key), known, 1, 0.8)):
                self.fail(f'{path}{key}', f'unknown key{did_you_mean(key, known)}')

    def declared(self, block, path, known, cls, attribute):
        """As ``known``: strict if the class declares its keys, else with all the names in its source added."""
        keys = getattr(cls, attribute, None)
        self.known(block, path, known | set(_names_in_source(cls) if keys is None else keys), strict=keys is not None)

    def registered(self, registry, kind, name, path):
        names = [key.removesuffix('_basicsr') for key in registry.keys()]
        if not isinstance(name, str) or name not in registry and name not in names:
            self.fail(path, f'unknown {kind} {name!r}{did_you_mean(name, names)}')
        return dict(iter(registry))[name if name in registry else f'{name}_basicsr']

    def built(self, block, path, registry, kind, given=(), optional=frozenset()):
        """A block with a ``type`` from a registry; the other keys are the arguments of its constructor."""
        if not isinstance(block, dict):
            self.fail(path, 'has to be a block with a type')
        self.require(block, f'{path}.', {'type'})
        self.arguments(block, path, self.registered(registry, kind, block['type'], f'{path}.type'), given, optional)

    def arguments(self, block, path, function, given=(), optional=frozenset()):
        """Besides ``type``, the parameters of ``function``; ``given`` come from BasicSR, ``optional`` may come from
        elsewhere."""
        parameters = inspect.signature(function).parameters.values()
        named = {
            p.name: p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) and p.name not in given
        }
        values = {key: value for key, value in block.items() if key != 'type'}
        self.known(values, f'{path}.', set(named), strict=not any(p.kind == p.VAR_KEYWORD for p in parameters))
        needed = {name for name, p in named.items() if p.default is p.empty}
        self.require(values, f'{path}.', needed - optional)
        for key, inner in getattr(function, 'inner_blocks', {}).items():
            if isinstance(values.get(key), dict):
                self.inner(values[key], f'{path}.{key}', inner)
        for key, value in values.items():
            default = named[key].default if key in named else None
            if isinstance(value, str) and isinstance(default, (int, float)) and not isinstance(default, bool):
                self.fail(f'{path}.{key}', f'{value!r} is a text, a number is expected')

    def inner(self, block, path, cls):
        """Arguments of a network within a network, some of which the outer one gives; where ``cls`` is a dict, the block
        names the type, one of these, the first by default, or a registered one."""
        if isinstance(cls, dict):
            self.require(block, f'{path}.', set() if cls else {'type'})
            kind = block.get('type', next(iter(cls), None))
            cls = cls.get(kind) or self.registered(ARCH_REGISTRY, 'network', kind, f'{path}.type')
        self.arguments(block, path, cls, optional=set(inspect.signature(cls).parameters))

    def datasets(self, datasets, is_train):
        self.require(datasets, 'datasets.', {'train'} if is_train else set())
        for phase, block in datasets.items():
            path = f'datasets.{phase}'
            if phase.split('_')[0] not in ('train', 'val', 'test'):
                self.fail(path, "has to be train, val, test, or to begin with 'val_' or 'test_'")
            self.block(datasets, phase, path)
            needed = {'batch_size_per_gpu', 'num_worker_per_gpu'} if phase == 'train' else set()
            self.require(block, f'{path}.', {'type', 'name'} | needed)
            self.dataset(block, path)

    def dataset(self, block, path):
        cls = self.registered(DATASET_REGISTRY, 'dataset', block['type'], f'{path}.type')
        self.declared(block, f'{path}.', _DATASET, cls, 'option_keys')
        needed = getattr(cls, 'option_keys', None) or re.findall(r"opt\['(\w+)'\]", _source(cls))
        self.require(block, f'{path}.', {key for key in needed if key in ('dataroot_gt', 'dataroot_lq')})
        for key, value in block.items():
            if key.startswith(('dataroot', 'meta_info_file', 'identities')) and value is not None:
                self.exists(value, f'{path}.{key}')
        if 'io_backend' in block:
            kind, kinds = self.block(block, 'io_backend', f'{path}.io_backend').get('type'), FileClient._backends
            if kind not in kinds:
                self.fail(f'{path}.io_backend.type', f'unknown backend {kind!r}{did_you_mean(kind, kinds)}')

    def exists(self, value, path):
        if not os.path.exists(os.path.expanduser(str(value))):
            self.fail(path, f'{value}: no such file or folder (from {os.getcwd()})')

    def path(self, block, networks, model, auto_resume):
        labels = [name.removeprefix('network_') for name in networks]
        kinds = ('pretrain_network', 'strict_load', 'param_key')
        known = _PATH | {f'{kind}_{label}' for label in labels for kind in kinds}
        self.known(block, 'path.', known | {name for name in _names_in_source(model) if name.startswith('pretrain_')})
        for key, value in block.items():
            if value is not None and (key.startswith('pretrain_network') or key == 'resume_state' and not auto_resume):
                self.exists(value, f'path.{key}')

    def train(self, block, model):
        self.require(block, 'train.', {'total_iter'})
        losses = {
            key for key, value in block.items() if key.endswith('_opt') and isinstance(value, dict) and 'type' in value
        }
        optimizers = {key for key in block if key.startswith('optim_')}
        wild = set() if hasattr(model, 'train_keys') else losses | optimizers
        self.declared(block, 'train.', _TRAIN | wild, model, 'train_keys')
        for key in sorted(losses):
            self.built(block[key], f'train.{key}', LOSS_REGISTRY, 'loss')
        for key in sorted(optimizers):
            optimizer = self.chosen(block, f'train.{key}', 'optimizer', optimizer_types(), 'params')
            self.require(optimizer, f'train.{key}.', {'lr'})
        if 'scheduler' in block:
            self.schedule(self.chosen(block, 'train.scheduler', 'scheduler', _SCHEDULERS, 'optimizer'), block)

    def schedule(self, scheduler, train):
        """BasicSR finds out in the first iteration after the last period, perhaps after hours."""
        if scheduler['type'] != 'CosineAnnealingRestartLR':
            return
        periods, weights = scheduler['periods'], scheduler.get('restart_weights', (1,))
        for key, value in (('periods', periods), ('restart_weights', weights)):
            if not isinstance(value, (list, tuple)) or not all(isinstance(each, (int, float)) for each in value):
                self.fail(f'train.scheduler.{key}', f'{value!r} is no list of numbers')
        if len(periods) != len(weights):
            self.fail('train.scheduler.restart_weights', f'{len(weights)} for {len(periods)} periods; one for each')
        if sum(periods) < train['total_iter']:
            self.fail(
                'train.scheduler.periods',
                f'they add up to {sum(periods)}, less than train.total_iter, {train["total_iter"]}',
            )

    def chosen(self, parent, path, kind, types, given):
        """A block with a ``type`` out of ``types`` and that class's arguments except ``given``. Returns the block."""
        block = self.block(parent, path.rsplit('.')[-1], path)
        self.require(block, f'{path}.', {'type'})
        if block['type'] not in types:
            self.fail(f'{path}.type', f'unknown {kind} {block["type"]!r}{did_you_mean(block["type"], types)}')
        self.arguments(block, path, types[block['type']], (given,))
        return block

    def logger(self, block):
        self.known(block, 'logger.', _LOGGER)
        self.require(block, 'logger.', _LOGGER - {'wandb'})
        if block.get('wandb') is not None:
            self.known(self.block(block, 'wandb', 'logger.wandb'), 'logger.wandb.', {'project', 'resume_id'})

    def val(self, block, model, is_train):
        self.declared(block, 'val.', _VAL, model, 'val_keys')
        self.require(block, 'val.', {'save_img'} | ({'val_freq'} if is_train else set()))
        if block.get('metrics') is not None:
            for name, metric in self.block(block, 'metrics', 'val.metrics').items():
                path = f'val.metrics.{name}'
                if isinstance(metric, dict):  # which of two values is better, BasicSR wants to know, not the metric
                    metric = {key: value for key, value in metric.items() if key != 'better'}
                self.built(metric, path, METRIC_REGISTRY, 'metric', given=('data', 'img', 'img2'))


def _source(cls):
    """Source text of a class and its parents, as far as there is any."""
    texts = []
    for part in inspect.getmro(cls):
        try:
            texts.append(inspect.getsource(part))
        except (OSError, TypeError):  # built in
            continue
    return '\n'.join(texts)


def _names_in_source(cls):
    """Every quoted name in a class: a superset of the option keys that it reads."""
    return re.findall(r"""['"](\w+)['"]""", _source(cls))


def check_command(argv, forced, is_train):
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
