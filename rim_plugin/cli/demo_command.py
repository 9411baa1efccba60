"""``rim demo``: a page to play with."""

from argparse import ArgumentParser, Namespace
from functools import partial

from rim_plugin.cli.common import Command, add_networks, load_detector, load_rim, whole_number


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument('--port', type=whole_number(1, 65535), help='of the page (the first that is free from 7860 on)')
    parser.add_argument(
        '--host', default='127.0.0.1', help='address to listen at (%(default)s, which is this machine alone)'
    )
    parser.add_argument('--open', action='store_true', help='open the page in the browser')
    add_networks(parser)


def _run(args: Namespace) -> None:
    from rim_plugin.tools.demo.serving import private_folder, serve

    with private_folder() as folder:
        rim = load_rim(args)
        detector = load_detector(args)
        ready = partial(print, 'Ctrl-C ends it. The page:', flush=True)
        serve(rim, detector, folder, args.host, args.port, args.open, ready)


demo = Command('demo', 'Serve a page to play with: enlarge, compare and find faces.', _arguments, _run)
