"""Open-set identification among the metrics of pairs."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from rim_plugin.evaluation.metric import PairMetric, register_metric
from rim_plugin.evaluation.open_set import det_curve, search_scores
from rim_plugin.options.kinds import Rate


@register_metric('calculate_tpir')
class TpirAtFpir(PairMetric):
    """True-positive identification rate at a false-positive identification rate, 0 to 1: 1 - FNIR, see
    :mod:`rim_plugin.evaluation.open_set`. Every ``update`` is of some probes against the whole gallery.

    Args:
        fpir: 0 to 1.
    """

    needs = ('similarity', 'probe_identities', 'gallery_identities')
    standard = {'tpir_fpir_1e-2': {'fpir': 0.01}, 'tpir_fpir_1e-1': {'fpir': 0.1}}
    rule = (
        'each probe searches the gallery once as it is and once without its own person; the threshold is the lowest at '
        'which at most the given share of the latter searches names somebody'
    )
    order = 60
    mated: list[Tensor]
    non_mated: list[Tensor]

    def __init__(self, fpir: Rate = 0.01) -> None:
        super().__init__()
        self.fpir, self.title = fpir, f'TPIR at FPIR {fpir:g}'
        self.add_state('mated', default=[], dist_reduce_fx='cat')
        self.add_state('non_mated', default=[], dist_reduce_fx='cat')

    def update(self, data: Mapping[str, Any]) -> None:
        """Search for probes."""
        mated, non_mated = search_scores(*(data[key] for key in self.needs))
        self.mated.append(torch.as_tensor(mated, device=self.device))
        self.non_mated.append(torch.as_tensor(non_mated, device=self.device))

    def compute(self) -> float:
        """Over all probes."""
        return 1 - det_curve(self.gathered('mated'), self.gathered('non_mated')).at(self.fpir)
