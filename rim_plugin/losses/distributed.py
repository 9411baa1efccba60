"""Embeddings of all ranks of a distributed run."""

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.nn.functional import all_gather


def several_ranks() -> bool:
    """Whether this is a distributed run of two ranks or more."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def all_ranks(embeddings: Tensor) -> Tensor:
    """Every rank's (N, D), N being the same on each, as (ranks * N, D) in the ranks' order; no gradient."""
    if not several_ranks():
        return embeddings.detach()
    parts = [torch.empty_like(embeddings) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, embeddings.detach().contiguous())
    return torch.cat(parts)


def gather_over_ranks(embeddings: Tensor) -> Tensor:
    """As :func:`all_ranks`, with the gradient, for a loss that every rank computes of the global batch.

    A rank's gradient is that of its samples, summed over the ranks: DDP's mean then gives the gradient of one process
    on the global batch.
    """
    return torch.cat(all_gather(embeddings)) if several_ranks() else embeddings
