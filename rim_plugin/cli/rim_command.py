"""``rim``, with every command as a sub-command, and completion in shells."""

from argparse import SUPPRESS, Action, ArgumentParser, Namespace, _SubParsersAction
from collections.abc import Iterator, Sequence
from typing import Any

import rim_plugin
from rim_plugin.cli.commands import export, hallucinate, pack, prepare, verify
from rim_plugin.cli.common import execute
from rim_plugin.cli.demo_command import demo
from rim_plugin.cli.gallery_command import gallery
from rim_plugin.cli.info_command import info
from rim_plugin.cli.training_commands import benchmark, test, train
from rim_plugin.shipped import KINDS, shipped_options

COMMANDS = (train, test, prepare, hallucinate, verify, gallery, export, pack, benchmark, demo, info)


def rim(argv: Sequence[str] | None = None) -> None:
    """The command; ``argv``: without the program's name."""
    execute(make_parser(), argv, skip=1)


def make_parser() -> ArgumentParser:
    """The parser with those of all commands."""
    parser = ArgumentParser('rim', description='Resolution Invariant Model: faces of any size, larger and recognised.')
    parser.add_argument('--version', action='version', version=f'rim-plugin {rim_plugin.__version__}')
    parser.add_argument(
        '--print-completion',
        action=_PrintCompletion,
        choices=('bash', 'zsh', 'tcsh'),
        help='print what makes a shell complete commands, options and names, and end',
    )
    commands = parser.add_subparsers(title='commands', metavar='COMMAND', required=True)
    for each in COMMANDS:
        each.fill(commands.add_parser(each.name, help=each.description, description=each.description))
    return parser


class _PrintCompletion(Action):
    """Prints the completion that shtab makes of the parser: options, names of options files, else names of files."""

    def __call__(self, parser: ArgumentParser, namespace: Namespace, values: Any, *_: Any) -> None:
        import shtab

        for program, action in _actions(parser):
            if action.nargs != 0 and action.choices is None and action.dest != SUPPRESS:
                kind = _KINDS.get(program) if action.dest in ('options', 'opt') else None
                vars(action)['complete'] = _names_or_files(kind) if kind else shtab.FILE
        preamble: Any = {'bash': _bash_functions(), 'zsh': _zsh_functions()}  # shtab's annotation has one shell alone
        print(shtab.complete(parser, values, preamble=preamble))
        parser.exit()


_KINDS = {**{f'rim {kind}': kind for kind in KINDS}, 'rim pack': 'train'}  # of options files


def _actions(parser: ArgumentParser) -> Iterator[tuple[str, Action]]:
    """Every argument of a parser and of those below it, with the parser's name."""
    for action in parser._actions:
        yield parser.prog, action
        if isinstance(action, _SubParsersAction):
            for each in action.choices.values():
                yield from _actions(each)


def _names_or_files(kind: str) -> dict[str, str]:
    return {'bash': f'_rim_{kind}_options', 'zsh': f'_rim_{kind}_options', 'tcsh': 'f'}


def _bash_functions() -> str:
    return ''.join(
        f'_rim_{kind}_options() {{ compgen -W "{" ".join(shipped_options(kind))}" -- "$1"; compgen -f -- "$1"; }}\n'
        for kind in KINDS
    )


def _zsh_functions() -> str:
    return ''.join(f'_rim_{kind}_options() {{ compadd {" ".join(shipped_options(kind))}; _files }}\n' for kind in KINDS)
