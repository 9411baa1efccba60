"""The order in which a training sees its images: from (manual_seed, epoch) alone, for any number of processes."""

import math

import torch

from rim_plugin.randomness import SampleIndex, mix


def epoch_order(
    length: int, ratio: float, seed: int, epoch: int, rank: int = 0, world_size: int = 1, skip: int = 0
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
    """
    total = math.ceil(length * ratio)
    order = torch.randperm(total, generator=torch.Generator().manual_seed(mix(seed, epoch))).tolist()
    positions = range(rank, total - total % world_size, world_size)
    return [SampleIndex(order[position] % length, epoch, position) for position in positions[skip:]]
