"""BasicSR without a GPU: process groups, DistributedDataParallel, memory."""

import atexit
import ctypes
import os
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from rim_plugin.compat.patching import Function, replaces
from rim_plugin.errors import OptionsError

from basicsr.models.base_model import BaseModel
from basicsr.utils import dist_util

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # of glibc's malloc.h


def keep_memory() -> None:
    """Let freed tensors stay with this process: no page of the next one has to be fetched from the system again.

    By default glibc maps every large tensor anew. Without it a step of rim_fast.yml's student takes 12 % less time on
    a CPU, one through the hallucination network 2 %. Nothing happens with another C library.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(_M_MMAP_MAX, 0)
    mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


@replaces(dist_util, '_init_dist_pytorch')
def _init_dist_pytorch(original: Function, backend: str, **kwargs: Any) -> None:
    """BasicSR knows NCCL only and takes ``rank % 0`` without a GPU: gloo there (CPU training: Real-ESRGAN#91).

    It never leaves the group, whose threads can then abort a process that is done ("terminate called without an active
    exception", exit code -6, now and then).
    """
    if torch.cuda.device_count() > 0:
        original(backend, **kwargs)
        return
    if 'RANK' not in os.environ:
        raise OptionsError(
            '--launcher pytorch: start the command with torchrun, e.g. '
            'torchrun --nproc_per_node=2 -m rim_plugin.train -opt FILE --launcher pytorch'
        )
    dist.init_process_group(backend='gloo', **kwargs)
    atexit.register(_leave_group)


def _leave_group() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


@replaces(dist_util, '_init_dist_slurm')
def _init_dist_slurm(original: Function, backend: str, port: int | None = None) -> None:
    """The same division by zero; there is no gloo path to fall back on, so it is said in words."""
    if torch.cuda.device_count() == 0:
        raise OptionsError('--launcher slurm: no GPU on this node; train on CPUs with torchrun and --launcher pytorch')
    original(backend, port)


@replaces(BaseModel, 'model_to_device')
def _model_to_device(original: Function, self: Any, net: nn.Module) -> nn.Module:
    """``device_ids`` must be left out when the network is on the CPU; BasicSR asks for the current GPU."""
    if not self.opt['dist'] or self.device.type == 'cuda':
        return original(self, net)
    return nn.parallel.DistributedDataParallel(
        net.to(self.device), find_unused_parameters=self.opt.get('find_unused_parameters', False)
    )
