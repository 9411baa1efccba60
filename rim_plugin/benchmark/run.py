"""Runs a benchmark: trains what has no weights, measures what is not in the cache, gathers the results."""

import json
import os
import subprocess
import sys
from typing import NamedTuple

import torch
from tqdm import tqdm

from rim_plugin.benchmark.cache import Cache, content_key

_HERE = {'threads': torch.get_num_threads(), 'gpu': torch.cuda.get_device_name() if torch.cuda.is_available() else None}


class Unit(NamedTuple):
    """One measurement of one method.

    Attributes:
        method (Method): whose. kind (str): speed | sr | pairs. place (tuple[str]): the set, and the probes' size.
        arguments (list): of its function in :mod:`rim_plugin.benchmark.measure`, after the model.
        gallery (list): for pairs, the arguments with which the gallery is embedded.
    """

    method: object
    kind: str
    place: tuple
    arguments: list
    gallery: list = ()

    @property
    def key(self):
        method = self.method
        return content_key(
            self.kind,
            self.arguments,
            method.networks,
            method.weights,
            method.recogniser,
            method.gallery,
            _HERE if self.kind == 'speed' else None,
        )

    @property
    def gallery_key(self):
        """Of the gallery's embeddings, which methods with the same recogniser of gallery faces share."""
        method = self.method
        embedder = method.recogniser if method.gallery == 'teacher' else [method.networks, method.weights]
        return content_key('gallery', self.gallery, embedder)


def run_benchmark(benchmark):
    """Results of all methods; from the cache where nothing that they depend on has changed.

    Args:
        benchmark (Benchmark): see :func:`rim_plugin.benchmark.settings.read_benchmark`.

    Returns:
        list[tuple[Unit, dict]]: every unit with its result, or with ``error``, in the order of the methods.
    """
    cache, results = Cache(benchmark.folder / 'cache'), []
    wanted = {method.name: units_of(benchmark, method) for method in benchmark.methods}
    with tqdm(total=sum(map(len, wanted.values())), unit='measurement', desc=benchmark.name) as bar:
        for method in benchmark.methods:
            bar.set_postfix_str(method.title)
            problem = _make_ready(benchmark, method)
            units = wanted[method.name]
            errors = {} if problem else _measure(cache, method, units, bar)
            for unit in units:
                error = problem or errors.get(unit.key)
                results.append((unit, {'error': error} if error else cache.get(unit.key)))
                bar.update(bool(problem))
    return results


def units_of(benchmark, method):
    """The measurements of a method: speed first, the SR sets, then every pair list at every probe size and at full
    resolution."""
    units = []
    if benchmark.sr_sets and 'sr' in method.tables and 'g' in method.networks:
        units.append(Unit(method, 'speed', (), []))
        units += [
            Unit(method, 'sr', (name,), [dict(options, name=name), benchmark.pictures, benchmark.lpips])
            for name, options in benchmark.sr_sets.items()
        ]
    if 'recognition' in method.tables:
        for name, options in benchmark.pair_sets.items():
            full = [{**options, 'name': name, 'probe_side': 'none'}, benchmark.mirror]
            for size in method.query_sizes:
                seen = full if size == 'full' else [{**options, 'name': name, 'query_size': size}, benchmark.mirror]
                units.append(Unit(method, 'pairs', (name, str(size)), seen, full))
    return units


def _make_ready(benchmark, method):
    """Trains a method without weights where that is wanted. Returns what is wrong, or None."""
    if method.recogniser is not None and None in method.recogniser.values():  # weights, or the model's file
        return f'weights not given (recogniser {method.recogniser["type"]})'
    if method.missing and benchmark.train_missing and 'train' in method.options:
        return _train(benchmark, method)
    return f'weights not given ({method.missing[0]} is absent)' if method.missing else None


def _train(benchmark, method):
    log = benchmark.folder / 'logs' / f'{method.name}.log'
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, '-m', 'rim_plugin.train', '-opt', method.file, '--auto_resume']
    with open(log, 'w', encoding='utf-8') as stream:
        done = subprocess.run(
            command + (['--force_yml', *method.force] if method.force else []),
            stdout=stream,
            stderr=subprocess.STDOUT,
            env={**os.environ, 'PYTHONUNBUFFERED': '1'},
        )
    if done.returncode:
        told = log.read_text(encoding='utf-8', errors='replace').strip().splitlines() or ['it wrote nothing']
        return f'training failed ({log}): {told[-1]}'
    return f'training left no {method.missing[0]} ({log})' if method.missing else None


def _measure(cache, method, units, bar):
    """Measure what the cache lacks in a process of its own; returns the errors by key."""
    missing = {unit.key: unit for unit in units if cache.get(unit.key) is None}
    bar.update(len(units) - len(missing))
    if not missing:
        return {}
    job = {
        'cache': str(cache.folder),
        'networks': method.networks,
        'weights': method.weights,
        'recogniser': method.recogniser,
        'gallery': method.gallery,
        'units': [
            {
                'key': key,
                'kind': unit.kind,
                'arguments': unit.arguments,
                'gallery': {'key': unit.gallery_key, 'arguments': unit.gallery} if unit.gallery else None,
            }
            for key, unit in missing.items()
        ],
    }
    errors, last = dict.fromkeys(missing, 'the measuring process ended early'), ''
    process = subprocess.Popen(
        [sys.executable, '-m', 'rim_plugin.benchmark.measure'],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        process.stdin.write(json.dumps(job))
        process.stdin.close()
        for line in process.stdout:
            if line.startswith('RESULT '):
                found = json.loads(line.removeprefix('RESULT '))
                errors[found['key']] = found.get('error')
                bar.update(1)
            last = line.strip() or last
    return {key: f'{error}: {last}' if process.returncode else error for key, error in errors.items() if error}
