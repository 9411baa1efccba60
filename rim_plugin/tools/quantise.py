"""Graphs in 8-bit whole numbers: static, calibrated, a scale for each channel of the weights."""

import logging
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rim_plugin.data.resize import degrade, to_tensor
from rim_plugin.data.synthetic.faces import draw_face
from rim_plugin.tools.onnx_graph import INPUT

if TYPE_CHECKING:  # an optional package
    from onnx import GraphProto

DRAWN = 32  # faces to calibrate on, where there are no others
_AT_A_TIME = 8


@cache
def drawn_faces() -> tuple[np.ndarray, ...]:
    """Faces to calibrate on where no real ones are at hand, uint8 (224, 224, 3), RGB, each another person's."""
    return tuple(draw_face(0, identity, 0).image for identity in range(DRAWN))


def calibration_probes(faces: Sequence[np.ndarray], size: int) -> np.ndarray:
    """Faces, uint8 (q, q, 3), as probes, float32 (N, 3, size, size), in [0, 1]."""
    return np.stack([to_tensor(degrade(face, size)).numpy() for face in faces])


def quantised(graph: bytes, probes: np.ndarray) -> bytes:
    """An ONNX graph whose convolutions are in int8, but those of :func:`convolutions_in_fp32`.

    Args:
        graph: its input is ``probe``.
        probes: float32 (N, 3, q, q) in [0, 1], by whose activations the scales go.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Probes(CalibrationDataReader):
        def __init__(self) -> None:
            self._parts: Iterator[np.ndarray] = iter(np.array_split(probes, -(-len(probes) // _AT_A_TIME)))

        def get_next(self) -> dict[str, Any] | None:
            part = next(self._parts, None)
            return None if part is None else {INPUT: part}

    with tempfile.TemporaryDirectory() as folder, _quiet():
        before, folded, after = (str(Path(folder, name)) for name in ('before.onnx', 'folded.onnx', 'after.onnx'))
        Path(before).write_bytes(graph)
        quant_pre_process(before, folded, skip_symbolic_shape=True)
        quantize_static(
            folded,
            after,
            Probes(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            op_types_to_quantize=['Conv'],
            nodes_to_exclude=convolutions_in_fp32(onnx.load(folded).graph),
        )
        return Path(after).read_bytes()


def convolutions_in_fp32(graph: 'GraphProto') -> list[str]:
    """Names of the convolutions that read or make an image: what they round off shows.

    On 50 of Helen's test faces (28 px, ``weights/rim.safetensors``) int8 in all convolutions costs 0.049 dB on
    onnxruntime and 0.074 dB on OpenVINO, in all but these 0.014 and 0.037 dB (drawn faces calibrate as well as real
    ones: 0.015 and 0.026 dB), at a cost in time that is too small to measure.
    """
    images = {value.name for value in (*graph.input, *graph.initializer)}
    readers, makers, source = [], [], {}
    for node in graph.node:  # in the order of the data
        source.update(dict.fromkeys(node.output, node))
        if node.op_type == 'Conv':
            readers += [node.name] * (node.input[0] in images)
        elif node.op_type == 'DepthToSpace':
            makers += [source[name].name for name in node.input if name in source]
            images.update(node.output)
        elif images.issuperset(_named(node.input)):
            images.update(node.output)
    return readers + makers


def _named(inputs: Iterable[str]) -> list[str]:
    return [name for name in inputs if name]  # one that is left out has no name


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the advice that onnxruntime's quantisation logs."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
