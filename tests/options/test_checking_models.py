"""What constructors and models would refuse once folders exist is told by the check."""

import os

import pytest
import torch
from support.refusals import refused
from support.tiny_training import write_options

from rim_plugin.options.checking import check
from rim_plugin.options.reading import read_options

from basicsr.utils.logger import initialized_logger

TRI = {'type': 'TriPathGenerator'}
MIX = {'type': 'MixAdversarialDiscriminator'}
ALIKE = {'type': 'MobileFaceNet'}
STUDENT = {'train__phase': 'student', 'network_r': {'type': 'HRN'}, 'train__distill_opt': {'type': 'DistillationLoss'}}
TAUGHT = {**STUDENT, 'network_t': ALIKE, 'path__pretrain_network_t': __file__}
MOBILE = {'type': 'HRN', 'teacher': {'type': 'MobileFaceNet'}}
SRCNN = {'type': 'SRCNN'}
METRIC = {'type': 'calculate_psnr'}
SMALL = {
    **{**TRI, 'feature_size': 28, 'coarse_channels': 8, 'coarse_blocks': 1, 'global_channels': 8, 'global_blocks': 1},
    **{'prior_channels': 8, 'prior_blocks': 0, 'hourglass_depth': 2, 'hourglass_blocks': 1},
}
SMALL_MIX = {**MIX, 'integrator': {'feature_size': 56, 'channels': 8, 'blocks': 1}}
PAIRS = {'name': 'b', 'type': 'DrawnPairDataset', 'num_identities': 4, 'faces_per_identity': 2, 'folds': 2}
DRAWN = {
    **{'name': 'a', 'type': 'DrawnFaceDataset', 'num_identities': 2, 'query_size': 28},
    **{'batch_size_per_gpu': 2, 'num_worker_per_gpu': 0},
}


