"""Whole runs of RIM through BasicSR's loop, each in processes of their own: killed and resumed, distributed, tested."""

import pytest
import torch
import yaml
from support.face_photos import make_aligned, make_photos
from support.runs import (
    ITERATIONS,
    WIDE,
    assert_equal_but_rounding,
    final_weights,
    finish,
    kill_and_resume,
    start,
    train,
    train_in_two_processes,
    write_options,
)
from support.tiny_rim import INTEGRATOR, PATHS

from rim_plugin.data.prepare import PrepareOptions, prepare_faces

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def unbroken(tmp_path_factory):
    folder = tmp_path_factory.mktemp('unbroken')
    train(folder, write_options(folder))
    return folder


def test_killed_and_resumed_ends_with_the_same_weights(unbroken, tmp_path):
    kill_and_resume(tmp_path, write_options(tmp_path), 3)
    expected, found = final_weights(unbroken), final_weights(tmp_path)
    assert expected.keys() == found.keys()
    assert all(torch.equal(value, found[key]) for key, value in expected.items())
    states = [
        torch.load(folder / f'experiments/tiny/training_states/{ITERATIONS}.state', weights_only=True)
        for folder in (unbroken, tmp_path)
    ]
    assert states[0]['carried'] == states[1]['carried']


def test_faces_of_several_stores_go_on_where_they_were(tmp_path):
    make_photos(tmp_path, [f'face_{number}.jpg' for number in range(3)])
    make_aligned(tmp_path / 'aligned', 5)
    prepare_faces(PrepareOptions(tmp_path / 'images', tmp_path / 'full', tmp_path / 'landmarks', workers=1))
    prepare_faces(PrepareOptions(tmp_path / 'aligned', tmp_path / 'small', aligned=8, size=128, workers=1))
    stores = [{'dataroot_gt': str(tmp_path / name), 'io_backend': {'type': 'lmdb'}} for name in ('full', 'small')]
    changed = {
        **{'name': 'mixed', 'type': 'FacePriorDataset', **stores[0], 'more': [stores[1]], 'on_device': True},
        **{'query_sizes_per_batch': 'all', 'augment': {'morph': 0.5, 'shift': 2}},
    }
    folders = []
    for name in ('whole', 'killed'):
        folders.append(tmp_path / name)
        folders[-1].mkdir()
        path = write_options(folders[-1], 2, parsing_opt=None)
        opt = yaml.safe_load(path.read_text())
        opt['datasets']['train'].update(changed)
        opt['datasets']['train'].pop('num_identities')
        path.write_text(yaml.safe_dump(opt))
    train(folders[0], folders[0] / 'options.yml')
    kill_and_resume(folders[1], folders[1] / 'options.yml', 3)
    expected, found = map(final_weights, folders)
    assert expected.keys() == found.keys()
    assert all(torch.equal(value, found[key]) for key, value in expected.items())


def test_two_processes_equal_one_on_the_same_global_batch(tmp_path):
    calm = {f'optim_{label}': {'type': 'SGD', 'lr': 1e-3} for label in 'gid'}  # RMSprop divides rounding by rounding
    one, two = tmp_path / 'one', tmp_path / 'two'
    one.mkdir(), two.mkdir()
    train(one, write_options(one, 2, **calm))
    train_in_two_processes(two, write_options(two, 1, **calm))
    assert_equal_but_rounding(final_weights(one), final_weights(two))


def test_basicsrs_test_runs_the_saved_fhn(unbroken, tmp_path):
    opt = yaml.safe_load((unbroken / 'options.yml').read_text())
    models = unbroken / 'experiments' / 'tiny' / 'models'
    opt['datasets'] = {'test': dict(opt['datasets']['val'], name='drawn_test')}
    opt.update(
        model_type='SRModel',
        network_g={'type': 'FHN', 'generator': {**PATHS, **WIDE}, 'integrator': dict(INTEGRATOR, feature_size=56)},
    )
    opt['path'] = {'pretrain_network_g': str(models / f'net_fhn_{ITERATIONS}.pth'), 'param_key_g': 'params_ema'}
    opt['val'] = {'save_img': True, 'suffix': None, 'metrics': {'psnr': {'type': 'calculate_psnr', 'crop_border': 0}}}
    for key in ('train', 'network_d', 'logger'):
        opt.pop(key)
    path = tmp_path / 'test.yml'
    path.write_text(yaml.safe_dump(opt))
    assert 'psnr' in finish(start(tmp_path, 'rim_plugin.test', '-opt', str(path)))
    assert len(list((tmp_path / 'results').rglob('*.png'))) == 2
