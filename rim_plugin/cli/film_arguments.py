"""Films for ``rim hallucinate``: what makes its inputs one, and the run."""

from __future__ import annotations

import json
import os
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from rim_plugin.cli import common
from rim_plugin.errors import one_line
from rim_plugin.files import require_folder, require_writable

if TYPE_CHECKING:
    from rim_plugin.tools.video import ClipNote

# Arguments that films do not have, by what they are where nobody names them.
_OF_PICTURES = {
    'compare': False,
    'priors': False,
    'crops': False,
    'suffix': '',
    'ray': None,
    'ext': 'png',
    'background': None,
}


def add_film_arguments(parser: ArgumentParser) -> None:
    """Add the arguments that only films have."""
    parser.add_argument(
        '--frames', action='store_true', help='INPUT is a folder with the frames of a film, whose faces are followed'
    )
    parser.add_argument('--fps', type=_rate, metavar='N', help='frames a second of the video made of --frames (25)')


def _rate(text: str) -> float:
    return float(common.whole_number(1, 240)(text))


def is_film(args: Namespace) -> bool:
    """Whether a film is to be hallucinated, and no pictures."""
    from rim_plugin.tools.film_names import is_video

    return bool(args.frames or is_video(args.output) or any(map(is_video, args.inputs)))


def hallucinate_film(args: Namespace) -> int:
    """Hallucinate the film that the arguments name.

    Returns:
        How many of its frames cannot be read.

    Raises:
        ValueError: several inputs, arguments that are for pictures, or nothing to restore and nothing to be written.
        FileExistsError: the output is there already.
    """
    path, target = _places(args)
    from rim_plugin.tools.clips import is_written, open_clip
    from rim_plugin.tools.video import hallucinate_clip

    clip = open_clip(path, args.fps)
    if args.skip_existing and _is_there(target) and is_written(clip, target):
        print(one_line(f'{target}: is there already'))
        return 0
    rim, detector = common.load_rim(args), common.load_detector(args)
    note = hallucinate_clip(rim, clip, target, detector, args.scale, args.on_no_face == 'copy')
    _tell(note, args)
    return note.lost


def _places(args: Namespace) -> tuple[str, Path]:
    """Input and output, checked."""
    if len(args.inputs) != 1:
        raise ValueError(f'{len(args.inputs)} inputs: films go one at a time')
    for name, usual in _OF_PICTURES.items():
        if getattr(args, name) != usual:
            raise ValueError(f'--{name}: is of pictures, not of films')
    path, target = args.inputs[0], Path(args.output)
    _check_frames(args, path)
    require_folder(target.parent)
    require_writable(target)
    if os.path.realpath(path) == os.path.realpath(target):
        raise ValueError(f'{target}: would overwrite the film itself: name another file')
    if _is_there(target) and not (args.force or args.skip_existing):
        raise FileExistsError(f'{target} is there already: --force replaces it')
    return path, target


def _check_frames(args: Namespace, path: str) -> None:
    """ValueError where ``--frames`` and ``--fps``, which are of folders, are given with a video."""
    if os.path.isfile(path) and (args.frames or args.fps):
        name = 'frames' if args.frames else 'fps'
        raise ValueError(f'--{name}: is of a folder of frames, and {path} is a file, whose own rate counts')


def _is_there(target: Path) -> bool:
    return any(target.iterdir()) if target.is_dir() else target.exists()


def _tell(note: ClipNote, args: Namespace) -> None:
    """What became of the film."""
    if args.json:
        tracks = [track._asdict() for track in note.tracks]
        print(json.dumps({**note._asdict(), 'tracks': tracks}, ensure_ascii=False))
    else:
        print(one_line(note))
    if note.output is None:
        raise ValueError(f'{note.input}: no face was restored, nothing is written; --on-no-face copy enlarges it')
    stream = sys.stderr if args.json else sys.stdout
    print(one_line(f'{note.frames} of {note.frames} frames written to {note.output}'), file=stream)
