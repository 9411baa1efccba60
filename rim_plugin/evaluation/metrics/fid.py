"""Fréchet inception distance between the SR faces and the HR faces; InceptionV3 by the package ``torch-fidelity``.

torchmetrics' FID takes the eigenvalues of a 2,048 x 2,048 product, which no resampling can afford; here the work grows
with the faces, and the value is the same.
"""

import io
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics.utilities.data import dim_zero_cat

from rim_plugin.errors import OptionsError
from rim_plugin.evaluation.backbones import read_backbone
from rim_plugin.evaluation.eight_bit import levels
from rim_plugin.evaluation.metric import SetMetric, register_metric

_WANTED = "torch-fidelity's InceptionV3, weights-inception-2015-12-05-6726825d.pth of its release 0.2.0"


@register_metric('calculate_fid')
class FID(SetMetric):
    """Fréchet distance between the Gaussians of InceptionV3's features of SR and of HR faces (Heusel et al. 2017).

    0 for equal sets. It falls with the number of faces: figures of sets of unlike sizes do not compare.

    Args:
        weights: file of InceptionV3's weights, ``weights-inception-2015-12-05-6726825d.pth`` of torch-fidelity.
    """

    higher_is_better = False
    title = 'FID'
    digits = 2
    needs = ('sr', 'gt')
    per_face = False
    order = 90
    files = {'weights': _WANTED}

    def __init__(self, weights: str) -> None:
        super().__init__()
        self.weights = str(weights)

    def measure(self, data: Mapping[str, Any]) -> Tensor:
        """Features of ``sr`` and ``gt``, (n, 3, H, W) in [0, 1], as 8 bits: (n, 2, 2048) float32.

        Raises:
            OptionsError: the file is missing, damaged or another network's, or the package is not installed.
        """
        net = network(self.weights).to(data['sr'].device)
        return torch.stack([net(levels(data[key].detach()).byte())[0] for key in self.needs], 1)

    def over(self, faces: Tensor) -> float:
        """The distance over some of the faces, (n,) int64 with repetitions; NaN for fewer than two."""
        chosen, counts = faces.unique(return_counts=True)
        sr, gt = dim_zero_cat(self.measured)[chosen].double().unbind(1)
        return frechet_distance(sr, gt, counts.double())


def frechet_distance(first: Tensor, second: Tensor, counts: Tensor) -> float:
    """``|m - n|^2 + tr(S) + tr(T) - 2 tr((S T)^(1/2))`` of the means m, n and the covariances S, T of two sets.

    With centred rows A and B, S = A'A and T = B'B, and the last trace is the sum of the singular values of A B'.

    Args:
        first, second: (N, D) float64.
        counts: (N,) how often each row is in its set, N' in all; the covariances are divided by N' - 1.
    """
    total = counts.sum()
    means = [(counts @ rows) / total for rows in (first, second)]
    scale = (counts / (total - 1)).sqrt()[:, None]
    centred = [scale * (rows - mean) for rows, mean in zip((first, second), means)]
    traces = sum(float(rows.square().sum()) for rows in centred)
    if len(first) > first.shape[1]:  # the triangles of a QR decomposition have the same products
        centred = [torch.linalg.qr(rows, mode='r').R for rows in centred]
    root = torch.linalg.svdvals(centred[0] @ centred[1].T).sum() if total > 1 else total.new_tensor(torch.nan)
    return float((means[0] - means[1]).square().sum() + traces - 2 * root)


@lru_cache(maxsize=1)
def network(weights: str) -> nn.Module:
    """torch-fidelity's InceptionV3 with weights from a file, frozen; errors as :meth:`FID.measure`."""
    try:
        from torch_fidelity import FeatureExtractorInceptionV3
    except ImportError:
        raise OptionsError('FID: the package torch-fidelity is not installed: pip install torch-fidelity') from None
    safe = io.BytesIO()  # it would unpickle the file itself
    torch.save(read_backbone(weights, 'FID', _WANTED), safe)
    safe.seek(0)
    try:
        return FeatureExtractorInceptionV3('inception-v3-compat', ['2048'], feature_extractor_weights_path=safe)
    except RuntimeError as error:
        first, *_ = str(error).split('\n\t')[1:] or [str(error)]
        raise OptionsError(f'{weights}: no weights for FID: {first.strip()[:200]}. Wanted is {_WANTED}') from None
