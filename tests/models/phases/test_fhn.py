"""The hallucination phase: Eqs. 1 to 10, who minimises what."""

import logging

import numpy as np
import pytest
import torch
import torchvision
from support.small_networks import SMALL_SUBPIXEL
from support.tiny_recognition import recogniser
from support.tiny_rim import OPTIONS, batch, changed, gradients, rim_model, state_of, steps

from rim_plugin.archs.component_crops import component_crops


def test_one_step_trains_all_three_and_logs_every_term_by_name():
    model = rim_model()
    parts = (model.nets.generator, model.nets.discriminator.integrator, model.nets.discriminator.discriminator)
    before = [state_of(net) for net in parts]
    (log,) = steps(model)
    assert list(log) == ['l_d', 'l_pixel', 'l_coarse', 'l_landmark', 'l_parsing', 'l_domain']
    assert all(np.isfinite(value) for value in log.values())
    assert all(changed(old, net) for old, net in zip(before, parts, strict=True))


def test_terms_are_the_losses_of_the_networks_outputs():
    model = rim_model()
    data = batch()
    with torch.no_grad():
        probe, hr = model.nets.generator(data['lq'], data['gt'])
        sr = model.nets.discriminator.integrator(probe.fused, probe.coarse)
        expected = {
            'l_pixel': 10 * (sr - data['gt']).square().mean(),
            'l_coarse': 12 * (probe.coarse - data['gt']).square().mean(),
            'l_landmark': (probe.heatmaps - data['heatmaps']).square().mean(),
            'l_parsing': -probe.parsing.log_softmax(1).gather(1, data['parsing'][:, None]).mean(),
        }
        embeddings = model.nets.discriminator.discriminator(torch.cat([probe.fused, hr.fused])).chunk(2)
        expected['l_d'] = -model.trainer.losses['domain'](*embeddings)
    (log,) = steps(model)
    for name, value in expected.items():
        assert log[name] == pytest.approx(value.item(), rel=1e-5), name


def test_integrator_follows_the_pixel_loss_alone():
    """Eq. 5: the gradient of theta_i from the whole sum is that from the pixel loss."""
    model = rim_model()
    model.feed_data(batch())
    terms = model.trainer.enter_phase(1).losses(model.batch, adversarial=True)
    integrator = model.nets.discriminator.integrator
    for a, b in zip(gradients(integrator, sum(terms.values())), gradients(integrator, terms['pixel']), strict=True):
        assert torch.equal(a, b)
    everything = gradients(model.nets.generator.global_path, sum(terms.values()))
    assert not torch.equal(everything[0], gradients(model.nets.generator.global_path, terms['pixel'])[0])


def test_discriminator_step_leaves_the_generator_alone():
    model = rim_model()
    model.feed_data(batch())
    before = state_of(model.nets.generator)
    model.trainer.enter_phase(1).step_discriminator([model.batch], model.trainer.optimisation)
    assert not changed(before, model.nets.generator)
    assert all(value.grad is None for value in model.nets.generator.parameters())


@pytest.mark.parametrize('trained, sign', [('discriminator', 1), ('generator', -1)])
def test_min_max_of_the_domain_loss(trained, sign, monkeypatch):
    """Eq. 10: with a frozen generator the MMD that D_d finds rises; with a frozen D_d the generator makes it fall."""
    # a fixed bandwidth: the median follows the embeddings apart and hides what theta_d gains
    monkeypatch.setattr('rim_plugin.losses.mkmmd_loss.pooled_bandwidth', lambda *_: 0.5)
    model = rim_model(
        coarse_opt=None, landmark_opt=None, parsing_opt=None, pixel_opt={'type': 'MSELoss', 'loss_weight': 1e-6}
    )
    for name in {'generator', 'integrator', 'discriminator'} - {trained}:
        for group in model.trainer.optimisation.parts[name].optimizer.param_groups:
            group['lr'] = 0
    log = steps(model, 6)
    first, last = log[0]['l_domain'], log[-1]['l_domain']
    assert sign * (last - first) > 0.2 * first


@pytest.mark.slow
def test_domain_interval_and_terms_left_out():
    model = rim_model(domain_interval=2, landmark_opt=None)
    first, second = steps(model, 2)
    assert list(first) == ['l_pixel', 'l_coarse', 'l_parsing']
    assert list(second) == ['l_d', 'l_pixel', 'l_coarse', 'l_parsing', 'l_domain']
    assert len(rim_model(domain_opt=None).optimizers) == 2


