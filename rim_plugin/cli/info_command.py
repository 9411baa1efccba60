"""``rim info``: what is installed here, for bug reports."""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from typing import Any

import rim_plugin
from rim_plugin.cli.common import Command


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument('--json', action='store_true', help='print JSON')


def _run(args: Namespace) -> None:
    from rim_plugin.tools.installation import installation

    found = installation(rim_plugin.__version__)
    print(json.dumps(found, indent=2) if args.json else '\n'.join(_lines(found)))


def _lines(found: dict[str, Any]) -> Iterator[str]:
    for title, block in found.items():
        if not isinstance(block, dict):
            yield f'{title}: {_told(block)}'
            continue
        yield f'{title}:'
        yield from (f'  {key}: {_told(value)}' for key, value in block.items())


def _told(value: Any) -> str:
    """A value on one line; in a block, what is empty is left out."""
    if isinstance(value, dict):
        return '; '.join(f'{key}: {_told(each)}' for key, each in value.items() if each)
    if isinstance(value, list):
        return ', '.join(map(str, value)) or 'none'
    if isinstance(value, bool):
        return 'yes' if value else 'no'
    return 'absent' if value is None else str(value)


info = Command('info', 'Tell versions, devices, weights and what is missing, for bug reports.', _arguments, _run)
