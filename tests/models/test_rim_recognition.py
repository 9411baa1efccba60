"""RIMModel's recognition phases: who learns what from whom, phases one after the other, embeddings of probes."""

import shutil

import pytest
import torch
import torch.nn.functional as F
from support.tiny_recognition import ALIKE, LOSSES, recogniser
from support.tiny_rim import INTEGRATOR, PATHS, batch, rim_model

from rim_plugin.archs.layers import resize

from basicsr.utils import get_root_logger


def weights(model):
    hrn = model.bare['r']
    nets = {
        'g': model.bare['g'],
        'i': model.bare['d'].integrator,
        'd': model.bare['d'].discriminator,
        's': hrn.student,
        'a': hrn.assistant,
        't': model.teacher,
    }
    return {label: {key: value.clone() for key, value in net.state_dict().items()} for label, net in nets.items()}


def learned(before, after):
    return ''.join(
        label
        for label in before
        if any(not torch.equal(value, after[label][key]) for key, value in before[label].items())
    )


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


def test_the_joint_phase_does_without_an_assistant(teacher):
    model = recogniser(teacher, {'network_r': {'type': 'HRN', 'student': ALIKE, 'assistant': None}}, phase='joint')
    before = {key: value.clone() for key, value in model.bare['r'].student.state_dict().items()}
    model.feed_data(batch(2))
    model.optimize_parameters(1)
    assert any(not torch.equal(value, before[key]) for key, value in model.bare['r'].student.state_dict().items())
    assert 'l_residual' not in model.get_current_log() and 'l_distill' in model.get_current_log()


def test_losses_of_another_generator_are_off_with_a_warning(teacher, monkeypatch, caplog):
    logger = get_root_logger()
    monkeypatch.setattr(logger, 'handlers', [*logger.handlers, caplog.handler])
    rim_model(networks={'network_g': {'type': 'SRCNN'}, 'network_d': None})
    assert 'train.coarse_opt, train.landmark_opt, train.parsing_opt, train.domain_opt: off' in caplog.text


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which('g++'), reason='no g++')
def test_compiled_and_uncompiled_students_learn_alike(teacher):
    small = {'network_r': {'type': 'HRN', 'student': {'type': 'ResNet', 'depth': 18}, 'norm_eval': True}}
    curves = []
    for compiled in (False, True):
        model = rim_model(
            path={'pretrain_network_t': teacher},
            networks={'network_t': ALIKE, **small},
            phase='student',
            compile=compiled,
            **LOSSES,
        )
        curves.append([])
        for iteration in range(1, 4):
            model.feed_data(batch(2))
            model.optimize_parameters(iteration)
            curves[-1].append(model.get_current_log()['l_embedding'])
    assert curves[1] == pytest.approx(curves[0], rel=1e-3) and curves[0][2] != curves[0][0]


def test_student_terms_are_the_losses_of_the_networks_outputs(teacher):
    model = recogniser(teacher, phase='student')
    data = batch(2)
    with torch.no_grad():
        sr = model.net_eval(data['lq'])
        student, truth = model.bare['r'].student(sr), model.teacher(data['gt'])
        embedding = model.teacher.head(student[-1])
    model.feed_data(data)
    model.optimize_parameters(1)
    log = model.get_current_log()
    assert log['l_distill'] == pytest.approx((student[-1] - truth.blocks[-1]).square().mean().item(), rel=1e-3)
    assert log['l_embedding'] == pytest.approx(
        1 - F.cosine_similarity(embedding, truth.embedding).mean().item(), rel=1e-3
    )


@pytest.mark.parametrize('name, reaches', [('distill', True), ('residual', False)])
def test_gradient_of_equation_11_reaches_the_hallucination_network(teacher, name, reaches):
    model = recogniser(teacher, phase='joint')
    model.feed_data(batch(2))
    model._enter_phase(1)
    model.domain_now = False
    (chunk,) = model.chunks()
    sr, _ = model.hallucination_terms(chunk)
    term = model.recognition_terms(chunk, sr)[name]
    gradients = torch.autograd.grad(term, list(model.bare['g'].coarse.parameters()), allow_unused=True)
    assert any(value is not None and value.any() for value in gradients) == reaches


