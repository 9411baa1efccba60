"""Data order and data loaders: reproducible, resumable, and free of options that crash on a CPU."""

import functools
import logging
import math
import signal
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from rim_plugin.compat.patching import Function, replaces
from rim_plugin.errors import OptionsError
from rim_plugin.options.datasets import require_batch
from rim_plugin.randomness import SampleIndex, SeededBatches, SeededDataset, mix
from rim_plugin.run_state import RUN

from basicsr import data as basicsr_data
from basicsr.data.data_sampler import EnlargedSampler
from basicsr.data.prefetch_dataloader import PrefetchGenerator
from basicsr.utils import get_root_logger

Order = Callable[[int, int, int], list[int]]  # number of items, seed and epoch to their numbers in the dataset


def epoch_order(
    length: int,
    ratio: float,
    seed: int,
    epoch: int,
    rank: int = 0,
    world_size: int = 1,
    skip: int = 0,
    own_order: Order | None = None,
) -> list[SampleIndex]:
    """The indices that one rank draws in one epoch.

    The order of all ranks together is the same for any number of ranks, and rank r takes the positions r, r +
    world_size, ..., so that every step of a distributed run sees the same images as a one-process run with the same
    global batch. What does not divide by world_size is left out, as the data loader leaves out the last incomplete
    batch.

    Args:
        length: images in the dataset, > 0.
        ratio: BasicSR's ``dataset_enlarge_ratio``: the epoch has ceil(length * ratio) items.
        seed: ``manual_seed``.
        epoch: from 0.
        rank: of this process in the distributed run.
        world_size: processes in it.
        skip: leave out the first ``skip`` items of this rank, those which a stopped run has already used.
        own_order: of a dataset that has one.
    """
    total = math.ceil(length * ratio)
    if own_order is None:
        order = torch.randperm(total, generator=torch.Generator().manual_seed(mix(seed, epoch))).tolist()
    else:
        order = own_order(total, seed, epoch)
    positions = range(rank, total - total % world_size, world_size)
    return [SampleIndex(order[position] % length, epoch, position) for position in positions[skip:]]


@replaces(EnlargedSampler, '__init__')
def _sampler_init(
    original: Function, self: Any, dataset: Dataset[Any], num_replicas: int, rank: int, ratio: float = 1
) -> None:
    """Keeps the ratio, and drops instead of repeating what ``num_replicas`` does not divide: same order for any
    number."""
    original(self, dataset, num_replicas, rank, ratio)
    self.ratio, self.batch_size = ratio, 0  # the batch size comes with the loader
    self.num_samples = math.ceil(len(self.dataset) * ratio) // num_replicas
    self.total_size = self.num_samples * num_replicas


@replaces(EnlargedSampler, '__iter__')
def _sampler_iter(_original: Function, self: Any) -> Iterator[SampleIndex]:
    """BasicSR shuffles by the epoch alone, whatever ``manual_seed`` is, and begins a resumed epoch anew."""
    skip = RUN.batches_to_skip(self.epoch) * self.batch_size
    length, rank, world_size = len(self.dataset), self.rank, self.num_replicas
    mixture = getattr(self.dataset, 'mixture', None)
    own_order = None if mixture is None else mixture.order
    return iter(epoch_order(length, self.ratio, RUN.seed, self.epoch, rank, world_size, skip, own_order))


@replaces(EnlargedSampler, 'set_epoch')
def _sampler_set_epoch(original: Function, self: Any, epoch: int) -> None:
    """The loop tells the sampler, and nobody else, which epoch it is in."""
    original(self, epoch)
    RUN.begin_epoch(epoch)


@replaces(PrefetchGenerator, 'run')
def _prefetch_run(original: Function, self: Any) -> None:
    """An error in BasicSR's prefetching thread ends the thread only: the training waits for its next item for ever."""
    try:
        original(self)
    except BaseException as error:  # handed over to the training's thread, which raises it
        self.queue.put(error)


@replaces(PrefetchGenerator, '__next__')
def _prefetch_next(original: Function, self: Any) -> Any:
    """Raises what the thread handed over."""
    item = original(self)
    if isinstance(item, BaseException):
        raise item
    return item


