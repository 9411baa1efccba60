"""RIMModel's optimisation step: who minimises what, log keys, numeric options, saved files."""

import logging
import shutil

import numpy as np
import pytest
import torch
from support.tiny_rim import INTEGRATOR, OPTIONS, PATHS, Faces, batch, rim_model

from rim_plugin.archs.fhn_arch import FHN

from basicsr.metrics import calculate_metric
from basicsr.models import build_model
from basicsr.utils import tensor2img


def steps(model, count=1, seed=0):
    """Optimise ``count`` times; returns the log of each step."""
    logs = []
    for i in range(1, count + 1):
        model.feed_data(batch(seed=seed))
        model.optimize_parameters(i)
        logs.append(model.get_current_log())
    return logs


def weights(net):
    return {key: value.clone() for key, value in net.state_dict().items()}


def changed(before, net):
    return any(not torch.equal(before[key], value) for key, value in net.state_dict().items())


def gradients(net, loss):
    return torch.autograd.grad(loss, list(net.parameters()), allow_unused=True, retain_graph=True)


def test_one_step_trains_all_three_and_logs_every_term_by_name():
    model = rim_model()
    parts = (model.bare['g'], model.bare['d'].integrator, model.bare['d'].discriminator)
    before = [weights(net) for net in parts]
    (log,) = steps(model)
    assert list(log) == ['l_d', 'l_pixel', 'l_coarse', 'l_landmark', 'l_parsing', 'l_domain']
    assert all(np.isfinite(value) for value in log.values())
    assert all(changed(old, net) for old, net in zip(before, parts, strict=True))


def test_terms_are_the_losses_of_the_networks_outputs():
    model = rim_model()
    data = batch()
    with torch.no_grad():
        probe, hr = model.bare['g'](data['lq'], data['gt'])
        sr = model.bare['d'].integrator(probe.fused, probe.coarse)
        expected = {
            'l_pixel': 10 * (sr - data['gt']).square().mean(),
            'l_coarse': 12 * (probe.coarse - data['gt']).square().mean(),
            'l_landmark': (probe.heatmaps - data['heatmaps']).square().mean(),
            'l_parsing': -probe.parsing.log_softmax(1).gather(1, data['parsing'][:, None]).mean(),
        }
        embeddings = model.bare['d'].discriminator(torch.cat([probe.fused, hr.fused])).chunk(2)
        expected['l_d'] = -model.losses['domain'](*embeddings)
    (log,) = steps(model)
    for name, value in expected.items():
        assert log[name] == pytest.approx(value.item(), rel=1e-5), name


def test_integrator_follows_the_pixel_loss_alone():
    """Eq. 5: the gradient of theta_i from the whole sum is that from the pixel loss."""
    model = rim_model()
    model.feed_data(batch())
    model.domain_now = True
    (chunk,) = model.chunks()
    _, terms = model.hallucination_terms(chunk)
    integrator = model.bare['d'].integrator
    for a, b in zip(gradients(integrator, sum(terms.values())), gradients(integrator, terms['pixel']), strict=True):
        assert torch.equal(a, b)
    everything = gradients(model.bare['g'].global_path, sum(terms.values()))
    assert not torch.equal(everything[0], gradients(model.bare['g'].global_path, terms['pixel'])[0])


def test_discriminator_step_leaves_the_generator_alone():
    model = rim_model()
    model.feed_data(batch())
    model.domain_now = True
    before = weights(model.bare['g'])
    model.discriminator_step(model.chunks(), {'l_d': 0})
    assert not changed(before, model.bare['g'])
    assert all(value.grad is None for value in model.bare['g'].parameters())


@pytest.mark.parametrize('trained, sign', [('d', 1), ('g', -1)])
def test_min_max_of_the_domain_loss(trained, sign):
    """Eq. 10: with a frozen generator the MMD that D_d finds rises; with a frozen D_d the generator makes it fall."""
    # a fixed bandwidth: the median follows the embeddings apart and hides what theta_d gains
    model = rim_model(
        coarse_opt=None,
        landmark_opt=None,
        parsing_opt=None,
        pixel_opt={'type': 'MSELoss', 'loss_weight': 1e-6},
        domain_opt={'type': 'MKMMDLoss', 'bandwidth': 0.5},
    )
    for label in {'g', 'i', 'd'} - {trained}:
        for group in model.parts[label][1].param_groups:
            group['lr'] = 0
    log = steps(model, 30)
    first, last = log[0]['l_domain'], log[-1]['l_domain']
    assert sign * (last - first) > 0.2 * first


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


