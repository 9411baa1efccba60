"""LPIPS by its authors' package, ``lpips``; AlexNet's weights are given as a file.

torchmetrics' LPIPS would download them.
"""

import warnings
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from rim_plugin.errors import OptionsError
from rim_plugin.evaluation.eight_bit import eight_bits, image_pair
from rim_plugin.evaluation.metric import ImageMetric, register_metric
from rim_plugin.weights_file import misfit, read_weights

_WANTED = "Wanted is torchvision's AlexNet, alexnet-owt-7be5be79.pth of its model zoo."
_IMAGES_AT_A_TIME = 16


@register_metric('calculate_lpips')
class LPIPS(ImageMetric):
    """Learned perceptual image patch similarity, version 0.1 on AlexNet (Zhang et al., CVPR 2018).

    0 for identical images.

    Args:
        weights: file of AlexNet's weights as torchvision has them, ``alexnet-owt-7be5be79.pth``.
    """

    higher_is_better = False
    title = 'LPIPS'
    digits = 3
    needs = ('sr', 'gt')
    order = 40

    def __init__(self, weights: str) -> None:
        super().__init__()
        self.weights = str(weights)

    def measure(self, data: Mapping[str, Any]) -> Tensor:
        """(n,) float64 of ``sr`` and ``gt``, (n, 3, H, W) in [0, 1], RGB, rounded to 8 bits.

        Raises:
            OptionsError: the file is missing, damaged or another network's, or the package ``lpips`` is not installed.
            ValueError: the images are no pairs of colour images of one size.
        """
        images = image_pair(data, 'LPIPS')
        if images[0].shape[1] != 3:
            raise ValueError(f'LPIPS: sr and gt must have one shape (N, 3, H, W), not {tuple(images[0].shape)} twice')
        net = network(self.weights).to(images[0].device)
        sr, gt = (eight_bits(image).div_(127.5).sub_(1) for image in images)
        chunks = zip(sr.split(_IMAGES_AT_A_TIME), gt.split(_IMAGES_AT_A_TIME))
        return torch.cat([net(a, b).flatten().double() for a, b in chunks])


@lru_cache(maxsize=1)
def network(weights: str) -> nn.Module:
    """The network of ``lpips`` with AlexNet's weights from a file, frozen; errors as :meth:`LPIPS.measure`."""
    try:
        import lpips
    except ImportError:
        raise OptionsError('LPIPS: the package lpips is not installed: pip install lpips') from None
    alexnet = {
        key.removeprefix('features.'): value for key, value in _read(weights).items() if key.startswith('features.')
    }
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # it calls torchvision in an old way
        net = lpips.LPIPS(net='alex', pnet_rand=True, verbose=False)
    own = {key.split('.', 1)[1]: value for key, value in net.net.state_dict().items()}  # without the slice's name
    message = misfit(own, alexnet)
    if message:
        raise OptionsError(f'{weights}: no weights for LPIPS: {message}. {_WANTED}')
    net.net.load_state_dict({key: alexnet[key.split('.', 1)[1]] for key in net.net.state_dict()})
    return net.eval().requires_grad_(False)


def _read(weights: str) -> dict[str, Tensor]:
    try:
        return read_weights(weights, param_key=None)
    except OptionsError as error:
        raise OptionsError(f'LPIPS: {error}. {_WANTED}') from None
