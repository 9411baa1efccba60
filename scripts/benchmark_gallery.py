"""Measure a gallery of drawn embeddings: how long it takes to fill, open and search, what it finds, how large it is.

    scripts/run.sh python scripts/benchmark_gallery.py 100000
    scripts/run.sh python scripts/benchmark_gallery.py 100000 --store postgresql://user@host/database

Persons are directions whose components have falling deviations, photos of a person lie around it, probes do so farther
away: what is compared are the persons of the exact search in single precision. CPU time is what one core needs, up to
twice as much where others share it: hence the fastest tenth, too. A gallery that is there is not filled again.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import numpy as np

from rim_plugin.tools.gallery.opening import open_store
from rim_plugin.tools.gallery.store import Enrolled, NoSuchGallery, Store

SIZE, PERSON, PART = 512, 3, 49_152  # components, photos a person, photos drawn at a time
PHOTO_NOISE, PROBE_NOISE = 0.65, (0.5, 2.0)  # relative to the persons' own deviations
PROBES, RANKS = 300, 5
DEVIATIONS = np.arange(1, SIZE + 1, dtype=np.float32) ** -0.4


def around(persons: np.ndarray, noise: np.ndarray | float, random: np.random.Generator) -> np.ndarray:
    rows = persons + noise * DEVIATIONS * random.standard_normal(persons.shape, np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def persons_of(part: int) -> np.ndarray:
    return DEVIATIONS * np.random.default_rng((1, part)).standard_normal((PART // PERSON, SIZE), np.float32)


def photos_of(part: int) -> np.ndarray:
    return around(np.repeat(persons_of(part), PERSON, axis=0), PHOTO_NOISE, np.random.default_rng((2, part)))


def parts(count: int) -> Iterator[tuple[int, np.ndarray]]:
    """Number of the first photo, and embeddings."""
    for start in range(0, count, PART):
        yield start, photos_of(start // PART)[: count - start]


def probes(count: int) -> np.ndarray:
    """(PROBES, SIZE) of persons of the first part."""
    random = np.random.default_rng(3)
    persons = persons_of(0)[random.integers(0, min(PART, count) // PERSON, PROBES)]
    return around(persons, np.linspace(*PROBE_NOISE, PROBES, dtype=np.float32)[:, None], random)


def exact(count: int) -> list[list[str]]:
    """The first persons of each probe."""
    best = np.zeros((PROBES, 0), np.float32)
    rows = np.zeros((PROBES, 0), np.int64)
    for start, embeddings in parts(count):
        similarities = probes(count) @ embeddings.T
        near = np.argpartition(-similarities, RANKS * PERSON, axis=1)[:, : RANKS * PERSON]
        best = np.concatenate([best, np.take_along_axis(similarities, near, 1)], 1)
        rows = np.concatenate([rows, near + start], 1)
    order = np.argsort(-best, axis=1)
    people = np.take_along_axis(rows, order, 1) // PERSON
    return [[name_of(person) for person in dict.fromkeys(row.tolist())][:RANKS] for row in people]


def name_of(person: int) -> str:
    return f'person {person}'


def fill(gallery: Store, count: int) -> None:
    for start, embeddings in parts(count):
        numbers = range(start, start + len(embeddings))
        photos = [
            Enrolled(name_of(number // PERSON), f'/photos/of/many/people/{number // PERSON}/{number}.jpg', 112)
            for number in numbers
        ]
        gallery.add(photos, embeddings)
        print(f'  {start + len(embeddings)} photos', file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('photos', type=int)
    parser.add_argument('--store', help='a database')
    parser.add_argument('--file', default='benchmark.rim', help='the gallery (%(default)s)')
    parser.add_argument('--search', action='store_true', help=argparse.SUPPRESS)  # a process of its own, for its memory
    args = parser.parse_args()
    if args.search:
        search(args)
        return
    try:
        open_store(args.file, args.store).close()
    except NoSuchGallery:
        start, cpu = time.perf_counter(), time.process_time()
        with open_store(args.file, args.store, '0' * 64, make=True) as gallery:
            fill(gallery, args.photos)
        print(f'filled: {time.perf_counter() - start:.0f} s, CPU {time.process_time() - cpu:.0f} s, drawing included')
    if args.store is None:
        print(f'size: {Path(args.file).stat().st_size / 1e6:.0f} MB')
    subprocess.run([sys.executable, *sys.argv, '--search'], check=True)


def peak_memory() -> float:
    """Most MiB that this process has held, which starts anew with its program, unlike ``ru_maxrss``."""
    status = Path('/proc/self/status').read_text()
    return int(status.split('VmHWM:')[1].split()[0]) / 1024


def search(args: argparse.Namespace) -> None:
    wanted, times, found = probes(args.photos), [], []
    drawn = peak_memory()
    import_module('faiss')  # which the first search of a process loads
    start, cpu = time.perf_counter(), time.process_time()
    gallery = open_store(args.file, args.store)
    gallery.search(wanted[0], RANKS)
    print(f'opened and searched once: {time.perf_counter() - start:.2f} s, CPU {time.process_time() - cpu:.2f} s')
    for probe in wanted:
        before = time.perf_counter(), time.process_time()
        found.append([hit.name for hit in gallery.search(probe, RANKS)])
        times.append((time.perf_counter() - before[0], time.process_time() - before[1]))
    (wall, core), (_, least) = 1000 * np.quantile(times, (0.5, 0.1), axis=0)
    print(f'probe: {core:.1f} ms of a core, a tenth of them {least:.1f} ms or less; {wall:.1f} ms passed (medians)')
    print(f'memory at the peak: {peak_memory():.0f} MiB, of which drawing {drawn:.0f}')
    truth = exact(args.photos)
    first = np.mean([each[0] == right[0] for each, right in zip(found, truth)])
    five = np.mean([len({*each} & {*right}) / RANKS for each, right in zip(found, truth)])
    print(f'recall: {first:.4f} of the first, {five:.4f} of the first {RANKS}')


if __name__ == '__main__':
    main()
