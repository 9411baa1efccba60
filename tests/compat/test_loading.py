"""Data order and loaders: every image once, the same for any number of processes; random states, options, errors."""

import pytest
import torch
from support.tiny_training import TinySet

from rim_plugin.compat.loading import epoch_order
from rim_plugin.data.mixture import Mixture
from rim_plugin.run_state import RUN

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


def test_every_item_once_and_seed_and_epoch_matter():
    order = epoch_order(10, 2, seed=1, epoch=3)
    assert sorted(order) == sorted(list(range(10)) * 2)
    assert [index.position for index in order] == list(range(20)) and {index.epoch for index in order} == {3}
    assert order == epoch_order(10, 2, seed=1, epoch=3)
    assert order != epoch_order(10, 2, seed=2, epoch=3) and order != epoch_order(10, 2, seed=1, epoch=4)


@pytest.mark.parametrize('world_size', [2, 3])
def test_ranks_share_the_order_of_one_process(world_size):
    whole = epoch_order(11, 1, 0, 0)
    ranks = [epoch_order(11, 1, 0, 0, rank, world_size) for rank in range(world_size)]
    together = [index for step in zip(*ranks) for index in step]
    assert together == whole[: len(together)] and len(whole) - len(together) < world_size
    assert [index.position for index in together] == list(range(len(together)))


def test_skip():
    assert epoch_order(10, 1, 0, 0, 1, 2, skip=2) == epoch_order(10, 1, 0, 0, 1, 2)[2:]
    assert [index.position for index in epoch_order(10, 1, 0, 0, 1, 2, skip=2)] == [5, 7, 9]


def test_several_stores_have_an_order_of_their_own():
    mixtures = [Mixture((4, 12), (1, 1), 4, ranks) for ranks in (1, 2)]
    whole = epoch_order(16, 2, 0, 0, own_order=mixtures[1].order)
    assert whole == mixtures[1].order(32, 0, 0) and [index.position for index in whole] == list(range(32))
    ranks = [epoch_order(16, 2, 0, 0, rank, 2, own_order=mixtures[1].order) for rank in range(2)]
    assert [index for step in zip(*ranks) for index in step] == whole
    assert epoch_order(16, 2, 0, 0, 1, 2, 5, mixtures[1].order) == ranks[1][5:]


def test_the_sampler_asks_the_dataset_for_its_mixture():
    items = TinySet({**OPTIONS, 'length': 16})
    items.mixture = Mixture((4, 12), (1, 1), 4)
    sampler = EnlargedSampler(items, 1, 0)
    assert list(sampler) == items.mixture.order(16, RUN.seed, 0)


def test_runs_of_earlier_versions_go_on_in_the_same_order():
    assert epoch_order(8, 1, seed=7, epoch=2) == [3, 1, 7, 0, 5, 6, 2, 4]


def test_an_enlarged_epoch_repeats_images_and_rounds_up():
    order = epoch_order(3, 1.5, seed=0, epoch=0)
    assert len(order) == 5 and set(order) == {0, 1, 2}
