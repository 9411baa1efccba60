"""FHN and the probe's branch as ONNX files, for probes of one size and batches of any, checked against PyTorch."""

import os
from pathlib import Path

import numpy as np
import torch
from torch import nn

from rim_plugin.files import require_folder, write_atomically
from rim_plugin.tools.api import RIM
from rim_plugin.tools.onnx_graph import INPUT, TOLERANCE, to_onnx


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
            models[path] = to_onnx(module, output, size, rim.device)
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
