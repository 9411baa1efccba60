"""Films: a frame for each frame, faces at every frame of their track, and less flicker than frame by frame."""

import cv2
import numpy as np
import pytest
from PIL import Image

from rim_plugin.data.alignment import ARCFACE_TEMPLATE
from rim_plugin.data.found import found_by_points
from rim_plugin.tools.clips import FolderClip, VideoClip, open_clip
from rim_plugin.tools.photos import enlarged, paste_faces
from rim_plugin.tools.video import hallucinate_clip

FRAMES, SIDE = 12, 30


def points_at(number):
    return ARCFACE_TEMPLATE * SIDE / 112 + [40 + number, 20]


@pytest.fixture
def folder(tmp_path, make_face):
    """A face that moves by a pixel a frame over a grey ground."""
    (tmp_path / 'frames').mkdir()
    face = make_face(SIDE, 3)
    for number in range(FRAMES):
        frame = paste_faces(np.full((72, 128, 3), 90, np.uint8), 1, [(points_at(number), face)])
        Image.fromarray(frame).save(tmp_path / f'frames/{number:02}.png')
    return tmp_path / 'frames'


def detector(missed=(), shake=0.0, doubt=''):
    """Finds the face of each frame in turn, but in some frames none; ``shake``: deviation of its points, pixels."""
    numbers, random = iter(range(FRAMES)), np.random.default_rng(0)

    def detect(frame):
        number = next(numbers)
        points = points_at(number) + random.normal(0, shake, (5, 2)) if shake else points_at(number)
        return [] if number in missed else [found_by_points(points)._replace(doubt=doubt)]

    return detect


def changed(frames, before):
    """In how many pixels each frame is another one than the enlarged frame."""
    large = [enlarged(each, *frame.shape[1::-1]) for each, frame in zip(before, frames)]
    return [int((np.abs(frame.astype(int) - each).max(2) > 8).sum()) for frame, each in zip(frames, large)]


@pytest.mark.slow
def test_no_frame_is_lost_and_no_face_left_out_where_the_detector_misses_it(rim, folder, tmp_path):
    clip = FolderClip(folder)
    note = hallucinate_clip(rim, clip, tmp_path / 'out', detector(missed=(3, 4, 8)), scale=2)
    frames = list(open_clip(tmp_path / 'out'))
    assert len(frames) == note.frames == FRAMES and frames[0].shape == (144, 256, 3)
    assert [(each.first, each.last, each.restored) for each in note.tracks] == [(1, FRAMES, True)]
    counts = changed(frames, list(clip))
    assert min(counts) > 0.5 * max(counts) > 100
    assert str(note) == f'{folder}: {FRAMES} frames, 1 of 1 faces restored'


@pytest.mark.slow
def test_a_video_comes_out_as_a_video(rim, folder, tmp_path):
    note = hallucinate_clip(rim, FolderClip(folder, 10), tmp_path / 'film.mp4', detector(), scale=1)
    film = VideoClip(tmp_path / 'film.mp4')
    assert film.rate == 10 and len(list(film)) == FRAMES and note.output == str(tmp_path / 'film.mp4')
    note = hallucinate_clip(rim, film, tmp_path / 'again.avi', detector(), scale=1)
    assert len(list(open_clip(tmp_path / 'again.avi'))) == FRAMES and 'sound' in note.sound


@pytest.mark.slow
def test_followed_faces_flicker_less_than_those_of_each_frame_by_itself(rim, folder, tmp_path):
    """Flicker: how much the face changes from frame to frame, moved back to one place."""

    def flicker(frames):
        faces = [
            cv2.warpAffine(frame, np.array([[1, 0, -2.0 * number], [0, 1, 0]]), (256, 144)).astype(int)
            for number, frame in enumerate(frames)
        ]
        return np.mean([np.abs(one - other)[40:110, 80:150].mean() for one, other in zip(faces, faces[1:])])

    hallucinate_clip(rim, FolderClip(folder), tmp_path / 'out', detector(shake=0.7), scale=2)
    alone = tmp_path / 'alone'
    detect = detector(shake=0.7)
    for number, frame in enumerate(FolderClip(folder)):
        (tmp_path / f'{number}').mkdir()
        Image.fromarray(frame).save(tmp_path / f'{number}/{number:02}.png')
        hallucinate_clip(rim, FolderClip(tmp_path / f'{number}'), alone, detect, scale=2)
    followed, by_itself = (flicker(list(open_clip(path))) for path in (tmp_path / 'out', alone))
    assert followed < 0.6 * by_itself


@pytest.mark.slow
def test_what_is_in_doubt_or_not_there_leaves_the_frames_as_they_are(rim, folder, tmp_path):
    for detect, told in ((detector(doubt='a wall'), 'in doubt: a wall'), (lambda frame: [], '0 of 0 faces')):
        note = hallucinate_clip(rim, FolderClip(folder), tmp_path / 'out', detect)
        assert told in str(note) and not any(track.restored for track in note.tracks)
        assert not any(changed(list(open_clip(tmp_path / 'out')), list(FolderClip(folder))))
    note = hallucinate_clip(rim, FolderClip(folder), tmp_path / 'none', lambda frame: [], copy=False)
    assert note.output is None and not (tmp_path / 'none').exists()


def test_frames_that_are_aligned_faces_and_those_that_are_none(rim, folder, tmp_path, make_face):
    (tmp_path / 'faces').mkdir()
    for number in range(4):
        Image.fromarray(make_face(20, 1)).save(tmp_path / f'faces/{number}.png')
    note = hallucinate_clip(rim, FolderClip(tmp_path / 'faces'), tmp_path / 'out', None, scale=3)
    assert len(note.tracks) == 1 and note.tracks[0].restored and next(iter(open_clip(tmp_path / 'out'))).shape[0] == 60
    with pytest.raises(ValueError, match='128x72 pixels are no aligned face'):
        hallucinate_clip(rim, FolderClip(folder), tmp_path / 'none', None)


@pytest.mark.slow
def test_another_shot_ends_a_track(rim, folder, tmp_path):
    for number in range(6, FRAMES):
        path = folder / f'{number:02}.png'
        Image.fromarray(255 - np.array(Image.open(path))).save(path)
    dark = [folder / f'{number:02}.png' for number in range(6)]
    for path in dark:
        Image.fromarray(np.array(Image.open(path)) // 2).save(path)
    note = hallucinate_clip(rim, FolderClip(folder), tmp_path / 'out', detector(), scale=1)
    assert [(track.first, track.last) for track in note.tracks] == [(1, 6), (7, FRAMES)]
