"""A stand-in for CUDA graphs on the CPU: what ran once is run again, operator by operator, on the same memory.

As with CUDA, Python is not run again: a number that it put in, or a tensor that it made, stays as it was.
"""

from contextlib import nullcontext

import torch
from torch import Tensor
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