def mixed(count=4):
    """A batch with probes of 8 and of 120 pixels, as a dataset with query_sizes_per_batch gives it."""
    data = batch(count)
    sizes = torch.tensor([8] * (count // 2) + [120] * (count - count // 2))
    large = F.interpolate(data['gt'], (120, 120), mode='bicubic')
    data['lq'] = torch.stack(
        [F.pad(lq, (0, 112, 0, 112)) if size == 8 else wide for lq, size, wide in zip(data['lq'], sizes, large)]
    )
    return {**data, 'lq_size': sizes}


@pytest.mark.parametrize('accumulate', [1, 2])
def test_student_sees_probes_of_each_size_as_at_inference(teacher, accumulate):
    model, data = recogniser(teacher, phase='student', accumulate=accumulate), mixed()
    with torch.no_grad():
        faces = torch.cat([resize(model.net_eval(data['lq'][:2, :, :8, :8]), 112), resize(data['lq'][2:], 112)])
        student, truth = model.bare['r'].student(faces), model.teacher(data['gt'])
    model.feed_data(data)
    model.optimize_parameters(1)
    assert model.get_current_log()['l_distill'] == pytest.approx(
        (student[-1] - truth.blocks[-1]).square().mean().item(), rel=1e-3
    )


def test_assistant_may_see_the_probes_without_hallucination(teacher):
    networks = {
        'network_r': {
            'type': 'HRN',
            'student': ALIKE,
            'assistant': ALIKE,
            'norm_eval': True,
            'assistant_view': 'probe',
            'assistant_scale': 1,
        }
    }
    model, data = recogniser(teacher, networks, phase='assistant', residual_opt=None), mixed()
    small, large = data['lq'][:2, :, :8, :8], data['lq'][2:]
    with torch.no_grad():
        faces = [
            [resize(enlarge(small), 112), resize(large, 112)]
            for enlarge in (model.net_eval, lambda lq: F.interpolate(lq, (224, 224), mode='bicubic').clamp(0, 1))
        ]
        student, assistant = (
            branch(torch.cat(seen))[-1]
            for branch, seen in zip((model.bare['r'].student, model.bare['r'].assistant), faces)
        )
        embedding, truth = model.teacher.head(student + assistant), model.teacher(data['gt']).embedding
        torch.testing.assert_close(model.embed_probe(small), embedding[:2], rtol=1e-3, atol=1e-3)
    model.feed_data(data)
    model.optimize_parameters(1)
    assert model.get_current_log()['l_embedding'] == pytest.approx(
        1 - F.cosine_similarity(embedding, truth).mean().item(), rel=1e-3
    )


def test_assistant_may_learn_as_a_second_student_without_hallucination(teacher, monkeypatch):
    networks = {
        'network_r': {
            'type': 'HRN',
            'student': ALIKE,
            'assistant': ALIKE,
            'norm_eval': True,
            'assistant_view': 'probe',
            'assistant_scale': 1,
            'fusion': 'mean',
        }
    }
    model, data = recogniser(teacher, networks, phase='assistant', assistant_target='own'), batch(2)
    with torch.no_grad():
        face = F.interpolate(data['lq'], (224, 224), mode='bicubic').clamp(0, 1)
        found, truth = model.bare['r'].assistant(face)[-1], model.teacher(data['gt'])
        embedding = model.teacher.head(found)
    monkeypatch.setattr(model, 'faces_seen', None)
    before = weights(model)
    model.feed_data(data)
    model.optimize_parameters(1)
    log = model.get_current_log()
    assert learned(before, weights(model)) == 'a' and set(log) == {'l_distill', 'l_embedding'}
    assert log['l_distill'] == pytest.approx((found - truth.blocks[-1]).square().mean().item(), rel=1e-3)
    assert log['l_embedding'] == pytest.approx(
        1 - F.cosine_similarity(embedding, truth.embedding).mean().item(), rel=1e-3
    )


def test_joint_phase_hallucinates_all_probes_but_shows_large_ones_as_they_are(teacher):
    model, data = recogniser(teacher, phase='joint', domain_opt=None), mixed()
    with torch.no_grad():
        sr = [model.net_eval(data['lq'][:2, :, :8, :8]), model.net_eval(data['lq'][2:])]
        faces = torch.cat([resize(sr[0], 112), resize(data['lq'][2:], 112)])
        student, truth = model.bare['r'].student(faces), model.teacher(data['gt'])
    model.feed_data(data)
    model.optimize_parameters(1)
    log = model.get_current_log()
    assert log['l_pixel'] == pytest.approx(10 * F.mse_loss(torch.cat(sr), data['gt']).item(), rel=1e-3)
    assert log['l_distill'] == pytest.approx((student[-1] - truth.blocks[-1]).square().mean().item(), rel=1e-3)


def test_another_sr_network_learns_from_probes_of_several_sizes(teacher):
    networks = {'network_g': {'type': 'FHN', 'generator': PATHS, 'integrator': INTEGRATOR}, 'network_d': None}
    model, data = rim_model(phase='fhn', networks=networks, ema_decay=0), mixed()
    with torch.no_grad():
        sr = torch.cat([model.net_eval(data['lq'][:2, :, :8, :8]), model.net_eval(data['lq'][2:])])
    model.feed_data(data)
    model.optimize_parameters(1)
    assert model.get_current_log()['l_pixel'] == pytest.approx(10 * F.mse_loss(sr, data['gt']).item(), rel=1e-4)


IDENTITY = {
    'identity_opt': {'type': 'ArcFaceLoss', 'num_classes': 3, 'embedding_size': 128},
    'center_opt': {'type': 'CenterLoss', 'num_classes': 3, 'embedding_size': 128},
}


def step_with_identities(model, iteration=1):
    model.feed_data({**batch(2), 'identity': torch.tensor([2, -1])})
    model.optimize_parameters(iteration)


def test_identities_train_the_student_and_their_own_weights(teacher):
    model = recogniser(teacher, phase='student', distill_opt=None, embedding_opt=None, **IDENTITY)
    before, students = model.losses['identity'].weight.clone(), weights(model)
    step_with_identities(model)
    assert set(model.get_current_log()) == {'l_identity', 'l_center'} and learned(students, weights(model)) == 's'
    assert not torch.equal(model.losses['identity'].weight, before)
    centers = model.losses['center'].centers
    assert centers[2].any() and not centers[:2].any()
    with pytest.raises(ValueError, match="identity_opt needs to know who the faces are: set the dataset's identities"):
        model.feed_data(batch(2))
        model.optimize_parameters(2)


def test_weights_of_identities_have_a_learning_rate_of_their_own(teacher):
    steps = {}
    for rate in ({}, {'classifier_lr': 1e-2}):  # Adam's first step is as long as the learning rate
        model = recogniser(teacher, phase='student', optim_s={'type': 'Adam', 'lr': 1e-4}, **rate, **IDENTITY)
        before, head = model.losses['identity'].weight.clone(), next(model.bare['r'].student.parameters()).clone()
        step_with_identities(model)
        steps[len(rate)] = [
            (now - old).abs().max().item()
            for now, old in (
                (model.losses['identity'].weight, before),
                (next(model.bare['r'].student.parameters()), head),
            )
        ]
    assert steps == {0: pytest.approx([1e-4, 1e-4], rel=0.01), 1: pytest.approx([1e-2, 1e-4], rel=0.01)}
    with pytest.raises(ValueError, match='train.identity_opt is missing: train.classifier_lr'):
        recogniser(teacher, phase='student', classifier_lr=1e-2)


def test_weights_of_identities_rest_while_the_assistant_learns(teacher):
    model = recogniser(teacher, phases={'assistant': 1, 'student': 999}, **IDENTITY)
    before = model.losses['identity'].weight.clone()
    step_with_identities(model, 1)
    assert torch.equal(model.losses['identity'].weight, before) and model.losses['identity'].weight.grad is None
    step_with_identities(model, 2)
    assert not torch.equal(model.losses['identity'].weight, before)


def test_what_losses_keep_is_in_the_training_state(teacher):
    models = [
        recogniser(teacher, phase='student', contrast_opt={'type': 'ContrastiveDistillationLoss'}, **IDENTITY)
        for _ in range(2)
    ]
    step_with_identities(models[0])
    state = models[0].loss_state
    assert {name: list(values) for name, values in state.items()} == {
        'contrast': ['queue'],
        'identity': ['weight'],
        'center': ['centers'],
    }
    models[1].loss_state = state
    for name, values in state.items():
        for key, value in values.items():
            assert torch.equal(getattr(models[1].losses[name], key), value)
    assert isinstance(models[1].losses['identity'].weight, torch.nn.Parameter)


def test_the_gallery_may_be_embedded_by_the_student(teacher):
    model = recogniser(teacher, phase='student')
    model.averaged['r'].student.net.conv1.conv.weight.data *= 2
    faces = torch.rand(2, 3, 224, 224)
    assert torch.equal(model.embed_gallery(faces), model.teacher(faces).embedding)
    model.gallery = 'hrn'
    with torch.no_grad():
        own = model.averaged['r'].embed(model.averaged['r'](faces), model.teacher)
        assert torch.equal(model.embed_gallery(faces), own) and torch.equal(model.embed_probe(faces), own)
    assert not torch.equal(own, model.teacher(faces).embedding)
    assert 'to the hrn' in model.probe_upscaling


def test_phases_follow_each_other_and_begin_with_averaged_weights(teacher):
    model = recogniser(teacher, phases={'fhn': 1, 'student': 1, 'assistant': 1, 'joint': 1}, total_iter=4)
    for iteration, parts in enumerate(('gid', 's', 'a', 'gidsa'), 1):
        averaged = model.averaged['r'].state_dict(), model.averaged['g'].state_dict()
        before = weights(model)
        model.feed_data(batch(2))
        model._enter_phase(iteration)
        for net, state in zip((model.bare['r'], model.bare['g']), averaged):
            assert all(torch.equal(value, state[key]) for key, value in net.state_dict().items())
        before = weights(model)
        model.optimize_parameters(iteration)
        assert learned(before, weights(model)) == parts


def test_untrained_student_from_the_teacher_embeds_as_the_teacher_does(teacher):
    model = recogniser(teacher, phase='student')
    lq = torch.rand(2, 3, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(
            model.embed_probe(lq), model.teacher(model.net_eval(lq)).embedding, rtol=1e-4, atol=1e-4
        )


def test_probes_of_full_resolution_go_to_the_teacher_smaller_ones_to_the_student(teacher):
    model = recogniser(teacher, phase='student')
    with torch.no_grad():
        for value in model.averaged['r'].student.parameters():
            value.mul_(1.1)
        for size in (112, 160):
            faces = torch.rand(2, 3, size, size)
            assert torch.equal(model.embed_probe(faces), model.embed_gallery(faces))
        faces = torch.rand(2, 3, 111, 111)
        assert not torch.allclose(model.embed_probe(faces), model.teacher(model.net_eval(faces)).embedding)


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
