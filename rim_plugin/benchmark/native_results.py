"""Results of sets of faces that are small by nature, as values: one for each part of a set, with intervals."""

from collections.abc import Iterable, Iterator
from typing import Any

from rim_plugin.benchmark.bootstrap import Interval, pair_intervals, share_interval
from rim_plugin.evaluation.metrics.auc import AUC
from rim_plugin.evaluation.metrics.eer import EER

Result = dict[str, Any]
_MOST_PAIRS = 200_000  # each resample has a count of each
_TAR = 'TAR at FAR '


def by_part(results: Iterable[tuple[tuple[str, ...], Result]]) -> Iterator[tuple[tuple[str, ...], Result]]:
    """The results, of which those with parts become one for each part."""
    for key, result in results:
        if 'parts' not in result:
            yield key, result
        for part, values in result.get('parts', {}).items():
            arrays = {
                name.partition('/')[2]: array for name, array in result['arrays'].items() if name.startswith(f'{part}/')
            }
            yield (*key, part), {**values, 'protocol': result['protocol'], 'arrays': arrays}


def native_intervals(result: Result) -> dict[str, Interval]:
    """Figures of a part of a native set: Wilson's intervals over the probes of a search, bounds over pairs, where there
    are not too many to resample."""
    figures, arrays, probes = result['figures'], result['arrays'], result['probes']
    if probes is not None:
        return {key: share_interval(value, probes) for key, value in figures.items()}
    if len(arrays['scores']) > _MOST_PAIRS:
        return {key: Interval(value) for key, value in figures.items()}
    bounds = pair_intervals(arrays['scores'], arrays['issame'], native_rates(figures))
    names = {'auc': AUC.title, 'eer': EER.title}
    found = {names.get(key, key): each for key, each in bounds.items()}
    return {key: Interval(value, *found[key]) for key, value in figures.items()}


def native_rates(figures: Iterable[str]) -> dict[str, float]:
    """The false accept rates of figures of verification, by column."""
    return {key: float(key.removeprefix(_TAR)) for key in figures if key.startswith(_TAR)}
