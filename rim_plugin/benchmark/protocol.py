"""The protocol of a result: faces, sizes, reduction, colour spaces, alignment, seeds, as a small file with a hash."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from torch import Tensor

from rim_plugin.errors import OptionsError
from rim_plugin.files import write_atomically

_OF_THE_METHOD = ('upscaling', 'gallery_network', 'embedding')  # what protocols of pairs say of the method measured
_HEAD = "# Results are compared only where their protocols have this hash, which is the rest of this file's.\n"


def protocol_hash(protocol: Mapping[str, Any]) -> str:
    """12 hexadecimal digits of the SHA-256 of a protocol's JSON values, but for what it says of the method."""
    values = {key: value for key, value in protocol.items() if key not in (*_OF_THE_METHOD, 'hash')}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]


class SeenFaces:
    """Names of the faces that a result is of, and the digest of their 8-bit values and those of their probes."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._digest = hashlib.sha256()

    def add(self, names: Sequence[str], probes: Tensor, faces: Tensor) -> None:
        """Take in a batch: ``probes`` (N, 3, q, q) and ``faces`` (N, 3, S, S), in [0, 1]."""
        self.names += names
        for images in (probes, faces):
            self._digest.update((images * 255).round().byte().cpu().numpy().tobytes())

    @property
    def digest(self) -> str:
        """SHA-256 of all values so far, hexadecimal."""
        return self._digest.hexdigest()


def image_protocol(options: Mapping[str, Any], seen: SeenFaces, sizes: tuple[int, int]) -> dict[str, Any]:
    """The protocol of the faces of a dataset.

    Args:
        options: of the dataset.
        seen: its faces.
        sizes: sides of probe and face, pixels.

    Returns:
        JSON values, with their ``hash``.
    """
    degradation = options.get('degradation')
    protocol = {
        'task': 'super-resolution',
        'faces': options.get('dataroot_gt') or options['type'],
        'face_list': options.get('meta_info_file'),
        'images': len(seen.names),
        'probe_size': sizes[0],
        'face_size': sizes[1],
        'reduction': 'antialiased bicubic (a = -0.5)' if degradation in (None, 'none') else degradation,
        'levels': 'probes and results are rounded to 8 bits',
        'colour': 'RGB, and Y of YCbCr (BT.601, 16 to 235)',
        'crop_border': 0,
        'alignment': 'as stored' if 'dataroot_gt' in options else 'as drawn',
        'names': seen.names,
        'content': seen.digest,
    }
    return {'hash': protocol_hash(protocol), **protocol}


def pair_protocol(protocol: Mapping[str, Any]) -> dict[str, Any]:
    """The protocol of a list of pairs, of what :class:`~rim_plugin.evaluation.pair_evaluator.PairResults` says, with
    its ``hash``."""
    whole = {'task': 'recognition', **protocol}
    return {'hash': protocol_hash(whole), **whole}


def write_protocol(path: Path, protocol: Mapping[str, Any]) -> None:
    """Write a protocol with its hash as YAML."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, _HEAD + yaml.safe_dump(dict(protocol), sort_keys=False, allow_unicode=True))


def read_protocol(path: Path) -> dict[str, Any]:
    """A protocol from its file.

    Raises:
        OptionsError: the file is none, or its hash is not that of the rest.
    """
    try:
        protocol = yaml.safe_load(path.read_text(encoding='utf-8'))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise OptionsError(f'{path}: no protocol can be read from it: {str(error).splitlines()[0]}') from None
    if not isinstance(protocol, dict) or protocol.get('hash') != protocol_hash(protocol):
        raise OptionsError(f'{path}: its hash is not that of its contents; it was edited. Write it anew.')
    return protocol
