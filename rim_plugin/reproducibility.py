"""What makes a resumed run equal an unbroken one: data order, randomness of items, random states, finite losses.

Nothing here depends on how often a run was stopped. The order of an epoch follows from (manual_seed, epoch), an item's
random numbers from (manual_seed, epoch, position in that order), so neither the number of workers nor the place where a
run was cut can change them. ``rim_plugin.compat`` puts these pieces into BasicSR.
"""

import contextlib
import math
import os
import random

import numpy as np
import torch

from basicsr.utils.dist_util import get_dist_info


class SampleIndex(int):
    """A dataset index that knows where it stands: ``epoch``, and ``position`` in the order of all ranks together."""

    def __new__(cls, index, epoch, position):
        self = super().__new__(cls, index)
        self.epoch, self.position = epoch, position
        return self

    def __getnewargs__(self):
        return int(self), self.epoch, self.position


def epoch_order(length, ratio, seed, epoch, rank=0, world_size=1, skip=0):
    """The indices that one rank draws in one epoch.

    The order of all ranks together is the same for any number of ranks, and rank r takes the positions r, r +
    world_size, ..., so that every step of a distributed run sees the same images as a one-process run with the same
    global batch. What does not divide by world_size is left out, as the data loader leaves out the last incomplete
    batch.

    Args:
        length (int): images in the dataset, > 0.
        ratio (float): BasicSR's ``dataset_enlarge_ratio``: the epoch has ceil(length * ratio) items.
        seed (int): ``manual_seed``.
        epoch (int): from 0.
        rank, world_size (int): of the distributed run.
        skip (int): leave out the first ``skip`` items of this rank, those which a stopped run has already used.

    Returns:
        list[SampleIndex]
    """
    total = math.ceil(length * ratio)
    generator = torch.Generator().manual_seed(_mix(seed, epoch))
    order = torch.randperm(total, generator=generator).tolist()
    positions = range(rank, total - total % world_size, world_size)
    return [SampleIndex(order[position] % length, epoch, position) for position in positions[skip:]]


class SeededDataset(torch.utils.data.Dataset):
    """Draws each item under random states made from (seed, epoch, position) and puts the former states back.

    Reads Python's, numpy's and torch's global CPU generators, which is what BasicSR's datasets use. Attributes are
    those of the wrapped dataset. A plain int index is passed through: only BasicSR's training sampler gives a
    SampleIndex.
    """

    def __init__(self, dataset, seed):
        self.dataset, self.seed = dataset, seed

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, index):
        if not isinstance(index, SampleIndex):
            return self.dataset[index]
        with seeded(self.seed, index.epoch, index.position):
            return self.dataset[index]

    def __getattr__(self, name):
        if name == 'dataset':  # not there yet while a worker process unpickles us
            raise AttributeError(name)
        return getattr(self.dataset, name)


