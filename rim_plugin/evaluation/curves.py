"""Figures: how all of them look and are written, and the curves of verification and identification."""

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rim_plugin.evaluation.open_set import DetCurve
from rim_plugin.evaluation.reliability import Reliability
from rim_plugin.evaluation.roc import roc
from rim_plugin.files import write_atomically


def new_figure(title: str, xlabel: str, ylabel: str) -> tuple[Figure, Axes]:
    """An empty figure with one grid."""
    figure = Figure(figsize=(7, 5), dpi=130, layout='constrained')  # without pyplot: no window, no global state
    axes = figure.subplots()
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
    axes.grid(alpha=0.35)
    return figure, axes


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure, whole or not at all, in the format of the path's ending."""
    content = io.BytesIO()
    figure.savefig(content, format=Path(path).suffix[1:])
    write_atomically(path, content.getvalue())


def save_roc(
    path: str | Path, scores: np.ndarray, issame: np.ndarray, marks: Mapping[float, float], title: str
) -> None:
    """TAR over FAR, the latter on a logarithmic scale.

    Args:
        path: the PNG file.
        scores, issame: (P,) of pairs, see :func:`rim_plugin.evaluation.roc.roc`.
        marks: FAR to TAR of points on the curve that the legend tells.
        title: over the picture, a line or two.
    """
    far, tar = roc(scores, issame)
    lowest = min(far[far > 0].min() / 2, *marks)  # where FAR 0 is drawn on the logarithmic scale
    chance = np.geomspace(lowest, 1, 200)
    figure, axes = new_figure(title, 'false accept rate (FAR)', 'true accept rate (TAR)')
    axes.semilogx(np.maximum(far, lowest), tar, lw=2, label='ROC')
    axes.semilogx(chance, chance, ':', color='grey', label='chance')
    for rate, height in marks.items():
        axes.plot(rate, height, 'o', label=f'TAR {height:.3f} at FAR {rate:g}')
    axes.set(xlim=(lowest, 1), ylim=(0, 1.02))
    axes.legend(loc='lower right')
    save_figure(figure, path)


def save_cmc(path: str | Path, rates: Sequence[float], title: str) -> None:
    """Identification rate over rank.

    Args:
        path: the PNG file.
        rates: (K,) of ranks 1 to K, as :func:`rim_plugin.evaluation.metrics.rank.cumulative_matches` returns them.
        title: over the picture, a line or two.
    """
    figure, axes = new_figure(title, 'rank', 'share of probes identified')
    axes.plot(np.arange(1, len(rates) + 1), rates, '.-', lw=2)
    for rank in (1, 5):
        point = rank, rates[rank - 1]
        axes.annotate(f'rank {rank}: {point[1]:.3f}', point, (6, -6), textcoords='offset points', va='top')
    axes.set(xlim=(0.5, len(rates) + 0.5), ylim=(0, 1.02))
    axes.xaxis.set_major_locator(MaxNLocator('auto', steps=[1, 2, 2.5, 5, 10], integer=True))
    save_figure(figure, path)


def save_det(path: str | Path, curves: Mapping[str, DetCurve], title: str) -> None:
    """Detection error trade-off: FNIR over FPIR, the latter on a logarithmic scale.

    Args:
        path: the PNG file.
        curves: what the legend calls each.
        title: over the picture, a line or two.
    """
    figure, axes = det_figure(title, curves, lambda name: {'lw': 2, 'label': name})
    axes.legend(loc='upper right')
    save_figure(figure, path)


def det_figure(
    title: str, curves: Mapping[str, DetCurve], style: Callable[[str], Mapping[str, Any]]
) -> tuple[Figure, Axes]:
    """:func:`save_det` before it has a legend; ``style``: what matplotlib's lines take, by the name of a curve."""
    figure, axes = new_figure(title, 'false-positive identification rate (FPIR)', 'FNIR')
    lowest = min(curve.fpir[curve.fpir > 0].min() for curve in curves.values()) / 2
    for name, curve in curves.items():
        axes.step(np.maximum(curve.fpir, lowest), curve.fnir, where='post', **style(name))
    axes.set(xscale='log', xlim=(lowest, 1), ylim=(0, 1.02))
    return figure, axes


def save_reliability(path: str | Path, curves: Mapping[str, Reliability], title: str) -> None:
    """Reliability diagram: share of right verdicts over their confidence.

    Args:
        path: the PNG file.
        curves: what the legend calls each; ``all`` is drawn strongest, those of pairs of sizes, ``... px``, in grey.
        title: over the picture, a line or two.
    """
    figure, axes = new_figure(title, 'confidence', 'share of right verdicts')
    axes.plot([0.5, 1], [0.5, 1], ':', color='grey', label='as it should be')
    sizes = [name for name in curves if name.endswith(' px')]
    for name, curve in curves.items():
        label = f'{name}: error {curve.error:.3f}'
        style: dict[str, Any] = {'lw': 1.5}
        if name in sizes:  # a page of legend would tell them apart; the card has their errors
            label = 'pairs of sizes, one each' if name == sizes[0] else ''
            style = {'lw': 0.8, 'alpha': 0.4, 'color': 'grey'}
        elif name == 'all':
            style = {'lw': 3, 'color': 'black'}
        axes.plot(curve.confidence, curve.right, '.-', label=label, **style)
    axes.set(xlim=(0.49, 1.01), ylim=(0.29, 1.02))
    axes.legend(loc='lower right', fontsize='small')
    save_figure(figure, path)


def save_rejection(
    path: str | Path, curves: Mapping[str, np.ndarray], title: str, error: str = 'false non-match rate'
) -> None:
    """Error versus reject: what is wrong among those that are left when those of the least quality are refused.

    Args:
        path: the PNG file.
        curves: what the legend calls each, and errors (K, ), 0 to 1, when 0, 1, ... K - 1 percent are refused.
        title: over the picture, a line or two.
        error: what the errors are.
    """
    figure, axes = new_figure(title, 'refused, percent', f'{error} of the others')
    for name, errors in curves.items():
        axes.plot(np.arange(len(errors)), errors, lw=1.5, label=name)
    axes.set(ylim=(0, None))
    axes.legend(loc='lower left', fontsize='small')
    save_figure(figure, path)
