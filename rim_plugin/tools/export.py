"""FHN and the probe's branch as ONNX files, for probes of one size and batches of any, checked against PyTorch."""

import io
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode

from rim_plugin.files import write_atomically
from rim_plugin.tools.images import require_folder

TOLERANCE = 1e-4
_OPSET = 17


class _ProbeBranch(nn.Module):
    """Probes (N, 3, q, q) to unit embeddings (N, D), as :meth:`RIM.embed` has them."""

    def __init__(self, inference):
        super().__init__()
        self.nets = nn.ModuleList(net for net in (inference.net_eval, inference.averaged['r']) if net is not None)
        self.inference = inference

    def forward(self, probe):
        return self.inference.unit_embeddings(probe)


def export_onnx(rim, folder, size):
    """Write ``fhn_SIZE.onnx`` (probe to face, not clamped) and ``embed_SIZE.onnx`` (probe to unit embedding).

    Both take ``probe``, float32 (N, 3, size, size), RGB in [0, 1], any N.

    Args:
        rim (RIM): of its networks those that are there are exported.
        folder (str | Path): made where it is not there. size (int): side of the probes in pixels.

    Returns:
        dict[Path, float]: files, and by how much their outputs differ at most from PyTorch's.

    Raises:
        NotADirectoryError: ``folder`` is a file.
        RuntimeError: onnx or onnxruntime is not installed, or an output differs by more than 1e-4; nothing is written.
    """
    require_folder(Path(folder))
    modules, inference = {}, rim.inference
    if inference.net_eval is not None:
        modules['fhn'] = ('face', inference.net_eval)
    if inference.averaged:
        modules['embed'] = ('embedding', _ProbeBranch(inference).eval())
    models, differences = {}, {}
    for name, (output, module) in modules.items():
        path = Path(folder) / f'{name}_{size}.onnx'
        models[path] = _to_onnx(module, output, size, inference.device)
        differences[path] = _difference(models[path], module, size, inference.device)
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
def _to_onnx(module, output, size, device):
    """The bytes of an ONNX file."""
    probes, content = torch.rand(2, 3, size, size, device=device), io.BytesIO()
    with warnings.catch_warnings(), _ResizeByProducts():
        warnings.simplefilter('ignore')  # that sizes become constants is meant so; the outputs are compared
        module(probes)  # makes the matrices, which are constants when it is traced
        try:
            torch.onnx.export(
                module,
                (probes,),
                content,
                dynamo=False,
                opset_version=_OPSET,
                input_names=['probe'],
                output_names=[output],
                dynamic_axes={'probe': {0: 'n'}, output: {0: 'n'}},
            )
        except ImportError as error:
            raise RuntimeError(f'Export: {error}. Install it: pip install onnx onnxruntime') from None
    return content.getvalue()


class _ResizeByProducts(TorchFunctionMode):
    """Antialiased interpolation, linear in rows and in columns, as R x C^T: PyTorch exports no operator for it."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is F.interpolate and (kwargs or {}).get('antialias'):
            (image,) = args
            rows, columns = (
                _resize_matrix(int(side), target, image.device) for side, target in zip(image.shape[2:], kwargs['size'])
            )
            return rows @ image @ columns.T
        return func(*args, **(kwargs or {}))


@cache
def _resize_matrix(side, target, device):
    """(target, side): what antialiased bicubic interpolation does to a column of pixels, found from unit vectors."""
    unit = torch.eye(side, dtype=torch.float64)[None, None]
    rows = F.interpolate(unit, (target, side), mode='bicubic', align_corners=False, antialias=True)[0, 0]
    return rows.float().to(device)


def _difference(model, module, size, device):
    """Largest difference between onnxruntime and PyTorch, over batches of one and of three random probes."""
    try:
        import onnxruntime
    except ImportError as error:
        raise RuntimeError(f'Export: {error}. Install it: pip install onnxruntime') from None
    session = onnxruntime.InferenceSession(model, providers=['CPUExecutionProvider'])
    generator, largest = np.random.default_rng(0), 0.0
    for count in (1, 3):
        probes = generator.random((count, 3, size, size), np.float32)
        with torch.no_grad():
            expected = module(torch.from_numpy(probes).to(device)).cpu().numpy()
        largest = max(largest, float(np.abs(session.run(None, {'probe': probes})[0] - expected).max()))
    return largest
