"""``rim prepare``: a store from photos; mistakes in one line."""

import shlex
import sys
from types import SimpleNamespace

import pytest
from support.commands import failed, two_faces
from support.disks import limited, small_disk
from support.face_photos import make_aligned, make_photos
from support.large_pictures import write_header

from rim_plugin import cli
from rim_plugin.data import prepare
from rim_plugin.data.face_store import FaceStore


@pytest.fixture
def argv(tmp_path):
    make_photos(tmp_path, ['a.jpg', 'b.jpg'])
    return [str(tmp_path / name) for name in ('images', 'out')] + ['--landmarks', str(tmp_path / 'landmarks')]


def test_a_store_is_made_once(argv, capsys):
    cli.prepare(argv)
    assert 'out: 2 faces' in capsys.readouterr().out
    assert 'quality' in failed(cli.prepare, *argv, '--quality', '50')
    assert 'size is 3' in failed(cli.prepare, *argv, '--size', '3')


def test_a_large_photo_or_parsing_map_is_left_out_by_its_header(argv, tmp_path):
    write_header(tmp_path / 'images/a.jpg', 12000, 9000)
    write_header(tmp_path / 'parsing/b.png', 12000, 9000)
    message = failed(cli.prepare, *argv, '--parsing', tmp_path / 'parsing')
    assert '1 unreadable or truncated photo' in message and '1 bad parsing map' in message
    left_out = (tmp_path / 'out/left_out.txt').read_text()
    assert 'a.jpg: 108 megapixels' in left_out and 'b.png: 12000x9000 pixels, its photo has 300x280' in left_out


def test_aligned_faces_need_no_landmarks(tmp_path, capsys):
    make_aligned(tmp_path / 'aligned', 2)
    cli.prepare([str(tmp_path / name) for name in ('aligned', 'out')] + ['--aligned', '8', '--size', '128'])
    assert 'out: 2 faces' in capsys.readouterr().out
    assert FaceStore(tmp_path / 'out', 'lmdb').margin == 8


def test_a_stopped_run_says_how_to_go_on(argv, monkeypatch, capsys):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(prepare, '_store_faces', stopped)
    with pytest.raises(SystemExit) as caught:
        cli.prepare(argv)
    assert caught.value.code == 130 and 'goes on from here' in capsys.readouterr().err


def test_without_landmarks_the_detector_that_fetches_nothing_finds_the_faces(tmp_path, monkeypatch, capsys):
    make_photos(tmp_path, ['a.jpg', 'b.jpg'])
    found = SimpleNamespace(load_detector=lambda name, tiles: two_faces if name == 'auto' else None)
    monkeypatch.setitem(sys.modules, 'rim_plugin.tools.detection', found)
    monkeypatch.chdir(tmp_path)
    cli.prepare(['images'])
    assert 'datasets/images: 2 faces' in (told := capsys.readouterr().out)
    assert told.endswith('Next: rim train own --faces datasets/images\n')
    assert (tmp_path / 'datasets/images/gt.lmdb').is_dir()


def test_the_next_command_can_be_pasted(argv, capsys):
    cli.prepare([argv[0], argv[1] + ' of mine', *argv[2:]])
    line = capsys.readouterr().out.splitlines()[-1]
    assert shlex.split(line) == ['Next:', 'rim', 'train', 'own', '--faces', argv[1] + ' of mine']


def test_photos_are_named_and_stay_as_they_are(tmp_path, monkeypatch):
    assert 'name the folder of photos' in failed(cli.prepare, '--size', '224')
    (tmp_path / 'datasets/mine').mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert 'name another folder' in failed(cli.prepare, 'datasets/mine')


@pytest.mark.slow
def test_a_store_is_checked(argv, tmp_path, capsys):
    cli.prepare([*argv, '--backend', 'disk'])
    capsys.readouterr()
    cli.prepare(['--check', argv[1]])
    assert 'out: 2 faces, all of them whole' in capsys.readouterr().out
    (tmp_path / 'out/gt/b.jpg').write_bytes(b'no picture')
    assert 'out: 1 faults, 2 faces' in failed(cli.prepare, '--check', argv[1])
    assert capsys.readouterr().out == 'b: gt: it cannot be decoded\n'
    assert 'no such folder' in failed(cli.prepare, '--check', tmp_path / 'absent')


@pytest.mark.parametrize('backend', ['lmdb', 'disk'])
def test_no_room_is_told_and_the_run_goes_on_later(argv, tmp_path, backend, capsys):
    with limited(6000):
        message = failed(cli.prepare, *argv, '--backend', backend)
    assert str(tmp_path / 'out') in message and ('large' in message or 'space' in message)
    cli.prepare([*argv, '--backend', backend])
    assert 'out: 2 faces' in capsys.readouterr().out


@pytest.mark.slow
def test_a_full_disk_is_told(argv, tmp_path):
    with small_disk(tmp_path / 'disk', '20k') as mounted:
        if not mounted:
            pytest.skip('only root mounts disks')
        argv[1] = str(tmp_path / 'disk/out')
        message = failed(cli.prepare, *argv, '--size', '512')
        assert 'No space left on device' in message and str(tmp_path / 'disk/out') in message
