#!/usr/bin/env python
"""Verification of LFW's pairs by the side at which the smaller face is handed over: a table.

    scripts/run.sh python scripts/benchmark_handed_over.py -o experiments/handed_over.md
    scripts/run.sh python scripts/benchmark_handed_over.py --web -o experiments/handed_over_web.md

The second face of a pair is reduced to 28 or 14 pixels and enlarged again, by bicubic interpolation; the first is as it
is. With ``--web`` there is noise and JPEG before, and JPEG after the enlargement.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from benchmark_sides import FULL, enlarged, seen_on_the_web
from lfw_faces import faces_of, lfw, write_table

from rim_plugin import RIM
from rim_plugin.benchmark.bootstrap import mean_interval
from rim_plugin.data.resize import degrade
from rim_plugin.evaluation.roc import roc
from rim_plugin.evaluation.thresholds import fold_accuracy
from rim_plugin.tools.api import Examined

AT = {28: (28, 56, 112, 224, 512), 14: (14, 56, 112, 224, 512)}
FAR = 0.01
HEAD = (
    *('detail, px', 'at', 'accuracy', 'less the first', f'TAR at FAR {FAR:g}'),
    *('no verdict', 'verdicts right', 'confidence', 'side'),
)


class Pairs(NamedTuple):
    """Columns of the first and the second face, whether they show one person, and folds, (P, ) each."""

    first: np.ndarray
    second: np.ndarray
    issame: np.ndarray
    folds: np.ndarray


class Judged(NamedTuple):
    """Of each pair (P, ): whether the accuracy's verdict is right; of those with a verdict (V, ): whether it is right,
    and how sure it is."""

    correct: np.ndarray
    right: np.ndarray
    confidence: np.ndarray
    tar: float


def judged(rim: RIM, pairs: Pairs, full: dict[int, Examined], probes: dict[int, Examined]) -> Judged:
    """Pairs by their accuracy, and by the verdicts of :meth:`RIM.judge`."""
    faces = [(full[first], probes[second]) for first, second in zip(pairs.first.tolist(), pairs.second.tolist())]
    scores = np.array([float(a.embedding @ b.embedding) for a, b in faces])
    verdicts = [
        rim.judge(score, (a.side, b.side), (a.quality, b.quality)) for score, (a, b) in zip(scores.tolist(), faces)
    ]
    told = np.array([each.same is not None for each in verdicts])
    far, tar = roc(scores, pairs.issame)
    return Judged(
        fold_accuracy(scores, pairs.issame, pairs.folds).correct,
        np.array([each.same for each in verdicts])[told] == pairs.issame[told],
        np.array([each.confidence for each in verdicts])[told].astype(float),
        float(tar[far <= FAR].max()),
    )


def handed_over(face: np.ndarray, side: int, at: int, seed: int, web: bool) -> np.ndarray:
    """A face, uint8 (224, 224, 3), with detail of ``side`` pixels, of ``at`` pixels."""
    return seen_on_the_web(face, side, at, seed) if web else enlarged(degrade(face, side), at)


def rows(rim: RIM, pairs: Pairs, faces: list[np.ndarray], web: bool) -> Iterator[tuple[str, ...]]:
    """Of the table, one for each detail and side at which it is handed over."""
    used = np.unique(pairs.first).tolist()
    full = dict(zip(used, rim.examine([faces[index] for index in used])))
    used = np.unique(pairs.second).tolist()
    for side, sides in AT.items():
        native: np.ndarray | None = None
        for at in sides:
            seen = [handed_over(faces[index], side, at, index, web) for index in used]
            probes = dict(zip(used, rim.examine(seen)))
            result = judged(rim, pairs, full, probes)
            native = result.correct if native is None else native
            change = mean_interval(result.correct * 1.0 - native)
            yield (
                *(f'{side}', f'{at}', f'{result.correct.mean():.4f}'),
                f'{change.mean:+.4f} [{change.low:+.4f}, {change.high:+.4f}]',
                *(f'{each:.3f}' for each in (result.tar, 1 - len(result.right) / len(pairs.first))),
                *(f'{each.mean():.3f}' for each in (result.right, result.confidence)),
                f'{np.median([each.side for each in probes.values()]):g}',
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--lfw', default='datasets/raw/lfw', help='images, landmarks5.txt, pairs.txt (%(default)s)')
    parser.add_argument('--folds', type=int, default=2, help='first so many folds of 600 pairs (%(default)s)')
    parser.add_argument('--every', type=int, default=1, help='take each so many-th pair (%(default)s)')
    parser.add_argument('--web', action='store_true', help='noise and JPEG, too')
    parser.add_argument('--weights', help='NAME.safetensors (those of the repository)')
    parser.add_argument('-o', '--output', type=Path, help='NAME.md (the table is printed alone)')
    args = parser.parse_args()
    rim, dataset = RIM.from_pretrained(args.weights, engine='torch'), lfw(args.lfw, FULL)
    taken = np.flatnonzero(dataset.folds < args.folds)[:: args.every]
    columns, places = np.unique(dataset.pairs[taken], return_inverse=True)
    first, second = places.reshape(-1, 2).T
    pairs = Pairs(first, second, dataset.issame[taken], dataset.folds[taken])
    table = rows(rim, pairs, faces_of(dataset, columns), args.web)
    write_table(f'{len(taken)} pairs', HEAD, table, args.output)


if __name__ == '__main__':
    main()
