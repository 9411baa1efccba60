"""The options file of a command: a file, or the name of one that comes with the plugin."""

import os
from argparse import ArgumentParser, Namespace

from rim_plugin.errors import OptionsError, did_you_mean
from rim_plugin.shipped import located, shipped_options


def add_options(parser: ArgumentParser, kind: str) -> None:
    """Add the arguments that :func:`options_file` reads.

    Args:
        parser: gets them.
        kind: of the names in the help, see :data:`rim_plugin.shipped.KINDS`.
    """
    parser.add_argument('options', nargs='?', metavar='OPTIONS', help='options file, or one of the names below')
    parser.add_argument('-opt', metavar='FILE', help='the same, as BasicSR has it')
    names = f'OPTIONS that come with the plugin: {", ".join(shipped_options(kind))}.'
    parser.epilog = f'{names} {parser.epilog}' if parser.epilog else names


def options_file(args: Namespace, kind: str) -> str:
    """The options file that the arguments name: a path as it is, or where the plugin has it.

    Raises:
        OptionsError: none or two are named, or it is neither a file nor a name of this kind.
    """
    given = [each for each in (args.options, args.opt) if each is not None]
    known = shipped_options(kind)
    if len(given) != 1:
        raise OptionsError(f'name one options file, or one of the names that rim {kind} --help lists')
    path = located(given[0])
    if os.path.isfile(path):
        return path
    if path in known:
        return str(known[path])
    if path.endswith(('.yml', '.yaml')):
        raise OptionsError(f'{path}: no such options file (from {os.getcwd()})')
    raise OptionsError(
        f'{path}: neither a file nor one of the names that rim {kind} --help lists{did_you_mean(path, known, 3)}'
    )
