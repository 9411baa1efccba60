"""From similarity to verdict: thresholds, probabilities and false match rates for pairs of sizes, and between those."""

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from rim_plugin.archs.recogniser import FACE_SIZE
from rim_plugin.calibration_values import Calibration, Tail

FALSE_MATCH_RATES = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01)  # whose scores are counted; a distribution tells rarer ones
_TAUGHT = 40_000  # pairs of one kind that teach a curve
_USUAL_SLOPE = 20.0
_KNOWN = (1e-3, 1 - 1e-3)  # probabilities of recognition; none is nearer to 0 and 1
_MOST_SHAPE = 0.0  # of the tail: similarities are bounded
Number = float | np.ndarray
Parameters = tuple[Any, Any, Any]  # threshold, slope above it, slope below it: floats, or one each a pair


class Uncalibrated(ValueError):
    """Nothing was measured for faces of these sizes; the message says so in a few words."""


def calibrate(
    sizes: tuple[int, int],
    scores: np.ndarray,
    issame: np.ndarray,
    strangers: np.ndarray | None = None,
    recognised: np.ndarray | None = None,
) -> Calibration:
    """Calibration for one pair of sizes, for which one person and two are equally likely beforehand.

    Args:
        sizes: sides of the two faces in pixels.
        scores: (P, ) similarities.
        issame: (P, ) bool; the two kinds weigh the same, whatever their numbers.
        strangers: (Q, ) similarities of different persons, from which the tail is taken; None: no tail.
        recognised: (P, ), 0 to 1, of each pair the product of the probabilities that its faces are recognised, by their
            quality; None: all are alike.

    Raises:
        ValueError: as :func:`~rim_plugin.evaluation.roc.checked_pairs`; or same pairs do not score higher.
    """
    from rim_plugin.evaluation.roc import checked_pairs

    scores, issame = checked_pairs(scores, issame)
    standard = np.zeros(len(scores)) if recognised is None else _standard_score(recognised)
    mated, others = (_Kind(*_thinned(scores[kind], standard[kind])) for kind in (issame, ~issame))
    if mated.scores.mean() <= others.scores.mean():
        raise ValueError(
            f'Calibration at {sizes[0]} and {sizes[1]} px: pairs of one person do not score higher than others; are '
            'these the right faces and weights?'
        )
    tail = None if strangers is None else fit_tail(strangers)
    known = Calibration(min(sizes), 0.0, _USUAL_SLOPE, len(scores), max(sizes), _USUAL_SLOPE, tail)
    return _fitted(known if recognised is None else known._replace(recognised=_spread(mated, others)), mated, others)


class _Kind(NamedTuple):
    """Pairs of one person, or of two: similarities (P, ), and standard scores (P, ) of their recognition."""

    scores: np.ndarray
    standard: np.ndarray


