"""Films come out with every frame, at their rate, whole or not at all."""

import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
from PIL import Image

from rim_plugin.errors import UnreadableImage
from rim_plugin.tools import clips
from rim_plugin.tools.clips import FolderClip, VideoClip, is_written, open_clip, write_clip
from rim_plugin.tools.film_names import is_video


def drawn(number, width=96, height=64):
    """A frame whose brightness tells its number."""
    return np.full((height, width, 3), 10 + 12 * number, np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Nine frames."""
    (tmp_path / 'frames').mkdir()
    for number in range(9):
        Image.fromarray(drawn(number)).save(tmp_path / f'frames/f{number}.png')
    return tmp_path / 'frames'


@pytest.mark.parametrize('name', ['film.mp4', 'film.avi', 'film.mkv', 'film.MOV'])
def test_a_video_has_the_frames_and_the_rate_of_what_it_is_made_of(folder, tmp_path, name):
    clip = open_clip(folder, 12.5)
    assert write_clip(iter(clip), clip, tmp_path / name) == ''
    again = open_clip(tmp_path / name)
    frames = list(again)
    assert isinstance(again, VideoClip) and again.rate == pytest.approx(12.5)
    assert [round((frame.mean() - 10) / 12) for frame in frames] == list(range(9))
    assert frames[0].shape == (64, 96, 3) and [*tmp_path.glob('.*')] == []


@pytest.mark.parametrize('name', ['film.mp4', 'film.avi'])
def test_the_times_of_the_frames_tell_the_rate_whatever_the_file_says(folder, tmp_path, name):
    frames = open_clip(folder, 12.5)
    write_clip(iter(frames), frames, tmp_path / name)
    clip = open_clip(tmp_path / name)
    clip.rate = 600
    assert len(list(clip)) == 9 and clip.rate == pytest.approx(12.5, rel=0.01)


def test_videos_have_even_sides(tmp_path):
    """Codecs halve the colours' resolution."""
    clip = FolderClip(make(tmp_path / 'odd', [drawn(number, 97, 65) for number in range(3)]))
    write_clip(iter(clip), clip, tmp_path / 'odd.mp4')
    assert {frame.shape for frame in VideoClip(tmp_path / 'odd.mp4')} == {(64, 96, 3)}


def make(folder, frames):
    folder.mkdir()
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f'{number}.png')
    return folder


def test_a_folder_of_frames_keeps_its_names_and_a_video_gets_numbers(folder, tmp_path):
    clip = open_clip(folder)
    write_clip(iter(clip), clip, tmp_path / 'out')
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == [f'f{number}.png' for number in range(9)]
    write_clip(iter(clip), clip, tmp_path / 'film.avi')
    video = open_clip(tmp_path / 'film.avi')
    write_clip(iter(video), video, tmp_path / 'frames2')
    assert sorted(path.name for path in (tmp_path / 'frames2').iterdir())[::8] == ['000001.png', '000009.png']


def test_frames_of_one_name_and_several_kinds_each_have_a_file(tmp_path):
    folder = make(tmp_path / 'kinds', [drawn(number) for number in range(2)])
    Image.fromarray(drawn(5)).save(folder / '1.bmp')
    clip = open_clip(folder)
    write_clip(iter(clip), clip, tmp_path / 'out')
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == ['0.png', '1_bmp.png', '1_png.png']


def test_frames_follow_the_numbers_in_their_names(tmp_path):
    clip = open_clip(make(tmp_path / 'many', [drawn(number) for number in range(12)]))
    assert [round((frame.mean() - 10) / 12) for frame in clip] == list(range(12))
    assert clip.name(10) == '10' and is_written(clip, tmp_path / 'many')


