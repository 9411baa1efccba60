"""The results of a benchmark as values: intervals, paired differences, everything as JSON, faces and pairs as CSV."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import bootstrap

from rim_plugin.benchmark.budget import training_budget
from rim_plugin.benchmark.run import Measurement, Result
from rim_plugin.benchmark.settings import Benchmark, Method
from rim_plugin.environment import environment
from rim_plugin.evaluation.metric import ImageMetric, standard_metrics
from rim_plugin.evaluation.thresholds import fold_accuracy

_METRICS = 'of 8-bit images, no crop; Y of BT.601; identity: cosine of the recogniser, SR and HR face'
_RESAMPLES = 2000


class Interval(NamedTuple):
    """A mean and the bounds of its 95 % bootstrap interval; None where a figure is no mean over samples."""

    mean: float
    low: float | None
    high: float | None


def mean_interval(values: Sequence[float] | np.ndarray, seed: int = 0) -> Interval:
    """Mean and its 95 % percentile bootstrap interval (Efron and Tibshirani, 1993).

    Args:
        values: of each sample, a face or a pair of faces; infinite ones (PSNR of identical images) make the mean
            infinite.
        seed: of the resampling.

    Returns:
        All three numbers are the same for a single value or equal ones.
    """
    samples = np.asarray(values, np.float64)
    mean = float(samples.mean())
    if len(samples) < 2 or not np.isfinite(mean) or np.ptp(samples) == 0:
        return Interval(mean, mean, mean)
    interval = bootstrap(
        (samples,), np.mean, n_resamples=_RESAMPLES, method='percentile', rng=np.random.default_rng(seed)
    ).confidence_interval
    return Interval(mean, float(interval.low), float(interval.high))


def _sr_protocol(options: Mapping[str, Any]) -> dict[str, str]:
    """How the faces of a dataset were reduced and measured."""
    kind = 'antialiased bicubic' if options.get('degradation') in (None, 'none') else 'by its degradation'
    return {'downscaling': f'{kind} from the HR face to query_size, rounded to 8 bits', 'metrics': _METRICS}


class Results:
    """What was measured, by place.

    Args:
        benchmark: what was asked.
        results: of :func:`rim_plugin.benchmark.run.run_benchmark`.

    Attributes:
        by_place: (method's name, kind, *place) to the result.
        image_metrics: metrics of the SR sets, by the name of their column.
        budgets: method's name to its :func:`training_budget`.
        differences: keys as ``by_place``, to the paired differences to the reference. Those are intervals by metric of
            images, or one of ``accuracy``: by how much more of the pairs get the right verdict. Empty for the reference
            and where one of both was not measured.
    """

    def __init__(self, benchmark: Benchmark, results: Iterable[tuple[Measurement, Result]]) -> None:
        self.benchmark = benchmark
        self.by_place = {(each.method.name, each.kind, *each.place): result for each, result in results}
        self.image_metrics = standard_metrics(ImageMetric, benchmark.metric_files)
        self.budgets = {method.name: training_budget(method) for method in benchmark.methods}
        self.differences = {key: self._difference(*key) for key in self.by_place}

    def at(self, *place: str) -> list[tuple[Method, Result]]:
        """The methods that should have a result at a place (kind, set, size), each with it."""
        keys = [(method, (method.name, *place)) for method in self.benchmark.methods]
        return [(method, self.by_place[key]) for method, key in keys if key in self.by_place]

    def _difference(self, name: str, *place: str) -> dict[str, Interval]:
        if name == self.benchmark.reference.name:
            return {}
        mine, other = (self.by_place.get((each, *place), {}) for each in (name, self.benchmark.reference.name))
        if 'images' in mine and 'images' in other:
            return {metric: difference(mine, other, metric) for metric in mine['means'] if metric in other['means']}
        if 'figures' in mine and 'figures' in other:
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
                    'recogniser': method.recogniser,
                }
                for method, budget in zip(benchmark.methods, self.budgets.values())
            },
            'sr_sets': {name: {**_sr_protocol(options), **options} for name, options in benchmark.sr_sets.items()},
            'pairs': {name: self._pairs(name) for name in benchmark.pair_sets},
            'results': [self._result(key) for key in self.by_place],
        }

    def _result(self, key: tuple[str, ...]) -> dict[str, Any]:
        """A result's JSON values, with intervals of the images' metrics, and the scores of pairs as lists."""
        values = {name: value for name, value in self.by_place[key].items() if name != 'arrays'}
        if 'images' in values:
            values['means'] = {metric: interval(values, metric) for metric in values['means']}
        if 'figures' in values:
            values['scores'] = self.by_place[key]['arrays']['scores'].tolist()
        name, kind, *place = key
        return {'method': name, 'kind': kind, 'place': place, **values, 'difference': self.differences[key]}

    def _pair_arrays(self, name: str) -> dict[tuple[str, str], dict[str, np.ndarray]]:
        """Arrays of the results on a list of pairs, by method's name and probe size."""
        return {
            (key[0], key[3]): result['arrays']
            for key, result in self.by_place.items()
            if key[1:3] == ('pairs', name) and 'arrays' in result
        }

    def _pairs(self, name: str) -> dict[str, list[Any]]:
        """Kind and fold of every pair of a list, the same in all its results."""
        arrays = next(iter(self._pair_arrays(name).values()), None)
        return {key: [] if arrays is None else arrays[key].tolist() for key in ('issame', 'folds')}

    def image_csv(self, name: str) -> str:
        """Every face of an SR set by every method: a line each."""
        rows: list[Sequence[Any]] = [['method', 'image', *self.image_metrics]]
        for method, result in self.at('sr', name):
            if 'images' in result:
                faces = result['images']['name']
                columns = [result['images'].get(metric) or [''] * len(faces) for metric in self.image_metrics]
                rows += [[method.name, *row] for row in zip(faces, *columns)]
        return _csv(rows)

    def pair_csv(self, name: str) -> str:
        """Every pair of a list: a line each, with its score by every method at every size."""
        scores = {f'{method}_{size}': arrays['scores'] for (method, size), arrays in self._pair_arrays(name).items()}
        pairs = self._pairs(name)
        numbers = range(len(pairs['folds']))
        lines = zip(numbers, map(int, pairs['issame']), pairs['folds'], *scores.values())
        return _csv([['pair', 'issame', 'fold', *scores], *lines])


def interval(result: Result, metric: str) -> Interval | None:
    """A metric of an SR result with its bootstrap interval, which is left out where the metric is no mean over faces.

    None where it was not measured.
    """
    if metric not in result['means']:
        return None
    return _with_bounds(result['means'][metric], result['images'][metric])


def difference(result: Result, other: Result, metric: str) -> Interval:
    """By how much a metric of an SR result is above that of another on the same faces; bounds as :func:`interval`."""
    faces = np.subtract(result['images'][metric], other['images'][metric])
    return _with_bounds(result['means'][metric] - other['means'][metric], faces)


def _with_bounds(value: float, faces: Sequence[float] | np.ndarray) -> Interval:
    interval = mean_interval(faces)
    return interval if np.isclose(interval.mean, value, rtol=1e-6, atol=1e-9) else Interval(value, None, None)


def _verdicts(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Whether the verdict on each pair is right, 0.0 or 1.0."""
    return fold_accuracy(arrays['scores'], arrays['issame'], arrays['folds']).correct.astype(float)


def _csv(rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator='\n').writerows(rows)
    return text.getvalue()
