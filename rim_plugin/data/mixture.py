"""The order in which a training draws the faces of several stores: every batch has as many of each."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from rim_plugin.errors import OptionsError
from rim_plugin.randomness import mix


class Mixture:
    """How many faces of each store a batch has, and which.

    A batch's shapes then never change. From batch to batch its stores move on by a place, since places have sizes of
    probes.

    Args:
        counts: faces of each store; they are numbered through.
        weights: of each store, how often a face of it is drawn, relative to those of the others.
        batch: faces of a step, of all ranks together.
        ranks: processes; each of them gets a face of the first store in every step.

    Attributes:
        shares: faces of each store in a batch: as the weights say, rounded.

    Raises:
        OptionsError: the batch is too small.
    """

    def __init__(self, counts: Sequence[int], weights: Sequence[float], batch: int, ranks: int = 1) -> None:
        self._counts, self._batch, self._ranks = counts, batch, ranks
        wanted = np.multiply(counts, weights) / np.dot(counts, weights) * batch
        least = [ranks] + [1] * (len(counts) - 1)
        self.shares = np.maximum(wanted.round().astype(int), least)
        self.shares[self.shares.argmax()] += batch - self.shares.sum()
        if (self.shares < least).any():
            raise OptionsError(
                f'more: a batch of {batch} faces is too small for {len(counts)} stores; raise batch_size_per_gpu'
            )

    def order(self, total: int, seed: int, epoch: int) -> list[int]:
        """Numbers of the faces of an epoch, all ranks together.

        Args:
            total: faces of the epoch.
            seed: ``manual_seed``.
            epoch: from 0.
        """
        stores = self._stores(math.ceil(total / self._batch))
        order, first = np.empty_like(stores), 0
        for store, count in enumerate(self._counts):
            places = stores == store
            order[places] = first + self._drawn(count, int(places.sum()), mix(seed, epoch, store)).numpy()
            first += count
        numbers: list[int] = order[:total].tolist()
        return numbers

    def _stores(self, batches: int) -> np.ndarray:
        """The store of each face, (batches * batch, )."""
        places = np.arange(self._batch)
        first = places % self._ranks * (self._batch // self._ranks)  # a rank has every ranks-th face of a batch
        steps = (first + places // self._ranks + np.arange(batches)[:, None]) % self._batch
        stores: np.ndarray = _spread(self.shares)[steps].ravel()
        return stores

    @staticmethod
    def _drawn(count: int, length: int, seed: int) -> Tensor:
        """Numbers below ``count``, each as often as the others, or once more; (length, )."""
        generator = torch.Generator().manual_seed(seed)
        rounds = [torch.randperm(count, generator=generator) for _ in range(math.ceil(length / count))]
        return torch.cat(rounds)[:length]


def _spread(shares: np.ndarray) -> np.ndarray:
    """Numbers of stores, each as often as its share, those of one store evenly apart; (sum of shares, )."""
    stores, free = np.zeros(shares.sum(), int), np.arange(shares.sum())
    for store, share in enumerate(shares):
        taken = np.arange(len(free)) * share % len(free) < share
        stores[free[taken]], free = store, free[~taken]
    return stores
