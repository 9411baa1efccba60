"""LPIPS by its authors' package, ``lpips``; AlexNet's weights are given as a file.

torchmetrics' LPIPS would download them.
"""

import warnings
from functools import lru_cache

from torch import Tensor, nn

from rim_plugin.errors import OptionsError
from rim_plugin.evaluation.eight_bit import EightBitMetric
from rim_plugin.evaluation.metric import register_metric
from rim_plugin.tensor_files import misfit, read_weights

_WANTED = "Wanted is torchvision's AlexNet, alexnet-owt-7be5be79.pth of its model zoo."


@register_metric('calculate_lpips')
class LPIPS(EightBitMetric):
    """Learned perceptual image patch similarity, version 0.1 on AlexNet (Zhang et al., CVPR 2018).

    0 for identical images.

    Args:
        weights: file of AlexNet's weights as torchvision has them, ``alexnet-owt-7be5be79.pth``.
    """

    higher_is_better = False
    label = 'LPIPS'
    digits = 3

    def __init__(self, weights: str) -> None:
        super().__init__()
        self.title, self.weights = self.label, str(weights)

    def score(self, sr: Tensor, gt: Tensor) -> Tensor:
        """(n,) float64 of colour images (n, 3, H, W) in 0 to 255.

        Raises:
            OptionsError: the file is missing, damaged or another network's, or the package ``lpips`` is not installed.
            ValueError: the images are not in colour.
        """
        if sr.shape[1] != 3:
            raise ValueError(f'LPIPS: sr and gt must have one shape (N, 3, H, W), not {tuple(sr.shape)} twice')
        net = network(self.weights).to(sr.device)
        return net(sr / 127.5 - 1, gt / 127.5 - 1).flatten().double()


@lru_cache(maxsize=1)
def network(weights: str) -> nn.Module:
    """The network of ``lpips`` with AlexNet's weights from a file, frozen; errors as :meth:`LPIPS.score`."""
    try:
        import lpips
    except ImportError:
        raise OptionsError('LPIPS: the package lpips is not installed: pip install lpips') from None
    try:
        state = read_weights(weights, param_key=None)
    except OptionsError as error:
        raise OptionsError(f'LPIPS: {error}. {_WANTED}') from None
    alexnet = {key.removeprefix('features.'): value for key, value in state.items() if key.startswith('features.')}
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # it calls torchvision in an old way
        net = lpips.LPIPS(net='alex', pnet_rand=True, verbose=False)
    own = {key.split('.', 1)[1]: value for key, value in net.net.state_dict().items()}  # without the slice's name
    message = misfit(own, alexnet)
    if message:
        raise OptionsError(f'{weights}: no weights for LPIPS: {message}. {_WANTED}')
    net.net.load_state_dict({key: alexnet[key.split('.', 1)[1]] for key in net.net.state_dict()})
    return net.eval().requires_grad_(False)
