import pickle
import random
import shutil

import cv2
import numpy as np
import pytest
import torch
from support.face_photos import make_photos

from rim_plugin.data.face_item import QuerySize, mirror_face, split_probes
from rim_plugin.data.face_prior_dataset import FacePriorDataset
from rim_plugin.data.landmarks import PARSING_FLIP, flip_permutation
from rim_plugin.data.prepare import PrepareOptions, prepare_faces
from rim_plugin.data.resize import degrade, to_tensor
from rim_plugin.heatmaps import heatmap_landmarks
from rim_plugin.randomness import SampleIndex

from basicsr.utils.registry import DATASET_REGISTRY

COUNT = 5


@pytest.fixture(scope='module')
def stores(tmp_path_factory):
    """Folder with the same faces as LMDB, as files, and as LMDB without parsing maps."""
    root = tmp_path_factory.mktemp('faces')
    make_photos(root, [f'face_{i}.jpg' for i in range(COUNT)])
    for name, backend, parsing in (
        ('lmdb', 'lmdb', root / 'parsing'),
        ('disk', 'disk', root / 'parsing'),
        ('bare', 'lmdb', None),
    ):
        prepare_faces(
            PrepareOptions(root / 'images', root / name, root / 'landmarks', parsing, backend=backend, workers=1)
        )
    return root


def dataset(stores, name='lmdb', **options):
    backend = 'disk' if name == 'disk' else 'lmdb'
    return FacePriorDataset(
        {
            'name': 'Faces',
            'phase': 'train',
            'dataroot_gt': str(stores / name),
            'io_backend': {'type': backend},
            'batch_size_per_gpu': 2,
            **options,
        }
    )


def assert_equal(a, b):
    assert a.keys() == b.keys()
    for key in a:
        assert torch.equal(a[key], b[key]) if torch.is_tensor(a[key]) else a[key] == b[key], key


def test_the_item_is_as_promised(stores):
    faces = DATASET_REGISTRY.get('FacePriorDataset')(dataset(stores).opt)
    assert len(faces) == COUNT
    item = faces[1]
    expected = {'lq': (3, 28, 28), 'gt': (3, 224, 224), 'landmarks': (68, 2), 'heatmaps': (68, 56, 56)}
    for key, shape in expected.items():
        assert item[key].shape == shape and item[key].dtype == torch.float32, key
    assert item['parsing'].shape == (56, 56) and item['parsing'].dtype == torch.int64
    assert item['lq_path'] == item['gt_path'] == 'face_1'
    assert item['gt'].min() >= 0 and 0.5 < item['gt'].max() <= 1
    assert set(item['parsing'].unique().tolist()) <= set(range(11))


def test_the_item_holds_what_is_stored(stores):
    item = dataset(stores, 'disk')[2]
    bgr = cv2.imread(str(stores / 'disk/gt/face_2.jpg'))
    face = np.ascontiguousarray(bgr[:, :, ::-1])
    assert torch.equal(item['gt'], to_tensor(face)) and torch.equal(item['lq'], to_tensor(degrade(face, 28)))
    parsing = cv2.imread(str(stores / 'disk/parsing/face_2.png'), cv2.IMREAD_GRAYSCALE)
    assert np.array_equal(item['parsing'], parsing[2::4, 2::4])
    inside = ((item['landmarks'] > 0) & (item['landmarks'] < 223)).all(1)
    decoded = heatmap_landmarks(item['heatmaps'][None], 224)[0]
    assert inside.sum() > 40 and (decoded - item['landmarks'])[inside].abs().max() < 0.4


def test_lmdb_and_folder_give_identical_items(stores):
    for options in ({}, {'use_hflip': True, 'query_size': 14, 'prior_size': 28, 'heatmap_sigma': 1.0}):
        for index in range(COUNT):
            items = []
            for name in ('lmdb', 'disk'):
                random.seed(index)
                items.append(dataset(stores, name, **options)[index])
            assert_equal(*items)
    assert items[0]['lq'].shape == (3, 14, 14) and items[0]['parsing'].shape == (28, 28)


def test_a_mirror_image_swaps_left_and_right(stores, monkeypatch):
    plain = dataset(stores)[0]
    monkeypatch.setattr(random, 'random', lambda: 0.49)
    mirrored = dataset(stores, use_hflip=True)[0]
    assert torch.equal(mirrored['gt'], plain['gt'].flip(2))
    assert (mirrored['lq'] - plain['lq'].flip(2)).abs().max() <= 1.01 / 255
    permutation = torch.from_numpy(flip_permutation(68))
    expected = plain['landmarks'][permutation] * torch.tensor([-1.0, 1.0]) + torch.tensor([223.0, 0.0])
    torch.testing.assert_close(mirrored['landmarks'], expected)
    torch.testing.assert_close(mirrored['heatmaps'], plain['heatmaps'][permutation].flip(2), atol=1e-4, rtol=0)
    monkeypatch.setattr(random, 'random', lambda: 0.51)
    assert_equal(dataset(stores, use_hflip=True)[0], plain)


