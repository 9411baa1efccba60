"""RIMModel: logs, micro-batches, mixed precision, clipping, EMA, NaN, saved files, validation."""

import shutil
from unittest.mock import Mock

import cv2
import numpy as np
import pytest
import torch
from support.tiny_recognition import recogniser
from support.tiny_rim import INTEGRATOR, OPTIONS, PATHS, Faces, batch, changed, rim_model, state_of, steps

from rim_plugin.archs.fhn_arch import FHN
from rim_plugin.sheets import CAPTION, GAP, TITLE

from basicsr.metrics import calculate_metric
from basicsr.models import build_model
from basicsr.utils import tensor2img


def test_accumulated_micro_batches_make_the_same_step():
    models = [rim_model(domain_opt=None, accumulate=count) for count in (1, 4)]
    logs = [steps(model, 2)[-1] for model in models]
    assert logs[0] == pytest.approx(logs[1], rel=1e-4)
    for a, b in zip(models[0].nets.generator.parameters(), models[1].nets.generator.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=2e-4, rtol=0)
    four = {'datasets': {'train': {'batch_size_per_gpu': 4}}}
    rim_model(networks=four, accumulate=2)
    with pytest.raises(ValueError, match='train.accumulate is 3; it has to divide the batch of 4'):
        rim_model(networks=four, accumulate=3)
    for count in (0, 1.5, None):
        with pytest.raises(ValueError, match='train.accumulate: '):
            rim_model(networks=four, accumulate=count)


@pytest.mark.slow
def test_accumulate_trains_with_a_domain_loss_too():
    (log,) = steps(rim_model(accumulate=2))
    assert 'l_d' in log and 'l_domain' in log


CALM = {f'optim_{label}': {'type': 'Adam', 'lr': 3e-3} for label in 'gid'}  # RMSprop's first steps are wild


def pixel_losses(model):
    return [entry['l_pixel'] for entry in steps(model, 12)]


@pytest.fixture(scope='module')
def fp32_curve():
    curve = pixel_losses(rim_model(**CALM))
    assert curve[-1] < 0.9 * curve[0]
    return curve


@pytest.mark.slow
@pytest.mark.parametrize(
    'options, tolerance',
    [
        ({'channels_last': False}, 1e-3),
        ({'amp': 'bf16'}, 0.05),
        ({'amp': 'fp16'}, 0.05),
        pytest.param({'compile': True}, 1e-3, marks=pytest.mark.skipif(not shutil.which('g++'), reason='no g++')),
    ],
)
def test_loss_curve_is_that_of_fp32(fp32_curve, options, tolerance):
    model = rim_model(**CALM, **options)
    if options.get('amp') == 'fp16':  # from its own initial scale it would skip the first steps
        model.trainer.optimisation.scaler = torch.amp.GradScaler('cpu', init_scale=64)
    assert pixel_losses(model) == pytest.approx(fp32_curve, rel=tolerance)


def test_gradients_are_clipped_by_norm():
    free, clipped = rim_model(), rim_model(grad_clip=1e-9, optim_g={'type': 'SGD', 'lr': 1.0})
    before = state_of(clipped.nets.generator)
    steps(free), steps(clipped)
    moved = torch.cat([(value - before[key]).flatten() for key, value in clipped.nets.generator.state_dict().items()])
    assert 0 <= moved.norm() < 2e-9
    assert changed(before, free.nets.generator)


def test_learning_rates_rise_anew_in_every_phase(tiny_teacher):
    phases = {'fhn': 4, 'student': 6}
    course = {'type': 'CosineAnnealingRestartLR', 'periods': [4, 6], 'restart_weights': [1, 0.1], 'eta_min': 1e-6}
    plain, warm = (
        recogniser(tiny_teacher, total_iter=10, phases=phases, scheduler=course, optim_s={'type': 'Adam', 'lr': 1e-3})
        for _ in range(2)
    )
    ratios = []
    for iteration in range(1, 11):
        plain.update_learning_rate(iteration)
        warm.update_learning_rate(iteration, 3)
        rates = [[each.param_groups[0]['lr'] for each in model.optimizers] for model in (warm, plain)]
        ratios.append([rate / full for rate, full in zip(*rates)])
    rise = [1 / 3, 2 / 3]
    assert [pytest.approx(min(each)) for each in ratios] == [max(each) for each in ratios]
    assert [max(each) for each in ratios] == pytest.approx([*rise, 1, 1, *rise, 1, 1, 1, 1])


def test_ema_moves_by_the_decay():
    model = rim_model(ema_decay=0.9)
    before = [value.clone() for value in model.trainer.ema_nets.generator.parameters()]
    steps(model)
    decay = min(0.9, 2 / 11)
    for old, average, new in zip(
        before, model.trainer.ema_nets.generator.parameters(), model.nets.generator.parameters(), strict=True
    ):
        torch.testing.assert_close(average, decay * old + (1 - decay) * new)


def test_nan_stops_before_the_weights_change():
    model = rim_model()
    before = state_of(model.nets.generator)
    data = batch()
    data['gt'][0, 0, 0, 0] = float('nan')
    model.feed_data(data)
    with pytest.raises(FloatingPointError, match='l_'):
        model.optimize_parameters(1)
    assert not changed(before, model.nets.generator)


