import pickle

import cv2
import numpy as np
import pytest
import torch
from support.face_photos import FIVE_POINTS, make_aligned, make_photos

from rim_plugin.data.alignment import align_face
from rim_plugin.data.face_pair_dataset import FacePairDataset
from rim_plugin.data.prepare import PrepareOptions, prepare_faces
from rim_plugin.data.resize import degrade, to_tensor

from basicsr.utils.registry import DATASET_REGISTRY

NAMES = ['Ann/Ann_0001', 'Ann/Ann_0002', 'Bo/Bo_0001', 'Bo/Bo_0002', 'Cy_D/Cy_D_0001', 'Cy_D/Cy_D_0003']
LFW = '2 1\nAnn 1 2\nBo 2 Ann 2\nCy_D 1 3\nBo 1 Cy_D 3\n'
INDICES = {
    'Ann/Ann_0001': 0,
    'Ann/Ann_0002': 1,
    'Bo/Bo_0002': 2,
    'Cy_D/Cy_D_0001': 3,
    'Cy_D/Cy_D_0003': 4,
    'Bo/Bo_0001': 5,
}


@pytest.fixture(scope='module')
def faces(tmp_path_factory):
    """Folder with photos of three persons, their five points, stores of them, aligned faces, a .bin, and lists."""
    root = tmp_path_factory.mktemp('pairs')
    make_photos(root, [f'{name}.png' for name in NAMES])
    numbers = ' '.join(f'{value:.4f}' for value in FIVE_POINTS.ravel())
    (root / 'points.txt').write_text(''.join(f'{name}.png {numbers}\n' for name in NAMES))
    for name in ('lmdb', 'disk'):
        prepare_faces(PrepareOptions(root / 'images', root / name, root / 'points.txt', backend=name, workers=1))
    small = {}
    for name in NAMES:
        photo = cv2.imread(str(root / f'images/{name}.png'))
        path = root / 'aligned' / f'{name.split("/")[1]}.png'  # all in one folder, as CALFW's are
        path.parent.mkdir(exist_ok=True)
        face, _ = align_face(np.ascontiguousarray(photo), FIVE_POINTS, 112)
        cv2.imwrite(str(path), face)
        small[name] = path.read_bytes()
    (root / 'pairs.txt').write_text(LFW)
    images = [small[NAMES[i]] for i in (0, 1, 3, 1, 4, 5, 2, 5)]
    (root / 'faces.bin').write_bytes(pickle.dumps((images, [True, False, True, False])))
    return root


def dataset(faces, root='lmdb', **options):
    opt = {
        'name': 'pairs',
        'phase': 'val',
        'dataroot_gt': str(faces / root),
        'pair_list': str(faces / 'pairs.txt'),
        'io_backend': {'type': 'lmdb' if root == 'lmdb' else 'disk'},
        **options,
    }
    return FacePairDataset(opt)


def on_the_fly(faces, **options):
    return dataset(faces, 'images', landmarks=str(faces / 'points.txt'), **options)


def test_each_face_once_and_the_pairs_as_indices(faces):
    found = DATASET_REGISTRY.get('FacePairDataset')(dataset(faces).opt)
    assert [found[i]['gt_path'] for i in range(len(found))] == list(INDICES)
    assert found.pairs.tolist() == [[0, 1], [2, 1], [3, 4], [5, 4]]
    assert found.issame.tolist() == [True, False, True, False] and found.folds.tolist() == [0, 0, 1, 1]
    assert found.names == ['Ann', 'Ann', 'Bo', 'Cy_D', 'Cy_D', 'Bo']
    assert found.probe_columns == (1,) and found.identification is None


def test_an_item_is_gallery_face_and_probe(faces):
    item = dataset(faces, query_size=14)[3]
    assert item['gt'].shape == (3, 224, 224) and item['lq'].shape == (3, 14, 14)
    assert item['gt'].dtype == item['lq'].dtype == torch.float32
    assert item['index'] == 3 and item['lq_path'] == item['gt_path'] == 'Cy_D/Cy_D_0001'
    gt = item['gt'].mul(255).round().byte().permute(1, 2, 0).numpy()
    stored = cv2.imread(str(faces / 'disk/gt/Cy_D/Cy_D_0001.jpg'))[:, :, ::-1]
    assert np.array_equal(gt, stored)
    assert torch.equal(item['lq'], to_tensor(degrade(gt, 14)))