def test_absent_priors_turn_their_loss_off_with_one_warning(caplog):
    model = rim_model()
    data = {key: value for key, value in batch().items() if key != 'parsing'}
    logging.getLogger('basicsr').addHandler(caplog.handler)
    for i in (1, 2):
        model.feed_data(data)
        model.optimize_parameters(i)
    logging.getLogger('basicsr').removeHandler(caplog.handler)
    assert 'l_parsing' not in model.get_current_log()
    assert caplog.text.count('parsing_opt is off') == 1


def test_faces_with_other_landmarks_turn_their_loss_off(caplog):
    model, data = rim_model(), batch()
    data['heatmaps'] = data['heatmaps'][:, :3]
    logging.getLogger('basicsr').addHandler(caplog.handler)
    model.feed_data(data)
    model.optimize_parameters(1)
    logging.getLogger('basicsr').removeHandler(caplog.handler)
    assert 'l_landmark' not in model.get_current_log() and 'l_parsing' in model.get_current_log()
    assert 'landmark_opt is off: the training faces have 3 landmarks, network_g:num_landmarks is ' in caplog.text


def test_places_of_landmarks_are_learnt_where_the_network_regresses_them():
    networks = {
        'network_g': {'type': 'SubPixelTriPathGenerator', **SMALL_SUBPIXEL},
        'network_d': {
            'type': 'MixAdversarialDiscriminator',
            'integrator': {'type': 'SubPixelIntegrator', 'channels': 8, 'blocks': 1},
            'discriminator': {'channels': 4, 'embedding': 8, 'pool': 2},
        },
    }
    model, data = rim_model(networks=networks, points_opt={'type': 'L1Loss'}, landmark_opt=None), batch()
    with torch.no_grad():
        points = model.nets.generator(data['lq']).points
    expected = (points - (data['landmarks'] + 0.5) / 64).abs().mean().item()
    (log,) = steps(model)
    assert log['l_points'] == pytest.approx(expected, rel=1e-5)


def test_a_network_without_places_turns_their_loss_off(caplog):
    model = rim_model(points_opt={'type': 'L1Loss'})
    logging.getLogger('basicsr').addHandler(caplog.handler)
    (log,) = steps(model)
    logging.getLogger('basicsr').removeHandler(caplog.handler)
    assert 'l_points' not in log and 'points_opt is off: network_g has no such path' in caplog.text


IDENTITY = {'sr_identity_opt': {'type': 'CosineIdentityLoss', 'loss_weight': 0.5}}


def test_identity_of_sr_faces_is_what_the_teacher_sees(tiny_teacher):
    model, data = recogniser(tiny_teacher, phase='fhn', **IDENTITY), batch()
    with torch.no_grad():
        probe = model.nets.generator(data['lq'])
        sr = model.nets.discriminator.integrator(probe.fused, probe.coarse)
        cosine = torch.cosine_similarity(model.nets.teacher(sr).embedding, model.nets.teacher(data['gt']).embedding)
    before, teacher = state_of(model.nets.generator), state_of(model.nets.teacher)
    model.trainer.losses['pixel'].loss_weight = 0
    (log,) = steps(model)
    assert log['l_sr_identity'] == pytest.approx(0.5 * (1 - cosine.mean().item()), rel=1e-4)
    assert changed(before, model.nets.generator) and not changed(teacher, model.nets.teacher)


def test_identity_of_sr_faces_needs_a_teacher():
    with pytest.raises(ValueError, match='network_t is missing: sr_identity_opt'):
        rim_model(**IDENTITY)


class Content(torch.nn.Module):
    """As BasicSR's perceptual loss: content and style, of which one may be absent."""

    def __init__(self, content, style):
        super().__init__()
        self.weights = (content, style)

    def forward(self, sr, gt):
        return [None if weight is None else weight * (sr - gt).abs().mean() for weight in self.weights]


