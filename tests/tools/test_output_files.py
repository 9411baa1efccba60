"""Which files a run writes, decided before it begins."""

import pytest
from PIL import Image

from rim_plugin.tools.output_files import beside, plan_files


@pytest.fixture
def folder(tmp_path):
    (tmp_path / 'in/below').mkdir(parents=True)
    for name in ('a.png', 'below/b.jpg'):
        Image.new('RGB', (8, 8)).save(tmp_path / 'in' / name)
    return tmp_path


def names(plan, output):
    return {path.name: target.relative_to(output).as_posix() for path, target in plan.jobs.items()}


def test_places_below_a_folder_are_kept(folder):
    plan = plan_files([folder / 'in', folder / 'in/below/b.jpg'], folder / 'out', '.png')
    assert names(plan, folder / 'out') == {'a.png': 'a.png', 'b.jpg': 'b.png'}  # b.jpg is named directly last
    plan = plan_files([folder / 'in'], folder / 'out', '_x.jpg')
    assert names(plan, folder / 'out') == {'a.png': 'a_x.jpg', 'b.jpg': 'below/b_x.jpg'}


def test_of_two_pictures_of_one_name_the_second_is_named_by_its_kind(folder):
    for name in ('a.bmp', 'a.webp', 'a_compare.tif'):
        Image.new('RGB', (8, 8)).save(folder / 'in' / name)
    plan = plan_files([folder / 'in'], folder / 'out', '.png', ['_compare'])
    assert names(plan, folder / 'out') == {
        'a.bmp': 'a.png',
        'a.png': 'a_png.png',
        'a.webp': 'a_webp.png',
        'a_compare.tif': 'a_compare_tif.png',  # a_compare.png is that of a.bmp
        'b.jpg': 'below/b.png',
    }


def test_an_input_is_never_overwritten_the_others_go_on(folder):
    plan = plan_files([folder / 'in'], folder / 'in', '.png')
    assert names(plan, folder / 'in') == {'b.jpg': 'below/b.png'}
    (line,) = plan.skipped
    assert 'a.png: would overwrite' in line and 'another folder, or --suffix' in line
    assert len(plan_files([folder / 'in'], folder / 'in', '_large.png').jobs) == 2
    with pytest.raises(ValueError, match='would overwrite'):
        plan_files([folder / 'in/a.png'], folder / 'in', '.png')


def test_several_files_that_are_there_are_counted(folder):
    (folder / 'out').mkdir()
    for name in ('a.png', 'a_priors.png'):
        (folder / 'out' / name).write_text('mine')
    with pytest.raises(FileExistsError, match='a.png is there already: --force'):
        plan_files([folder / 'in'], folder / 'out', '.png')
    with pytest.raises(FileExistsError, match='a.png and 1 more files are there already: --force'):
        plan_files([folder / 'in'], folder / 'out', '.png', ['_priors'])
    assert len(plan_files([folder / 'in'], folder / 'out', '.png', ['_priors'], 'replace').jobs) == 2
    plan = plan_files([folder / 'in'], folder / 'out', '.png', ['_priors'], 'skip')
    assert plan.present == 1 and names(plan, folder / 'out') == {'b.jpg': 'below/b.png'}


def test_further_files_lie_beside_the_first(tmp_path):
    assert beside(tmp_path / 'a.b.jpg', '_compare') == tmp_path / 'a.b_compare.jpg'
    assert beside(tmp_path / 'a.b.jpg', '_faces/') == tmp_path / 'a.b_faces'