def test_accumulated_micro_batches_make_the_same_step():
    models = [rim_model(domain_opt=None, accumulate=count) for count in (1, 4)]
    logs = [steps(model, 3)[-1] for model in models]
    assert logs[0] == pytest.approx(logs[1], rel=1e-4)
    for a, b in zip(models[0].bare['g'].parameters(), models[1].bare['g'].parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=2e-4, rtol=0)
    four = {'datasets': {'train': {'batch_size_per_gpu': 4}}}
    rim_model(networks=four, accumulate=2)
    for count in (3, 0, 1.5, None):
        with pytest.raises(ValueError, match=f'train.accumulate is {count}; it has to divide the batch of 4'):
            rim_model(networks=four, accumulate=count)


def test_accumulate_trains_with_a_domain_loss_too():
    (log,) = steps(rim_model(accumulate=2))
    assert 'l_d' in log and 'l_domain' in log


@pytest.mark.parametrize(
    'options, tolerance',
    [
        ({'channels_last': False}, 1e-3),
        ({'amp': 'bf16'}, 0.05),
        ({'amp': 'fp16'}, 0.05),
        pytest.param({'compile': True}, 1e-3, marks=pytest.mark.skipif(not shutil.which('g++'), reason='no g++')),
    ],
)
def test_loss_curve_is_that_of_fp32(options, tolerance):
    calm = {f'optim_{label}': {'type': 'Adam', 'lr': 3e-3} for label in 'gid'}  # RMSprop's first steps are wild
    plain, changed_one = rim_model(**calm), rim_model(**calm, **options)
    if options.get('amp') == 'fp16':  # from its own initial scale it would skip the first steps
        changed_one.scaler = torch.amp.GradScaler('cpu', init_scale=64)
    curves = [[entry['l_pixel'] for entry in steps(model, 12)] for model in (plain, changed_one)]
    assert curves[0][-1] < 0.9 * curves[0][0]
    assert curves[1] == pytest.approx(curves[0], rel=tolerance)


def test_what_is_compiled(monkeypatch, caplog):
    """Networks whose input keeps its shape; none without a compiler, which is said."""
    model = rim_model()
    monkeypatch.setattr(shutil, 'which', lambda name: '/bin/' + name)
    assert 'net_g' in model._compilable()
    model.opt['datasets'] = {'train': {'query_sizes_per_batch': 2}}
    assert model._compilable() == ('integrator', 'net_r')
    monkeypatch.setattr(shutil, 'which', lambda name: None)
    logging.getLogger('basicsr').addHandler(caplog.handler)
    assert model._compilable() == ()
    logging.getLogger('basicsr').removeHandler(caplog.handler)
    assert 'train.compile is off: it needs a C++ compiler' in caplog.text


def test_gradients_are_clipped_by_norm():
    free, clipped = rim_model(), rim_model(grad_clip=1e-9, optim_g={'type': 'SGD', 'lr': 1.0})
    before = weights(clipped.bare['g'])
    steps(free), steps(clipped)
    moved = torch.cat([(value - before[key]).flatten() for key, value in clipped.bare['g'].state_dict().items()])
    assert 0 <= moved.norm() < 2e-9
    assert changed(before, free.bare['g'])


def test_ema_moves_by_the_decay():
    model = rim_model(ema_decay=0.9)
    before = [value.clone() for value in model.averaged['g'].parameters()]
    steps(model)
    decay = min(0.9, 2 / 11)
    for old, average, new in zip(before, model.averaged['g'].parameters(), model.bare['g'].parameters(), strict=True):
        torch.testing.assert_close(average, decay * old + (1 - decay) * new)


def test_nan_stops_before_the_weights_change():
    model = rim_model()
    before = weights(model.bare['g'])
    data = batch()
    data['gt'][0, 0, 0, 0] = float('nan')
    model.feed_data(data)
    with pytest.raises(FloatingPointError, match='l_'):
        model.optimize_parameters(1)
    assert not changed(before, model.bare['g'])


@pytest.mark.parametrize(
    'options, words', [({'phase': 'fhm'}, 'phase'), ({'amp': 'fp8'}, 'amp'), ({'pixel_opt': None}, 'pixel_opt')]
)
def test_wrong_options_are_named(options, words):
    with pytest.raises(ValueError, match=words):
        rim_model(**options)


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
    assert isinstance(again.fhn, FHN)


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
    assert model.bicubic_results['psnr_y'] == pytest.approx(np.mean(bicubic), abs=1e-4)
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


def test_validation_writes_a_sheet_of_faces(tmp_path):
    model = rim_model(path={'visualization': str(tmp_path)})
    model.nondist_validation(torch.utils.data.DataLoader(Faces(4)), 30, None, True)
    assert (tmp_path / 'faces' / 'faces_30.png').stat().st_size > 1000
