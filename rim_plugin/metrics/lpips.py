"""LPIPS of whole batches by its authors' package, ``lpips``; AlexNet's weights are given as a file."""

import warnings
from functools import lru_cache

import torch

from rim_plugin.errors import OptionsError
from rim_plugin.weights_file import misfit, read_weights

from basicsr.utils.registry import METRIC_REGISTRY

_WANTED = "Wanted is torchvision's AlexNet, alexnet-owt-7be5be79.pth of its model zoo."
_IMAGES_AT_A_TIME = 16


@METRIC_REGISTRY.register()
@torch.no_grad()
def calculate_lpips(data, weights):
    """Learned perceptual image patch similarity of each image, version 0.1 on AlexNet (Zhang et al., CVPR 2018).

    Args:
        data (dict): ``sr`` and ``gt``, (N, 3, H, W) in [0, 1], RGB; both are rounded to 8 bits first.
        weights (str): file of AlexNet's weights as torchvision has them, ``alexnet-owt-7be5be79.pth``.

    Returns:
        Tensor: (N,) float64, 0 for identical images; smaller is better.

    Raises:
        OptionsError: the file is missing, damaged or another network's, or the package ``lpips`` is not installed.
        ValueError: the images are no pairs of colour images of one size.
    """
    shapes = [tuple(data[key].shape) for key in ('sr', 'gt')]
    if shapes[0] != shapes[1] or len(shapes[0]) != 4 or shapes[0][1] != 3:
        raise ValueError(f'LPIPS: sr and gt must have one shape (N, 3, H, W), not {shapes[0]} and {shapes[1]}')
    net = _network(str(weights)).to(data['sr'].device)
    sr, gt = (data[key].detach().clamp(0, 1).mul(255).round().div(127.5).sub(1) for key in ('sr', 'gt'))
    chunks = zip(sr.split(_IMAGES_AT_A_TIME), gt.split(_IMAGES_AT_A_TIME))
    return torch.cat([net(a, b).flatten().double() for a, b in chunks])


calculate_lpips.batched = calculate_lpips.images_alone = True
calculate_lpips.better = 'lower'


@lru_cache(maxsize=1)
def _network(weights):
    """The network of ``lpips`` with AlexNet's weights from a file; see :func:`calculate_lpips`."""
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
    told = misfit(own, alexnet)
    if told:
        raise OptionsError(f'{weights}: no weights for LPIPS: {told}. {_WANTED}')
    net.net.load_state_dict({key: alexnet[key.split('.', 1)[1]] for key in net.net.state_dict()})
    return net.eval().requires_grad_(False)


def _read(weights):
    try:
        return read_weights(weights, param_key=None)
    except OptionsError as error:
        raise OptionsError(f'LPIPS: {error}. {_WANTED}') from None
