"""On a GPU: what it computes against the CPU's, in every network, in training steps of every phase, at inference and in
degraded probes."""

import math
import warnings

import pytest
import torch
from support.small_networks import OURS, build, inputs, tensors
from support.tiny_recognition import ALIKE, mixed, recogniser
from support.tiny_rim import batch

from rim_plugin.data.degradations import degrade_batch
from rim_plugin.options.datasets import DegradationOptions

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason='no GPU')


@pytest.fixture(autouse=True)
def single_precision(monkeypatch):
    """No TF32, which has 10 bits of mantissa."""
    monkeypatch.setattr(torch.backends.cudnn, 'allow_tf32', False)
    monkeypatch.setattr(torch.backends.cuda.matmul, 'allow_tf32', False)


def distance(output, expected):
    output, expected = output.detach().cpu().double(), expected.detach().double()
    return float((output - expected).norm() / expected.norm().clamp(min=1e-12))


@pytest.mark.parametrize('name', OURS)
def test_networks_give_what_they_give_on_the_cpu(name):
    torch.manual_seed(0)
    net, data = build(name).eval(), inputs(name)
    for value in net.parameters():  # a layer that starts at zero would hide what is before it
        if not value.any():
            torch.nn.init.normal_(value, std=0.1)
    expected = tensors(net(*data))
    outputs = tensors(net.cuda()(*(item.cuda() for item in data)))
    for ours, theirs in zip(outputs, expected, strict=True):
        assert distance(ours, theirs) < 1e-4


@pytest.fixture
def teacher(tiny_teacher):
    return tiny_teacher


def on_device(teacher, num_gpu, **train):
    adam = {f'optim_{label}': {'type': 'Adam', 'lr': 1e-4} for label in 'gidsa'}
    hrn = {
        'type': 'HRN',
        'student': ALIKE,
        'assistant': ALIKE,
        'assistant_scale': 0.5,
        'head': 'own',
        'norm_eval': True,
    }
    return recogniser(
        teacher,
        {'num_gpu': num_gpu, 'network_r': hrn},
        contrast_opt={'type': 'ContrastiveDistillationLoss'},
        **{**adam, **train},
    )


@pytest.mark.parametrize('phase', ['fhn', 'student', 'assistant', 'joint'])
def test_a_step_has_the_losses_of_the_cpu(teacher, phase):
    logs = []
    for num_gpu in (0, 1):
        model = on_device(teacher, num_gpu, phase=phase)
        for iteration in (1, 2):
            model.feed_data(batch(4))
            model.optimize_parameters(iteration)
        logs.append(dict(model.get_current_log()))
    assert logs[0].keys() == logs[1].keys()
    for name, value in logs[0].items():
        assert logs[1][name] == pytest.approx(value, rel=2e-3, abs=1e-5), name


@pytest.mark.parametrize('amp', ['bf16', 'fp16'])
def test_mixed_precision_trains(teacher, amp):
    model = on_device(teacher, 1, phase='fhn', amp=amp)
    losses = []
    for iteration in range(1, 41):  # fp16 finds its loss scale first
        model.feed_data(batch(4))
        model.optimize_parameters(iteration)
        losses.append(model.get_current_log()['l_pixel'])
    assert losses[-1] < losses[0]
    assert all(torch.isfinite(value).all() for value in model.nets.generator.parameters())


def averaged_weights(model):
    return [value.clone() for net in model.trainer.ema_nets.learning.values() for value in net.parameters()]


@pytest.mark.parametrize('optimizer', ['Adam', 'Muon', 'RMSprop'])
@pytest.mark.parametrize('phase', ['fhn', 'student', 'assistant', 'joint'])
def test_twenty_captured_steps_are_those_without_graphs(teacher, phase, optimizer):
    """Of two shapes of batches by turns, at rates that change. Rounding grows where gradients are nothing else."""
    optim = {f'optim_{label}': {'type': optimizer, 'lr': 1e-4} for label in 'gidsa'}
    found = []
    for captured in (False, True):
        model = on_device(teacher, 1, phase=phase, domain_interval=5, grad_clip=0.5, captured=captured, **optim)
        start, logs = averaged_weights(model), []
        for iteration in range(1, 21):
            model.update_learning_rate(iteration, 10)
            model.feed_data(batch(4, iteration) if iteration % 2 else mixed(4))
            model.optimize_parameters(iteration)
            logs.append(dict(model.get_current_log()))
        found.append((logs, averaged_weights(model)))
    (logs, weights), (captured_logs, captured_weights) = found
    for log, other in zip(logs, captured_logs, strict=True):
        assert other == pytest.approx(log, rel=1e-2, abs=1e-5)
    apart, way = (
        math.sqrt(sum((a - b).square().sum().item() for a, b in zip(weights, others, strict=True)))
        for others in (captured_weights, start)
    )
    assert apart < 0.05 * way


