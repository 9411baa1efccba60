"""Random states made from numbers, and data items that draw from them.

An item's random numbers follow from (manual_seed, epoch, position in the epoch's order), so that neither the number of
workers nor the place where a run was cut can change them.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset


def mix(*numbers: int) -> int:
    """One 63-bit seed out of several ints, without the collisions of a sum."""
    words = np.random.SeedSequence([number % 2**64 for number in numbers]).generate_state(1, np.uint64)
    return int(words[0] >> np.uint64(1))


@contextmanager
def seeded(*numbers: int) -> Iterator[None]:
    """Run the block under Python, numpy and torch CPU random states made from ``numbers``; then restore them."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    seed = mix(*numbers)
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.default_generator.manual_seed(seed)  # torch.manual_seed would also reseed the GPUs, which train meanwhile
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])


class SampleIndex(int):
    """A dataset index that knows where it stands.

    Attributes:
        epoch: from 0.
        position: in the order of all ranks together.
    """

    epoch: int
    position: int

    def __new__(cls, index: int, epoch: int, position: int) -> 'SampleIndex':
        self = super().__new__(cls, index)
        self.epoch, self.position = epoch, position
        return self

    def __getnewargs__(self) -> tuple[int, int, int]:  # type: ignore[override]  # typeshed: int's, which takes one
        return int(self), self.epoch, self.position


class SeededDataset(Dataset[Any]):
    """Draws each item under random states made from (seed, epoch, position) and puts the former states back.

    Reads Python's, numpy's and torch's global CPU generators, which is what BasicSR's datasets use. Attributes are
    those of the wrapped dataset. A plain int index is passed through: only BasicSR's training sampler gives a
    SampleIndex.
    """

    def __init__(self, dataset: Any, seed: int) -> None:
        self.dataset, self.seed = dataset, seed

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        if not isinstance(index, SampleIndex):
            return self.dataset[index]
        with seeded(self.seed, index.epoch, index.position):
            return self.dataset[index]

    def __getattr__(self, name: str) -> Any:
        if name == 'dataset':  # not there yet while a worker process unpickles us
            raise AttributeError(name)
        return getattr(self.dataset, name)


class SeededBatches(SeededDataset):
    """Draws whole batches of a dataset that makes them on a device, by seeds made from (seed, epoch, position).

    The data loader hands over all indices of a batch, and takes what comes as it is.
    """

    def __getitems__(self, indices: list[SampleIndex]) -> Any:
        positions = torch.tensor([index.position for index in indices])
        seeds = positions + mix(self.seed, indices[0].epoch) // 2  # their sum stays below 2^63
        return self.dataset.batch(indices, seeds)


def rng_state() -> dict[str, Any]:
    """This process's random states (Python, numpy, torch CPU and current GPU) as tensors and plain values.

    Returns:
        What ``torch.load(weights_only=True)`` reads.
    """
    version, words, gauss = random.getstate()
    numbers = np.random.get_state(legacy=False)
    keys, position = torch.from_numpy(numbers['state']['key'].astype(np.int64)), numbers['state']['pos']
    state = {
        'python': [version, torch.tensor(words, dtype=torch.int64), gauss],
        'numpy': [numbers['bit_generator'], keys, position, numbers['has_gauss'], numbers['gauss']],
        'torch': torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        state['cuda'] = torch.cuda.get_rng_state()
    return state


def set_rng_state(state: dict[str, Any]) -> None:
    """Put back what :func:`rng_state` returned. A GPU's state is left alone where there is none, then or here."""
    version, words, gauss = state['python']
    random.setstate((version, tuple(words.tolist()), gauss))
    name, keys, position, has_gauss, cached = state['numpy']
    np.random.set_state((name, keys.numpy().astype(np.uint32), position, has_gauss, cached))
    torch.set_rng_state(state['torch'])
    if 'cuda' in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state['cuda'])
