"""Figures show the data they are given, one colour a method throughout."""

import cv2
import numpy as np
import pytest
from matplotlib.colors import to_hex

from rim_plugin.benchmark.figures import Plots

TITLES = ['Bicubic', 'SRCNN', 'RIM']


class Captured(Plots):
    """Plots whose last figure can be looked into; it is not written."""

    def _save(self, figure, name):
        self.figure = figure
        return name


@pytest.fixture
def plots(tmp_path):
    return Captured(tmp_path / 'figures', TITLES, 'RIM')


def lines(plots):
    """Title to line of the last figure, whose legend names all of them."""
    (axes,) = plots.figure.axes
    (legend,) = plots.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list(
        lines := {line.get_label(): line for line in axes.lines}
    )
    return lines


@pytest.mark.slow
def test_every_figure_is_a_png_and_an_svg(tmp_path):
    plots = Plots(tmp_path / 'figures', TITLES, 'RIM')
    path = plots.score_distribution('lfw', 'ssim_y', 'SSIM', {'RIM': [0.5, 0.7], 'SRCNN': [0.1, 0.9]})
    assert path == 'figures/csd_lfw_ssim_y.png'
    assert cv2.imread(str(tmp_path / path)).std() > 10
    assert (tmp_path / path).with_suffix('.svg').read_text().rstrip().endswith('</svg>')


def test_score_distribution_is_the_fraction_of_faces_with_at_most_that_score(plots):
    plots.score_distribution('lfw', 'psnr_y', 'PSNR', {'RIM': [30, 20, 25, 25], 'Bicubic': [10, 20]})
    x, y = lines(plots)['RIM'].get_data()
    for score, fraction in ((19.9, 0), (20, 0.25), (25, 0.75), (30, 1)):
        assert max((b for a, b in zip(x, y) if a <= score), default=0) == fraction
    assert plots.figure.axes[0].get_xlabel() == 'PSNR'


def test_a_method_has_one_colour_and_the_reference_is_thicker(plots):
    scores = {'RIM': [1, 2], 'SRCNN': [2, 3]}
    plots.score_distribution('lfw', 'psnr_y', 'PSNR', scores)
    first = {title: to_hex(line.get_color()) for title, line in lines(plots).items()}
    assert len(set(first.values())) == 2 and lines(plots)['RIM'].get_lw() > lines(plots)['SRCNN'].get_lw()
    plots.score_distribution('lfw', 'psnr_y', 'PSNR', {'SRCNN': [1, 2]})
    assert to_hex(lines(plots)['SRCNN'].get_color()) == first['SRCNN']


def test_many_methods_have_different_colours(tmp_path):
    titles = [str(i) for i in range(45)]
    assert len(set(Plots(tmp_path, titles, '0').colours.values())) == 45


def test_roc_goes_through_the_rates_at_each_threshold(plots):
    scores, issame = np.array([0.9, 0.8, 0.7, 0.6, 0.1]), np.array([1, 0, 1, 1, 0], bool)
    plots.roc_curves('few_14', 'few: ROC', {'RIM': (scores, issame)})
    points = list(zip(*lines(plots)['RIM'].get_data()))
    for point in ((1e-4, 1 / 3), (0.5, 1 / 3), (0.5, 1), (1, 1)):  # at FAR 0, which a logarithmic axis lacks, 1e-4
        assert any(np.allclose(point, each) for each in points), point
    assert plots.figure.axes[0].get_xscale() == 'log'


def test_accuracy_over_size_has_full_resolution_behind_the_largest_probe(plots):
    accuracy = {'RIM': {'28': 0.9, '7': 0.6, 'full': 0.99}, 'Bicubic': {'28': 0.8}}
    plots.accuracy_over_size('few', accuracy)
    x, y = lines(plots)['RIM'].get_data()
    assert list(y) == [0.6, 0.9, 0.99] and list(x[:2]) == [7, 28] and x[2] > 28
    labels = {text.get_position()[0]: text.get_text() for text in plots.figure.axes[0].get_xticklabels()}
    assert labels[7] == '7' and labels[x[2]] == 'full'


def test_quality_over_time_has_a_point_and_a_line_of_the_legend_for_each_method(plots):
    points = {'Bicubic': (0.5, 26.0), 'RIM': (80.0, 28.0)}
    plots.quality_over_time('lfw', points)
    assert {title: tuple(line.get_xydata()[0]) for title, line in lines(plots).items()} == points
    (legend,) = plots.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list(points)


def test_picture_grid_shows_the_priors_behind_the_reference(plots):
    grey = {key: np.full((8, 8, 3), value, np.uint8) for key, value in (('LR 28x28', 0), ('SR', 50), ('HR', 99))}
    grey['SR'][..., 0] = 255  # blue
    of_all = {f'{face}/{key}': image for face in range(2) for key, image in grey.items()}
    priors = {f'{face}/{key}': grey['HR'] for face in range(2) for key in ('landmarks', 'parsing')}
    plots.picture_grid('lfw', {'SRCNN': {**of_all, 'sr_files': grey['SR']}, 'RIM': {**of_all, **priors}})
    axes = plots.figure.axes
    assert [ax.get_title() for ax in axes] == ['LR 28x28', 'SRCNN', 'RIM', 'landmarks', 'parsing', 'HR', *[''] * 6]
    assert axes[1].images[0].get_array()[0, 0].tolist() == [50, 50, 255]  # RGB
