"""How well a gallery names people: searches by photos of which it is known who is on them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from rim_plugin.evaluation.open_set import MISSED
from rim_plugin.tools.gallery.enrolment import Person, gallery_photos, in_batches, readable_faces
from rim_plugin.tools.gallery.identification import FPIR
from rim_plugin.tools.gallery.store import AnyPath, GalleryError, Store

if TYPE_CHECKING:
    from rim_plugin.data.detect import Detector
    from rim_plugin.tools.api import RIM

FPIRS = (0.01, 0.1)
_REFUSED = 31  # percent of all searches, as far as the error-versus-reject curve goes, and one


def evaluate_gallery(
    rim: RIM, gallery: Store, source: AnyPath, detector: Detector | None = None, fpir: float = FPIR
) -> tuple[dict[str, Any], list[str]]:
    """Search for every photo of a folder or list, of persons some of whom are enrolled.

    Args:
        rim: of the weights that made the gallery.
        gallery: not empty.
        source: see :func:`rim_plugin.tools.gallery.enrolment.gallery_photos`; who is called as an enrolled person is
            that person.
        detector: see :func:`rim_plugin.tools.photos.read_faces`.
        fpir: for which thresholds are, see :func:`rim_plugin.tools.gallery.identification.identify`.

    Returns:
        JSON values: numbers of ``mated`` and ``non_mated`` searches, FPIR and FNIR at the threshold of ``fpir``
        (``at_threshold``), FNIR ``at`` the FPIRs of :data:`FPIRS`, the trade-off, ``det``, and ``rejection``: FNIR at
        that threshold when 0, 1, ... percent of the searches are refused, those of the least quality first; None where
        the weights know no quality. And a line about each photo that was left out.

    Raises:
        ValueError: no photo of an enrolled person, or none of another, can be used.
    """
    from rim_plugin.evaluation.open_set import det_curve

    enrolled, photos = gallery.people(), gallery.size()
    searches, skipped = _searches(rim, gallery, gallery_photos(source), detector, fpir)
    mated = [each for each in searches if each.name in enrolled]
    scores = [each.score if each.found == each.name else MISSED for each in mated]
    others = [each.score for each in searches if each.name not in enrolled]
    if skipped and not (mated and others):
        whom = 'persons who are not enrolled' if mated else 'enrolled persons'
        raise GalleryError(
            f'{source}: open-set identification needs searches by {whom}; there are none; left out is {skipped[0]}'
        )
    curve = det_curve(scores, others)
    held = sum(score >= 0 for score in others) / len(others)
    missed = np.array(scores) < 0
    figures = {
        'photos': photos,
        'mated': len(mated),
        'non_mated': len(others),
        'at_threshold': {'fpir_asked': fpir, 'fpir': held, 'fnir': float(missed.mean())},
        'at': [{'fpir': each, 'fnir': curve.at(each)} for each in FPIRS],
        'det': {'fpir': curve.fpir.tolist(), 'fnir': curve.fnir.tolist()},
        'rejection': _rejection(missed, [each.quality for each in mated]),
    }
    return figures, skipped


class _Search(NamedTuple):
    name: str  # who it is
    found: str  # who is found first
    score: float  # how far the similarity lies above the threshold; MISSED where the picture is refused
    quality: float | None


def _searches(
    rim: RIM, gallery: Store, people: Sequence[Person], detector: Detector | None, fpir: float
) -> tuple[list[_Search], list[str]]:
    """Searches for the faces of photos, and a line about each photo that is left out."""
    from tqdm import tqdm

    photos = gallery.size()
    searches: list[_Search] = []
    skipped: list[str] = []
    for batch in in_batches(tqdm(people, unit='photo'), rim.batch):
        enrolled, faces = readable_faces(batch, detector, skipped)
        for (name, path, *_), (embedding, side, quality) in zip(enrolled, rim.examine(faces)):
            hit = gallery.search(embedding, 1)[0]
            verdict = rim.identify(hit.similarity, (side, hit.side), photos, fpir)
            if verdict.threshold is None:
                skipped.append(f'{path}: {verdict.reason}')
                continue
            refused = rim.no_face_reason(side, quality)  # as in a search, which names nobody then
            score = MISSED if refused else hit.similarity - verdict.threshold
            searches.append(_Search(name, hit.name, score, quality))
    return searches, skipped


def _rejection(missed: np.ndarray, qualities: Sequence[float | None]) -> list[float] | None:
    """Shares (K, ) that are missed, bool (n, ), when those of least quality are refused, percent by percent."""
    if None in qualities:
        return None
    order = np.argsort(np.array(qualities, float))
    refused = [round(len(missed) * percent / 100) for percent in range(_REFUSED)]
    return [float(missed[order][count:].mean()) for count in refused]


def save_evaluation(figures: dict[str, Any], folder: Path) -> None:
    """Write evaluation.json, det.png and, where qualities are known, rejection.png into a folder, which is made.

    Args:
        figures: of :func:`evaluate_gallery`.
        folder: where.
    """
    import json

    from rim_plugin.evaluation.curves import save_det, save_rejection
    from rim_plugin.evaluation.open_set import DetCurve
    from rim_plugin.files import write_atomically

    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / 'evaluation.json', json.dumps(figures, indent=2) + '\n')
    fpir, fnir = (np.array(figures['det'][key]) for key in ('fpir', 'fnir'))
    title = f'{figures["photos"]} photos enrolled, {figures["mated"]} mated and {figures["non_mated"]} other searches'
    save_det(folder / 'det.png', {'searches': DetCurve(fpir, fnir, np.empty(0))}, title)
    if figures['rejection'] is not None:
        at = figures['at_threshold']['fpir_asked']
        curves = {'searches': np.array(figures['rejection'])}
        save_rejection(folder / 'rejection.png', curves, f'{title},\nat the thresholds for FPIR {at:g}', 'FNIR')