@pytest.mark.slow
def test_store_and_folder_give_the_same_faces(faces):
    stored, files, photos = dataset(faces), dataset(faces, 'disk'), on_the_fly(faces)
    for i in range(len(stored)):
        assert torch.equal(stored[i]['gt'], files[i]['gt'])
        assert (stored[i]['gt'] - photos[i]['gt']).abs().mean() < 0.01  # JPEG
        assert stored[i]['gt_path'] == photos[i]['gt_path']
    expected, _ = align_face(cv2.imread(str(faces / 'images/Ann/Ann_0001.png'))[:, :, ::-1].copy(), FIVE_POINTS, 224)
    assert (photos[0]['gt'] - to_tensor(expected)).abs().max() < 0.05  # the points are rounded in their file
    assert "five points to ArcFace's template" in stored.protocol['alignment']
    assert str(faces / 'points.txt') in photos.protocol['alignment']


def test_another_size_is_aligned_to_on_the_fly(faces):
    found = on_the_fly(faces, gt_size=112)
    assert found[0]['gt'].shape == (3, 112, 112) and found.protocol['gallery_size'] == 112


def test_aligned_faces_in_one_folder_and_a_bin_of_them_are_the_same(faces):
    folder = dataset(faces, 'aligned', landmarks='aligned', gt_size=112)
    binary = FacePairDataset({'name': 'bin', 'dataroot_gt': str(faces / 'faces.bin')})
    assert np.array_equal(folder.pairs, binary.pairs) and np.array_equal(folder.issame, binary.issame)
    assert len(folder) == len(binary) == len(NAMES) and binary.names is None
    for i in range(len(folder)):
        assert torch.equal(folder[i]['gt'], binary[i]['gt']) and torch.equal(folder[i]['lq'], binary[i]['lq'])
    assert binary[2]['gt_path'] == '00002' and binary[2]['gt'].shape == (3, 112, 112)
    assert (folder.protocol['alignment'], binary.protocol['alignment']) == (
        'aligned already in the folder',
        'aligned already in the .bin',
    )


SETS = {  # list, and names of the photos, as each publishes them
    'XQLFW': ('1 2\nAnn 1 2\nBo 1 2\nAnn 1 Bo 2\nCy_D 1 Bo 1\n', '{0}/{0}_{1:04d}'),
    'CALFW': (
        'Ann_0001.jpg 1\nAnn_0002.jpg 1\nBo_0001.jpg 2\nBo_0002.jpg 2\n'
        'Ann_0001.jpg 0\nBo_0002.jpg 0\nCy_D_0001.jpg 0\nBo_0001.jpg 0\n',
        '{0}_{1:04d}',
    ),
    'CPLFW': (
        'Ann_1.jpg 1\nAnn_2.jpg 1\nBo_1.jpg 1\nBo_2.jpg 1\nAnn_1.jpg 0\nBo_2.jpg 0\nCy_D_1.jpg 0\nBo_1.jpg 0\n',
        '{0}_{1}',
    ),
}


@pytest.mark.parametrize('name', SETS)
def test_other_sets_with_lists_and_names_as_they_are_published(tmp_path, name):
    pair_list, stem = SETS[name]
    stems = [stem.format(*face) for face in (('Ann', 1), ('Ann', 2), ('Bo', 1), ('Bo', 2), ('Cy_D', 1))]
    make_photos(tmp_path, [f'{stem}.jpg' for stem in stems])
    prepare_faces(PrepareOptions(tmp_path / 'images', tmp_path / 'lmdb', tmp_path / 'landmarks', workers=1))
    (tmp_path / 'pairs.txt').write_text(pair_list)
    found = dataset(tmp_path)
    pairs = [[found[i]['gt_path'] for i in pair] for pair in found.pairs]
    assert pairs == [[stems[0], stems[1]], [stems[2], stems[3]], [stems[0], stems[3]], [stems[4], stems[2]]]
    assert found.issame.tolist() == [True, True, False, False]
    assert found.folds.tolist() == [0, 1, 0, 1]
    assert set(found.names) == {'Ann', 'Bo', 'Cy_D'}


