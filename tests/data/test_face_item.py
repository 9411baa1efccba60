"""Parts of an item: probe sizes, mirror images, padding, and the items that options ask for."""

import random

import cv2
import numpy as np
import pytest
import torch

from rim_plugin.data.face_item import (
    ItemMaker,
    QuerySize,
    dataset_name,
    face_item,
    leave_threads_to_workers,
    mirror_face,
    split_probes,
)
from rim_plugin.data.resize import degrade, to_tensor
from rim_plugin.errors import OptionsError
from rim_plugin.options.datasets import DrawnFaceOptions
from rim_plugin.randomness import SampleIndex

FACE = np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8)


@pytest.mark.parametrize(
    'arguments, message',
    [
        (([28, 225], 224, 'dataset a', True), 'dataset a: query_size: 225 is larger than the faces'),
        (([14, 28], 224, 'dataset a'), 'dataset a: query_size: has to be one number outside training'),
        (([14, 28], 224, 'dataset a', True, 3, 4), 'query_sizes_per_batch: 3 does not divide the batch of 4 faces'),
    ],
)
def test_probe_sizes_that_cannot_be(arguments, message):
    with pytest.raises(OptionsError, match=message):
        QuerySize(*arguments)


def test_the_draws_of_a_batch_are_pinned():
    """Other draws from the same epoch and batch would make a resumed run another one."""
    sizes = QuerySize([7, 14, 28, 56], 224, training=True, draws=2, batch_size=4)
    drawn = [sizes(SampleIndex(0, epoch, position)) for epoch in (0, 1) for position in range(8)]
    expected = [
        [7, 14, 28, 56][draw]
        for epoch in (0, 1)
        for batch in (0, 1)
        for draw in np.random.default_rng((epoch, batch)).integers(4, size=2)
        for _ in range(2)
    ]
    assert drawn == expected and len(set(drawn)) > 2
    assert sizes.canvas == 56 and sizes.global_batch == 4


@pytest.mark.parametrize('sizes, draws', [([28], 2), (28, 2), ([14, 28], 1)])
def test_probes_of_one_size_are_not_padded(sizes, draws):
    assert QuerySize(sizes, 224, training=True, draws=draws, batch_size=2).canvas is None


def test_an_item_without_priors_has_none():
    item = face_item(FACE, 28, canvas=56)
    assert item.keys() == {'lq', 'gt', 'lq_size'} and item['lq_size'] == 28
    assert torch.equal(item['lq'][:, :28, :28], to_tensor(degrade(FACE, 28)))
    assert not item['lq'][:, 28:].any() and not item['lq'][:, :, 28:].any()


def test_probes_are_grouped_in_their_order():
    lq, sizes = torch.rand(5, 3, 8, 8), torch.tensor([4, 4, 8, 4, 2])
    groups = split_probes(lq, sizes)
    assert [tuple(group.shape) for group in groups] == [(2, 3, 4, 4), (1, 3, 8, 8), (1, 3, 4, 4), (1, 3, 2, 2)]
    assert torch.equal(groups[0], lq[:2, :, :4, :4]) and torch.equal(groups[3][0], lq[4, :, :2, :2])


def test_a_mirrored_landmark_changes_side_and_name():
    left_eye, right_eye = [60.0, 90.0], [160.0, 92.0]
    landmarks = np.array([left_eye, right_eye, [110, 130], [80, 170], [140, 171]], np.float32)
    image, mirrored, parsing = mirror_face(FACE, landmarks)
    np.testing.assert_array_equal(image, FACE[:, ::-1])
    np.testing.assert_allclose(mirrored[:2], [[223 - 160, 92], [223 - 60, 90]])
    assert parsing is None


def test_items_are_made_by_the_options(monkeypatch):
    options = DrawnFaceOptions(num_identities=1, query_size=14, prior_size=28, use_hflip=True)
    landmarks, parsing = np.full((68, 2), 100, np.float32), np.zeros((224, 224), np.uint8)
    for draw, face in ((0.49, FACE[:, ::-1]), (0.5, FACE)):
        monkeypatch.setattr(random, 'random', lambda draw=draw: draw)
        item = ItemMaker(options, 'dataset a')(0, 'a', FACE, landmarks, parsing)
        assert torch.equal(item['gt'], to_tensor(np.ascontiguousarray(face)))
    assert item['lq'].shape == (3, 14, 14) and item['heatmaps'].shape == (68, 28, 28) == (68, *item['parsing'].shape)


@pytest.mark.parametrize('opt, name', [({'name': 'a', 'type': 'b'}, 'a'), ({'type': 'b'}, 'b'), ({}, 'of faces')])
def test_how_errors_name_a_dataset(opt, name):
    assert dataset_name(opt) == f'dataset {name}'


class Threads(torch.utils.data.Dataset):
    """Items say how many threads OpenCV has where they are made."""

    def __len__(self):
        return 2

    def __getitem__(self, index):
        cv2.setNumThreads(2)
        leave_threads_to_workers()
        return cv2.getNumThreads()


@pytest.mark.parametrize('workers, threads', [(0, [2, 2]), pytest.param(1, [1, 1], marks=pytest.mark.slow)])
def test_opencv_has_one_thread_in_workers_alone(workers, threads):
    before = cv2.getNumThreads()
    loader = torch.utils.data.DataLoader(Threads(), batch_size=None, num_workers=workers)
    assert list(loader) == threads
    cv2.setNumThreads(before)
