"""Closed-set face identification: ranks of the probes' persons in a gallery, and their cumulative match curve (CMC)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from rim_plugin.evaluation.metric import PairMetric, register_metric
from rim_plugin.options.kinds import Count

CMC_RANKS = 20


def probe_ranks(
    similarity: ArrayLike, probe_identities: Sequence | np.ndarray, gallery_identities: Sequence | np.ndarray
) -> np.ndarray:
    """Rank of each probe's own person among the persons of the gallery.

    A person's score is that of their most similar gallery image; persons who tie with the probe's own come before it.

    Args:
        similarity: (P, G), probes by gallery images, higher for more alike.
        probe_identities: (P,) who the probes are.
        gallery_identities: (G,) who the gallery images are.

    Returns:
        (P,) int, from 1.

    Raises:
        ValueError: shapes do not fit, a similarity is not finite, or a probe's person is not in the gallery.
    """
    similarity = np.asarray(similarity, np.float64)
    if not similarity.size or similarity.shape != (len(probe_identities), len(gallery_identities)):
        raise ValueError(
            f'Identification: similarity of shape {similarity.shape} for {len(probe_identities)} probes '
            f'and {len(gallery_identities)} gallery images'
        )
    if not np.isfinite(similarity).all():
        raise ValueError('Identification: a similarity is not finite; an embedding holds NaN or infinity')
    persons, person_of_image = np.unique(gallery_identities, return_inverse=True)
    strangers = sorted(set(probe_identities) - set(persons.tolist()))
    if strangers:
        raise ValueError(
            f'Identification: {len(strangers)} persons of the probes are not in the gallery, the first '
            f'{strangers[0]!r}; add an image of each'
        )
    order = np.argsort(person_of_image, kind='stable')
    starts = np.searchsorted(person_of_image[order], np.arange(len(persons)))
    of_persons = np.maximum.reduceat(similarity[:, order], starts, axis=1)
    own = np.take_along_axis(of_persons, np.searchsorted(persons, probe_identities)[:, None], 1)
    return (of_persons >= own).sum(1)


def cumulative_matches(ranks: ArrayLike, count: int) -> np.ndarray:
    """CMC: the share of probes with a rank of at most 1, 2, ... ``count``; (count,) float64, rising."""
    ranks = np.asarray(ranks)
    return np.bincount(np.minimum(ranks, count + 1), minlength=count + 2)[1 : count + 1].cumsum() / len(ranks)


@register_metric('calculate_rank')
class Rank(PairMetric):
    """Rank-k identification rate, 0 to 1: the share of probes whose person is among the k most similar of the gallery.

    Ties: see :func:`probe_ranks`. Every ``update`` is of some probes against the whole gallery.

    Args:
        k: at least 1.
    """

    needs = ('similarity', 'probe_identities', 'gallery_identities')
    standard = {'rank_1': {'k': 1}, 'rank_5': {'k': 5}}
    rule = (
        'gallery: the first image of every person in the list; probes: all their other images; persons who tie with '
        "the probe's own come before it"
    )
    order = 50
    ranks: list[Tensor]
    gallery_images: Tensor

    def __init__(self, k: Count = 1) -> None:
        super().__init__()
        self.k, self.title = k, f'rank {k}'
        self.add_state('ranks', default=[], dist_reduce_fx='cat')
        self.add_state('gallery_images', default=torch.tensor(0), dist_reduce_fx='max')

    def update(self, data: Mapping[str, Any]) -> None:
        """Rank probes.

        Raises:
            ValueError: see :func:`probe_ranks`.
        """
        ranks = probe_ranks(*(data[key] for key in self.needs))
        self.ranks.append(torch.as_tensor(ranks, device=self.device))
        self.gallery_images = torch.tensor(len(data['gallery_identities']), device=self.device)

    def compute(self) -> float:
        """Over all probes."""
        return float((self.gathered('ranks') <= self.k).mean())

    def figures(self, column: str) -> dict[str, Any]:
        """With k = 1 also the CMC of the first ranks, and how many probes and gallery images there are."""
        if self.k != 1:
            return super().figures(column)
        ranks = self.gathered('ranks')
        return {
            column: self.compute(),
            'cmc': cumulative_matches(ranks, CMC_RANKS).tolist(),
            'probes': len(ranks),
            'gallery_images': int(self.gallery_images),
        }