@pytest.mark.parametrize('side, columns', [('none', ()), ('first', (0,)), ('second', (1,)), ('both', (0, 1))])
def test_the_protocol_says_what_was_done(faces, side, columns):
    found = dataset(faces, probe_side=side, query_size=7)
    assert found.probe_columns == columns
    assert found.protocol == {
        'pair_list': str(faces / 'pairs.txt'),
        'faces': str(faces / 'lmdb'),
        'images': 6,
        'pairs': 4,
        'same_pairs': 2,
        'folds': 2,
        'fold_rule': 'as the list has them',
        'probe_side': side,
        'gallery_size': 224,
        'query_size': 7 if columns else None,
        'alignment': "five points to ArcFace's template by a similarity transform, in the prepared store",
        'downscaling': 'antialiased bicubic from 224 to 7 px, rounded to 8 bits' if columns else None,
    }


def test_identification_has_one_gallery_image_a_person(faces):
    found = dataset(faces, identification=True)
    assert found.identification.gallery.tolist() == [0, 2, 3] and found.identification.probes.tolist() == [1, 4, 5]


@pytest.mark.slow
def test_workers_read_the_same_items(faces):
    found = dataset(faces)
    loader = torch.utils.data.DataLoader(found, batch_size=4, num_workers=2)
    items = [batch['gt'] for batch in loader]
    assert torch.equal(torch.cat(items), torch.stack([found[i]['gt'] for i in range(len(found))]))


def test_names_with_signs_are_found_in_the_store(faces, tmp_path):
    names = ['J.R.Müller%_0001.png', 'J.R.Müller%_0002.png', 'K_0002.png']
    make_photos(tmp_path, names)
    prepare_faces(PrepareOptions(tmp_path / 'images', tmp_path / 'lmdb', tmp_path / 'landmarks', workers=1))
    (tmp_path / 'pairs.txt').write_text('1 1\nJ.R.Müller% 1 2\nJ.R.Müller% 1 K 2\n', encoding='utf-8')
    found = dataset(tmp_path)
    assert [f'{found[i]["gt_path"]}.png' for i in range(3)] == names


@pytest.mark.slow
def test_pairs_of_a_store_with_a_margin_are_of_the_windows(tmp_path):
    make_aligned(tmp_path / 'images', 3)
    prepare_faces(PrepareOptions(tmp_path / 'images', tmp_path / 'lmdb', aligned=8, size=128, workers=1))
    (tmp_path / 'pairs.txt').write_text('small_0.jpg 1\nsmall_1.jpg 1\nsmall_0.jpg 0\nsmall_2.jpg 0\n')
    pairs = dataset(tmp_path, gt_size=112)
    photo = cv2.imread(str(tmp_path / 'images/small_0.jpg'))[:, :, ::-1]
    assert torch.equal(pairs[0]['gt'], to_tensor(np.ascontiguousarray(photo[8:-8, 8:-8])))


@pytest.mark.slow
@pytest.mark.real_data
def test_the_real_lfw_is_aligned_on_the_fly(real_faces):
    lfw = real_faces / 'lfw'
    found = FacePairDataset(
        {
            'name': 'lfw',
            'dataroot_gt': str(lfw / 'images'),
            'io_backend': {'type': 'disk'},
            'pair_list': str(lfw / 'pairs.txt'),
            'landmarks': str(lfw / 'landmarks5.txt'),
            'identification': True,
        }
    )
    assert len(found) == 3811 and found[5]['gt'].shape == (3, 224, 224)
    assert found[5]['gt_path'].startswith(f'{found.names[5]}/{found.names[5]}_')
    gallery, probes = found.identification
    assert len(gallery) == len(set(found.names)) and len(gallery) + len(probes) == 3811


@pytest.mark.parametrize(
    'options, error, message',
    [
        (
            {'dataroot_gt': None},
            ValueError,
            r'dataset pairs: dataroot_gt: missing \(A prepared store, a folder of photos',
        ),
        ({'pair_list': None}, ValueError, "pair_list: missing; name LFW's pairs.txt"),
        ({'pair_list': 'nothing.txt'}, FileNotFoundError, 'dataset pairs: pair_list: nothing.txt: no such pair list'),
        ({'probe_side': 'left'}, ValueError, "probe_side: 'left' is not one of none, first, second, both"),
        ({'query_size': [14, 28]}, ValueError, r'query_size: \[14, 28\] is not a whole number'),
        ({'query_size': 225}, ValueError, 'query_size: 225 is larger than the faces'),
        ({'query_size': 0}, ValueError, 'query_size: 0 is not a whole number of at least 1'),
        ({'io_backend': {'type': 'zip'}}, ValueError, "io_backend.type: 'zip' is not one of lmdb, disk"),
        ({'dataroot_gt': 'nowhere'}, FileNotFoundError, 'dataroot_gt: .nowhere.: no such folder'),
        ({'dataroot_gt': 'nowhere', 'landmarks': 'aligned'}, FileNotFoundError, 'Photos: no such folder: nowhere'),
        ({'dataroot_gt': 'nowhere.bin'}, FileNotFoundError, 'nowhere.bin: no such pair list'),
    ],
)
def test_options_that_do_not_fit_are_refused(faces, options, error, message):
    with pytest.raises(error, match=message):
        dataset(faces, **options)


