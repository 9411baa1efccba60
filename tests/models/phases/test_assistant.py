"""The assistant's phase: Eq. 12 on the sum, or a second student."""

import pytest
import torch
import torch.nn.functional as F
from support.tiny_recognition import HRN, learned, mixed, recogniser, weights
from support.tiny_rim import batch

from rim_plugin.archs.layers import resize

ON_PROBES = {**HRN, 'assistant_view': 'probe', 'assistant_scale': 1}


def test_assistant_may_see_the_probes_without_hallucination(teacher):
    networks = {'network_r': ON_PROBES}
    model, data = recogniser(teacher, networks, phase='assistant', residual_opt=None), mixed()
    small, large = data['lq'][:2, :, :8, :8], data['lq'][2:]
    with torch.no_grad():
        faces = [
            [resize(enlarge(small), 112), resize(large, 112)]
            for enlarge in (model.pipeline.fhn, lambda lq: F.interpolate(lq, (224, 224), mode='bicubic').clamp(0, 1))
        ]
        student, assistant = (
            branch(torch.cat(seen))[-1]
            for branch, seen in zip((model.nets.recogniser.student, model.nets.recogniser.assistant), faces)
        )
        embedding, truth = model.nets.teacher.head(student + assistant), model.nets.teacher(data['gt']).embedding
        torch.testing.assert_close(model.pipeline.embed_probe(small), embedding[:2], rtol=1e-3, atol=1e-3)
    model.feed_data(data)
    model.optimize_parameters(1)
    assert model.get_current_log()['l_embedding'] == pytest.approx(
        1 - F.cosine_similarity(embedding, truth).mean().item(), rel=1e-3
    )


def test_assistant_may_learn_as_a_second_student_without_hallucination(teacher, monkeypatch):
    networks = {'network_r': {**ON_PROBES, 'fusion': 'mean'}}
    model, data = recogniser(teacher, networks, phase='assistant', assistant_target='own'), batch(2)
    with torch.no_grad():
        face = F.interpolate(data['lq'], (224, 224), mode='bicubic').clamp(0, 1)
        found, truth = model.nets.recogniser.assistant(face)[-1], model.nets.teacher(data['gt'])
        embedding = model.nets.teacher.head(found)
    monkeypatch.setattr(model.pipeline, 'student_input', None)
    before = weights(model)
    model.feed_data(data)
    model.optimize_parameters(1)
    log = model.get_current_log()
    assert learned(before, weights(model)) == 'a' and set(log) == {'l_distill', 'l_embedding'}
    assert log['l_distill'] == pytest.approx((found - truth.blocks[-1]).square().mean().item(), rel=1e-3)
    assert log['l_embedding'] == pytest.approx(
        1 - F.cosine_similarity(embedding, truth.embedding).mean().item(), rel=1e-3
    )
