"""The paper's own figures, to stand beside what was measured here."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from rim_plugin.errors import did_you_mean

NOTE = (
    "Columns 'paper' are the figures of Kong et al., not comparable in absolute terms: other data, recogniser, "
    'alignment and pairs.'
)


@cache
def _figures() -> dict[str, dict[str, Any]]:
    return yaml.safe_load(Path(__file__).with_name('paper.yml').read_text(encoding='utf-8'))


def unknown_row(name: str) -> str:
    """What is wrong with the name of a row, or nothing."""
    rows = {row for table in _figures().values() for row in table}
    return '' if name in rows else f'the paper has no row {name!r}{did_you_mean(name, rows)}'


def paper_image_figures(row: str | None, name: str) -> dict[str, float]:
    """Metric to figure of a row of the paper's table of super-resolution on a set, which may be named as a part of it
    (``lfw_1000``); empty where it has none."""
    return _figures()['super_resolution'].get(row or '', {}).get(name.partition('_')[0], {})


def paper_accuracy(row: str | None, name: str) -> dict[str, float]:
    """Probe size to accuracy of a row of the paper's tables of recognition on a set; empty where it has none."""
    return _figures()['recognition'].get(row or '', {}).get(name, {})
