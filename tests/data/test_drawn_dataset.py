"""Drawn faces and pairs: item contract, mirror images, probe sizes, identities, bad options."""

import random
from itertools import combinations

import numpy as np
import pytest
import torch

from rim_plugin.data.drawn_dataset import DrawnFaceDataset, drawn_pairs
from rim_plugin.data.landmarks import PARSING_FLIP, flip_permutation
from rim_plugin.data.resize import degrade
from rim_plugin.data.synthetic.faces import draw_face
from rim_plugin.heatmaps import landmark_heatmaps
from rim_plugin.randomness import SampleIndex

from basicsr.utils.registry import DATASET_REGISTRY

OPTIONS = dict(name='drawn', num_identities=5, faces_per_identity=3, seed=2)


def make(**options):
    return DrawnFaceDataset({**OPTIONS, **options})


def test_is_registered():
    assert DATASET_REGISTRY.get('DrawnFaceDataset') is DrawnFaceDataset


def test_item_contract():
    item = make(first_identity=40)[7]
    image, landmarks, parsing = draw_face(2, 42, 1)
    expected = {
        'lq': ((3, 28, 28), torch.float32),
        'gt': ((3, 224, 224), torch.float32),
        'landmarks': ((68, 2), torch.float32),
        'heatmaps': ((68, 56, 56), torch.float32),
        'parsing': ((56, 56), torch.int64),
        'identity': ((), torch.int64),
    }
    assert set(item) == {*expected, 'lq_path', 'gt_path'}
    for key, (shape, kind) in expected.items():
        assert item[key].shape == shape and item[key].dtype == kind, key
    np.testing.assert_array_equal(item['gt'].mul(255).round().byte().permute(1, 2, 0), image)
    np.testing.assert_array_equal(item['lq'].mul(255).round().byte().permute(1, 2, 0), degrade(image, 28))
    np.testing.assert_array_equal(item['landmarks'], landmarks)
    np.testing.assert_array_equal(item['heatmaps'], landmark_heatmaps(landmarks, 224))
    assert set(item['parsing'].unique().tolist()) <= set(np.unique(parsing).tolist())
    assert item['identity'] == 42 and item['lq_path'] == item['gt_path'] == '000042_0001'


def test_options_reach_the_item():
    item = make(query_size=14, prior_size=28, heatmap_sigma=2.0)[0]
    assert item['lq'].shape == (3, 14, 14) and item['parsing'].shape == (28, 28)
    np.testing.assert_array_equal(item['heatmaps'], landmark_heatmaps(draw_face(2, 0, 0).landmarks, 224, 28, 2.0))


NOISE = {'noise': {'probability': 1, 'sigma': 20, 'poisson': 0}}


@pytest.mark.parametrize('none', ['none', None])
def test_no_degradation_is_none(none):
    assert torch.equal(make(degradation=none)[1]['lq'], make()[1]['lq'])


def test_validation_has_the_same_probes_whatever_happened_before():
    first, again, other = (make(phase='val', degradation=NOISE, **more) for more in ({}, {}, {'first_identity': 1}))
    probe = first[3]['lq']
    random.seed(7)
    assert torch.equal(again[3]['lq'], probe) and torch.equal(other[0]['lq'], probe)
    assert not torch.equal(probe, make()[3]['lq'])
    state = random.getstate()
    first[0]
    assert random.getstate() == state


def test_training_probes_follow_from_the_random_state():
    dataset = make(phase='train', degradation=NOISE)
    random.seed(7)
    first, second = dataset[3]['lq'], dataset[3]['lq']
    random.seed(7)
    assert torch.equal(dataset[3]['lq'], first) and not torch.equal(first, second)
    state = random.getstate()
    make(phase='train')[3]
    assert random.getstate() == state, 'without degradation no number is drawn'


