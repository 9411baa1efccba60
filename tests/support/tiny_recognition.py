"""A RIMModel with teacher, student and assistant of eight channels for tests, and what changed in it."""

import torch
import torch.nn.functional as F
from support.tiny_rim import batch, rim_model
from torch import nn

from rim_plugin.archs.recogniser import FeatureInfo, Recogniser

from basicsr.utils.registry import ARCH_REGISTRY


@ARCH_REGISTRY.register()
class TinyRecogniser(Recogniser):
    """Four layers of stride 2 with BatchNorm: a step takes a tenth of MobileFaceNet's time."""

    feature_info = tuple(FeatureInfo(8, stride) for stride in (2, 4, 8, 16))
    embedding_size = 128
    head_layers = ('linear',)

    def __init__(self):
        super().__init__(mean=0.5, std=0.5)
        self.conv1, *rest = (
            nn.Sequential(nn.Conv2d(channels, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.PReLU(8))
            for channels in (3, 8, 8, 8)
        )
        self.layers = nn.ModuleList(rest)
        self.linear = nn.Linear(8 * 7 * 7, self.embedding_size)

    def block_maps(self, face):
        maps = [self.conv1(face)]
        for layer in self.layers:
            maps.append(layer(maps[-1]))
        return tuple(maps)

    def head(self, block):
        return self.linear(block.flatten(1))


ALIKE = {'type': 'TinyRecogniser'}
HRN = {'type': 'HRN', 'student': ALIKE, 'assistant': ALIKE, 'norm_eval': True}
LOSSES = {
    'distill_opt': {'type': 'DistillationLoss'},
    'residual_opt': {'type': 'ResidualDistillationLoss'},
    'embedding_opt': {'type': 'DistillationLoss', 'target': 'embedding', 'distance': 'cosine'},
    **{f'optim_{label}': {'type': 'Adam', 'lr': 1e-3} for label in 'sa'},
}


def recogniser(teacher, networks=None, path=None, **train):
    return rim_model(
        path={'pretrain_network_t': teacher, **(path or {})},
        **{'start_from_teacher': True, **LOSSES, **train},
        networks={'network_t': ALIKE, 'network_r': HRN, **(networks or {})},
    )


def weights(model):
    hrn = model.nets.recogniser
    nets = {
        'g': model.nets.generator,
        'i': model.nets.discriminator.integrator,
        'd': model.nets.discriminator.discriminator,
        's': hrn.student,
        'a': hrn.assistant,
        't': model.nets.teacher,
    }
    return {label: {key: value.clone() for key, value in net.state_dict().items()} for label, net in nets.items()}


def learned(before, after):
    return ''.join(
        label
        for label in before
        if any(not torch.equal(value, after[label][key]) for key, value in before[label].items())
    )


def mixed(count=4):
    """A batch with probes of 8 and of 120 pixels, as a dataset with query_sizes_per_batch gives it."""
    data = batch(count)
    sizes = torch.tensor([8] * (count // 2) + [120] * (count - count // 2))
    large = F.interpolate(data['gt'], (120, 120), mode='bicubic')
    data['lq'] = torch.stack(
        [F.pad(lq, (0, 112, 0, 112)) if size == 8 else wide for lq, size, wide in zip(data['lq'], sizes, large)]
    )
    return {**data, 'lq_size': sizes}
