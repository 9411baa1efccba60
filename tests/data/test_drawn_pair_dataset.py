from itertools import combinations

import numpy as np
import pytest
import torch

from rim_plugin.data.drawn_face_dataset import DrawnFaceDataset
from rim_plugin.data.drawn_pair_dataset import drawn_pairs

from basicsr.utils.registry import DATASET_REGISTRY


def dataset(**options):
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


def test_faces_are_those_of_the_drawn_dataset():
    pairs = dataset(first_identity=5, query_size=14, identification=True)
    faces = DrawnFaceDataset({'num_identities': 4, 'faces_per_identity': 3, 'first_identity': 5, 'query_size': 14})
    assert len(pairs) == len(faces) == 12
    for mine, drawn in zip(pairs, faces):
        assert mine['gt_path'] == drawn['gt_path'] and mine['lq'].shape == (3, 14, 14)
        assert torch.equal(mine['gt'], drawn['gt']) and torch.equal(mine['lq'], drawn['lq'])
    assert pairs.names == [f'{5 + i // 3:06d}' for i in range(12)]
    assert pairs.identification.gallery.tolist() == [0, 3, 6, 9] and len(pairs.identification.probes) == 8
    assert pairs.protocol['faces'] == 'drawn persons 5 to 8, seed 0' and pairs.protocol['same_pairs'] == 12


@pytest.mark.parametrize(
    'options, words',
    [
        ({'num_identities': None}, 'num_identities: missing (Persons'),
        ({'faces_per_identity': 1}, 'faces_per_identity: 1 is not a whole number of at least 2'),
        ({'folds': 3}, 'num_identities is 4, but 3 folds need two persons each: set it to 6 or more, or folds to 2'),
        ({'folds': 2.5}, 'folds: 2.5 is not a whole number of at least 1'),
        ({'probe_side': 'third'}, "probe_side: 'third' is not one of none, first, second, both"),
    ],
)
def test_options_that_do_not_fit(options, words):
    with pytest.raises(ValueError, match='dataset pairs: ') as caught:
        dataset(**options)
    assert words in str(caught.value)
