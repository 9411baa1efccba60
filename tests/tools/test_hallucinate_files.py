"""Which files a run writes, decided before it begins; pictures put side by side."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rim_plugin.data.photo_files import read_rgb
from rim_plugin.errors import UnreadableImage
from rim_plugin.tools.hallucinate_files import Picture, Writer, plan_files, prior_sheet, read_ahead, write_png


@pytest.fixture
def folder(tmp_path):
    (tmp_path / 'in/below').mkdir(parents=True)
    for name in ('a.png', 'below/b.jpg'):
        Image.new('RGB', (8, 8)).save(tmp_path / 'in' / name)
    return tmp_path


def test_places_below_a_folder_are_kept(folder):
    jobs = plan_files([folder / 'in', folder / 'in/below/b.jpg'], folder / 'out', [], 'refuse')
    assert {path.name: target.relative_to(folder / 'out').as_posix() for path, target in jobs.jobs.items()} == {
        'a.png': 'a',
        'b.jpg': 'b',  # named directly last
    }
    jobs = plan_files([folder / 'in'], folder / 'out', [], 'refuse')
    assert [target.relative_to(folder / 'out').as_posix() for target in jobs.jobs.values()] == ['a', 'below/b']


def test_several_files_that_are_there_are_counted(folder):
    (folder / 'out').mkdir()
    for name in ('a.png', 'a_priors.png'):
        (folder / 'out' / name).write_text('mine')
    with pytest.raises(FileExistsError, match='a.png is there already: --force'):
        plan_files([folder / 'in'], folder / 'out', [], 'refuse')
    with pytest.raises(FileExistsError, match='a.png and 1 more files are there already: --force'):
        plan_files([folder / 'in'], folder / 'out', ['_priors'], 'refuse')
    assert len(plan_files([folder / 'in'], folder / 'out', ['_priors'], 'replace').jobs) == 2


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


def test_parts_are_read_in_order_and_one_ahead(tmp_path, make_face):
    parts = []
    for number in range(5):
        paths = [tmp_path / f'{number}_{place}.png' for place in range(3)]
        for path in paths:
            write_png(path, np.full((8, 8, 3), number, np.uint8))
        parts.append([(path, path.with_suffix('')) for path in paths])
    parts[3][1][0].write_text('no picture')
    seen = []
    for number, part in enumerate(read_ahead(parts, lambda width, height: None)):
        assert [read[:2] for read in part] == parts[number]
        seen += [read[2] for read in part]
    assert [image if isinstance(image, Exception) else image[0, 0, 0] for image in seen[:9]] == [0] * 3 + [1] * 3 + [
        2
    ] * 3
    assert [isinstance(image, UnreadableImage) for image in seen].index(True) == 10


def test_a_writer_has_written_all_when_it_ends_and_tells_what_failed(tmp_path):
    image = np.zeros((8, 8, 3), np.uint8)
    with Writer() as writer:
        for number in range(100):
            writer.write(tmp_path / f'{number}.png', image)
    assert len(list(tmp_path.iterdir())) == 100
    (tmp_path / 'file').touch()
    with pytest.raises(FileExistsError), Writer() as writer:
        writer.write(tmp_path / 'file/a.png', image)
