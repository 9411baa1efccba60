"""Films as frames: read from a video or a folder of pictures, and written as one of these."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from rim_plugin.data.photo_files import Photo, read_rgb
from rim_plugin.errors import UnreadableImage
from rim_plugin.files import remove_drafts, require_folder
from rim_plugin.tools.file_queue import Writer, write_photo
from rim_plugin.tools.film_names import CODECS, is_video

_FRAMES_PER_SECOND = 25.0  # of a folder of frames, where it is not told
_MOST_A_SECOND = 1000
_RECKONED = 0.02  # by which share a file may tell of more frames than it has


class Clip(Protocol):
    """Frames of a film, all of one size.

    Attributes:
        path: where it is.
        rate: frames a second.
        lost: frames that its file tells of and that cannot be read, once it is read.
    """

    path: Path
    rate: float
    lost: int

    def __iter__(self) -> Iterator[np.ndarray]:
        """The frames, uint8 (H, W, 3), RGB; from the first one each time.

        Raises:
            UnreadableImage: it cannot be read, or a frame has another size.
        """

    def name(self, number: int) -> str:
        """What the file of a frame is called, without ending."""

    def is_in(self, folder: Path) -> bool:
        """Whether all frames that :func:`write_clip` writes into a folder are there; no frame is read for it."""


class VideoClip(Clip):
    """The frames of a video. Its rate is what the file says, and once it is read the mean of its frames' times, since
    files may say anything.

    Args:
        path: of a kind that OpenCV reads.

    Raises:
        UnreadableImage: missing, or no video.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise UnreadableImage(f'{path}: no such file')
        with self._opened() as video:
            rate = video.get(cv2.CAP_PROP_FPS)
        self.rate = rate if 0 < rate <= _MOST_A_SECOND else _FRAMES_PER_SECOND
        self.lost = 0

    @contextmanager
    def _opened(self) -> Iterator[cv2.VideoCapture]:
        video = cv2.VideoCapture(str(self.path), cv2.CAP_ANY)
        try:
            if not video.isOpened():
                raise UnreadableImage(f'{self.path}: no video that OpenCV can read: save it as MP4')
            yield video
        finally:
            video.release()

    def __iter__(self) -> Iterator[np.ndarray]:
        with self._opened() as video:
            count, first, last = 0, 0.0, 0.0
            while (frame := video.read()[1]) is not None:
                last = video.get(cv2.CAP_PROP_POS_MSEC)
                first = last if count == 0 else first
                count += 1
                yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
            told = video.get(cv2.CAP_PROP_FRAME_COUNT)  # of some kinds reckoned from the film's length
            self.lost = int(told) - count if count < (1 - _RECKONED) * told - 1 else 0
            if not count:
                raise UnreadableImage(f'{self.path}: not one frame can be read: save it as MP4')
            if last > first and 1 <= (rate := 1000 * (count - 1) / (last - first)) <= _MOST_A_SECOND:
                self.rate = rate

    def name(self, number: int) -> str:
        return f'{number + 1:06}'

    def is_in(self, folder: Path) -> bool:
        """By the numbers: they begin with the first frame, which is written last, and have no gap."""
        there = {path.name for path in folder.glob('*.png') if path.stem.isdecimal()}
        return bool(there) and there == {f'{self.name(number)}.png' for number in range(len(there))}


class FolderClip(Clip):
    """A folder of pictures, by their names and the numbers in these, as the frames of a film.

    Args:
        path: of the folder.
        rate: frames a second; None: 25.

    Raises:
        FileNotFoundError: no such folder, or one without pictures.
    """

    def __init__(self, path: str | os.PathLike[str], rate: float | None = None) -> None:
        from rim_plugin.data.prepare import find_photos

        self.path, self.rate, self.lost = Path(path), rate or _FRAMES_PER_SECOND, 0
        self._names = sorted(find_photos(self.path), key=_by_numbers)
        self._stems = Counter(name.with_suffix('') for name in self._names)

    def __iter__(self) -> Iterator[np.ndarray]:
        first = None
        for name in self._names:
            frame = read_rgb(self.path / name)
            first = first or frame.shape
            if frame.shape != first:
                told = f'{frame.shape[1]}x{frame.shape[0]} pixels, the frames before {first[1]}x{first[0]}'
                raise UnreadableImage(f'{self.path / name}: {told}: frames of a film have one size')
            yield frame

    def name(self, number: int) -> str:
        name = self._names[number]
        stem = name.with_suffix('')
        return str(stem) if self._stems[stem] == 1 else f'{stem}_{name.suffix[1:]}'

    def is_in(self, folder: Path) -> bool:
        return all((folder / f'{self.name(number)}.png').exists() for number in range(len(self._names)))


