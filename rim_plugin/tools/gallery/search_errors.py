"""How well a gallery names people: searches by photos of which it is known who is on them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rim_plugin.errors import UnreadableImage
from rim_plugin.tools.gallery.enrolment import gallery_photos
from rim_plugin.tools.gallery.identification import FPIR, margin
from rim_plugin.tools.gallery.store import AnyPath, Store
from rim_plugin.tools.photo_faces import only_face
from rim_plugin.tools.photos import read_faces

if TYPE_CHECKING:
    from rim_plugin.data.detect import Detector
    from rim_plugin.tools.api import RIM

FPIRS = (0.01, 0.1)


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
        (``at_threshold``), FNIR ``at`` the FPIRs of :data:`FPIRS`, and the trade-off, ``det``. And a line about each
        photo that was left out.

    Raises:
        ValueError: no photo of an enrolled person, or none of another, can be used.
    """
    from rim_plugin.evaluation.open_set import MISSED, det_curve

    enrolled, photos = gallery.people(), gallery.size()
    mated, non_mated, skipped = [], [], []
    for name, path in gallery_photos(source):
        try:
            face = only_face(path, read_faces(path, detector))
        except UnreadableImage as error:
            skipped.append(str(error))
            continue
        hit = gallery.search(rim.embed(face), 1)[0]
        (side,) = rim.sides([face])
        score = margin(rim, hit, side, photos, fpir)
        if score is None:
            skipped.append(f'{path}: faces of {side} pixels were not calibrated')
        elif name in enrolled:
            mated.append(score if hit.name == name else MISSED)
        else:
            non_mated.append(score)
    curve = det_curve(mated, non_mated)
    held = sum(score >= 0 for score in non_mated) / len(non_mated)
    missed = sum(score < 0 for score in mated) / len(mated)
    figures = {
        'photos': photos,
        'mated': len(mated),
        'non_mated': len(non_mated),
        'at_threshold': {'fpir_asked': fpir, 'fpir': held, 'fnir': missed},
        'at': [{'fpir': each, 'fnir': curve.at(each)} for each in FPIRS],
        'det': {'fpir': curve.fpir.tolist(), 'fnir': curve.fnir.tolist()},
    }
    return figures, skipped


def save_evaluation(figures: dict[str, Any], folder: Path) -> None:
    """Write evaluation.json and det.png into a folder, which is made.

    Args:
        figures: of :func:`evaluate_gallery`.
        folder: where.
    """
    import json

    import numpy as np

    from rim_plugin.evaluation.curves import save_det
    from rim_plugin.evaluation.open_set import DetCurve
    from rim_plugin.files import write_atomically

    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / 'evaluation.json', json.dumps(figures, indent=2) + '\n')
    fpir, fnir = (np.array(figures['det'][key]) for key in ('fpir', 'fnir'))
    title = f'{figures["photos"]} photos enrolled, {figures["mated"]} mated and {figures["non_mated"]} other searches'
    save_det(folder / 'det.png', {'searches': DetCurve(fpir, fnir, np.empty(0))}, title)
