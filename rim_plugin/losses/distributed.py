"""Embeddings of all ranks of a distributed run."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable


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


class _GatherOverRanks(torch.autograd.Function):
    """Concatenates every rank's (N, D) to (ranks * N, D), so that each rank computes the same global loss.

    Each rank keeps the gradient of its own samples only, times the number of ranks: DDP's mean over the ranks then
    gives the gradient of one process on the global batch, with no communication in the backward pass.
    """

    @staticmethod
    def forward(ctx: Any, embeddings: Tensor) -> Tensor:
        ctx.count = len(embeddings)
        return all_ranks(embeddings)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        own = gradient.narrow(0, dist.get_rank() * ctx.count, ctx.count)
        return own * dist.get_world_size()


def gather_over_ranks(embeddings: Tensor) -> Tensor:
    """As :func:`all_ranks`, with the gradient, for a loss that every rank computes of the global batch."""
    return _GatherOverRanks.apply(embeddings) if several_ranks() else embeddings
