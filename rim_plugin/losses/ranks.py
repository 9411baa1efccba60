"""Embeddings of all ranks of a distributed run."""

import torch
import torch.distributed as dist


def several_ranks():
    """Whether this is a distributed run of two ranks or more."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def all_ranks(embeddings):
    """Every rank's (N, D), N being the same on each, as (ranks * N, D) in the ranks' order; no gradient."""
    if not several_ranks():
        return embeddings.detach()
    parts = [torch.empty_like(embeddings) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, embeddings.detach().contiguous())
    return torch.cat(parts)