def test_mirroring_a_parsing_map_twice_gives_it_back():
    parsing = np.random.default_rng(0).integers(0, 11, (8, 6), np.uint8)
    image = np.zeros((8, 6, 3), np.uint8)
    mirrored = mirror_face(image, None, parsing)[2]
    assert mirrored[3, 1] == PARSING_FLIP[parsing[3, 4]]
    assert np.array_equal(mirror_face(image, None, mirrored)[2], parsing)


def test_a_missing_prior_is_absent(stores, tmp_path):
    assert 'parsing' not in dataset(stores, 'bare')[0]
    (stores / 'bare/landmarks.npz').rename(tmp_path / 'landmarks.npz')
    try:
        assert dataset(stores, 'bare')[0].keys() == {'lq', 'gt', 'lq_path', 'gt_path'}
    finally:
        (tmp_path / 'landmarks.npz').rename(stores / 'bare/landmarks.npz')


def test_items_without_priors_are_the_same_faces(stores):
    options = {'augment': {'morph': 1, 'rotate': 3}, 'use_hflip': True}
    items = []
    for priors in (True, False):
        random.seed(5)
        items.append(dataset(stores, priors=priors, **options)[1])
    whole, faces = items
    assert whole.keys() - faces.keys() == {'landmarks', 'heatmaps', 'parsing'}
    assert_equal(faces, {key: whole[key] for key in faces})


def test_meta_info_file_names_the_faces(stores, tmp_path):
    every = [item['gt_path'] for item in dataset(stores)]
    file = tmp_path / 'some.txt'
    file.write_text(f'{every[2]}.jpg (224,224,3) 1\n\n{every[0]}\n')
    assert [item['gt_path'] for item in dataset(stores, meta_info_file=str(file))] == [every[2], every[0]]
    file.write_text(f'{every[2]}.jpg\nnobody.jpg\n')
    with pytest.raises(ValueError, match="1 of its 2 faces are not in dataroot_gt .*, for example 'nobody'"):
        dataset(stores, meta_info_file=str(file))
    with pytest.raises(FileNotFoundError, match='no such file'):
        dataset(stores, meta_info_file=str(tmp_path / 'none.txt'))


def test_max_faces_takes_the_first(stores):
    few = dataset(stores, max_faces=2)
    assert len(few) == 2 and few[1]['gt_path'] == 'face_1'


def test_one_query_size_for_each_global_batch(stores, monkeypatch):
    sizes = [16, 28, 56]
    monkeypatch.setattr('basicsr.utils.dist_util.get_dist_info', lambda: (0, 3))
    faces = dataset(stores, query_size=sizes)
    drawn = [[faces[SampleIndex(0, epoch, position)]['lq'].shape[2] for position in range(24)] for epoch in range(3)]
    for epoch in drawn:
        assert all(len(set(epoch[start : start + 6])) == 1 for start in range(0, 24, 6))
    assert {size for epoch in drawn for size in epoch} == set(sizes)
    assert drawn[0] != drawn[1]
    state = random.getstate()
    faces[SampleIndex(0, 0, 0)]
    assert random.getstate() == state


@pytest.mark.parametrize('world', [1, 2])
def test_a_batch_of_several_sizes_shares_them_evenly_and_in_order(stores, monkeypatch, world):
    monkeypatch.setattr('basicsr.utils.dist_util.get_dist_info', lambda: (0, world))
    faces = dataset(stores, query_size=[7, 14, 28, 56], query_sizes_per_batch=2, batch_size_per_gpu=4)
    epoch = [faces[SampleIndex(position % COUNT, 0, position)] for position in range(32 * world)]
    assert all(item['lq'].shape == (3, 56, 56) for item in epoch)
    sizes = [item['lq_size'].item() for item in epoch]
    halves = [set(sizes[start : start + 2 * world]) for start in range(0, len(sizes), 2 * world)]
    assert all(len(half) == 1 for half in halves) and set(sizes) == {7, 14, 28, 56}
    assert any(a != b for a, b in zip(halves[::2], halves[1::2]))


