"""Faces for the browser of a report's page: by turns the worst and the best of every method."""

import base64
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np

from rim_plugin.benchmark.measure import open_dataset
from rim_plugin.benchmark.picture_grid import unpacked, webp
from rim_plugin.benchmark.results import Results
from rim_plugin.benchmark.run import Result, sr_options
from rim_plugin.sheets import to_image

_RANKED_BY = ('identity', 'psnr_y')


def browser_data(results: Results, name: str) -> dict[str, Any] | None:
    """What the page's browser shows of an SR set, as JSON values; None where no pictures were kept.

    ``methods`` and ``metrics`` say what there is; each of ``faces`` has its name, ``lr``, ``hr`` and ``sr`` (by method)
    as data URIs, and ``values`` by method and metric.
    """
    found = {method.name: result for method, result in results.at('sr', name) if 'sr_files' in result.get('arrays', {})}
    if not found:
        return None
    names = next(iter(found.values()))['images']['name']
    metrics = [key for key in results.image_columns if any(key in each['images'] for each in found.values())]
    chosen = sorted(islice(dict.fromkeys(_extremes(results, found)), results.benchmark.options.browse))
    dataset = open_dataset(sr_options(results.benchmark, name)[()])
    titles = {method.name: method.title for method in results.benchmark.methods}
    return {
        'set': name,
        'methods': [{'key': key, 'title': titles[key]} for key in found],
        'metrics': [{'key': key, **_described(results, key)} for key in metrics],
        'of': len(names),
        'faces': [
            {
                'name': names[face],
                'lr': _uri(webp(to_image(dataset[face]['lq']))),
                'hr': _uri(webp(to_image(dataset[face]['gt']))),
                'sr': {key: _uri(unpacked(result['arrays'], face)) for key, result in found.items()},
                'values': {key: _values(result, metrics, face) for key, result in found.items()},
            }
            for face in chosen
        ],
    }


def _described(results: Results, metric: str) -> dict[str, Any]:
    column = results.image_columns[metric]
    return {'head': column.heading, 'digits': column.digits, 'higher': column.higher_is_better}


def _extremes(results: Results, found: Mapping[str, Result]) -> Iterator[int]:
    """Places of faces: the worst and best of each method by each metric, then the next ones."""
    orders = []
    for result in found.values():
        for metric in _RANKED_BY:
            if metric in result['images']:
                ascending = np.argsort(result['images'][metric], kind='stable').tolist()
                orders.append(ascending if results.image_columns[metric].higher_is_better else ascending[::-1])
    for place in range(len(orders[0]) if orders else 0):
        for order in orders:
            yield from (order[place], order[-1 - place])


def _values(result: Result, metrics: list[str], face: int) -> dict[str, float | None]:
    found = {key: result['images'].get(key) for key in metrics}
    return {key: float(each[face]) for key, each in found.items() if each is not None and np.isfinite(each[face])}


def _uri(file: bytes) -> str:
    return 'data:image/webp;base64,' + base64.b64encode(file).decode()
