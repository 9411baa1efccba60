"""Names of persons and files, which systems write in different ways."""

import unicodedata
from urllib.parse import unquote


def same_name(name: str) -> str:
    """The name in Unicode's normal form C: ``Zoë`` of a Mac, e and a mark, is ``Zoë`` of everybody else."""
    return unicodedata.normalize('NFC', name)


def same_key(key: str) -> str:
    """The name that a face's key in a prepared store stands for, percent-encoded there, in normal form C."""
    return same_name(unquote(key))
