"""Validation inside BasicSR's loop: what evaluators find goes to log, TensorBoard, best metrics and files."""

import json
from collections.abc import Mapping, Sequence
from os import path as osp
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from rim_plugin.archs.layers import bicubic
from rim_plugin.data.face_pairs import FacePairs
from rim_plugin.evaluation.curves import save_cmc, save_roc
from rim_plugin.evaluation.driver import Evaluator, Step, evaluate
from rim_plugin.evaluation.embeddings import KnownEmbeddings
from rim_plugin.evaluation.image_evaluator import ImageEvaluator, ImageResults
from rim_plugin.evaluation.metric import ImageMetric, PairMetric, best_direction, build_metric, standard_metrics
from rim_plugin.evaluation.metrics.psnr import PSNR
from rim_plugin.evaluation.pair_evaluator import PairEvaluator, PairResults
from rim_plugin.evaluation.pictures import SheetEvaluator
from rim_plugin.files import write_atomically
from rim_plugin.models.summary import closing_lines
from rim_plugin.options.schema import BaselineVal, ValOptions
from rim_plugin.pipeline import RIMPipeline
from rim_plugin.sheets import comparison_sheet

from basicsr.models.sr_model import SRModel
from basicsr.utils import get_root_logger, imwrite, tensor2img

_SCORE_RULE = 'cosine similarity; a pair is accepted when its score reaches the threshold'


class Board(Protocol):
    """TensorBoard's writer, or wandb's."""

    def add_scalar(self, key: str, value: float, step: int | str) -> None:
        """Log a value."""

    def add_image(self, key: str, image: np.ndarray, step: int | str, dataformats: str) -> None:
        """Log a picture."""


class Seen(NamedTuple):
    """What a validation on faces found."""

    network: bytes
    iteration: int | str
    results: ImageResults


