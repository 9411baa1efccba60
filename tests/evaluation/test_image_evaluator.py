"""Faces by faces in batches of any size, what is absent, bicubic beside, and the one loop over them."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from support.tiny_recognition import TinyRecogniser
from support.tiny_rim import Faces
from torch.utils.data import default_collate

from rim_plugin.batch import Batch
from rim_plugin.evaluation.driver import evaluate
from rim_plugin.evaluation.embeddings import KnownEmbeddings
from rim_plugin.evaluation.image_evaluator import IdentityEmbedder, ImageEvaluator, face_data
from rim_plugin.evaluation.metric import build_metric
from rim_plugin.pipeline import Restored

COUNT = 7
TYPES = {'psnr': 'calculate_psnr', 'ssim': 'calculate_ssim', 'nme': 'calculate_nme', 'identity': 'calculate_identity'}


def metrics():
    return {name: build_metric({'type': kind}) for name, kind in TYPES.items()}


def step(batch):
    return {**batch, 'sr': 0.9 * batch['gt'], 'estimated_landmarks': batch['landmarks'] + 1}


@pytest.mark.parametrize('size', [1, 3, COUNT])
def test_results_are_those_of_all_faces_at_once(size):
    evaluator = ImageEvaluator(metrics())
    for _ in range(2):  # the second time forgets the first
        evaluate(Faces(COUNT), step, [evaluator], batch_size=size)
    found, data = evaluator.compute(), step(default_collate(Faces(COUNT).items))
    assert found.absent == ['identity'] and set(found.values) == {'psnr', 'ssim', 'nme'}
    bicubic = F.interpolate(data['lq'], (64, 64), mode='bicubic')
    for name in found.values:
        expected = metrics()[name].measure(data).numpy()
        np.testing.assert_allclose(found.per_face[name], expected, rtol=1e-7)
        assert found.values[name] == pytest.approx(expected.mean(), rel=1e-7)
    for name in ('psnr', 'ssim'):
        assert found.bicubic[name] == pytest.approx(metrics()[name].measure({**data, 'sr': bicubic}).mean().item())
    assert set(found.bicubic) == {'psnr', 'ssim'}


def test_probes_in_groups_of_one_size_are_enlarged_group_by_group():
    data = step(default_collate(Faces(4).items))
    small = F.avg_pool2d(data['lq'][2:], 2)
    evaluator = ImageEvaluator({'psnr': build_metric({'type': 'calculate_psnr'})})
    evaluator.process({**data, 'lq': [data['lq'][:2], small]})
    enlarged = torch.cat([F.interpolate(group, (64, 64), mode='bicubic') for group in (data['lq'][:2], small)])
    expected = build_metric({'type': 'calculate_psnr'}).measure({'sr': enlarged, 'gt': data['gt']}).mean().item()
    assert evaluator.compute().bicubic['psnr'] == pytest.approx(expected)


def test_what_one_batch_lacks_is_left_out_altogether():
    evaluator, data = ImageEvaluator(metrics()), step(default_collate(Faces(4).items))
    evaluator.process(data)
    evaluator.process({**data, 'landmarks': None})
    evaluator.process(data)
    found = evaluator.compute()
    assert found.absent == ['nme', 'identity'] and len(found.per_face['psnr']) == 12
    evaluator.process({'lq': data['lq'], 'sr': data['sr']})  # no truth: no margin either
    assert evaluator.compute().values == evaluator.compute().bicubic == {}


def test_landmarks_of_another_count_are_absent():
    evaluator, data = ImageEvaluator(metrics()), step(default_collate(Faces(4).items))
    evaluator.process({**data, 'landmarks': torch.rand(4, 68, 2)})
    assert evaluator.compute().absent == ['nme', 'identity']


def test_no_face_no_value():
    found = ImageEvaluator(metrics()).compute()
    assert found.values == {} and found.absent == list(TYPES)


@torch.no_grad()
def test_true_faces_are_embedded_once():
    recogniser, known, embedded = TinyRecogniser().eval(), KnownEmbeddings(), []
    recogniser.register_forward_hook(lambda _, inputs, __: embedded.extend(inputs[0]))
    truth, sr = torch.rand(2, 3, 3, 64, 64)
    for seen in (6, 9):  # a new embedder of the same recogniser, too
        identity = IdentityEmbedder(recogniser, known)
        data = face_data(Batch([sr], truth), Restored(sr, None), identity)
        torch.testing.assert_close(data['gt_embedding'], TinyRecogniser.forward(recogniser, truth).embedding)
        torch.testing.assert_close(data['sr_embedding'], TinyRecogniser.forward(recogniser, sr).embedding)
        assert len(embedded) == seen