def _by_numbers(name: Path) -> list[str | tuple[int, str]]:
    """By what names are sorted so that ``f2`` comes before ``f10``: texts and numbers by turns."""
    parts = re.split(r'(\d+)', str(name))
    return [(int(part), part) if at % 2 else part for at, part in enumerate(parts)]


def open_clip(path: str | os.PathLike[str], rate: float | None = None) -> Clip:
    """The film of a video or a folder of frames; see :class:`VideoClip` and :class:`FolderClip`."""
    return FolderClip(path, rate) if Path(path).is_dir() else VideoClip(path)


def is_written(clip: Clip, target: Path) -> bool:
    """Whether what :func:`write_clip` writes is there: a video, or all frames in a folder."""
    return target.exists() if is_video(target) else clip.is_in(target)


def write_clip(frames: Iterator[np.ndarray], clip: Clip, target: Path) -> str:
    """Write frames as a video, or, where ``target`` has no ending of one, as PNG files into that folder.

    Args:
        frames: uint8 (H, W, 3), RGB, as many as ``clip`` has; of a video an odd last row or column is left out.
        clip: what they were made of, whose rate and, where ffmpeg is installed, sound the video gets.
        target: is there as a whole or not at all, if it is a video.

    Returns:
        What became of the sound, a few words; empty where there can be none.

    Raises:
        OSError: it cannot be written.
    """
    if not is_video(target):
        _write_frames(frames, clip, target)
        return ''
    target.parent.mkdir(parents=True, exist_ok=True)
    remove_drafts(target.parent, below=False)
    drafts = [target.with_name(f'.{os.getpid()}-{threading.get_native_id()}.tmp{n}{target.suffix}') for n in (0, 1)]
    try:
        _write_silent(frames, clip.rate, drafts[0])
        told, draft = with_sound(drafts[0], clip, drafts[1])
        os.replace(draft, target)
    finally:
        for draft in drafts:
            draft.unlink(missing_ok=True)
    return told


def _write_frames(frames: Iterator[np.ndarray], clip: Clip, folder: Path) -> None:
    """The first one is written last: once it is there, all are."""
    require_folder(folder)
    remove_drafts(folder)
    kept, first = next(frames, None), folder / f'{clip.name(0)}.png'
    first.unlink(missing_ok=True)
    with Writer() as writer:
        for number, frame in enumerate(frames, 1):
            writer.write(folder / f'{clip.name(number)}.png', Photo(frame, None, b''))
    if kept is not None:
        write_photo(first, Photo(kept, None, b''))


def _write_silent(frames: Iterator[np.ndarray], rate: float, path: Path) -> None:
    codec = CODECS.get(path.suffix.lower())
    if codec is None:
        raise OSError(f'{path.suffix}: such videos are not written; name one of {", ".join(CODECS)}')
    writer, count = None, 0
    try:
        for frame in frames:
            frame = frame[: len(frame) // 2 * 2, : frame.shape[1] // 2 * 2]  # codecs want even sides
            if writer is None:
                size = frame.shape[1::-1]
                writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), rate, size)
                if not writer.isOpened():
                    raise OSError(f'OpenCV cannot write {path.suffix} of {size[0]}x{size[1]} pixels here; name an .avi')
            writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
            count += 1
    finally:
        if writer is not None:
            writer.release()
    written = sum(1 for _ in VideoClip(path)) if count else 0
    if written != count:  # OpenCV says nothing of a full disk
        raise OSError(f'{written} of {count} frames were written: is there room on the disk?')


def with_sound(silent: Path, clip: Clip, target: Path) -> tuple[str, Path]:
    """Add the sound of a film to its video, by ffmpeg.

    Returns:
        What became of it, a few words, and the file: ``target``, or ``silent`` where there is no sound to add.
    """
    if not isinstance(clip, VideoClip):
        return '', silent
    if shutil.which('ffmpeg') is None:
        return 'without sound: ffmpeg is not installed', silent
    inputs = ['ffmpeg', '-v', 'error', '-y', '-i', str(silent), '-i', str(clip.path), '-map', '0:v', '-map', '1:a?']
    for codec in ('copy', 'aac'):  # a container may not take the sound as it is
        command = [*inputs, '-c:v', 'copy', '-c:a', codec, str(target)]
        if subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0:
            return 'its sound kept, if it has any', target
    return 'without sound: ffmpeg cannot add it', silent