def with_list(faces, tmp_path, text, **options):
    (tmp_path / 'list.txt').write_text(text)
    return dataset(faces, **{'pair_list': str(tmp_path / 'list.txt'), **options})


def test_absent_images_are_counted_and_the_first_is_named(faces, tmp_path):
    with pytest.raises(
        FileNotFoundError,
        match=r'3 of the 4 images in pair_list .*list.txt are not in dataroot_gt .*, '
        r"the first 'Ann/Ann_0009'.*take their pairs out of the list",
    ):
        with_list(faces, tmp_path, '1 1\nAnn 1 9\nDee 1 Eve 1\n')


def test_faulty_lists_are_named_with_the_dataset(faces, tmp_path):
    with pytest.raises(ValueError, match="dataset pairs: pair_list: .*list.txt, line 2: 'Ann 1' is no pair"):
        with_list(faces, tmp_path, '1 1\nAnn 1\nAnn 1 Bo 1\n')
    with pytest.raises(ValueError, match='dataset pairs: pair_list: .*one kind|of the same person'):
        with_list(faces, tmp_path, '1 1\nAnn 1 2\nAnn 1 2\n')


def test_a_name_of_two_images_is_refused(faces, tmp_path):
    for folder in 'xy':
        path = tmp_path / 'images' / folder / 'Ann_0001.png'
        path.parent.mkdir(parents=True)
        path.write_bytes((faces / 'aligned/Ann_0001.png').read_bytes())
    (tmp_path / 'images/Bo_0001.png').write_bytes(b'')
    (tmp_path / 'pairs.txt').write_text('Ann_0001.jpg 1\nAnn_0001.jpg 1\nAnn_0001.jpg 0\nBo_0001.jpg 0\n')
    with pytest.raises(ValueError, match="image 'Ann_0001' of pair_list is both '[xy]/Ann_0001' and '[xy]/Ann_0001'"):
        dataset(tmp_path, 'images', landmarks='aligned')


def test_faces_of_another_size_are_refused(faces):
    with pytest.raises(ValueError, match=r"gt_size is 224, but face 'Ann_0001' has the shape \(112, 112, 3\)"):
        dataset(faces, 'aligned', landmarks='aligned')
    with pytest.raises(ValueError, match='gt_size is 100, but'):
        dataset(faces, gt_size=100)


def test_a_face_without_annotation_is_named_at_once(faces, tmp_path):
    lines = (faces / 'points.txt').read_text().splitlines(keepends=True)
    (tmp_path / 'points.txt').write_text(''.join(lines[:-1]))
    with pytest.raises(ValueError, match='landmarks: no annotation: .*points.txt has no line for it'):
        dataset(faces, 'images', landmarks=str(tmp_path / 'points.txt'))
    with pytest.raises(FileNotFoundError, match='landmarks: Annotations: no such file'):
        dataset(faces, 'images', landmarks=str(tmp_path / 'absent.txt'))


def test_identification_that_cannot_be_is_refused(faces, tmp_path):
    with pytest.raises(ValueError, match='identification: a .bin does not tell who'):
        FacePairDataset({'name': 'bin', 'dataroot_gt': str(faces / 'faces.bin'), 'identification': True})
    with pytest.raises(ValueError, match='no person of the list has two images'):
        with_list(faces, tmp_path, '1 1\nAnn 1 1\nAnn 1 Bo 1\n', identification=True)


def test_a_broken_photo_is_named(faces, tmp_path):
    for path in (faces / 'aligned').glob('*.png'):
        (tmp_path / path.name).write_bytes(path.read_bytes()[: 200 if path.name == 'Bo_0002.png' else None])
    found = FacePairDataset(
        {**dataset(faces, 'aligned', landmarks='aligned', gt_size=112).opt, 'dataroot_gt': str(tmp_path)}
    )
    with pytest.raises(ValueError, match="face 'Bo_0002' of .* cannot be used .*unreadable or truncated photo"):
        found[2]
