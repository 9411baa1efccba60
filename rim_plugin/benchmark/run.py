"""Runs a benchmark: trains what has no weights, measures what is not in the cache, gathers the results."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import Any

import torch
from tqdm import tqdm

from rim_plugin.benchmark.cache import Cache, content_key
from rim_plugin.benchmark.settings import Benchmark, Method, ProbeSize

Result = dict[str, Any]  # JSON values and ``arrays``, of rim_plugin.benchmark.measure; or ``error``


@dataclass(frozen=True)
class Measurement:
    """One measurement of one method.

    Attributes:
        method: whose.
        kind: ``speed``, ``sr`` or ``pairs``.
        place: the set, for pairs the probes' size, and the kind of the probes where it is another than the set's.
        arguments: of its function in :mod:`rim_plugin.benchmark.measure`, after the pipeline; JSON values.
        gallery: for pairs, the arguments with which the gallery is embedded.
    """

    method: Method
    kind: str
    place: tuple[str, ...] = ()
    arguments: tuple[Any, ...] = ()
    gallery: tuple[Any, ...] = ()

    @property
    def key(self) -> str:
        """In the cache."""
        method = self.method
        networks = (method.networks, method.weights, method.recogniser, method.gallery)
        gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
        machine = {'threads': torch.get_num_threads(), 'gpu': gpu} if self.kind == 'speed' else None
        return content_key(self.kind, self.arguments, *networks, machine)

    @property
    def gallery_key(self) -> str:
        """Of the gallery's embeddings in the cache, one for all methods with the same recogniser of gallery faces."""
        method = self.method
        embedder = [method.networks, method.weights] if method.gallery == 'hrn' else method.recogniser
        return content_key('gallery', self.gallery, embedder)

    def job(self) -> dict[str, Any]:
        """What :func:`rim_plugin.benchmark.measure.main` is sent."""
        gallery = {'key': self.gallery_key, 'arguments': self.gallery} if self.gallery else None
        return {'key': self.key, 'kind': self.kind, 'arguments': self.arguments, 'gallery': gallery}


def run_benchmark(benchmark: Benchmark) -> list[tuple[Measurement, Result]]:
    """Measure all methods, or take from the cache what depends on nothing that has changed.

    Returns:
        Every measurement with its result, or with ``error``, in the order of the methods.
    """
    cache = Cache(benchmark.folder / 'cache')
    results: list[tuple[Measurement, Result]] = []
    wanted = {method.name: measurements(benchmark, method) for method in benchmark.methods}
    with tqdm(total=sum(map(len, wanted.values())), unit='measurement', desc=benchmark.options.name) as bar:
        for method in benchmark.methods:
            bar.set_postfix_str(method.title)
            problem = _make_ready(benchmark, method)
            if problem:
                results += [(measurement, {'error': problem}) for measurement in wanted[method.name]]
                bar.update(len(wanted[method.name]))
            else:
                results += _measured(cache, method, wanted[method.name], bar)
    return results


def measurements(benchmark: Benchmark, method: Method) -> list[Measurement]:
    """Of a method: speed first, the SR sets, then every pair list at every probe size and at full resolution;
    of each set also the kinds of probes of the table of robustness."""
    return [*_sr_measurements(benchmark, method), *_pair_measurements(benchmark, method)]


def _sr_measurements(benchmark: Benchmark, method: Method) -> Iterator[Measurement]:
    if not benchmark.sr_sets or 'sr' not in method.tables or 'g' not in method.networks:
        return
    if method.networks['g']['type'] != 'FolderOutputs':  # another program's, of whose speed nothing is known
        yield Measurement(method, 'speed')
    for name in benchmark.sr_sets:
        places = sr_options(benchmark, name)
        for place, options in places.items():
            as_it_is = options == places[()]  # further metrics, which may be slow, and pictures are of these probes
            metrics, keep = (benchmark.metrics, benchmark.options.browse > 0) if as_it_is else ({}, False)
            yield Measurement(method, 'sr', (name, *place), (options, benchmark.options.pictures, metrics, keep))


def sr_options(benchmark: Benchmark, name: str) -> dict[tuple[str, ...], dict[str, Any]]:
    """Options of an SR set by place: as it is, (), and with each kind of probes, (KIND,)."""
    options = {**benchmark.sr_sets[name], 'name': name}
    return {(): options, **{(kind,): _with_kind(options, each) for kind, each in benchmark.kinds(name).items()}}


def _with_kind(options: dict[str, Any], degradation: Any) -> dict[str, Any]:
    """A dataset's options with another degradation; none is left out, as where nobody asks for one."""
    rest = {key: value for key, value in options.items() if key != 'degradation'}
    return rest if degradation == 'none' else {**rest, 'degradation': degradation}


