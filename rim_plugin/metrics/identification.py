"""Closed-set face identification: ranks of the probes' persons in a gallery, and their cumulative match curve (CMC)."""

import numpy as np

from basicsr.utils.registry import METRIC_REGISTRY


def probe_ranks(similarity, probe_identities, gallery_identities):
    """Rank of each probe's own person among the persons of the gallery.

    A person's score is that of their most similar gallery image; persons who tie with the probe's own come before it.

    Args:
        similarity (ndarray): (P, G), probes by gallery images, higher for more alike.
        probe_identities (sequence): (P, ) who the probes are.
        gallery_identities (sequence): (G, ) who the gallery images are.

    Returns:
        ndarray: (P, ) int, from 1.

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


def cumulative_matches(ranks, count):
    """CMC: the share of probes with a rank of at most 1, 2, ... ``count``; (count, ) float64, rising."""
    ranks = np.asarray(ranks)
    return np.bincount(np.minimum(ranks, count + 1), minlength=count + 2)[1 : count + 1].cumsum() / len(ranks)


@METRIC_REGISTRY.register()
def calculate_rank(data, k=1):
    """Rank-k identification rate: the share of probes whose person is among the k most similar of the gallery.

    Args:
        data (dict): ``similarity`` (P, G), ``probe_identities`` (P, ) and ``gallery_identities`` (G, ); see
            :func:`probe_ranks`, also for ties.
        k (int): at least 1. Default: 1.

    Returns:
        float: 0 to 1.

    Raises:
        ValueError: as :func:`probe_ranks`, or ``k`` is below 1.
    """
    if k < 1:
        raise ValueError(f'k: {k} is no rank; the first is 1')
    ranks = probe_ranks(data['similarity'], data['probe_identities'], data['gallery_identities'])
    return float((ranks <= k).mean())


calculate_rank.verification = True  # computed once from all faces of a FacePairDataset, not image by image
calculate_rank.better = 'higher'
