"""BaselineModel and BaselineGANModel: recipes against steps made by hand, options files, what they refuse."""

import subprocess
from copy import deepcopy
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from support.forking_python import forking_python

from rim_plugin.archs.layers import resize
from rim_plugin.models.baseline_model import BaselineModel
from rim_plugin.options.reading import read_options

from basicsr.models import build_model

OPTIONS = {
    'name': 'tiny',
    'num_gpu': 0,
    'dist': False,
    'rank': 0,
    'world_size': 1,
    'is_train': True,
    'path': {},
    'model_type': 'BaselineModel',
    'train': {
        'total_iter': 10,
        'scheduler': {'type': 'MultiStepLR', 'milestones': [1000]},
        'optim_g': {'type': 'SGD', 'lr': 0.1},
        'pixel_opt': {'type': 'MSELoss'},
    },
}
SRCNN = {'type': 'SRCNN', 'image_size': 32, 'channels': [4, 2]}
LAPSRN = {'type': 'LapSRN', 'image_size': 32, 'num_feat': 4, 'depth': 1}
CHARBONNIER = {'type': 'CharbonnierLoss', 'eps': 1e-6}
FOLDER = Path(__file__).parents[2] / 'options/baselines'


def baseline(network=None, model_type='BaselineModel', network_d=None, **train):
    options = deepcopy(dict(OPTIONS, model_type=model_type, network_g=network or SRCNN))
    if network_d:
        options['network_d'] = network_d
    options['train'].update(train)
    torch.manual_seed(0)
    return build_model(options)


