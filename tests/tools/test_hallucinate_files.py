"""Which files a run writes, decided before it begins; pictures put side by side."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rim_plugin.data.photo_files import read_rgb
from rim_plugin.tools.hallucinate_files import Picture, plan_files, prior_sheet, write_png


@pytest.fixture
def folder(tmp_path):
    (tmp_path / 'in/below').mkdir(parents=True)
    for name in ('a.png', 'below/b.jpg'):
        Image.new('RGB', (8, 8)).save(tmp_path / 'in' / name)
    return tmp_path


def test_places_below_a_folder_are_kept(folder):
    jobs = plan_files([folder / 'in', folder / 'in/below/b.jpg'], folder / 'out', [], False)
    assert {path.name: target.relative_to(folder / 'out').as_posix() for path, target in jobs.items()} == {
        'a.png': 'a',
        'b.jpg': 'b',  # named directly last
    }
    jobs = plan_files([folder / 'in'], folder / 'out', [], False)
    assert [target.relative_to(folder / 'out').as_posix() for target in jobs.values()] == ['a', 'below/b']


def test_several_files_that_are_there_are_counted(folder):
    (folder / 'out').mkdir()
    for name in ('a.png', 'a_priors.png'):
        (folder / 'out' / name).write_text('mine')
    with pytest.raises(FileExistsError, match='a.png is there already: --force'):
        plan_files([folder / 'in'], folder / 'out', [], False)
    with pytest.raises(FileExistsError, match='a.png and 1 more files are there already: --force'):
        plan_files([folder / 'in'], folder / 'out', ['_priors'], False)
    assert len(plan_files([folder / 'in'], folder / 'out', ['_priors'], True)) == 2


def test_white_lies_between_pictures(rim):
    picture = Picture(Path('a'), np.zeros((8, 6, 3), np.uint8), np.ones((8, 6, 3), np.uint8), [], [])
    (_, after), (path, row) = picture.files(rim, compare=True, priors=False)
    assert path == Path('a_compare.png') and after is picture.after and row.shape == (8, 6 + 4 + 6, 3)
    assert (row[:, :6] == 0).all() and (row[:, 6:10] == 255).all() and (row[:, 10:] == 1).all()


def test_a_picture_is_written_whole_or_not_at_all(tmp_path, make_face):
    write_png(tmp_path / 'new' / 'ü.png', make_face(20))
    assert np.array_equal(read_rgb(tmp_path / 'new' / 'ü.png'), make_face(20))
    assert [path.name for path in (tmp_path / 'new').iterdir()] == ['ü.png']


def test_the_sheet_has_a_row_for_each_face(rim, make_face):
    small = [make_face(8, seed) for seed in range(2)]
    large = rim.hallucinate(small)
    sheet = prior_sheet(rim, small, large)
    assert sheet.shape[1] == 4 * (64 + 4)  # LR, SR, landmarks, parsing
    assert np.array_equal(sheet[-68:-4, 68:132], large[1])  # RGB, the second face
