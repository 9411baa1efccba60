"""Kinds of numbers that several options are."""

from typing import Annotated

from msgspec import Meta

LARGEST = 2**32 - 1  # of whole numbers: what seeds can be, and more than any size or number of iterations
Count = Annotated[int, Meta(ge=1, le=LARGEST)]
Several = Annotated[int, Meta(ge=2, le=LARGEST)]
Size = Annotated[int, Meta(ge=0, le=LARGEST)]
NotNegative = Annotated[float, Meta(ge=0)]
Positive = Annotated[float, Meta(gt=0)]
Rate = Annotated[float, Meta(ge=0, le=1)]
# From a low end to a high one, both included; one number for both ends.
ASCENDING = Meta(extra={'ascending': True})
# Not tuple[NotNegative, NotNegative], with which, beside a bounded number, msgspec 0.22 crashes.
PAIR = Meta(min_length=2, max_length=2)
Range = Annotated[NotNegative | Annotated[tuple[NotNegative, ...], PAIR], ASCENDING]


def about(text: str) -> Meta:
    """The meaning of an option, one line."""
    return Meta(description=text)


def ends_of(value: float | tuple[float, ...]) -> tuple[float, float]:
    """Low and high end of a range."""
    return (value[0], value[1]) if isinstance(value, tuple) else (value, value)
