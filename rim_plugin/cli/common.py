"""What the commands share. Libraries that take seconds to import are imported where they are needed."""

from __future__ import annotations

import functools
import io
import os
import signal
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rim_plugin.errors import OptionsError, one_line
from rim_plugin.tools.engine_names import AUTO, POSSIBLE, parse_engine

if TYPE_CHECKING:
    import torch

    from rim_plugin.cluster import Cluster
    from rim_plugin.data.detect import Detector
    from rim_plugin.tools.api import RIM
    from rim_plugin.tools.background import Background

DETECTORS = (
    "'auto' (MTCNN, but an aligned face stays as it is), 'mtcnn', 'cascade' (upright, frontal faces alone), "
    "'insightface' (fetches its model), an SCRFD or YuNet .onnx file, or 'module:function'"
)
_PARTIAL = 3  # exit status of a command that has left out some of its inputs
_OTHERS = ('cv2', 'lmdb')  # whose errors are of no built-in kind and tell of files, too


@dataclass(frozen=True)
class Command:
    """A sub-command of ``rim``, which is a command of its own, too; called, it parses its arguments and runs.

    Attributes:
        name: after ``rim``.
        description: a line for the help of both.
        add_arguments: gives a parser its arguments.
        run: does the work. Mistakes of the user end in one line and exit code 1, but those of the function that it may
            return, which is called in the end: that says itself what went wrong.
    """

    name: str
    description: str
    add_arguments: Callable[[ArgumentParser], object]
    run: Callable[[Namespace], Callable[[], object] | None]

    def __call__(self, argv: Sequence[str] | None = None) -> None:
        """``argv``: without the program's name."""
        parser = ArgumentParser(description=self.description)
        self.fill(parser)
        execute(parser, argv)

    def fill(self, parser: ArgumentParser) -> None:
        """Give a parser arguments and function."""
        self.add_arguments(parser)
        parser.set_defaults(run=self.run)


def execute(parser: ArgumentParser, argv: Sequence[str] | None, skip: int = 0) -> None:
    """Run what the parser's arguments name as ``run``, with ``argv``, the arguments but the first ``skip``, beside
    them."""
    with one_line_errors():
        arguments = checked_arguments(argv)
        args = parser.parse_args(arguments)
        rest = args.run(Namespace(**vars(args), argv=arguments[skip:]))
    if rest is not None:
        rest()


def command(main: Callable[[Sequence[str]], None]) -> Callable[..., None]:
    """A command that has no place below ``rim``; ``argv``: without the program's name."""

    @functools.wraps(main)
    def run(argv: Sequence[str] | None = None) -> None:
        with one_line_errors():
            main(checked_arguments(argv))

    return run


def checked_arguments(argv: Sequence[str] | None) -> list[str]:
    """The arguments, by default the process's own; output that the terminal cannot show is written as ``\\u....``.

    Raises:
        SystemExit: one of them is empty, which a path would take for the current folder.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors='backslashreplace')
    arguments = list(sys.argv[1:] if argv is None else argv)
    if '' in arguments:
        sys.exit('Error: an argument is empty: give it a value, or leave it out')
    return arguments


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Mistakes of the user, and packages that are absent, end the process in one line and exit code 1; faults of the
    program keep their traceback. Where nobody reads on, as in ``rim info | head -1``, it ends in silence."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is flushed at the end goes there
        sys.exit(128 + signal.SIGPIPE)
    except ModuleNotFoundError as error:
        if str(error.name).startswith('rim_plugin'):
            raise
        sys.exit(f'Error: {one_line(error)}; rim info tells what is missing')
    except Exception as error:
        if not isinstance(error, (OSError, RuntimeError, ValueError)) and type(error).__module__ not in _OTHERS:
            raise
        sys.exit(f'Error: {one_line(error)}')


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """Type of an argument: a whole number from ``least`` to ``most``."""

    def number(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise ArgumentTypeError(f'{text} is no whole number from {least} to {most}')
        return int(text)

    return number


def fraction(text: str) -> float:
    """Type of an argument: a number above 0 and below 1."""
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value < 1:
        raise ArgumentTypeError(f'{text} is no number between 0 and 1')
    return value


def add_min_quality(parser: ArgumentParser) -> None:
    """Add the argument that says which pictures are taken for aligned faces."""
    least = 'least quality, between 0 and 1, of a picture (that which 99 of 100 faces of its size have)'
    parser.add_argument('--min-quality', type=fraction, metavar='Q', help=least)


def add_weights(parser: ArgumentParser) -> ArgumentParser:
    """Add the arguments that :func:`load_rim` reads."""
    parser.add_argument('--weights', help='NAME.safetensors (those of the repository)')
    parser.add_argument('--device', help='cuda or cpu (a GPU where there is one)')
    return parser


def add_networks(parser: ArgumentParser) -> ArgumentParser:
    """Add the arguments that :func:`load_rim` and :func:`load_detector` read."""
    parser.add_argument(
        '--detect',
        default='auto',
        help=f"what finds the faces (%(default)s): {DETECTORS}; 'none': every picture is an aligned face",
    )
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


def add_ray(parser: ArgumentParser) -> None:
    """Add the argument that :func:`open_cluster` reads."""
    parser.add_argument(
        '--ray',
        metavar='ADDRESS',
        help='do the work on a Ray cluster: auto (that of this machine), local (one for this run), HOST:PORT or '
        'ray://HOST:PORT; all nodes have to see the same files',
    )


@contextmanager
def open_cluster(args: Namespace) -> Iterator[Cluster | None]:
    """The cluster of ``--ray``; None where that was not said."""
    if args.ray is None:
        yield None
        return
    from rim_plugin.cluster import Cluster

    with Cluster(args.ray) as cluster:
        yield cluster


def load_detector(args: Namespace) -> Detector | None:
    """The detector of ``--detect``; None where that is ``none``: pictures are aligned faces."""
    if args.detect == 'none':
        return None
    from rim_plugin.tools.detection import load_detector as load

    return load(args.detect)


def load_background(args: Namespace, device: torch.device) -> Background | None:
    """The network that ``--background`` names; None where nothing is."""
    if args.background is None:
        return None
    from rim_plugin.tools.background import load_background as load

    return load(args.background, device)


def name_part(text: str) -> str:
    """A part of a file's name.

    Raises:
        ValueError: it has a character that no name may have.
    """
    if any(each in text for each in '/\\\0'):
        raise ValueError(f'--suffix {text}: a part of a name, without / and \\')
    return text


def check_pictures(paths: Iterable[str]) -> None:
    """Look at the headers of pictures: one that is absent or too large is told before networks are loaded.

    Raises:
        UnreadableImage: see :func:`rim_plugin.data.photo_files.read_rgb`.
    """
    from rim_plugin.data.photo_files import check_picture

    for path in paths:
        check_picture(path)


def partial_told(inputs: str) -> str:
    """What a command's help says of the exit status where some of these inputs are left out."""
    return f'Exit status {_PARTIAL}: some of the {inputs} are left out, with a line that says why.'


def ending(is_partial: bool) -> Callable[[], object] | None:
    """How a command ends that may have left out some of its inputs."""
    return functools.partial(sys.exit, _PARTIAL) if is_partial else None


def print_skipped(lines: Iterable[str]) -> None:
    """Print a line about each input that was left out."""
    lines = list(lines)
    if lines:
        print('\n'.join([f'Left out, {len(lines)}:', *map(one_line, lines)]), file=sys.stderr)
