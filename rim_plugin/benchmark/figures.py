"""Figures of a benchmark, each as PNG and SVG, with one colour a method throughout."""

import textwrap
from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from rim_plugin.evaluation.curves import det_figure, new_figure, save_figure
from rim_plugin.evaluation.open_set import det_curve
from rim_plugin.evaluation.roc import roc

Scores = Sequence[float] | np.ndarray


def _legend(figure: Figure) -> None:
    """All methods, under the axes, where no curve is."""
    figure.legend(loc='outside lower center', ncols=3, fontsize='small', frameon=False)


class Plots:
    """Draws into a folder.

    Args:
        folder: made.
        titles: the methods, in the order of their colours.
        reference: title of the method that is drawn thicker.
    """

    def __init__(self, folder: Path, titles: Sequence[str], reference: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.reference = folder, reference
        names = ('tab10',) if len(titles) <= 10 else ('tab20', 'tab20b', 'tab20c')
        maps = [colormaps[name] for name in names]
        self.colours = dict(zip(titles, cycle(tuple(colour) for each in maps for colour in each(np.arange(each.N)))))

    def _style(self, title: str) -> dict[str, Any]:
        thick = title == self.reference
        return {'color': self.colours[title], 'label': title, 'lw': 3 if thick else 1.8, 'zorder': 3 if thick else 2}

    def _save(self, figure: Figure, name: str) -> str:
        for kind in ('png', 'svg'):
            save_figure(figure, self.folder / f'{name}.{kind}')
        return f'{self.folder.name}/{name}.png'

    def score_distribution(self, name: str, metric: str, axis: str, scores: Mapping[str, Scores]) -> str:
        """Cumulative score distribution, the paper's Fig. 4: fraction of the faces that score at most x.

        Args:
            name: of the set.
            metric: of the scores, for the file's name.
            axis: the metric's label.
            scores: title to values of every face.

        Returns:
            Path of the PNG within the report's folder, as of every figure.
        """
        figure, axes = new_figure(
            f'{name}: cumulative score distribution (further right is better)',
            axis,
            'fraction of faces with at most that score',
        )
        for title, values in scores.items():
            axes.ecdf(values, **self._style(title))
        _legend(figure)
        return self._save(figure, f'csd_{name}_{metric}')

    def roc_curves(self, name: str, title: str, pairs: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> str:
        """ROC on a logarithmic scale of FAR; ``pairs``: method's title to its scores and kinds, (P, ) each.

        Methods with the same scores, as of one recogniser at full resolution, share a curve.
        """
        figure, axes = new_figure(title, 'false accept rate', 'true accept rate')
        alike: dict[bytes, list[str]] = {}
        for method, (scores, _) in pairs.items():
            alike.setdefault(np.round(scores, 6).tobytes(), []).append(method)
        for first, *others in alike.values():
            far, tar = roc(*pairs[first])
            label = f'{first} and {len(others)} more' if others else first
            axes.plot(np.maximum(far, 1e-4), tar, **{**self._style(first), 'label': label})
        axes.set(xscale='log', xlim=(5e-4, 1), ylim=(0, 1.01))
        _legend(figure)
        return self._save(figure, f'roc_{name}')

    def det_curves(self, name: str, title: str, searches: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> str:
        """Detection error trade-off of open-set searches; ``searches``: title to mated and non-mated best scores."""
        curves = {method: det_curve(*scores) for method, scores in searches.items()}
        figure, _ = det_figure(title, curves, self._style)
        _legend(figure)
        return self._save(figure, f'det_{name}')

    def accuracy_over_size(self, name: str, accuracy: Mapping[str, Mapping[str, float]]) -> str:
        """Accuracy over the probe's side; ``accuracy``: title to {side or 'full': value}."""
        figure, axes = new_figure(
            f'{name}: verification accuracy, gallery at full resolution',
            'side of the probe (pixels; full resolution beyond the scale)',
            'accuracy',
        )
        sizes = dict.fromkeys(size for values in accuracy.values() for size in values)  # in one order in every run
        places: dict[str, float] = {size: int(size) for size in sizes if size != 'full'}
        if 'full' in sizes:
            places['full'] = 1.6 * max(places.values(), default=1)
        for title, values in accuracy.items():
            points = sorted((places[size], value) for size, value in values.items())
            axes.plot(*zip(*points), 'o-', **self._style(title))
        axes.set_xscale('log', base=2)
        axes.set_xticks(list(places.values()), [str(size) for size in places])
        axes.minorticks_off()
        _legend(figure)
        return self._save(figure, f'accuracy_{name}')

    def over_kinds(self, name: str, axis: str, values: Mapping[str, Mapping[str, float]]) -> str:
        """A figure of each method on each kind of probes; ``values``: title to {kind: figure}."""
        figure, axes = new_figure(f'{axis} by kind of probes', 'kind of probes', axis.partition(': ')[2])
        for title, by_kind in values.items():
            axes.plot(list(by_kind), list(by_kind.values()), 'o-', **self._style(title))
        _legend(figure)
        return self._save(figure, f'robustness_{name}')

    def quality_over_time(self, name: str, points: Mapping[str, tuple[float, float]]) -> str:
        """PSNR over milliseconds a face; ``points``: title to (ms, dB)."""
        figure, axes = new_figure(
            f'{name}: quality against time', 'milliseconds a face, batch 1 (logarithmic)', 'PSNR of Y (dB)'
        )
        for title, point in points.items():
            axes.plot(*point, 'o', ms=10 if title == self.reference else 7, **self._style(title))
        axes.set_xscale('log')
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter('{x:g}')
        axes.minorticks_off()
        axes.margins(0.15)
        _legend(figure)
        return self._save(figure, f'speed_{name}')

    def picture_grid(self, name: str, pictures: Mapping[str, Mapping[str, np.ndarray]]) -> str:
        """The paper's Fig. 3: LR | every method | HR, one face a row, and behind the reference its prior maps.

        Args:
            name: of the set.
            pictures: title to {FACE/COLUMN: BGR picture}, among the arrays of :func:`measure_images`.
        """
        first = next(iter(pictures.values()))
        faces = sorted({int(key.split('/')[0]) for key in first if '/' in key})
        lr = next(key.split('/')[1] for key in first if '/LR' in key)
        columns = [(lr, first, lr)]
        for title, images in pictures.items():
            columns.append((title, images, 'SR'))
            if title == self.reference:
                columns += [(key, images, key) for key in ('landmarks', 'parsing') if f'{faces[0]}/{key}' in images]
        columns.append(('HR', first, 'HR'))
        figure = Figure(figsize=(1.7 * len(columns), 1.75 * len(faces) + 0.3), dpi=130, layout='constrained')
        for axes, face in zip(figure.subplots(len(faces), len(columns), squeeze=False), faces):
            for ax, (title, images, key) in zip(axes, columns):
                ax.imshow(cv2.cvtColor(images[f'{face}/{key}'], cv2.COLOR_BGR2RGB))
                ax.axis('off')
                if face == faces[0]:
                    ax.set_title(textwrap.fill(title, 16), fontsize=9)
        return self._save(figure, f'pictures_{name}')
