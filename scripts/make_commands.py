"""Writes docs/commands.md from the commands' argument parsers."""

from argparse import SUPPRESS, Action, ArgumentParser, _SubParsersAction
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

from rim_plugin import cli
from rim_plugin.cli.rim_command import make_parser

PAGE = Path(__file__).parents[1] / 'docs/commands.md'
SCRIPTS: dict[str, Callable[..., None]] = {
    'scripts/benchmark_speed.py': cli.benchmark_speed,
    'scripts/benchmark_gpu.py': cli.benchmark_gpu,
}
_INTRODUCTION = """\
# Commands

Made by `scripts/make_commands.py` from the commands; do not edit. Each answers `--help`. In a checkout `rim` is
`scripts/run.sh rim`. `rim-train`, `rim-hallucinate`, `rim-verify`, `rim-gallery` and `rim-export` are its
sub-commands of these names, as are `scripts/hallucinate.py` and its like, `scripts/prepare_faces.py` and
`scripts/pack_weights.py`."""


class _Asked(BaseException):
    """Holds the parser with which a command was about to read its arguments."""


def parser_of(command: Callable[..., None]) -> ArgumentParser:
    """The parser that ``command`` makes."""

    def stop(parser: ArgumentParser, *_: Any) -> None:
        raise _Asked(parser)

    with mock.patch.object(ArgumentParser, 'parse_args', stop):
        try:
            command([])
        except _Asked as asked:
            return asked.args[0]
    raise AssertionError(f'{command} reads no arguments')


def make_page() -> str:
    """The reference page."""
    lines = [_INTRODUCTION, *_section('rim', make_parser(), '##')]
    for name, command in SCRIPTS.items():
        lines += _section(name, parser_of(command), '##')
    return '\n'.join(lines) + '\n'


def _section(name: str, parser: ArgumentParser, level: str) -> Iterator[str]:
    yield from ('', f'{level} `{name}`')
    yield from (line for text in (parser.description, parser.epilog) if text for line in ('', text))
    nested = [action for action in parser._actions if isinstance(action, _SubParsersAction)]
    rows = [_row(action) for action in parser._actions if action not in nested and action.dest != 'help']
    if rows:
        yield from ('', '| argument | default | meaning |', '|---|---|---|', *rows)
    for action in nested:
        for key, each in action.choices.items():
            yield from _section(f'{name} {key}', each, level + '#')


def _row(action: Action) -> str:
    default = '' if action.default in (None, False, SUPPRESS, ()) else f'`{_told(action.default)}`'
    if action.required and action.option_strings:
        default = 'required'
    meaning = (action.help or '') % {**vars(action), 'default': action.default}
    return f'| `{_name(action)}` | {default} | {meaning.replace("|", chr(92) + "|").replace("<", "&lt;")} |'


def _name(action: Action) -> str:
    value = action.metavar or ('|'.join(map(str, action.choices)) if action.choices else action.dest.upper())
    if not action.option_strings:
        return str(value)
    name = ', '.join(action.option_strings)
    return name if action.nargs == 0 else f'{name} {value}'.replace('|', r'\|')


def _told(value: Any) -> str:
    return ' '.join(map(str, value)) if isinstance(value, Sequence) and not isinstance(value, str) else str(value)


if __name__ == '__main__':
    PAGE.write_text(make_page(), encoding='utf-8')
