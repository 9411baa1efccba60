"""Values against annotations: what is taken, in which spellings, and how errors describe a type."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

import pytest
import torch
from msgspec import Meta

from rim_plugin.errors import OptionsError
from rim_plugin.options.conversion import Place, convert_value, plain, words
from rim_plugin.options.kinds import Count, Positive, Range, Rate, ends_of


@pytest.mark.parametrize(
    'annotation, expected',
    [
        (Count, 'a whole number of at least 1'),
        (Rate | None, 'a number of at least 0 and of at most 1'),
        (Annotated[bool | None, Meta(description='x')], 'true or false'),
        (Literal['b', 'a'], 'one of b, a'),
        (Literal[224], '224'),
        (Count | Literal['full'], 'a whole number of at least 1 or full'),
        (Annotated[list[Positive], Meta(min_length=1)], 'a list, each a number above 0'),
        (tuple[int, int], 'a list of 2, each a whole number'),
        (Sequence[str], 'a list, each a text'),
        (Range, 'a number of at least 0 or a list of 2, each a number of at least 0'),
        (dict[str, Any] | None, 'a block of keys'),
        (None, '~'),
    ],
)
def test_words(annotation, expected):
    assert words(annotation if annotation is not None else type(None)) == expected


@pytest.mark.parametrize(
    'annotation, expected',
    [
        (float | torch.Tensor, float),
        (tuple[float | torch.Tensor, float], tuple[float, float]),
        (Sequence[int] | torch.Tensor | None, Sequence[int] | None),
        (Mapping[str, torch.Tensor], dict),
        (torch.Tensor, Any),
        (Any | None, Any),
        (object, Any),
        (Callable[[int], int], Any),
        (Count, Count),
        (Annotated[torch.Tensor, 'x'], Any),
    ],
)
def test_what_yaml_cannot_give_is_left_out(annotation, expected):
    assert plain(annotation) == expected


@pytest.mark.parametrize(
    'value, annotation, expected',
    [
        (5e3, Count, 5000),
        (5e3, float, 5e3),
        ('BF16', Literal['none', 'bf16'], 'bf16'),
        (None, Literal['none', 'bf16'], 'none'),
        (None, str | None, None),
        ({'a': 2.0}, dict[str, Count], {'a': 2}),
    ],
)
def test_spellings(value, annotation, expected):
    converted = convert_value(value, annotation, Place())
    assert converted == expected and type(converted) is type(expected)
    if value != expected or type(value) is not type(expected):
        with pytest.raises(OptionsError, match='is not'):
            convert_value(value, annotation, Place(), exact=True)


def test_ranges_have_two_ends_in_order():
    found = [convert_value(value, Annotated[Range, Meta(description='x')], Place()) for value in (2, [1, 1], (0.5, 3))]
    assert [ends_of(each) for each in found] == [(2, 2), (1, 1), (0.5, 3)]
    for wrong in ([2, 1], [1], [1, 2, 3], -1, [-1, 2], 'a'):
        with pytest.raises(OptionsError, match='^f: k: .*(is not|is above)'):
            convert_value(wrong, Range, Place('f', 'k'))


@pytest.mark.parametrize('value, annotation', [(None, str), (True, int), ('3', int), (2.5, int), (3, list[int])])
def test_other_types_are_refused(value, annotation):
    with pytest.raises(OptionsError, match=r'^f: k: .* is not (a|one)'):
        convert_value(value, annotation, Place('f', 'k'))
