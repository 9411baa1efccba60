"""Probes of any sizes in batches."""

import pytest
import torch

from rim_plugin.tools.batches import apply_in_batches, of_all_sizes, of_one_size

SIDES = [7, 14, 7, 28, 7, 14]


@pytest.fixture
def probes():
    """Each holds its own number."""
    return [torch.full((1, 3, side, side), float(number)) for number, side in enumerate(SIDES)]


@pytest.mark.parametrize(
    ('limit', 'expected'),
    [(1, [[0], [2], [4], [1], [5], [3]]), (2, [[0, 2], [4], [1, 5], [3]]), (9, [[0, 2, 4], [1, 5], [3]])],
)
def test_of_one_size(probes, limit, expected):
    assert [*of_one_size(probes, limit)] == expected


@pytest.mark.parametrize('limit', [1, 4, 6, 9])
def test_of_all_sizes(probes, limit):
    found = [*of_all_sizes(probes, limit)]
    assert [number for indices, _ in found for number in indices] == [0, 2, 4, 1, 5, 3]
    assert all(len(indices) == limit for indices, _ in found[:-1])
    for indices, groups in found:
        assert [value for group in groups for value in group[:, 0, 0, 0].tolist()] == indices
        sides = [group.shape[-1] for group in groups]
        assert sides == sorted({SIDES[number] for number in indices})


@pytest.mark.parametrize('limit', [1, 2, 9])
def test_results_come_in_the_order_of_the_probes(probes, limit):
    assert apply_in_batches(probes, limit, lambda batch: (batch[:, 0, 0, 0] * 10).tolist()) == [0, 10, 20, 30, 40, 50]


def test_none():
    assert [*of_one_size([], 4)] == [*of_all_sizes([], 4)] == apply_in_batches([], 4, len) == []
