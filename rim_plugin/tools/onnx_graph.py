"""A network as an ONNX graph, for probes of one size and batches of any."""

import io
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

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
    with warnings.catch_warnings(), _ResizeByProducts():
        warnings.simplefilter('ignore')  # that sizes become constants is meant so; the outputs are compared
        module(probes)  # makes the matrices, which are constants when it is traced
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


class _ResizeByProducts(TorchFunctionMode):
    """Antialiased interpolation, linear in rows and in columns, as R x C^T: PyTorch exports no operator for it."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is F.interpolate and kwargs.get('antialias'):
            (image,) = args
            rows, columns = (
                _resize_matrix(int(side), target, image.device) for side, target in zip(image.shape[2:], kwargs['size'])
            )
            return rows @ image @ columns.T
        return func(*args, **kwargs)


@cache
def _resize_matrix(side: int, target: int, device: torch.device) -> Tensor:
    """(target, side): what antialiased bicubic interpolation does to a column of pixels, found from unit vectors."""
    unit = torch.eye(side, dtype=torch.float64)[None, None]
    rows = F.interpolate(unit, (target, side), mode='bicubic', align_corners=False, antialias=True)[0, 0]
    return rows.float().to(device)
