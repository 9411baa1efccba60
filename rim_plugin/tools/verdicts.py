"""From similarity, sizes and qualities of faces to a verdict, by what weights were calibrated for."""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np

from rim_plugin.tools.calibration import Uncalibrated, at_sizes, probability, search_threshold
from rim_plugin.tools.quality import quality_at, recognition
from rim_plugin.weights_file import Weights


class Verification(NamedTuple):
    """Whether two faces are one person's.

    Attributes:
        similarity: cosine of the embeddings, -1 to 1.
        threshold: similarity from which faces of these sizes and qualities count as one person's; None where that was
            not measured.
        same: whether it is reached; None: no verdict, for the ``reason``.
        confidence: share of right verdicts among pairs of such sizes, qualities and similarity, 0.5 to 1, where one
            person and two are equally likely beforehand; None without a verdict.
        sizes: sides of the two faces in pixels.
        qualities: of each picture, 0 to 1, see :mod:`rim_plugin.tools.quality`; None where the weights cannot tell.
        reason: why there is no verdict; empty where there is one.
    """

    similarity: float
    threshold: float | None
    same: bool | None
    confidence: float | None
    sizes: tuple[int, int]
    qualities: tuple[float | None, float | None] = (None, None)
    reason: str = ''


class Identification(NamedTuple):
    """Whether a face found in a gallery is named.

    Attributes:
        threshold: similarity from which it is; None where that was not measured.
        named: whether it is reached.
        reason: why nobody can be named, whatever the similarity; empty elsewhere.
    """

    threshold: float | None
    named: bool
    reason: str = ''


class Verdicts:
    """What weights say about similarities.

    Args:
        weights: with calibrations.
        name: of the weights, for errors.
    """

    def __init__(self, weights: Weights, name: str | os.PathLike[str]) -> None:
        self.weights, self.name = weights, name

    def judge(
        self,
        similarity: float,
        sizes: tuple[int, int],
        qualities: tuple[float | None, float | None] = (None, None),
        min_quality: float | None = None,
    ) -> Verification:
        """Verification of two faces from the similarity of their embeddings.

        Args:
            similarity: cosine, -1 to 1.
            sizes: sides of the faces in pixels.
            qualities: of the faces, see :mod:`rim_plugin.tools.quality`; None: not known, middling ones are supposed.
            min_quality: see :meth:`no_face_reason`.

        Raises:
            ValueError: the weights have no thresholds.
        """
        self._require_thresholds()
        refusals = [self.no_face_reason(*each, min_quality) for each in zip(sizes, qualities)]
        reasons = [f'the {which} picture {told}' for which, told in zip(('first', 'second'), refusals) if told]
        verdict = Verification(similarity, None, None, None, sizes, qualities, '; '.join(reasons))
        try:
            curve = at_sizes(self.weights.calibrations, sizes, self.recognised(sizes, qualities))
        except Uncalibrated as error:
            return verdict._replace(reason='; '.join([*reasons, str(error)]))
        threshold, *slopes = map(float, curve)  # NumPy's own numbers would make a bool that is none of JSON
        if reasons:
            return verdict._replace(threshold=threshold)
        likely = probability(similarity, threshold, *slopes)
        same = similarity >= threshold
        return verdict._replace(threshold=threshold, same=same, confidence=likely if same else 1 - likely)

    def recognised(self, sizes: tuple[int, int], qualities: tuple[float | None, float | None]) -> float | None:
        """Product of the probabilities, 0 to 1, that two faces are recognised; None where one is not known."""
        known = [(size, quality) for size, quality in zip(sizes, qualities) if quality is not None]
        if len(known) < len(sizes) or not self.weights.qualities:
            return None
        return float(np.prod([recognition(quality_at(self.weights.qualities, size), each) for size, each in known]))

    def identify(self, similarity: float, sizes: tuple[int, int], photos: int, fpir: float) -> Identification:
        """Whether the face that a search of a gallery found is named.

        Args:
            similarity: of probe and found face.
            sizes: their sides in pixels.
            photos: of the gallery.
            fpir: false-positive identification rate: how often a search of somebody who is not enrolled may name
                somebody, above 0 and below 1.

        Raises:
            ValueError: the weights have no thresholds.
        """
        self._require_thresholds()
        try:
            threshold = search_threshold(self.weights.calibrations, sizes, photos, fpir)
        except Uncalibrated as error:
            return Identification(None, False, str(error))
        return Identification(threshold, similarity >= threshold)

    def no_face_reason(self, side: int, quality: float | None, min_quality: float | None = None) -> str:
        """Why a picture gets no verdict, by its quality; empty where it does.

        Args:
            side: of the picture in pixels.
            quality: see :mod:`rim_plugin.tools.quality`; None: nothing can be told.
            min_quality: least quality; None: that which almost all faces of this size have.
        """
        if quality is None:
            return ''
        least = quality_at(self.weights.qualities, side).least if min_quality is None else min_quality
        if quality >= least:
            return ''
        told = f'quality {quality:.2f}, at least {least:.2f}'
        return f'is hardly an aligned face ({told}; --detect auto cuts faces out of photos)'

    def too_small_reason(self, side: int) -> str:
        """Why no picture of ``side`` pixels gets a verdict, whatever it is compared with; empty where some do."""
        least = min((each.size for each in self.weights.calibrations), default=0)
        return f'is of {side} pixels; verdicts are for {least} and more: take a larger picture' if side < least else ''

    def _require_thresholds(self) -> None:
        if not self.weights.calibrations:
            raise ValueError(f'{self.name}: holds no thresholds; pack it with --calibrate')