@pytest.mark.parametrize(
    'changes, message',
    [
        # what networks can choose, and how large they may be
        (
            dict(network_g={**TRI, 'prior_paths': 'seperate'}),
            "network_g.prior_paths: 'seperate' is not one of separate",
        ),
        (dict(network_g={**TRI, 'concat': 'all'}), "network_g.concat: 'all' is not one of features, features+priors"),
        (dict(network_g={**TRI, 'norm': 'batch'}), "network_g.norm: 'batch' is not one of instance, none"),
        (dict(network_g={**TRI, 'prior_norm': 'Instance'}), "network_g.prior_norm: 'Instance' is not one of instance"),
        (dict(network_g={**TRI, 'image_size': 0}), 'network_g.image_size: 0 is not a whole number of at least 1'),
        (dict(network_g={**TRI, 'image_size': 2.24e2}), 'network_g.image_size: 224.0 is not a whole number'),
        (dict(network_g={**MOBILE, 'head': 'both'}), "network_g.head: 'both' is not one of teacher, own"),
        (dict(network_g={**MOBILE, 'assistant_view': 'hr'}), "network_g.assistant_view: 'hr' is not one of sr, probe"),
        (dict(network_g={**MOBILE, 'fusion': 'max'}), "network_g.fusion: 'max' is not one of sum, mean or a number"),
        (dict(network_g={**MOBILE, 'fusion': 0}), 'network_g.fusion: 0 is not one of sum, mean or a number above 0'),
        (dict(network_g={**MOBILE, 'student': {'type': 'ResNet', 'depth': 50}}), 'network_g.student.depth: 50 is not'),
        (dict(network_g={'type': 'IResNet', 'variant': 'arcface'}), "network_g.variant: 'arcface' is not one of"),
        (dict(network_g={**SRCNN, 'kernels': [9, 5]}), 'network_g.kernels: [9, 5] is not a list of 3, each a whole'),
        (dict(network_g={'type': 'LapSRN', 'scale': 1}), 'network_g.scale: 1 is not a whole number of at least 2'),
        # losses
        (dict(train__distill_opt={'type': 'DistillationLoss', 'target': 'first'}), "train.distill_opt.target: 'first'"),
        (dict(train__distill_opt={'type': 'DistillationLoss', 'distance': 'l1'}), "train.distill_opt.distance: 'l1'"),
        (
            dict(train__landmark_opt={'type': 'HeatmapLoss', 'reduction': 'none'}),
            "train.landmark_opt.reduction: 'none'",
        ),
        (
            dict(train__parsing_opt={'type': 'ParsingLoss', 'class_weights': [-1]}),
            'train.parsing_opt.class_weights: [-1]',
        ),
        (
            dict(train__domain_opt={'type': 'MKMMDLoss', 'bandwidth': 'mode'}),
            "train.domain_opt.bandwidth: 'mode' is not",
        ),
        (dict(train__domain_opt={'type': 'MKMMDLoss', 'bandwidth': [0]}), 'train.domain_opt.bandwidth: [0] is not'),
        (
            dict(train__contrast_opt={'type': 'ContrastiveDistillationLoss', 'temperature': 0}),
            'train.contrast_opt.temperature: 0 is not a number above 0',
        ),
        (
            dict(train__contrast_opt={'type': 'ContrastiveDistillationLoss', 'same_person': 1}),
            'train.contrast_opt.same_person: 1 is not a number above -1 and below 1',
        ),
        (
            dict(train__identity_opt={'type': 'ArcFaceLoss', 'num_classes': 2, 'embedding_size': 2, 'margin': 2}),
            'train.identity_opt.margin: 2 is not a number',
        ),
        (
            dict(train__optim_g={'type': 'Adam', 'lr': 1, 'betas': [0.9]}),
            'train.optim_g.betas: [0.9] is not a list of 2',
        ),
        (
            dict(train__component_opt={'type': 'ComponentLoss', 'loss': {'type': 'L1Loss', 'weight': 1}}),
            "train.component_opt.loss.weight: unknown key; did you mean 'loss_weight'?",
        ),
        (
            dict(train__component_opt={'type': 'ComponentLoss', 'loss': {'type': 'L1'}}),
            "train.component_opt.loss.type: unknown loss 'L1'",
        ),
        (
            dict(train__component_opt={'type': 'ComponentLoss', 'components': ['nose']}),
            "train.component_opt.components: ['nose'] is not a list, each one of left_eye, right_eye, mouth",
        ),
        (dict(train__optim_g={'type': 'LBFGS', 'lr': 1}), 'train.optim_g: LBFGS cannot step in a training ('),
        # metrics, those too that stand for one of BasicSR's
        (dict(val__metrics__psnr={**METRIC, 'input_order': 'HWC'}), 'val.metrics.psnr.input_order: unknown key'),
        (dict(val__metrics__psnr={**METRIC, 'crop_border': -1}), 'val.metrics.psnr.crop_border: -1 is not a whole'),
        (
            dict(val__metrics__psnr={**METRIC, 'crop_border': '4'}),
            "val.metrics.psnr.crop_border: '4' is not a whole number",
        ),
        (dict(val__metrics__s={'type': 'calculate_ssim', 'crop_border': 1.5}), 'val.metrics.s.crop_border: 1.5 is not'),
        (dict(val__metrics__r={'type': 'calculate_rank', 'k': 0}), 'val.metrics.r.k: 0 is not a whole number'),
        (dict(val__metrics__t={'type': 'calculate_tar_at_far', 'far': 2}), 'val.metrics.t.far: 2 is not a number'),
        (
            dict(val__metrics__v={'type': 'calculate_verification_accuracy', 'thresholds': 'best'}),
            "val.metrics.v.thresholds: 'best' is not one of exact, insightface",
        ),
        # phases
        (dict(train__phase='foo'), "train.phase: 'foo' is unknown; known: assistant, fhn, joint, student"),
        (dict(train__phases={'fnh': 20}), "train.phases: 'fnh' is unknown; did you mean 'fhn'?"),
        (dict(train__phases={'fhn': 19}), 'train.total_iter is 20, but the phases add up to 19 iterations'),
        (dict(train__phase='fhn', train__phases={'fhn': 20}), 'train.phase and train.phases exclude each other'),
        (dict(train__pixel_opt=None), 'train.pixel_opt is missing: phase fhn needs it'),
        (dict(train__phase='student'), 'network_r is missing: phase student trains it'),
        (dict(train__phase='student', network_r=MOBILE), 'train.distill_opt is missing: phase student needs it'),
        (dict(train__accumulate=7), 'train.accumulate is 7; it has to divide the batch of 2'),
        (dict(train__classifier_lr=0.1), 'train.identity_opt is missing: train.classifier_lr'),
        # networks that cannot be built, or not together
        (dict(network_g=TRI), 'network_d is missing: TriPathGenerator needs a MixAdversarialDiscriminator'),
        (
            dict(network_g=SRCNN, network_d=MIX),
            'network_d is MixAdversarialDiscriminator: it takes the features of a TriPathGenerator, and network_g is',
        ),
        (dict(network_g={'type': 'SwinIR'}), 'network_g: SwinIR cannot be built so (shape '),
        (
            dict(network_g=TRI, network_d={**MIX, 'image': {'type': 'UNetDiscriminator'}}),
            "network_d.image.type: unknown network 'UNetDiscriminator'; did you mean 'UNetDiscriminatorSN'?",
        ),
        (
            dict(network_g=SRCNN, train__gan_opt={'type': 'GANLoss', 'gan_type': 'vanilla'}),
            'network_d is missing: gan_opt needs a discriminator of images',
        ),
        (
            dict(network_g=SRCNN, train__gan_component_opt={'type': 'GANLoss', 'gan_type': 'vanilla'}),
            'network_c is missing: gan_component_opt needs discriminators of face components',
        ),
        (dict(network_c={'type': 'VGGDiscriminator'}), 'network_c is VGGDiscriminator: give it as net of a Component'),
        (
            dict(network_g=TRI, network_d=MIX, train__gan_opt={'type': 'GANLoss', 'gan_type': 'vanilla'}),
            'network_d.image is missing: gan_opt needs a discriminator of images',
        ),
        (
            dict(network_g={'type': 'SwinIR'}, model_type='BaselineModel'),
            'network_g: SwinIR cannot be built so (shape ',
        ),
        pytest.param(
            dict(network_g=TRI, network_d={**MIX, 'integrator': {'feature_size': 100}}),
            'feature_size: 100 has to be a multiple of 56 that divides 224',
            marks=pytest.mark.slow,
        ),
        (dict(network_g={**TRI, 'image_size': 100}, network_d=MIX), 'image_size'),
        (dict(STUDENT), 'network_t is missing: student and assistant, network_r, learn from a teacher'),
        (dict(STUDENT, network_t=ALIKE), 'path.pretrain_network_t is missing: name the weights of the teacher'),
        (
            dict(TAUGHT, path__pretrain_network_t='ir50.pth'),
            f'path.pretrain_network_t: ir50.pth: no such file or folder (from {os.getcwd()}); name the '
            "teacher's weights, or take another teacher, e.g. --force_yml 'network_t={type: MobileFaceNet}'",
        ),
        (
            dict(TAUGHT, train__phase=None),
            'train.phases is missing: the default, phase fhn alone, does not train network_r; name the phases, e.g.',
        ),
        pytest.param(
            dict(TAUGHT, network_r={'type': 'HRN', 'student': {'type': 'IResNet'}}),
            'student: IResNet (blocks of channels/stride ',
            marks=pytest.mark.slow,
        ),
        (dict(TAUGHT, network_r={'type': 'HRN'}, train__start_from_teacher=True), 'start_from: the student, ResNet'),
        pytest.param(
            dict(TAUGHT, network_r={'type': 'HRN', 'head': 'own'}),
            'network_r.head is own, and nothing trains it',
            marks=pytest.mark.slow,
        ),
        (
            dict(
                TAUGHT,
                network_r={'type': 'HRN', 'assistant': None},
                train__phase='assistant',
                train__residual_opt={'type': 'ResidualDistillationLoss'},
            ),
            'network_r.assistant is none: phase assistant trains it',
        ),
        (dict(val__gallery='hrn'), 'val.gallery is hrn, but there is no network_r'),
        # the whole file
        (dict(name=''), "name: '' is no name of a folder"),
        (dict(name='a/b'), "name: 'a/b' is no name of a folder"),
        (dict(name='..'), "name: '..' is no name of a folder"),
        (dict(name='a\nb'), "name: 'a\\nb' is no name of a folder"),
        (dict(name='a' * 250), "name: 'aaa"),
        (dict(datasets__val__name=''), "datasets.val.name: '' is no name of a folder"),
        (dict(datasets__val__name=None), 'datasets.val.name: ~ is no name of a folder'),
        (dict(datasets__val_b={'name': 'b', 'type': 'TinySet'}), "datasets: two have the name 'b'"),
        (dict(datasets__train__batch_size_per_gpu=23), 'datasets.train: 22 images are fewer than one batch of 23 x 1'),
        (dict(train__total_iter=2**32), 'train.total_iter: 4294967296 is more than 4294967295'),
        (dict(path__pretrain_network_g=os.path.dirname(__file__)), 'path.pretrain_network_g: /'),
        (dict(val__metrics__psnr={**METRIC, 'crop_border': 112}), 'val.metrics.psnr: PSNR: 0 x 0 pixels are left'),
        (dict(network_t={'type': 'Bicubic'}), 'network_t: Bicubic is no recogniser'),
        (
            dict(train__pixel_opt={'type': 'CharbonnierLoss', 'eps': -1}),
            'train.pixel_opt.eps: -1 is not a number of at',
        ),
        pytest.param(
            dict(network_g={**TRI, 'coarse_blocks': 10**6}, network_d=MIX),
            'network_g: more than 5,000 layers',
            marks=pytest.mark.slow,
        ),
        (dict(network_g={**TRI, 'coarse_channels': 10**6}, network_d=MIX), 'network_g: '),
        (dict(datasets__val=PAIRS), 'network_t is missing: datasets.val, DrawnPairDataset, is for recognition'),
        # what the first iteration would meet
        (
            dict(network_g=SRCNN),
            'network_g: SRCNN makes (2, 3, 224, 224) of the probes; the training faces are (2, 3, 8, 8)',
        ),
        pytest.param(
            dict(datasets__train=DRAWN, network_g=SMALL, network_d=SMALL_MIX, train__parsing_opt={'type': 'L1Loss'}),
            'train.parsing_opt: L1Loss cannot take (2, 11, ',
            marks=pytest.mark.slow,
        ),
        pytest.param(
            dict(
                datasets__train=DRAWN,
                network_g=SMALL,
                network_d=SMALL_MIX,
                train__pixel_opt={'type': 'L1Loss', 'reduction': 'none'},
            ),
            'train.pixel_opt: L1Loss gives (2, 3, 224, 224) instead of one number',
            marks=pytest.mark.slow,
        ),
        (
            dict(dist_params={'backend': 'ncll'}),
            "dist_params.backend: 'ncll' is not one of nccl, gloo, mpi; did you mean",
        ),
        (dict(dist_params={'port': 0}), 'dist_params.port: 0 is not a whole number'),
        (dict(dist_params={'prot': 1}), "dist_params.prot: unknown key; did you mean 'port'?"),
    ],
)
def test_what_constructors_and_models_would_refuse(problem, changes, message):
    changes = {'model_type': 'RIMModel', 'datasets__train__batch_size_per_gpu': 2, **changes}
    assert problem(**changes).startswith(f'/o.yml: {message}')


