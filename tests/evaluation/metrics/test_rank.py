import numpy as np
import pytest
from sklearn.metrics import top_k_accuracy_score

from rim_plugin.evaluation.metrics.rank import Rank, cumulative_matches, probe_ranks


def rate(data, k=1):
    metric = Rank(k)
    metric.update(data)
    return metric.compute()


def random_case(seed, decimals=None, gallery=40, probes=30, persons=12):
    """Similarities of probes and gallery images of ``persons``, several images each, with ties if rounded."""
    rng = np.random.default_rng(seed)
    names = np.array([f'person_{i}' for i in range(persons)])
    of_gallery = rng.permutation(np.concatenate([names, rng.choice(names, gallery - persons)]))
    of_probes = rng.choice(names, probes)
    similarity = rng.normal(0.5 * (of_probes[:, None] == of_gallery), 0.4)
    return similarity if decimals is None else similarity.round(decimals), of_probes, of_gallery


@pytest.mark.parametrize('decimals', [None, 1, 0])
def test_ranks_equal_a_slow_loop(decimals):
    for seed in range(5):
        similarity, of_probes, of_gallery = random_case(seed, decimals)
        expected = []
        for row, person in zip(similarity, of_probes):
            best = {other: max(row[of_gallery == other]) for other in set(of_gallery)}
            expected.append(1 + sum(best[other] >= best[person] for other in best if other != person))
        assert probe_ranks(similarity, of_probes, of_gallery).tolist() == expected


def test_rates_equal_scikit_learns():
    similarity, of_probes, of_gallery = random_case(0, gallery=12)
    order = np.argsort(of_gallery)
    data = {'similarity': similarity, 'probe_identities': of_probes, 'gallery_identities': of_gallery}
    ranks = probe_ranks(similarity, of_probes, of_gallery)
    for k in range(1, 12):
        expected = top_k_accuracy_score(of_probes, similarity[:, order], k=k, labels=of_gallery[order])
        assert rate(data, k=k) == pytest.approx(expected)
        assert cumulative_matches(ranks, 12)[k - 1] == pytest.approx(expected)


def test_hand_made_ranks_ties_come_first():
    similarity = [
        [0.9, 0.5, 0.1],  # first
        [0.9, 0.5, 0.1],  # second
        [0.5, 0.5, 0.5],  # all alike: last
        [0.2, 0.7, 0.7],
    ]  # shares the first place: second
    data = {'similarity': similarity, 'probe_identities': ['a', 'b', 'a', 'c'], 'gallery_identities': ['a', 'b', 'c']}
    assert probe_ranks(*data.values()).tolist() == [1, 2, 3, 2]
    assert [rate(data, k=k) for k in (1, 2, 3, 4)] == [0.25, 0.75, 1, 1]
    assert cumulative_matches([1, 2, 3, 2], 2).tolist() == [0.25, 0.75]
    assert cumulative_matches([1, 2, 3, 2], 5).tolist() == [0.25, 0.75, 1, 1, 1]


def test_a_person_counts_once_with_the_best_image():
    assert probe_ranks([[0.8, 0.9, 0.7, 0.1]], ['b'], ['a', 'a', 'b', 'b']).tolist() == [2]
    assert probe_ranks([[0.8, 0.1, 0.7, 0.9]], ['b'], ['a', 'a', 'b', 'b']).tolist() == [1]


@pytest.mark.parametrize(
    'similarity, probes, gallery, message',
    [
        ([[0.1, 0.2]], ['a'], ['a'], r'shape \(1, 2\) for 1 probes and 1 gallery'),
        ([], [], ['a'], '0 probes'),
        ([[np.inf]], ['a'], ['a'], 'not finite'),
        (
            [[0.1], [0.2], [0.3]],
            ['a', 'y', 'x'],
            ['a'],
            r"2 persons of the probes are not in the gallery, the first 'x'",
        ),
    ],
)
def test_bad_input(similarity, probes, gallery, message):
    with pytest.raises(ValueError, match=message):
        probe_ranks(similarity, probes, gallery)


def test_probes_may_come_in_several_updates_against_one_gallery():
    similarity, of_probes, of_gallery = random_case(1)
    whole = {'similarity': similarity, 'probe_identities': of_probes, 'gallery_identities': of_gallery}
    metric = Rank()
    for part in (slice(0, 7), slice(7, None)):
        metric.update({**whole, 'similarity': similarity[part], 'probe_identities': of_probes[part]})
    assert metric.compute() == rate(whole)
    figures = metric.figures('rank_1')
    assert (figures['probes'], figures['gallery_images'], len(figures['cmc'])) == (30, 40, 20)
    assert figures['cmc'][0] == figures['rank_1'] and figures['cmc'][4] == rate(whole, k=5)
