"""What a calibration says, as weights files hold it: thresholds and tails of pairs of sizes, quality of pictures."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

import msgspec

Numbers = TypeVar('Numbers')  # a named tuple of them


class Tail(NamedTuple):
    """How often faces of different persons are alike, see :func:`rim_plugin.tools.calibration.fit_tail`.

    Attributes:
        scores: similarities that they reach at the rates of :data:`rim_plugin.tools.calibration.FALSE_MATCH_RATES`.
        scale, shape: of the generalised Pareto distribution beyond the last of them.
    """

    scores: tuple[float, ...]
    scale: float
    shape: float


class Calibration(NamedTuple):
    """What pairs of faces of two sizes taught.

    Attributes:
        size: side of the smaller face in pixels.
        threshold: similarity from which a pair counts as one person: one and two persons are equally likely there.
        slope: of the log odds above the threshold: probability of one person = 1 / (1 + exp(-slope (s - t))).
        pairs: how many pairs taught it.
        other: side of the larger face in pixels; a file that does not tell means faces of full resolution.
        slope_below: below the threshold; None: the same.
        tail: the false match rate of a similarity; None: not measured.
        recognised: least, mean and largest standard score of the probability that both faces are recognised
            (:func:`rim_plugin.tools.quality.recognition`), of the pairs that taught it; threshold and slopes are those
            at the mean. None: not told.
        threshold_rise: of the threshold for each unit of that score.
        slope_rise: of the logarithms of both slopes.
    """

    size: int
    threshold: float
    slope: float
    pairs: int
    other: int = 112
    slope_below: float | None = None
    tail: Tail | None = None
    recognised: tuple[float, float, float] | None = None
    threshold_rise: float = 0.0
    slope_rise: float = 0.0

    @property
    def lower_slope(self) -> float:
        """Slope of the log odds below the threshold."""
        return self.slope if self.slope_below is None else self.slope_below


class Quality(NamedTuple):
    """How a face of one size is told from pictures that are none, and good from bad: :mod:`rim_plugin.tools.quality`.

    Attributes:
        size: side of the picture in pixels.
        means, scales: of the features, float each, by which they are made comparable.
        coefficients: of the comparable features in the log odds of a face.
        intercept: of the log odds.
        least: quality below which a picture gets no verdict.
        recognised: of the standard score of the probability that a face is recognised: its value where all signs of it
            are 0, then what each unit of each sign adds; None: a file that does not tell, whose features lack them.
    """

    size: int
    means: tuple[float, ...]
    scales: tuple[float, ...]
    coefficients: tuple[float, ...]
    intercept: float
    least: float
    recognised: tuple[float, ...] | None = None


def calibration_values(calibration: Calibration) -> dict[str, Any]:
    """A calibration as JSON values."""
    return {**calibration._asdict(), 'tail': calibration.tail and calibration.tail._asdict()}


def read_calibration(values: dict[str, Any]) -> Calibration:
    """A calibration from JSON values; files of before have no pairs of sizes and no tails."""
    tail = values.get('tail')
    return _of_numbers(Calibration, {**values, 'tail': tail and _of_numbers(Tail, tail)})


def read_quality(values: dict[str, Any]) -> Quality:
    """A quality from JSON values."""
    quality = _of_numbers(Quality, values)
    if quality.recognised is not None and len(quality.recognised) not in (2, 3):
        raise ValueError(f'recognised has {len(quality.recognised)} numbers')
    return quality


def _of_numbers(kind: type[Numbers], values: Mapping[str, Any]) -> Numbers:
    """A named tuple of finite numbers, and tuples of these, from values by name; TypeError or ValueError otherwise."""
    filled: Any = kind(**values)
    made = msgspec.convert(list(filled), kind)
    for name, value in zip(filled._fields, filled):
        for number in value if isinstance(value, (list, tuple)) else (value,):
            if isinstance(number, float) and not math.isfinite(number):
                raise ValueError(f'{name} is not finite')
    return made
