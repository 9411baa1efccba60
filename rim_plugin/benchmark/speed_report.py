"""The table of speed of this machine, and a history by which a slower version shows: scripts/benchmark_speed.py."""

import json
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rim_plugin.benchmark import engine_benchmark
from rim_plugin.benchmark.speed import (
    REFERENCE,
    ROOT,
    Row,
    inference_rows,
    processes_rows,
    start_up_rows,
    training_rows,
)
from rim_plugin.environment import environment
from rim_plugin.errors import OptionsError
from rim_plugin.files import write_atomically
from rim_plugin.templates import markdown_table

SLOWER = 0.5  # of the median of a ratio so far: machines differ, and so do their neighbours
NETWORKS: dict[str, dict[str, Any]] = {
    'RIM, small': {
        'type': 'FHN',
        'generator': {'type': 'SubPixelTriPathGenerator'},
        'integrator': {'type': 'SubPixelIntegrator'},
    },
    'SubPixelResNet': {'type': 'SubPixelResNet'},
    'SRCNN': {'type': 'SRCNN'},
    'LapSRN': {'type': 'LapSRN'},
    REFERENCE: {'type': 'RRDBNetX8'},
}
TRAININGS = {
    'RIM, small': 'options/fhn_small.yml',
    'SubPixelResNet': 'options/baselines/subpixel_resnet.yml',
    'LapSRN': 'options/baselines/lapsrn.yml',
    REFERENCE: 'options/baselines/esrgan_psnr.yml',
}


def measure(sections: Sequence[str], rounds: int) -> list[Row]:
    """Rows of the sections, each case timed ``rounds`` times."""
    rows = []
    if 'start-up' in sections:
        rows += start_up_rows(rounds)
    if 'inference' in sections:
        rows += [row for batch in (1, 32) for row in inference_rows(NETWORKS, batch, rounds)]
    if 'engines' in sections:
        rows += engine_benchmark.speed_rows(NETWORKS['RIM, small'], rounds)
    if 'training' in sections:
        rows += training_rows({name: str(ROOT / file) for name, file in TRAININGS.items()}, rounds)
    if 'processes' in sections:
        rows += processes_rows(str(ROOT / TRAININGS['RIM, small']), min(rounds, 3))
    return rows


def table(rows: Sequence[Row]) -> str:
    """Markdown, a table for each section."""
    parts = []
    for section in dict.fromkeys(row.section for row in rows):
        of_section = [row for row in rows if row.section == section]
        if section == 'start-up':
            header = ['start-up', 'CPU time, s', 'times that of import torch']
            lines = [[row.name, f'{row.milliseconds / 1000:.2f}', f'{row.times:.2f}'] for row in of_section]
        elif section == 'processes':
            header = ['training by', 'ms / face', 'times as fast as one']
            lines = [[row.name, f'{row.milliseconds:.1f}', f'{row.times:.2f}'] for row in of_section]
        elif section.startswith('engines'):
            header = [section, 'ms / face', f'times as fast as {engine_benchmark.REFERENCE}']
            lines = [[row.name, f'{row.milliseconds:.1f}', f'{row.times:.2f}'] for row in of_section]
        else:
            header = [section, 'ms / face', 'share of the ceiling', f'times as fast as {REFERENCE}']
            lines = [[r.name, f'{r.milliseconds:.1f}', f'{r.share:.0%}', f'{r.times:.1f}'] for r in of_section]
        parts.append(markdown_table(lines, header))
    return '\n\n'.join(parts) + '\n'


def ratios(rows: Sequence[Row]) -> dict[str, float]:
    """The figure of each row that other days can be compared by, the greater the faster."""
    return {
        f'{row.section}: {row.name}': (1 / row.times if row.section == 'start-up' else row.times)
        for row in rows
        if row.times
    }


def read_history(path: Path) -> list[dict[str, Any]]:
    """Entries of a history, one JSON object a line; none where there is no file.

    Raises:
        OptionsError: a line is no such entry.
    """
    if not path.exists():
        return []
    entries = []
    for number, line in enumerate(path.read_text(encoding='utf-8').splitlines(), 1):
        try:
            entry = json.loads(line)
            entries.append({**entry, 'ratios': {key: float(value) for key, value in entry['ratios'].items()}})
        except (ValueError, KeyError, TypeError, AttributeError):
            raise OptionsError(f'{path}: line {number} is no entry of a history of speed; delete it') from None
    return entries


def slower(now: Mapping[str, float], entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each ratio that is below SLOWER times the median of the entries."""
    lines = []
    for name, value in now.items():
        before = [entry['ratios'][name] for entry in entries if name in entry['ratios']]
        if before and value < SLOWER * (usual := statistics.median(before)):
            lines.append(f'{name}: {value:.3g} times its reference, {usual:.3g} before')
    return lines


def add_to_history(path: Path, now: Mapping[str, float]) -> None:
    """Add an entry, with date, machine and versions, at the end of a history."""
    entry = {'date': time.strftime('%Y-%m-%d'), **environment(), 'ratios': {k: round(v, 4) for k, v in now.items()}}
    before = path.read_text(encoding='utf-8') if path.exists() else ''
    write_atomically(path, f'{before}{json.dumps(entry)}\n')