def test_wrong_degradations_are_named():
    with pytest.raises(ValueError, match=r'degradation.noise.sigma: a range goes .* 3 is above 1'):
        make(degradation={'noise': {'sigma': [3, 1]}})
    with pytest.raises(ValueError, match='degradation: has to be a block of keys'):
        make(degradation='strong')


@pytest.mark.slow
def test_length_and_identities():
    train, val = make(faces_per_identity=2), make(first_identity=5, faces_per_identity=1)
    assert len(train) == 10 and len(val) == 5
    of_train = {train[index]['identity'].item() for index in range(0, len(train), 2)}
    assert of_train == set(range(5))
    assert of_train.isdisjoint({val[index]['identity'].item() for index in range(len(val))})
    assert len({train[index]['gt_path'] for index in range(len(train))}) == len(train)


def test_iteration_ends():
    assert len(list(make(num_identities=1))) == 3
    with pytest.raises(IndexError, match='no face 15'):
        make()[15]


def test_mirror_image_swaps_left_and_right(monkeypatch):
    dataset, plain = make(use_hflip=True), make()[4]
    monkeypatch.setattr(random, 'random', lambda: 0.75)
    np.testing.assert_array_equal(dataset[4]['gt'], plain['gt'])
    monkeypatch.setattr(random, 'random', lambda: 0.25)
    mirrored = dataset[4]
    np.testing.assert_array_equal(mirrored['gt'], plain['gt'].flip(2))
    points = plain['landmarks'].numpy()[flip_permutation(68)]
    np.testing.assert_allclose(mirrored['landmarks'][:, 0], 223 - points[:, 0], atol=1e-4)
    np.testing.assert_allclose(mirrored['landmarks'][:, 1], points[:, 1], atol=1e-4)
    # An even reduction of an even-sided map looks at other pixels from the other side, hence not all pixels agree.
    swapped = torch.from_numpy(PARSING_FLIP)[plain['parsing'].flip(1)]
    assert (mirrored['parsing'] == swapped).float().mean() > 0.93
    assert mirrored['landmarks'][36, 0] < mirrored['landmarks'][45, 0]


def test_use_hflip_follows_the_global_seed():
    dataset = make(use_hflip=True)

    def pictures():
        random.seed(1)
        return torch.stack([dataset[0]['gt'] for _ in range(4)])

    first = pictures()
    assert torch.equal(first, pictures())
    assert len(first.unique(dim=0)) == 2


@pytest.mark.slow
def test_list_of_probe_sizes_is_one_size_a_batch():
    dataset = make(query_size=[14, 28, 56], phase='train', batch_size_per_gpu=4)
    sizes = [dataset[SampleIndex(position % 15, 0, position)]['lq'].shape[-1] for position in range(12)]
    assert all(len(set(sizes[start : start + 4])) == 1 for start in range(0, 12, 4)) and len(set(sizes)) > 1
    with pytest.raises(ValueError, match='query_size: has to be one number outside training'):
        make(query_size=[14, 28], phase='val')


@pytest.mark.slow
def test_batches_through_a_loader():
    loader = torch.utils.data.DataLoader(make(), batch_size=4, num_workers=1)
    batch = next(iter(loader))
    assert batch['gt'].shape == (4, 3, 224, 224) and batch['identity'].tolist() == [0, 0, 0, 1]
    np.testing.assert_array_equal(batch['gt'][3], make()[3]['gt'])


