"""Scores of pairs whose kinds overlap, and the value of a metric on them."""

import numpy as np


def random_pairs(seed, count=200, folds=10, decimals=None):
    """Scores of ``count`` pairs that overlap; ``decimals``: rounded, so that there are many ties."""
    rng = np.random.default_rng(seed)
    issame = rng.permutation(np.arange(count) % 2 == 0)
    scores = np.clip(rng.normal(np.where(issame, 0.3, 0), 0.25), -1, 1)
    if decimals is not None:
        scores = scores.round(decimals)
    return {'scores': scores, 'issame': issame, 'folds': rng.permutation(np.arange(count) % folds)}


def value(metric, data):
    """Of a metric that takes the pairs in two batches: it is one of all pairs all the same."""
    half = len(data['scores']) // 2
    for part in (slice(half), slice(half, None)):
        metric.update({key: column[part] for key, column in data.items()})
    return metric.compute()
