import json
import logging
import pickle
from collections import UserDict
from copy import deepcopy
from shutil import copytree

import cv2
import numpy as np
import pytest
import torch

from rim_plugin.data.face_pair_dataset import FacePairDataset
from rim_plugin.errors import OptionsError
from rim_plugin.evaluation.metric import build_metric
from rim_plugin.evaluation.pair_evaluator import used_faces
from rim_plugin.evaluation.thresholds import fold_accuracy
from rim_plugin.models.validation import Validation
from rim_plugin.options.conversion import convert
from rim_plugin.options.schema import ValOptions

from basicsr.models.base_model import BaseModel
from basicsr.models.sr_model import SRModel

PERSONS, IMAGES, SIZE, QUERY = 6, 3, 32, 8
METRICS = {
    'accuracy': {'type': 'calculate_verification_accuracy'},
    'eer': {'type': 'calculate_eer', 'better': 'lower'},
    'tar': {'type': 'calculate_tar_at_far', 'far': 0.1},
    'rank_1': {'type': 'calculate_rank', 'k': 1},
    'psnr': {'type': 'calculate_psnr', 'crop_border': 0},
}


class Coarse(torch.nn.Module):
    """Embeds a face as its colours on a coarse grid, in two different ways; keeps the faces that it sees."""

    gallery, upscaling = 'teacher', "bicubic (a = -0.75) to 224 px, then antialiased to the recogniser's size"

    def __init__(self):
        super().__init__()
        self.gallery_network, self.weight = torch.nn.Identity(), torch.nn.Parameter(torch.tensor(1.1))
        self.seen = UserDict(gallery=[], probe=[])

    def embed_gallery(self, images):
        self.seen['gallery'] += list(images)
        return self.coarse(images)

    def embed_probe(self, lq):
        self.seen['probe'] += list(lq)
        return self.weight * self.coarse(lq)

    @staticmethod
    def coarse(images):
        assert not torch.is_grad_enabled()
        return torch.nn.functional.interpolate(images, (4, 4), mode='area').flatten(1) - 0.5


class Embedder(SRModel):
    """A model that is an embedder and nothing else."""

    def __init__(self, folder, is_train=True, **val):
        BaseModel.__init__(
            self,
            {
                'name': 'run',
                'num_gpu': 0,
                'is_train': is_train,
                'network_r': {'type': 'HRN'},
                'path': {
                    'visualization': str(folder / 'visualization'),
                    'results_root': str(folder / 'results'),
                    'pretrain_network_r': 'weights.pth',
                },
                'val': {'metrics': deepcopy(METRICS), 'batch_size': 4, **val},
            },
        )
        self.embedder = Coarse()
        self.validator = Validation(self, convert({'save_img': False, **self.opt['val']}, ValOptions))

    def verify(self, dataset, current_iter, tb_logger):
        return self.validator.pairs(dataset, self.embedder, current_iter, tb_logger)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Aligned faces of six persons, three images each, and a list of pairs with three folds."""
    root, rng = tmp_path_factory.mktemp('verification'), np.random.default_rng(0)
    (root / 'faces').mkdir()
    lines = ['3\t4']
    for person in range(PERSONS):
        colours = rng.normal(128, 60, (4, 4, 3))
        for i in range(1, IMAGES + 1):
            image = cv2.resize((colours + rng.normal(0, 60, (4, 4, 3))).clip(0, 255), (SIZE, SIZE))
            cv2.imwrite(str(root / f'faces/P{person}_{i:04d}.png'), image.round())
    for fold in range(3):
        lines += [f'P{person}\t{i}\t{i + 1}' for person in (2 * fold, 2 * fold + 1) for i in (1, 2)]
        lines += [f'P{fold}\t{i}\tP{(fold + k) % PERSONS}\t{k}' for i in (1, 3) for k in (1, 2)]
    (root / 'pairs.txt').write_text('\n'.join(lines) + '\n')
    return root


@pytest.fixture(autouse=True)
def no_curves(monkeypatch):
    """Curves are not drawn, which takes most of the time."""
    for name in ('save_roc', 'save_cmc'):
        monkeypatch.setattr(f'rim_plugin.models.validation.{name}', lambda *arguments: None)


def pairs(folder, **options):
    return FacePairDataset(
        {
            'name': 'lfw',
            'dataroot_gt': str(folder / 'faces'),
            'pair_list': str(folder / 'pairs.txt'),
            'landmarks': 'aligned',
            'gt_size': SIZE,
            'query_size': QUERY,
            **options,
        }
    )


def report_of(tmp_path, name='verification_10.json'):
    return json.loads((tmp_path / 'visualization/lfw' / name).read_text())


def value(name, data, **arguments):
    """A metric's value on one batch."""
    metric = build_metric({'type': name, **arguments})
    metric.update(data)
    return metric.compute()


