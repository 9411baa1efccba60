"""Mean intersection over union of face parsing."""

import torch

from basicsr.utils.registry import METRIC_REGISTRY


@METRIC_REGISTRY.register()
def calculate_parsing_miou(data, ignore_index=255):
    """Intersection and union of each class in each image; ``.reduce`` makes the data set's mean IoU of them.

    Args:
        data (dict): ``parsing_logits`` (N, C, h, w) and ``parsing`` (truth), (N, h, w), integer classes.
        ignore_index (int): pixels whose true class this is do not count. Default: 255.

    Returns:
        Tensor: (N, C, 2) int64 pixel counts: intersection, union.

    Raises:
        ValueError: shapes do not fit.
    """
    logits, truth = data['parsing_logits'], data['parsing']
    if logits.dim() != 4 or truth.shape != logits.shape[:1] + logits.shape[2:]:
        raise ValueError(
            'parsing mIoU: logits must be (N, C, h, w) and the class map (N, h, w) of the same size, '
            f'not {tuple(logits.shape)} and {tuple(truth.shape)}'
        )
    classes = torch.arange(logits.shape[1], device=logits.device).view(1, -1, 1, 1)
    counted = (truth != ignore_index).unsqueeze(1)
    estimated_is = (logits.argmax(1, keepdim=True) == classes) & counted
    truth_is = (truth.unsqueeze(1) == classes) & counted
    return torch.stack([(estimated_is & truth_is).sum((2, 3)), (estimated_is | truth_is).sum((2, 3))], dim=2)


def mean_iou(counts):
    """Mean IoU over a data set: pixels summed over its images, then averaged over the classes that occur.

    Args:
        counts (Tensor): (N, C, 2) of :func:`calculate_parsing_miou`.

    Returns:
        float: 0 to 1; NaN where no pixel counts.
    """
    intersection, union = counts.double().sum(0).unbind(1)
    occurs = union > 0
    return (intersection[occurs] / union[occurs]).mean().item()


calculate_parsing_miou.batched = True
calculate_parsing_miou.better = 'higher'
calculate_parsing_miou.reduce = mean_iou
