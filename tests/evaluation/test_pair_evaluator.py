"""Each face embedded once, known embeddings, rows scattered; the figures: tests/models/test_validation.py."""

from collections import UserDict

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from support.pairs import random_pairs
from support.tiny_recognition import ALIKE, TinyRecogniser

from rim_plugin.archs.hrn_arch import HRN
from rim_plugin.evaluation.driver import evaluate
from rim_plugin.evaluation.embeddings import KnownEmbeddings
from rim_plugin.evaluation.metric import build_metric
from rim_plugin.evaluation.pair_evaluator import PairEvaluator, pair_figures, scatter_rows
from rim_plugin.pipeline import RIMPipeline

IDENTIFICATION = 'rank_1', 'rank_5', 'tpir_fpir_1e-2', 'tpir_fpir_1e-1'


class Coarse(torch.nn.Module):
    """Embeds a face as its colours on a coarse grid; counts the faces."""

    gallery, upscaling = 'teacher', 'none'

    def __init__(self):
        super().__init__()
        self.gallery_network = torch.nn.Identity()
        self.counts = UserDict(gallery=0, probe=0)

    def embed_gallery(self, faces):
        self.counts['gallery'] += len(faces)
        return F.interpolate(faces, (4, 4), mode='area').flatten(1)

    def embed_probe(self, probes):
        self.counts['probe'] += len(probes)
        return F.interpolate(probes, (4, 4), mode='area').flatten(1) + 0.1


class Pairs(torch.utils.data.Dataset):
    """Six faces, the pairs of neighbours; the second of each is the probe."""

    probe_columns, identification, names = (1,), None, None
    pairs = np.array([(0, 1), (2, 3), (0, 3), (2, 1)])
    issame, folds = np.array([True, True, False, False]), np.array([0, 1, 0, 1])
    protocol, count = {'pairs': 4}, 6

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        gt = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(index // 2))
        return {'gt': gt, 'lq': F.avg_pool2d(gt, 2), 'index': index}


def evaluated(**arguments):
    embedder = Coarse()
    evaluator = PairEvaluator(Pairs(), embedder, {'auc': build_metric({'type': 'calculate_auc'})}, **arguments)
    evaluate(evaluator.faces, None, [evaluator], batch_size=4)
    return evaluator.compute(), embedder


def test_only_what_pairs_use_is_embedded_and_the_rest_is_nan():
    found, embedder = evaluated()
    assert embedder.counts == {'gallery': 2, 'probe': 2}
    gallery, probes = found.embeddings
    assert np.isfinite(gallery).all(1).tolist() == [True, False, True, False, False, False]
    assert np.isfinite(probes).all(1).tolist() == [False, True, False, True, False, False]
    np.testing.assert_allclose(np.linalg.norm(probes[[1, 3]], axis=1), 1, rtol=1e-12)
    expected = [gallery[a] @ probes[b] for a, b in Pairs.pairs]
    np.testing.assert_allclose(found.data['scores'], expected, rtol=1e-12)
    assert found.values['auc'] == found.figures['auc'] == 1 and found.absent == []
    assert found.protocol == {'pairs': 4, 'upscaling': 'none', 'gallery_network': 'teacher', 'embedding': 'face alone'}


def test_mirror_images_are_added_before_the_length_becomes_1():
    found, _ = evaluated(mirror=True)
    face = Pairs()[0]['gt'][None]
    expected = F.normalize((Coarse().embed_gallery(face) + Coarse().embed_gallery(face.flip(3))).double())
    np.testing.assert_array_equal(found.embeddings[0][0], expected[0])


def test_known_embeddings_are_not_computed_again():
    known = KnownEmbeddings()
    whole, _ = evaluated(known=known)
    found, embedder = evaluated(known=known)
    assert embedder.counts == {'gallery': 0, 'probe': 0}
    np.testing.assert_array_equal(found.embeddings, whole.embeddings)
    assert found.figures == whole.figures
    found, embedder = evaluated(known=known, mirror=True)
    assert embedder.counts == {'gallery': 4, 'probe': 4}


@pytest.mark.parametrize('known', [pytest.param(0, marks=pytest.mark.slow), 5])
def test_networks_give_the_same_scores_in_batches_of_any_size(known):
    torch.manual_seed(0)
    hrn = HRN(ALIKE, ALIKE, ALIKE, head='own')
    pipeline = RIMPipeline(torch.nn.Upsample(scale_factor=8), hrn, TinyRecogniser()).eval()
    scores = []
    for size in (1, 7, 32):  # of 18 faces
        pairs = Pairs()
        pairs.count, pairs.pairs = 18, np.array([(i, j) for i in range(0, 18, 2) for j in (1, 5, i + 1)])
        pairs.issame, pairs.folds = np.arange(27) % 3 == 2, np.arange(27) % 2
        evaluator = PairEvaluator(pairs, pipeline, mirror=True)
        evaluate(torch.utils.data.Subset(evaluator.faces, range(known)), None, [evaluator], size)
        evaluate(evaluator.faces, None, [evaluator], size)
        scores.append(evaluator.compute().data['scores'])
    assert np.ptp(scores[0]) > 1e-3
    np.testing.assert_allclose(scores, [scores[0]] * 3, atol=1e-6)


def test_metrics_whose_data_are_not_there_are_absent():
    evaluator = PairEvaluator(Pairs(), Coarse(), {'rank': build_metric({'type': 'calculate_rank'})})
    evaluate(evaluator.faces, None, [evaluator])
    found = evaluator.compute()
    assert (found.values, found.absent) == ({}, ['rank']) and 'rank_1' not in found.figures


def test_scatter_rows():
    used = torch.tensor([False, True, False, True, True])
    rows = torch.arange(6.0, dtype=torch.float64).view(3, 2)
    scattered = scatter_rows(used, [rows[:1], rows[1:]])
    np.testing.assert_array_equal(scattered[used.numpy()], rows)
    assert np.isnan(scattered[~used.numpy()]).all() and scattered.shape == (5, 2)
    assert np.isnan(scatter_rows(torch.zeros(3, dtype=torch.bool), [])).all()


def test_keys_of_a_result_file():
    similarity, names = np.eye(3), np.array(['a', 'b', 'c'])
    identification = {'similarity': similarity, 'probe_identities': names, 'gallery_identities': names}
    rates = ['accuracy', 'accuracy_std', 'accuracy_insightface', 'auc', 'eer', 'tar_at_far_1e-2', 'tar_at_far_1e-3']
    figures = pair_figures(random_pairs(0))
    assert [key for key, value in figures.items() if type(value) is float] == rates
    assert set(figures) == {*rates, 'fold_accuracies', 'fold_thresholds'}
    figures = pair_figures({**random_pairs(0), **identification})
    assert [key for key, value in figures.items() if type(value) is float] == [*rates, *IDENTIFICATION]
    assert set(figures) - set(rates) == {
        *('fold_accuracies', 'fold_thresholds', *IDENTIFICATION, 'cmc', 'probes', 'gallery_images')
    }
    assert figures['cmc'] == pytest.approx([1] * 20)
