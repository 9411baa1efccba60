"""Verification and identification inside BasicSR's validation: embeddings, scores, figures, JSON and curves."""

import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, Subset
from tqdm import tqdm

from rim_plugin.files import write_atomically
from rim_plugin.metrics.identification import cumulative_matches, probe_ranks
from rim_plugin.metrics.verification import (
    calculate_auc,
    calculate_eer,
    calculate_tar_at_far,
    calculate_verification_accuracy,
    fold_accuracy,
    roc,
)
from rim_plugin.models.batched_validation import bicubic
from rim_plugin.models.curves import save_cmc, save_roc

from basicsr.utils import get_root_logger
from basicsr.utils.registry import METRIC_REGISTRY

_CMC_RANKS = 20
_HALLUCINATED_SIZE = 224
_RULES = {
    'score': 'cosine similarity; a pair is accepted when its score reaches the threshold',
    'accuracy': 'mean over the folds, each with the threshold that is best on the others: of all their distinct '
    'scores, and of equally good ones the highest',
    'accuracy_insightface': 'the same with the thresholds 0, 0.01, ... 3.99 of the squared distance, the smallest of '
    'equally good ones',
    'auc, eer': 'all pairs',
    'tar_at_far': 'all pairs, on the ROC curve, linear between its points',
    'ranks': 'gallery: the first image of every person in the list; probes: all their other images; persons who tie '
    "with the probe's own come before it",
}


