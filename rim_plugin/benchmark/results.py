"""The results of a benchmark as values: intervals, paired differences, everything as JSON, faces and pairs as CSV."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from rim_plugin.benchmark.bootstrap import (
    Interval,
    Ranking,
    mean_interval,
    pair_intervals,
    paired_p,
    ranking,
    share_interval,
    share_p,
    spread_interval,
)
from rim_plugin.benchmark.budget import training_budget
from rim_plugin.benchmark.measurement import Measurement
from rim_plugin.benchmark.native_results import by_part, native_intervals
from rim_plugin.benchmark.run import Result
from rim_plugin.benchmark.settings import Benchmark, Method
from rim_plugin.benchmark.tables import csv_text
from rim_plugin.environment import environment
from rim_plugin.evaluation.metric import (
    METRICS,
    FunctionMetric,
    ImageMetric,
    Metric,
    PairMetric,
    best_direction,
    build_metric,
    standard_metrics,
)
from rim_plugin.evaluation.metrics.eer import EER
from rim_plugin.evaluation.metrics.tar_at_far import TARAtFAR
from rim_plugin.evaluation.thresholds import fold_accuracy


class Column(NamedTuple):
    """A metric as a column of tables.

    Attributes:
        heading: with a remark where less is better.
        digits: behind the point.
        higher_is_better: which of two figures is the better.
        axis: label in figures; empty for metrics without.
        absent: why nothing was measured; empty where it was.
        remedy: what the file is that was not given, and where its path goes.
    """

    heading: str
    digits: int
    higher_is_better: bool
    axis: str = ''
    absent: str = ''
    remedy: str = ''


def _column(metric: Metric) -> Column:
    return Column(metric.heading, metric.digits, metric.higher_is_better, metric.axis)


def image_columns(blocks: Mapping[str, Mapping[str, Any]]) -> dict[str, Column]:
    """Columns of the standard metrics of faces, and of further ones by their blocks."""
    return {
        **{key: _column(metric) for key, metric in standard_metrics(ImageMetric).items()},
        **{key: _named_column(key, block) for key, block in blocks.items()},
    }


def _named_column(key: str, block: Mapping[str, Any]) -> Column:
    missing = [argument for argument, value in block.items() if value is None]
    higher = best_direction(block) == 'higher'
    known = METRICS.get(block['type'], FunctionMetric)
    title = key if missing else build_metric(block).title or key
    remedy = ' '.join(
        f'{key}: its file is {known.files.get(each, "wanted")}; the path goes under metrics: {key}: {each}.'
        for each in missing
    )
    digits = 3 if known is FunctionMetric else known.digits
    heading = title if higher else f'{title} (less is better)'
    return Column(heading, digits, higher, absent=f'{missing[0]} not given' if missing else '', remedy=remedy)


class Results:
    """What was measured, by place.

    Args:
        benchmark: what was asked.
        results: of :func:`rim_plugin.benchmark.run.run_benchmark`.

    Attributes:
        by_place: (method's name, kind, *place) to the result, of kind ``native`` one for each part of a
            set; one by another protocol than the first at its place is an error.
        image_columns: metrics of the SR sets.
        pair_columns: metrics of lists of pairs.
        budgets: method's name to its :func:`training_budget`.
        intervals: keys as ``by_place``, to the interval of each figure.
        differences: keys as ``by_place``, to the paired differences to the reference. Those are intervals by metric of
            images, or one of ``accuracy``: by how much more of the pairs get the right verdict. Empty for the reference
            and where one of both was not measured.
    """

    def __init__(self, benchmark: Benchmark, results: Iterable[tuple[Measurement, Result]]) -> None:
        self.benchmark = benchmark
        self.by_place = _of_one_protocol(dict(by_part((each.where, result) for each, result in results)))
        self.image_columns = image_columns(benchmark.metrics)
        self.pair_columns = {key: _column(metric) for key, metric in standard_metrics(PairMetric).items()}
        self.budgets = {method.name: training_budget(method) for method in benchmark.methods}
        self.intervals = {key: _intervals(result) for key, result in self.by_place.items()}
        self.differences = {key: self._difference(*key) for key in self.by_place}

    def at(self, *place: str) -> list[tuple[Method, Result]]:
        """The methods that should have a result at a place (kind, set, size), each with it."""
        keys = [(method, (method.name, *place)) for method in self.benchmark.methods]
        return [(method, self.by_place[key]) for method, key in keys if key in self.by_place]

    @cached_property
    def rankings(self) -> dict[tuple[str, ...], dict[str, Ranking]]:
        """(kind, *place) to the ranking of the methods by each metric."""
        places = dict.fromkeys(key[1:] for key in self.by_place if key[1] != 'speed')
        return {place: self._ranked(place) for place in places}

    def _ranked(self, place: tuple[str, ...]) -> dict[str, Ranking]:
        columns = {'sr': self.image_columns, 'pairs': self.pair_columns}.get(place[0]) or self.native_columns(
            *place[1:]
        )
        found = {key: self._ranking(place, key, column.higher_is_better) for key, column in columns.items()}
        return {key: each for key, each in found.items() if each is not None}

    def native_columns(self, *place: str) -> dict[str, Column]:
        """The figures of a part of a set of faces that are small by nature, place (set, part), as columns."""
        keys = {key: None for _, result in self.at('native', *place) for key in result.get('figures', {})}
        return {key: Column(key if key != EER.title else EER().heading, 4, key != EER.title) for key in keys}

    def _ranking(self, place: tuple[str, ...], metric: str, higher_is_better: bool) -> Ranking | None:
        measured = {method.name: (method.name, *place) for method, _ in self.at(*place)}
        intervals = {name: self.intervals[key].get(metric) for name, key in measured.items()}
        values = {name: each.mean for name, each in intervals.items() if each is not None}
        samples = {name: _samples(self.by_place[measured[name]], metric) for name in values}
        known = {name: each for name, each in samples.items() if each is not None}
        of_sets = any(metric in self.by_place[measured[name]].get('resampled', {}) for name in known)
        return ranking(values, known, higher_is_better, share_p if of_sets else paired_p)

    def protocols(self) -> dict[tuple[str, ...], dict[str, Any]]:
        """(kind, *place) to the protocol of all results there."""
        return {key[1:]: result['protocol'] for key, result in reversed(self.by_place.items()) if 'protocol' in result}

    def _difference(self, name: str, *place: str) -> dict[str, Interval]:
        if name == self.benchmark.reference.name:
            return {}
        mine, other = (self.by_place.get((each, *place), {}) for each in (name, self.benchmark.reference.name))
        if 'images' in mine and 'images' in other:
            return {metric: difference(mine, other, metric) for metric in mine['means'] if metric in other['means']}
        if place[0] == 'pairs' and 'figures' in mine and 'figures' in other:
            return {'accuracy': mean_interval(_verdicts(mine['arrays']) - _verdicts(other['arrays']))}
        return {}

    def everything(self) -> dict[str, Any]:
        """All values, for JSON."""
        benchmark = self.benchmark
        return {
            'benchmark': benchmark.options.name,
            'environment': environment(),
            'seed': 0,
            'reference': benchmark.reference.name,
            'methods': {
                method.name: {
                    'title': method.title,
                    'options': method.file,
                    'force': method.force,
                    'weights': method.weights,
                    'training': budget and budget._asdict(),
                    'trained': method.trained,
                    'recogniser': method.recogniser,
                }
                for method, budget in zip(benchmark.methods, self.budgets.values())
            },
            'protocols': [
                {'kind': kind, 'place': place, **{key: value for key, value in protocol.items() if key != 'names'}}
                for (kind, *place), protocol in self.protocols().items()
            ],
            'rankings': [
                {'kind': kind, 'place': place, **{metric: each._asdict() for metric, each in found.items()}}
                for (kind, *place), found in self.rankings.items()
            ],
            'pairs': {name: self._pairs(name) for name in benchmark.pair_sets},
            'results': [self._result(key) for key in self.by_place],
        }

    def _result(self, key: tuple[str, ...]) -> dict[str, Any]:
        """A result's JSON values, with intervals, its protocol's hash, and the scores of pairs as lists."""
        values = {name: value for name, value in self.by_place[key].items() if name not in ('arrays', 'protocol')}
        if 'images' in values:
            values['means'] = self.intervals[key]
        if key[1] == 'native' and 'figures' in values:
            values['intervals'] = self.intervals[key]
        elif 'figures' in values:
            values['scores'] = self.by_place[key]['arrays']['scores'].tolist()
            values['intervals'] = self.intervals[key]
        if 'protocol' in self.by_place[key]:
            values['protocol'] = self.by_place[key]['protocol']['hash']
        name, kind, *place = key
        return {'method': name, 'kind': kind, 'place': place, **values, 'difference': self.differences[key]}

    def _pair_arrays(self, name: str) -> dict[tuple[str, str], dict[str, np.ndarray]]:
        """Arrays of the results on a list of pairs, by method's name and probe size, with the kind of probes if any."""
        return {
            (key[0], '_'.join(key[3:])): result['arrays']
            for key, result in self.by_place.items()
            if key[1:3] == ('pairs', name) and 'arrays' in result
        }

    def _pairs(self, name: str) -> dict[str, list[Any]]:
        """Kind and fold of every pair of a list, the same in all its results."""
        arrays = next(iter(self._pair_arrays(name).values()), None)
        return {key: [] if arrays is None else arrays[key].tolist() for key in ('issame', 'folds')}

    def image_csv(self, name: str) -> str:
        """Every face of an SR set by every method: a line each."""
        rows: list[Sequence[Any]] = [['method', 'image', *self.image_columns]]
        for method, result in self.at('sr', name):
            if 'images' in result:
                faces = result['images']['name']
                columns = [result['images'].get(metric) or [''] * len(faces) for metric in self.image_columns]
                rows += [[method.name, *row] for row in zip(faces, *columns)]
        return csv_text(rows)

    def pair_csv(self, name: str) -> str:
        """Every pair of a list: a line each, with its score by every method at every size."""
        scores = {f'{method}_{size}': arrays['scores'] for (method, size), arrays in self._pair_arrays(name).items()}
        pairs = self._pairs(name)
        numbers = range(len(pairs['folds']))
        lines = zip(numbers, map(int, pairs['issame']), pairs['folds'], *scores.values())
        return csv_text([['pair', 'issame', 'fold', *scores], *lines])


def _of_one_protocol(results: Mapping[tuple[str, ...], Result]) -> dict[tuple[str, ...], Result]:
    """The results, of which those with another protocol than the first of their place became errors."""
    hashes: dict[tuple[str, ...], str] = {}
    checked = {}
    for key, result in results.items():
        mine = result.get('protocol', {}).get('hash')
        first = hashes.setdefault(key[1:], mine) if mine else mine
        checked[key] = result if mine == first else {'error': f'by another protocol: {mine}, not {first}'}
    return checked


def _samples(result: Result, metric: str) -> np.ndarray | None:
    """Values of a metric of each face, or of resampled sets of faces, or verdicts on each pair; None for other figures
    that are no mean over samples."""
    if metric in result.get('resampled', {}):
        return np.asarray(result['resampled'][metric])
    if 'images' in result:
        faces = np.asarray(result['images'][metric])
        return faces if np.isclose(faces.mean(), result['means'][metric], rtol=1e-6, atol=1e-9) else None
    return _verdicts(result['arrays']) if metric == 'accuracy' else None


def _intervals(result: Result) -> dict[str, Interval]:
    """Every figure of a result with its interval."""
    if 'images' in result:
        return {metric: _image_interval(result, metric) for metric in result['means']}
    if 'figures' not in result:
        return {}
    return native_intervals(result) if 'probes' in result else _pair_intervals(result)


def _image_interval(result: Result, metric: str) -> Interval:
    value, resampled = result['means'][metric], result.get('resampled', {})
    if metric in resampled:
        return spread_interval(value, resampled[metric])
    return _with_bounds(value, result['images'][metric])


def _pair_intervals(result: Result) -> dict[str, Interval]:
    """Figures of pairs: bounds over the pairs, and over the probes of identification (Wilson's)."""
    figures, arrays = result['figures'], result['arrays']
    metrics = standard_metrics(PairMetric)
    fars = {key: metric.far for key, metric in metrics.items() if isinstance(metric, TARAtFAR) and key in figures}
    bounds = pair_intervals(arrays['scores'], arrays['issame'], fars)
    intervals = {key: Interval(figures[key], *bounds.get(key, ())) for key in metrics if key in figures}
    if 'accuracy' in intervals:
        intervals['accuracy'] = _with_bounds(figures['accuracy'], _verdicts(arrays))
    for key in intervals:
        if key.startswith(('rank_', 'tpir_')) and 'probes' in figures:
            intervals[key] = share_interval(figures[key], figures['probes'])
    return intervals


def difference(result: Result, other: Result, metric: str) -> Interval:
    """By how much a metric of an SR result is above that of another on the same faces."""
    resampled = [each.get('resampled', {}).get(metric) for each in (result, other)]
    if all(resampled):
        return spread_interval(result['means'][metric] - other['means'][metric], np.subtract(*resampled))
    faces = np.subtract(result['images'][metric], other['images'][metric])
    return _with_bounds(result['means'][metric] - other['means'][metric], faces)


def _with_bounds(value: float, samples: Sequence[float] | np.ndarray) -> Interval:
    interval = mean_interval(samples)
    return interval if np.isclose(interval.mean, value, rtol=1e-6, atol=1e-9) else Interval(value)


def _verdicts(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Whether the verdict on each pair is right, 0.0 or 1.0."""
    return fold_accuracy(arrays['scores'], arrays['issame'], arrays['folds']).correct.astype(float)
