"""Faces of several stores: as many of each in every batch, as often as their weights say, in every place."""

import numpy as np
import pytest

from rim_plugin.data.mixture import Mixture
from rim_plugin.errors import OptionsError

COUNTS, BATCH = (30, 90), 16


def stores_of(order, counts=COUNTS):
    """Number of the store of each face, a row for each batch."""
    return np.searchsorted(np.cumsum(counts), order, side='right').reshape(-1, BATCH)


@pytest.mark.parametrize(
    'counts, weights, shares',
    [
        (COUNTS, (1, 1), (4, 12)),
        (COUNTS, (1, 1 / 3), (8, 8)),
        (COUNTS, (1, 5), (1, 15)),
        (COUNTS, (9, 1), (12, 4)),
        ((20, 30, 110), (1, 1, 1), (2, 3, 11)),
        ((1, 1, 5000), (1, 1, 1), (1, 1, 14)),
    ],
)
def test_every_batch_has_as_many_faces_of_each_store_as_the_weights_say(counts, weights, shares):
    mixture = Mixture(counts, weights, BATCH)
    assert tuple(mixture.shares) == shares
    stores = stores_of(mixture.order(20 * BATCH, 1, 0), counts)
    for store, share in enumerate(shares):
        assert ((stores == store).sum(1) == share).all()


def test_every_face_is_drawn_as_often_as_the_others_of_its_store():
    drawn = np.bincount(Mixture(COUNTS, (1, 1), BATCH).order(22 * BATCH, 1, 0), minlength=120)
    assert drawn.min() == 2 and drawn.max() == 3  # 88 draws of 30 faces, 264 of 90
    few = Mixture((30, 1000), (1, 0.03), BATCH).order(3 * BATCH, 0, 0)
    assert len(set(few)) == len(few), 'an epoch that is too short for all faces repeats none'


def test_seed_and_epoch_make_the_order():
    mixture = Mixture(COUNTS, (1, 1), BATCH)
    orders = [mixture.order(40, seed, epoch) for seed, epoch in ((1, 0), (1, 0), (2, 0), (1, 1))]
    assert orders[0] == orders[1] and len({tuple(order) for order in orders}) == 3
    assert [len(order) for order in orders] == [40] * 4


@pytest.mark.parametrize('ranks', [1, 2, 4])
@pytest.mark.parametrize('weights', [(1, 1), (1, 0.77), (1, 0.5)])
def test_each_store_comes_to_each_place_of_a_batch_and_to_each_rank(ranks, weights):
    mixture = Mixture(COUNTS, weights, BATCH, ranks)
    full = stores_of(mixture.order(3 * BATCH * BATCH, 1, 0)) == 0
    assert (full.mean(0) == mixture.shares[0] / BATCH).all()
    of_ranks = full.reshape(-1, BATCH // ranks, ranks).sum(1)
    assert np.ptp(of_ranks) <= 1 and of_ranks.min() >= 1


def test_a_step_has_the_same_faces_for_any_number_of_ranks():
    one, two = (Mixture(COUNTS, (1, 1), BATCH, ranks).order(5 * BATCH, 1, 0) for ranks in (1, 2))
    assert one != two
    for start in range(0, 5 * BATCH, BATCH):
        assert sorted(one[start : start + BATCH]) == sorted(two[start : start + BATCH])


def test_every_rank_has_a_face_of_the_first_store():
    assert [Mixture(COUNTS, (1, 99), BATCH, ranks).shares[0] for ranks in (1, 2, 4)] == [1, 2, 4]


@pytest.mark.parametrize('batch, ranks', [(1, 1), (2, 2)])
def test_a_batch_without_room_is_refused(batch, ranks):
    with pytest.raises(OptionsError, match=f'more: a batch of {batch} faces is too small for 2 stores'):
        Mixture(COUNTS, (1, 1), batch, ranks)
