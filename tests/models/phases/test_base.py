"""Phases in turn: who learns when, what each requires, and a new one in a class of its own."""

import pytest
import torch
import torch.nn.functional as F
from support.tiny_recognition import ALIKE, learned, mixed, recogniser, weights
from support.tiny_rim import INTEGRATOR, PATHS, batch, changed, rim_model, state_of, steps

from rim_plugin.models.phases.base import PHASES, Phase, Requirements, check_requirements
from rim_plugin.models.rim_model import RIMModel

from basicsr.utils import get_root_logger


@pytest.mark.parametrize(
    'phase, parts, terms',
    [
        ('student', 's', {'distill', 'embedding'}),
        ('assistant', 'a', {'residual', 'embedding'}),
        (
            'joint',
            'gidsa',
            {'d', 'pixel', 'coarse', 'landmark', 'parsing', 'domain', 'distill', 'residual', 'embedding'},
        ),
    ],
)
def test_each_phase_trains_its_parts_and_no_others(teacher, phase, parts, terms):
    model = recogniser(teacher, phase=phase)
    before = weights(model)
    model.feed_data(batch(2))
    model.optimize_parameters(1)
    assert learned(before, weights(model)) == parts
    assert set(model.get_current_log()) == {f'l_{term}' for term in terms}


def test_losses_of_another_generator_are_off_with_a_warning(teacher, monkeypatch, caplog):
    logger = get_root_logger()
    monkeypatch.setattr(logger, 'handlers', [*logger.handlers, caplog.handler])
    rim_model(networks={'network_g': {'type': 'SRCNN'}, 'network_d': None})
    assert 'train.coarse_opt, train.landmark_opt, train.parsing_opt, train.domain_opt: off' in caplog.text


def test_another_sr_network_learns_from_probes_of_several_sizes(teacher):
    networks = {'network_g': {'type': 'FHN', 'generator': PATHS, 'integrator': INTEGRATOR}, 'network_d': None}
    model, data = rim_model(phase='fhn', networks=networks, ema_decay=0), mixed()
    with torch.no_grad():
        sr = torch.cat([model.pipeline.fhn(data['lq'][:2, :, :8, :8]), model.pipeline.fhn(data['lq'][2:])])
    model.feed_data(data)
    model.optimize_parameters(1)
    assert model.get_current_log()['l_pixel'] == pytest.approx(10 * F.mse_loss(sr, data['gt']).item(), rel=1e-4)


@pytest.mark.slow
def test_phases_follow_each_other_and_begin_with_averaged_weights(teacher):
    model = recogniser(teacher, phases={'fhn': 1, 'student': 1, 'assistant': 1, 'joint': 1}, total_iter=4)
    for iteration, parts in enumerate(('gid', 's', 'a', 'gidsa'), 1):
        averaged = model.trainer.ema_nets.recogniser.state_dict(), model.trainer.ema_nets.generator.state_dict()
        before = weights(model)
        model.feed_data(batch(2))
        model.trainer.enter_phase(iteration)
        for net, state in zip((model.nets.recogniser, model.nets.generator), averaged):
            assert all(torch.equal(value, state[key]) for key, value in net.state_dict().items())
        before = weights(model)
        model.optimize_parameters(iteration)
        assert learned(before, weights(model)) == parts


@pytest.mark.parametrize(
    'networks, train, path, words',
    [
        ({'network_t': None}, {'phase': 'student'}, {}, 'network_t is missing'),
        ({}, {'phase': 'student'}, {'pretrain_network_t': None}, 'pretrain_network_t is missing'),
        ({'network_r': None}, {'phase': 'student'}, {}, 'network_r is missing: phase student'),
        ({}, {'phase': 'assistant', 'residual_opt': None, 'embedding_opt': None}, {}, 'residual_opt is missing'),
        (
            {},
            {'phase': 'assistant', 'assistant_target': 'own', 'distill_opt': None, 'embedding_opt': None},
            {},
            'distill_opt is missing',
        ),
        ({'network_r': {'type': 'HRN', 'student': ALIKE, 'assistant': None}}, {'phase': 'assistant'}, {}, 'assistant'),
        ({}, {'phase': 'assistant', 'assistant_target': 'mine'}, {}, 'train.assistant_target'),
        (
            {'network_r': {'type': 'HRN', 'student': ALIKE, 'assistant': None, 'head': 'own'}},
            {'phase': 'student', 'start_from_teacher': False, 'embedding_opt': None},
            {},
            'head is own, and nothing trains it',
        ),
        ({'network_r': None, 'val': {'gallery': 'hrn'}}, {}, {}, 'val.gallery is hrn, but there is no network_r'),
    ],
)
def test_what_a_phase_lacks_is_named(teacher, networks, train, path, words):
    with pytest.raises(ValueError, match=words):
        recogniser(teacher, networks, path, **train)


def test_a_new_phase_is_one_class():
    """It is known by its name, trains its parts by its own terms, and its term's options are known to the checks."""
    before = dict(PHASES)

    class CoarsePhase(Phase):
        name = 'coarse_alone'
        parts = ('generator',)
        terms = ('sharpness',)

        @classmethod
        def requirements(cls, options):
            return Requirements(('network_g',), ())

        def losses(self, batch):
            coarse = self.nets.generator(batch.probes[0]).coarse
            return {'sharpness': self.setting.losses['sharpness'](coarse, batch.truth)}

    try:
        assert 'sharpness' in RIMModel.loss_terms()
        model = rim_model(phases={'coarse_alone': 1, 'fhn': 999}, sharpness_opt={'type': 'L1Loss', 'loss_weight': 3})
        before_step = {label: state_of(net) for label, net in model.nets.learning.items()}
        (log,) = steps(model)
        assert list(log) == ['l_sharpness']
        assert changed(before_step['g'], model.nets.generator) and not changed(
            before_step['d'], model.nets.discriminator
        )
    finally:
        PHASES.clear()
        PHASES.update(before)


def test_losses_that_no_phase_of_the_run_uses_are_told(teacher, monkeypatch, caplog):
    logger = get_root_logger()
    monkeypatch.setattr(logger, 'handlers', [*logger.handlers, caplog.handler])
    recogniser(teacher, phase='assistant', assistant_target='own')
    assert 'train.residual_opt' in caplog.text and 'no phase of this run has a use for them' in caplog.text
    assert 'distill_opt' not in caplog.text


def test_data_that_a_phase_requires_are_named():
    model = rim_model()
    model.feed_data({key: value for key, value in batch().items() if key != 'gt'})
    with pytest.raises(ValueError, match="phase fhn needs 'gt', which the training data do not have"):
        model.optimize_parameters(1)


def test_a_requirement_without_an_example_is_named_all_the_same():
    with pytest.raises(ValueError, match='train.sharpness_opt is missing: phase new needs it'):
        check_requirements('new', Requirements((), (('sharpness',),)), [], [])