def test_captured_steps_in_bf16_compiled_and_accumulated(teacher):
    for options in ({'amp': 'bf16'}, {'amp': 'bf16', 'compile': True}, {'accumulate': 2}):
        model = on_device(teacher, 1, phase='fhn', domain_opt=None, captured=True, **options)
        losses = []
        for iteration in range(1, 31):
            model.feed_data(batch(4))
            model.optimize_parameters(iteration)
            losses.append(model.get_current_log()['l_pixel'])
        assert losses[-1] < losses[0]


def test_a_captured_step_waits_once(teacher):
    model = on_device(teacher, 1, phase='fhn', domain_opt=None, captured=True)
    data = {key: value.cuda() for key, value in batch(4).items() if torch.is_tensor(value)}
    for iteration in range(1, 7):
        model.feed_data(data)
        model.optimize_parameters(iteration)
    with warnings.catch_warnings(record=True) as waits:
        warnings.simplefilter('always')
        torch.cuda.set_sync_debug_mode('warn')
        try:
            model.feed_data(data)
            model.optimize_parameters(7)
        finally:
            torch.cuda.set_sync_debug_mode('default')
    assert len([each for each in waits if 'synchroniz' in str(each.message)]) == 1


def test_a_phase_begins_with_graphs_of_its_own(teacher):
    model = on_device(
        teacher, 1, phases={'fhn': 6, 'student': 6}, total_iter=12, domain_opt=None, captured=True, grad_clip=0.5
    )
    for iteration in range(1, 13):
        model.feed_data(batch(4))
        model.optimize_parameters(iteration)
    assert all(torch.isfinite(value).all() for net in model.nets.learning.values() for value in net.parameters())


def test_embeddings_of_probes_are_those_of_the_cpu(teacher):
    probes = torch.rand(3, 3, 20, 20)
    on_cpu, on_gpu = (on_device(teacher, num_gpu, phase='student') for num_gpu in (0, 1))
    with torch.no_grad():
        assert distance(on_gpu.pipeline.embed_probe(probes.cuda()), on_cpu.pipeline.embed_probe(probes)) < 1e-4
        assert distance(on_gpu.pipeline.embed_gallery(probes.cuda()), on_cpu.pipeline.embed_gallery(probes)) < 1e-4


@pytest.mark.parametrize('size', [7, 28, 56, 112])
def test_degraded_probes_are_those_of_the_cpu(size):
    """Up to a level, but where rounding falls otherwise, which JPEG spreads over a block."""
    faces = torch.nn.functional.interpolate(torch.rand(64, 3, 14, 14), (224, 224), mode='bicubic').clamp(0, 1)
    for options, share in ((None, 0.999), (DegradationOptions(), 0.99)):
        expected = degrade_batch(faces, size, options, torch.arange(64))
        found = degrade_batch(faces.cuda(), size, options, torch.arange(64)).cpu()
        assert ((found - expected).abs() < 1.01 / 255).float().mean() > share


def test_degrading_does_not_wait_for_the_gpu():
    faces, seeds = torch.rand(32, 3, 112, 112).cuda(), torch.arange(32)
    degrade_batch(faces, 28, DegradationOptions(), seeds)  # tables are made once
    torch.cuda.set_sync_debug_mode('error')
    try:
        degrade_batch(faces, 28, DegradationOptions(), seeds + 32)
    finally:
        torch.cuda.set_sync_debug_mode('default')


def test_what_cannot_be_captured_is_said_in_one_line(teacher, monkeypatch):
    # the last test of this file: a graph that fails may leave the generator of random numbers behind
    model = on_device(teacher, 1, phase='fhn', domain_opt=None, captured=True)
    inner = model.trainer.phases['fhn'].losses
    losses = lambda *given: {name: term + 0 * term.item() for name, term in inner(*given).items()}  # noqa: E731
    monkeypatch.setattr(model.trainer.phases['fhn'], 'losses', losses)
    with pytest.raises(ValueError, match='train.captured: a step of phase fhn cannot be recorded'):
        for iteration in range(1, 6):
            model.feed_data(batch(4))
            model.optimize_parameters(iteration)
