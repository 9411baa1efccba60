"""rim hallucinate with films: what makes its inputs one, what is refused, what is told."""

import json

import pytest
from PIL import Image
from support.commands import NOBODY, ONE_FACE, failed

from rim_plugin import cli
from rim_plugin.tools.clips import open_clip


@pytest.fixture
def frames(tmp_path, make_face):
    (tmp_path / 'frames').mkdir()
    for number in range(4):
        Image.fromarray(make_face(160)[:96]).save(tmp_path / f'frames/{number}.png')
    return tmp_path / 'frames'


@pytest.mark.slow
def test_a_folder_of_frames_becomes_a_video_and_that_a_larger_one(networks, frames, tmp_path, capsys):
    film, large = tmp_path / 'film.avi', tmp_path / 'large.mp4'
    cli.hallucinate(
        [*networks, str(frames), '-o', str(film), '--frames', '--fps', '5', '--scale', '1', '--detect', ONE_FACE]
    )
    assert capsys.readouterr().out.splitlines() == [
        f'{frames}: 4 frames, 1 of 1 faces restored',
        f'4 of 4 frames written to {film}',
    ]
    cli.hallucinate([*networks, str(film), '-o', str(large), '--scale', '2', '--detect', ONE_FACE, '--json'])
    told = json.loads(capsys.readouterr().out)
    assert (told['frames'], told['scale'], told['output']) == (4, 2, str(large)) and told['tracks'][0]['first'] == 1
    again = open_clip(large)
    assert again.rate == 5 and [frame.shape for frame in again] == [(192, 320, 3)] * 4


def test_what_is_there_stays_without_force(networks, frames, tmp_path, capsys):
    target = tmp_path / 'out.mp4'
    target.write_text('mine')
    argv = [*networks, str(frames), '-o', str(target), '--frames', '--detect', NOBODY]
    assert 'out.mp4 is there already: --force replaces it' in failed(cli.hallucinate, *argv)
    cli.hallucinate([*argv, '--skip-existing'])
    assert target.read_text() == 'mine' and 'is there already' in capsys.readouterr().out
    cli.hallucinate([*argv, '--force'])
    assert len(list(open_clip(target))) == 4


@pytest.mark.slow
def test_a_run_that_was_stopped_goes_on_until_every_frame_is_there(networks, frames, tmp_path, capsys):
    argv = [*networks, str(frames), '-o', str(tmp_path / 'out'), '--frames', '--detect', NOBODY]
    cli.hallucinate(argv)
    (tmp_path / 'out/2.png').unlink()
    assert 'is there already: --force' in failed(cli.hallucinate, *argv)
    cli.hallucinate([*argv, '--skip-existing'])
    assert (tmp_path / 'out/2.png').exists() and '4 of 4 frames written' in capsys.readouterr().out
    cli.hallucinate([*argv, '--skip-existing'])
    assert capsys.readouterr().out == f'{tmp_path / "out"}: is there already\n'


@pytest.mark.slow
def test_frames_that_a_film_lost_are_told_and_count_in_the_exit_status(networks, frames, tmp_path, capsys):
    film = tmp_path / 'film\x1b[31m.avi'
    cli.hallucinate([*networks, str(frames), '-o', str(film), '--frames', '--scale', '1', '--detect', NOBODY])
    film.write_bytes(film.read_bytes()[: film.stat().st_size // 2])
    out = tmp_path / 'new\x1b[31m.avi'
    with pytest.raises(SystemExit) as caught:
        cli.hallucinate([*networks, str(film), '-o', str(out), '--detect', NOBODY])
    told = capsys.readouterr().out
    assert caught.value.code == 3 and 'it is damaged, 2 more frames cannot be read' in told and '\x1b' not in told


def test_what_is_not_for_films_is_told(networks, frames, tmp_path):
    def told(*argv):
        return failed(cli.hallucinate, *networks, *argv, '--detect', NOBODY)

    out = ['-o', tmp_path / 'out.mp4']
    assert '2 inputs: films go one at a time' in told('a.mp4', 'b.mp4', *out)
    assert '--compare: is of pictures, not of films' in told(frames, *out, '--frames', '--compare')
    assert '--background: is of pictures' in told(frames, *out, '--frames', '--background', 'b.yml')
    assert '--ext: is of pictures' in told(frames, *out, '--frames', '--ext', 'jpg')
    for name in ('frames', 'fps'):
        argv = ('--frames',) if name == 'frames' else ('--fps', '9')
        assert f'--{name}: is of a folder of frames, and' in told(frames / '0.png', *out, *argv)
    assert '--fps: is of films: name a video' in told(frames, '-o', tmp_path / 'out', '--fps', '9')
    assert 'would overwrite the film itself' in told(frames, '-o', frames, '--frames')
    assert '0.png is a file: name a folder' in told(frames, '-o', frames / '0.png/out.mp4', '--frames')
    assert 'absent.mp4: no such file' in told(tmp_path / 'absent.mp4', *out)
    assert 'nothing is written; --on-no-face copy' in told(frames, *out, '--frames', '--on-no-face', 'skip')
    assert not (tmp_path / 'out.mp4').exists()
