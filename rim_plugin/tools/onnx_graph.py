"""A network as an ONNX graph, for probes of one size and batches of any."""

import io
import warnings

import torch
from torch import nn

from rim_plugin.archs.layers import resizing_by_products

INPUT = 'probe'
TOLERANCE = 1e-4  # between a graph and PyTorch, in values of about [0, 1] and in embeddings of length 1
_OPSET = 17


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
        warnings.simplefilter('ignore')  # that sizes become constants is meant so; the outputs are compared
        module(probes)  # makes matrices that are constants when it is traced
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
    return content.getvalue()