def test_whether_the_frames_of_a_video_are_there_is_known_without_reading_it(folder, tmp_path, monkeypatch):
    frames = open_clip(folder)
    write_clip(iter(frames), frames, tmp_path / 'film.avi')
    video, out = open_clip(tmp_path / 'film.avi'), tmp_path / 'out'
    assert not is_written(video, out)
    shown = list(video)
    monkeypatch.setattr(VideoClip, '__iter__', None)
    with pytest.raises(ZeroDivisionError):
        write_clip((1 // 0 if number == 5 else frame for number, frame in enumerate(shown)), video, out)
    assert any(out.iterdir()) and not is_written(video, out)
    write_clip(iter(shown), video, out)
    (out / 'notes.png').touch()
    assert is_written(video, out)
    with pytest.raises(ZeroDivisionError):  # what is there of a former run does not count
        write_clip((1 // 0 if number == 5 else frame for number, frame in enumerate(shown)), video, out)
    assert not is_written(video, out)
    write_clip(iter(shown), video, out)
    (out / '000004.png').unlink()
    assert not is_written(video, out)


@pytest.mark.parametrize('name', ['film.avi', 'film.mkv'])
def test_frames_that_a_damaged_video_lost_are_counted(tmp_path, name):
    noise = np.random.default_rng(0).integers(0, 256, (9, 64, 96, 3), np.uint8)
    frames = open_clip(make(tmp_path / 'noise', noise))
    write_clip(iter(frames), frames, tmp_path / name)
    whole = open_clip(tmp_path / name)
    assert len(list(whole)) == 9 and whole.lost == 0
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[: (tmp_path / name).stat().st_size // 2])
    clip = open_clip(tmp_path / name)
    assert len(list(clip)) + clip.lost == 9 and clip.lost > 1


@pytest.mark.parametrize('target', ['film.avi', 'frames'])
def test_what_killed_runs_left_is_removed(folder, tmp_path, target):
    process = subprocess.Popen([sys.executable, '-c', ''])
    process.wait()
    place = tmp_path if is_video(target) else tmp_path / target
    draft, below = place / f'.{process.pid}-1.tmp0.avi', folder / f'.{process.pid}-1.tmp'
    for file in (draft, below):
        file.touch()
        os.utime(file, (0, 0))
    clip = open_clip(folder)
    write_clip(iter(clip), clip, tmp_path / target)
    assert not draft.exists() and below.exists() == is_video(target)  # beside a video nothing is searched


def test_what_is_no_film_is_told(folder, tmp_path):
    (tmp_path / 'text.mp4').write_text('no video')
    for path in (tmp_path / 'text.mp4', tmp_path / 'absent.mp4'):
        with pytest.raises(UnreadableImage, match=f'{path.name}: no '):
            open_clip(path)
    Image.fromarray(drawn(0)[1:]).save(folder / 'f5.png')
    with pytest.raises(UnreadableImage, match='f5.png: 96x63 pixels, the frames before 96x64'):
        list(open_clip(folder))
    with pytest.raises(FileNotFoundError, match='holds none'):
        open_clip(make(tmp_path / 'empty', []))


def test_an_error_half_way_leaves_no_video(folder, tmp_path):
    def frames():
        yield from [drawn(0)] * 3
        raise RuntimeError('half way')

    with pytest.raises(RuntimeError, match='half way'):
        write_clip(frames(), open_clip(folder), tmp_path / 'film.mp4')
    with pytest.raises(OSError, match='.webm: such videos are not written; name one of .mp4'):
        write_clip(frames(), open_clip(folder), tmp_path / 'film.webm')
    assert [path.name for path in tmp_path.iterdir()] == ['frames']


def test_a_video_that_lacks_frames_is_an_error(folder, tmp_path, monkeypatch):
    class Lossy:
        fourcc = cv2.VideoWriter.fourcc

        def __init__(self, *args):
            self.writer = writer(*args)
            self.isOpened, self.release = self.writer.isOpened, self.writer.release

        def write(self, frame):
            if frame.mean() < 60:
                self.writer.write(frame)

    writer, clip = cv2.VideoWriter, open_clip(folder)
    monkeypatch.setattr(clips.cv2, 'VideoWriter', Lossy)
    with pytest.raises(OSError, match='5 of 9 frames were written: is there room'):
        write_clip(iter(clip), clip, tmp_path / 'film.avi')
    assert not (tmp_path / 'film.avi').exists()


@pytest.fixture
def ffmpeg(tmp_path, monkeypatch):
    """Stands in for ffmpeg: writes down its arguments and copies its first input, unless sound is to be copied."""
    program = tmp_path / 'bin/ffmpeg'
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\ncase "$*" in *"-c:a copy"*) exit 1;; esac\n'
        'while [ "$1" != -i ]; do shift; done; in=$2; for out; do :; done; exec /bin/cp "$in" "$out"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv('PATH', str(program.parent))
    return tmp_path / 'calls'


def test_sound_is_kept_by_ffmpeg_and_told_without_it(folder, tmp_path, monkeypatch, request):
    frames = open_clip(folder)
    write_clip(iter(frames), frames, tmp_path / 'film.mp4')
    clip = open_clip(tmp_path / 'film.mp4')
    monkeypatch.setenv('PATH', '')
    assert write_clip(iter(clip), clip, tmp_path / 'mute.mp4') == 'without sound: ffmpeg is not installed'
    calls = request.getfixturevalue('ffmpeg')
    assert write_clip(iter(clip), clip, tmp_path / 'loud.mp4') == 'its sound kept, if it has any'
    first, second = calls.read_text().splitlines()
    assert '-map 0:v -map 1:a? -c:v copy -c:a copy' in first and '-c:a aac' in second and str(clip.path) in second
    assert len(list(open_clip(tmp_path / 'loud.mp4'))) == 9


def test_films_are_known_by_their_names():
    assert is_video('a.mp4') and is_video('b.WEBM') and not is_video('c.png') and not is_video('folder')
