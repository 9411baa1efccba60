"""A stand-in for CUDA graphs on the CPU: what ran once is run again, operator by operator, on the same memory.

As with CUDA, Python is not run again: a number that it put in, or a tensor that it made, stays as it was.
"""

from contextlib import contextmanager, nullcontext

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Recorder(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        self.calls.append((func, args, kwargs or {}, result))
        return result

    @torch.no_grad()
    def replay(self):
        for func, args, kwargs, results in self.calls:
            again = func(*args, **kwargs)
            for kept, new in zip(tree_leaves(results), tree_leaves(again), strict=True):
                if isinstance(kept, Tensor) and kept.untyped_storage().data_ptr() != new.untyped_storage().data_ptr():
                    kept.copy_(new)


class RecordedGraphs:
    """A recorder runs what it records; the first replay therefore does nothing."""

    def __init__(self):
        self.records = []

    def warming_up(self):
        return nullcontext()

    def record(self, run):
        recorder = Recorder()
        with recorder:
            run()
        self.records.append(recorder)
        replays = iter([lambda: None])
        return lambda: next(replays, recorder.replay)()


class _MadeOfNumbers(TorchFunctionMode):
    """Tensors out of Python's numbers, and picks by lists of them, are copies from the CPU's memory."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        name = getattr(func, '__name__', '')
        listed = name == '__getitem__' and any(isinstance(each, list | np.ndarray) for each in _indices(args[1]))
        if listed or name in ('tensor', 'as_tensor', 'new_tensor', 'from_numpy', 'tolist', 'item'):
            raise AssertionError(f'{name} goes through the memory of the CPU')
        return func(*args, **(kwargs or {}))


def _indices(index):
    return index if isinstance(index, tuple) else (index,)


class _Operators(TorchDispatchMode):
    READS = ('_local_scalar_dense', 'nonzero', 'masked_select', 'unique', '_unique2', 'lift_fresh')

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        given = [each for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)]
        name = func.overloadpacket.__name__
        picks = name == 'index' and any(each.dtype == torch.bool for each in given[1:])
        from_cpu = len({each.device.type for each in given if each.ndim or name in ('copy_', '_to_copy')}) > 1
        result = func(*args, **(kwargs or {}))
        to_gpu = name == '_to_copy' and not given[0].is_meta and result.is_meta
        if name in self.READS or picks or from_cpu or to_gpu:
            raise AssertionError(f'{func} reads numbers, or takes them from the CPU')
        return result


@contextmanager
def refuse_host_reads():
    """Over tensors on ``meta`` in the place of a GPU: what no CUDA graph holds ends in an AssertionError.

    That is whatever looks at numbers, whose result has as many elements as the numbers say, or that takes numbers from
    the CPU's memory.
    """
    with _MadeOfNumbers(), _Operators():
        yield
