"""Who is that? Open-set identification: a name, or nobody enrolled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from rim_plugin.tools.gallery.store import Store

if TYPE_CHECKING:
    from rim_plugin.tools.api import RIM

FPIR = 0.01


class Found(NamedTuple):
    """A person of the gallery who is like the face: rank, name, similarity, file and side of the best photo, the
    similarity from which that person is named (None where it was not measured), whether it is reached, and the best
    photo's quality (None where it is not known)."""

    rank: int
    name: str
    similarity: float
    file: str
    side: int
    threshold: float | None
    same: bool
    quality: float | None = None


class Identified(NamedTuple):
    """The answer to a search.

    Attributes:
        name: who it is; None: nobody enrolled, or nobody can be named for the ``reason``.
        nobody: whether the answer is that nobody enrolled it is.
        reason: why there is no answer; empty where there is one.
        fpir: false-positive identification rate that the thresholds are for.
        photos: of the gallery.
        side: of the face in pixels.
        quality: of the face, 0 to 1; None where the weights cannot tell.
        hits: persons by falling similarity.
    """

    name: str | None
    nobody: bool
    reason: str
    fpir: float
    photos: int
    side: int
    quality: float | None
    hits: list[Found]

    def values(self) -> dict[str, Any]:
        """JSON values."""
        return {**self._asdict(), 'hits': [hit._asdict() for hit in self.hits]}


def identify(
    rim: RIM, gallery: Store, face: np.ndarray, fpir: float = FPIR, ranks: int = 5, min_quality: float | None = None
) -> Identified:
    """Search a gallery for a face.

    Args:
        rim: of the weights that made the gallery.
        gallery: not empty.
        face: uint8 (q, q, 3), aligned.
        fpir: share of searches of somebody who is not enrolled that may give a name, above 0 and below 1.
        ranks: how many persons are looked at, at most.
        min_quality: see :meth:`rim_plugin.tools.api.RIM.no_face_reason`.

    Raises:
        GalleryError: nobody is enrolled; ValueError: the weights have no thresholds.
    """
    ((embedding, side, quality),) = rim.examine([face])
    photos, hits = gallery.size(), gallery.search(embedding, ranks)
    judged = [rim.identify(hit.similarity, (side, hit.side), photos, fpir) for hit in hits]
    refused = rim.no_face_reason(side, quality, min_quality)
    found = [
        Found(*hit[:5], verdict.threshold, verdict.named and not refused, hit.quality)
        for hit, verdict in zip(hits, judged)
    ]
    name = next((hit.name for hit in found if hit.same), None)
    reason = f'the picture {refused}' if refused else '' if name else judged[0].reason
    return Identified(name, name is None and not reason, reason, fpir, photos, side, quality, found)
