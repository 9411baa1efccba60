import cv2
import numpy as np
import pytest
from matplotlib.figure import Figure

from rim_plugin.evaluation.curves import save_det, save_figure, save_rejection, save_reliability
from rim_plugin.evaluation.open_set import det_curve
from rim_plugin.evaluation.reliability import reliability


@pytest.mark.parametrize('name, start', [('a.png', b'\x89PNG'), ('a.svg', b'<?xml')])
def test_a_figure_is_written_in_the_format_of_its_ending(tmp_path, name, start):
    save_figure(Figure(), tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(start)


@pytest.mark.slow
def test_a_figure_that_cannot_be_drawn_leaves_the_one_before(tmp_path):
    (tmp_path / 'a.png').write_bytes(b'before')
    figure = Figure()
    figure.text(0.5, 0.5, r'$\frac$')  # raises when it is drawn
    with pytest.raises(ValueError):
        save_figure(figure, tmp_path / 'a.png')
    assert (tmp_path / 'a.png').read_bytes() == b'before' and len(list(tmp_path.iterdir())) == 1


@pytest.mark.slow
def test_curves_of_verdicts_and_searches_are_pictures(tmp_path):
    curve = reliability(np.array([0.6, 0.9, 0.95]), np.array([True, False, True]), np.ones(3))
    save_reliability(tmp_path / 'a.png', {'7 px': curve, 'all': curve}, 'a')
    save_rejection(tmp_path / 'b.png', {'7 px': np.array([0.1, 0.05])}, 'b', 'FNIR')
    save_det(tmp_path / 'c.png', {'searches': det_curve([0.9, 0.5], [0.4, 0.6])}, 'c')
    assert all(cv2.imread(str(tmp_path / name)).std() > 5 for name in ('a.png', 'b.png', 'c.png'))