def batch(size=4, count=2):
    generator = torch.Generator().manual_seed(1)
    gt = torch.rand(count, 3, 32, 32, generator=generator)
    return {'lq': F.avg_pool2d(gt, 32 // size), 'gt': gt}


def step(model, data=None):
    """One step; the weights before and after, and the gradients of the loss at the former."""
    model.feed_data(data or batch())
    before = {name: value.detach().clone() for name, value in model.net_g.named_parameters()}
    loss = sum(model.step_losses().values())
    gradients = dict(zip(before, torch.autograd.grad(loss, list(model.net_g.parameters()))))
    model.optimize_parameters(1)
    return before, dict(model.net_g.named_parameters()), gradients


def test_last_layer_learns_at_its_own_rate():
    before, after, gradients = step(baseline(last_layer_lr=0.1))
    for name, value in before.items():
        rate = 0.01 if name.startswith('last_layer') else 0.1
        torch.testing.assert_close(after[name], value - rate * gradients[name], rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize('over_lr', [False, True])
def test_gradients_are_clipped_and_the_limit_over_the_learning_rate(over_lr):
    norm = 0.004 if over_lr else 0.0004  # the rate is 0.1: a limit of 0.0004 over it is 0.004
    limit = {'grad_clip': 0.0004, 'clip_over_lr': over_lr}
    before, after, gradients = step(baseline(**limit))
    whole = torch.sqrt(sum(value.square().sum() for value in gradients.values()))
    assert whole > 0.004
    moved = torch.sqrt(sum((after[name] - before[name]).square().sum() for name in before))
    assert moved.item() == pytest.approx(0.1 * norm, rel=1e-3)
    torch.testing.assert_close(
        after['last_layer.weight'] - before['last_layer.weight'],
        -0.1 * gradients['last_layer.weight'] * norm / whole,
        rtol=1e-2,
        atol=1e-9,
    )


def test_every_pyramid_level_is_supervised_by_the_reduced_face():
    model, data = baseline(LAPSRN, pixel_opt=CHARBONNIER, level_weights=[1, 2, 0.5]), batch()
    model.feed_data(data)
    with torch.no_grad():
        images = model.net_g(data['lq'], levels=True)
    found = model.step_losses()
    assert list(found) == ['l_pix_8', 'l_pix_16', 'l_pix_32']
    for weight, image, loss in zip([1, 2, 0.5], images, found.values()):
        target = (
            F.interpolate(data['gt'], image.shape[-2:], mode='bicubic', antialias=True, align_corners=False)
            if image.shape[-1] < 32
            else data['gt']
        )
        expected = weight * ((image - target).double().square() + 1e-6).sqrt().mean()
        assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_probes_of_several_sizes_come_to_the_input_size():
    model, data = baseline(LAPSRN), batch()
    padded = torch.zeros(2, 3, 8, 8)
    padded[0, :, :4, :4], padded[1] = data['lq'][0], F.avg_pool2d(data['gt'][1:], 4)
    model.feed_data({'lq': padded, 'lq_size': torch.tensor([4, 8]), 'gt': data['gt']})
    torch.testing.assert_close(model.lq, torch.cat([data['lq'][:1], resize(padded[1:], 4)]))


def test_gan_stage_takes_steps_of_both_networks():
    model = baseline(
        {'type': 'RRDBNetX8', 'image_size': 32, 'num_feat': 4, 'num_block': 1},
        'BaselineGANModel',
        {'type': 'VGGDiscriminator', 'num_feat': 2, 'pool': 1},
        optim_d={'type': 'SGD', 'lr': 0.1},
        gan_opt={'type': 'GANLoss', 'gan_type': 'vanilla', 'loss_weight': 0.005},
    )
    nets = {'g': model.net_g, 'd': model.net_d}
    before = {label: deepcopy(net.state_dict()) for label, net in nets.items()}
    model.feed_data(batch())
    model.optimize_parameters(1)
    assert {'l_g_pix', 'l_g_gan', 'l_d_real', 'l_d_fake'} <= set(model.get_current_log())
    for label, net in nets.items():
        assert any(not torch.equal(value, before[label][name]) for name, value in net.named_parameters())


def test_several_sizes_for_a_network_of_one(tmp_path):
    model = baseline({'type': 'EDSR', 'num_in_ch': 3, 'num_out_ch': 3, 'num_feat': 4, 'num_block': 1, 'upscale': 8})
    with pytest.raises(ValueError, match='wrap the network in FixedInput'):
        model.feed_data({'lq': torch.rand(2, 3, 8, 8), 'lq_size': torch.tensor([4, 8])})


@pytest.mark.parametrize('file', sorted(FOLDER.glob('*.yml')), ids=lambda file: file.stem)
def test_options_differ_from_those_of_rim_in_networks_and_losses_only(file):
    small = file.stem == 'subpixel_resnet'  # which has as many minutes, in steps and batches of its own
    name = 'fhn_small.yml' if small else 'fhn.yml'
    rim, other = read_options(str(FOLDER.parent / name)), read_options(str(file))
    for options in (rim, other) if small else ():
        for place, key in (
            (options['datasets']['train'], 'batch_size_per_gpu'),
            (options['datasets']['train'], 'augment'),
            (options['train'], 'total_iter'),
            (options['train']['scheduler'], 'periods'),
            (options['val'], 'val_freq'),
            (options['logger'], 'save_checkpoint_freq'),
        ):
            place.pop(key)
    for metric in ('nme', 'parsing_miou'):  # of priors, which baselines do not have
        rim['val']['metrics'].pop(metric)
    for key in ('scale', 'manual_seed', 'datasets', 'val', 'logger', 'dist_params'):
        assert other[key] == rim[key]
    for key in ('total_iter', 'warmup_iter', 'scheduler', 'ema_decay', 'channels_last'):
        assert other['train'].get(key) == rim['train'].get(key)


def test_enlarged_faces_are_refused():
    data = {'lq': torch.zeros(1, 3, 8, 8), 'is_full': torch.tensor([True])}
    with pytest.raises(ValueError, match='datasets.train.more: BaselineModel learns from HR images alone'):
        BaselineModel.feed_data(None, data)


@pytest.mark.slow
def test_a_run_from_an_options_file_keeps_the_whole_options(tmp_path):
    forced = [
        'num_gpu=0',
        'datasets:train={name: drawn, type: DrawnFaceDataset, num_identities: 2, query_size: 28, '
        'batch_size_per_gpu: 1, num_worker_per_gpu: 0}',
        'datasets:val={name: drawn_val, type: DrawnFaceDataset, first_identity: 2, num_identities: 1, query_size: 28}',
        'train:total_iter=2',
        'network_g={type: SRCNN, channels: [4, 2]}',
        'logger:use_tb_logger=false',
    ]
    subprocess.run(
        [forking_python(), '-m', 'rim_plugin.train', '-opt', str(FOLDER / 'srcnn.yml'), '--force_yml', *forced],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    folder = tmp_path / 'experiments/srcnn'
    assert read_options(str(folder / 'options.yml')) == read_options(str(FOLDER / 'srcnn.yml'), forced)
    assert len(list(folder.glob('models/net_g_latest.pth'))) == len(list(folder.glob('visualization/*/*.png'))) == 1
