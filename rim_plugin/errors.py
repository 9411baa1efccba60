"""Errors that end in one line for the user, and the words that help to mend them."""

import difflib
import re
import textwrap
from collections.abc import Iterable

# what moves a terminal's cursor, colours it or turns the direction of writing
_CONTROLS = re.compile('[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]')


class OptionsError(ValueError):
    """A mistake in what the user gave (options file, command line, weights file), told in one line."""


class MissingPackage(OptionsError):
    """A package is not installed that an option needs; the message says how to install it."""


class PhotoError(ValueError):
    """A photo that cannot be used."""


class UnreadableImage(PhotoError):
    """A picture that a command cannot use; the message is one line with its path, the reason and the remedy."""


class SkippedPhoto(PhotoError):
    """A photo that is left out of a prepared set of faces.

    Args:
        reason: a few words, the same for all photos with the same fault.
        detail: what exactly is wrong.
    """

    def __init__(self, reason: str, detail: str = '') -> None:
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


def did_you_mean(name: object, known: Iterable[object], most: int = 1) -> str:
    """``; did you mean 'x'?`` with the nearest of the ``known`` names, or the whole list where it is short.

    Args:
        name: what was given.
        known: what could have been.
        most: how many near names are told.
    """
    names = sorted(map(str, known))
    near = difflib.get_close_matches(str(name), names, most, 0.6)
    if near:
        return f'; did you mean {" or ".join(map(repr, near))}?'
    return f'; known: {", ".join(names)}' if 0 < len(names) <= 12 else ''


def check_choice(option: str, value: object, choices: Iterable[object]) -> None:
    """Check that an option is one of its choices.

    Raises:
        OptionsError: it is not; names the option, and the nearest choice or all of them.
    """
    known = list(choices)
    if value not in known:
        raise OptionsError(f"{option}: '{value}' is unknown{did_you_mean(value, known)}")


def some(names: Iterable[object]) -> str:
    """The first three of many names, in alphabetical order, and how many more there are."""
    ordered = sorted(map(str, names))
    return ', '.join(ordered[:3]) + (f' and {len(ordered) - 3} more' if len(ordered) > 3 else '')


def first_words(error: BaseException) -> str:
    """What an exception says, on one line of at most 150 characters; its type where it says nothing."""
    return textwrap.shorten(str(error), 150) or type(error).__name__


def one_line(text: object) -> str:
    """A text for the terminal: blanks for line breaks, and control characters, as names of files may have them,
    written as ``\\x1b``."""
    return _CONTROLS.sub(lambda match: ascii(match[0])[1:-1], ' '.join(str(text).split()))


def shown(value: object) -> str:
    """A value as an options file has it, ``~`` for None, on one line of at most 60 characters."""
    text = '~' if value is None else one_line(repr(value))
    return text if len(text) <= 60 else f'{text[:57]}...'
