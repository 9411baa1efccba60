"""Trainings on random faces, to be timed: options for one process, and batches as the datasets of these give them."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from rim_plugin.options.reading import read_options

PROBE_SIZE = 28  # pixels


def training_options(file: str, forced: Iterable[str] = ()) -> dict[str, Any]:
    """An options file as BasicSR gives it to a model, for one process on the device that is there.

    Args:
        file: its path.
        forced: changes, as ``--force_yml`` takes them.
    """
    options = read_options(file, forced)
    process = {'is_train': True, 'dist': False, 'rank': 0, 'world_size': 1, 'num_gpu': int(torch.cuda.is_available())}
    return {**options, **process}


def training_batch(
    options: Mapping[str, Any], count: int | None = None, device: torch.device | str = 'cpu'
) -> dict[str, Tensor]:
    """Random faces, as the datasets of the options give them with a probe of 28 pixels.

    Args:
        options: of a training.
        count: faces; None for as many as the options have in a batch.
        device: where they lie.
    """
    data, net = options['datasets']['train'], options['network_g']
    count, side = count or data['batch_size_per_gpu'], data.get('gt_size', 224)
    landmarks = net.get('num_landmarks', 68)
    return {
        'lq': torch.rand(count, 3, PROBE_SIZE, PROBE_SIZE, device=device),
        'gt': torch.rand(count, 3, side, side, device=device),
        'landmarks': torch.rand(count, landmarks, 2, device=device) * side,
        'heatmaps': torch.rand(count, landmarks, side // 4, side // 4, device=device),
        'parsing': torch.randint(11, (count, side // 4, side // 4), device=device),
    }
