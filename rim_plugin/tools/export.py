"""Hallucination and the probe's branch as ONNX files, for probes of one size and batches of any, checked with PyTorch.

A file says what it takes and gives in its ``metadata_props``, see :func:`facts`.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from rim_plugin.errors import OptionsError, first_words
from rim_plugin.files import require_folder, write_atomically
from rim_plugin.pipeline import Hallucination
from rim_plugin.tools.api import RIM
from rim_plugin.tools.onnx_graph import INPUT, TOLERANCE, to_onnx, with_facts

MADE_BY = 'rim_plugin'  # ``made_by`` of the files


class Graph(NamedTuple):
    """A network that is exported: ``name`` of the file, before its size, the tensor that it gives, and itself."""

    name: str
    output: str
    module: nn.Module


def export_onnx(rim: RIM, folder: str | os.PathLike[str], size: int) -> dict[Path, float]:
    """Write ``fhn_SIZE.onnx`` (probe to face, not clamped) and ``embed_SIZE.onnx`` (probe to unit embedding).

    Both take ``probe``, float32 (N, 3, size, size), RGB in [0, 1], any N. Where the weights are not for probes of this
    size, the face is a bicubic enlargement, see :meth:`RIMPipeline.share`. A face
    larger than the network's comes back as it is.

    Args:
        rim: of its networks those that are there are exported.
        folder: made where it is not there.
        size: side of the probes in pixels.

    Returns:
        Files, and by how much their outputs differ at most from PyTorch's.

    Raises:
        NotADirectoryError: ``folder`` is a file.
        RuntimeError: onnx or onnxruntime is not installed, or an output differs by more than 1e-4; nothing is written.
    """
    require_folder(Path(folder))
    models, differences = {}, {}
    for graph in _graphs(rim):
        path = Path(folder) / f'{graph.name}_{size}.onnx'
        try:
            model = to_onnx(graph.module, graph.output, size, rim.device)
            models[path] = with_facts(model, facts(rim, graph.output, size))
            differences[path] = _difference(models[path], graph.module, size, rim.device)
        except ImportError as error:
            raise RuntimeError(f'Export: {error}. Install it: pip install onnx onnxruntime') from None
        if not differences[path] <= TOLERANCE:
            raise RuntimeError(f'{path.name}: {_differs(differences[path])}; nothing is written')
    Path(folder).mkdir(parents=True, exist_ok=True)
    for path, model in models.items():
        write_atomically(path, model)
    return differences


def facts(rim: RIM, output: str, size: int) -> dict[str, str]:
    """What a file says of itself.

    Returns:
        ``made_by``, ``output``, ``range`` and ``colour_order`` of the probes, ``probe_size`` in pixels, ``sides`` that
        the hallucination network is for, and its ``share`` in faces of this size, ``image_size`` of a face,
        ``weights_sha256``, ``calibrations``: JSON, thresholds of similarities by size of the probe.
    """
    pipeline, weights = rim.pipeline, rim.weights
    return {
        'made_by': MADE_BY,
        'output': output,
        'range': '0 1',
        'colour_order': 'RGB',
        'probe_size': str(size),
        'sides': ' '.join(map(str, weights.sides or ())),
        'share': f'{pipeline.share(size):.3f}',
        'image_size': str(max(size, pipeline.image_size)),
        'weights_sha256': weights.sha256,
        'calibrations': json.dumps([each._asdict() for each in weights.calibrations]),
    }


def check_onnx(rim: RIM, path: str | os.PathLike[str]) -> float:
    """Read a file of :func:`export_onnx` again and compare it with PyTorch.

    Args:
        rim: with the weights that the file was made of.
        path: NAME.onnx.

    Returns:
        By how much its output differs at most.

    Raises:
        OptionsError: the file cannot be read, was not made by :func:`export_onnx` or of other weights, or its output
            differs by more than 1e-4.
    """
    import onnx

    try:
        model = Path(path).read_bytes()
        told = {each.key: each.value for each in onnx.load_from_string(model).metadata_props}
    except Exception as error:  # protobuf's errors have no common base
        raise OptionsError(f'{path}: no ONNX file that can be read ({first_words(error)})') from None
    if told.get('made_by') != MADE_BY:
        raise OptionsError(f'{path}: not made by rim export, which says so in the file: export it again')
    size, outputs = int(told['probe_size']), {graph.output: graph.module for graph in _graphs(rim)}
    if told != facts(rim, told['output'], size):
        other = [key for key, value in facts(rim, told['output'], size).items() if told.get(key) != value]
        raise OptionsError(
            f'{path}: made of other weights than {rim.name} ({", ".join(other)}): name its own (--weights)'
        )
    difference = _difference(model, outputs[told['output']], size, rim.device)
    if not difference <= TOLERANCE:
        raise OptionsError(f'{path}: {_differs(difference)}: export it again')
    return difference


def _graphs(rim: RIM) -> Iterator[Graph]:
    if rim.pipeline.fhn is not None:
        yield Graph('fhn', 'face', Hallucination(rim.pipeline))
    if rim.pipeline.hrn is not None:
        yield Graph('embed', 'embedding', rim.pipeline)


def _differs(difference: float) -> str:
    return f'onnxruntime differs from PyTorch by {difference:.1e}, more than {TOLERANCE}'


def _difference(model: bytes, module: nn.Module, size: int, device: torch.device) -> float:
    """Largest difference between onnxruntime and PyTorch, over batches of one and of three random probes."""
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=['CPUExecutionProvider'])
    generator, largest = np.random.default_rng(0), 0.0
    for count in (1, 3):
        probes = generator.random((count, 3, size, size), np.float32)
        with torch.no_grad():
            expected = module(torch.from_numpy(probes).to(device)).cpu().numpy()
        largest = max(largest, float(np.abs(session.run(None, {INPUT: probes})[0] - expected).max()))
    return largest