def slow_scores(model, dataset, mirror):
    """Similarity of each pair, one pair after the other."""

    def embed(index, low):
        item = dataset[index]
        face, method = (item['lq'], model.embedder.embed_probe) if low else (item['gt'], model.embedder.embed_gallery)
        with torch.no_grad():
            embedding = method(face[None]).double()[0]
            if mirror:
                embedding = embedding + method(face[None].flip(3)).double()[0]
        return embedding / embedding.norm()

    return [
        float(embed(a, 0 in dataset.probe_columns) @ embed(b, 1 in dataset.probe_columns)) for a, b in dataset.pairs
    ]


@pytest.mark.parametrize('mirror', [False, True])
@pytest.mark.parametrize('side', ['none', 'first', 'second', 'both'])
def test_the_figures_are_those_of_pair_after_pair(folder, tmp_path, side, mirror):
    model, dataset = Embedder(tmp_path, mirror=mirror), pairs(folder, probe_side=side)
    model.verify(dataset, 10, None)
    scores = slow_scores(model, dataset, mirror)
    figures = report_of(tmp_path)['figures']
    expected = fold_accuracy(scores, dataset.issame, dataset.folds)
    assert figures['accuracy'] == pytest.approx(expected.accuracy.mean())
    assert figures['accuracy_std'] == pytest.approx(expected.accuracy.std())
    assert figures['accuracy_insightface'] == pytest.approx(
        fold_accuracy(scores, dataset.issame, dataset.folds, 'insightface').accuracy.mean()
    )
    assert figures['fold_accuracies'] == pytest.approx(expected.accuracy)
    assert figures['fold_thresholds'] == pytest.approx(expected.threshold, abs=1e-6)
    assert figures['auc'] == pytest.approx(value('calculate_auc', {'scores': scores, 'issame': dataset.issame}))
    assert 0.5 < figures['auc'] < 1  # neither chance nor without errors: what is compared can differ


@pytest.mark.parametrize('side', ['none', 'first', 'second', 'both'])
def test_each_face_is_embedded_once_at_each_resolution_in_which_it_is_seen(folder, tmp_path, side):
    for identification in (False, True):
        model, dataset = Embedder(tmp_path), pairs(folder, probe_side=side, identification=identification)
        model.verify(dataset, 10, None)
        low, full = set(), set()
        for column in (0, 1):
            (low if column in dataset.probe_columns else full).update(dataset.pairs[:, column].tolist())
        if identification:
            (low if side == 'both' else full).update(dataset.identification.gallery.tolist())
            (full if side == 'none' else low).update(dataset.identification.probes.tolist())
        as_gallery, as_probe = used_faces(dataset)
        assert set(as_gallery.nonzero()[:, 0].tolist()) == full and set(as_probe.nonzero()[:, 0].tolist()) == low
        for faces, indices, key in (
            (model.embedder.seen['gallery'], full, 'gt'),
            (model.embedder.seen['probe'], low, 'lq'),
        ):
            assert len(faces) == len(indices)
            assert all(torch.equal(face, dataset[i][key]) for face, i in zip(faces, sorted(indices)))


def test_ranks_are_those_of_probes_against_the_gallery(folder, tmp_path):
    model, dataset = Embedder(tmp_path), pairs(folder, identification=True)
    model.verify(dataset, 10, None)
    report, names = report_of(tmp_path), np.array(dataset.names)
    embedder, (gallery, probes) = model.embedder, dataset.identification
    with torch.no_grad():
        rows, columns = (
            torch.nn.functional.normalize(torch.stack([method(dataset[i][key][None])[0] for i in chosen]))
            for method, key, chosen in ((embedder.embed_probe, 'lq', probes), (embedder.embed_gallery, 'gt', gallery))
        )
    data = {
        'similarity': (rows @ columns.T).numpy(),
        'probe_identities': names[probes],
        'gallery_identities': names[gallery],
    }
    figures = report['figures']
    assert (figures['probes'], figures['gallery_images']) == (len(probes), PERSONS)
    assert figures['rank_1'] == pytest.approx(value('calculate_rank', data)) == figures['cmc'][0]
    assert figures['rank_5'] == pytest.approx(value('calculate_rank', data, k=5)) == figures['cmc'][4]
    assert report['metrics']['rank_1'] == figures['rank_1'] and figures['cmc'][-1] == 1


