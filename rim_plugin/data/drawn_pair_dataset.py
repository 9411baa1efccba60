"""Pairs of drawn faces: verification and identification for the demo, the tests and whoever has no photos."""

from itertools import combinations

import numpy as np

from rim_plugin.data.drawn_face_dataset import face_key
from rim_plugin.data.face_item import dataset_name, whole_number
from rim_plugin.data.face_pairs import FacePairs
from rim_plugin.data.pair_lists import PairList
from rim_plugin.data.synthetic.faces import draw_face
from rim_plugin.data.synthetic.geometry import PICTURE

from basicsr.utils.registry import DATASET_REGISTRY


@DATASET_REGISTRY.register()
class DrawnPairDataset(FacePairs):
    """All pairs of faces of each drawn person, and as many of two persons; nothing is read from disk.

    As in LFW's list, nobody is in two folds. Items and attributes: see
    :class:`~rim_plugin.data.face_pairs.FacePairs`; the persons are those of :class:`DrawnFaceDataset`.

    Args:
        opt (dict): options
            num_identities (int): number of persons, two a fold at least.
            faces_per_identity (int): faces of each, at least 2.
            first_identity (int): number of the first person; those of a training must not be among them. Default: 0.
            seed (int): another seed gives other persons. Default: 0.
            folds (int): number of folds. Default: 10.
            query_size, probe_side, identification: see FacePairs.

    Raises:
        ValueError: an option is missing or does not fit; the message names it.
    """

    option_keys = frozenset(
        {
            'num_identities',
            'faces_per_identity',
            'first_identity',
            'seed',
            'folds',
            'query_size',
            'probe_side',
            'identification',
        }
    )

    def __init__(self, opt):
        folds = whole_number(opt, 'folds', 10, 1)
        persons, shots = whole_number(opt, 'num_identities', None, 2), whole_number(opt, 'faces_per_identity', None, 2)
        if persons < 2 * folds:
            raise ValueError(
                f'{dataset_name(opt)}: num_identities is {persons}, but {folds} folds need two persons '
                f'each: set it to {2 * folds} or more, or folds to {persons // 2} or fewer.'
            )
        first, seed = whole_number(opt, 'first_identity', 0, 0), whole_number(opt, 'seed', 0, 0)
        super().__init__(
            opt,
            drawn_pairs(persons, shots, folds, first),
            _DrawnFaces(seed, first, shots),
            PICTURE,
            'made by DrawnPairDataset',
            f'drawn persons {first} to {first + persons - 1}, seed {seed}',
        )


class _DrawnFaces:
    alignment = "drawn with five points at ArcFace's template"

    def __init__(self, seed, first, shots):
        self._seed, self._first, self._shots = seed, first, shots

    def _place(self, index):
        return self._first + index // self._shots, index % self._shots

    def name(self, index):
        return face_key(*self._place(index))

    def read(self, index, size):
        return draw_face(self._seed, *self._place(index)).image


def drawn_pairs(persons, shots, folds, first=0):
    """All pairs of each person's faces; and each of these again with its second face another person's of the fold.

    Args:
        persons (int): of whom each fold gets an equal share, in order. shots (int): faces of each person.
        folds (int): number of folds, at most half of ``persons``. first (int): number of the first person.

    Returns:
        PairList: ``images`` holds the faces' names, person by person.
    """
    pairs, issame, fold_of = [], [], []
    for fold, members in enumerate(np.array_split(np.arange(persons), folds)):
        for place, person in enumerate(members):
            for number, (a, b) in enumerate(combinations(range(shots), 2)):
                other = members[(place + 1 + number % (len(members) - 1)) % len(members)]
                pairs += [(person * shots + a, person * shots + b), (person * shots + a, other * shots + b)]
                issame += [True, False]
                fold_of += [fold, fold]
    faces = [(first + person, shot) for person in range(persons) for shot in range(shots)]
    identities, images = [f'{person:06d}' for person, _ in faces], [face_key(*face) for face in faces]
    return PairList(
        images,
        identities,
        np.array(pairs, np.int64),
        np.array(issame),
        np.array(fold_of, np.int64),
        'every person in one fold',
    )
