import pytest
from matplotlib.figure import Figure

from rim_plugin.evaluation.curves import save_figure


@pytest.mark.parametrize('name, start', [('a.png', b'\x89PNG'), ('a.svg', b'<?xml')])
def test_a_figure_is_written_in_the_format_of_its_ending(tmp_path, name, start):
    save_figure(Figure(), tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(start)


def test_a_figure_that_cannot_be_drawn_leaves_the_one_before(tmp_path):
    (tmp_path / 'a.png').write_bytes(b'before')
    figure = Figure()
    figure.text(0.5, 0.5, r'$\frac$')  # raises when it is drawn
    with pytest.raises(ValueError):
        save_figure(figure, tmp_path / 'a.png')
    assert (tmp_path / 'a.png').read_bytes() == b'before' and len(list(tmp_path.iterdir())) == 1
