"""What the commands share. Libraries that take seconds to import are imported where they are needed."""

from __future__ import annotations

import functools
import io
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from rim_plugin.errors import OptionsError, one_line
from rim_plugin.tools.engine_names import AUTO, POSSIBLE, parse_engine

if TYPE_CHECKING:
    from rim_plugin.data.detect import Detector
    from rim_plugin.tools.api import RIM

DETECTORS = (
    "'cascade' (upright, frontal faces; fetches nothing), 'insightface' (fetches its model), an SCRFD or YuNet .onnx "
    "file, or 'module:function'"
)
_OTHERS = ('cv2', 'lmdb')  # whose errors are of no built-in kind and tell of files, too


def command(main: Callable[[Sequence[str]], None]) -> Callable[..., None]:
    """A command whose mistakes of the user end in one line and exit code 1; ``argv``: without the program's name."""

    @functools.wraps(main)
    def run(argv: Sequence[str] | None = None) -> None:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors='backslashreplace')  # what it cannot show is written as \\u....
        arguments = sys.argv[1:] if argv is None else argv
        if '' in arguments:  # which a path would take for the current folder
            sys.exit('Error: an argument is empty: give it a value, or leave it out')
        try:
            main(arguments)
        except KeyboardInterrupt:
            sys.exit(130)
        except Exception as error:
            if not isinstance(error, (OSError, RuntimeError, ValueError)) and type(error).__module__ not in _OTHERS:
                raise
            sys.exit(f'Error: {one_line(error)}')

    return run


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """Type of an argument: a whole number from ``least`` to ``most``."""

    def number(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise ArgumentTypeError(f'{text} is no whole number from {least} to {most}')
        return int(text)

    return number


def add_weights(parser: ArgumentParser) -> ArgumentParser:
    """Add the arguments that :func:`load_rim` reads."""
    parser.add_argument('--weights', help='NAME.safetensors (those of the repository)')
    parser.add_argument('--device', help='cuda or cpu (a GPU where there is one)')
    return parser


def add_networks(parser: ArgumentParser) -> ArgumentParser:
    """Add the arguments that :func:`load_rim` and :func:`load_detector` read."""
    parser.add_argument('--detect', help=f'the pictures are whole photos, whose faces are found by {DETECTORS}')
    parser.add_argument(
        '--engine',
        default=AUTO,
        type=_engine,
        metavar='NAME[:PRECISION]',
        help='what runs the networks: %(default)s (the fastest that is installed and loses nothing), or one of '
        + ', '.join(POSSIBLE),
    )
    return add_weights(parser)


def _engine(text: str) -> str:
    try:
        return str(parse_engine(text))
    except OptionsError as error:
        raise ArgumentTypeError(str(error)) from None


def load_rim(args: Namespace) -> RIM:
    """RIM of ``--weights`` on ``--device``, run by ``--engine`` where the command has that.

    Raises:
        ValueError: no such device.
        OptionsError: the weights cannot be read, or the engine is not installed.
    """
    import torch

    from rim_plugin.tools.api import RIM

    try:
        torch.empty(0, device=args.device).cpu()
    except (AssertionError, RuntimeError) as error:  # as a torch without that backend has it
        raise ValueError(f'--device {args.device}: {error}; --device cpu is always there') from None
    return RIM.from_pretrained(args.weights, args.device, engine=getattr(args, 'engine', 'torch'))


def load_detector(args: Namespace, rim: RIM) -> Detector | None:
    """The detector of ``--detect``; None where that was not said."""
    if args.detect is None:
        return None
    from rim_plugin.tools.cascade import load_detector as load

    return load(args.detect, rim)


def check_pictures(paths: Iterable[str]) -> None:
    """Look at the headers of pictures: one that is absent or too large is told before networks are loaded.

    Raises:
        UnreadableImage: see :func:`rim_plugin.data.photo_files.read_rgb`.
    """
    from rim_plugin.data.photo_files import check_picture

    for path in paths:
        check_picture(path)


def print_skipped(lines: Iterable[str]) -> None:
    """Print a line about each input that was left out."""
    lines = list(lines)
    if lines:
        print('\n'.join([f'Left out, {len(lines)}:', *map(one_line, lines)]), file=sys.stderr)
