"""A benchmark's options file: which methods, on which faces, by which recogniser.

Keys, types and defaults are :class:`~rim_plugin.options.schema.BenchmarkOptions`; here is what follows from them.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from rim_plugin.benchmark.paper import unknown_row
from rim_plugin.errors import OptionsError, did_you_mean
from rim_plugin.options.arguments import check_built, registered
from rim_plugin.options.checking import check_dataset, require_folder_name
from rim_plugin.options.conversion import Place, convert
from rim_plugin.options.datasets import NativeOptions
from rim_plugin.options.reading import changed, read_options
from rim_plugin.options.schema import BenchmarkOptions, MethodOptions
from rim_plugin.weights_file import GENERATORS

from basicsr.utils.registry import METRIC_REGISTRY

ProbeSize = int | str  # the side in pixels, or 'full'


@dataclass(frozen=True)
class Method:
    """One row of the tables.

    Attributes:
        name: its key in the file.
        title: as the tables have it.
        file, force: its options file and the changes to it, as for ``-opt`` and ``--force_yml``.
        options: what these give.
        recogniser: the network of gallery faces, and of probes where there is no ``network_r``: ``type``, its arguments
            and ``weights``.
        tables: in which tables it has a row, ``sr`` and ``recognition``.
        query_sizes: at which sizes of probes it is verified.
        weights: network label (g, d, r) to file.
        paper: row of the paper's tables.
        trained: what its training took, where that was elsewhere.
    """

    name: str
    title: str
    file: str
    force: list[str]
    options: dict[str, Any]
    recogniser: dict[str, Any] | None
    tables: tuple[str, ...]
    query_sizes: Sequence[ProbeSize]
    weights: dict[str, str] = field(default_factory=dict)
    paper: str | None = None
    trained: str | None = None

    @property
    def networks(self) -> dict[str, dict[str, Any]]:
        """Options of the networks that are evaluated, by label: generator (with RIM's integrator) and HRN."""
        kind = self.options.get('network_g', {}).get('type')
        labels = ['g', 'd', 'r'] if kind in GENERATORS else ['g', 'r']
        return {label: self.options[f'network_{label}'] for label in labels if f'network_{label}' in self.options}

    @property
    def gallery(self) -> str | None:
        """Who embeds gallery faces: ``val: gallery`` of its options, or None for the pipeline's default."""
        return (self.options.get('val') or {}).get('gallery')

    @property
    def missing(self) -> list[str]:
        """Files of weights that are not there."""
        return [path for path in self.weights.values() if not Path(path).is_file()]


class Benchmark(NamedTuple):
    """A whole file.

    Attributes:
        options: what it says.
        methods: its methods, in order.
        reference: the method to which differences are taken.
    """

    options: BenchmarkOptions
    methods: list[Method]
    reference: Method

    @property
    def folder(self) -> Path:
        """Of the report."""
        return Path(self.options.output, self.options.name)

    @property
    def sr_sets(self) -> dict[str, dict[str, Any]]:
        """Options of the datasets of faces, by name."""
        return self.options.sr_sets or {}

    @property
    def pair_sets(self) -> dict[str, dict[str, Any]]:
        """Options of the datasets of pairs, by name."""
        return self.options.pair_sets or {}

    @property
    def native_sets(self) -> dict[str, NativeOptions]:
        """Options of the sets of faces that are small by nature, by name."""
        return {name: block for name, block in (self.options.native_sets or {}).items() if block is not None}

    @property
    def metrics(self) -> dict[str, dict[str, Any]]:
        """Blocks of the further metrics of faces, by column."""
        return {key: block for key, block in (self.options.metrics or {}).items() if block is not None}

    def kinds(self, name: str) -> dict[str, Any]:
        """The kinds of probes of a set for the table of robustness, as options of a dataset; may be empty."""
        robustness = self.options.robustness
        if robustness is None or (robustness.sets is not None and name not in robustness.sets):
            return {}
        return {
            kind: msgspec.to_builtins(degradation)
            for kind, degradation in robustness.degradations.items()
            if degradation is not None
        }


def read_benchmark(path: str, of_sets: Sequence[str] = ()) -> Benchmark:
    """The benchmark that an options file describes; a method that is ``~`` there is left out, as a child file may say.

    Args:
        path: the file.
        of_sets: changes to each of its sets of faces, such as ``sr_sets:{}:dataroot_gt=FOLDER``.

    Raises:
        OptionsError: an unknown or missing key, a value of the wrong type, or an options file of a method that is
            absent or wrong.
    """
    read = read_options(path)
    sets = read.get('sr_sets')
    names = map(str, sets) if isinstance(sets, dict) else ()  # what is none is told below
    changes = [change.replace('{}', name, 1) for name in names for change in of_sets]
    options = convert(changed(read, changes), BenchmarkOptions, path)
    _check_sets(path, options)
    require_folder_name(options.name, Place(path, 'name'))
    for name in options.methods:  # that of its log, too
        require_folder_name(name, Place(path, f'methods.{name}'))
    blocks = {name: block for name, block in options.methods.items() if block is not None}
    if not blocks:
        raise OptionsError(f'{path}: methods: there are none; a method is a block NAME: {{options: FILE, ...}}')
    methods = {name: _method(path, options, name, block) for name, block in blocks.items()}
    title, count = Counter(method.title for method in methods.values()).most_common(1)[0]
    if count > 1:
        raise OptionsError(f'{path}: methods: two have the title {title!r}')
    reference = [*methods][-1] if options.reference is None else options.reference
    if reference not in methods:
        raise OptionsError(f'{path}: reference: no method {reference!r}{did_you_mean(reference, methods)}')
    return Benchmark(options, list(methods.values()), methods[reference])


def _method(path: str, options: BenchmarkOptions, name: str, block: MethodOptions) -> Method:
    where = f'methods.{name}'
    force, tree = _method_options(block, options.force or [])
    recogniser = options.recogniser if block.recogniser is None else block.recogniser
    _check_recogniser(path, f'{where}.recogniser', block.recogniser)
    if recogniser is None and (options.pair_sets or options.native_sets):
        sets = 'pair_sets' if options.pair_sets else 'native_sets'
        raise OptionsError(f'{path}: recogniser: missing; {sets} need one for the gallery')
    sizes = options.query_sizes if block.query_sizes is None else block.query_sizes
    for size in sizes:
        if size not in options.query_sizes:
            raise OptionsError(f'{path}: {where}.query_sizes: {size} is not among those of the benchmark')
    title = name if block.title is None else block.title
    method = Method(name, title, block.options, force, tree, recogniser, tuple(block.tables), sizes)
    if options.sr_sets and 'sr' in block.tables and 'g' in method.networks:
        _check_judge(f'{path}: {where}', recogniser, options.recogniser)
    for label in block.weights or {}:
        if label not in method.networks:
            known = ', '.join(f'network_{known}' for known in method.networks)
            raise OptionsError(f'{path}: {where}.weights.{label}: its options have no network_{label}, only {known}')
    if block.paper is not None and (problem := unknown_row(block.paper)):
        raise OptionsError(f'{path}: {where}.paper: {problem}')
    weights = {**_default_weights(method), **(block.weights or {})}
    return replace(method, weights=weights, paper=block.paper, trained=block.trained)


def _check_judge(where: str, recogniser: Mapping[str, Any] | None, judge: Mapping[str, Any] | None) -> None:
    """Check that a method's identity similarity is by the recogniser that judges the others'."""
    if judge is not None and recogniser != judge:
        raise OptionsError(
            f"{where}.recogniser: another than the benchmark's, and so would be its identity similarity in the tables "
            'of faces; add tables: [recognition], and a method without it for tables: [sr]'
        )


def _method_options(block: MethodOptions, force_all: list[str]) -> tuple[list[str], dict[str, Any]]:
    """The changes to a method's options, and what these are then; the benchmark's changes are for what is trained."""
    force = list(block.force or [])
    options = read_options(block.options, force)
    if 'train' not in options:
        return force, options
    force = [*force_all, *force]
    return force, read_options(block.options, force)


def _default_weights(method: Method) -> dict[str, str]:
    """Where a training of the method's options leaves its weights, or what its options for tests name."""
    if 'train' in method.options:
        folder = f'experiments/{method.options["name"]}/models'
        return {label: f'{folder}/net_{label}_latest.pth' for label in method.networks}
    paths = method.options.get('path', {})
    named = {label: paths.get(f'pretrain_network_{label}') for label in method.networks}
    return {label: path for label, path in named.items() if path is not None}


def _check_sets(path: str, options: BenchmarkOptions) -> None:
    """Check datasets, recogniser, further metrics and the sets of the table of robustness."""
    _check_recogniser(path, 'recogniser', options.recogniser)
    sr_sets = options.sr_sets or {}
    for name, block in sr_sets.items():  # of several, one by a published list that is not at hand says so in its rows
        listed = isinstance(block, Mapping) and block.get('meta_info_file') is not None
        nothing = listed and all(absent_file(each) for each in sr_sets.values())
        check_dataset(block, f'sr_sets.{name}', path, look_for_files=nothing or not listed)
    pair_sets = options.pair_sets or {}
    nothing = not options.sr_sets and all(absent_file(block) for block in pair_sets.values())
    for name, block in pair_sets.items():  # one of several whose list is at hand for few says so in its rows
        check_dataset(block, f'pair_sets.{name}', path, look_for_files=nothing)
    for name, metric in (options.metrics or {}).items():
        if metric is not None:
            check_metric(metric, Place(path, f'metrics.{name}'))
    for name in (options.robustness and options.robustness.sets) or []:
        known = {**(options.sr_sets or {}), **(options.pair_sets or {})}
        if name not in known:
            raise OptionsError(f'{path}: robustness.sets: no set {name!r}{did_you_mean(name, known)}')


def absent_file(dataset: Mapping[str, Any]) -> str | None:
    """That a dataset's list or faces are not there, with the path; None where both are."""
    for key, noun in (('pair_list', 'list'), ('meta_info_file', 'list'), ('dataroot_gt', 'faces')):
        path = dataset.get(key)
        if isinstance(path, str) and not Path(path).expanduser().exists():
            return f'{noun} not given ({path} is absent)'
    return None


def check_metric(block: dict[str, Any], place: Place) -> None:
    """Check a further metric; one with an argument that is ~ is not built, and only its name is looked at."""
    if None in block.values():
        registered(METRIC_REGISTRY, 'metric', block.get('type'), place / 'type')
        return
    check_built(block, METRIC_REGISTRY, 'metric', place, given=('data', 'img', 'img2'))
    if 'weights' in block and not Path(block['weights']).is_file():
        raise (place / 'weights').error(f'{block["weights"]}: no such file; ~ leaves the column empty')


def _check_recogniser(path: str, where: str, recogniser: Mapping[str, Any] | None) -> None:
    if recogniser is not None and 'type' not in recogniser:
        raise OptionsError(f'{path}: {where}: {recogniser!r} is no block with type and weights')
