"""Every part of RIM swaps by options: each network, loss, optimizer and scheduler that the registries hold makes a step
in each place, or ends in one line that names both sides."""

import re

import pytest
import torch
from support import swaps
from support.onnx_models import mean_colour
from support.small_networks import SMALL_INTEGRATOR, SMALL_SUBPIXEL
from support.swaps import LOSSES, NETWORKS, RECOGNISERS, line, small
from support.tiny_recognition import LOSSES as LIKENESS
from support.tiny_recognition import recogniser
from support.tiny_rim import OPTIONS, batch, changed, rim_model, state_of, steps
from support.tiny_training import write_options
from support.tiny_weights import write_random

from rim_plugin.archs.fhn_arch import TriPathOutput
from rim_plugin.building import describe
from rim_plugin.models.networks import build_nets
from rim_plugin.models.phases.fhn import FHNPhase
from rim_plugin.models.phases.recognition import TERMS
from rim_plugin.options.arguments import optimizer_types, scheduler_types
from rim_plugin.options.checking import check
from rim_plugin.options.reading import read_options

from basicsr.losses import build_loss

PLAIN = dict.fromkeys(['coarse_opt', 'landmark_opt', 'parsing_opt', 'domain_opt'])
GAN = {'gan_opt': {'type': 'GANLoss', 'gan_type': 'vanilla'}}
UNREADABLE = re.compile('^none.onnx: no such file|weights of vgg19, which could not be read|none.pth')
SR = {'type': 'SRCNN', 'image_size': 64, 'channels': [4, 4]}


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """VGG's weights are not fetched."""

    def refuse(*_, **__):
        raise OSError('no network in tests')

    monkeypatch.setattr('torchvision.models._api.load_state_dict_from_url', refuse)


def quick(names, some):
    """Parameters, of which all but some are slow."""
    return [each if each in some else pytest.param(each, marks=pytest.mark.slow) for each in names]


def trains(networks=None, **train):
    model = rim_model(networks=networks, **train)
    before = state_of(model.nets.generator)
    steps(model)
    assert changed(before, model.nets.generator)
    return model


# --- SR networks in RIM's place

SR_NETWORKS = {'EDSR', 'FHN', 'FixedInput', 'LapSRN', 'RCAN', 'RRDBNetX8', 'SRCNN', 'SRVGGNetCompact'}
SR_NETWORKS |= {'ECBSR', 'SPARNet', 'SubPixelResNet', 'SwinIR', 'VDSR'}


@pytest.mark.parametrize('name', quick(NETWORKS, {'EDSR', 'SwinIR', 'RRDBNet', 'UNetDiscriminatorSN', 'Bicubic'}))
def test_sr_networks(name):
    blocks = {'network_g': small(name), 'network_d': None}
    told = line(trains, blocks, **PLAIN)
    assert (not told) == (name in SR_NETWORKS), told
    assert not told or name in told or UNREADABLE.search(told)


def test_another_scale_is_told_with_both_shapes():
    blocks = {'network_g': {**small('EDSR'), 'upscale': 4}, 'network_d': None}
    expected = r'network_g: EDSR makes \(4, 3, 32, 32\) of the probes; the training faces are \(4, 3, 64, 64\)'
    with pytest.raises(ValueError, match=expected):
        trains(blocks, **PLAIN)


# --- discriminators

PLACES = {
    'in RIM, beside its integrator': lambda net: {'network_d': {**OPTIONS['network_d'], 'image': net}},
    'of another SR network': lambda net: {'network_g': SR, 'network_d': net},
}


def as_large(name):
    """The block of a network whose images are as large as what it sees, where it can be told so."""
    return small(name, upscale=1, **({'scale': 1} if name == 'ECBSR' else {}))


DISCRIMINATORS = {'UNetDiscriminatorSN', 'VGGDiscriminator'}


@pytest.mark.slow
@pytest.mark.parametrize('place', PLACES)
@pytest.mark.parametrize('name', quick(NETWORKS, {*DISCRIMINATORS, 'VGGStyleDiscriminator'}))
def test_discriminators_of_images(name, place):
    told = line(trains, PLACES[place](as_large(name)), **PLAIN, **GAN)
    assert not told or 'network_d' in told or 'train.gan_opt: GANLoss' in told or UNREADABLE.search(told)
    assert not told if name in DISCRIMINATORS else told or name not in RECOGNISERS


@pytest.mark.parametrize(
    'generator', quick(['TriPathGenerator', 'SubPixelTriPathGenerator'], ['SubPixelTriPathGenerator'])
)
@pytest.mark.parametrize('name', sorted(DISCRIMINATORS))
def test_a_discriminator_of_images_as_network_d_stands_beside_the_integrator_that_the_generator_needs(name, generator):
    nets = describe(build_nets, {'network_g': {'type': generator}, 'network_d': small(name)})
    probe = TriPathOutput(*describe(nets.generator, torch.rand(1, 3, 28, 28, device='meta')))
    assert type(nets.image_discriminator).__name__ == name
    assert nets.mixed.integrator(probe.fused, probe.coarse).shape == (1, 3, 224, 224)