@pytest.mark.parametrize(
    'options, words',
    [
        ({'num_identities': None}, 'dataset drawn: num_identities: missing .Persons'),
        ({'num_identitys': 3}, r"dataset drawn: num_identitys: unknown key; did you mean 'num_identities'\?"),
        ({'num_identities': 0}, 'num_identities: 0 is not a whole number of at least 1'),
        ({'faces_per_identity': 2.5}, 'faces_per_identity: 2.5 is not a whole number of at least 1'),
        ({'first_identity': -1}, 'first_identity: -1 is not a whole number of at least 0'),
        ({'seed': '7'}, "seed: '7' is not a whole number"),
        ({'prior_size': 0}, 'prior_size: 0 is not a whole number of at least 1'),
        ({'gt_size': 128}, 'gt_size: 128 is not 224'),
        ({'query_size': 0}, 'query_size: 0 is not a whole number of at least 1 or a list'),
        ({'heatmap_sigma': 0}, 'heatmap_sigma: 0 is not a number above 0'),
        ({'use_hflip': 1}, 'use_hflip: 1 is not true or false'),
    ],
)
def test_bad_options_are_named(options, words):
    with pytest.raises(ValueError, match=words):
        make(**options)


def pair_dataset(**options):
    opt = {'name': 'pairs', 'phase': 'val', 'num_identities': 4, 'faces_per_identity': 3, 'folds': 2, **options}
    return DATASET_REGISTRY.get('DrawnPairDataset')(opt)


@pytest.mark.parametrize('persons, shots, folds', [(4, 2, 2), (7, 3, 3), (40, 4, 10)])
def test_pairs_are_all_of_a_person_and_as_many_of_two_in_one_fold(persons, shots, folds):
    found = drawn_pairs(persons, shots, folds)
    person = found.pairs // shots
    np.testing.assert_array_equal(person[:, 0] == person[:, 1], found.issame)
    same = {tuple(pair) for pair in found.pairs[found.issame].tolist()}
    assert same == {pair for p in range(persons) for pair in combinations(range(p * shots, (p + 1) * shots), 2)}
    assert len(found.pairs) == 2 * len(same) and len({tuple(pair) for pair in found.pairs.tolist()}) == len(found.pairs)
    fold_of = [set(found.folds[(person == p).any(1)]) for p in range(persons)]
    assert all(len(folds_of_person) == 1 for folds_of_person in fold_of)
    assert set.union(*fold_of) == set(range(folds))
    for fold in range(folds):
        assert found.issame[found.folds == fold].mean() == 0.5


@pytest.mark.slow
def test_faces_of_pairs_are_those_of_the_drawn_pair_dataset():
    pairs = pair_dataset(first_identity=5, faces_per_identity=2, query_size=14, identification=True)
    faces = DrawnFaceDataset({'num_identities': 4, 'faces_per_identity': 2, 'first_identity': 5, 'query_size': 14})
    assert len(pairs) == len(faces) == 8
    for mine, drawn in zip(pairs, faces):
        assert mine['gt_path'] == drawn['gt_path'] and mine['lq'].shape == (3, 14, 14)
        assert torch.equal(mine['gt'], drawn['gt']) and torch.equal(mine['lq'], drawn['lq'])
    assert pairs.names == [f'{5 + i // 2:06d}' for i in range(8)]
    assert pairs.identification.gallery.tolist() == [0, 2, 4, 6] and len(pairs.identification.probes) == 4
    assert pairs.protocol['faces'] == 'drawn persons 5 to 8, seed 0' and pairs.protocol['same_pairs'] == 4


@pytest.mark.parametrize(
    'options, words',
    [
        ({'num_identities': None}, 'num_identities: missing (Persons, two'),
        ({'faces_per_identity': 1}, 'faces_per_identity: 1 is not a whole number of at least 2'),
        ({'folds': 3}, 'num_identities is 4, but 3 folds need two persons each: set it to 6 or more, or folds to 2'),
        ({'folds': 2.5}, 'folds: 2.5 is not a whole number of at least 2'),
        ({'folds': 1}, 'folds: 1 is not a whole number of at least 2'),
        ({'probe_side': 'third'}, "probe_side: 'third' is not one of none, first, second, both"),
    ],
)
def test_options_of_pairs_that_do_not_fit(options, words):
    with pytest.raises(ValueError, match='dataset pairs: ') as caught:
        pair_dataset(**options)
    assert words in str(caught.value)
