"""A benchmark's options file: which methods, on which faces, by which recogniser."""

from pathlib import Path
from typing import NamedTuple

from rim_plugin.errors import OptionsError, did_you_mean
from rim_plugin.options.checking import check_dataset
from rim_plugin.options.reading import read_options

_KEYS = {
    'name',
    'output',
    'reference',
    'recogniser',
    'mirror',
    'sr_sets',
    'pair_sets',
    'query_sizes',
    'pictures',
    'lpips',
    'train_missing',
    'force',
    'methods',
}
_METHOD_KEYS = {'title', 'options', 'force', 'weights', 'recogniser', 'tables', 'query_sizes'}
TABLES = ('sr', 'recognition')


class Method(NamedTuple):
    """One row of the tables.

    Attributes:
        name (str): its key in the file. title (str): as the tables have it.
        file (str), force (list[str]): its options file and the changes to it, as for ``-opt`` and ``--force_yml``.
        options (dict): what these give.
        weights (dict): network label (g, d, r) to file.
        recogniser (dict | None): the network of gallery faces, and of probes where there is no ``network_r``: ``type``,
            its arguments and ``weights``.
        tables (tuple[str]): in which tables it has a row.
        query_sizes (list): at which sizes of probes it is verified.
    """

    name: str
    title: str
    file: str
    force: list
    options: dict
    weights: dict
    recogniser: dict
    tables: tuple
    query_sizes: list

    @property
    def networks(self):
        """Options of the networks that are evaluated, by label: generator (with RIM's integrator) and HRN."""
        labels = ['g', 'r']
        if self.options.get('network_g', {}).get('type') == 'TriPathGenerator':
            labels.insert(1, 'd')
        return {label: self.options[f'network_{label}'] for label in labels if f'network_{label}' in self.options}

    @property
    def gallery(self):
        """Who embeds gallery faces: ``val: gallery`` of its options, see RIMModel."""
        return (self.options.get('val') or {}).get('gallery', 'teacher')

    @property
    def missing(self):
        """Files of weights that are not there."""
        return [path for path in self.weights.values() if not Path(path).is_file()]


class Benchmark(NamedTuple):
    """A whole file: see ``options/benchmark/*.yml``, whose comments say what each key means."""

    name: str
    folder: Path
    methods: list
    reference: str
    mirror: bool
    sr_sets: dict
    pair_sets: dict
    query_sizes: list
    pictures: int
    lpips: str | None
    train_missing: bool


def read_benchmark(path):
    """The benchmark that an options file describes; a method that is ``~`` there is left out, as a child file may say.

    Raises:
        OptionsError: an unknown or missing key, or an options file of a method that is absent or wrong.
    """
    options = read_options(path)
    _check_keys(path, '', options, _KEYS, {'name', 'methods'})
    options.setdefault('query_sizes', [28])
    if isinstance(options['methods'], dict):
        options['methods'] = {name: block for name, block in options['methods'].items() if block is not None}
    _check_values(path, options)
    methods = [_method(path, options, name, block) for name, block in options['methods'].items()]
    titles = [method.title for method in methods]
    for title in titles:
        if titles.count(title) > 1:
            raise OptionsError(f'{path}: methods: two have the title {title!r}')
    reference = options.get('reference', methods[-1].name)
    if reference not in options['methods']:
        raise OptionsError(f'{path}: reference: no method {reference!r}{did_you_mean(reference, options["methods"])}')
    return Benchmark(
        options['name'],
        Path(options.get('output', 'results/benchmark'), options['name']),
        methods,
        reference,
        options.get('mirror', True),
        options.get('sr_sets') or {},
        options.get('pair_sets') or {},
        options['query_sizes'],
        options.get('pictures', 4),
        options.get('lpips'),
        options.get('train_missing', False),
    )


def _method(path, options, name, block):
    where = f'methods.{name}.'
    _check_keys(path, where, block, _METHOD_KEYS, {'options'})
    force = list(block.get('force') or [])
    method = read_options(block['options'], force)
    if 'train' in method:
        force = [*(options.get('force') or []), *force]
        method = read_options(block['options'], force)
    _check_recogniser(path, where, block)
    recogniser = block.get('recogniser', options.get('recogniser'))
    tables = block.get('tables', TABLES)
    if isinstance(tables, str):
        raise OptionsError(f'{path}: {where}tables: {tables!r} is no list, as [{tables}] is')
    sizes = block.get('query_sizes', options['query_sizes'])
    if recogniser is None and options.get('pair_sets'):
        raise OptionsError(f'{path}: recogniser: missing; pair_sets need one for the gallery')
    for size in sizes:
        if size not in options['query_sizes']:
            raise OptionsError(f'{path}: {where}query_sizes: {size} is not among those of the benchmark')
    for table in tables:
        if table not in TABLES:
            raise OptionsError(f'{path}: {where}tables: {table!r} is none of {", ".join(TABLES)}')
    found = Method(
        name, block.get('title', name), block['options'], force, method, {}, recogniser, tuple(tables), sizes
    )
    named = block.get('weights') or {}
    for label in named:
        if label not in found.networks:
            raise OptionsError(
                f'{path}: {where}weights.{label}: its options have no network_{label}, only '
                f'{", ".join(f"network_{known}" for known in found.networks)}'
            )
    return found._replace(weights={**_default_weights(found), **named})


def _default_weights(method):
    """Where a training of the method's options leaves its weights, or what its options for tests name."""
    if 'train' in method.options:
        return {
            label: f'experiments/{method.options["name"]}/models/net_{label}_latest.pth' for label in method.networks
        }
    named = {label: method.options.get('path', {}).get(f'pretrain_network_{label}') for label in method.networks}
    return {label: path for label, path in named.items() if path is not None}


def _check_values(path, options):
    for key, kind, words in (
        ('methods', dict, 'a block of methods, NAME: {options: FILE, ...}'),
        ('query_sizes', list, 'a list of sides of probes, in pixels or full'),
    ):
        if not isinstance(options[key], kind) or not options[key]:
            raise OptionsError(f'{path}: {key}: {options[key]!r} is not {words}')
    _check_recogniser(path, '', options)
    for sets in ('sr_sets', 'pair_sets'):
        for name, block in (options.get(sets) or {}).items():
            check_dataset(block, f'{sets}.{name}', path)
    lpips = options.get('lpips')
    if lpips is not None and not Path(lpips).is_file():
        raise OptionsError(
            f"{path}: lpips: {lpips}: no such file. Name torchvision's AlexNet (alexnet-owt-7be5be79.pth), "
            'or leave the key out: the report does without LPIPS.'
        )


def _check_recogniser(path, where, block):
    recogniser = block.get('recogniser')
    if recogniser is not None and not (isinstance(recogniser, dict) and 'type' in recogniser):
        raise OptionsError(f'{path}: {where}recogniser: {recogniser!r} is no block with type and weights')


def _check_keys(path, where, block, known, needed):
    for key in block:
        if key not in known:
            raise OptionsError(f'{path}: {where}{key}: unknown key{did_you_mean(key, known)}')
    for key in sorted(needed - set(block)):
        raise OptionsError(f'{path}: {where}{key}: missing')
