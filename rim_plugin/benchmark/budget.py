"""What a method's training took, for a fair comparison: faces seen, and time by the clock."""

import re
from datetime import datetime
from pathlib import Path

from rim_plugin.options.reading import read_options

_STAMP = re.compile(r'^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),\d{3} ')


def training_budget(method):
    """The budget of a training whose weights a method uses.

    Args:
        method (Method): see :mod:`rim_plugin.benchmark.settings`.

    Returns:
        dict | None: ``iterations`` and ``batch`` as trained, ``seconds`` from the start to the end of the training,
        added over the logs of an interrupted one. None where the weights are not those that a training of its options
        leaves in ``experiments/NAME/``.
    """
    folder = Path('experiments', method.options['name'])
    logs = sorted(folder.glob('train_*.log'))
    if (
        'train' not in method.options
        or not logs
        or method.missing
        or not method.weights
        or any(Path(path).parent != folder / 'models' for path in method.weights.values())
    ):
        return None
    kept = folder / 'options.yml'  # of the run, from which the method's may have gone on to differ
    options = read_options(kept) if kept.is_file() else method.options
    return {
        'iterations': options['train']['total_iter'],
        'batch': options['datasets']['train']['batch_size_per_gpu'],
        'seconds': sum(map(_seconds, logs)),
    }


def _seconds(log):
    lines = log.read_text(encoding='utf-8').splitlines()
    start = next((i for i, line in enumerate(lines) if 'Start training' in line), len(lines))
    end = next((i + 1 for i, line in enumerate(lines) if 'End of training' in line), len(lines))
    stamps = [datetime.fromisoformat(match[1]) for match in map(_STAMP.match, lines[start:end]) if match]
    return (stamps[-1] - stamps[0]).total_seconds() if stamps else 0