class Validation:
    """Validates a model of BasicSR on datasets of faces and of pairs of faces.

    The model's ``metric_results`` and ``best_metric_results`` hold the values afterwards, ``bicubic_results`` the
    same of bicubic interpolation.

    Args:
        model: whose results these are.
        options: its block ``val``. Which of two values is better the metrics know, unless ``better`` is given.
    """

    def __init__(self, model: SRModel, options: BaselineVal) -> None:
        self.model, self.options, self.known = model, options, KnownEmbeddings()
        blocks = options.metrics or {}
        metrics = {name: build_metric(block) for name, block in blocks.items()}
        self.bicubic_results: dict[str, float] = {}
        self._seen: WeakKeyDictionary[Dataset, Seen] = WeakKeyDictionary()
        self.image_metrics = {name: metric for name, metric in metrics.items() if isinstance(metric, ImageMetric)}
        self.pair_metrics = {name: metric for name, metric in metrics.items() if isinstance(metric, PairMetric)}
        for name, block in blocks.items():  # where BasicSR's bookkeeping looks for it
            model.opt['val']['metrics'][name]['better'] = best_direction(block)

    def needs(self, key: str) -> bool:
        """Whether a metric of faces reads this key of the data."""
        return any(key in metric.needs for metric in self.image_metrics.values())

    def faces(
        self,
        dataset: Dataset,
        step: Step,
        current_iter: int | str,
        tb_logger: Board | None,
        save_img: bool,
        network: bytes = b'',
    ) -> ImageResults:
        """Image quality, priors and margins over bicubic of one dataset of faces.

        Args:
            dataset: of faces, with ``opt['name']``.
            step: a collated batch to what :class:`ImageEvaluator` processes.
            current_iter: the iteration, in tests BasicSR's name of the run.
            tb_logger: TensorBoard.
            save_img: write a sheet of the first faces, in tests also every SR face.
            network: key of what hallucinates; while it stays the same, so do the
                results. Empty for one that is always looked at.
        """
        name, seen = _name(dataset), self._seen.get(dataset)
        if seen is not None and network and seen.network == network:
            get_root_logger().info(f'{name}: as at iteration {seen.iteration}: hallucination has not learned since.')
            results = seen.results
        else:
            results = self._look_at(dataset, step, current_iter, tb_logger, save_img)
            self._seen[dataset] = Seen(network, current_iter, results)
        if self.image_metrics:
            self._report_faces(name, results, current_iter, tb_logger)
        return results

    def _look_at(
        self, dataset: Dataset, step: Step, current_iter: int | str, tb_logger: Board | None, save_img: bool
    ) -> ImageResults:
        """Evaluate, and write pictures; see :meth:`faces`."""
        seen = self._seen.get(dataset)
        metrics = ImageEvaluator(self.image_metrics, seen and seen.results.bicubic)
        folder = Path(self.model.opt['path']['visualization'], _name(dataset)) if save_img else Path()
        sheet = SheetEvaluator(self.options.num_pictures)
        evaluators: list[Evaluator] = [metrics, *([sheet] if save_img else [])]
        if save_img and not self.model.opt['is_train']:
            evaluators.append(ImageFiles(folder, self.options.suffix or self.model.opt['name']))

        def named_step(batch: Mapping[str, Any]) -> dict[str, Any]:
            return {**step(batch), 'lq_path': batch.get('lq_path')}

        self._evaluate(dataset, named_step, evaluators)
        if sheet.rows:
            path = str(folder / f'faces_{current_iter}.png')
            rows = [_with_bicubic(row) for row in sheet.rows]
            picture = comparison_sheet(rows, [_decibels(row) for row in rows])
            imwrite(picture, path)
            get_root_logger().info(f'Pictures: {path}')
            if tb_logger is not None:
                tb_logger.add_image(f'faces/{_name(dataset)}', picture[..., ::-1], current_iter, dataformats='HWC')
        return metrics.compute()

    def _report_faces(self, name: str, results: ImageResults, current_iter: int | str, tb_logger: Board | None) -> None:
        if results.absent:
            get_root_logger().warning(
                f'{name}: no {", ".join(results.absent)}: faces or network lack what it measures.'
            )
        self.bicubic_results = results.bicubic
        self._log(name, results.values, current_iter, tb_logger)
        if results.bicubic:
            get_root_logger().info(f'SR on {name} (margin over bicubic): {_margins(results)}')

    def pairs(
        self, dataset: FacePairs, embedder: RIMPipeline, current_iter: int | str, tb_logger: Board | None
    ) -> PairResults:
        """Verification, with ``identification`` also ranks, of one dataset of pairs.

        A JSON file and curves go to ``visualization/NAME`` in training, ``results/RUN/NAME`` in tests.

        Args:
            dataset: its faces are each embedded once in each resolution in which they occur, and not again in a later
                validation unless their embedder has learned.
            embedder: in evaluation mode, on the model's device.
            current_iter: the iteration, in tests BasicSR's name of the run.
            tb_logger: TensorBoard.

        Raises:
            ValueError: an embedding is not finite, or the folds do not fit.
        """
        name = _name(dataset)
        mirror = isinstance(self.options, ValOptions) and self.options.mirror
        evaluator = PairEvaluator(dataset, embedder, self.pair_metrics, mirror, self.known, self.model.device)
        self._evaluate(evaluator.faces, None, [evaluator])
        results = evaluator.compute()
        for key in results.absent:
            get_root_logger().warning(f'{name}: no {key}: it needs identification: true in the dataset.')
        path = self._write(name, results, current_iter)
        figures = ', '.join(f'{key} {value:.4f}' for key, value in results.figures.items() if type(value) is float)
        get_root_logger().info(f'{name}, {resolutions(results.protocol)}: {figures}. {path}')
        self._log(name, results.values, current_iter, tb_logger)
        if tb_logger is not None:
            for key in ('auc', 'eer'):
                tb_logger.add_scalar(f'metrics/{name}/{key}', results.figures[key], current_iter)
        return results

    def summary(self) -> list[str]:
        """The end of a training in a few lines: what it achieved, where to look, and what to do next."""
        faces = [
            f'Hallucination on {_name(dataset)}: {_margins(seen.results)}.'
            for dataset, seen in self._seen.items()
            if seen.results.bicubic
        ]
        return [*faces, *closing_lines(self.model.opt)]

    def _evaluate(self, dataset: Dataset, step: Step | None, evaluators: Sequence[Evaluator]) -> None:
        options = self.options
        evaluate(dataset, step, evaluators, options.batch_size, options.num_workers, options.pbar)

    def _log(self, name: str, values: dict[str, float], current_iter: int | str, tb_logger: Board | None) -> None:
        """BasicSR's bookkeeping of the best values, its log line and TensorBoard."""
        model = self.model
        model.metric_results = values
        if not values:
            return
        model._initialize_best_metric_results(name)
        for key, value in values.items():
            model._update_best_metric_result(name, key, value, current_iter)
        model._log_validation_metric_values(current_iter, name, tb_logger)

    def _write(self, name: str, results: PairResults, current_iter: int | str) -> Path:
        """Write JSON and curves; returns the path of the JSON."""
        opt, figures = self.model.opt, results.figures
        columns = {key: metric for key, metric in standard_metrics(PairMetric).items() if key in figures}
        folder = Path(opt['path']['visualization' if opt['is_train'] else 'results_root'], name)
        suffix, when = (f'_{current_iter}', f', iteration {current_iter}') if opt['is_train'] else ('', '')
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f'verification{suffix}.json'
        report = {
            'dataset': name,
            'run': opt['name'],
            'iteration': current_iter,
            'protocol': results.protocol,
            'rules': {'score': _SCORE_RULE, **{key: metric.rule for key, metric in columns.items()}},
            'networks': _networks(opt),
            'figures': figures,
            'metrics': results.values,
        }
        write_atomically(path, json.dumps(report, indent=2, allow_nan=False) + '\n')
        title = f'{opt["name"]} on {name}{when}\n{resolutions(results.protocol)}'
        marks = [metric.roc_mark(figures[key]) for key, metric in columns.items()]
        scores, issame = results.data['scores'], results.data['issame']
        save_roc(folder / f'roc{suffix}.png', scores, issame, dict(filter(None, marks)), title)
        if 'cmc' in figures:
            save_cmc(folder / f'cmc{suffix}.png', figures['cmc'], title)
        return path


