"""FHN and the probe's branch as ONNX files, for probes of one size and batches of any, checked against PyTorch."""

import io
import os
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from rim_plugin.files import require_folder, write_atomically
from rim_plugin.tools.api import RIM

TOLERANCE = 1e-4
_OPSET = 17


def export_onnx(rim: RIM, folder: str | os.PathLike[str], size: int) -> dict[Path, float]:
    """Write ``fhn_SIZE.onnx`` (probe to face, not clamped) and ``embed_SIZE.onnx`` (probe to unit embedding).

    Both take ``probe``, float32 (N, 3, size, size), RGB in [0, 1], any N.

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
    modules: dict[str, tuple[str, nn.Module]] = {}
    if rim.pipeline.fhn is not None:
        modules['fhn'] = ('face', rim.pipeline.fhn)
    if rim.pipeline.hrn is not None:
        modules['embed'] = ('embedding', rim.pipeline)
    models, differences = {}, {}
    for name, (output, module) in modules.items():
        path = Path(folder) / f'{name}_{size}.onnx'
        try:
            models[path] = _to_onnx(module, output, size, rim.device)
            differences[path] = _difference(models[path], module, size, rim.device)
        except ImportError as error:
            raise RuntimeError(f'Export: {error}. Install it: pip install onnx onnxruntime') from None
        if not differences[path] <= TOLERANCE:
            raise RuntimeError(
                f'{path.name}: onnxruntime differs from PyTorch by {differences[path]:.1e}, more than '
                f'{TOLERANCE}; nothing is written'
            )
    Path(folder).mkdir(parents=True, exist_ok=True)
    for path, model in models.items():
        write_atomically(path, model)
    return differences


@torch.no_grad()
def _to_onnx(module: nn.Module, output: str, size: int, device: torch.device) -> bytes:
    """The bytes of an ONNX file."""
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
            input_names=['probe'],
            output_names=[output],
            dynamic_axes={'probe': {0: 'n'}, output: {0: 'n'}},
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


def _difference(model: bytes, module: nn.Module, size: int, device: torch.device) -> float:
    """Largest difference between onnxruntime and PyTorch, over batches of one and of three random probes."""
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=['CPUExecutionProvider'])
    generator, largest = np.random.default_rng(0), 0.0
    for count in (1, 3):
        probes = generator.random((count, 3, size, size), np.float32)
        with torch.no_grad():
            expected = module(torch.from_numpy(probes).to(device)).cpu().numpy()
        largest = max(largest, float(np.abs(session.run(None, {'probe': probes})[0] - expected).max()))
    return largest
