"""Order of the training's images: every image once, and the same one for any number of processes."""

import pytest

from rim_plugin.compat.order import epoch_order


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


def test_runs_of_earlier_versions_go_on_in_the_same_order():
    assert epoch_order(8, 1, seed=7, epoch=2) == [3, 1, 7, 0, 5, 6, 2, 4]


def test_an_enlarged_epoch_repeats_images_and_rounds_up():
    order = epoch_order(3, 1.5, seed=0, epoch=0)
    assert len(order) == 5 and set(order) == {0, 1, 2}