class FaceVerification:
    """Mixin over BasicSR's SRModel for datasets of face pairs (:class:`FacePairDataset`).

    The model provides ``embed_gallery(images)`` and ``embed_probe(lq)``: (N, 3, h, w) RGB in [0, 1] on ``self.device``
    to (N, D), not normalised, in evaluation mode, and may set ``gallery``, a word for who does the former. Where
    ``embed_probe`` does not begin with :meth:`upscale_probe`, the model sets ``probe_upscaling``, a few words for the
    result file. Options read from ``val:`` -- ``metrics``,
    ``batch_size`` (16), ``num_workers`` (0), ``pbar``, ``mirror`` (False: the embedding of the face; True: the sum of
    its embedding and that of its mirror image).
    """

    gallery = 'teacher'
    probe_upscaling = f"bicubic (a = -0.75) to {_HALLUCINATED_SIZE} px, then antialiased to the recogniser's size"

    @staticmethod
    def upscale_probe(lq):
        """Probes (N, 3, q, q) to the size of hallucinated faces by plain bicubic interpolation; (N, 3, 224, 224)."""
        return bicubic(lq, (_HALLUCINATED_SIZE, _HALLUCINATED_SIZE))

    def verify(self, dataset, current_iter, tb_logger):
        """Validate on a FacePairDataset; figures go to the log, to TensorBoard, to ``self.metric_results``, and with
        the curves to ``visualization/NAME`` in training, ``results/RUN/NAME`` in tests.

        Args:
            dataset (FacePairDataset): its faces are each embedded once in each resolution in which they occur.
            current_iter (int | str): the iteration, in tests BasicSR's name of the run.
            tb_logger (SummaryWriter | None): TensorBoard.

        Raises:
            ValueError: an embedding is not finite, or the folds do not fit.
        """
        name, mirror = dataset.opt['name'], self.opt['val'].get('mirror', False)
        data = verification_data(dataset, *self.embed_faces(dataset, mirror))
        self.metric_results = self._verification_metrics(data, name)
        protocol = self.protocol(dataset, mirror)
        report = {
            'dataset': name,
            'run': self.opt['name'],
            'iteration': current_iter,
            'protocol': protocol,
            'rules': _RULES,
            'networks': self._networks(),
            'figures': verification_figures(data),
            'metrics': self.metric_results,
        }
        path = self._write(report, data)
        figures = ', '.join(f'{key} {value:.4f}' for key, value in report['figures'].items() if type(value) is float)
        get_root_logger().info(f'{name}, {resolutions(protocol)}: {figures}. {path}')
        if self.metric_results:
            self._initialize_best_metric_results(name)
            for key, value in self.metric_results.items():
                self._update_best_metric_result(name, key, value, current_iter)
            self._log_validation_metric_values(current_iter, name, tb_logger)

    def protocol(self, dataset, mirror):
        """What a result file says of faces, networks and embeddings (dict); see :meth:`embed_faces`."""
        return {
            **dataset.protocol,
            'upscaling': self.probe_upscaling if dataset.probe_columns else None,
            'gallery_network': self.gallery,
            'embedding': 'sum over face and mirror image' if mirror else 'face alone',
        }

    @torch.no_grad()
    def embed_faces(self, dataset, mirror, gallery=None):
        """Unit embeddings float64 (N, D) of the faces as gallery and as probes, NaN where a face is not used so.

        Args:
            dataset (FacePairDataset): the faces.
            mirror (bool): add the embedding of the mirror image.
            gallery (ndarray | None): the former, where they are known.
        """
        options = self.opt['val']
        as_gallery, as_probe = used_faces(dataset)
        sides = {'gt': (self.embed_gallery, as_gallery, []), 'lq': (self.embed_probe, as_probe, [])}
        if gallery is not None:
            del sides['gt']
        needed = torch.stack([used for _, used, _ in sides.values()]).any(0).nonzero().flatten().tolist()
        loader = DataLoader(
            Subset(dataset, needed),
            batch_size=options.get('batch_size', 16),
            num_workers=options.get('num_workers', 0),
            generator=torch.Generator(),
        )  # its own: the training's random state stays as it is
        with tqdm(
            total=len(needed), unit='face', desc=dataset.opt['name'], disable=not options.get('pbar', False)
        ) as bar:
            for batch in loader:
                for key, (embed, used, found) in sides.items():
                    wanted = used[batch['index']]
                    if wanted.any():
                        faces = batch[key][wanted].to(self.device)
                        embeddings = embed(faces) + embed(faces.flip(3)) if mirror else embed(faces)
                        found.append(F.normalize(embeddings.cpu().double()))
                bar.update(len(batch['index']))
        embeddings = [spread(used, found) for _, used, found in sides.values()]
        return embeddings if gallery is None else [gallery, *embeddings]

    def _verification_metrics(self, data, name):
        """Values of those of ``val.metrics`` that are computed from pairs and whose data are there."""
        values = {}
        for key, options in (self.opt['val'].get('metrics') or {}).items():
            arguments = {word: value for word, value in options.items() if word not in ('type', 'better')}
            function = METRIC_REGISTRY.get(options['type'])
            if getattr(function, 'verification', False):
                try:
                    values[key] = function(data, **arguments)
                except KeyError:
                    get_root_logger().warning(f'{name}: no {key}: it needs identification: true in the dataset.')
        return values

    def _networks(self):
        """Type and pretrained weights of every network of the options."""
        weights = self.opt['path']
        return {
            key: {'type': block['type'], 'weights': weights.get(f'pretrain_{key}')}
            for key, block in self.opt.items()
            if key.startswith('network_')
        }

    def _write(self, report, data):
        """Write JSON and curves; returns the path of the JSON."""
        name, iteration, figures = report['dataset'], report['iteration'], report['figures']
        training = self.opt['is_train']
        folder = Path(self.opt['path']['visualization' if training else 'results_root'], name)
        suffix, when = (f'_{iteration}', f', iteration {iteration}') if training else ('', '')
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f'verification{suffix}.json'
        write_atomically(path, json.dumps(report, indent=2, allow_nan=False) + '\n')
        title = f'{report["run"]} on {name}{when}\n{resolutions(report["protocol"])}'
        marks = {1e-3: figures['tar_at_far_1e-3'], 1e-2: figures['tar_at_far_1e-2']}
        save_roc(folder / f'roc{suffix}.png', *roc(data['scores'], data['issame']), marks, title)
        if 'cmc' in figures:
            save_cmc(folder / f'cmc{suffix}.png', figures['cmc'], title)
        return path


