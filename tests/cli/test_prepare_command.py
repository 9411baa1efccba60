"""scripts/prepare_faces.py: a store from photos; mistakes in one line."""

import pytest
from support.commands import failed
from support.face_photos import make_photos

from rim_plugin import cli
from rim_plugin.data import prepare


@pytest.fixture
def argv(tmp_path):
    make_photos(tmp_path, ['a.jpg', 'b.jpg'])
    return [str(tmp_path / name) for name in ('images', 'out')] + ['--landmarks', str(tmp_path / 'landmarks')]


def test_a_store_is_made_once(argv, capsys):
    cli.prepare(argv)
    assert 'out: 2 faces' in capsys.readouterr().out
    assert 'quality' in failed(cli.prepare, *argv, '--quality', '50')
    assert 'size is 3' in failed(cli.prepare, *argv, '--size', '3')


def test_a_stopped_run_says_how_to_go_on(argv, monkeypatch, capsys):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(prepare, '_make_faces', stopped)
    with pytest.raises(SystemExit) as caught:
        cli.prepare(argv)
    assert caught.value.code == 130 and 'goes on from here' in capsys.readouterr().err


def test_landmarks_or_a_detector_have_to_be_named(argv, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.prepare(argv[:2])
    assert caught.value.code == 2 and '--landmarks --detector' in capsys.readouterr().err
