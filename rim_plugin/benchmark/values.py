"""The results of a benchmark as values: paired differences, everything as JSON, faces and pairs as CSV."""

import csv
import io

import numpy as np

from rim_plugin.benchmark.budget import training_budget
from rim_plugin.benchmark.intervals import mean_interval
from rim_plugin.environment import environment
from rim_plugin.evaluation.thresholds import fold_accuracy

# of images: title and digits
IMAGE_METRICS = {
    'psnr_y': ('PSNR Y', 2),
    'ssim_y': ('SSIM Y', 4),
    'psnr_rgb': ('PSNR RGB', 2),
    'ssim_rgb': ('SSIM RGB', 4),
    'identity': ('identity', 3),
    'lpips': ('LPIPS (less is better)', 3),
}
_SR_PROTOCOL = {
    'downscaling': 'antialiased bicubic from the HR face to query_size, rounded to 8 bits',
    'metrics': 'of 8-bit images, no crop; Y of BT.601; identity: cosine of the recogniser, SR and HR face',
}


class Values:
    """What was measured, by place.

    Args:
        benchmark (Benchmark): what was asked. results (list[tuple[Unit, dict]]): see :func:`run_benchmark`.

    Attributes:
        found (dict): (method's name, kind, *place) to the result.
        reference (Method): to which differences are taken.
        budgets (dict): method's name to what :func:`training_budget` finds.
        differences (dict): as ``found``, to the paired differences to the reference: metric of images, or ``accuracy``
            (by how much more of the pairs get the right verdict), to mean and bounds of the 95 % bootstrap interval;
            empty for the reference and where one of both was not measured.
    """

    def __init__(self, benchmark, results):
        self.benchmark = benchmark
        self.found = {(unit.method.name, unit.kind, *unit.place): result for unit, result in results}
        self.reference = next(method for method in benchmark.methods if method.name == benchmark.reference)
        self.budgets = {method.name: training_budget(method) for method in benchmark.methods}
        self.differences = {key: self._difference(*key) for key in self.found}

    def of_kind(self, *place):
        """Methods that should have a result at this place, with it: list of (Method, dict)."""
        return [
            (method, self.found[(method.name, *place)])
            for method in self.benchmark.methods
            if (method.name, *place) in self.found
        ]

    def _difference(self, name, *place):
        mine, other = (self.found.get((each, *place), {}) for each in (name, self.reference.name))
        if name == self.reference.name or mine.keys() != other.keys():
            return {}
        if 'images' in mine:
            both = [metric for metric in IMAGE_METRICS if mine['images'][metric] and other['images'][metric]]
            return {
                metric: mean_interval(np.subtract(mine['images'][metric], other['images'][metric])) for metric in both
            }
        if 'figures' in mine:
            return {'accuracy': mean_interval(_verdicts(mine['arrays']) - _verdicts(other['arrays']))}
        return {}

    def everything(self):
        """All values, for JSON."""
        results = [
            {
                'method': key[0],
                'kind': key[1],
                'place': list(key[2:]),
                **_summary(result),
                'difference': self.differences[key],
            }
            for key, result in self.found.items()
        ]
        methods = {
            method.name: {
                'title': method.title,
                'options': method.file,
                'force': method.force,
                'weights': method.weights,
                'training': self.budgets[method.name],
                'recogniser': method.recogniser,
            }
            for method in self.benchmark.methods
        }
        return {
            'benchmark': self.benchmark.name,
            'environment': environment(),
            'seed': 0,
            'reference': self.reference.name,
            'methods': methods,
            'sr_sets': {name: {**_SR_PROTOCOL, **options} for name, options in self.benchmark.sr_sets.items()},
            'pairs': {name: self._kinds(name) for name in self.benchmark.pair_sets},
            'results': results,
        }

    def _of_pairs(self, name):
        """Results on a list of pairs: (method's name, size) to the arrays."""
        return {
            (key[0], key[3]): result['arrays']
            for key, result in self.found.items()
            if key[1:3] == ('pairs', name) and 'arrays' in result
        }

    def _kinds(self, name):
        """Kind and fold of every pair of a list, which all its results share; the scores are with the results."""
        arrays = next(iter(self._of_pairs(name).values()), {'issame': np.array([]), 'folds': np.array([])})
        return {key: arrays[key].tolist() for key in ('issame', 'folds')}

    def image_csv(self, name):
        """Every face of an SR set by every method: a line each."""
        rows = [['method', 'image', *IMAGE_METRICS]]
        for method, result in self.of_kind('sr', name):
            if 'images' in result:
                names = result['images']['name']
                columns = [result['images'][metric] or [''] * len(names) for metric in IMAGE_METRICS]
                rows += [[method.name, *row] for row in zip(names, *columns)]
        return _csv(rows)

    def pair_csv(self, name):
        """Every pair of a list: a line each, with its score by every method at every size."""
        scores = {f'{method}_{size}': arrays['scores'] for (method, size), arrays in self._of_pairs(name).items()}
        kinds = self._kinds(name)
        return _csv(
            [
                ['pair', 'issame', 'fold', *scores],
                *zip(range(len(kinds['folds'])), map(int, kinds['issame']), kinds['folds'], *scores.values()),
            ]
        )


def _csv(rows):
    text = io.StringIO()
    csv.writer(text, lineterminator='\n').writerows(rows)
    return text.getvalue()


def _summary(result):
    """A result's JSON values, with means and intervals of the images' metrics; scores of pairs as lists."""
    values = {key: value for key, value in result.items() if key != 'arrays'}
    if 'images' in result:
        values['means'] = {
            metric: mean_interval(result['images'][metric]) for metric in IMAGE_METRICS if result['images'][metric]
        }
    if 'figures' in result:
        values['scores'] = result['arrays']['scores'].tolist()
    return values


def _verdicts(arrays):
    """Whether the verdict on each pair is right, 0.0 or 1.0."""
    return fold_accuracy(arrays['scores'], arrays['issame'], arrays['folds']).correct.astype(float)
