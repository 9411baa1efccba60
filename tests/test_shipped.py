"""Options and weights are found in a checkout, in an installation, and from any folder."""

import pytest

from rim_plugin import shipped


def test_an_installation_has_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, '__file__', str(tmp_path / 'lib/rim_plugin/shipped.py'))
    assert shipped.shipped_weights() == tmp_path / 'lib/weights/rim_small.safetensors'
    (tmp_path / 'lib/rim_plugin/share').mkdir(parents=True)
    assert shipped.shipped_weights() == tmp_path / 'lib/rim_plugin/share/weights/rim_small.safetensors'


def test_a_file_of_the_user_goes_before_that_of_the_plugin(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shipped.located('options/rim.yml') == str(shipped.shipped('options/rim.yml'))
    for path in ('options/absent.yml', 'pyproject.toml', str(tmp_path / 'options/rim.yml'), 'options'):
        assert shipped.located(path) == path
    (tmp_path / 'options').mkdir()
    (tmp_path / 'options/rim.yml').touch()
    assert shipped.located('options/rim.yml') == 'options/rim.yml'


@pytest.mark.parametrize(
    ('kind', 'name'), [('train', 'rim_demo'), ('train', 'srcnn'), ('test', 'lfw'), ('benchmark', 'lfw')]
)
def test_options_have_names(kind, name):
    assert shipped.shipped_options(kind)[name].is_file()
    assert 'run' not in shipped.shipped_options(kind)  # a base


@pytest.mark.parametrize('kind', shipped.KINDS)
def test_no_two_options_have_one_name(kind):
    files = [file for folder in shipped.KINDS[kind] for file in (shipped.shipped('options') / folder).glob('*.yml')]
    assert len(shipped.shipped_options(kind)) == len(files) > 5
