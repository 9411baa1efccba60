"""Index files of earlier versions: one ``.safetensors`` with names in its header. They are read, and not written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from rim_plugin.files import read_metadata
from rim_plugin.tools.gallery.store import AnyPath, Enrolled, GalleryError, no_such_gallery, unit_rows


def is_index_file(path: AnyPath) -> bool:
    """Whether a file begins as ``.safetensors`` do."""
    with open(path, 'rb') as file:
        return file.read(10)[8:] == b'{"'


def read_index(path: AnyPath) -> tuple[str, list[Enrolled], np.ndarray]:
    """SHA-256 of the weights, N photos and embeddings float32 (N, D).

    The format has no checksum: what can be checked are kinds, ranges and that every embedding has the length 1.

    Raises:
        GalleryError: no such file, no index, or a damaged one.
    """
    if not Path(path).is_file():
        raise no_such_gallery(str(path))
    try:
        return _read(path)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        reason = f' ({error})' if isinstance(error, GalleryError) else ''
        raise GalleryError(f'{path}: damaged, or no index of rim-gallery{reason}: name another file') from None


def _read(path: AnyPath) -> tuple[str, list[Enrolled], np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    header = read_metadata(path, 'gallery')
    photos = [_photo(*each) for each in header['photos']]
    try:
        embeddings = load_file(path)['embeddings']
    except SafetensorError as error:
        raise ValueError(str(error)) from None
    if not isinstance(header['sha256'], str) or embeddings.dtype != np.float32 or len(photos) != len(embeddings):
        raise ValueError(f'{json.dumps(header["sha256"])}: {len(photos)} photos, {embeddings.shape}')
    return header['sha256'], photos, unit_rows(embeddings, 0, 'index') if photos else embeddings


def _photo(name: object, file: object, side: object) -> Enrolled:
    if not (isinstance(name, str) and name and isinstance(file, str) and type(side) is int and side > 0):
        raise ValueError(f'{name!r}: no photo')
    return Enrolled(name, file, side)
