#!/usr/bin/env python
"""Searches of galleries by persons who are enrolled and by others, by size of the probe and number of names: a table.

    scripts/run.sh python scripts/benchmark_searches.py --embeddings experiments/searches.npz -o experiments/searches.md

The first photo of each person of LFW is enrolled, at 112 pixels. The second photo of those who have two, reduced to
each size, searches for its own person, and the gallery without that person. Galleries of fewer names are drawn from
all; what is told is the expectation over the draws, which has a closed form. FPIR is bold where all of its interval of
95 %, over the probes, lies above what was asked.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from lfw_faces import Seen, examined, faces_of, lfw, write_table
from tqdm import tqdm

from rim_plugin import RIM
from rim_plugin.archs.recogniser import FACE_SIZE
from rim_plugin.benchmark.bootstrap import Interval, mean_interval
from rim_plugin.data.face_pair_dataset import FacePairDataset
from rim_plugin.evaluation.open_set import drawn_rates
from rim_plugin.tools.face_calibration import reduced

SIZES = (112, 28, 14, 7)
NAMES = (20, 300, 2000)
FPIRS = (0.01, 0.1)
HEAD = ('probe, px', 'names', 'FPIR asked', 'FPIR', 'FNIR there', 'FNIR at the FPIR asked')


class Searches(NamedTuple):
    """Probes against all photos of the gallery.

    Attributes:
        similarity: (P, G).
        own: (P, ) column of each probe's person.
    """

    similarity: np.ndarray
    own: np.ndarray

    @property
    def others(self) -> np.ndarray:
        """(P, G) bool, photos of other persons."""
        others = np.ones(self.similarity.shape, bool)
        others[np.arange(len(self.own)), self.own] = False
        return others

    def false_positives(self, margins: np.ndarray, names: int, above: float = 0) -> np.ndarray:
        """(P, ) probability that a gallery of so many others gives a name.

        Args:
            margins: (P, G) similarity less threshold.
            names: persons of the gallery.
            above: margin from which somebody is named.
        """
        others = self.others
        return drawn_rates((others & (margins >= above)).sum(1), others.sum(1), names)

    def false_negatives(self, margins: np.ndarray, names: int, above: float = 0) -> np.ndarray:
        """(P, ) probability that the probe's person, one of so many names, is not named, or another before."""
        rows = np.arange(len(self.own))
        others, own = self.others, self.similarity[rows, self.own]
        better = others & (margins >= above) & (self.similarity > own[:, None])
        beaten = drawn_rates(better.sum(1), others.sum(1), names - 1)
        return np.where(margins[rows, self.own] >= above, beaten, 1)


def margin_for(searches: Searches, margins: np.ndarray, names: int, fpir: float) -> float:
    """The margin from which somebody is named where FPIR is at most ``fpir``, by bisection."""
    low, high = float(margins.min()), float(margins.max()) + 1e-6
    for _ in range(40):
        middle = (low + high) / 2
        if searches.false_positives(margins, names, middle).mean() > fpir:
            low = middle
        else:
            high = middle
    return high


def thresholds(rim: RIM, probes: Seen, gallery: Seen, names: int, fpir: float) -> np.ndarray:
    """(P, G) similarity from which a person is named; infinite where none is, whatever the similarity."""

    def threshold(side: int, enrolled: int) -> float:
        told = rim.identify(0.0, (side, enrolled), names, fpir).threshold
        return np.inf if told is None else told

    (sides, rows), (others, columns) = (np.unique(each.sides, return_inverse=True) for each in (probes, gallery))
    known = np.array([[threshold(int(side), int(enrolled)) for enrolled in others] for side in sides])
    return known[rows][:, columns]


def rows(rim: RIM, gallery: Seen, probes: dict[int, Seen], own: np.ndarray) -> Iterator[tuple[str, ...]]:
    """Of the table, one for each size, number of names and FPIR."""
    for size, seen in probes.items():
        searches = Searches(seen.embeddings @ gallery.embeddings.T, own)
        for names in (each for each in NAMES if each < len(gallery.sides)):
            for asked in FPIRS:
                margins = searches.similarity - thresholds(rim, seen, gallery, names, asked)
                wrong, missed = searches.false_positives(margins, names), searches.false_negatives(margins, names)
                exact = searches.false_negatives(margins, names, margin_for(searches, margins, names, asked))
                told = mark(mean_interval(wrong), asked), shown(mean_interval(missed))
                yield f'{size}', f'{names}', f'{asked:g}', *told, f'{exact.mean():.3f}'


def shown(interval: Interval) -> str:
    return f'{interval.mean:.4f} [{interval.low:.4f}, {interval.high:.4f}]'


def mark(measured: Interval, asked: float) -> str:
    return f'**{shown(measured)}**' if measured.low is not None and measured.low > asked else shown(measured)


def embedded(rim: RIM, dataset: FacePairDataset) -> tuple[Seen, dict[int, Seen], np.ndarray]:
    """The gallery, the probes by size, and the columns of their own persons."""
    sets = dataset.identification
    assert sets is not None and dataset.names is not None
    names = np.array(dataset.names)
    searching, first = np.unique(names[sets.probes], return_index=True)
    own = np.array([{name: column for column, name in enumerate(names[sets.gallery])}[name] for name in searching])
    gallery, second = examined(rim, faces_of(dataset, sets.gallery)), faces_of(dataset, sets.probes[first])
    sizes = tqdm(SIZES, unit='size')
    return gallery, {size: examined(rim, [reduced(face, size) for face in second]) for size in sizes}, own


def kept(rim: RIM, dataset: FacePairDataset, path: Path | None) -> tuple[Seen, dict[int, Seen], np.ndarray]:
    """:func:`embedded`, read from a file that was made with the same weights, or written to it."""
    if path and path.is_file():
        with np.load(path) as file:
            if str(file['weights']) == rim.weights.sha256:
                keys = ('gallery', *SIZES)
                gallery, *probes = (Seen(file[f'embeddings_{key}'], file[f'sides_{key}']) for key in keys)
                return gallery, dict(zip(SIZES, probes)), file['own']
    gallery, probes_by_size, own = embedded(rim, dataset)
    if path:
        columns = {'gallery': gallery, **{str(size): seen for size, seen in probes_by_size.items()}}
        arrays = {f'{field}_{key}': value for key, seen in columns.items() for field, value in seen._asdict().items()}
        np.savez(path, weights=rim.weights.sha256, own=own, **arrays)
    return gallery, probes_by_size, own


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--lfw', default='datasets/raw/lfw', help='images, landmarks5.txt, pairs.txt (%(default)s)')
    parser.add_argument('--weights', help='NAME.safetensors (those of the repository)')
    parser.add_argument('--embeddings', type=Path, help='NAME.npz, where embeddings are kept (nowhere)')
    parser.add_argument('-o', '--output', type=Path, help='NAME.md (the table is printed alone)')
    args = parser.parse_args()
    rim = RIM.from_pretrained(args.weights, engine='torch')
    gallery, probes, own = kept(rim, lfw(args.lfw, FACE_SIZE), args.embeddings)
    title = f'{len(gallery.sides)} persons, {len(own)} probes of each size'
    write_table(title, HEAD, rows(rim, gallery, probes, own), args.output)


if __name__ == '__main__':
    main()
