"""Pictures, one by one, and sheets of faces."""

from pathlib import Path
from threading import active_count, current_thread, main_thread
from time import sleep

import cv2
import numpy as np
import pytest
from PIL import Image
from support.benchmarks import DRAWN

from rim_plugin.data.found import whole_picture
from rim_plugin.data.photo_files import Photo, read_rgb
from rim_plugin.tools.face_inputs import SeenFace
from rim_plugin.tools.hallucinate_files import (
    HallucinateOptions,
    Part,
    Picture,
    hallucinate_files,
    hallucinate_jobs,
    prior_sheet,
)
from rim_plugin.tools.notes import Note, Report

from basicsr.data import build_dataset


def plain(value, width=6):
    return Photo(np.full((8, width, 3), value, np.uint8), None, b'')


def test_white_lies_between_pictures(rim):
    picture = Picture(Path('a.jpg'), plain(0), plain(1), [], [])
    (path, after), (compared, row) = picture.files(rim, HallucinateOptions(compare=True, priors=True, crops=True))
    assert path == Path('a.jpg') and after is picture.after
    assert compared == Path('a_compare.jpg') and row.pixels.shape == (8, 6 + 4 + 6, 3)
    assert [row.pixels[:, part].mean() for part in (slice(6), slice(6, 10), slice(10, 16))] == [0, 255, 1]


def test_what_was_done_is_told_picture_by_picture(rim, make_face, tmp_path):
    names = [tmp_path / f'{number}.png' for number in range(3)]
    for number, name in enumerate(names):
        Image.fromarray(make_face(40, number)).save(name)
    names.append(tmp_path / 'no picture.png')
    names[-1].write_text('none')
    options = HallucinateOptions(lambda photo: [])
    parts = hallucinate_jobs(rim, [(name, tmp_path / 'out' / name.name) for name in names], options)
    assert [(part.report.written, len(part.report.skipped)) for part in parts] == [(1, 0)] * 3 + [(0, 1)]


def test_pictures_are_told_in_order_however_they_go_through_the_network(rim, make_face, tmp_path, monkeypatch):
    """Photos first, then aligned faces of one size together: 20, 32 and 24 pixels by turns, each fourth a photo."""
    sides = (20, 32, 24, 40) * 5
    names = [tmp_path / f'{number:02}.png' for number in range(len(sides))]
    for number, (name, side) in enumerate(zip(names, sides)):
        Image.fromarray(make_face(side, number)).save(name)

    def detect(picture):
        return [] if len(picture) == 40 else as_a_whole(picture)

    threads = []
    restored = SeenFace.restored
    monkeypatch.setattr(SeenFace, 'restored', lambda self: threads.append(current_thread()) or restored(self))
    told = []
    hallucinate_files(rim, names, tmp_path / 'out', HallucinateOptions(detect), told.append)
    assert [note.input for note in told] == [str(name) for name in names]
    assert [note.aligned for note in told] == [side < 40 for side in sides]
    assert len(threads) == 15 and main_thread() not in threads  # which has the network
    for name, side in zip(names, sides):
        expected = rim.hallucinate(read_rgb(name)) if side < 40 else None
        assert expected is None or np.abs(read_rgb(tmp_path / 'out' / name.name) - expected.astype(int)).max() <= 1


@pytest.mark.slow
def test_a_run_that_ends_early_leaves_no_thread_at_work(rim, make_face, tmp_path):
    """Here by a picture without a face of the first part, while the second is looked at, slowly, and not to its end."""
    names = [tmp_path / f'{number:03}.png' for number in range(12 * rim.batch)]
    for name in names:
        Image.fromarray(make_face(8)).save(name)
    looks = []

    def detect(picture):
        looks.append(1)
        sleep(0.2 if len(looks) > 4 * rim.batch else 0)
        return [] if len(looks) == 3 else as_a_whole(picture)

    before = active_count()
    with pytest.raises(ValueError, match='002.png: no face found; --on-no-face copy'):
        hallucinate_files(rim, names, tmp_path / 'out', HallucinateOptions(detect, on_no_face='fail'))
    assert active_count() == before and len(looks) < 8 * rim.batch


