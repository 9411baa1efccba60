"""LPIPS by its authors' package, ``lpips``; AlexNet's weights are given as a file.

torchmetrics' LPIPS would download them.
"""

import warnings
from functools import lru_cache

from torch import Tensor, nn

from rim_plugin.errors import OptionsError
from rim_plugin.evaluation.backbones import read_features
from rim_plugin.evaluation.eight_bit import PerceptualMetric
from rim_plugin.evaluation.metric import register_metric

_WANTED = "torchvision's AlexNet, alexnet-owt-7be5be79.pth of its model zoo"


@register_metric('calculate_lpips')
class LPIPS(PerceptualMetric):
    """Learned perceptual image patch similarity, version 0.1 on AlexNet (Zhang et al., CVPR 2018).

    0 for identical images.

    Args:
        weights: file of AlexNet's weights as torchvision has them, ``alexnet-owt-7be5be79.pth``.
    """

    label = 'LPIPS'
    files = {'weights': _WANTED}

    def distance(self, sr: Tensor, gt: Tensor) -> Tensor:
        net = network(self.weights).to(sr.device)
        return net(2 * sr - 1, 2 * gt - 1)


@lru_cache(maxsize=1)
def network(weights: str) -> nn.Module:
    """The network of ``lpips`` with AlexNet's weights from a file, frozen; errors as :meth:`LPIPS.score`."""
    try:
        import lpips
    except ImportError:
        raise OptionsError('LPIPS: the package lpips is not installed: pip install lpips') from None
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # it calls torchvision in an old way
        net = lpips.LPIPS(net='alex', pnet_rand=True, verbose=False)
    own = {key.split('.', 1)[1]: value for key, value in net.net.state_dict().items()}  # without the slice's name
    alexnet = read_features(own, weights, 'LPIPS', _WANTED)
    net.net.load_state_dict({key: alexnet[key.split('.', 1)[1]] for key in net.net.state_dict()})
    return net.eval().requires_grad_(False)