def test_such_a_discriminator_trains():
    blocks = {
        'network_g': {'type': 'SubPixelTriPathGenerator', **SMALL_SUBPIXEL},
        'network_d': small('VGGDiscriminator'),
    }
    trains(blocks, **PLAIN, **GAN)


def test_rims_discriminator_beside_another_sr_network_is_told():
    blocks = {'network_g': SR, 'network_d': {**OPTIONS['network_d'], 'integrator': SMALL_INTEGRATOR}}
    told = line(trains, blocks, **PLAIN)
    assert told.startswith('network_d is MixAdversarialDiscriminator: it takes the features of a TriPathGenerator, and')
    assert 'network_g is SRCNN' in told


@pytest.mark.parametrize('gan_type', ['vanilla', 'lsgan', 'wgan', 'wgan_softplus', 'hinge'])
def test_every_kind_of_gan(gan_type):
    trains(
        PLACES['of another SR network'](small('VGGDiscriminator')),
        **PLAIN,
        gan_opt={**GAN['gan_opt'], 'gan_type': gan_type},
    )


@pytest.mark.slow
def test_discriminators_of_several_scales_learn_by_basicsrs_loss_of_several_scales():
    net = small('HiFaceGANDiscriminator')
    blocks = PLACES['of another SR network'](net)
    trains(blocks, **PLAIN, gan_opt={'type': 'MultiScaleGANLoss', 'gan_type': 'hinge'})
    told = line(trains, blocks, **PLAIN, **GAN)
    assert told.startswith('train.gan_opt: GANLoss cannot take [')


@pytest.mark.slow
@pytest.mark.parametrize('name', quick(NETWORKS, {'VGGDiscriminator', 'VGGStyleDiscriminator'}))
def test_discriminators_of_components(name):
    net = {'type': 'ComponentDiscriminator', 'net': as_large(name), 'size': 64}
    told = line(component_step, net)
    assert not told or 'network_c' in told or 'train.gan_component_opt: GANLoss' in told or UNREADABLE.search(told)
    assert not told or name not in DISCRIMINATORS


def component_step(net):
    model = rim_model(
        networks={'network_g': SR, 'network_d': None, 'network_c': net}, **PLAIN, gan_component_opt=GAN['gan_opt']
    )
    before, data = state_of(model.nets.components), {**batch(), 'landmarks': torch.rand(4, 68, 2) * 60}
    model.feed_data(data)
    model.optimize_parameters(1)
    assert model.get_current_log()['l_gan_component'] > 0 and changed(before, model.nets.components)


# --- losses

IN_RIM = {
    **{'sr_identity': 'CosineIdentityLoss', 'component': 'ComponentLoss', 'gan': 'GANLoss', 'gan_component': 'GANLoss'},
    **{'landmark': 'HeatmapLoss', 'points': 'L1Loss', 'parsing': 'ParsingLoss', 'domain': 'MKMMDLoss'},
    **dict.fromkeys(('pixel', 'perceptual', 'coarse'), 'CharbonnierLoss'),
    **{'distill': 'DistillationLoss', 'embedding': 'DistillationLoss', 'contrast': 'ContrastiveDistillationLoss'},
    **{'residual': 'ResidualDistillationLoss', 'identity': 'ArcFaceLoss', 'octuplet': 'OctupletLoss'},
}
EVERY_PART = {
    'network_g': {'type': 'SubPixelTriPathGenerator', **SMALL_SUBPIXEL},
    'network_d': {
        **{**OPTIONS['network_d'], 'image': small('VGGDiscriminator')},
        'integrator': {'type': 'SubPixelIntegrator', 'channels': 8, 'blocks': 1},
    },
    'network_c': {'type': 'ComponentDiscriminator', 'net': small('VGGDiscriminator'), 'size': 32},
}


@pytest.fixture(scope='module')
def everything(tiny_teacher):
    """RIM with every part, in the joint phase, which has every term."""
    model = recogniser(tiny_teacher, networks=EVERY_PART, phase='joint')
    model.feed_data({**batch(2), 'landmarks': torch.rand(2, 5, 2) * 60, 'identity': torch.arange(2)})
    return model


def loss_step(model, term, loss):
    """Gradients of a loss as the term, beside the pixel loss, which the phase cannot do without."""
    losses = model.trainer.losses
    losses.clear()
    losses.update({'pixel': torch.nn.L1Loss(), term: loss})
    terms = model.trainer.enter_phase(1).losses(model.batch, adversarial=term == 'domain')
    sum(terms.values()).backward()
    assert term in terms