class ImageFiles:
    """An evaluator that writes every SR face, as BasicSR does in tests.

    Args:
        folder: where to.
        suffix: of the files' names, which begin with those of the probes.
    """

    def __init__(self, folder: Path, suffix: str) -> None:
        self.folder, self.suffix = folder, suffix

    def reset(self) -> None:
        """Files that are there stay."""

    def process(self, data: Mapping[str, Any]) -> None:
        """Write the faces ``sr`` of a batch under the names of ``lq_path``."""
        for image, path in zip(data['sr'], data['lq_path']):
            stem = osp.splitext(osp.basename(path))[0]
            imwrite(tensor2img(image.clone()), str(self.folder / f'{stem}_{self.suffix}.png'))


def _name(dataset: Any) -> str:
    return dataset.opt['name']


def _margins(results: ImageResults) -> str:
    """Values of the metrics that bicubic has, too, and by how much they differ."""
    values = results.values
    return ', '.join(f'{key} {values[key]:.4f} ({values[key] - low:+.4f})' for key, low in results.bicubic.items())


def _with_bicubic(row: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A face of the sheet, and its probe enlarged by bicubic interpolation."""
    return {**row, 'bicubic': bicubic(row['lq'][None], row['sr'].shape[-1])[0]}


def _decibels(row: Mapping[str, Tensor]) -> dict[str, str]:
    """Y-PSNR of the pictures of a face, as captions of its row."""
    if 'gt' not in row:
        return {}
    pictures = {
        title: row[key] for title, key in (('bicubic', 'bicubic'), ('coarse', 'coarse'), ('SR', 'sr')) if key in row
    }
    values = PSNR(test_y_channel=True).measure(
        {'sr': torch.stack([*pictures.values()]), 'gt': torch.stack([row['gt']] * len(pictures))}
    )
    return {title: f'{value:.2f} dB' for title, value in zip(pictures, values.tolist())}


def _networks(opt: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Type and pretrained weights of every network of the options."""
    return {
        key: {'type': block['type'], 'weights': opt['path'].get(f'pretrain_{key}')}
        for key, block in opt.items()
        if key.startswith('network_')
    }


def resolutions(protocol: Mapping[str, Any]) -> str:
    """A few words on who is seen at which size, from a dataset's ``protocol``."""
    if protocol['probe_side'] == 'none':
        return f'all faces at {protocol["gallery_size"]} px'
    if protocol['probe_side'] == 'both':
        return f'all faces at {protocol["query_size"]} px'
    return (
        f'probes ({protocol["probe_side"]} of each pair) at {protocol["query_size"]} px, gallery at '
        f'{protocol["gallery_size"]} px'
    )
