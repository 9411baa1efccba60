"""Options of datasets: defaults, what is needed, and the folders of BasicSR's own."""

import pytest

from rim_plugin.errors import OptionsError
from rim_plugin.options.conversion import convert
from rim_plugin.options.datasets import (
    BASICSR_ROOTS,
    AugmentOptions,
    DegradationOptions,
    DrawnFaceOptions,
    DrawnPairOptions,
    FacePairOptions,
    FacePriorOptions,
)

from basicsr.utils.registry import DATASET_REGISTRY


def test_defaults():
    face = convert({'num_identities': 2}, DrawnFaceOptions)
    assert (face.query_size, face.query_sizes_per_batch, face.prior_size, face.heatmap_sigma) == (28, 1, 56, 1.3)
    assert (face.gt_size, face.faces_per_identity, face.first_identity, face.seed) == (224, 1, 0, 0)
    pair = convert({'num_identities': 2, 'faces_per_identity': 2}, DrawnPairOptions)
    assert (pair.query_size, pair.probe_side, pair.identification, pair.folds) == (28, 'second', False, 10)
    assert face.degradation == pair.degradation == 'none'
    degradation = convert({}, DegradationOptions)
    assert degradation == DegradationOptions() and degradation.probability == 1
    augment = convert({}, AugmentOptions)
    assert (augment.morph, augment.rotate, augment.scale, augment.shift, augment.gamma, augment.from_iter) == (
        *[0] * 5,
        1,
    )


@pytest.mark.parametrize(
    'struct, block, message',
    [
        (FacePriorOptions, {}, 'dataroot_gt: missing .Folder that'),
        (FacePriorOptions, {'dataroot_gt': 'x'}, 'io_backend: missing'),
        (FacePriorOptions, {'dataroot_gt': 'x', 'io_backend': {'type': 'zip'}}, "io_backend.type: 'zip' is not one of"),
        (DrawnFaceOptions, {'num_identities': 1, 'gt_size': 112}, 'gt_size: 112 is not 224'),
        (
            DrawnPairOptions,
            {'num_identities': 1, 'faces_per_identity': 2},
            'num_identities: 1 is not a whole number of',
        ),
        (FacePairOptions, {'dataroot_gt': 'x', 'probe_side': 'third'}, "probe_side: 'third' is not one of"),
        (FacePairOptions, {'dataroot_gt': 'x', 'query_size': [28]}, r'query_size: \[28\] is not a whole number'),
    ],
)
def test_what_is_refused(struct, block, message):
    with pytest.raises(OptionsError, match=message):
        convert(block, struct)


def test_folders_are_known_of_datasets_that_basicsr_has():
    assert BASICSR_ROOTS.keys() <= {name.removesuffix('_basicsr') for name, _ in DATASET_REGISTRY}
