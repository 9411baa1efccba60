"""Further stores of smaller faces in a training's dataset: as items of workers, and as batches on the device."""

import random

import cv2
import numpy as np
import pytest
import torch
from support.face_photos import make_aligned, make_photos

from rim_plugin.compat.loading import epoch_order
from rim_plugin.data.augment import FaceAugmentation, Frame, draw_blend, morph_faces
from rim_plugin.data.face_prior_dataset import FacePriorDataset
from rim_plugin.data.photo_files import decode_image
from rim_plugin.data.prepare import PrepareOptions, prepare_faces
from rim_plugin.data.resize import degrade, enlarge, to_tensor
from rim_plugin.errors import OptionsError
from rim_plugin.options.datasets import AugmentOptions

FULL, SMALL, BATCH = 4, 5, 6
CHANGES = {'morph': 0.5, 'blend_noise': 1, 'rotate': 3, 'scale': 0.05, 'shift': 4, 'gamma': 0.2}


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    """Folder with a store of faces of 224 pixels, one of aligned faces of 128, and a list of persons of each."""
    root = tmp_path_factory.mktemp('faces')
    make_photos(root, [f'face_{i}.jpg' for i in range(FULL)])
    make_aligned(root / 'aligned', SMALL)
    prepare_faces(PrepareOptions(root / 'images', root / 'full', root / 'landmarks', root / 'parsing', workers=1))
    prepare_faces(PrepareOptions(root / 'aligned', root / 'small', aligned=8, size=128, workers=1))
    (root / 'full.txt').write_text('face_0.jpg a\nface_1.jpg b\nface_3.jpg a\n')
    (root / 'small.txt').write_text('small_0.jpg b\nsmall_1.jpg -\nsmall_4.jpg a\n')
    return root


def options(root, further=None, **changed):
    more = {'dataroot_gt': str(root / 'small'), 'io_backend': {'type': 'lmdb'}, **(further or {})}
    main = {'dataroot_gt': str(root / 'full'), 'io_backend': {'type': 'lmdb'}, 'batch_size_per_gpu': BATCH}
    return {'name': 'Faces', 'phase': 'train', 'more': [more], **main, **changed}


def dataset(root, further=None, **changed):
    return FacePriorDataset(options(root, further, **changed))


def on_device(root, further=None, **changed):
    faces = dataset(root, further, on_device=True, **changed)
    faces.place(torch.device('cpu'))
    return faces


def order(faces, count=BATCH, epoch=0):
    return epoch_order(len(faces), 10, 1, epoch, own_order=faces.mixture.order)[:count]


def stored(root, number):
    return decode_image((root / f'aligned/small_{number}.jpg').read_bytes())


def test_an_item_of_a_smaller_face_is_enlarged_and_its_probe_is_not_of_the_enlarged_one(root):
    faces = dataset(root, query_size=28)
    assert len(faces) == FULL + SMALL
    full, small = faces[0], faces[FULL + 2]
    assert full['is_full'] and not small['is_full'] and full.keys() == small.keys()
    assert small['lq_path'] == 'small_2' and small['gt'].shape == (3, 224, 224)
    window = np.ascontiguousarray(stored(root, 2)[8:-8, 8:-8])
    assert torch.equal(small['lq'], to_tensor(degrade(window, 28)))
    assert torch.equal(small['gt'], enlarge(to_tensor(window)[None], 224)[0])
    back = degrade((small['gt'] * 255).round().byte().permute(1, 2, 0).numpy(), 112)
    assert np.abs(back.astype(int) - window).mean() < 2
    assert not any(small[name].any() for name in ('landmarks', 'heatmaps', 'parsing'))
    assert full['landmarks'].all() and full['heatmaps'].any() and full['parsing'].any()


def test_the_largest_probe_is_the_window_itself(root):
    small = dataset(root, query_size=112)[FULL]
    assert torch.equal(small['lq'], to_tensor(stored(root, 0)[8:-8, 8:-8]))
    with pytest.raises(OptionsError, match='query_size: 113 is larger than the faces, which have 112 pixels'):
        dataset(root, query_size=113)


