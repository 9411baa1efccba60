"""Open-set identification: searches of a gallery by persons who are enrolled (mated) and by others (non-mated).

FPIR, false-positive identification rate: share of non-mated searches that name somebody. FNIR, false-negative
identification rate: share of mated searches that do not name the right person first. TPIR is 1 - FNIR. The terms are
those of NIST's Face Recognition Vendor Test (Grother, Ngan, Hanaoka: NISTIR 8271).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

MISSED = -np.inf  # score of a search that names nobody, or of a mated one that finds somebody else first


class DetCurve(NamedTuple):
    """Detection error trade-off: FPIR (K, ), rising from 0, and FNIR (K, ), of falling thresholds (K, )."""

    fpir: np.ndarray
    fnir: np.ndarray
    thresholds: np.ndarray

    def at(self, fpir: float) -> float:
        """The lowest FNIR whose FPIR is at most ``fpir``."""
        return float(self.fnir[np.flatnonzero(self.fpir <= fpir)[-1]])


def det_curve(mated: ArrayLike, non_mated: ArrayLike) -> DetCurve:
    """All points of the trade-off; a search names somebody where its score reaches the threshold.

    Args:
        mated: (M, ) best scores of searches by enrolled persons, :data:`MISSED` where somebody else is first.
        non_mated: (N, ) best scores of searches by others, :data:`MISSED` where nobody can be named.

    Raises:
        ValueError: there are none of one kind.
    """
    mated, non_mated = np.sort(np.asarray(mated, float)), np.sort(np.asarray(non_mated, float))
    if not mated.size or not non_mated.size:
        kind = 'enrolled persons' if not mated.size else 'persons who are not enrolled'
        raise ValueError(f'Open-set identification needs searches by {kind}; there are none')
    scores = np.concatenate([mated, non_mated])
    known = np.unique(scores[np.isfinite(scores)])
    thresholds = np.concatenate([[np.inf], known[::-1]])
    fpir = 1 - np.searchsorted(non_mated, thresholds) / len(non_mated)
    return DetCurve(fpir, np.searchsorted(mated, thresholds) / len(mated), thresholds)


def search_scores(similarity: ArrayLike, probes: np.ndarray, gallery: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Best scores of mated and non-mated searches, of every probe one each.

    The non-mated search of a probe is in the gallery without its own person, so that all probes serve for both.

    Args:
        similarity: (P, G), probes by gallery images.
        probes, gallery: (P, ) and (G, ) who they are; every probe's person is in the gallery.
    """
    similarity = np.asarray(similarity, np.float64)
    own = np.asarray(probes)[:, None] == np.asarray(gallery)[None]
    mated, others = (np.where(mask, similarity, -np.inf).max(1) for mask in (own, ~own))
    return np.where(mated > others, mated, MISSED), others


def drawn_rates(reached: np.ndarray, total: np.ndarray, size: int) -> np.ndarray:
    """Probability, for each search, that a gallery of ``size`` photos, drawn from ``total``, has one of those that are
    ``reached``: 1 - C(total - reached, size) / C(total, size).

    Args:
        reached, total: (P, ) numbers of photos.
        size: of the galleries, at most as many as any ``total``.
    """
    from scipy.special import gammaln

    rest = total - reached
    nobody = (
        gammaln(rest + 1) - gammaln(np.maximum(rest - size, 0) + 1) - gammaln(total + 1) + gammaln(total - size + 1)
    )
    return 1 - np.where(rest >= size, np.exp(np.minimum(nobody, 0)), 0)


def expected_fpir(similarity: np.ndarray, threshold: float, size: int) -> float:
    """FPIR of galleries of ``size`` photos, drawn from all that a probe has, in expectation over the draws.

    Args:
        similarity: (P, G) of probes and photos of other persons; NaN where a photo is the probe's own person's.
        threshold: similarity from which a person is named.
        size: photos of a gallery, at most as many as any probe has.
    """
    return float(drawn_rates((similarity >= threshold).sum(1), np.isfinite(similarity).sum(1), size).mean())
