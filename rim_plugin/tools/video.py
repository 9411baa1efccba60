"""Films through the hallucination network: found once, followed, then restored at the place and size of the track."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from tqdm import tqdm

from rim_plugin.data.alignment import align_face
from rim_plugin.data.detect import Detector
from rim_plugin.data.found import whole_picture
from rim_plugin.tools.api import RIM
from rim_plugin.tools.clips import Clip, write_clip
from rim_plugin.tools.face_inputs import check_side
from rim_plugin.tools.face_tracks import Sighting, Track, follow
from rim_plugin.tools.photos import PhotoFace, cut_face, enlarged, find_faces, fitting_scale, paste_faces

_LARGEST_SIDE = 4096  # pixels of a frame whose scale is not named: players take no more
_CUT = 40.0  # mean difference of two frames' brightness from which another shot begins
_THUMBNAIL = (32, 18)  # pixels, at which frames are compared for that
_FRAMES = 16  # that are restored at a time


class TrackNote(NamedTuple):
    """What became of a face of a film.

    Attributes:
        first, last: numbers of its frames, from 1.
        side: pixels that it is worth, in its middle frame.
        restored: whether it was hallucinated.
        why: why not, a few words.
    """

    first: int
    last: int
    side: int
    restored: bool
    why: str


class ClipNote(NamedTuple):
    """What became of a film.

    Attributes:
        input, output: their paths; no output: it is left out.
        frames: how many it has, before and after.
        scale: how many times as large it is.
        tracks: the faces in it.
        sound: what became of its sound; empty where there can be none.
        lost: frames of the input that cannot be read.
    """

    input: str
    output: str | None
    frames: int
    scale: int
    tracks: list[TrackNote]
    sound: str
    lost: int

    def __str__(self) -> str:
        restored = sum(track.restored for track in self.tracks)
        text = f'{self.input}: {self.frames} frames, {restored} of {len(self.tracks)} faces restored'
        text += ''.join(f'; frames {each.first} to {each.last}: {each.why}' for each in self.tracks if each.why)
        text += f'; it is damaged, {self.lost} more frames cannot be read' if self.lost else ''
        return text + (f'; {self.sound}' if self.sound else '')


def hallucinate_clip(
    rim: RIM, clip: Clip, target: Path, detector: Detector | None, scale: int | None = None, copy: bool = True
) -> ClipNote:
    """Hallucinate the faces of a film. Every frame is written, with faces or without.

    Args:
        rim: with a hallucination network.
        clip: the film, which is read twice.
        target: a video, or a folder for the frames, see :func:`rim_plugin.tools.clips.write_clip`.
        detector: see :func:`rim_plugin.tools.detection.load_detector`; None: frames are aligned faces.
        scale: how much larger frames become; None: as their faces do, at most 4, and at most 4,096 pixels.
        copy: write a film without faces to restore, too, enlarged.

    Raises:
        UnreadableImage: the film cannot be read.
        OSError: ``target`` cannot be written.
        ValueError: without ``detector``, frames are no aligned faces.
    """
    frames, cuts, shape = _sightings(rim, clip, detector)
    tracks = follow(frames, cuts)
    notes = [_note(rim, track) for track in tracks]
    chosen = [track for track, note in zip(tracks, notes) if note.restored]
    scale = scale or _scale(rim, shape, chosen)
    if not chosen and not copy:
        return ClipNote(str(clip.path), None, len(frames), scale, notes, '', clip.lost)
    pictures = tqdm(_pictures(rim, clip, chosen, scale), total=len(frames), unit='frame', desc='restoring')
    sound = write_clip(iter(pictures), clip, target)
    return ClipNote(str(clip.path), str(target), len(frames), scale, notes, sound, clip.lost)


def _sightings(
    rim: RIM, clip: Clip, detector: Detector | None
) -> tuple[list[list[Sighting]], set[int], tuple[int, int]]:
    """The faces of each frame, numbers of frames with which a shot begins, and height and width of the frames."""
    frames, cuts, before, shape = [], set(), None, (0, 0)
    for number, frame in enumerate(tqdm(clip, unit='frame', desc='finding faces')):
        shape = frame.shape[:2]
        small = cv2.resize(frame, _THUMBNAIL, interpolation=cv2.INTER_AREA).mean(2)
        if before is not None and np.abs(small - before).mean() > _CUT:
            cuts.add(number)
        before = small
        faces = _faces(frame, detector)
        worths = rim.effective_sides([face.image for face in faces])
        frames.append(
            [Sighting(face.points, face.side, side / len(face.image), face.doubt) for face, side in zip(faces, worths)]
        )
    return frames, cuts, shape


def _faces(frame: np.ndarray, detector: Detector | None) -> list[PhotoFace]:
    if detector is not None:
        return find_faces(frame, detector, max(frame.shape))
    check_side(*frame.shape[1::-1])
    return [cut_face(frame, whole_picture(len(frame)), len(frame))]


def _note(rim: RIM, track: Track) -> TrackNote:
    side = track.worth_at(len(track.sides) // 2)
    if track.doubt:
        why = f'left as it is, in doubt: {track.doubt}'
    else:
        why = '' if rim.gains(side) else 'left as it is: it has the detail that hallucination would add'
    return TrackNote(track.start + 1, track.start + len(track.points), side, not why, why)


def _scale(rim: RIM, shape: tuple[int, int], tracks: Sequence[Track]) -> int:
    height, width = shape
    sides = [float(np.median(track.sides)) for track in tracks]
    return max(1, min(fitting_scale(width, height, sides, rim.image_size), _LARGEST_SIDE // max(shape)))


def _pictures(rim: RIM, clip: Clip, tracks: Sequence[Track], scale: int) -> Iterator[np.ndarray]:
    """The frames, larger, with the faces of the tracks restored."""
    frames = enumerate(clip)
    while part := list(islice(frames, _FRAMES)):
        yield from _restored(rim, part, tracks, scale)


def _restored(
    rim: RIM, part: Sequence[tuple[int, np.ndarray]], tracks: Sequence[Track], scale: int
) -> Iterator[np.ndarray]:
    places = [[place for track in tracks if (place := track.at(number))] for number, _ in part]
    faces = [align_face(frame, points, side)[0] for (_, frame), those in zip(part, places) for points, side, _ in those]
    sides = [effective for those in places for _, _, effective in those]
    results = iter(rim.restore(faces, sides))
    for (_, frame), those in zip(part, places):
        height, width = frame.shape[:2]
        pairs = [(points, result.image) for (points, *_), result in zip(those, results) if result.has_gained]
        yield paste_faces(enlarged(frame, scale * width, scale * height), scale, pairs)
