"""YAML texts as values: no Python objects, no traps, and one error for whatever is wrong with them."""

import re
from collections.abc import Hashable
from typing import Any

import yaml

from rim_plugin.errors import first_words

_SafeLoader: type[yaml.SafeLoader] = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)
# Far more than any options file has. Deeper texts end the process in libyaml; a few lines of aliases of aliases are
# millions of values.
_DEEPEST, _MOST = 50, 100_000


class Loader(_SafeLoader):  # type: ignore[valid-type, misc]  # yaml has one or the other
    """YAML without Python objects; ``1e-4`` is a number (YAML 1.1 wants ``1.0e-4``). A key that is given twice, or that
    is no text, is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [key.value for key, _ in node.value if key.value != '<<']
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"key '{key}' is given twice", node.start_mark)
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep=True)
        for name in mapping:
            if not isinstance(name, str):
                problem = f'key {name!r} is no text; put it in quotes'
                raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return mapping


Loader.add_implicit_resolver(
    'tag:yaml.org,2002:float', re.compile(r'^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$'), list('-+.0123456789')
)


def load_yaml(text: str) -> Any:
    """The value of a YAML text.

    Raises:
        ValueError: it is not YAML, nested more than 50 deep, or more than 100,000 values where its aliases stand; one
            line, with the number of that of the text.
    """
    try:
        _check_extent(text)
        return yaml.load(text, Loader=Loader)
    except Exception as error:  # PyYAML's constructors raise anything, of values such as '!!int x'
        mark = getattr(error, 'problem_mark', None)
        place = f'line {mark.line + 1} ' if mark else ''
        problem = ' '.join(str(getattr(error, 'problem', None) or first_words(error)).split())
        raise ValueError(f'{place}not valid YAML ({problem})') from None


class _Extent(ValueError):
    """A text that is too much, and where."""

    def __init__(self, problem: str, event: Any) -> None:
        super().__init__(problem)
        self.problem_mark = event.start_mark


def _check_extent(text: str) -> None:
    """Depth and number of values, from the events of the parser, which builds nothing yet."""
    anchors: dict[str, int] = {}
    open_blocks: list[tuple[str | None, int]] = [(None, 0)]  # anchor, and values so far
    for event in yaml.parse(text, Loader=Loader):
        (anchor, count), more = open_blocks[-1], 0
        if isinstance(event, yaml.CollectionStartEvent):
            open_blocks.append((event.anchor, 1))
        elif isinstance(event, yaml.CollectionEndEvent):
            open_blocks.pop()
            if anchor is not None:
                anchors[anchor] = count
            more = count
        elif isinstance(event, yaml.NodeEvent):
            more = anchors.get(str(event.anchor), 1) if isinstance(event, yaml.AliasEvent) else 1
        open_blocks[-1] = (open_blocks[-1][0], open_blocks[-1][1] + more)
        if len(open_blocks) > _DEEPEST:
            raise _Extent(f'nested more than {_DEEPEST} deep', event)
        if open_blocks[-1][1] > _MOST:
            raise _Extent(f'more than {_MOST:,} values', event)