def _pair_measurements(benchmark: Benchmark, method: Method) -> Iterator[Measurement]:
    if 'recognition' not in method.tables:
        return
    mirror = benchmark.options.mirror
    for name in benchmark.pair_sets:
        full = pair_options(benchmark, name, ['full'])[('full',)]
        for place, options in pair_options(benchmark, name, method.query_sizes).items():
            yield Measurement(method, 'pairs', (name, *place), (options, mirror), (full, mirror))


def pair_options(benchmark: Benchmark, name: str, sizes: Sequence[ProbeSize]) -> dict[tuple[str, ...], dict[str, Any]]:
    """Options of a list of pairs by place: each size, (SIZE,), and at the size of the robustness each kind of probes,
    (SIZE, KIND), where ``sizes`` have it."""
    options = {**benchmark.pair_sets[name], 'name': name}
    places: dict[tuple[str, ...], dict[str, Any]] = {
        (str(size),): {**options, 'probe_side': 'none'} if size == 'full' else {**options, 'query_size': size}
        for size in sizes
    }
    robustness = benchmark.options.robustness
    if robustness is not None and robustness.query_size in sizes:
        for kind, degradation in benchmark.kinds(name).items():
            size = robustness.query_size
            places[str(size), kind] = _with_kind({**options, 'query_size': size}, degradation)
    return places


def _make_ready(benchmark: Benchmark, method: Method) -> str | None:
    """Train a method without weights where that is wanted; the error, or None."""
    if method.recogniser is not None and None in method.recogniser.values():  # weights, or the model's file
        return f'weights not given (recogniser {method.recogniser["type"]})'
    if method.missing and benchmark.options.train_missing and 'train' in method.options:
        return _train(benchmark, method)
    return f'weights not given ({method.missing[0]} is absent)' if method.missing else None


def _train(benchmark: Benchmark, method: Method) -> str | None:
    """Train a method in a process of its own; the error, or None."""
    log = benchmark.folder / 'logs' / f'{method.name}.log'
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, '-m', 'rim_plugin.train', '-opt', method.file, '--auto_resume']
    if method.force:
        command += ['--force_yml', *method.force]
    environment = {**os.environ, 'PYTHONUNBUFFERED': '1'}
    with open(log, 'w', encoding='utf-8') as stream:
        code = subprocess.run(command, stdout=stream, stderr=subprocess.STDOUT, env=environment).returncode
    if code:
        lines = log.read_text(encoding='utf-8', errors='replace').strip().splitlines() or ['it wrote nothing']
        return f'training failed ({log}): {lines[-1]}'
    return f'training left no {method.missing[0]} ({log})' if method.missing else None


def _measured(
    cache: Cache, method: Method, wanted: list[Measurement], bar: tqdm
) -> Iterator[tuple[Measurement, Result]]:
    """The measurements with their results, after those that the cache lacks have been made."""
    keys = [measurement.key for measurement in wanted]
    missing = {key: each for key, each in zip(keys, wanted) if cache.get(key) is None}
    bar.update(len(wanted) - len(missing))
    errors = _measure(cache, method, missing.values(), bar) if missing else {}
    for key, measurement in zip(keys, wanted):
        error = errors.get(key)
        yield measurement, {'error': error} if error else cache.get(key) or {'error': 'the cache lost it'}


def _measure(cache: Cache, method: Method, missing: Iterable[Measurement], bar: tqdm) -> dict[str, str]:
    """Measure into the cache, in a process of its own; returns the errors by key."""
    jobs = [measurement.job() for measurement in missing]
    job = {
        'cache': str(cache.folder),
        'networks': method.networks,
        'weights': method.weights,
        'recogniser': method.recogniser,
        'gallery': method.gallery,
        'measurements': jobs,
    }
    errors: dict[str, str | None] = {each['key']: 'the measuring process ended early' for each in jobs}
    last = ''
    command = [sys.executable, '-m', 'rim_plugin.benchmark.measure']
    with TemporaryFile('w+') as stdin:  # not a pipe, which breaks where the process ends before it has read all
        json.dump(job, stdin)
        stdin.seek(0)
        process = subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        with process:
            for line in process.stdout or ():
                if line.startswith('RESULT '):
                    report = json.loads(line.removeprefix('RESULT '))
                    errors[report['key']] = report.get('error')
                    bar.update(1)
                last = line.strip() or last
    return {key: f'{error}: {last}' if process.returncode else error for key, error in errors.items() if error}