def test_the_batch_size_changes_nothing(folder, tmp_path):
    found = []
    for size in (1, 7, 32):
        Embedder(tmp_path, batch_size=size).verify(pairs(folder, identification=True), 10, None)
        found.append(report_of(tmp_path)['figures'])
    assert found[0] == found[1] == found[2]


def seen(model):
    """How many faces the embedder has seen as gallery and as probes since the last call."""
    counts = tuple(map(len, model.embedder.seen.values()))
    model.embedder.seen.update(gallery=[], probe=[])
    return counts


@pytest.mark.slow
def test_a_later_validation_embeds_only_what_has_changed(folder, tmp_path):
    model, dataset = Embedder(tmp_path), pairs(folder, identification=True)
    results = [model.verify(dataset, 10, None)]
    gallery, probes = seen(model)
    assert min(gallery, probes) > 0
    results.append(model.verify(dataset, 20, None))
    assert seen(model) == (0, 0) and results[0].figures == results[1].figures
    other = pairs(folder, name='other', identification=True, query_size=QUERY - 1)  # the same faces as gallery
    model.verify(other, 20, None)
    assert seen(model) == (0, probes)
    model.verify(pairs(folder, identification=True, degradation={'probability': 1}), 20, None)
    assert seen(model) == (0, probes)
    with torch.no_grad():
        model.embedder.weight *= -1  # learns
    assert model.verify(dataset, 30, None).figures['auc'] < 0.5 and seen(model) == (0, probes)
    model.embedder.gallery_network.register_buffer('weight', torch.ones(1))
    model.verify(dataset, 40, None)
    assert seen(model) == (gallery, probes)


def test_an_image_that_is_replaced_is_embedded_anew(folder, tmp_path):
    copytree(folder, tmp_path / 'copy')
    model, dataset = Embedder(tmp_path), pairs(tmp_path / 'copy', probe_side='none')
    before = model.verify(dataset, 10, None)
    seen(model)
    image = cv2.imread(str(tmp_path / 'copy/faces/P0_0001.png'))
    cv2.imwrite(str(tmp_path / 'copy/faces/P0_0001.png'), image[:, ::-1])
    found = model.verify(dataset, 20, None)
    assert seen(model) == (1, 0)
    assert not np.array_equal(found.data['scores'], before.data['scores'])


def test_an_unreadable_image_is_named_in_one_line(folder, tmp_path):
    copytree(folder, tmp_path / 'copy')
    dataset = pairs(tmp_path / 'copy')
    (tmp_path / 'copy/faces/P1_0002.png').write_bytes(b'no image')
    with pytest.raises(OptionsError, match=r"^dataset lfw: face 'P1_0002' of [^\n]* cannot be used [^\n]*\Z"):
        Embedder(tmp_path).verify(dataset, 10, None)


def test_the_result_file_states_the_protocol(folder, tmp_path):
    model = Embedder(tmp_path, mirror=True)
    model.verify(pairs(folder, probe_side='first'), 10, None)
    report = report_of(tmp_path)
    assert (report['dataset'], report['run'], report['iteration']) == ('lfw', 'run', 10)
    assert report['networks'] == {'network_r': {'type': 'HRN', 'weights': 'weights.pth'}}
    protocol = report['protocol']
    assert (
        protocol.items()
        >= {
            'probe_side': 'first',
            'query_size': QUERY,
            'gallery_size': SIZE,
            'folds': 3,
            'alignment': 'aligned already in the folder',
            'pairs': 24,
        }.items()
    )
    assert protocol['downscaling'].startswith('antialiased bicubic from 32 to 8 px')
    assert protocol['upscaling'] == Coarse.upscaling
    assert protocol['embedding'] == 'sum over face and mirror image'
    Embedder(tmp_path).verify(pairs(folder, probe_side='none'), 10, None)
    protocol = report_of(tmp_path)['protocol']
    assert (protocol['upscaling'], protocol['downscaling'], protocol['query_size']) == (None, None, None)
    assert protocol['embedding'] == 'face alone'


