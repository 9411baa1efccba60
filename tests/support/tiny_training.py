"""``python tests/support/tiny_training.py ROOT -opt FILE``: BasicSR's training of a tiny network, a second's work.

Used by tests that need real runs: killed, interrupted, distributed. Every random source of a training is in use: items
drawn with Python's, numpy's and torch's generators, dropout, EMA over BatchNorm buffers, momentum, warm-up, a
scheduler.
"""

import os
import random
import sys
import time

import numpy as np
import torch
import yaml
from torch import nn

import rim_plugin  # noqa: F401
from rim_plugin.options.datasets import BasicSRDatasetOptions

from basicsr.models.sr_model import SRModel
from basicsr.utils.registry import ARCH_REGISTRY, DATASET_REGISTRY, MODEL_REGISTRY


@ARCH_REGISTRY.register()
class TinyNet(nn.Module):
    """(N, 3, 8, 8) -> the same, with BatchNorm and dropout."""

    def __init__(self, width=4, dropout=0.3, norm=True):
        super().__init__()
        norm = nn.BatchNorm2d(width) if norm else nn.Identity()
        self.body = nn.Sequential(nn.Conv2d(3, width, 3, 1, 1), norm, nn.Dropout(dropout), nn.Conv2d(width, 3, 3, 1, 1))

    def forward(self, x):
        return x + self.body(x)


class TinyOptions(BasicSRDatasetOptions, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Options of TinySet."""

    length: int = 22
    poisoned: int | None = None
    noisy: bool = True


@DATASET_REGISTRY.register()
class TinySet(torch.utils.data.Dataset):
    """``length`` noise images of 8x8; training items get random noise and may be mirrored."""

    options_type = TinyOptions

    def __init__(self, opt):
        self.opt = opt

    def __len__(self):
        return self.opt.get('length', 22)

    def __getitem__(self, index):
        gt = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(int(index)))
        lq = gt.clone()
        if self.opt['phase'] == 'train' and self.opt.get('noisy', True):
            lq += 0.1 * torch.randn(3, 8, 8) + float(np.random.normal(0, 0.1)) + random.uniform(-0.1, 0.1)
        if index == self.opt.get('poisoned'):
            lq = lq * float('nan')
        return {'lq': lq, 'gt': gt, 'lq_path': f'{index:04d}.png', 'gt_path': f'{index:04d}.png'}


@MODEL_REGISTRY.register()
class TinyModel(SRModel):
    """SRModel that can be slowed down, for the tests that stop it in the middle, and that writes down what it was
    fed."""

    def feed_data(self, data):
        super().feed_data(data)
        if len(self.lq) > 1 and 'TINY_FED' in os.environ:  # validation has batches of one
            with open(f'{os.environ["TINY_FED"]}.{self.opt["rank"]}', 'a') as file:
                print(*data['gt_path'], f'{self.lq.double().sum().item():.12f}', file=file)

    def optimize_parameters(self, current_iter):
        time.sleep(float(os.environ.get('TINY_SLEEP', 0)))
        super().optimize_parameters(current_iter)
        print(f'done {current_iter}', flush=True)


def write_options(path, /, **changes):
    """Write an options file for a run of 20 iterations; ``changes`` by path, ``train__total_iter=5``. Returns its
    name."""
    opt = {
        'name': 'tiny',
        'model_type': 'TinyModel',
        'scale': 1,
        'num_gpu': 0,
        'manual_seed': 7,
        'datasets': {
            'train': {'name': 'a', 'type': 'TinySet', 'batch_size_per_gpu': 4, 'num_worker_per_gpu': 0},
            'val': {'name': 'b', 'type': 'TinySet', 'length': 3},
        },
        'network_g': {'type': 'TinyNet'},
        'path': {},
        'train': {
            'total_iter': 20,
            'warmup_iter': 3,
            'ema_decay': 0.9,
            'optim_g': {'type': 'RMSprop', 'lr': 1e-3, 'momentum': 0.9},
            'scheduler': {'type': 'MultiStepLR', 'milestones': [6, 13], 'gamma': 0.5},
            'pixel_opt': {'type': 'L1Loss'},
        },
        'val': {
            'val_freq': 4,
            'save_img': False,
            'metrics': {'psnr': {'type': 'calculate_psnr', 'crop_border': 0, 'test_y_channel': False}},
        },
        'logger': {'print_freq': 100, 'save_checkpoint_freq': 2, 'use_tb_logger': False},
    }
    for key, value in changes.items():
        *parents, last = key.split('__')
        block = opt
        for parent in parents:
            block = block[parent]
        block[last] = value
    path.write_text(yaml.dump(opt, Dumper=getattr(yaml, 'CSafeDumper', yaml.SafeDumper)))  # a tenth of the time in C
    return str(path)


if __name__ == '__main__':
    from basicsr.train import train_pipeline

    torch.set_num_threads(1)
    train_pipeline(sys.argv.pop(1))
