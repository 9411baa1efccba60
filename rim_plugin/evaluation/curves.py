"""ROC and CMC curves as PNG files."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rim_plugin.files import write_atomically


def save_roc(path: str | Path, far: np.ndarray, tar: np.ndarray, marks: Mapping[float, float], title: str) -> None:
    """TAR over FAR, the latter on a logarithmic scale.

    Args:
        path: the PNG file.
        far, tar: (K,), as :func:`rim_plugin.evaluation.roc.roc` returns them.
        marks: FAR to TAR of the figures, marked in the curve.
        title: over the picture, a line or two.
    """
    lowest = min(far[far > 0].min() / 2, *marks)  # where FAR 0 is drawn on the logarithmic scale
    chance = np.geomspace(lowest, 1, 200)
    figure, axes = _figure(title)
    axes.semilogx(np.maximum(far, lowest), tar, lw=2, label='ROC')
    axes.semilogx(chance, chance, ':', color='grey', label='chance')
    for rate, height in marks.items():
        axes.plot(rate, height, 'o', color='C3')
        below = height > 0.5
        axes.annotate(
            f'TAR {height:.3f} at FAR {rate:g}',
            (rate, height),
            (8, -5 if below else 5),
            textcoords='offset points',
            va='top' if below else 'bottom',
            bbox=dict(boxstyle='round,pad=0.1', fc='white', ec='none', alpha=0.8),
        )
    axes.set(xlim=(lowest, 1), ylim=(0, 1.02), xlabel='false accept rate (FAR)', ylabel='true accept rate (TAR)')
    axes.legend(loc='lower right')
    save_figure(figure, path)


def save_cmc(path: str | Path, rates: Sequence[float], title: str) -> None:
    """Identification rate over rank.

    Args:
        path: the PNG file.
        rates: (K,) of ranks 1 to K, as :func:`rim_plugin.evaluation.metrics.rank.cumulative_matches` returns them.
        title: over the picture, a line or two.
    """
    figure, axes = _figure(title)
    axes.plot(np.arange(1, len(rates) + 1), rates, '.-', lw=2)
    for rank in (1, 5):
        if rank <= len(rates):
            axes.annotate(
                f'rank {rank}: {rates[rank - 1]:.3f}',
                (rank, rates[rank - 1]),
                (6, -6),
                textcoords='offset points',
                va='top',
            )
    axes.set(xlim=(0.5, len(rates) + 0.5), ylim=(0, 1.02), xlabel='rank', ylabel='share of probes identified')
    axes.xaxis.set_major_locator(MaxNLocator('auto', steps=[1, 2, 2.5, 5, 10], integer=True))
    save_figure(figure, path)


def _figure(title: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6.4, 4.8), dpi=120, layout='constrained')  # without pyplot: no window, no global state
    axes = figure.subplots()
    axes.set_title(title, fontsize=11)
    axes.grid(alpha=0.4)
    return figure, axes


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure, whole or not at all, in the format of the path's ending."""
    content = io.BytesIO()
    figure.savefig(content, format=Path(path).suffix[1:])
    write_atomically(path, content.getvalue())