def test_metrics_reach_basicsrs_log_tensorboard_and_best(folder, tmp_path, caplog):
    class Board:
        scalars = {}

        def add_scalar(self, key, value, step):
            self.scalars[key] = (value, step)

    model = Embedder(tmp_path)
    caplog.set_level(logging.INFO, 'basicsr')
    logging.getLogger('basicsr').addHandler(caplog.handler)
    model.verify(pairs(folder), 10, Board())
    logging.getLogger('basicsr').removeHandler(caplog.handler)
    figures = report_of(tmp_path)['figures']
    assert set(model.metric_results) == {'accuracy', 'eer', 'tar'}  # psnr is none of these, rank_1 lacks its data
    assert 'lfw: no rank_1: it needs identification: true' in caplog.text and 'psnr' not in caplog.text
    assert model.metric_results['accuracy'] == figures['accuracy']
    assert Board.scalars['metrics/lfw/eer'] == (figures['eer'], 10)
    assert Board.scalars['metrics/lfw/auc'] == (figures['auc'], 10)  # which nobody asked for
    assert model.best_metric_results['lfw']['eer']['val'] == figures['eer']
    (line,) = [record.message for record in caplog.records if 'auc' in record.message]
    assert 'lfw, probes (second of each pair) at 8 px, gallery at 32 px: accuracy 0.' in line and '\n' not in line
    assert 'verification_10.json' in line


def test_without_metrics_the_figures_are_written_all_the_same(folder, tmp_path):
    model = Embedder(tmp_path, metrics=None)
    model.verify(pairs(folder), 10, None)
    assert model.metric_results == {} and 'auc' in report_of(tmp_path)['figures']


@pytest.mark.slow
def test_curves_and_files_in_training_and_test(folder, tmp_path, monkeypatch):
    monkeypatch.undo()  # with curves
    Embedder(tmp_path).verify(pairs(folder, identification=True), 10, None)
    Embedder(tmp_path).verify(pairs(folder), 20, None)
    files = {path.name for path in (tmp_path / 'visualization/lfw').iterdir()}
    assert files == {'verification_10.json', 'roc_10.png', 'cmc_10.png', 'verification_20.json', 'roc_20.png'}
    Embedder(tmp_path, is_train=False).verify(pairs(folder, identification=True), 'run', None)
    files = {path.name for path in (tmp_path / 'results/lfw').iterdir()}
    assert files == {'verification.json', 'roc.png', 'cmc.png'}
    for name in ('roc.png', 'cmc.png'):
        assert cv2.imread(str(tmp_path / 'results/lfw' / name)).shape == (650, 910, 3)


def test_a_bin_is_verified_too(folder, tmp_path):
    images = [
        (folder / f'faces/P{person}_{i:04d}.png').read_bytes()
        for person in range(PERSONS)
        for other in (person, (person + 1) % PERSONS)
        for person, i in ((person, 1), (other, 2))
    ]
    (tmp_path / 'faces.bin').write_bytes(pickle.dumps((images, [True, False] * PERSONS)))
    dataset = FacePairDataset(
        {'name': 'lfw', 'dataroot_gt': str(tmp_path / 'faces.bin'), 'gt_size': SIZE, 'query_size': QUERY}
    )
    model = Embedder(tmp_path)
    model.verify(dataset, 10, None)
    report = report_of(tmp_path)
    assert report['protocol']['alignment'] == 'aligned already in the .bin' and report['protocol']['folds'] == 10
    assert dataset.issame.tolist() == [True, False] * PERSONS
    scores = slow_scores(model, dataset, mirror=False)
    expected = fold_accuracy(scores, dataset.issame, dataset.folds)
    assert report['figures']['fold_thresholds'] == pytest.approx(expected.threshold, abs=1e-6)
    assert report['figures']['fold_accuracies'] == expected.accuracy.tolist()


def test_an_embedding_that_is_not_finite_is_named(folder, tmp_path):
    model = Embedder(tmp_path)
    model.embedder.embed_probe = lambda lq: torch.full((len(lq), 48), float('nan'))
    with pytest.raises(ValueError, match='is not finite; an embedding holds NaN'):
        model.verify(pairs(folder), 10, None)


def test_the_training_random_state_stays_as_it_is(folder, tmp_path):
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()
    Embedder(tmp_path).verify(pairs(folder), 10, None)
    assert torch.equal(before[0], torch.get_rng_state()) and before[1] == np.random.get_state()[1].tolist()
