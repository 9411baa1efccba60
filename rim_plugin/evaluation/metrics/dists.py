"""DISTS by torchmetrics; VGG16's weights are given as a file, which torchmetrics by itself would download."""

from functools import lru_cache
from importlib.resources import files

import torch
from torch import Tensor, nn
from torchmetrics.functional.image import dists as library
from torchvision.models import vgg16

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


class _Network(library.DISTSNetwork):
    """torchmetrics' network around given layers; its own constructor downloads VGG16's weights.

    Args:
        features: VGG16's layers, up to its last pooling.
    """

    _starts, _ends = (0, 5, 10, 17, 24), (4, 9, 16, 23, 30)  # of the stages; between them VGG16 pools by maxima

    def __init__(self, features: nn.Sequential) -> None:
        nn.Module.__init__(self)
        self.chns = [3, 64, 128, 256, 512, 512]
        for stage, (start, end) in enumerate(zip(self._starts, self._ends)):
            pooling = [library.L2pooling(channels=self.chns[stage])] if stage else []
            self.add_module(f'stage{stage + 1}', nn.Sequential(*pooling, *features[start:end]))
        for name, values in (('mean', (0.485, 0.456, 0.406)), ('std', (0.229, 0.224, 0.225))):  # of ImageNet
            self.register_buffer(name, torch.tensor(values).view(1, -1, 1, 1))
        heads = torch.load(str(files('torchmetrics') / 'functional/image/dists_models/weights.pt'), weights_only=True)
        for name in ('alpha', 'beta'):
            self.register_parameter(name, nn.Parameter(heads[name]))


@lru_cache(maxsize=1)
def network(weights: str) -> nn.Module:
    """torchmetrics' network with VGG16's weights from a file, frozen; errors as :meth:`DISTS.score`."""
    with torch.device('meta'):  # its classifier of 120 million weights is not looked at
        features = vgg16().features
    state = read_features(features.state_dict(), weights, 'DISTS', _WANTED)
    features.load_state_dict(state, assign=True)
    return _Network(features).eval().requires_grad_(False)
