"""What a method's training took, for a fair comparison: faces seen, and time by the clock."""

import re
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from rim_plugin.benchmark.settings import Method
from rim_plugin.options.reading import read_options

_STAMP = re.compile(r'^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),\d{3} ')


class Budget(NamedTuple):
    """Iterations and batch size of a training, and its seconds from start to end, summed over interrupted runs."""

    iterations: int
    batch: int
    seconds: float


def training_budget(method: Method) -> Budget | None:
    """The budget of the training in ``experiments/NAME/`` that made a method's weights.

    Args:
        method: whose options have the NAME.

    Returns:
        None for weights from elsewhere, or where there are none or no logs.
    """
    folder = Path('experiments', method.options['name'])
    logs = sorted(folder.glob('train_*.log'))
    if not logs or not _trained_in(folder, method):
        return None
    copied = folder / 'options.yml'  # written when the training began; the method's own file may have been edited since
    options = read_options(str(copied)) if copied.is_file() else method.options
    return Budget(
        options['train']['total_iter'],
        options['datasets']['train']['batch_size_per_gpu'],
        sum(_training_seconds(log.read_text(encoding='utf-8').splitlines()) for log in logs),
    )


def _trained_in(folder: Path, method: Method) -> bool:
    """Whether all weights of the method are there, and in the folder of a training."""
    in_folder = [Path(path).parent == folder / 'models' for path in method.weights.values()]
    return 'train' in method.options and not method.missing and bool(in_folder) and all(in_folder)


def _training_seconds(log: list[str]) -> float:
    """Seconds between the first and the last stamped line of a log from ``Start training`` to ``End of training``."""
    start = next((i for i, line in enumerate(log) if 'Start training' in line), len(log))
    end = next((i + 1 for i, line in enumerate(log) if 'End of training' in line), len(log))
    stamps = [datetime.fromisoformat(match[1]) for match in map(_STAMP.match, log[start:end]) if match]
    return (stamps[-1] - stamps[0]).total_seconds() if stamps else 0
