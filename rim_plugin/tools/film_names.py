"""What the files of videos are called; without the libraries that read them."""

from __future__ import annotations

import os
from pathlib import Path

# Kinds of video files that are written, and the codec that OpenCV puts into each.
CODECS = {'.mp4': 'mp4v', '.m4v': 'mp4v', '.mov': 'mp4v', '.mkv': 'mp4v', '.avi': 'MJPG'}
_READ_ALONE = ('.webm', '.mpg', '.mpeg', '.wmv', '.flv', '.mts')


def is_video(path: str | os.PathLike[str]) -> bool:
    """Whether a path has the ending of a video."""
    return Path(path).suffix.lower() in (*CODECS, *_READ_ALONE)
