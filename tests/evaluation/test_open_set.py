"""Open-set identification: the trade-off of searches counted by hand."""

import numpy as np
import pytest

from rim_plugin.evaluation.metrics.tpir import TpirAtFpir
from rim_plugin.evaluation.open_set import MISSED, det_curve, expected_fpir, search_scores


def test_rates_are_counts():
    curve = det_curve([0.9, 0.6, 0.4, MISSED], [0.7, 0.5, 0.3, 0.1])
    assert curve.thresholds.tolist() == [np.inf, 0.9, 0.7, 0.6, 0.5, 0.4, 0.3, 0.1]
    assert curve.fpir.tolist() == [0, 0, 0.25, 0.25, 0.5, 0.5, 0.75, 1]
    assert curve.fnir.tolist() == [1, 0.75, 0.75, 0.5, 0.5, 0.25, 0.25, 0.25]
    assert curve.at(0.01) == 0.75 and curve.at(0.3) == 0.5 and curve.at(1) == 0.25


@pytest.mark.parametrize('mated, non_mated, kind', [([], [0.1], 'enrolled'), ([0.1], [], 'not enrolled')])
def test_searches_of_one_kind_are_refused(mated, non_mated, kind):
    with pytest.raises(ValueError, match=kind):
        det_curve(mated, non_mated)


SIMILARITY = np.array([[0.9, 0.2, 0.1], [0.3, 0.4, 0.8], [0.1, 0.2, 0.7]])


def test_each_probe_searches_with_and_without_its_person():
    mated, non_mated = search_scores(SIMILARITY, np.array(['a', 'b', 'c']), np.array(['a', 'b', 'c']))
    assert mated.tolist() == [0.9, MISSED, 0.7] and non_mated.tolist() == [0.2, 0.8, 0.2]


def test_the_metric_is_of_all_updates_together():
    names = np.array(['a', 'b', 'c'])
    metric = TpirAtFpir(0.01)
    for row in range(3):
        metric.update(
            {
                'similarity': SIMILARITY[row : row + 1],
                'probe_identities': names[row : row + 1],
                'gallery_identities': names,
            }
        )
    assert metric.compute() == pytest.approx(1 / 3) and TpirAtFpir(0.4).fpir == 0.4
    assert metric.title == 'TPIR at FPIR 0.01'


def test_fpir_of_drawn_galleries_is_what_drawing_gives():
    rng = np.random.default_rng(0)
    similarity = rng.normal(0, 0.1, (40, 60))
    similarity[np.arange(40), np.arange(40)] = np.nan
    drawn = [
        (np.nanmax(row[rng.permutation(np.flatnonzero(np.isfinite(row)))[:20]]) >= 0.2)
        for row in similarity
        for _ in range(200)
    ]
    assert expected_fpir(similarity, 0.2, 20) == pytest.approx(np.mean(drawn), abs=0.02)
    assert expected_fpir(similarity, 9, 20) == 0 and expected_fpir(similarity, -9, 20) == 1