@pytest.mark.parametrize(
    'options, words', [({'phase': 'fhm'}, 'phase'), ({'amp': 'fp8'}, 'amp'), ({'pixel_opt': None}, 'pixel_opt')]
)
def test_wrong_options_are_named(options, words):
    with pytest.raises(ValueError, match=words):
        rim_model(**options)


@pytest.mark.slow
def test_saved_fhn_runs_under_basicsrs_own_model(tmp_path):
    folders = {'models': str(tmp_path), 'training_states': str(tmp_path), 'visualization': str(tmp_path)}
    model = rim_model(path=folders)
    steps(model, 2)
    model.save(0, 2)
    model.feed_data(batch())
    model.test()
    options = {
        **OPTIONS,
        'model_type': 'SRModel',
        'is_train': False,
        'network_g': {'type': 'FHN', 'generator': PATHS, 'integrator': INTEGRATOR},
        'path': {'pretrain_network_g': str(tmp_path / 'net_fhn_2.pth'), 'param_key_g': 'params_ema'},
    }
    plain = build_model(options)
    plain.feed_data(batch())
    plain.test()
    torch.testing.assert_close(plain.output, model.output)
    again = rim_model(
        path={'pretrain_network_g': str(tmp_path / 'net_g_2.pth'), 'pretrain_network_d': str(tmp_path / 'net_d_2.pth')},
        seed=5,
    )
    assert isinstance(again.nets.fhn, FHN)


@pytest.mark.slow
def test_validation_equals_basicsrs_metric_face_by_face():
    model = rim_model()
    faces = Faces(7)
    model.nondist_validation(torch.utils.data.DataLoader(faces), 1, None, False)
    expected, bicubic = [], []
    for i in range(7):
        model.feed_data(torch.utils.data.default_collate([faces[i]]))
        model.test()
        gt = tensor2img(faces[i]['gt'].clone())
        enlarged = torch.nn.functional.interpolate(faces[i]['lq'][None], (64, 64), mode='bicubic')
        for image, values in ((model.output, expected), (enlarged, bicubic)):
            data = {'img': tensor2img(image.clone()), 'img2': gt}
            values.append(calculate_metric(data, model.opt['val']['metrics']['psnr_y']))
    assert model.metric_results['psnr_y'] == pytest.approx(np.mean(expected), abs=1e-4)
    assert model.validator.bicubic_results['psnr_y'] == pytest.approx(np.mean(bicubic), abs=1e-4)
    assert set(model.metric_results) == {'psnr_y', 'nme', 'parsing_miou'}


def test_validation_without_priors_leaves_their_metrics_out():
    model = rim_model()
    model.nondist_validation(torch.utils.data.DataLoader(Faces(4, ('parsing', 'landmarks'))), 1, None, False)
    assert set(model.metric_results) == {'psnr_y'}


def test_other_landmarks_than_the_networks_are_not_compared():
    model, faces = rim_model(), Faces(4)
    for item in faces.items:
        item['landmarks'] = torch.rand(68, 2)
    model.nondist_validation(torch.utils.data.DataLoader(faces), 1, None, False)
    assert set(model.metric_results) == {'psnr_y', 'parsing_miou'}


@pytest.mark.slow
def test_validation_writes_a_sheet_of_faces(tmp_path):
    model, faces, board = rim_model(path={'visualization': str(tmp_path)}), Faces(4), Mock()
    model.nondist_validation(torch.utils.data.DataLoader(faces), 30, board, True)
    sheet = cv2.imread(str(tmp_path / 'faces' / 'faces_30.png'))
    (tag, shown, number), _ = board.add_image.call_args
    assert tag == 'faces/faces' and number == 30 and np.array_equal(shown, sheet[..., ::-1])
    step = 64 + GAP + CAPTION
    # LR, bicubic, coarse, SR, landmarks, parsing, HR
    assert sheet.shape == (TITLE + 4 * step, 7 * (64 + GAP), 3)
    for row, face in enumerate(faces.items):
        top = TITLE + row * step
        columns = [sheet[top : top + 64, column * (64 + GAP) :][:, :64] for column in range(7)]
        captions = [sheet[top + 64 + GAP : top + step, column * (64 + GAP) :][:, :64] for column in range(7)]
        assert [bool((caption < 100).any()) for caption in captions] == [False, True, True, True, False, False, False]
        lr, gt = (tensor2img(face[key].clone()) for key in ('lq', 'gt'))
        assert np.array_equal(columns[0], cv2.resize(lr, (64, 64), interpolation=cv2.INTER_NEAREST))
        model.feed_data(torch.utils.data.default_collate([face]))
        model.test()
        assert np.abs(columns[3].astype(int) - tensor2img(model.output.clone())).max() <= 1
        assert np.array_equal(columns[6], gt)


@pytest.mark.slow
def test_faces_are_not_looked_at_again_while_hallucination_does_not_learn(caplog, monkeypatch):
    model, loader = rim_model(), torch.utils.data.DataLoader(Faces(2))
    calls, look = [], model.validator._look_at
    monkeypatch.setattr(model.validator, '_look_at', lambda *args: calls.append(args[2]) or look(*args))
    model.nondist_validation(loader, 1, None, False)
    before = model.metric_results
    model.nondist_validation(loader, 2, None, False)
    assert calls == [1] and model.metric_results == before
    steps(model)
    model.trainer.average(0.5)
    model.nondist_validation(loader, 3, None, False)
    assert calls == [1, 3] and model.metric_results != before
