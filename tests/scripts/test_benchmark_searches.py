"""scripts/benchmark_searches.py: expected rates of drawn galleries are what drawing galleries gives."""

import numpy as np
import pytest
from support.scripts import load_script


@pytest.fixture(scope='module')
def script():
    return load_script('benchmark_searches')


@pytest.fixture(scope='module')
def searches(script):
    """Twelve probes of a gallery of thirty; every probe has a threshold of its own."""
    rng = np.random.default_rng(0)
    similarity, own = rng.normal(0, 0.1, (12, 30)), rng.permutation(30)[:12]
    similarity[np.arange(12), own] += 0.2
    return script.Searches(similarity, own), similarity - np.linspace(0.05, 0.3, 12)[:, None]


def named(similarity, margins, columns):
    """The column that is named first, as ``rim_plugin.tools.gallery`` does; None: nobody."""
    hits = [column for column in columns[np.argsort(-similarity[columns])] if margins[column] >= 0]
    return hits[0] if hits else None


def test_rates_are_those_of_galleries_that_are_drawn(script, searches):
    (similarity, own), margins = searches
    rng, wrong, missed = np.random.default_rng(1), np.zeros(12), np.zeros(12)
    for probe in range(12):
        others = np.setdiff1d(np.arange(30), own[probe])
        for _ in range(2000):
            drawn = rng.permutation(others)[:8]
            wrong[probe] += named(similarity[probe], margins[probe], drawn) is not None
            mated = np.append(drawn[:7], own[probe])
            missed[probe] += named(similarity[probe], margins[probe], mated) != own[probe]
    assert searches[0].false_positives(margins, 8) == pytest.approx(wrong / 2000, abs=0.04)
    assert searches[0].false_negatives(margins, 8) == pytest.approx(missed / 2000, abs=0.04)
    assert 0.1 < wrong.mean() / 2000 < 0.9 and 0.1 < missed.mean() / 2000 < 0.9


def test_the_margin_of_a_rate_holds_it(script, searches):
    for asked in (0.1, 0.4):
        margin = script.margin_for(*searches, 8, asked)
        rate = searches[0].false_positives(searches[1], 8, margin).mean()
        assert rate <= asked < searches[0].false_positives(searches[1], 8, margin - 1e-6).mean()


def test_embeddings_are_read_again_only_for_the_same_weights(script, tmp_path, monkeypatch, rim):
    made = []

    def embedded(rim, dataset):
        made.append(rim.weights.sha256)
        seen = script.Seen(np.eye(3, dtype=np.float32), np.array([112, 112, 60]))
        return seen, dict.fromkeys(script.SIZES, seen), np.array([0, 1, 2])

    monkeypatch.setattr(script, 'embedded', embedded)
    for _ in range(2):
        gallery, probes, own = script.kept(rim, None, tmp_path / 'x.npz')
    assert len(made) == 1 and list(probes) == list(script.SIZES) and own.tolist() == [0, 1, 2]
    assert gallery.sides.tolist() == [112, 112, 60] and np.array_equal(probes[7].embeddings, np.eye(3))
    monkeypatch.setattr(rim, 'weights', rim.weights._replace(sha256='other'))
    script.kept(rim, None, tmp_path / 'x.npz')
    assert made == [made[0], 'other']


def test_a_stranger_who_is_named_more_often_than_asked_is_bold(script, rim):
    """A gallery of 25 persons at one place, and probes there: all are named, and galleries of 300 are not drawn."""
    seen = script.Seen(np.ones((25, 1), np.float32), np.full(25, 112))
    rows = list(script.rows(rim, seen, {112: seen}, np.arange(25)))
    assert [row[:3] for row in rows] == [('112', '20', '0.01'), ('112', '20', '0.1')]
    assert {row[3:] for row in rows} == {('**1.0000 [1.0000, 1.0000]**', '0.0000 [0.0000, 0.0000]', '1.000')}
