"""Probes and faces of a benchmark as files, for other programs: a folder for each set and kind."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
from tqdm import tqdm

from rim_plugin.benchmark.measure import open_dataset
from rim_plugin.benchmark.protocol import SeenFaces, image_protocol, pair_protocol, write_protocol
from rim_plugin.benchmark.run import pair_options, sr_options
from rim_plugin.benchmark.settings import Benchmark
from rim_plugin.files import write_atomically
from rim_plugin.sheets import to_image


def write_probes(benchmark: Benchmark, folder: Path) -> int:
    """Write the probes of all sets, sizes and kinds, and the faces of the SR sets beside them.

    ``SET/PLACE/lq/NAME.png`` are probes, ``SET/hr/NAME.png`` the faces, ``SET/PLACE/protocol.yml`` says how they were
    made; PLACE is the side of the probes, followed by their kind.

    Args:
        benchmark: of which sets.
        folder: made where it is not there.

    Returns:
        How many probes.
    """
    return sum(
        _write_set(folder / name, place, options, is_pairs) for name, place, options, is_pairs in _sets(benchmark)
    )


def _sets(benchmark: Benchmark) -> Iterator[tuple[str, str, dict[str, Any], bool]]:
    """Name, place, options of each set, and whether it is one of pairs."""
    for name in benchmark.sr_sets:
        for place, options in sr_options(benchmark, name).items():
            yield name, '_'.join([str(options.get('query_size', 28)), *place]), options, False
    for name in benchmark.pair_sets:
        for pair_place, options in pair_options(benchmark, name, benchmark.options.query_sizes).items():
            if pair_place != ('full',):
                yield name, '_'.join(pair_place), options, True


def _write_set(folder: Path, place: str, options: Mapping[str, Any], is_pairs: bool) -> int:
    dataset, seen = open_dataset(options), SeenFaces()
    sizes = 0, 0
    for index in tqdm(range(len(dataset)), unit='face', desc=f'{folder.name}/{place}'):
        item = dataset[index]
        sizes = item['lq'].shape[-1], item['gt'].shape[-1]
        seen.add([item['gt_path']], item['lq'][None], item['gt'][None])
        _write(folder / place / 'lq' / f'{item["gt_path"]}.png', item['lq'])
        if not is_pairs:
            _write(folder / 'hr' / f'{item["gt_path"]}.png', item['gt'])
    protocol = pair_protocol(dataset.protocol) if is_pairs else image_protocol(options, seen, sizes)
    write_protocol(folder / place / 'protocol.yml', protocol)
    return len(dataset)


def _write(path: Path, image: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, cv2.imencode('.png', to_image(image))[1].tobytes())
