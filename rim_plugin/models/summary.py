"""What the end of a training says: verification before and after, where to look, and what to do next."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def closing_lines(opt: Mapping[str, Any]) -> list[str]:
    """From the files that a training has left.

    Args:
        opt: its options, with BasicSR's folders under ``path``.
    """
    pictures, board = Path(opt['path']['visualization']), opt['logger'].get('use_tb_logger')
    folders = sorted(pictures.iterdir()) if pictures.is_dir() else []
    return [
        *[line for folder in folders for line in _verification(folder)],
        f'Pictures and curves: {pictures}',
        *([f'Course of losses and results: tensorboard --logdir {Path("tb_logger", opt["name"])}'] if board else []),
        _next_step(opt['path'], opt['name'], opt.get('network_r') or {}),
    ]


def _verification(folder: Path) -> list[str]:
    """Accuracy on a dataset of pairs in the first and the last validation; nothing on one of faces."""
    files = sorted(folder.glob('verification_*.json'), key=lambda path: int(path.stem.rpartition('_')[2]))
    if not files:
        return []
    first, last = (json.loads(file.read_text())['figures']['accuracy'] for file in (files[0], files[-1]))
    before = f'{first:.4f} at the first validation, ' if len(files) > 1 else ''
    return [f'Verification on {folder.name}: accuracy {before}{last:.4f} at the end.']


def _next_step(paths: Mapping[str, str], run: str, recogniser: Mapping[str, Any]) -> str:
    """The command that makes one file of the weights of a RIM; for other networks, where their weights are.

    A recogniser with its teacher's head cannot be packed, and one with its voice is packed with it.
    """
    names = {'fhn': 'net_fhn_latest.pth'}
    if recogniser.get('head') == 'own':
        names['hrn'] = 'net_r_latest.pth'
    files = {option: Path(paths['models'], name) for option, name in names.items()}
    weights = ' '.join(f'--{option} {file}' for option, file in files.items() if file.is_file())
    if not weights:
        return f'Weights: {paths["models"]}'
    teacher = ' --teacher' * bool(recogniser.get('teacher_weights'))
    options, packed = Path(paths['experiments_root'], 'options.yml'), f'{run}.safetensors'
    pack = f'rim pack {options} {weights}{teacher} -o {packed}'
    return f'Next: {pack}; then rim hallucinate PHOTO.png -o out --weights {packed}'