def test_without_further_stores_nothing_is_told(root):
    assert 'is_full' not in dataset(root, more=[])[0] and dataset(root, more=[]).mixture is None


@pytest.mark.parametrize(
    'changed',
    [
        {},
        {'query_size': [7, 14, 112], 'query_sizes_per_batch': 'all'},
        {'query_size': [7, 28]},
        {'priors': False},
        {'identities': 'full.txt'},
    ],
)
def test_a_batch_holds_the_items_of_the_dataset(root, changed):
    if 'identities' in changed:
        changed = {'identities': str(root / 'full.txt'), 'further': {'identities': str(root / 'small.txt')}}
    plain, faces = dataset(root, **changed), on_device(root, **changed)
    indices = order(faces)
    batch, expected = faces.batch(indices, torch.arange(BATCH)), [plain[index] for index in indices]
    expected = torch.utils.data.default_collate(expected)
    assert batch.keys() == expected.keys() and 0 < batch['is_full'].sum() < BATCH
    for key, value in expected.items():
        if key in ('heatmaps', 'gt'):
            torch.testing.assert_close(batch[key], value, atol=1e-6, rtol=0)
        else:
            assert torch.equal(batch[key], value) if torch.is_tensor(value) else batch[key] == value, key


@pytest.mark.slow
def test_changes_follow_from_the_seeds_and_come_to_faces_of_both_kinds(root):
    faces, plain = on_device(root, augment=CHANGES, use_hflip=True, degradation={}), on_device(root)
    indices, seeds = order(faces), torch.arange(BATCH)
    first, again, other, unchanged = (
        each.batch(indices, seeds + shift) for each, shift in ((faces, 0), (faces, 0), (faces, 9), (plain, 0))
    )
    assert all(torch.equal(first[key], again[key]) for key in ('lq', 'gt'))
    for batch in (other, unchanged):
        assert (first['gt'] != batch['gt']).flatten(1).any(1).all()
    assert (first['gt'] - unchanged['gt']).flatten(1).abs().mean(1).min() > 0.01


def test_items_change_as_batches_do(root):
    faces = dataset(root, augment=CHANGES)
    random.seed(3)
    item = faces[FULL]
    random.seed(3)
    own = faces._sources[1].face('small_0', True)
    augment = FaceAugmentation(AugmentOptions(**CHANGES), Frame(8, 0.5))
    key = random.choice(faces._sources[1].keys) if augment.wants_morph() else None
    image = augment(own, faces._sources[1].face(key, True) if key else None)[0]
    assert image.shape == (112, 112, 3)
    assert torch.equal(item['gt'], enlarge(to_tensor(image)[None], 224)[0])
    assert torch.equal(item['lq'], to_tensor(degrade(image, 28)))


def test_the_margin_fills_what_comes_into_the_window():
    """A face with a margin is shifted as the whole of a larger picture would be."""
    image = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8), (0, 0), 2)
    augment = FaceAugmentation(AugmentOptions(shift=3), Frame(10, 1))
    x, y = _shift(1)
    random.seed(1)
    found = augment((image, None, None))[0]
    whole = cv2.warpAffine(image, np.float64([[1, 0, x], [0, 1, y]]), (60, 60), flags=cv2.INTER_CUBIC)
    assert max(abs(x), abs(y)) < 10 and np.abs(found.astype(int) - whole[10:-10, 10:-10]).max() <= 1


def test_shifts_are_in_pixels_of_the_hr_image():
    for scale in (0.5, 1):
        augment = FaceAugmentation(AugmentOptions(shift=4), Frame(0, scale))
        random.seed(2)
        np.testing.assert_allclose(augment._pose(50)[:, 2], np.array(_shift(2)) * 4 / 3 * scale)


def test_aligned_faces_are_blended_where_they_lie():
    images = np.random.default_rng(1).integers(0, 256, (2, 112, 112, 3), np.uint8)
    random.seed(0)
    blend = draw_blend(112, 2)
    morph, landmarks, parsing = morph_faces((images[0], None, None), (images[1], None, None), 0.3, blend)
    expected = blend[..., None] * images[0].astype(float) + (1 - blend[..., None]) * images[1]
    assert landmarks is parsing is None and np.abs(morph - expected).max() <= 1
    with pytest.raises(ValueError, match='5 and 0 landmarks do not fit together'):
        morph_faces((images[0], np.zeros((5, 2), np.float32), None), (images[1], None, None), 0.5, 0.5)


