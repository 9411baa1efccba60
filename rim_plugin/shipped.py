"""Options and weights that come with the plugin: in a checkout of it, or in what pip has installed."""

import os
from pathlib import Path

FOLDERS = ('options', 'weights')
# Those of BasicSR's programs: the folders, below options/, of what each takes.
KINDS = {'train': ('', 'ablation', 'baselines', 'recognition'), 'test': ('test',), 'benchmark': ('benchmark',)}


def shipped(name: str) -> Path:
    """Where ``options/...`` or ``weights/...`` of the plugin are, or would be."""
    package = Path(__file__).parent
    installed = package / 'share'  # which setup.py fills
    return (installed if installed.is_dir() else package.parent) / name


def shipped_weights() -> Path:
    """Path of the weights that come with the plugin and that its commands use."""
    return shipped('weights/rim_small.safetensors')


def shipped_landmarks() -> Path:
    """Path of the weights whose landmark path tells faces from other pictures: the peaks of its heatmaps say how sure
    it is, those of ``rim_small`` are drawn about regressed points."""
    return shipped('weights/rim.safetensors')


def located(path: str) -> str:
    """``path``, or, where nothing is there, the file that comes with the plugin under this name."""
    if not path.startswith(tuple(f'{folder}/' for folder in FOLDERS)) or os.path.exists(path):
        return path
    return str(shipped(path)) if shipped(path).is_file() else path


def shipped_options(kind: str) -> dict[str, Path]:
    """Names of the options files of a kind, one of KINDS, with the files; sorted."""
    files = [file for folder in KINDS[kind] for file in shipped('options').joinpath(folder).glob('*.yml')]
    return {file.stem: file for file in sorted(files, key=lambda file: file.stem)}
