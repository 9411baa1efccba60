"""Kinds of numbers that several options are."""

from typing import Annotated

from msgspec import Meta

Count = Annotated[int, Meta(ge=1)]
Size = Annotated[int, Meta(ge=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Positive = Annotated[float, Meta(gt=0)]
Rate = Annotated[float, Meta(ge=0, le=1)]


def about(text: str) -> Meta:
    """The meaning of an option, one line."""
    return Meta(description=text)
