"""A network as an ONNX graph, for probes of one size and batches of any."""

import io
import warnings
from collections.abc import Iterable, Mapping

import torch
from torch import nn

from rim_plugin.archs.layers import resizing_by_products

INPUT = 'probe'
TOLERANCE = 1e-4  # between a graph and PyTorch, in values of about [0, 1] and in embeddings of length 1
_OPSET = 20  # the latest that the exporter has: a converter has nothing to say
_EXPECTED: tuple[tuple[type[Warning], str], ...] = (
    (torch.jit.TracerWarning, ''),  # that sizes become constants is meant so; the outputs are compared
    (DeprecationWarning, ''),  # of the exporter itself
    (UserWarning, "ONNX export mode is .* but operator 'instance_norm'"),  # which has no other mode here
)


@torch.no_grad()
def to_onnx(module: nn.Module, output: str, size: int, device: torch.device) -> bytes:
    """The bytes of an ONNX file.

    Args:
        module: probes (N, 3, size, size) in [0, 1] to one tensor of N rows.
        output: name of that tensor; the input's is ``probe``.
        size: side of the probes in pixels.
        device: on which ``module`` is.

    Raises:
        RuntimeError: onnx is not installed, or PyTorch has no ONNX operator for a part of the network.
    """
    probes, content = torch.rand(2, 3, size, size, device=device), io.BytesIO()
    with warnings.catch_warnings(), resizing_by_products():
        for category, message in _EXPECTED:
            warnings.filterwarnings('ignore', message, category)
        shape = module(probes).shape  # makes matrices that are constants when it is traced
        torch.onnx.export(
            module,
            (probes,),
            content,  # type: ignore[arg-type]  # a file object is taken, too
            dynamo=False,
            opset_version=_OPSET,
            input_names=[INPUT],
            output_names=[output],
            dynamic_axes={INPUT: {0: 'n'}, output: {0: 'n'}},
        )
    return _with_fixed_axes(content.getvalue(), shape[1:])


def _with_fixed_axes(model: bytes, sides: Iterable[int]) -> bytes:
    """The graph, whose output's axes but the first have numbers instead of names."""
    import onnx

    graph = onnx.load_from_string(model)
    for axis, side in zip(graph.graph.output[0].type.tensor_type.shape.dim[1:], sides, strict=True):
        axis.dim_value = side
    return graph.SerializeToString()


def with_facts(model: bytes, facts: Mapping[str, str]) -> bytes:
    """The graph with ``metadata_props``."""
    import onnx

    graph = onnx.load_from_string(model)
    onnx.helper.set_model_props(graph, dict(facts))
    onnx.checker.check_model(graph)
    return graph.SerializeToString()
