"""Mean intersection over union of face parsing."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torchmetrics.functional.classification import multiclass_stat_scores
from torchmetrics.utilities.data import dim_zero_cat

from rim_plugin.evaluation.metric import SetMetric, register_metric


@register_metric('calculate_parsing_miou')
class ParsingMIoU(SetMetric):
    """Mean IoU (Jaccard index), 0 to 1: pixels summed over the faces, then the mean over the classes that occur.

    NaN where no pixel counts. torchmetrics counts the pixels; its ``multiclass_jaccard_index`` divides in float32.

    Args:
        ignore_index: pixels whose true class this is do not count.
    """

    title = 'parsing mIoU'
    needs = ('parsing_logits', 'parsing')
    standard = {'parsing_miou': {}}
    order = 60

    def __init__(self, ignore_index: int = 255) -> None:
        super().__init__()
        self.ignore_index = ignore_index

    def measure(self, data: Mapping[str, Any]) -> Tensor:
        """Intersection and union of each class in each image, (n, C, 2) int64 numbers of pixels.

        ``parsing_logits`` are (n, C, h, w), ``parsing`` (n, h, w), integer classes.

        Raises:
            ValueError: the shapes do not fit.
        """
        logits, truth = data['parsing_logits'], data['parsing']
        if logits.dim() != 4 or truth.shape != logits.shape[:1] + logits.shape[2:]:
            raise ValueError(
                'parsing mIoU: logits must be (N, C, h, w) and the class map (N, h, w) of the same size, '
                f'not {tuple(logits.shape)} and {tuple(truth.shape)}'
            )
        counts = multiclass_stat_scores(
            logits.argmax(1),
            truth,
            num_classes=logits.shape[1],
            average=None,
            multidim_average='samplewise',
            ignore_index=self.ignore_index,
            validate_args=False,
        )
        true_positive, false_positive, _, false_negative, _ = counts.unbind(2)
        return torch.stack([true_positive, true_positive + false_positive + false_negative], 2)

    @property
    def values(self) -> Tensor:
        """Mean IoU of each face alone, float64 (N,)."""
        return mean_iou(dim_zero_cat(self.measured))

    def over(self, faces: Tensor) -> float:
        """Mean IoU over some of the faces, (n,) int64."""
        return float(mean_iou(dim_zero_cat(self.measured)[faces].sum(0)))


def mean_iou(counts: Tensor) -> Tensor:
    """Mean over the classes that occur, float64 (...), of pixel counts (..., C, 2): intersection, union."""
    intersection, union = counts.double().unbind(-1)
    return (intersection / union.clamp(min=1)).sum(-1) / (union > 0).sum(-1)
