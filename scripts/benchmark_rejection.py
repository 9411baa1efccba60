#!/usr/bin/env python
"""Error versus reject on LFW: what the quality of a face is worth where those of least quality are refused, as a table.

    scripts/run.sh python scripts/benchmark_rejection.py -o experiments/rejection.md

The second photo of each person who has two, reduced to each size, is compared with all first photos, at 112 pixels.
The false non-match rate FNMR is at the similarity that strangers reach with a probability of FMR, over all probes;
intervals of 95 % are over the persons, of the difference to refusing none. Beside NAME.md, NAME.png has the curves.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from lfw_faces import faces_of, lfw, write_table

from rim_plugin import RIM
from rim_plugin.archs.recogniser import FACE_SIZE
from rim_plugin.benchmark.bootstrap import RESAMPLES
from rim_plugin.evaluation.curves import save_rejection
from rim_plugin.tools.quality_calibration import reduced

SIZES = (28, 14, 7)
FMRS = (1e-2, 1e-3)
REFUSED = (10, 20, 30)  # percent
HEAD = ('probe, px', 'FMR', 'FNMR', *(f'{percent} % refused' for percent in REFUSED))


class Probes(NamedTuple):
    """Of P persons: similarity (P, P) of probes with first photos, own on the diagonal, and qualities (P, )."""

    similarity: np.ndarray
    quality: np.ndarray

    def missed(self, fmr: float) -> np.ndarray:
        """(P, ) bool, probes that are less like their own first photo than a stranger is with probability ``fmr``."""
        strangers = self.similarity[~np.eye(len(self.similarity), dtype=bool)]
        return self.similarity.diagonal() < np.quantile(strangers, 1 - fmr)

    def kept(self, percent: int) -> np.ndarray:
        """(P, ) bool, probes that are left when those of least quality are refused."""
        kept = np.ones(len(self.quality), bool)
        kept[np.argsort(self.quality, kind='stable')[: round(len(kept) * percent / 100)]] = False
        return kept


def change(missed: np.ndarray, kept: np.ndarray) -> tuple[float, float]:
    """Bounds of the 95 % bootstrap interval of the difference of FNMR that refusing makes."""
    rng, count = np.random.default_rng(0), len(missed)
    weights = rng.multinomial(count, np.full(count, 1 / count), RESAMPLES)
    differences = (weights @ (missed & kept)) / np.maximum(weights @ kept, 1) - weights @ missed / count
    low, high = np.percentile(differences, [2.5, 97.5])
    return float(low), float(high)


def rows(probes: dict[int, Probes]) -> Iterator[tuple[str, ...]]:
    """Of the table, one for each size and FMR."""
    for size, each in probes.items():
        for fmr in FMRS:
            missed = each.missed(fmr)
            cells = []
            for percent in REFUSED:
                kept = each.kept(percent)
                low, high = change(missed, kept)
                cells.append(f'{missed[kept].mean():.3f} [{low:+.3f}, {high:+.3f}]')
            yield f'{size}', f'{fmr:g}', f'{missed.mean():.3f}', *cells


def curves(probes: dict[int, Probes], fmr: float) -> dict[str, np.ndarray]:
    """FNMR of each size when 0, 1, ... percent are refused, in parts of that when none is."""
    told = {}
    for size, each in probes.items():
        missed = each.missed(fmr)
        values = np.array([missed[each.kept(percent)].mean() for percent in range(REFUSED[-1] + 1)])
        told[f'{size} px, FNMR {missed.mean():.3f}'] = values / max(missed.mean(), 1e-9)
    return told


def probes_of(rim: RIM, first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> dict[int, Probes]:
    """By size, from two photos of each person, uint8 (112, 112, 3)."""
    full, found = rim.embed(first), {}
    for size in SIZES:
        seen = rim.examine([reduced(face, size) for face in second])
        similarity = np.array([each.embedding for each in seen]) @ full.T
        found[size] = Probes(similarity, np.array([each.quality for each in seen], float))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--lfw', default='datasets/raw/lfw', help='images, landmarks5.txt, pairs.txt (%(default)s)')
    parser.add_argument('--every', type=int, default=1, help='take each so many-th person (%(default)s)')
    parser.add_argument('--weights', help='NAME.safetensors (those of the repository)')
    parser.add_argument('-o', '--output', type=Path, help='NAME.md (the table is printed alone)')
    args = parser.parse_args()
    rim, dataset = RIM.from_pretrained(args.weights, engine='torch'), lfw(args.lfw, FACE_SIZE)
    sets, names = dataset.identification, np.array(dataset.names)
    searching, probe = (each[:: args.every] for each in np.unique(names[sets.probes], return_index=True))
    gallery = dict(zip(names[sets.gallery], sets.gallery))
    first = faces_of(dataset, [gallery[name] for name in searching])
    probes = probes_of(rim, first, faces_of(dataset, sets.probes[probe]))
    write_table(f'{len(searching)} persons', HEAD, rows(probes), args.output)
    if args.output:
        title = f'Error versus reject on LFW: {len(searching)} persons, FMR {FMRS[0]:g}'
        save_rejection(args.output.with_suffix('.png'), curves(probes, FMRS[0]), title, 'relative FNMR')


if __name__ == '__main__':
    main()
