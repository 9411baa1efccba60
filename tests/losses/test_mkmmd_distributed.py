"""MKMMDLoss over two real processes (gloo) against one process on the same global batch."""

import pytest
import torch
import torch.distributed as dist
from support.two_ranks import on_two_ranks
from torch import nn

from rim_plugin.losses.mkmmd_loss import MKMMDLoss


def samples():
    generator = torch.Generator().manual_seed(0)
    source, target = torch.randn(2, 8, 6, generator=generator, dtype=torch.float64)
    return source, target * 1.5 + 0.7


def embedding_net():
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(6, 10), nn.Tanh(), nn.Linear(10, 4)).double()


def gradients_on_one_rank(rank, folder):
    torch.set_num_threads(1)
    dist.init_process_group('gloo', init_method=f'file://{folder}/rendezvous', rank=rank, world_size=2)
    source, target = (x.chunk(2)[rank] for x in samples())
    net = nn.parallel.DistributedDataParallel(embedding_net())
    # as in training: both domains in one pass, and another term beside it
    embeddings = net(torch.cat([source, target]))
    loss = MKMMDLoss()(*embeddings.chunk(2))
    (loss + embeddings.square().mean()).backward()
    torch.save((loss.item(), [p.grad for p in net.parameters()]), f'{folder}/rank{rank}.pt')
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_equal_one(tmp_path):
    on_two_ranks(gradients_on_one_rank, tmp_path)
    source, target = samples()
    net = embedding_net()
    embeddings = net(torch.cat([source, target]))
    loss = MKMMDLoss()(*embeddings.chunk(2))
    (loss + embeddings.square().mean()).backward()
    for rank in range(2):
        value, gradients = torch.load(tmp_path / f'rank{rank}.pt', weights_only=True)
        assert value == pytest.approx(loss.item(), rel=1e-12)
        for gradient, parameter in zip(gradients, net.parameters(), strict=True):
            torch.testing.assert_close(gradient, parameter.grad, rtol=1e-10, atol=1e-13)
