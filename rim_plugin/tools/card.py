"""The model card of a weights file: how it was trained, what was measured, what it is for."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rim_plugin.evaluation.curves import save_rejection, save_reliability
from rim_plugin.evaluation.metric import PairMetric, standard_metrics
from rim_plugin.templates import render
from rim_plugin.tools.calibration import Uncalibrated, at_sizes, pair_sizes
from rim_plugin.tools.face_calibration import Measured
from rim_plugin.weights_file import Weights


def model_card(weights: Weights, name: str, notes: str = '') -> str:
    """The card as Markdown.

    Args:
        weights: with the facts of :func:`rim_plugin.tools.packing.training_facts`, ``recognisers`` (how many trainings
            HRN is the mean of), ``results`` (see :func:`rim_plugin.tools.packing.measure`) and the packing ``command``.
        name: of the weights.
        notes: Markdown that goes in as it is.
    """
    results: Mapping[str, dict[str, Any]] = weights.facts['results']
    columns = {
        key: metric
        for key, metric in standard_metrics(PairMetric).items()
        if all(key in result['figures'] for result in results.values())
    }
    rows = []
    for pairs, result in results.items():
        size = result['protocol']['query_size']
        figures = [f'{result["figures"][key]:.{metric.digits}f}' for key, metric in columns.items()]
        rows.append([pairs, size or 'full', *figures, _threshold(weights, result['protocol'])])
    return render(
        Path(__file__).with_name('card.md.jinja'),
        name=name,
        weights=weights,
        facts=weights.facts,
        networks=[_network(weights, label) for label in weights.networks],
        notes=notes,
        header=['pairs', 'probe, pixels', *(metric.title for metric in columns.values()), 'threshold'],
        results=rows,
        protocol=next(iter(results.values()))['protocol'] if results else {},
        calibration=weights.facts.get('calibration'),
    )


def _threshold(weights: Weights, protocol: Mapping[str, Any]) -> str:
    try:
        return f'{at_sizes(weights.calibrations, pair_sizes(protocol))[0]:.3f}'
    except Uncalibrated:
        return '-'


def save_diagrams(measured: Measured, output: Path) -> None:
    """Write NAME_reliability.png and, where qualities were measured, NAME_rejection.png beside ``output``."""
    faces = f'{measured.facts["persons"]} persons, either half by a calibration on the other'
    save_reliability(
        output.with_name(f'{output.stem}_reliability.png'), measured.curves, f'Reliability of verdicts\n{faces}'
    )
    if measured.rejections:
        title = f'Error versus reject: probes of one size against full resolution\n{faces}'
        save_rejection(output.with_name(f'{output.stem}_rejection.png'), measured.rejections, title)


def _network(weights: Weights, label: str) -> str:
    sizes = [value.numel() for key, value in weights.tensors.items() if key.startswith(f'{label}.')]
    return f'{weights.networks[label]["type"]} ({sum(sizes) / 1e6:.2f} million values)'