@pytest.mark.parametrize(
    'changes',
    [
        {'network_g': {**TRI, 'prior_paths': None, 'norm': None}, 'network_d': MIX},
        {'network_g': {**MOBILE, 'fusion': 0.7}},
        {'network_g': {**SRCNN, 'kernels': [9, 1, 5]}},
        {'train__domain_opt': {'type': 'MKMMDLoss', 'bandwidth': [1, 2.5]}},
        {'val__metrics__psnr': METRIC},
        {'train__phases': {'fhn': 20}, 'train__accumulate': 2},
        {'dist_params': None},
        {'train__optim_g': {'type': 'Adam', 'lr': 1e-3, 'betas': [0.9, 0.99]}},
    ],
    ids=str,
)
def test_what_they_take(tmp_path, changes):
    changes = {'model_type': 'RIMModel', 'datasets__train__batch_size_per_gpu': 2, **changes}
    file = write_options(tmp_path / 'o.yml', **changes)
    check(read_options(file), file, True, look_for_files=False)  # faces of 8 pixels suit no network


SGD = {'type': 'SGD', 'lr': 0.1}
LAPSRN = {'type': 'LapSRN'}


@pytest.mark.parametrize(
    'changes, message',
    [
        (dict(train__pixel_opt=None), 'train.pixel_opt is missing; add e.g. {type: L1Loss}'),
        (dict(network_g={'type': 'Bicubic'}), 'network_g: Bicubic has no parameters to train'),
        (dict(train__level_weights=[1, 1]), 'train.level_weights: 2 weights, but SRCNN has 0 pyramid levels'),
        (dict(network_g=LAPSRN, train__level_weights=[1, 1]), 'train.level_weights: 2 weights, but LapSRN has 3'),
        (dict(network_g=LAPSRN, train__last_layer_lr=0.1), 'train.last_layer_lr: LapSRN names no last_layer'),
        (dict(train__clip_over_lr=True), 'train.clip_over_lr divides grad_clip by the learning rate'),
        (dict(network_g={'type': 'SwinIR'}), 'network_g: SwinIR cannot be built so (shape '),
        (dict(network_g={**LAPSRN, 'image_size': 100}), 'scale: 8 does not divide image_size 100'),
        (dict(model_type='BaselineGANModel'), 'network_d is missing; add e.g. {type: VGGDiscriminator}'),
        (
            dict(model_type='BaselineGANModel', network_d={'type': 'VGGDiscriminator'}, train__optim_d=SGD),
            'train.gan_opt is missing; add e.g. {type: GANLoss',
        ),
    ],
)
def test_what_baselines_would_refuse(problem, changes, message):
    assert problem(**{'model_type': 'BaselineModel', 'network_g': SRCNN, **changes}).startswith(f'/o.yml: {message}')


