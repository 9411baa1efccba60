"""Writes docs/commands.md from the commands' argument parsers."""

from argparse import SUPPRESS, Action, ArgumentParser, _SubParsersAction
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

from rim_plugin import cli

PAGE = Path(__file__).parents[1] / 'docs/commands.md'
COMMANDS: dict[str, Callable[..., None]] = {
    'rim-hallucinate': cli.hallucinate,
    'rim-verify': cli.verify,
    'rim-gallery': cli.gallery,
    'rim-export': cli.export,
    'scripts/prepare_faces.py': cli.prepare,
    'scripts/pack_weights.py': cli.pack,
    'scripts/benchmark_speed.py': cli.benchmark_speed,
}
_INTRODUCTION = """\
# Commands

Made by `scripts/make_commands.py` from the commands; do not edit. Each answers `--help`. Without installation
`rim-NAME` is `scripts/run.sh python scripts/NAME.py`. Training and testing take BasicSR's own arguments: `-opt FILE`,
`--auto_resume`, `--launcher`, `--force_yml KEY=VALUE ...`."""


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
    lines = [_INTRODUCTION]
    for name, command in COMMANDS.items():
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