def _thinned(scores: np.ndarray, standard: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    chosen = np.argsort(scores, kind='stable')[:: 1 + len(scores) // _TAUGHT]
    return scores[chosen], standard[chosen]


def _spread(mated: _Kind, others: _Kind) -> tuple[float, float, float]:
    """Least, mean and largest standard score of recognition; a hundredth at either end is not counted."""
    least, largest = np.quantile(np.concatenate([mated.standard, others.standard]), [0.01, 0.99])
    return float(least), float((mated.standard.mean() + others.standard.mean()) / 2), float(largest)


def _standard_score(recognised: Number) -> Any:
    from scipy.special import ndtri

    return ndtri(np.clip(recognised, *_KNOWN))


def _fitted(known: Calibration, mated: _Kind, others: _Kind) -> Calibration:
    """With the likeliest threshold and slopes of the probability's curve, and their rises where pairs differ."""
    from scipy.optimize import minimize

    rises = known.recognised is not None

    def curve(values: np.ndarray) -> Calibration:
        threshold, *logarithms = map(float, values[:3])
        above, below = map(float, np.exp(logarithms))
        fitted = known._replace(threshold=threshold, slope=above, slope_below=below)
        return fitted._replace(threshold_rise=float(values[3]), slope_rise=float(values[4])) if rises else fitted

    def loss(values: np.ndarray) -> float:
        odds = (log_odds(kind.scores, *_moved(curve(values), kind.standard)) for kind in (mated, others))
        wrong = sum(np.logaddexp(0, sign * each).mean() for sign, each in zip((-1, 1), odds))
        prior = (values[1] - values[2]) ** 2 + 0.1 * ((values[1:3] - np.log(_USUAL_SLOPE)) ** 2).sum()
        prior += 0.1 * (values[3:] ** 2).sum()
        # few pairs, or kinds that do not overlap, teach no extreme slopes
        return float(wrong + prior / len(mated.scores))

    start = [(mated.scores.mean() + others.scores.mean()) / 2, *[np.log(_USUAL_SLOPE)] * 2, *[0.0] * (2 * rises)]
    options = {'maxiter': 300 * len(start), 'fatol': 1e-7}
    return curve(minimize(loss, np.array(start), method='Nelder-Mead', options=options).x)


def curve_at(calibration: Calibration, recognised: Number | None) -> Parameters:
    """Threshold, and slopes above and below it, of pairs whose faces are both recognised with a probability.

    A poor face is less like other photos of its person: a lower similarity tells as much as a high one of good faces,
    and none tells as much as theirs. Beyond the probabilities that were calibrated the nearest one counts.

    Args:
        calibration: of their sizes.
        recognised: 0 to 1; (P, ) for several pairs; None: not known, the mean of those that were calibrated.
    """
    return _moved(calibration, None if recognised is None else _standard_score(recognised))


def _moved(calibration: Calibration, standard: Number | None) -> Parameters:
    """:func:`curve_at` a standard score."""
    threshold, above, below = calibration.threshold, calibration.slope, calibration.lower_slope
    if calibration.recognised is None or standard is None:
        return threshold, above, below
    least, mean, largest = calibration.recognised
    offset = np.clip(standard, least, largest) - mean
    steeper = np.exp(calibration.slope_rise * offset)
    return threshold + calibration.threshold_rise * offset, above * steeper, below * steeper


def fit_tail(strangers: np.ndarray) -> Tail:
    """How often different persons reach a similarity: counted down to the rarest of :data:`FALSE_MATCH_RATES`, beyond
    by a generalised Pareto distribution, which the highest scores of any distribution tend to (Pickands 1975).

    Args:
        strangers: (Q, ) similarities, at least some thousand.
    """
    from scipy.stats import genpareto

    scores = np.quantile(strangers, 1 - np.array(FALSE_MATCH_RATES))
    excess = strangers[strangers > scores[-1]] - scores[-1]
    shape, _, scale = genpareto.fit(excess, floc=0)
    if shape > _MOST_SHAPE:
        shape, scale = _MOST_SHAPE, float(excess.mean())
    return Tail(tuple(map(float, scores)), float(scale), float(shape))


def tail_score(tail: Tail, rate: float) -> float:
    """The similarity that different persons reach with a probability of ``rate``, above 0 and up to 0.5."""
    from scipy.stats import genpareto

    if rate >= FALSE_MATCH_RATES[-1]:
        return float(np.interp(np.log(rate), np.log(FALSE_MATCH_RATES[::-1]), tail.scores[::-1]))
    return tail.scores[-1] + float(genpareto.isf(rate / FALSE_MATCH_RATES[-1], tail.shape, scale=tail.scale))


def log_odds(scores: np.ndarray, threshold: Number, above: Number, below: Number) -> np.ndarray:
    """Logarithm of the odds that pairs of these similarities (P, ) show one person; 0 at the threshold. A curve for all
    pairs, or (P, ) of one each."""
    distance = scores - threshold
    return np.where(distance >= 0, above * distance, below * distance)


def probability(similarity: float, threshold: float, above: float, below: float) -> float:
    """Probability, 0 to 1, that a pair of this similarity shows one person; 1/2 at the threshold."""
    from scipy.special import expit

    return float(expit(log_odds(np.array(similarity), threshold, above, below)))


def calibrated_side(side: int | None) -> int:
    """The side in pixels that counts: at most that of the recogniser's face (None: full resolution), beyond which
    nothing is gained."""
    return min(FACE_SIZE, side or FACE_SIZE)


def pair_sizes(protocol: Mapping[str, Any]) -> tuple[int, int]:
    """Sides in pixels of the faces of a dataset's pairs, as far as they count, by its ``protocol``."""
    large = calibrated_side(protocol['gallery_size'])
    small = large if protocol['query_size'] is None else calibrated_side(protocol['query_size'])
    return small, small if protocol['probe_side'] == 'both' else large


def at_sizes(
    calibrations: Sequence[Calibration], sizes: tuple[int | None, int | None], recognised: Number | None = None
) -> Parameters:
    """Threshold, and slopes above and below it, of the probability's curve for faces of two sizes.

    Args:
        calibrations: of the weights.
        sizes: sides in pixels; None: full resolution.
        recognised: product of the probabilities, 0 to 1, that the faces are recognised, by their quality
            (:func:`rim_plugin.tools.quality.recognition`); (P, ) for several pairs; None: see :func:`curve_at`.

    Raises:
        Uncalibrated: see :func:`interpolated`.
    """

    def curve(calibration: Calibration) -> np.ndarray:
        return np.array(np.broadcast_arrays(*curve_at(calibration, recognised)))

    threshold, above, below = interpolated(calibrations, sizes, curve)
    return threshold, above, below


def search_threshold(
    calibrations: Sequence[Calibration], sizes: tuple[int | None, int | None], photos: int, fpir: float
) -> float:
    """The similarity that names a person in a gallery.

    With 1 - (1 - FMR)^photos = FPIR: a search of somebody who is not enrolled gives a name with probability ``fpir``,
    at most, since the photos' similarities to one face are not independent.

    Args:
        calibrations: with tails.
        sizes: sides of probe and enrolled face in pixels.
        photos: of the gallery.
        fpir: false-positive identification rate, above 0 and below 1.

    Raises:
        Uncalibrated: see :func:`interpolated`; or the weights hold no tails.
    """
    rate = min(0.5, float(-np.expm1(np.log1p(-fpir) / photos)))

    def score(calibration: Calibration) -> float:
        if calibration.tail is None:
            raise Uncalibrated('the weights hold no false match rates: pack them with --calibrate')
        return tail_score(calibration.tail, rate)

    return interpolated(calibrations, sizes, score)


def interpolated(
    calibrations: Sequence[Calibration], sizes: tuple[int | None, int | None], value: Callable[[Calibration], Any]
) -> Any:
    """What ``value`` takes from each calibration, a number or an array, linear in the logarithms of both sizes.

    Raises:
        Uncalibrated: a size lies outside the calibrated ones, or pairs of such sizes were not calibrated.
    """
    cells = {(each.size, each.other): each for each in calibrations}
    known = sorted({size for pair in cells for size in pair})
    corners = [_neighbours(known, calibrated_side(side)) for side in sizes]
    total = 0.0
    for (first, weight), (second, other_weight) in product(*corners):
        cell = cells.get((min(first, second), max(first, second)))
        if cell is None:
            raise Uncalibrated(f'no pairs of faces of {first} and {second} pixels were calibrated')
        total += weight * other_weight * value(cell)
    return total


def _neighbours(known: Sequence[int], size: int) -> list[tuple[int, float]]:
    """The known sizes about a size, with weights of sum 1; those of weight 0 left out."""
    if not known or not known[0] <= size <= known[-1]:
        told = f'faces of {known[0]} to {known[-1]} pixels were' if known else 'nothing was'
        remedy = ': take a larger picture of the face' if known and size < known[0] else ''
        raise Uncalibrated(f'{told} calibrated, not of {size} pixels{remedy}')
    upper = next(each for each in known if each >= size)
    lower = max(each for each in known if each <= size)
    share = 0.0 if upper == lower else float(np.log2(size / lower) / np.log2(upper / lower))
    return [(each, weight) for each, weight in ((lower, 1 - share), (upper, share)) if weight]
