"""No step of the shipped trainings has what a CUDA graph cannot hold: shown in shapes, on a device without numbers."""

from contextlib import nullcontext

import pytest
import torch
from support.recorded import refuse_host_reads

from rim_plugin.batch import Batch
from rim_plugin.building import describe
from rim_plugin.losses import arcface_loss, contrastive_loss
from rim_plugin.models.networks import build_nets, build_teacher
from rim_plugin.models.phases.base import PHASES, Setting, loss_terms
from rim_plugin.models.phases.schedule import Schedule
from rim_plugin.options.conversion import convert
from rim_plugin.options.reading import read_options
from rim_plugin.options.schema import RIMTrain

from basicsr.losses import build_loss

FILES = ['fhn_small', 'fhn_base', 'rim_fast', 'rim_gpu', 'rim_demo']


def phases_on_meta(file, **train):
    options = read_options(f'options/{file}.yml')
    options['train'].update(train, amp='none')
    nets = describe(build_nets, options, describe(build_teacher, options, False))
    block = convert(options['train'], RIMTrain, path='train')
    terms = [term for term in loss_terms() if options['train'].get(f'{term}_opt')]
    losses = {term: build_loss(options['train'][f'{term}_opt']).to('meta') for term in terms}
    setting = Setting(nets, losses, nets.pipeline(), block, True, torch.device('cpu'), lambda line: None)
    return [PHASES[name](setting) for name in Schedule(block).names], nets, losses


def meta_batch(count, sizes):
    probes = [torch.empty(count // len(sizes), 3, size, size, device='meta') for size in sizes]
    return Batch(
        probes,
        torch.empty(count, 3, 224, 224, device='meta'),
        torch.empty(count, 68, 2, device='meta'),
        torch.empty(count, 68, 56, 56, device='meta'),
        torch.empty(count, 56, 56, dtype=torch.int64, device='meta'),
        torch.empty(count, dtype=torch.int64, device='meta'),
    )


def gradients_on_meta(phase, nets, losses, batch):
    """Names of the terms of a step, whose gradients are taken, too, under the watch of refuse_host_reads."""
    for net in nets.learning.values():
        net.requires_grad_(False)
    parts = [part.train().requires_grad_(True) for name, part in nets.parts(losses).items() if name in phase.parts]
    with refuse_host_reads():
        terms = phase.losses(batch)
        sum(terms.values()).backward()
    assert any(value.grad is not None for part in parts for value in part.parameters())
    return set(terms)


@pytest.fixture(autouse=True)
def no_autocast_on_meta(monkeypatch):
    """There is none."""
    for module in (arcface_loss, contrastive_loss):
        monkeypatch.setattr(module, 'full_precision', lambda tensor: nullcontext())


@pytest.mark.slow
@pytest.mark.parametrize('sizes', [[28], [7, 28, 56, 112]], ids=['one size', 'several sizes'])
@pytest.mark.parametrize('file', FILES)
def test_steps_of_the_shipped_trainings_can_be_recorded(file, sizes):
    phases, nets, losses = phases_on_meta(file, domain_opt=None)
    for phase in phases:
        assert gradients_on_meta(phase, nets, losses, meta_batch(4, sizes)) == losses.keys() & set(phase.active_terms())


@pytest.mark.slow
def test_so_can_losses_on_identities():
    classes = {'type': 'ArcFaceLoss', 'num_classes': 5, 'embedding_size': 128}
    phases, nets, losses = phases_on_meta('rim_demo', identity_opt=classes)
    student = next(phase for phase in phases if phase.name == 'student')
    assert 'identity' in gradients_on_meta(student, nets, losses, meta_batch(4, [28]))


@pytest.mark.parametrize(
    'read',
    [
        lambda x: x.new_tensor([1.0]),
        lambda x: torch.tensor([1.0], device=x.device),
        lambda x: x[[0, 1]],
        lambda x: x[x > 0],
        lambda x: x.item(),
        lambda x: x + torch.ones(3),
        lambda x: torch.ones(3).to(x.device),
        lambda x: x.copy_(torch.ones(3)),
    ],
)
def test_what_cannot_be_recorded_is_seen(read):
    with pytest.raises((AssertionError, RuntimeError)), refuse_host_reads():
        read(torch.empty(3, device='meta'))
