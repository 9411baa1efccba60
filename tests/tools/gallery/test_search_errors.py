"""Errors of searches, and what is left of them when the pictures of least quality are refused."""

import json

import cv2
import numpy as np
import pytest
from PIL import Image

from rim_plugin.tools.api import RIM
from rim_plugin.tools.gallery.search_errors import _rejection, evaluate_gallery, save_evaluation
from rim_plugin.tools.gallery.sqlite_store import SqliteStore
from rim_plugin.tools.gallery.store import Enrolled
from rim_plugin.tools.quality import fit_quality


def test_the_least_quality_is_refused_first():
    missed = np.array([False, True, False, True])
    shares = _rejection(missed, [0.9, 0.1, 0.8, 0.7])
    assert len(shares) == 31 and shares[0] == 0.5 and shares[30] == pytest.approx(1 / 3)
    assert _rejection(missed, [0.9, None, 0.8, 0.7]) is None


@pytest.fixture
def judging(rim, make_face):
    """RIM that knows the qualities of faces of 8 pixels."""
    faces = [make_face(8, seed) for seed in range(12)]
    qualities = (fit_quality(8, rim.quality_features(faces), rim.quality_features([face[::-1] for face in faces])),)
    return RIM(rim.weights._replace(qualities=qualities), 'cpu')


@pytest.mark.slow
def test_photos_of_the_enrolled_and_of_others_make_both_curves(judging, rim, make_face, tmp_path):
    for name, number in (('Ann', 1), ('Bob', 2), ('Cem', 3)):
        (tmp_path / name).mkdir()
        Image.fromarray(make_face(28, number)).save(tmp_path / name / '1.png')
    with SqliteStore(tmp_path / 'people.rim', rim.weights.sha256 or 'a' * 64, make=True) as store:
        store.add(
            [Enrolled('Ann', '1', 28), Enrolled('Bob', '2', 28)], judging.embed([make_face(28, 1), make_face(28, 2)])
        )
        figures, skipped = evaluate_gallery(judging, store, tmp_path)
        assert (figures['mated'], figures['non_mated'], skipped) == (2, 1, [])
        assert figures['at_threshold']['fnir'] == 0 and figures['rejection'] == [0.0] * 31
        assert evaluate_gallery(rim, store, tmp_path)[0]['rejection'] is None
        picky = RIM(judging.weights._replace(qualities=(judging.weights.qualities[0]._replace(least=1.1),)), 'cpu')
        refused, _ = evaluate_gallery(picky, store, tmp_path)
        assert refused['at_threshold'] == {'fpir_asked': 0.01, 'fpir': 0, 'fnir': 1}, 'as search, which names nobody'
        assert [each['fnir'] for each in refused['at']] == [1, 1]
        untold = rim.weights._replace(calibrations=[each._replace(tail=None) for each in rim.weights.calibrations])
        with pytest.raises(ValueError, match='hold no false match rates: pack them'):
            evaluate_gallery(RIM(untold, 'cpu'), store, tmp_path)
    save_evaluation(figures, tmp_path / 'out')
    assert json.loads((tmp_path / 'out/evaluation.json').read_text()) == figures
    assert all(cv2.imread(str(tmp_path / f'out/{name}.png')).std() > 5 for name in ('det', 'rejection'))