def resolutions(protocol):
    """A few words on who is seen at which size, from a dataset's ``protocol``."""
    if protocol['probe_side'] == 'none':
        return f'all faces at {protocol["gallery_size"]} px'
    if protocol['probe_side'] == 'both':
        return f'all faces at {protocol["query_size"]} px'
    return (
        f'probes ({protocol["probe_side"]} of each pair) at {protocol["query_size"]} px, gallery at '
        f'{protocol["gallery_size"]} px'
    )


def used_faces(dataset):
    """Which faces occur as gallery and which as probe: two bool tensors (N, )."""
    used = torch.zeros(2, len(dataset), dtype=torch.bool)
    for column in (0, 1):
        used[int(column in dataset.probe_columns), dataset.pairs[:, column]] = True
    if dataset.identification:
        gallery, probes = identification_sides(dataset.probe_columns)
        used[gallery, dataset.identification.gallery] = True
        used[probes, dataset.identification.probes] = True
    return used[0], used[1]


def identification_sides(probe_columns):
    """How gallery and probes of identification are seen, 1 at low and 0 at full resolution: where both sides of a pair
    are seen alike, so are they; else the probes alone are low."""
    return int(len(probe_columns) == 2), int(len(probe_columns) > 0)


def spread(used, found):
    """Rows of ``found`` (list of tensors) at the places where ``used`` (N, ) is true, elsewhere NaN; ndarray (N, D)."""
    found = torch.cat(found) if found else torch.empty(0, 1, dtype=torch.float64)
    embeddings = found.new_full((len(used), found.shape[1]), float('nan'))
    embeddings[used] = found
    return embeddings.numpy()


def verification_data(dataset, gallery, probes):
    """What the metrics read.

    Args:
        dataset (FacePairDataset): pairs, and who is who.
        gallery, probes (ndarray): (N, D) unit embeddings of its faces at full and at low resolution.

    Returns:
        dict: ``scores`` (P, ), ``issame``, ``folds``; with identification ``similarity`` (probes, gallery),
        ``probe_identities``, ``gallery_identities``.
    """
    sides, columns = (gallery, probes), dataset.probe_columns
    first, second = (sides[int(column in columns)][dataset.pairs[:, column]] for column in (0, 1))
    data = {'scores': (first * second).sum(1), 'issame': dataset.issame, 'folds': dataset.folds}
    if dataset.identification:
        names, (gallery_faces, probe_faces) = np.array(dataset.names), dataset.identification
        gallery_side, probe_side = identification_sides(columns)
        data['similarity'] = sides[probe_side][probe_faces] @ sides[gallery_side][gallery_faces].T
        data['probe_identities'], data['gallery_identities'] = names[probe_faces], names[gallery_faces]
    return data


def verification_figures(data):
    """All figures of a result file, as JSON values.

    Args:
        data (dict): see :func:`verification_data`.

    Returns:
        dict: accuracy over the folds and its standard deviation, the same with insightface's thresholds, accuracy and
        threshold of each fold (None: accept no pair), AUC, EER, TAR at FAR 1e-2 and 1e-3, and with identification rank
        1, rank 5, the CMC of the first ranks and how many probes and gallery images there are.
    """
    folds = fold_accuracy(data['scores'], data['issame'], data['folds'])
    figures = {
        'accuracy': float(folds.accuracy.mean()),
        'accuracy_std': float(folds.accuracy.std()),
        'accuracy_insightface': calculate_verification_accuracy(data, thresholds='insightface'),
        'fold_accuracies': folds.accuracy.tolist(),
        'fold_thresholds': [value if np.isfinite(value) else None for value in folds.threshold.tolist()],
        'auc': calculate_auc(data),
        'eer': calculate_eer(data),
        'tar_at_far_1e-2': calculate_tar_at_far(data, 1e-2),
        'tar_at_far_1e-3': calculate_tar_at_far(data, 1e-3),
    }
    if 'similarity' in data:
        ranks = probe_ranks(data['similarity'], data['probe_identities'], data['gallery_identities'])
        figures.update(
            {
                'rank_1': float((ranks <= 1).mean()),
                'rank_5': float((ranks <= 5).mean()),
                'cmc': cumulative_matches(ranks, _CMC_RANKS).tolist(),
                'probes': len(ranks),
                'gallery_images': data['similarity'].shape[1],
            }
        )
    return figures