@pytest.mark.slow
def test_the_first_pictures_that_are_no_aligned_faces_are_told(rim, tmp_path, monkeypatch):
    """Of pictures that are said to be aligned faces; by a detector they have been looked at."""
    drawn = build_dataset({**DRAWN, 'name': 'drawn', 'phase': 'val', 'scale': 8})[0]['gt']
    face = (255 * drawn.permute(1, 2, 0)).round().byte().numpy()[::2, ::2].copy()
    small = cv2.resize(face, (60, 60), interpolation=cv2.INTER_AREA)
    photo = cv2.copyMakeBorder(small, 0, 52, 52, 0, cv2.BORDER_REPLICATE)  # a face in a corner
    noise = np.random.default_rng(0).integers(0, 256, (112, 112, 3), np.uint8)
    pictures = {'face': face, 'noise': noise, 'photo': photo, 'tiny': noise[:20, :20]}
    for name, picture in pictures.items():
        Image.fromarray(picture).save(tmp_path / f'{name}.png')

    def warned(detector):
        told = []
        options = HallucinateOptions(detector, existing='replace')
        hallucinate_files(rim, [tmp_path / f'{name}.png' for name in pictures], tmp_path / 'out', options, told.append)
        assert all(str(note).endswith(note.warning) for note in told)
        return {Path(note.input).stem for note in told if '--detect auto' in note.warning}

    assert warned(None) == {'noise', 'photo'}
    assert not warned(as_a_whole)
    monkeypatch.setattr('rim_plugin.tools.hallucinate_files._LOOKED_AT', 2)
    assert warned(None) == {'noise'}


def test_a_line_about_a_picture_begins_where_the_bar_was_wiped_away(rim, tmp_path, capsys):
    picture = tmp_path / 'a.png'
    picture.write_text('none')

    def elsewhere(jobs):
        yield Part(Report(written=1), [Note('a.png', 'out/a.png', True, 1, [])])

    def tell(note):
        shown.append(capsys.readouterr().err)

    shown = []
    hallucinate_files(rim, [picture], tmp_path / 'out', HallucinateOptions(), tell, elsewhere)
    assert len(shown) == 1 and shown[0].endswith('\r') and not shown[0].split('\r')[-2].strip()


def test_the_sheet_has_a_row_for_each_face(rim, make_face):
    small = [make_face(8, seed) for seed in range(2)]
    large = rim.hallucinate(small)
    sheet = prior_sheet(rim, small, large)
    assert sheet.shape[1] == 4 * (64 + 4)  # LR, SR, landmarks, parsing
    assert np.array_equal(sheet[-68:-4, 68:132], large[1])  # RGB, the second face


def as_a_whole(picture):
    return [whole_picture(len(picture))]


@pytest.mark.slow
@pytest.mark.parametrize('detector', [None, as_a_whole])
def test_aligned_faces_come_out_at_their_own_size_or_scaled(rim, make_face, tmp_path, detector):
    """Of fewer pixels than the network gives (64): those; enlarged ones keep their own."""
    faces = {'small': make_face(20), 'sharp': make_face(70)}
    faces |= {f'soft_{at}': cv2.resize(make_face(20), (at, at), interpolation=cv2.INTER_CUBIC) for at in (512, 700)}
    for name, face in faces.items():
        Image.fromarray(face).save(tmp_path / f'{name}.png')
    inputs = [tmp_path / f'{name}.png' for name in faces]
    hallucinate_files(rim, inputs, tmp_path / 'out', HallucinateOptions(detector))
    results = {name: read_rgb(tmp_path / f'out/{name}.png') for name in faces}
    assert {name: len(face) for name, face in results.items()} == {
        'small': 64,
        'sharp': 70,
        'soft_512': 512,
        'soft_700': 700,
    }
    assert np.array_equal(results['sharp'], faces['sharp'])
    hallucinate_files(rim, inputs, tmp_path / 'twice', HallucinateOptions(detector, scale=2))
    twice = {name: read_rgb(tmp_path / f'twice/{name}.png') for name in faces}
    assert {name: len(face) for name, face in twice.items()} == {name: 2 * len(face) for name, face in faces.items()}
    for name in ('soft_512', 'soft_700'):
        again = cv2.resize(twice[name], results[name].shape[:2], interpolation=cv2.INTER_AREA)
        assert np.abs(again.astype(int) - results[name]).mean() < 1


def test_faces_that_would_become_too_large_are_left_out(rim, make_face, tmp_path, monkeypatch):
    monkeypatch.setattr('rim_plugin.tools.photos.MAX_PIXELS', 100**2)
    for side in (20, 40):
        Image.fromarray(make_face(side)).save(tmp_path / f'{side}.png')
    inputs = [tmp_path / '20.png', tmp_path / '40.png']
    report = hallucinate_files(rim, inputs, tmp_path / 'out', HallucinateOptions(scale=4))
    assert report.written == 1 and '40.png: 4 times as large it has' in report.skipped[0]
