"""A RIMModel small enough for a test: 8-pixel probes, 64-pixel faces, five landmarks, widths of 4."""

from copy import deepcopy

import torch
from support.small_networks import SMALL_INTEGRATOR, SMALL_PATHS

from basicsr.models import build_model

PATHS = {**SMALL_PATHS, 'coarse_size_modulation': True, 'norm': 'none'}
INTEGRATOR = {**SMALL_INTEGRATOR, 'norm': 'none'}
OPTIONS = {
    'name': 'tiny',
    'model_type': 'RIMModel',
    'num_gpu': 0,
    'dist': False,
    'rank': 0,
    'world_size': 1,
    'is_train': True,
    'network_g': {'type': 'TriPathGenerator', **PATHS},
    'network_d': {
        'type': 'MixAdversarialDiscriminator',
        'integrator': INTEGRATOR,
        'discriminator': {'channels': 4, 'embedding': 8, 'pool': 2},
    },
    'path': {},
    'train': {
        'ema_decay': 0.9,
        'total_iter': 1000,
        'optim_g': {'type': 'RMSprop', 'lr': 1e-3},
        'optim_i': {'type': 'RMSprop', 'lr': 1e-3},
        'optim_d': {'type': 'RMSprop', 'lr': 1e-3},
        'scheduler': {'type': 'MultiStepLR', 'milestones': [1000]},
        'coarse_opt': {'type': 'MSELoss', 'loss_weight': 12},
        'pixel_opt': {'type': 'MSELoss', 'loss_weight': 10},
        'landmark_opt': {'type': 'HeatmapLoss'},
        'parsing_opt': {'type': 'ParsingLoss'},
        'domain_opt': {'type': 'MKMMDLoss'},
    },
    'val': {
        'metrics': {
            'psnr_y': {'type': 'calculate_psnr', 'crop_border': 0, 'test_y_channel': True},
            'nme': {'type': 'calculate_nme', 'better': 'lower'},
            'parsing_miou': {'type': 'calculate_parsing_miou'},
        },
        'batch_size': 3,
    },
}


def rim_model(seed=0, path=None, networks=None, **train):
    """RIMModel with ``train:`` options and networks changed (None takes one away) and heads away from zero, so that all
    learns."""
    options = deepcopy(OPTIONS)
    options.update(deepcopy(networks or {}))
    options = {key: value for key, value in options.items() if value is not None}
    for key, value in train.items():
        options['train'][key] = value
    options['path'].update(path or {})
    torch.manual_seed(seed)
    model = build_model(options)
    for net in (net for label, net in model.nets.learning.items() if label in 'gd'):
        for layer in net.modules():
            if isinstance(layer, torch.nn.Conv2d) and not layer.weight.any():
                layer.weight.data.copy_(0.1 * torch.randn(layer.weight.shape))  # the same for any memory format
    if options['train']['ema_decay'] > 0:
        model.trainer.average(0)
    return model


def batch(count=4, seed=0):
    """A batch as FacePriorDataset gives it."""
    generator = torch.Generator().manual_seed(seed)
    gt = torch.rand(count, 3, 64, 64, generator=generator)
    return {
        'lq': torch.nn.functional.avg_pool2d(gt, 8),
        'gt': gt,
        'landmarks': torch.rand(count, 5, 2, generator=generator) * 60,
        'heatmaps': torch.rand(count, 5, 16, 16, generator=generator),
        'parsing': torch.randint(11, (count, 16, 16), generator=generator),
        'lq_path': [f'{i}.png' for i in range(count)],
        'gt_path': [f'{i}.png' for i in range(count)],
    }


class Faces(torch.utils.data.Dataset):
    """``count`` random faces; ``without`` names keys that they lack."""

    def __init__(self, count=7, without=()):
        self.opt = {'name': 'faces', 'phase': 'val'}
        data = batch(count)
        self.items = [{key: value[i] for key, value in data.items() if key not in without} for i in range(count)]

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


def steps(model, count=1, seed=0):
    """Optimise ``count`` times; returns the log of each step."""
    logs = []
    for i in range(1, count + 1):
        model.feed_data(batch(seed=seed))
        model.optimize_parameters(i)
        logs.append(model.get_current_log())
    return logs


def state_of(net):
    return {key: value.clone() for key, value in net.state_dict().items()}


def changed(before, net):
    return any(not torch.equal(before[key], value) for key, value in net.state_dict().items())


def gradients(net, loss):
    return torch.autograd.grad(loss, list(net.parameters()), allow_unused=True, retain_graph=True)