@pytest.mark.parametrize('weights, factor', [((2, None), 2), ((None, 3), 3), ((2, 3), 5)])
@pytest.mark.parametrize('other', [False, True])
def test_a_perceptual_loss_adds_content_and_style(weights, factor, other):
    networks = {'network_g': {'type': 'SubPixelResNet', 'image_size': 64, 'input_size': 8}, 'network_d': None}
    model = rim_model(networks=networks if other else None, pixel_opt={'type': 'L1Loss'})
    model.trainer.losses['perceptual'] = Content(*weights)
    (log,) = steps(model)
    assert log['l_perceptual'] == pytest.approx(factor * log['l_pixel'], rel=1e-5)


@pytest.mark.slow
def test_basicsrs_perceptual_loss_with_vgg(monkeypatch):
    weights = torchvision.models.vgg11(weights=None).state_dict()
    monkeypatch.setattr(
        torchvision.models.vgg.VGG11_Weights.IMAGENET1K_V1.__class__, 'get_state_dict', lambda *_, **__: weights
    )
    block = {'type': 'PerceptualLoss', 'vgg_type': 'vgg11', 'layer_weights': {'conv2_1': 1.0}, 'style_weight': 0.1}
    (log,) = steps(rim_model(perceptual_opt=block))
    assert np.isfinite(log['l_perceptual']) and log['l_perceptual'] > 0


GAN = {'gan_opt': {'type': 'GANLoss', 'gan_type': 'vanilla', 'loss_weight': 0.1}}
UNET = {'type': 'UNetDiscriminatorSN', 'num_in_ch': 3, 'num_feat': 4}
VGG = {'type': 'VGGDiscriminator', 'num_feat': 4, 'pool': 2}


def adversarial(image, **train):
    return rim_model(networks={'network_d': {**OPTIONS['network_d'], 'image': image}}, **{**GAN, **train})


@pytest.mark.parametrize('image', [pytest.param(UNET, marks=pytest.mark.slow), VGG])
def test_a_discriminator_of_images_learns_beside_and_is_fooled(image):
    model = adversarial(image)
    model.feed_data(batch())
    nets, phase = model.nets, model.trainer.enter_phase(1)
    terms = phase.losses(model.batch)
    both = terms['gan'] + terms['gan_d']
    for net, own, other in ((nets.discriminator.image, 'gan_d', 'gan'), (nets.generator.coarse, 'gan', 'gan_d')):
        ours, all_of_it = (gradients(net, loss) for loss in (terms[own], both))
        assert all(torch.equal(a, b) for a, b in zip(ours, all_of_it, strict=True)), other
        assert any(value.any() for value in ours)
    parts = [nets.generator, nets.discriminator.integrator, nets.discriminator.image]
    before = [state_of(net) for net in parts]
    (log,) = steps(model)
    assert log['l_gan'] > 0 and log['l_gan_d'] > 0
    assert all(changed(old, net) for old, net in zip(before, parts, strict=True))


def test_losses_of_the_discriminator_of_images_are_basicsrs():
    model, data = adversarial(VGG), batch()
    with torch.no_grad():
        probe = model.nets.generator(data['lq'])
        sr = model.nets.discriminator.integrator(probe.fused, probe.coarse)
        image = model.nets.discriminator.image.train()
        true, false = image(torch.cat([data['gt'], sr])).chunk(2)
    model.feed_data(data)
    terms = model.trainer.enter_phase(1).losses(model.batch)
    softplus = torch.nn.functional.softplus
    assert terms['gan'].item() == pytest.approx(0.1 * softplus(-false).mean().item(), rel=1e-4)
    expected = (softplus(-true).mean() + softplus(false).mean()) / 2
    assert terms['gan_d'].item() == pytest.approx(expected.item(), rel=1e-4)


@pytest.mark.slow
def test_a_discriminator_of_images_rests_without_its_loss_and_is_missed_with_it():
    model = adversarial(UNET, gan_opt=None)
    before = state_of(model.nets.discriminator.image)
    steps(model, 2)
    assert not changed(before, model.nets.discriminator.image)
    with pytest.raises(ValueError, match='network_d.image is missing: gan_opt needs a discriminator of images'):
        rim_model(**GAN)


ON_COMPONENTS = {
    'component_opt': {'type': 'ComponentLoss', 'loss': {'type': 'MSELoss'}, 'loss_weight': 2},
    'gan_component_opt': GAN['gan_opt'],
}
COMPONENTS = {'network_c': {'type': 'ComponentDiscriminator', 'net': VGG}}


