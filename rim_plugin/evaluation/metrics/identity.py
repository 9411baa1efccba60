"""How far a hallucinated face keeps its identity, as a recogniser sees it."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from rim_plugin.evaluation.metric import ImageMetric, register_metric


@register_metric('calculate_identity')
class Identity(ImageMetric):
    """Cosine of the recogniser's embeddings of SR and HR face, -1 to 1."""

    title = 'identity'
    digits = 3
    needs = ('sr_embedding', 'gt_embedding')
    standard = {'identity': {}}
    order = 30

    def measure(self, data: Mapping[str, Any]) -> Tensor:
        """(n,) float64 of ``sr_embedding`` and ``gt_embedding``, (n, D), which need no unit length."""
        return F.cosine_similarity(data['sr_embedding'].double(), data['gt_embedding'].double())
