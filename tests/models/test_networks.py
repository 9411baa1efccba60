"""The networks of RIMModel: built, composed for inference, divided into the parts that learn."""

import logging
import shutil

import pytest
import torch
from support.tiny_rim import OPTIONS
from torch import nn

from rim_plugin.archs.fhn_arch import FHN
from rim_plugin.models.networks import RIMNets, build_nets, build_teacher, compilable

ALIKE = {'type': 'MobileFaceNet'}
BLOCKS = {key: OPTIONS[key] for key in ('network_g', 'network_d')}
HRN = {'type': 'HRN', 'student': ALIKE, 'assistant': ALIKE}


def test_integrator_and_discriminator_fit_the_generator():
    nets = build_nets(BLOCKS)
    assert list(nets.learning) == ['g', 'd']
    fhn = nets.fhn
    assert isinstance(fhn, FHN) and fhn.integrator is nets.discriminator.integrator
    assert fhn(torch.rand(1, 3, 8, 8)).shape == (1, 3, 64, 64)


def test_another_sr_network_stands_alone():
    nets = build_nets({'network_g': {'type': 'SRCNN', 'image_size': 32}})
    assert list(nets.learning) == ['g'] and nets.fhn is nets.generator
    assert RIMNets().fhn is None


@pytest.mark.parametrize(
    'blocks, words',
    [({'network_g': OPTIONS['network_g']}, 'network_d is missing'), ({'network_r': HRN}, 'network_t is missing')],
)
def test_what_a_network_lacks_is_named(blocks, words):
    with pytest.raises(ValueError, match=words):
        build_nets(blocks)


def test_the_teacher_is_frozen_and_needs_weights(teacher):
    net = build_teacher({'network_t': ALIKE, 'path': {'pretrain_network_t': teacher}})
    assert not net.training and not any(value.requires_grad for value in net.parameters())
    assert build_teacher({'path': {}}) is None
    with pytest.raises(ValueError, match='path.pretrain_network_t is missing'):
        build_teacher({'network_t': ALIKE, 'path': {}})


def test_parts_that_learn_cover_every_weight_once():
    nets = build_nets({**BLOCKS, 'network_r': HRN, 'network_t': ALIKE})
    classifier = nn.Linear(3, 2)
    parts = nets.parts({'domain': nn.Identity(), 'identity': classifier})
    assert list(parts) == ['generator', 'integrator', 'discriminator', 'student', 'assistant']
    learned = [value for part in parts.values() for value in part.parameters()]
    known = [value for net in (*nets.learning.values(), classifier) for value in net.parameters()]
    assert len(learned) == len(known) and {*map(id, learned)} == {*map(id, known)}
    assert 'discriminator' not in nets.parts({})
    assert list(build_nets({'network_r': {**HRN, 'assistant': None}, 'network_t': ALIKE}).parts({})) == ['student']


def test_a_pipeline_shares_its_networks():
    nets = build_nets(BLOCKS)
    pipeline = nets.pipeline()
    assert pipeline.fhn.generator is nets.generator and pipeline.hrn is None and pipeline.teacher is None


def test_what_is_compiled(monkeypatch, caplog):
    """Networks whose input keeps its shape; none without a compiler, which is said."""
    cpu = torch.device('cpu')
    monkeypatch.setattr(shutil, 'which', lambda name: '/bin/' + name)
    assert compilable(cpu, 1) == ('generator', 'integrator', 'recogniser', 'teacher')
    assert compilable(cpu, 2) == compilable(cpu, 'all') == ('integrator', 'recogniser', 'teacher')
    monkeypatch.setattr(shutil, 'which', lambda name: None)
    logging.getLogger('basicsr').addHandler(caplog.handler)
    assert compilable(cpu, 1) == ()
    logging.getLogger('basicsr').removeHandler(caplog.handler)
    assert 'train.compile is off: it needs a C++ compiler' in caplog.text