@replaces(basicsr_data, 'build_dataloader')
def _build_dataloader(
    original: Function,
    dataset: Any,
    dataset_opt: dict[str, Any],
    num_gpu: int = 1,
    dist: bool = False,
    sampler: Any = None,
    seed: int | None = None,
) -> DataLoader[Any]:
    """Items draw from seeded random states; iterating leaves the global one alone; Ctrl-C reaches the main process
    only. Batches may be made on the training's device."""
    dataset_opt, on_device = _supported(dataset_opt), getattr(dataset, 'on_device', False)
    if on_device:
        dataset.place(torch.device('cuda' if num_gpu and torch.cuda.is_available() else 'cpu'))
    if dataset_opt['phase'] == 'train':
        dataset = (SeededBatches if on_device else SeededDataset)(dataset, seed or 0)
    loader = original(dataset, dataset_opt, num_gpu=num_gpu, dist=dist, sampler=sampler, seed=seed)
    if on_device:
        loader.collate_fn = _as_it_is
    loader.generator = torch.Generator().manual_seed(seed or 0)
    loader.worker_init_fn = functools.partial(_init_worker, loader.worker_init_fn)
    return loader


def _as_it_is(batch: Any) -> Any:
    return batch


def _supported(dataset_opt: dict[str, Any]) -> dict[str, Any]:
    """A copy of the options without what torch's DataLoader refuses or what would break the reproducibility."""
    dataset_opt = dict(dataset_opt)
    if dataset_opt.get('on_device'):  # the training's own process makes the batches
        dataset_opt.update(num_worker_per_gpu=0, prefetch_mode=None, pin_memory=False)
    training, threaded = dataset_opt['phase'] == 'train', dataset_opt.get('prefetch_mode') == 'cpu'
    if not training or threaded or dataset_opt['num_worker_per_gpu'] == 0:
        # torch raises without a worker, as in validation; prefetching threads of two epochs would share the workers
        dataset_opt.pop('persistent_workers', None)
    if not torch.cuda.is_available():
        dataset_opt['pin_memory'] = False
    if training and threaded and dataset_opt['num_worker_per_gpu'] == 0:
        get_root_logger().warning(
            'prefetch_mode cpu without a worker draws items in a thread that shares the random '
            'state of the training: one worker process is used.'
        )
        dataset_opt['num_worker_per_gpu'] = 1
    return dataset_opt


def _init_worker(init: Callable[[int], None] | None, worker_id: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends Ctrl-C to all; the main process stops the workers
    torch.set_num_threads(1)
    if init is not None:
        init(worker_id)


def create_train_val_dataloader(original: Function, opt: dict[str, Any], logger: logging.Logger) -> tuple[Any, ...]:
    """Patches the function of BasicSR's train.py: seed agreed on by all ranks, place to go on from, enough epochs.

    BasicSR counts ceil(images / batch) iterations an epoch although the loader drops the incomplete batch, so that a
    small dataset ends its epochs before ``total_iter``; a dataset smaller than a batch would loop without any
    iteration.
    """
    RUN.seed = opt['manual_seed'] = _agreed_seed(opt)
    train_loader, sampler, val_loaders, _, total_iters = original(opt, logger)
    try:
        require_batch(len(sampler.dataset), opt['datasets']['train'], opt['world_size'])
    except OptionsError as error:
        raise OptionsError(f'datasets.train: {error}') from None
    RUN.batches_per_epoch, sampler.batch_size = len(train_loader), train_loader.batch_size
    state = RUN.resumed
    if state and state.get('batches_per_epoch') != len(train_loader):
        logger.warning('Batch size or dataset changed since the run was stopped: its epoch begins anew.')
    start, done = (state['epoch'], RUN.batches_to_skip(state['epoch'])) if state else (0, 0)
    epochs = math.ceil((total_iters - RUN.iteration + done) / len(train_loader))
    return train_loader, sampler, val_loaders, start + epochs - 1, total_iters  # the loop includes the last number


def _agreed_seed(opt: dict[str, Any]) -> int:
    """Rank 0's seed: without ``manual_seed`` every rank has drawn its own, and the ranks would share no order."""
    seeds = [RUN.seed]
    if opt['dist']:
        torch.distributed.broadcast_object_list(seeds, src=0)
    return seeds[0]
