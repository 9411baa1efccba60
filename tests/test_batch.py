"""Batch: what a loader gives becomes groups of one size; micro-batches keep the order."""

import pytest
import torch
from support.tiny_rim import batch

from rim_plugin.batch import Batch


def padded(sizes, canvas=12):
    """A loader's dict of faces whose probes have these sizes, each filled with the number of its face from 1."""
    lq = torch.zeros(len(sizes), 3, canvas, canvas)
    for place, size in enumerate(sizes):
        lq[place, :, :size, :size] = place + 1
    return {
        'lq': lq,
        'lq_size': torch.tensor(sizes),
        'gt': torch.arange(len(sizes)).view(-1, 1, 1, 1).expand(-1, 3, 4, 4),
    }


def faces(probes):
    """Sides and numbers of the faces of groups, in order; every pixel has to be the face's."""
    for group in probes:
        assert torch.equal(group, group[:, :1, :1, :1].expand_as(group))
    return [(group.shape[-1], int(face)) for group in probes for face in group[:, 0, 0, 0]]


def test_probes_of_one_size_are_one_group():
    data = batch(4)
    found = Batch.from_data(data)
    assert len(found) == 4 and len(found.probes) == 1 and torch.equal(found.probes[0], data['lq'])
    for name in ('gt', 'landmarks', 'heatmaps', 'parsing'):
        assert torch.equal(getattr(found, name), data[name])
    assert found.identity is None


def test_neighbours_of_one_size_are_a_group_without_their_padding():
    found = Batch.from_data(padded([8, 8, 12, 4, 8]))
    assert [tuple(group.shape) for group in found.probes] == [(2, 3, 8, 8), (1, 3, 12, 12), (1, 3, 4, 4), (1, 3, 8, 8)]
    assert faces(found.probes) == [(8, 1), (8, 2), (12, 3), (4, 4), (8, 5)]


def test_images_come_in_the_memory_format_asked_for():
    for memory_format in (torch.channels_last, torch.contiguous_format):
        found = Batch.from_data(batch(2), memory_format=memory_format)
        assert found.probes[0].is_contiguous(memory_format=memory_format)
        assert found.gt.is_contiguous(memory_format=memory_format)


@pytest.mark.parametrize('count', [1, 2, 3, 6])
def test_micro_batches_are_the_batch_in_order(count):
    whole = Batch.from_data(padded([8, 8, 8, 12, 4, 4]))
    parts = whole.chunks(count)
    assert [len(part) for part in parts] == [6 // count] * count
    assert [face for part in parts for face in faces(part.probes)] == faces(whole.probes)
    assert torch.equal(torch.cat([part.gt for part in parts]), whole.gt)
    assert all(part.parsing is None for part in parts)


def test_faces_at_full_resolution_are_asked_for_by_name():
    with pytest.raises(ValueError, match='no gt'):
        _ = Batch.from_data({'lq': torch.zeros(1, 3, 8, 8)}).truth


MIXED = {**batch(6), 'is_full': torch.tensor([True, False, False, True, True, False])}


def test_full_faces_are_told_apart():
    found, data = Batch.from_data(MIXED), MIXED
    places = [0, 3, 4]
    assert found.full_places.tolist() == places and found.has_full
    assert torch.equal(found.of_full(data['lq']), data['lq'][places])
    for name in ('gt', 'landmarks', 'heatmaps', 'parsing'):
        assert torch.equal(getattr(found.full_faces, name), data[name][places])
    assert found.full_faces.identity is None and torch.equal(found.full_faces.points, found.points[places])


@pytest.mark.parametrize('data', [batch(2), {**batch(2), 'is_full': torch.tensor([True, True])}])
def test_where_all_faces_are_full_nothing_is_taken_out(data):
    found = Batch.from_data(data)
    assert found.full_places is None and found.has_full and found.full_faces is found
    assert found.of_full(found.gt) is found.gt


def test_micro_batches_have_their_own_full_faces():
    parts = Batch.from_data(MIXED).chunks(3)
    assert [part.is_full.tolist() for part in parts] == [[True, False], [False, True], [True, False]]
    assert [part.full_places.tolist() for part in parts] == [[0], [1], [0]]
    assert torch.equal(torch.cat([part.full_faces.gt for part in parts]), Batch.from_data(MIXED).full_faces.gt)
    none = Batch.from_data({**MIXED, 'is_full': torch.tensor([True] * 3 + [False] * 3)}).chunks(2)
    assert none[0].full_places is None and not none[1].has_full and len(none[1].full_faces.gt) == 0
