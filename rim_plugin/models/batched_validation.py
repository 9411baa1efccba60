"""Validation in batches inside BasicSR's loop: metrics, margin over bicubic, progress bar, pictures."""

from collections import defaultdict
from os import path as osp

import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader
from tqdm import tqdm

from rim_plugin.models.pictures import comparison_sheet

from basicsr.metrics import calculate_metric
from basicsr.utils import get_root_logger, imwrite, tensor2img
from basicsr.utils.registry import METRIC_REGISTRY

# BasicSR's per-image functions, computed in batches with the same result
BATCHED = {'calculate_psnr': 'calculate_psnr_batch', 'calculate_ssim': 'calculate_ssim_batch'}


class BatchedValidation:
    """Mixin over BasicSR's SRModel that validates ``val.batch_size`` faces at a time instead of one.

    The model provides ``feed_data``, ``test`` and ``validation_data()``: a dict of tensors of the batch with at least
    ``lq``, ``sr`` and, where known, ``gt`` (all (N, 3, h, w) RGB in [0, 1]), and whatever else its metrics read.
    Options read from ``val:`` -- ``metrics``, ``batch_size`` (16), ``num_workers`` (0), ``pbar``, ``num_pictures`` (8).
    """

    def nondist_validation(self, dataloader, current_iter, tb_logger, save_img):
        """Validate on one dataset; results go to the log, to TensorBoard and to ``self.metric_results``."""
        dataset = dataloader.dataset
        name, options = dataset.opt['name'], self.opt['val']
        metrics = {key: metric for key, metric in (options.get('metrics') or {}).items() if of_images(metric)}
        values, baseline, pictures = defaultdict(list), defaultdict(list), []
        loader = DataLoader(
            dataset,
            batch_size=options.get('batch_size', 16),
            num_workers=options.get('num_workers', 0),
            generator=torch.Generator(),
        )  # its own: the training's random state stays as it is
        with tqdm(total=len(dataset), unit='face', desc=name, disable=not options.get('pbar', False)) as bar:
            for batch in loader:
                self.feed_data(batch)
                self.test()
                data = self.validation_data()
                collect(values, metrics, data)
                if 'gt' in data:
                    image_metrics = {key: value for key, value in metrics.items() if needs_only_images(value)}
                    collect(baseline, image_metrics, dict(data, sr=bicubic(data['lq'], data['gt'].shape[-2:])))
                if save_img:
                    self._save_images(data, batch, name)
                    pictures += comparison_rows(data, options.get('num_pictures', 8) - len(pictures))
                bar.update(len(batch['lq']))
        self._report(name, metrics, values, baseline, current_iter, tb_logger)
        if pictures:
            self._save_sheet(pictures, name, current_iter)

    def _report(self, name, metrics, values, baseline, current_iter, tb_logger):
        if not metrics:
            return
        self._initialize_best_metric_results(name)
        absent = [key for key in metrics if key not in values]
        if absent:
            get_root_logger().warning(f'{name}: no {", ".join(absent)}: faces or network lack what it measures.')
        metrics = {key: value for key, value in metrics.items() if key in values}
        self.metric_results = {key: reduce_metric(metrics[key], values[key]) for key in metrics}
        self.bicubic_results = {key: reduce_metric(metrics[key], baseline[key]) for key in baseline}
        for key, value in self.metric_results.items():
            self._update_best_metric_result(name, key, value, current_iter)
        self._log_validation_metric_values(current_iter, name, tb_logger)
        margins = [
            f'{key} {self.metric_results[key]:.4f} ({self.metric_results[key] - value:+.4f})'
            for key, value in self.bicubic_results.items()
        ]
        if margins:
            get_root_logger().info(f'SR on {name} (margin over bicubic): {", ".join(margins)}')

    def _save_images(self, data, batch, name):
        """In tests every SR image, as BasicSR does; in training the sheet alone."""
        if self.opt['is_train']:
            return
        suffix = self.opt['val'].get('suffix') or self.opt['name']
        for image, path in zip(data['sr'], batch['lq_path']):
            stem = osp.splitext(osp.basename(path))[0]
            imwrite(tensor2img(image), osp.join(self.opt['path']['visualization'], name, f'{stem}_{suffix}.png'))

    def _save_sheet(self, rows, name, current_iter):
        path = osp.join(self.opt['path']['visualization'], name, f'faces_{current_iter}.png')
        imwrite(comparison_sheet(rows), path)
        get_root_logger().info(f'Pictures: {path}')


def metric_function(options):
    """The batched registered function of a metric's options, or None where only BasicSR's per-image one exists."""
    function = METRIC_REGISTRY.get(BATCHED.get(options['type'], options['type']))
    return function if getattr(function, 'batched', False) else None


def bicubic(lq, size):
    """The baseline of every margin: plain bicubic enlargement (a = -0.75, as torch and OpenCV have it) to ``size``."""
    return F.interpolate(lq, size, mode='bicubic', align_corners=False)


def of_images(options):
    """Whether a metric is one of faces, not of pairs of faces (:class:`FaceVerification`)."""
    return not hasattr(METRIC_REGISTRY.get(options['type']), 'verification')


def needs_only_images(options):
    """Whether a metric compares SR and HR images alone, so that bicubic can be measured with it."""
    return getattr(metric_function(options), 'images_alone', False)


def collect(values, metrics, data):
    """Append this batch's per-image values of every metric to ``values``."""
    for key, options in metrics.items():
        function = metric_function(options)
        arguments = {name: value for name, value in options.items() if name not in ('type', 'better')}
        if function is not None:
            try:
                values[key].append(function(data, **arguments).cpu())
            except KeyError:  # a prior that this dataset or this network does not have
                values.pop(key, None)
        else:
            images = [{'img': tensor2img(sr.clone())} for sr in data['sr']]  # tensor2img clamps its argument in place
            for image, gt in zip(images, data.get('gt', [])):
                image['img2'] = tensor2img(gt.clone())
            values[key].append(torch.tensor([calculate_metric(image, options) for image in images]))


def reduce_metric(options, values):
    """One number from the per-image values: the metric's own ``reduce``, else the mean."""
    values = torch.cat(values)
    reduce = getattr(metric_function(options), 'reduce', None)
    return float(reduce(values) if reduce else values.double().mean())


def comparison_rows(data, count):
    """The first ``count`` faces of a batch as dicts of single images and priors, for the sheet."""
    keys = [key for key in ('lq', 'coarse', 'sr', 'gt', 'estimated_landmarks', 'parsing_logits') if key in data]
    return [{key: data[key][i].float().cpu() for key in keys} for i in range(min(max(count, 0), len(data['sr'])))]