@pytest.mark.parametrize('world', [1, 2])
def test_every_batch_has_every_size_as_often_and_in_the_order_of_the_list(stores, monkeypatch, world):
    monkeypatch.setattr('basicsr.utils.dist_util.get_dist_info', lambda: (0, world))
    sizes = {'query_size': [28, 7, 28], 'query_sizes_per_batch': 'all', 'batch_size_per_gpu': 6 // world}
    faces = dataset(stores, **sizes)
    for epoch in range(2):
        items = [faces[SampleIndex(position % COUNT, epoch, position)] for position in range(18)]
        assert [item['lq_size'].item() for item in items] == [28, 28, 7, 7, 28, 28] * 3
    with pytest.raises(ValueError, match='query_sizes_per_batch: 4, the number of query_size, does not divide .* of 6'):
        dataset(stores, **{**sizes, 'query_size': [7, 14, 28, 56]})


def test_all_of_one_size_need_no_padding(stores):
    item = dataset(stores, query_size=14, query_sizes_per_batch='all')[SampleIndex(0, 0, 0)]
    assert item['lq'].shape == (3, 14, 14) and 'lq_size' not in item


def test_padded_probes_are_split_as_they_were(stores):
    faces = dataset(stores, query_size=[7, 14, 28], query_sizes_per_batch=3, batch_size_per_gpu=3)
    items = [faces[SampleIndex(index, 0, index)] for index in range(COUNT)]
    groups = split_probes(torch.stack([item['lq'] for item in items]), torch.stack([item['lq_size'] for item in items]))
    probes = [probe for group in groups for probe in group]
    for index, (probe, item) in enumerate(zip(probes, items, strict=True)):
        assert torch.equal(probe, dataset(stores, query_size=item['lq_size'].item())[index]['lq'])
        assert not item['lq'][:, probe.shape[-1] :].any() and not item['lq'][..., probe.shape[-1] :].any()


@pytest.mark.parametrize(
    'options, message',
    [
        (
            {'query_size': [7, 14], 'query_sizes_per_batch': 3},
            'query_sizes_per_batch: 3 does not divide the batch of 2 faces',
        ),
        ({'query_sizes_per_batch': 0}, 'query_sizes_per_batch: 0 is not a whole number of at least 1'),
        ({'phase': 'val', 'query_size': [14, 28]}, 'one number outside training; add one val_NAME dataset per size'),
        ({'query_size': []}, r'query_size: \[\] is not'),
        ({'query_size': '28'}, "query_size: '28' is not a whole number"),
        ({'query_size': [28, 0]}, r'query_size: \[28, 0\] is not'),
        ({'gt_size': 112}, r'gt_size is 112.*224.*prepare them again with --size 112'),
        ({'io_backend': {'type': 'zip'}}, "Faces: io_backend.type: 'zip' is not one of lmdb, disk"),
        ({'io_backend': {}}, 'Faces: io_backend.type: missing'),
        ({'dataroot_gt': None}, r'Faces: dataroot_gt: missing \(Folder that rim prepare made'),
        ({'query_size': [7, 225]}, 'query_size: 225 is larger than the faces, which have 224 pixels'),
        ({'prior_size': 0}, 'prior_size: 0 is not a whole number of at least 1'),
        ({'max_faces': -5}, 'max_faces: -5 is not a whole number of at least 1'),
        ({'use_rot': True}, 'use_rot: unknown key'),
    ],
)
def test_options_that_do_not_fit_are_refused(stores, options, message):
    with pytest.raises(ValueError, match=message):
        dataset(stores, **options)


def test_a_plain_index_with_a_list_of_sizes_is_refused(stores):
    with pytest.raises(ValueError, match='one number outside training'):
        dataset(stores, query_size=[14, 28])[0]


@pytest.mark.parametrize(
    'root, backend, message',
    [
        ('nowhere', 'lmdb', 'no such folder.*rim prepare'),
        ('disk', 'lmdb', 'Set io_backend: type: disk'),
        ('lmdb', 'disk', 'Set io_backend: type: lmdb'),
        ('images', 'disk', 'Name the folder that rim prepare made'),
        ('lmdb/gt.lmdb', 'lmdb', 'Name the folder that rim prepare made'),
    ],
)
def test_a_wrong_dataroot_is_named_with_its_key_and_the_remedy(stores, root, backend, message):
    with pytest.raises(FileNotFoundError, match=f'Faces: dataroot_gt: .*{message}'):
        FacePriorDataset({'name': 'Faces', 'dataroot_gt': str(stores / root), 'io_backend': {'type': backend}})


def test_a_damaged_face_is_named(stores, tmp_path):
    path = stores / 'disk/gt/face_3.jpg'
    whole = path.read_bytes()
    path.write_bytes(b'x')
    try:
        with pytest.raises(ValueError, match="gt image of 'face_3' cannot be used .it cannot be decoded."):
            dataset(stores, 'disk')[3]
    finally:
        path.write_bytes(whole)


@pytest.mark.slow
def test_workers_and_their_parent_may_read_the_same_lmdb(stores):
    first, second = dataset(stores), dataset(stores)
    alone = [first[i] for i in range(COUNT)]
    assert_equal(second[0], alone[0])  # twice in one process
    loader = torch.utils.data.DataLoader(first, batch_size=1, num_workers=2)
    for _ in range(2):
        for batch, item in zip(loader, alone, strict=True):
            assert torch.equal(batch['gt'][0], item['gt']) and torch.equal(batch['heatmaps'][0], item['heatmaps'])
    assert_equal(pickle.loads(pickle.dumps(first))[4], alone[4])  # what a spawned worker does
    assert_equal(first[1], alone[1])


def test_query_size_is_fixed_without_a_list():
    assert all(QuerySize(sizes, 224)(3) == 28 for sizes in (28, [28]))


def test_faces_are_augmented_from_their_iteration_on(stores):
    options = {'augment': {'morph': 1, 'from_iter': 3}, 'dataset_enlarge_ratio': 2}  # 5 iterations of 2 faces an epoch
    plain, faces = dataset(stores), dataset(stores, **options)
    for epoch, position, changed in ((0, 3, False), (0, 4, True), (1, 0, True)):
        random.seed(5)
        item, stored = (each[SampleIndex(0, epoch, position)] for each in (faces, plain))
        assert torch.equal(item['gt'], stored['gt']) != changed
        assert torch.equal(item['landmarks'], stored['landmarks']) != changed
        expected = to_tensor(degrade((item['gt'] * 255).round().byte().permute(1, 2, 0).numpy(), 28))
        assert torch.equal(item['lq'], expected), 'the probe is of the face that gt shows'


def test_augmentation_is_drawn_from_the_random_state(stores):
    faces = dataset(stores, augment={'morph': 0.5, 'rotate': 3, 'gamma': 0.2})
    items = []
    for seed in (1, 1, 2):
        random.seed(seed)
        items.append(faces[2])
    assert torch.equal(items[0]['gt'], items[1]['gt']) and not torch.equal(items[0]['gt'], items[2]['gt'])


@pytest.mark.parametrize(
    'options, message',
    [
        ({'augment': {'morf': 1}}, r"dataset Faces: augment.morf: unknown key; did you mean 'morph'\?"),
        ({'augment': {'morph': 2}}, 'dataset Faces: augment.morph: 2 is not a number of at least 0 and of at most 1'),
        ({'augment': {'morph': 1}, 'phase': 'val'}, 'Faces: augment: augmentation is for training'),
    ],
)
def test_wrong_augmentation_is_refused(stores, options, message):
    with pytest.raises(ValueError, match=message):
        dataset(stores, **options)


def test_a_morph_needs_landmarks(stores, tmp_path):
    shutil.copytree(stores / 'disk', tmp_path / 'disk')
    (tmp_path / 'disk/landmarks.npz').unlink()
    with pytest.raises(ValueError, match='have no landmarks.*Prepare them with --landmarks, or set morph: 0'):
        dataset(stores, 'disk', dataroot_gt=str(tmp_path / 'disk'), augment={'morph': 1})


def identities(folder, text):
    path = folder / 'identities.txt'
    path.write_text(text)
    return str(path)


def test_identities_are_numbered_and_morphs_have_none(stores, tmp_path):
    path = identities(tmp_path, 'face_0.jpg 72 60.5\nface_1 9\n\nface_4.jpg 72\nelsewhere 100\n')
    faces = dataset(stores, identities=path)
    assert [faces[i]['identity'].item() for i in range(COUNT)] == [1, 2, -1, -1, 1]  # '100' < '72' < '9'
    assert faces[0]['identity'].dtype == torch.int64 and 'identity' not in dataset(stores)[0]
    morphs = dataset(stores, identities=path, augment={'morph': 1})
    assert [morphs[i]['identity'].item() for i in range(COUNT)] == [-1] * COUNT
    turned = dataset(stores, identities=path, augment={'rotate': 5})
    assert turned[0]['identity'].item() == 1


@pytest.mark.parametrize(
    'text, message',
    [
        ('face_0\n', 'takes the name of a face and its person'),
        ('other 1\n', "names none of the faces in dataroot_gt .*; they are called like 'face_0'"),
    ],
)
def test_wrong_identities_are_refused(stores, tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        dataset(stores, identities=identities(tmp_path, text))
    with pytest.raises(FileNotFoundError, match="identities: no such file 'absent.txt'"):
        dataset(stores, identities='absent.txt')