@contextlib.contextmanager
def seeded(*numbers):
    """Run the body under Python, numpy and torch CPU random states made from ``numbers`` (ints); then restore them."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    seed = _mix(*numbers)
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.default_generator.manual_seed(seed)  # torch.manual_seed would also reseed the GPUs, which train meanwhile
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])


def _mix(*numbers):
    """One 63-bit seed out of several ints, without the collisions of a sum."""
    words = np.random.SeedSequence([number % 2**64 for number in numbers]).generate_state(1, np.uint64)
    return int(words[0] >> np.uint64(1))


def rng_state():
    """This process's random states (Python, numpy, torch CPU and current GPU) as tensors and plain values.

    Returns:
        dict: loadable with ``torch.load(weights_only=True)``.
    """
    version, words, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state()
    state = {
        'python': [version, torch.tensor(words, dtype=torch.int64), gauss],
        'numpy': [name, torch.from_numpy(keys.astype(np.int64)), position, has_gauss, cached],
        'torch': torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        state['cuda'] = torch.cuda.get_rng_state()
    return state


def set_rng_state(state):
    """Put back what ``rng_state`` returned. GPU states are left alone where there is none, then or now."""
    version, words, gauss = state['python']
    random.setstate((version, tuple(words.tolist()), gauss))
    name, keys, position, has_gauss, cached = state['numpy']
    np.random.set_state((name, keys.numpy().astype(np.uint32), position, has_gauss, cached))
    torch.set_rng_state(state['torch'])
    if 'cuda' in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state['cuda'])


def plain(value):
    """Numpy scalars and arrays inside dicts and lists turned into Python numbers and tensors; anything else as it
    is."""
    if isinstance(value, dict):
        return type(value)((key, plain(item)) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return type(value)(plain(item) for item in value)
    if isinstance(value, np.generic):
        return value.item()
    return torch.from_numpy(value) if isinstance(value, np.ndarray) else value


class Run:
    """What a process knows about its training run beyond BasicSR's own variables.

    Attributes:
        seed (int): ``manual_seed``; of a resumed run, the one that it was started with.
        iteration (int): the iteration under way or done last.
        epoch (int): the epoch under way; ``None`` before training.
        batches_per_epoch (int): of this rank's data loader.
        resumed (dict): the state that this run was resumed from; empty for a new run.
        pending (dict): epoch, iteration and ``progress`` of a state to be written after validation, or ``None``.
        stop_signal (int): number of the signal that asks for a stop, or ``None``.
    """

    def __init__(self):
        self.reset()

    def reset(self, seed=0):
        """Forget everything: a new run begins."""
        self.seed, self.iteration, self.epoch, self.batches_per_epoch = seed, 0, None, 0
        self.resumed, self.pending, self.stop_signal, self.tb_logger = {}, None, None, None
        self._epoch_began = 0

    def resume(self, state):
        """Continue from ``state``, the content of a BasicSR ``.state`` file."""
        self.resumed, self.iteration = state, state['iter']
        self.seed = state.get('manual_seed', self.seed)

    def batches_to_skip(self, epoch):
        """Batches of ``epoch`` that were used before the stop; 0 unless it is the resumed one, with the same
        batches."""
        same = self.resumed.get('batches_per_epoch') == self.batches_per_epoch
        return self.resumed['batches_done'] if same and epoch == self.resumed['epoch'] else 0

    def begin_epoch(self, epoch):
        """BasicSR's loop has come to ``epoch``."""
        self.epoch, self._epoch_began = epoch, self.iteration - self.batches_to_skip(epoch)

    def progress(self):
        """What a state file needs for the data to go on where they were: dict of ints."""
        return {
            'manual_seed': self.seed,
            'batches_per_epoch': self.batches_per_epoch,
            'batches_done': self.iteration - self._epoch_began,
        }


RUN = Run()


def last_checkpoint(opt):
    """Path of the newest training state of the run that ``opt`` (dict) describes, or the word ``none``."""
    folder = opt['path'].get('training_states', '')
    names = os.listdir(folder) if os.path.isdir(folder) else []
    numbers = [int(name[: -len('.state')]) for name in names if name.endswith('.state') and name[:-6].isdigit()]
    return os.path.join(folder, f'{max(numbers)}.state') if numbers else 'none'


def check_finite(model, losses):
    """Stop before a step would spoil the weights.

    Args:
        model (BaseModel): BasicSR model, for its options.
        losses (dict[str, Tensor | float]): terms by name.

    Raises:
        FloatingPointError: a term is NaN or infinite; names the iteration, the term and the last good checkpoint.
    """
    for name, value in losses.items():
        value = torch.as_tensor(value).detach()
        if not torch.isfinite(value).all():
            rank, _ = get_dist_info()
            raise FloatingPointError(
                f'iteration {RUN.iteration}: {name} is {value.float().mean().item()} (rank {rank}); last good '
                f'checkpoint: {last_checkpoint(model.opt)}. Lower the learning rate or turn on gradient clipping, then '
                'go on from there with --auto_resume.'
            )
