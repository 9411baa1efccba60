"""The machine and the versions with which something was measured or trained."""

import platform
import shutil
import subprocess
from collections.abc import Iterable
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

_PACKAGES = ('rim-plugin', 'basicsr', 'torch', 'torchvision', 'numpy', 'scikit-learn', 'mmengine')


def environment() -> dict[str, Any]:
    """Versions of what is installed, which this package need not be, machine and commit, which is None without git or
    outside a checkout."""
    command = ['git', '-C', str(Path(__file__).parent), 'describe', '--always', '--dirty']
    commit = subprocess.run(command, capture_output=True, text=True).stdout.strip() if shutil.which('git') else ''
    return {
        'python': platform.python_version(),
        'machine': f'{platform.machine()}, {device_name()}',
        'packages': installed_versions(_PACKAGES),
        'commit': commit or None,
    }


def installed_versions(names: Iterable[str]) -> dict[str, str]:
    """Distributions and their versions; what is not installed is left out."""
    installed = {name: next(iter(distributions(name=name)), None) for name in names}
    return {name: package.version for name, package in installed.items() if package}


def device_name() -> str:
    """The GPU, or the CPU with its number of threads."""
    import torch  # which takes seconds, and may be what is absent

    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f'CPU, threads: {torch.get_num_threads()}'
