"""ROC and CMC curves as PNG files."""

import io

import numpy as np
from matplotlib.figure import Figure

from rim_plugin.files import write_atomically


def save_roc(path, far, tar, marks, title):
    """TAR over FAR, the latter on a logarithmic scale.

    Args:
        path (str | Path): the PNG file.
        far, tar (ndarray): (K, ), as :func:`rim_plugin.metrics.verification.roc` returns them.
        marks (dict): FAR to TAR of the figures, marked in the curve.
        title (str): over the picture, a line or two.
    """
    lowest = min(far[far > 0].min() / 2, *marks)  # where FAR 0 is drawn on the logarithmic scale
    chance = np.geomspace(lowest, 1, 200)
    figure, axes = _figure(title)
    axes.semilogx(np.maximum(far, lowest), tar, lw=2, label='ROC')
    axes.semilogx(chance, chance, ':', color='grey', label='chance')
    for rate, height in marks.items():
        axes.plot(rate, height, 'o', color='C3')
        side = dict(xytext=(8, -5), va='top') if height > 0.5 else dict(xytext=(8, 5), va='bottom')
        axes.annotate(
            f'TAR {height:.3f} at FAR {rate:g}',
            (rate, height),
            textcoords='offset points',
            **side,
            bbox=dict(boxstyle='round,pad=0.1', fc='white', ec='none', alpha=0.8),
        )
    axes.set(xlim=(lowest, 1), ylim=(0, 1.02), xlabel='false accept rate (FAR)', ylabel='true accept rate (TAR)')
    axes.legend(loc='lower right')
    _save(figure, path)


def save_cmc(path, shares, title):
    """Identification rate over rank.

    Args:
        path (str | Path): the PNG file.
        shares (ndarray): (K, ) of ranks 1 to K, as :func:`rim_plugin.metrics.identification.cumulative_matches`.
        title (str): over the picture, a line or two.
    """
    figure, axes = _figure(title)
    axes.plot(np.arange(1, len(shares) + 1), shares, '.-', lw=2)
    for rank in (1, 5):
        if rank <= len(shares):
            axes.annotate(
                f'rank {rank}: {shares[rank - 1]:.3f}',
                (rank, shares[rank - 1]),
                (6, -6),
                textcoords='offset points',
                va='top',
            )
    axes.set(xlim=(0.5, len(shares) + 0.5), ylim=(0, 1.02), xlabel='rank', ylabel='share of probes identified')
    axes.xaxis.get_major_locator().set_params(integer=True)
    _save(figure, path)


def _figure(title):
    figure = Figure(figsize=(6.4, 4.8), dpi=120, layout='constrained')  # without pyplot: no window, no global state
    axes = figure.subplots()
    axes.set_title(title, fontsize=11)
    axes.grid(alpha=0.4)
    return figure, axes


def _save(figure, path):
    content = io.BytesIO()
    figure.savefig(content, format='png')
    write_atomically(path, content.getvalue())