@pytest.mark.slow
def test_components_are_compared_and_their_discriminators_learn_beside():
    model, data = rim_model(networks=COMPONENTS, **ON_COMPONENTS), batch()
    model.feed_data(data)
    nets, phase = model.nets, model.trainer.enter_phase(1)
    sr, terms = phase.hallucinate(model.batch, None, False)
    crops = [component_crops(faces, data['landmarks']) for faces in (sr, data['gt'])]
    assert terms['component'].item() == pytest.approx(2 * (crops[0] - crops[1]).square().mean().item(), rel=1e-5)
    both = terms['gan_component'] + terms['gan_component_d']
    for net, own in ((nets.components, 'gan_component_d'), (nets.generator.coarse, 'gan_component')):
        ours, all_of_it = (gradients(net, loss) for loss in (terms[own], both))
        assert all(torch.equal(a, b) for a, b in zip(ours, all_of_it, strict=True)), own
        assert any(value.any() for value in ours)


def test_losses_of_components_rest_without_landmarks(caplog):
    model = rim_model(networks=COMPONENTS, **ON_COMPONENTS)
    data = {key: value for key, value in batch().items() if key != 'landmarks'}
    logging.getLogger('basicsr').addHandler(caplog.handler)
    model.feed_data(data)
    model.optimize_parameters(1)
    logging.getLogger('basicsr').removeHandler(caplog.handler)
    assert 'l_component' not in model.get_current_log()
    for term in ON_COMPONENTS:
        assert f"{term} is off: the training data have no 'landmarks'." in caplog.text


EVERY_TERM = {
    **IDENTITY,
    **ON_COMPONENTS,
    'gan_opt': GAN['gan_opt'],
    'points_opt': {'type': 'L1Loss'},
    'perceptual_opt': {'type': 'L1Loss'},
}


def model_of_every_term(teacher):
    networks = {
        **COMPONENTS,
        'network_d': {**OPTIONS['network_d'], 'image': UNET},
        'network_t': {'type': 'TinyRecogniser'},
    }
    return rim_model(networks=networks, path={'pretrain_network_t': teacher}, **EVERY_TERM)


def losses_of(model, data):
    """Terms of a batch; discriminators of images keep their norms of weights."""
    model.feed_data(data)
    phase = model.trainer.enter_phase(1)
    if model.nets.discriminator.image is not None:
        model.nets.discriminator.image.eval()
    with torch.no_grad():
        return phase.losses(model.batch, adversarial=True)


@pytest.mark.slow
def test_faces_that_are_not_full_count_in_the_loss_of_identity_alone(tiny_teacher):
    model, data = model_of_every_term(tiny_teacher), batch(6)
    flags = torch.tensor([False, True, True, False, True, False])
    mixed = losses_of(model, {**data, 'is_full': flags})
    full = losses_of(model, {key: value[flags] for key, value in data.items() if torch.is_tensor(value)})
    whole = losses_of(model, data)
    assert mixed.keys() == whole.keys() >= {'pixel', 'perceptual', 'coarse', 'landmark', 'parsing', 'domain'}
    for name, value in mixed.items():
        same, other = (whole, full) if name == 'sr_identity' else (full, whole)
        torch.testing.assert_close(value, same[name], msg=name)
        assert abs(value - other[name]) > 1e-5 * abs(value), name


def test_a_batch_without_full_faces_has_the_loss_of_identity_alone(tiny_teacher, caplog):
    model, data = model_of_every_term(tiny_teacher), batch()
    logging.getLogger('basicsr').addHandler(caplog.handler)
    assert set(losses_of(model, {**data, 'is_full': torch.tensor([False] * 4)})) == {'sr_identity'}
    logging.getLogger('basicsr').removeHandler(caplog.handler)
    assert 'all from further stores: it has no losses of pixels and priors' in caplog.text


def test_micro_batches_without_full_faces_leave_the_step_to_the_others():
    model = rim_model(accumulate=2)
    data = {**batch(), 'is_full': torch.tensor([True, True, False, False])}
    before = state_of(model.nets.generator)
    model.feed_data(data)
    model.optimize_parameters(1)
    log = model.get_current_log()
    halves = rim_model()
    expected = losses_of(halves, {key: value[:2] for key, value in data.items() if torch.is_tensor(value)})
    assert log['l_pixel'] == pytest.approx(expected['pixel'].item() / 2, rel=1e-5)
    assert changed(before, model.nets.generator)