def test_every_loss_key_has_its_loss_in_this_test():
    assert IN_RIM.keys() == {*FHNPhase.terms, *TERMS}


@pytest.mark.parametrize('term', IN_RIM)
def test_the_loss_of_a_key_makes_a_step(term, everything):
    assert line(loss_step, everything, term, build_loss(swaps.loss(IN_RIM[term]))) == ''


@pytest.mark.parametrize('name', quick(LOSSES, {'ArcFaceLoss'}))
def test_every_loss_makes_a_step_or_is_told_under_every_key(name, everything):
    if unbuilt := line(build_loss, swaps.loss(name)):
        assert UNREADABLE.search(unbuilt)
        return
    loss = build_loss(swaps.loss(name))
    told = {term: line(loss_step, everything, term, loss) for term in IN_RIM}
    assert all(not message or message.startswith(f'train.{term}_opt: ') for term, message in told.items())
    assert not all(told.values())


def test_a_loss_without_a_number_is_told():
    told = line(trains, pixel_opt={'type': 'L1Loss', 'reduction': 'none'})
    assert told == 'train.pixel_opt: L1Loss gives (4, 3, 64, 64) instead of one number'


# --- optimizers and schedulers

COURSES = {
    'OneCycleLR': {'max_lr': 0.01, 'total_steps': 1000},
    'CyclicLR': {'base_lr': 0.001, 'max_lr': 0.01, 'cycle_momentum': False},
    'CosineAnnealingRestartLR': {'periods': [1000]},
    'StepLR': {'step_size': 1},
    'ExponentialLR': {'gamma': 0.9},
    'CosineAnnealingLR': {'T_max': 10},
    'CosineAnnealingWarmRestarts': {'T_0': 10},
    **dict.fromkeys(('MultiStepLR', 'MultiStepRestartLR'), {'milestones': [1]}),
}


def solver_step(folder, optimizer, scheduler):
    train = {'optim_g': {'type': optimizer, 'lr': 1e-3}, 'scheduler': {'type': scheduler, **COURSES.get(scheduler, {})}}
    changes = {f'train__{key}': value for key, value in train.items()}
    file = write_options(folder / 'o.yml', model_type='RIMModel', **changes)
    check(read_options(file), file, True)
    model = trains({'network_g': SR, 'network_d': None}, **PLAIN, **train)
    model.update_learning_rate(2)
    steps(model)


@pytest.mark.parametrize('name', quick(sorted(scheduler_types()), {'MultiStepLR', 'OneCycleLR', 'StepLR'}))
def test_schedulers(name, tmp_path):
    assert line(solver_step, tmp_path, 'SGD', name) == ''


@pytest.mark.parametrize('name', quick(sorted(optimizer_types()), {'Adam', 'LBFGS', 'RMSprop', 'SparseAdam'}))
def test_optimizers(name, tmp_path):
    told = line(solver_step, tmp_path, name, 'MultiStepLR')
    assert not told or f'train.optim_g: {name} cannot step in a training' in told
    assert bool(told) == (name in ('LBFGS', 'SparseAdam'))


# --- recognisers

PAIRS = [(student, teacher) for student in ['ResNet', *RECOGNISERS] for teacher in RECOGNISERS]


def tiny_recogniser(name, folder):
    """The block of a recogniser; an ONNX file stands there where it needs one."""
    if name == 'ResNet':  # which is not registered: it takes the teacher's shape
        return {'type': 'ResNet', 'depth': 18}
    return small(name, model=mean_colour(folder / 'mean.onnx')) if name == 'OnnxRecogniser' else small(name)


def pair_step(student, teacher, folder):
    branch, like = tiny_recogniser(student, folder), tiny_recogniser(teacher, folder)
    networks = {
        **{'network_g': None, 'network_d': None, 'network_t': like},
        'network_r': {'type': 'HRN', 'student': branch, 'assistant': branch, 'adapters': True},
    }
    brings_its_own = teacher == 'OnnxRecogniser'
    path = {} if brings_its_own else {'pretrain_network_t': write_random(like, folder / 'teacher.safetensors')}
    model = rim_model(networks=networks, path=path, **LIKENESS, phase='assistant')
    model.feed_data(batch(2))
    model.optimize_parameters(1)
    assert model.get_current_log()['l_residual'] > 0


@pytest.mark.parametrize('pair', quick(PAIRS, [('OnnxRecogniser', 'OnnxRecogniser')]))
def test_recognisers_as_student_and_assistant_of_any_teacher(pair, tmp_path):
    """Only one without block maps cannot be; and ResNet takes no grid that is finer than its strides."""
    told = line(pair_step, *pair, tmp_path)
    if 'OnnxRecogniser' in pair:
        assert told.startswith('network_r: HRN cannot be built so (OnnxRecogniser only evaluates')
    else:
        assert not told or pair == ('ResNet', 'TimmRecogniser')
