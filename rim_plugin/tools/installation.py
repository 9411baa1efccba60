"""What is installed here, for bug reports. What is absent or broken is told, too, and hides nothing else."""

from __future__ import annotations

import json
import os
import platform
import re
import shlex
from collections.abc import Callable
from functools import partial
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rim_plugin.environment import installed_versions
from rim_plugin.files import file_digest
from rim_plugin.shipped import shipped_weights

if TYPE_CHECKING:
    from packaging.requirements import Requirement

_DISTRIBUTION = 'rim-plugin'
_PACKAGES = ('torch', 'torchvision', 'basicsr', 'numpy')
_OPENCV = ('opencv-python', 'opencv-python-headless', 'opencv-contrib-python', 'opencv-contrib-python-headless')

Block = dict[str, Any]


def installation(version: str) -> dict[str, Block | str]:
    """Versions, devices, weights and extras, JSON values; a block that cannot be made is a line that says why.

    Args:
        version: of this package.
    """
    blocks: dict[str, Callable[[], Block]] = {
        'versions': partial(versions, version),
        'devices': devices,
        'weights': weights,
        'extras': extras,
    }
    return {name: _told(make) for name, make in blocks.items()}


def _told(make: Callable[[], Block]) -> Block | str:
    try:
        return make()
    except Exception as error:  # the very installation may be broken, in any way
        return f'cannot be told: {type(error).__name__}: {error}'


def versions(version: str) -> Block:
    """Of this package, Python and what it stands on, None for what is absent; and where it lies."""
    found = installed_versions((*_PACKAGES, *_OPENCV))
    opencv = {name: found[name] for name in _OPENCV if name in found}
    return {
        _DISTRIBUTION: version,
        'folder': str(Path(__file__).parents[1]),
        'python': platform.python_version(),
        'system': platform.platform(),
        **{name: found.get(name) for name in _PACKAGES},
        **(opencv or {_OPENCV[0]: None}),
    }


def devices() -> Block:
    """Processors, threads and GPUs."""
    import torch

    gpus = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
    usable = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    return {
        'cpu': platform.processor() or platform.machine(),
        'cores': usable,
        'threads': torch.get_num_threads(),
        'OMP_NUM_THREADS': os.environ.get('OMP_NUM_THREADS', 'not set'),
        'cuda of torch': torch.version.cuda,
        'gpus': [f'{each.name}, {each.total_memory / 2**30:.0f} GiB' for each in gpus],
    }


def weights() -> Block:
    """Those that come with the plugin: path, bytes, SHA-256 and whether it is the one of NAME.json, probe sizes."""
    path = shipped_weights()
    if not path.is_file():
        return {'file': None, 'wanted': str(path)}
    digest = file_digest(path)
    facts = json.loads(path.with_suffix('.json').read_text(encoding='utf-8'))
    return {
        'file': str(path),
        'bytes': path.stat().st_size,
        'sha256': digest,
        'as in NAME.json': digest == facts['sha256'],
        'calibrated for probes of pixels': sorted({each['size'] for each in facts['calibrations']}),
    }


def extras() -> Block:
    """Of what is required and of each extra, what is installed, and the pip line for what is missing or too old."""
    from packaging.requirements import Requirement

    try:
        package = distribution(_DISTRIBUTION)
    except PackageNotFoundError:
        return {'unknown': f'{_DISTRIBUTION} is not installed, only on the path'}
    wanted = [Requirement(line) for line in package.requires or ()]
    names = ['', *(package.metadata.get_all('Provides-Extra') or ())]
    return {name or 'required': _state([each for each in wanted if _extra_of(each) == name]) for name in names}


def _extra_of(requirement: Requirement) -> str:
    """The extra that wants a requirement; empty for all of the package's own."""
    extra = re.search(r"""\bextra\s*==\s*['"]([^'"]+)""", str(requirement.marker or ''))
    return extra[1] if extra else ''


def _state(wanted: list[Requirement]) -> Block:
    found = installed_versions(each.name for each in wanted)
    lacking = [each for each in wanted if each.name not in found or not each.specifier.contains(found[each.name], True)]
    line = shlex.join(['pip', 'install', *(f'{each.name}{each.specifier}' for each in lacking)])
    return {
        'installed': [f'{name} {version}' for name, version in found.items()],
        'missing': [each.name for each in lacking],
        'remedy': line if lacking else None,
    }
