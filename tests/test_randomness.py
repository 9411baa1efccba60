"""Seeded items and random states."""

import pickle
import random

import numpy as np
import pytest
import torch
from support.runs import leaves

from rim_plugin.randomness import SampleIndex, SeededDataset, mix, rng_state, seeded, set_rng_state


class Draws(torch.utils.data.Dataset):
    """Items of random numbers from all three generators."""

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return random.random(), float(np.random.rand()), torch.rand(()).item()


def test_items_follow_from_seed_epoch_and_position_only():
    items = SeededDataset(Draws(), seed=3)
    first = items[SampleIndex(0, 1, 2)]
    random.random(), np.random.rand(), torch.rand(())
    assert items[SampleIndex(0, 1, 2)] == first
    reseeded = SeededDataset(Draws(), seed=4)[SampleIndex(0, 1, 2)]
    for other in (items[SampleIndex(0, 1, 3)], items[SampleIndex(0, 2, 2)], reseeded):
        assert all(a != b for a, b in zip(first, other))


def test_the_global_generators_do_not_notice():
    before = leaves(rng_state())
    SeededDataset(Draws(), 3)[SampleIndex(0, 0, 0)]
    assert leaves(rng_state()) == before


def test_states_come_back(tmp_path):
    torch.save(rng_state(), tmp_path / 'state')
    expected = Draws()[0]
    set_rng_state(torch.load(tmp_path / 'state', weights_only=True))
    assert Draws()[0] == expected


def test_numbers_are_not_merely_added():
    with seeded(1, 2):
        first = random.random()
    with seeded(2, 1):
        assert random.random() != first


def test_index_survives_the_way_to_a_worker():
    index = pickle.loads(pickle.dumps(SampleIndex(5, 2, 17)))
    assert (index, index.epoch, index.position) == (5, 2, 17)


def test_runs_of_earlier_versions_go_on_with_the_same_numbers():
    assert mix(7, 2, -1) == 4725573537886862964
    with seeded(7, 2, 0):
        assert Draws()[0] == pytest.approx((0.9756247353680132, 0.46960841193951197, 0.2197543978691101))


def test_an_error_inside_leaves_the_generators_as_they_were():
    before = leaves(rng_state())
    with pytest.raises(KeyError), seeded(1):
        torch.rand(3)
        raise KeyError
    assert leaves(rng_state()) == before


def test_validation_draws_from_the_global_generators():
    items = SeededDataset(Draws(), seed=3)
    assert items[0] != items[0]


def test_a_seeded_dataset_looks_like_the_one_inside():
    data = Draws()
    data.name = 'faces'
    items = pickle.loads(pickle.dumps(SeededDataset(data, seed=3)))
    assert items.name == 'faces' and len(items) == 4
