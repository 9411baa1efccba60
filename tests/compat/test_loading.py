"""Data loaders of BasicSR: random states, options, errors."""

import pytest
import torch
from support.tiny_training import TinySet

from basicsr.data import build_dataloader
from basicsr.data.data_sampler import EnlargedSampler
from basicsr.data.prefetch_dataloader import CPUPrefetcher

OPTIONS = {'phase': 'train', 'name': 'a', 'batch_size_per_gpu': 2, 'num_worker_per_gpu': 0, 'length': 8}


def test_iterating_leaves_the_global_generator_alone():
    items = TinySet(OPTIONS)
    loader = build_dataloader(items, OPTIONS, num_gpu=0, sampler=EnlargedSampler(items, 1, 0), seed=1)
    before = torch.get_rng_state()
    list(loader)
    assert torch.equal(before, torch.get_rng_state())


def test_options_that_torch_refuses():
    options = {**OPTIONS, 'phase': 'val', 'persistent_workers': True, 'pin_memory': True}
    assert len(list(build_dataloader(TinySet(options), options))) == 8


def test_an_error_while_prefetching_is_raised():
    class Broken(TinySet):
        def __getitem__(self, index):
            raise ValueError('this image is damaged')

    options = {**OPTIONS, 'prefetch_mode': 'cpu'}
    loader = build_dataloader(Broken(options), options, num_gpu=0, seed=1)
    with pytest.raises(ValueError, match='this image is damaged'):
        CPUPrefetcher(loader).next()
