"""Runs a benchmark: trains what has no weights, measures what is not in the cache, gathers the results."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
from tqdm import tqdm

from rim_plugin.benchmark.cache import Cache
from rim_plugin.benchmark.measurement import Measurement
from rim_plugin.benchmark.method_run import MethodRun, Outcome
from rim_plugin.benchmark.settings import Benchmark, Method, ProbeSize

if TYPE_CHECKING:
    from rim_plugin.cluster import Cluster

Result = dict[str, Any]  # JSON values and ``arrays``, of rim_plugin.benchmark.measure; or ``error``


def run_benchmark(
    benchmark: Benchmark, workers: int = 1, cluster: Cluster | None = None
) -> list[tuple[Measurement, Result]]:
    """Measure all methods, or take from the cache what depends on nothing that has changed.

    Where several methods are at work at once, their speed is measured after that, one by one, on this machine.

    Args:
        benchmark: which.
        workers: methods that are trained and measured at once, each by its share of the processor's cores.
        cluster: its workers take the methods instead, one each; the current folder has to be theirs, too.

    Returns:
        Every measurement with its result, or with ``error``, in the order of the methods.
    """
    wanted = [(method, measurements(benchmark, method)) for method in benchmark.methods]
    run = MethodRun(benchmark.folder, benchmark.options.train_missing, os.getcwd())
    with tqdm(total=sum(len(made) for _, made in wanted), unit='measurement', desc=benchmark.options.name) as bar:
        if workers == 1 and cluster is None:
            outcomes = [run.measure(method, made, bar.update) for method, made in wanted]
        else:
            outcomes = _at_once(run, wanted, workers, cluster, bar)
    cache = Cache(benchmark.folder / 'cache')
    pairs = [pair for (_, made), outcome in zip(wanted, outcomes) for pair in zip(made, outcome.errors)]
    return [
        (each, {'error': error} if error else cache.get(each.key) or {'error': 'the cache lost it'})
        for each, error in pairs
    ]


def _at_once(
    run: MethodRun, wanted: list[tuple[Method, list[Measurement]]], workers: int, cluster: Cluster | None, bar: tqdm
) -> list[Outcome]:
    """Speed, which comes first in every list, is measured while nothing else is at work."""
    counts = [sum(each.kind == 'speed' for each in made) for _, made in wanted]
    rest = [(method, made[count:]) for (method, made), count in zip(wanted, counts)]
    # the longest first, lest it is left to the end
    rest.sort(key=lambda part: (bool(part[0].missing), len(part[1])), reverse=True)
    if cluster is None:
        shared = replace(run, threads=max((os.cpu_count() or 1) // workers, 1))
        with ThreadPoolExecutor(workers) as pool:
            found = list(pool.map(lambda part: shared.measure(part[0], part[1], bar.update), rest))
    else:
        found = []
        for (_, made), outcome in zip(rest, cluster.map(run.elsewhere, rest, 1)):
            found.append(outcome)
            bar.update(len(made))
    outcomes = {method.name: outcome for (method, _), outcome in zip(rest, found)}
    whole = []
    for (method, made), count in zip(wanted, counts):
        outcome = outcomes[method.name]
        speed = run.measure(method, made[:count], bar.update) if outcome.problem is None else None
        whole.append(outcome.after(speed, count))
    return whole


def measurements(benchmark: Benchmark, method: Method) -> list[Measurement]:
    """Of a method: speed first, the SR sets, then every pair list at every probe size and at full resolution;
    of each set also the kinds of probes of the table of robustness; then the sets of faces that are small by nature."""
    return [
        *_sr_measurements(benchmark, method),
        *_pair_measurements(benchmark, method),
        *_native_measurements(benchmark, method),
    ]


def _sr_measurements(benchmark: Benchmark, method: Method) -> Iterator[Measurement]:
    if not benchmark.sr_sets or 'sr' not in method.tables or 'g' not in method.networks:
        return
    if method.networks['g']['type'] != 'FolderOutputs':  # another program's, of whose speed nothing is known
        yield Measurement(method, 'speed', (), (probe_side(benchmark),))
    for name in benchmark.sr_sets:
        places = sr_options(benchmark, name)
        for place, options in places.items():
            as_it_is = options == places[()]  # further metrics, which may be slow, and pictures are of these probes
            metrics, keep = (benchmark.metrics, benchmark.options.browse > 0) if as_it_is else ({}, False)
            yield Measurement(method, 'sr', (name, *place), (options, benchmark.options.pictures, metrics, keep))


def probe_side(benchmark: Benchmark) -> int:
    """Pixels of the probes on which size and speed are measured: those of the first SR set."""
    return next((options.get('query_size', 28) for options in benchmark.sr_sets.values()), 28)


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


def _native_measurements(benchmark: Benchmark, method: Method) -> Iterator[Measurement]:
    if 'recognition' in method.tables:
        for name, options in benchmark.native_sets.items():
            yield Measurement(method, 'native', (name,), (msgspec.to_builtins(options), benchmark.options.mirror))


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
