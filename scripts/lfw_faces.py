"""LFW for the scripts that measure on it: faces aligned from the photos, what verdicts go by, and a table."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rim_plugin import RIM
from rim_plugin.data.face_pair_dataset import FacePairDataset
from rim_plugin.files import write_atomically
from rim_plugin.templates import markdown_table


class Seen(NamedTuple):
    """Embeddings (N, D) of photos, and their sides in pixels (N, ), by which verdicts go."""

    embeddings: np.ndarray
    sides: np.ndarray


def examined(rim: RIM, faces: Sequence[np.ndarray]) -> Seen:
    """Of faces, uint8 (q, q, 3)."""
    return Seen(rim.embed(faces), np.array(rim.sides(faces)))


def lfw(folder: str, side: int) -> FacePairDataset:
    """The faces of LFW's pairs, of ``side`` pixels, from a folder with images, landmarks5.txt and pairs.txt."""
    places = {'dataroot_gt': 'images', 'landmarks': 'landmarks5.txt', 'pair_list': 'pairs.txt'}
    return FacePairDataset(
        {
            **{option: f'{folder}/{name}' for option, name in places.items()},
            **{'phase': 'test', 'name': 'lfw', 'type': 'FacePairDataset'},
            **{'gt_size': side, 'probe_side': 'none', 'identification': True},
        }
    )


def faces_of(dataset: FacePairDataset, indices: Sequence[int]) -> list[np.ndarray]:
    """Faces, uint8 (side, side, 3), RGB."""
    return [np.rint(dataset[int(index)]['gt'].permute(1, 2, 0).numpy() * 255).astype(np.uint8) for index in indices]


def write_table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]], output: Path | None) -> None:
    """Print a table in Markdown, and write it to a file."""
    page = f'{title}\n\n{markdown_table([*rows], head)}\n'
    print(page, end='')
    if output:
        write_atomically(output, page)
