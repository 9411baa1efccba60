"""What all datasets of pairs have: sides of a pair, protocol, gallery and probes."""

import zlib

import numpy as np
import pytest
import torch

from rim_plugin.data.degradations import degrade_face
from rim_plugin.data.face_pairs import FacePairs
from rim_plugin.data.pair_lists import PairList
from rim_plugin.data.resize import degrade, to_tensor
from rim_plugin.options.datasets import DegradationOptions, PairOptions

NAMES = ['Ann', 'Ann', 'Bo', 'Cy', 'Bo']


class Faces:
    alignment = 'as they are'

    def __init__(self, side=32):
        rng = np.random.default_rng(0)
        self.images = [rng.integers(0, 256, (side, side, 3), np.uint8) for _ in NAMES]

    def name(self, index):
        return f'face {index}'

    def read(self, index, size):
        return self.images[index]


def pairs(faces=None, names=NAMES, size=32, **options):
    listed = PairList(
        [f'{i}' for i in range(5)],
        names,
        np.array([[0, 1], [2, 3]]),
        np.array([True, False]),
        np.array([0, 1]),
        'a rule',
    )
    return FacePairs(
        {'name': 'p'}, PairOptions(query_size=8, **options), listed, faces or Faces(), size, 'list', 'here'
    )


def test_an_item_is_face_probe_and_place():
    item, face = pairs()[3], Faces().images[3]
    assert torch.equal(item['gt'], to_tensor(face)) and torch.equal(item['lq'], to_tensor(degrade(face, 8)))
    assert (item['index'], item['lq_path'], item['gt_path']) == (3, 'face 3', 'face 3') and len(pairs()) == 5


def test_probes_are_degraded_by_the_name_of_the_face():
    degradation = DegradationOptions()
    dataset, face = pairs(degradation=degradation), Faces().images[3]
    expected = degrade_face(face, 8, degradation, zlib.crc32(b'face 3'))
    assert torch.equal(dataset[3]['lq'], to_tensor(expected)) and torch.equal(dataset[3]['gt'], to_tensor(face))
    assert dataset.protocol['downscaling'].startswith(
        'degraded from 32 to 8 px, rounded to 8 bits: {"probability": 1, '
    )
    assert pairs().protocol['downscaling'] == 'antialiased bicubic from 32 to 8 px, rounded to 8 bits'


def test_every_person_has_one_gallery_face_and_the_others_are_probes():
    sets = pairs(identification=True).identification
    assert sets.gallery.tolist() == [0, 2, 3] and sets.probes.tolist() == [1, 4]
    assert pairs().identification is None


@pytest.mark.parametrize('side, columns', [('none', ()), ('first', (0,)), ('second', (1,)), ('both', (0, 1))])
def test_sides_of_a_pair(side, columns):
    dataset = pairs(probe_side=side)
    assert dataset.probe_columns == columns and dataset.protocol['probe_side'] == side
    assert dataset.protocol['query_size'] == (8 if columns else None)
    assert dataset.protocol['same_pairs'] == 1 and dataset.protocol['folds'] == 2


@pytest.mark.parametrize(
    'arguments, message',
    [
        ({'size': 64}, r"dataset p: gt_size is 64, but face 'face 0' has the shape \(32, 32, 3\)"),
        ({'names': None, 'identification': True}, 'dataset p: identification: a .bin does not tell who'),
        ({'names': list('abcde'), 'identification': True}, 'no person of the list has two images'),
        ({'size': 4}, 'dataset p: query_size: 8 is larger than the faces, which have 4 pixels'),
    ],
)
def test_what_cannot_be(arguments, message):
    with pytest.raises(ValueError, match=message):
        pairs(**arguments)
