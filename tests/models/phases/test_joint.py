"""The joint phase: the gradient of Eq. 11 reaches the hallucination network."""

import pytest
import torch
import torch.nn.functional as F
from support.tiny_recognition import ALIKE, HRN, mixed, recogniser
from support.tiny_rim import batch

from rim_plugin.archs.layers import resize


def test_the_joint_phase_does_without_an_assistant(teacher):
    model = recogniser(teacher, {'network_r': {'type': 'HRN', 'student': ALIKE, 'assistant': None}}, phase='joint')
    before = {key: value.clone() for key, value in model.nets.recogniser.student.state_dict().items()}
    model.feed_data(batch(2))
    model.optimize_parameters(1)
    assert any(not torch.equal(value, before[key]) for key, value in model.nets.recogniser.student.state_dict().items())
    assert 'l_residual' not in model.get_current_log() and 'l_distill' in model.get_current_log()


@pytest.mark.parametrize('name, reaches', [('distill', True), ('residual', False)])
def test_gradient_of_equation_11_reaches_the_hallucination_network(teacher, name, reaches):
    # of scale 1: the maps of a new assistant are 0, and have no gradient anyway
    model = recogniser(teacher, {'network_r': {**HRN, 'assistant_scale': 1}}, phase='joint')
    model.feed_data(batch(2))
    term = model.trainer.enter_phase(1).losses(model.batch)[name]
    gradients = torch.autograd.grad(term, list(model.nets.generator.coarse.parameters()), allow_unused=True)
    assert any(value is not None and value.any() for value in gradients) == reaches


def test_joint_phase_hallucinates_all_probes_but_shows_large_ones_as_they_are(teacher):
    model, data = recogniser(teacher, phase='joint', domain_opt=None), mixed()
    with torch.no_grad():
        sr = [model.pipeline.fhn(data['lq'][:2, :, :8, :8]), model.pipeline.fhn(data['lq'][2:])]
        faces = torch.cat([resize(sr[0], 112), resize(data['lq'][2:], 112)])
        student, truth = model.nets.recogniser.student(faces), model.nets.teacher(data['gt'])
    model.feed_data(data)
    model.optimize_parameters(1)
    log = model.get_current_log()
    assert log['l_pixel'] == pytest.approx(10 * F.mse_loss(torch.cat(sr), data['gt']).item(), rel=1e-3)
    assert log['l_distill'] == pytest.approx((student[-1] - truth.blocks[-1]).square().mean().item(), rel=1e-3)
