"""Batches made on the training's device: what single items hold, by seeds, through BasicSR's data loader."""

import numpy as np
import pytest
import torch
from support.face_photos import make_photos

from rim_plugin.data.face_prior_dataset import FacePriorDataset
from rim_plugin.data.prepare import PrepareOptions, prepare_faces
from rim_plugin.errors import OptionsError
from rim_plugin.randomness import SampleIndex
from rim_plugin.run_state import RUN

from basicsr.data import build_dataloader
from basicsr.data.data_sampler import EnlargedSampler

COUNT, CPU = 6, torch.device('cpu')
INDICES = [SampleIndex(number, 0, place) for place, number in enumerate((4, 0, 3, 1))]
SEEDS = torch.arange(4)


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    """Folder with a store of faces, one without parsing maps, and a list of persons."""
    root = tmp_path_factory.mktemp('faces')
    make_photos(root, [f'face_{i}.jpg' for i in range(COUNT)])
    for name, parsing in (('lmdb', root / 'parsing'), ('bare', None)):
        prepare_faces(PrepareOptions(root / 'images', root / name, root / 'landmarks', parsing, workers=1))
    (root / 'persons.txt').write_text(''.join(f'face_{i}.jpg person_{i // 2}\n' for i in range(COUNT)))
    return root


def options(root, name='lmdb', **changed):
    given = {'dataroot_gt': str(root / name), 'io_backend': {'type': 'lmdb'}, 'batch_size_per_gpu': 4, **changed}
    return {'name': 'Faces', 'phase': 'train', 'num_worker_per_gpu': 2, 'on_device': True, **given}


def placed(opt):
    dataset = FacePriorDataset(opt)
    dataset.place(CPU)
    return dataset


@pytest.mark.parametrize(
    'changed',
    [
        {},
        {'query_size': [7, 14, 28], 'query_sizes_per_batch': 2},
        {'query_size': [7, 28]},
        {'priors': False},
        {'name': 'bare', 'prior_size': 28},
    ],
)
def test_a_batch_holds_the_items_of_the_dataset(root, changed):
    opt = options(root, **changed)
    batch = placed(opt).batch(INDICES, SEEDS)
    plain = FacePriorDataset({**opt, 'on_device': False})
    expected = torch.utils.data.default_collate([plain[index] for index in INDICES])
    assert batch.keys() == expected.keys()
    for key, value in expected.items():
        if key == 'heatmaps':
            torch.testing.assert_close(batch[key], value, atol=1e-6, rtol=0)
        else:
            assert torch.equal(batch[key], value) if torch.is_tensor(value) else batch[key] == value, key


def test_degraded_probes_are_those_of_their_seeds(root):
    opt = options(root, degradation={'noise': {'probability': 1}})
    faces = placed(opt)
    batch, again = (faces.batch(INDICES, SEEDS) for _ in range(2))
    other = faces.batch(INDICES, SEEDS + 4)
    assert torch.equal(batch['lq'], again['lq']) and torch.equal(batch['gt'], other['gt'])
    assert (batch['lq'] != other['lq']).flatten(1).any(1).all()


@pytest.mark.slow
def test_morphs_have_no_identity_and_others_keep_theirs(root):
    opt = options(root, identities=str(root / 'persons.txt'), augment={'morph': 0.5})
    faces, plain = placed(opt), placed({**opt, 'augment': None})
    seeds, truth = torch.arange(40), plain.batch(INDICES * 10, torch.arange(40))
    batch = faces.batch(INDICES * 10, seeds)
    is_morph = batch['identity'] < 0
    changed = (batch['gt'] != truth['gt']).flatten(1).any(1)
    assert 10 < is_morph.sum() < 30 and not changed[~is_morph].any()
    assert torch.equal(batch['identity'][~is_morph], truth['identity'][~is_morph])
    assert changed[is_morph].float().mean() > 0.5  # some meet themselves, or the same photo


def test_changes_begin_with_their_iteration(root):
    faces = placed(options(root, augment={'gamma': 0.5, 'from_iter': 2}))
    later = [SampleIndex(index, 1, index.position) for index in INDICES]
    first, second = (faces.batch(indices, SEEDS) for indices in (INDICES, later))
    assert not torch.equal(first['gt'], second['gt'])
    assert torch.equal(first['gt'], placed(options(root)).batch(INDICES, SEEDS)['gt'])


def batches(opt, seed, epoch=0, num_gpu=0):
    dataset = FacePriorDataset(opt)
    sampler = EnlargedSampler(dataset, 1, 0, opt.get('dataset_enlarge_ratio', 1))
    RUN.seed = seed
    loader = build_dataloader(dataset, opt, num_gpu=num_gpu, sampler=sampler, seed=seed)
    sampler.batch_size = loader.batch_size
    sampler.set_epoch(epoch)
    return list(loader)


@pytest.fixture
def run():
    yield RUN
    RUN.reset()


@pytest.mark.slow
def test_the_loader_gives_batches_in_a_seeded_order(root, run):
    opt = options(root, use_hflip=True, dataset_enlarge_ratio=4, prefetch_mode='cpu', pin_memory=True)
    torch.manual_seed(3)
    state = torch.get_rng_state()
    first, again, other, later = (batches(opt, seed, epoch) for seed, epoch in ((1, 0), (1, 0), (2, 0), (1, 1)))
    assert torch.equal(state, torch.get_rng_state())
    assert len(first) == 6 and sorted(name for batch in first for name in batch['lq_path']) == sorted(
        f'face_{i}' for i in range(COUNT) for _ in range(4)
    )
    for mine, same in zip(first, again):
        assert mine['lq_path'] == same['lq_path'] and torch.equal(mine['gt'], same['gt'])
    assert all(
        [batch['lq_path'] for batch in first] != [batch['lq_path'] for batch in others] for others in (other, later)
    )
    faces = {name: face for batch in first for name, face in zip(batch['lq_path'], batch['gt'])}
    mirrored = [not torch.equal(faces[n], f) for batch in first for n, f in zip(batch['lq_path'], batch['gt'])]
    assert 0 < sum(mirrored) < len(mirrored)


def test_only_training_makes_batches(root):
    with pytest.raises(OptionsError, match='dataset Faces: on_device: .* in training alone'):
        FacePriorDataset(options(root, phase='val'))


def test_faces_that_the_memory_does_not_hold(root, monkeypatch):
    def full(*_args, **_kwargs):
        raise torch.OutOfMemoryError

    dataset = FacePriorDataset(options(root))
    monkeypatch.setattr(torch.Tensor, 'new_empty', full)
    with pytest.raises(OptionsError, match='on_device: 6 faces are more than the memory of cpu holds'):
        dataset.place(CPU)


def test_a_damaged_face_is_named(root, monkeypatch):
    dataset = FacePriorDataset(options(root))
    monkeypatch.setattr(dataset._sources[0].store, 'read', lambda kind, key: b'no picture')
    with pytest.raises(ValueError, match="the gt image of 'face_0' cannot be used .it cannot be decoded."):
        dataset.place(CPU)


def test_all_levels_of_a_face_are_kept(root):
    faces = placed(options(root))
    stored = FacePriorDataset(options(root))._sources[0].face('face_2', False)[0]
    found = faces.batch([SampleIndex(2, 0, 0)], SEEDS[:1])['gt'][0]
    np.testing.assert_array_equal((found * 255).round().byte().permute(1, 2, 0).numpy(), stored)
