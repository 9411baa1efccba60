"""Files of tensors: ``.safetensors``, and BasicSR's ``.pth`` and ``.state``.

Nothing is unpickled: ``.pth`` files are read with ``weights_only``.
"""

import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from rim_plugin.errors import OptionsError, first_words, some
from rim_plugin.files import file_digest
from rim_plugin.former_names import renamed_tensors

LABELS = ('fhn', 'hrn', 'teacher')  # networks of a weights file, whose tensors begin so
State = dict[str, Tensor]


def read_tensors(path: str | os.PathLike[str]) -> Any:
    """Content of a ``.pth`` or ``.state`` file, on the CPU, without running any code that it may hold.

    Raises:
        OptionsError: missing, damaged, or holding more than tensors and plain values.
    """
    if not os.path.isfile(path):
        raise OptionsError(f'{path}: {"a folder, no file" if os.path.isdir(path) else "no such file"}')
    try:
        if zipfile.is_zipfile(path):
            _require_checksums(path)
        return torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:
        message = 'not a file of tensors and plain values that is safe to read'
        raise OptionsError(f'{path}: {message} ({first_words(error)})') from error


def _require_checksums(path: str | os.PathLike[str]) -> None:
    """That each part of a zip archive, as torch.save writes it, has its CRC: torch.load does not look."""
    with zipfile.ZipFile(path) as archive:
        if damaged := archive.testzip():
            raise ValueError(f'damaged: {damaged} has another checksum')


def read_weights(path: str | os.PathLike[str], param_key: str | None = 'params') -> Any:
    """A network's state dict from a BasicSR ``.pth`` file or from ``.safetensors``.

    Args:
        path: the file.
        param_key: where a ``.pth`` file holds it (``params`` is taken where that is absent); None for all it holds.

    Raises:
        OptionsError: see :func:`read_tensors`; or the file holds no such key.
    """
    if str(path).endswith('.safetensors'):
        weights = read_safetensors(path)
        if is_packed(weights):
            require_digest(path)
        return weights
    content = read_tensors(path)
    if param_key is not None and isinstance(content, dict):
        if param_key not in content and 'params' in content:
            from basicsr.utils import get_root_logger

            get_root_logger().info(f'{path} has no {param_key}: params is used.')
            param_key = 'params'
        if param_key not in content:
            message = f'no weights under {param_key!r}; the file holds {some(content) or "nothing"}'
            raise OptionsError(f'{path}: {message} (path.param_key_* says where they are; ~ for a bare state dict)')
        content = content[param_key]
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise OptionsError(f'{path}: holds no weights, tensors by name')
    return renamed_tensors(content)


def read_safetensors(path: str | os.PathLike[str]) -> State:
    try:
        return renamed_tensors(load_file(path))
    except Exception as error:
        raise OptionsError(f'{path}: not a readable safetensors file ({first_words(error)})') from error


def is_packed(weights: Mapping[str, Any]) -> bool:
    """Whether these are the tensors of a NAME.safetensors of this package, by their names."""
    return bool(weights) and all(key.startswith(tuple(f'{label}.' for label in LABELS)) for key in weights)


def require_digest(path: str | os.PathLike[str]) -> str:
    """The SHA-256 (hexadecimal) of NAME.safetensors.

    Raises:
        OptionsError: it is not that of NAME.json beside the file, or there is none.
    """
    path = Path(path)
    sidecar, digest = path.with_suffix('.json'), file_digest(path)
    try:
        expected = json.loads(sidecar.read_text(encoding='utf-8'))['sha256']
    except FileNotFoundError:
        raise OptionsError(f'{sidecar}: missing; it holds the SHA-256 of {path.name}: put it there, too') from None
    except (ValueError, KeyError, TypeError):
        raise OptionsError(f'{sidecar}: holds no SHA-256 of {path.name}: fetch it again') from None
    if digest != expected:
        message = f'its SHA-256 is {digest[:12]}..., not that of {sidecar.name}: damaged, or another file'
        raise OptionsError(f'{path}: {message}; fetch both again')
    return digest


def require_fit(net: nn.Module, weights: Mapping[str, Tensor], path: str | os.PathLike[str]) -> None:
    """Check that ``weights`` are those of ``net``.

    Raises:
        OptionsError: they are not; names ``path`` and the keys.
    """
    message = misfit(net.state_dict(), weights)
    if message:
        raise OptionsError(f'{path} does not fit {type(net).__name__}: {message}')


def misfit(own: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> str:
    """What keeps ``weights`` from fitting ``own``, in words: keys, shapes and values; empty where they fit."""
    if odd := [key for key, value in weights.items() if not torch.is_tensor(value)]:
        return f'no tensors: {some(odd)}'
    common = own.keys() & weights.keys()
    differing = [key for key in common if own[key].shape != weights[key].shape]
    shapes = [f'{key} {tuple(weights[key].shape)} for {tuple(own[key].shape)}' for key in differing]
    problems = {
        'missing': own.keys() - weights.keys(),
        'unexpected': weights.keys() - own.keys(),
        'other shape': shapes,
        'other type': [key for key in common if own[key].is_floating_point() != weights[key].is_floating_point()],
        'NaN or infinite': [key for key in common if not torch.isfinite(weights[key]).all()],
    }
    return '; '.join(f'{kind}: {some(names)}' for kind, names in problems.items() if names)
