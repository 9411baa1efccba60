"""Unknown and missing keys and names: the error names file, key and the nearest known name."""

import pytest


@pytest.mark.parametrize(
    'changes, message',
    [
        (
            dict(train__scheduler={'type': 'CosineAnnealingRestartLR', 'periods': [1, 2]}),
            'train.scheduler.restart_weights: 1 for 2 periods; one for each',
        ),
        (
            dict(
                train__scheduler={'type': 'CosineAnnealingRestartLR', 'periods': [1, 1], 'restart_weights': [1, 1]},
                train__total_iter=3,
            ),
            'train.scheduler.periods: they add up to 2, less than train.total_iter, 3',
        ),
        (
            dict(train__scheduler={'type': 'CosineAnnealingRestartLR', 'periods': 9}),
            'train.scheduler.periods: 9 is not a list, each a number of at least 0',
        ),
        (
            dict(network_g={'type': 'FHN', 'integrator': {'chanels': 3}}),
            "network_g.integrator.chanels: unknown key; did you mean 'channels'?",
        ),
        (
            dict(network_g={'type': 'HRN', 'teacher': {}, 'student': {'type': 'MobileFacNet'}}),
            "network_g.student.type: unknown network 'MobileFacNet'; did you mean 'MobileFaceNet'?",
        ),
        (
            dict(network_g={'type': 'HRN', 'teacher': {}, 'student': {'type': 'ResNet', 'depht': 18}}),
            "network_g.student.depht: unknown key; did you mean 'depth'?",
        ),
        (dict(network_g={'type': 'FixedInput', 'net': {}}), 'network_g.net.type: missing'),
        (dict(network_g__type='TinyNett'), "network_g.type: unknown network 'TinyNett'; did you mean 'TinyNet'?"),
        (dict(network_g__widht=3), "network_g.widht: unknown key; did you mean 'width'?"),
        (dict(network_g__width='many'), "network_g.width: 'many' is not a number of at least 0"),
        (dict(network_g={'type': 'RRDBNet', 'num_in_ch': 3}), 'network_g.num_out_ch: missing'),
        (dict(network_g='TinyNet'), 'network_g: has to be a block with a type'),
        (dict(model_type='RIMmodel'), "model_type: unknown model 'RIMmodel'; did you mean 'RIMModel'?"),
        (dict(model_typ='SRModel'), "model_typ: unknown key; did you mean 'model_type'?"),
        (dict(manual_sed=1), "manual_sed: unknown key; did you mean 'manual_seed'?"),
        (
            dict(datasets__train__type='TinySett'),
            "datasets.train.type: unknown dataset 'TinySett'; did you mean 'TinySet'?",
        ),
        (dict(datasets__train__lenght=3), "datasets.train.lenght: unknown key; did you mean 'length'?"),
        (
            dict(datasets__train__io_backend={'type': 'disc'}),
            "datasets.train.io_backend.type: unknown backend 'disc'; did you mean 'disk'?",
        ),
        (
            dict(datasets__training={}),
            "datasets.training: has to be train, val, test, or to begin with 'val_' or 'test_'",
        ),
        (dict(train__pixel_opt__type='L1Los'), "train.pixel_opt.type: unknown loss 'L1Los'; did you mean 'L1Loss'?"),
        (dict(train__pixel_opt__reductoin='sum'), "train.pixel_opt.reductoin: unknown key; did you mean 'reduction'?"),
        (
            dict(train__optim_g__type='RMSProp'),
            "train.optim_g.type: unknown optimizer 'RMSProp'; did you mean 'RMSprop'?",
        ),
        (dict(train__optim_g__momentun=1), "train.optim_g.momentun: unknown key; did you mean 'momentum'?"),
        (dict(train__optim_g__lr='fast'), "train.optim_g.lr: 'fast' is not a number of at least 0"),
        (dict(train__scheduler__gama=1), "train.scheduler.gama: unknown key; did you mean 'gamma'?"),
        (
            dict(train__scheduler__type='StepLr'),
            "train.scheduler.type: unknown scheduler 'StepLr'; did you mean 'StepLR'?",
        ),
        (dict(train__scheduler={'type': 'StepLR'}), 'train.scheduler.step_size: missing'),
        (
            dict(train__scheduler={'type': 'OneCycleLR', 'max_lr': 0.1, 'total_steps': 2}, train__total_iter=3),
            'train.scheduler.total_steps: set it to train.total_iter, 3, or more',
        ),
        (
            dict(train__scheduler={'type': 'OneCycleLR', 'max_lr': 0.1}, train__total_iter=3),
            'train.scheduler.total_steps: set it to train.total_iter, 3, or more',
        ),
        (
            dict(train__scheduler={'type': 'LinearLR', 'start_factor': 3}),
            'train.scheduler: Starting multiplicative factor',
        ),
        (
            dict(
                train__scheduler={'type': 'CyclicLR', 'base_lr': 0.1, 'max_lr': 0.2},
                train__optim_g={'type': 'Adagrad', 'lr': 0.1},
            ),
            'train.scheduler: optimizer must support momentum or beta1 with `cycle_momentum`',
        ),
        (
            dict(train__optim_g={'type': 'Adam', 'lr': 0.1, 'betas': [0.9, 2.0]}),
            'train.optim_g: Invalid beta parameter',
        ),
        (dict(train__warm_up_iter=1), "train.warm_up_iter: unknown key; did you mean 'warmup_iter'?"),
        (dict(train__ema_decy=1), "train.ema_decy: unknown key; did you mean 'ema_decay'?"),
        (dict(val__val_frq=1), "val.val_frq: unknown key; did you mean 'val_freq'?"),
        (dict(val__metrics__psnr__type='psnr'), "val.metrics.psnr.type: unknown metric 'psnr'"),
        (
            dict(val__metrics__psnr__crop_boarder=1),
            "val.metrics.psnr.crop_boarder: unknown key; did you mean 'crop_border'?",
        ),
        (dict(logger__print_freqency=1), "logger.print_freqency: unknown key; did you mean 'print_freq'?"),
        (
            dict(path__pretrain_network_h=None),
            "path.pretrain_network_h: unknown key; did you mean 'pretrain_network_g'?",
        ),
        (dict(path__pretrain_network_g='no.pth'), 'path.pretrain_network_g: no.pth: no such file or folder'),
        (dict(path__resume_state='no.state'), 'path.resume_state: no.state: no such file or folder'),
        (dict(path=None), 'path: missing (Weights and training state to begin with)'),
        (dict(train=None), 'train: has to be a block of keys'),
        (dict(datasets__train=[1]), 'datasets.train: has to be a block of keys'),
        (dict(val__metrics__psnr__better='more'), "val.metrics.psnr.better: 'more' is not one of higher, lower"),
        (
            dict(val__metrics__psnr__better=['higher']),
            "val.metrics.psnr.better: ['higher'] is not one of higher, lower",
        ),
        (dict(num_gpu='all'), "num_gpu: 'all' is not a whole number of at least 0 or auto"),
        (dict(network_g__type=None), 'network_g.type: missing'),
    ],
)
def test_mistakes(problem, changes, message):
    assert problem(**changes).startswith(f'/o.yml: {message}')
