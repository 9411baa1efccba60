"""The student's phase: Eq. 11 and the embedding, on what it sees of probes."""

import shutil

import pytest
import torch
import torch.nn.functional as F
from support.tiny_recognition import ALIKE, HRN, LOSSES, mixed, recogniser
from support.tiny_rim import batch, rim_model

from rim_plugin.archs.layers import resize


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which('g++'), reason='no g++')
def test_compiled_and_uncompiled_students_learn_alike(teacher):
    curves = []
    for compiled in (False, True):
        model = rim_model(
            path={'pretrain_network_t': teacher},
            networks={'network_t': ALIKE, 'network_r': HRN},  # few layers: each is compiled for seconds
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
        sr = model.pipeline.fhn(data['lq'])
        student, truth = model.nets.recogniser.student(sr), model.nets.teacher(data['gt'])
        embedding = model.nets.teacher.head(student[-1])
    model.feed_data(data)
    model.optimize_parameters(1)
    log = model.get_current_log()
    assert log['l_distill'] == pytest.approx((student[-1] - truth.blocks[-1]).square().mean().item(), rel=1e-3)
    assert log['l_embedding'] == pytest.approx(
        1 - F.cosine_similarity(embedding, truth.embedding).mean().item(), rel=1e-3
    )


@pytest.mark.parametrize('accumulate', [1, 2])
def test_student_sees_probes_of_each_size_as_at_inference(teacher, accumulate):
    model, data = recogniser(teacher, phase='student', accumulate=accumulate), mixed()
    with torch.no_grad():
        faces = torch.cat([resize(model.pipeline.fhn(data['lq'][:2, :, :8, :8]), 112), resize(data['lq'][2:], 112)])
        student, truth = model.nets.recogniser.student(faces), model.nets.teacher(data['gt'])
    model.feed_data(data)
    model.optimize_parameters(1)
    assert model.get_current_log()['l_distill'] == pytest.approx(
        (student[-1] - truth.blocks[-1]).square().mean().item(), rel=1e-3
    )