def test_morphs_join_faces_of_one_store(root):
    """Faces of the further store are black here, and stay so."""
    faces = on_device(root, augment={'morph': 1})
    black = faces._device_faces._stores[1]
    black._images.zero_()
    batch = faces.batch(order(faces), torch.arange(BATCH))
    light = batch['gt'].flatten(1).mean(1)
    assert (light[~batch['is_full']] == 0).all() and (light[batch['is_full']] > 0.1).all()


def test_persons_of_different_stores_are_different(root):
    lists = {'identities': str(root / 'full.txt'), 'further': {'identities': str(root / 'small.txt')}}
    faces = dataset(root, **lists)
    assert [faces[i]['identity'].item() for i in range(FULL + SMALL)] == [0, 1, -1, 0, 3, -1, -1, -1, 2]
    faces = dataset(root, further={'identities': str(root / 'small.txt')})
    assert [faces[i]['identity'].item() for i in range(FULL + SMALL)] == [-1] * FULL + [1, -1, -1, -1, 0]
    assert 'identity' not in dataset(root)[0]


def test_a_list_names_the_faces_of_a_further_store(root, tmp_path):
    (tmp_path / 'few.txt').write_text('small_3.jpg\nsmall_1.jpg\n')
    faces = dataset(root, further={'meta_info_file': str(tmp_path / 'few.txt')})
    assert [faces[FULL + i]['lq_path'] for i in range(2)] == ['small_3', 'small_1'] and len(faces) == FULL + 2


def test_weights_say_how_often_faces_are_drawn(root):
    shares = [dataset(root, further={'weight': weight}).mixture.shares.tolist() for weight in (0.1, 1, 4)]
    assert shares == [[5, 1], [3, 3], [1, 5]]


def test_aligned_faces_may_be_the_hr_images_of_a_dataset(root):
    small = {'dataroot_gt': str(root / 'small'), 'more': [], 'gt_size': 112}
    assert torch.equal(dataset(root, **small)[1]['gt'], to_tensor(stored(root, 1)[8:-8, 8:-8]))
    with pytest.raises(OptionsError, match=r'gt_size is 128, .* \(128, 128, 3\) with a margin of 8: set gt_size'):
        dataset(root, **{**small, 'gt_size': 128})


@pytest.mark.parametrize(
    'further, changed, message',
    [
        ({'weight': 0}, {}, r'dataset Faces: more\[0\].weight: 0 is not a number above 0'),
        ({'dataroot_gt': 'nowhere'}, {}, r'dataset Faces: more\[0\]: dataroot_gt: .*no such folder'),
        ({'identities': 'nowhere'}, {}, "identities: no such file 'nowhere'"),
        ({'wait': 1}, {}, r"more\[0\].wait: unknown key; did you mean 'weight'"),
        ({}, {'phase': 'val'}, 'more: further stores are for training'),
        ({}, {'batch_size_per_gpu': 1}, 'dataset Faces: more: a batch of 1 faces is too small for 2 stores'),
    ],
)
def test_options_that_do_not_fit_are_refused(root, further, changed, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        dataset(root, further, **changed)


def test_larger_faces_are_refused_and_as_large_ones_have_no_priors(root):
    small = {'dataroot_gt': str(root / 'small'), 'gt_size': 112, 'query_size': 28}
    with pytest.raises(OptionsError, match=r'more\[0\]: .* 224 pixels, more than gt_size, 112; prepare them with'):
        dataset(root, further={'dataroot_gt': str(root / 'full')}, **small)
    faces = dataset(root, **small)
    assert [bool(faces[index]['is_full']) for index in (SMALL - 1, SMALL)] == [True, False]


def _shift(seed):
    """Displacement that a pose of deviation 3 has."""
    random.seed(seed)
    _angle, _scale, x, y = (random.gauss(0, 1) for _ in range(4))
    return 3 * x, 3 * y
