"""Random numbers that follow from seed, stream and place alone."""

import numpy as np
import pytest
import torch
from scipy.stats import kstest, poisson

from rim_plugin.data.counter_random import normal, poisson_counts, uniform


def test_numbers_follow_from_seed_stream_and_place_alone():
    seeds = torch.tensor([3, 2**62, -5, 4])
    numbers = uniform(seeds, 2, (3, 5))
    assert numbers.shape == (4, 3, 5) and numbers.unique().numel() == 60
    assert torch.equal(uniform(seeds[2:3], 2, (3, 5))[0], numbers[2])
    assert torch.equal(uniform(seeds, 2, (3, 8))[:, 0, :5], numbers[:, 0])
    assert not torch.isin(uniform(seeds, 3, (3, 5)), numbers).any()


def test_the_hash_is_splitmix64():
    def reference(state):
        state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        state = (state ^ (state >> 27)) * 0x94D049BB133111EB % 2**64
        return state ^ (state >> 31)

    for seed, stream, place in ((0, 0, 0), (12345, 3, 7), (2**63 - 2, 1, 100)):
        word = reference((reference(seed) + (stream * 2**32 + 1 + place) * 0x9E3779B97F4A7C15) % 2**64)
        found = uniform(torch.tensor([seed]), stream, (place + 1,), torch.float64)[0, -1]
        assert float(found) == ((word >> 12) + 0.5) / 2**52


@pytest.mark.parametrize('shape', [(20000,), ()])
def test_distributions_within_an_item_and_over_items(shape):
    seeds = torch.arange(1 if shape else 20000)
    assert kstest(uniform(seeds, 1, shape).flatten().numpy(), 'uniform').pvalue > 0.01
    assert kstest(normal(seeds, 1, shape).flatten().numpy(), 'norm').pvalue > 0.01


@pytest.mark.parametrize('level', [0, 1, 40, 128, 255])
def test_counts_have_the_poisson_distribution(level):
    chances = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000
    counts = poisson_counts(torch.full((1000,), float(level)), chances)
    assert np.array_equal(counts, poisson.ppf(chances, level / 255 * 256))
