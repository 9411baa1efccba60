"""Probes of any sizes, (1, 3, q, q) each, in batches for the networks."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import TypeVar

import torch
from torch import Tensor

Result = TypeVar('Result')


def of_one_size(probes: Sequence[Tensor], limit: int) -> Iterator[list[int]]:
    """Numbers of probes of one size, at most ``limit`` at a time."""
    groups: dict[int, list[int]] = defaultdict(list)
    for index, probe in enumerate(probes):
        groups[probe.shape[-1]].append(index)
    for group in groups.values():
        for start in range(0, len(group), limit):
            yield group[start : start + limit]


def of_all_sizes(probes: Sequence[Tensor], limit: int) -> Iterator[tuple[list[int], list[Tensor]]]:
    """At most ``limit`` probes at a time: their numbers, by size, and the probes in groups (n, 3, q, q) of one size.

    One face alone takes a CPU twice the time of one among several, whatever their sizes.
    """
    order = sorted(range(len(probes)), key=lambda index: probes[index].shape[-1])
    for start in range(0, len(order), limit):
        indices = order[start : start + limit]
        by_size = groupby((probes[index] for index in indices), key=lambda probe: probe.shape[-1])
        yield indices, [torch.cat([*group]) for _, group in by_size]


def apply_in_batches(
    probes: Sequence[Tensor], limit: int, function: Callable[[Tensor], Iterable[Result]]
) -> list[Result]:
    """``function`` of probes in batches of one size, results in the probes' order.

    Args:
        probes: of any sizes.
        limit: probes in a batch, at most.
        function: of a batch (n, 3, q, q); n results.
    """
    results: dict[int, Result] = {}
    for indices in of_one_size(probes, limit):
        results.update(zip(indices, function(torch.cat([probes[index] for index in indices]))))
    return [results[index] for index in range(len(probes))]