@pytest.mark.parametrize('model', [pytest.param('RIMModel', marks=pytest.mark.slow), 'BaselineModel'])
def test_networks_of_a_test_are_looked_at_too(problem, model):
    net = {'type': 'FHN', 'integrator': {'feature_size': 100}}
    assert 'feature_size: 100 has to be' in problem(is_train=False, model_type=model, network_g=net)


def test_a_test_of_a_baseline_has_a_network_at_all(tmp_path):
    file = write_options(tmp_path / 'o.yml', model_type='BaselineModel')
    options = {key: value for key, value in read_options(file).items() if key not in ('network_g', 'train')}
    assert 'network_g is missing; add e.g. {type: ' in refused(check, options, file, False, False, False)


@pytest.mark.slow
def test_a_baseline_rehearses_its_first_iteration(problem):
    message = problem(model_type='BaselineModel', network_g=SRCNN)
    assert message == (
        '/o.yml: network_g: SRCNN makes (2, 3, 224, 224) of the probes; the training faces are (2, 3, 8, 8)'
    )


def test_a_network_that_computes_while_it_is_built_is_looked_at(problem):
    net = {'type': 'SwinIR', 'depths': [1], 'num_heads': [1], 'embed_dim': 4, 'window_size': 7, 'img_size': 7}
    message = problem(model_type='BaselineModel', network_g=net, train__last_layer_lr=0.1)
    assert message.startswith('/o.yml: train.last_layer_lr: SwinIR names no last_layer')


def test_the_check_neither_draws_random_numbers_nor_opens_the_log(tmp_path):
    before, opened = torch.get_rng_state(), set(initialized_logger)
    net = {'type': 'FixedInput', 'net': {'type': 'SwinIR', 'depths': [1], 'num_heads': [1], 'embed_dim': 4}}
    for network in (net, {'type': 'FHN'}):
        file = write_options(tmp_path / 'o.yml', model_type='BaselineModel', network_g=network)
        initialized_logger.pop('basicsr', None)
        check(read_options(file), file, True, look_for_files=False)
        assert 'basicsr' not in initialized_logger
    initialized_logger.update(dict.fromkeys(opened, True))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.slow
def test_nor_does_the_rehearsal_of_a_training(tmp_path, monkeypatch):
    monkeypatch.setattr('basicsr.utils.logger.initialized_logger', opened := {})
    before = torch.get_rng_state()
    parts = {'datasets__train': DRAWN, 'network_g': SMALL, 'network_d': SMALL_MIX}
    file = write_options(tmp_path / 'o.yml', model_type='RIMModel', **parts)
    check(read_options(file), file, True)
    assert opened == {} and torch.equal(torch.get_rng_state(), before)
