"""DISTS by torchmetrics; VGG16's weights are given as a file, which torchmetrics by itself would download."""

from functools import lru_cache
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torchmetrics.functional.image import dists as library
from torchvision.models import VGG, vgg16

from rim_plugin.evaluation.backbones import read_features
from rim_plugin.evaluation.eight_bit import PerceptualMetric
from rim_plugin.evaluation.metric import register_metric

_WANTED = "torchvision's VGG16, vgg16-397923af.pth of its model zoo"


@register_metric('calculate_dists')
class DISTS(PerceptualMetric):
    """Deep image structure and texture similarity (Ding et al., TPAMI 2020), of the images as they are, not resized.

    1 minus the weighted mean, over the maps of the image and of five stages of VGG16, of texture, the likeness of the
    maps' means, and structure, the correlation of the maps. 0 for identical images.

    Args:
        weights: file of VGG16's weights as torchvision has them, ``vgg16-397923af.pth``.
    """

    label = 'DISTS'
    files = {'weights': _WANTED}

    def distance(self, sr: Tensor, gt: Tensor) -> Tensor:
        return network(self.weights).to(sr.device)(sr, gt)


@lru_cache(maxsize=1)
def network(weights: str) -> nn.Module:
    """torchmetrics' network with VGG16's weights from a file, frozen; errors as :meth:`DISTS.score`."""
    with torch.device('meta'):  # its classifier of 120 million weights is not looked at
        vgg = vgg16()
    state = read_features(vgg.features.state_dict(), weights, 'DISTS', _WANTED)
    vgg.features.load_state_dict(state, assign=True)

    def given(**arguments: Any) -> VGG:
        return vgg

    with patch.object(library, 'vgg16', given):  # which would download
        return library.DISTSNetwork().eval().requires_grad_(False)
