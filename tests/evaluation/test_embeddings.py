"""Known embeddings: found again where nothing changed, and never where anything did."""

import numpy as np
import torch

from rim_plugin.data.degradations import degrade_face
from rim_plugin.data.resize import degrade, to_tensor
from rim_plugin.evaluation.embeddings import KnownEmbeddings
from rim_plugin.options.datasets import DegradationOptions

KEY = bytes(16)  # of an embedder


class Means:
    """Embeds a face as the means of its channels; counts the faces of each call."""

    def __init__(self):
        self.counts = []

    def __call__(self, faces):
        self.counts.append(len(faces))
        return faces.mean((2, 3))


def faces(count, size=8, seed=0):
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


def test_only_unknown_faces_are_embedded_and_the_order_stays():
    known, embed, some = KnownEmbeddings(), Means(), faces(6)
    for chosen, count in (([1, 4], 2), ([0, 1, 2, 4], 2), ([5, 5, 3], 2), ([5, 4, 3, 2, 1, 0], 0)):
        before = len(embed.counts)
        torch.testing.assert_close(known.embed(some[chosen], KEY, embed), some[chosen].mean((2, 3)))
        assert embed.counts[before:] == ([count] if count else [])


def test_the_order_of_bytes_in_memory_is_no_property_of_a_face():
    known, embed, some = KnownEmbeddings(), Means(), faces(3)
    known.embed(some, KEY, embed)
    known.embed(some.contiguous(memory_format=torch.channels_last), KEY, embed)
    assert embed.counts == [3]


def test_another_image_size_or_degradation_is_embedded_anew():
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    other = image.copy()
    other[3, 5, 1] ^= 1  # one level of one pixel
    blurred, noisy = (DegradationOptions(probability=1) for _ in range(2))
    variants = [image, other, degrade(image, 16), degrade(image, 15)]
    variants += [degrade_face(image, 16, blurred, seed=1), degrade_face(image, 16, noisy, seed=2)]
    known, embed = KnownEmbeddings(), Means()
    for _ in range(2):
        for variant in variants:
            known.embed(to_tensor(variant)[None], KEY, embed)
    assert embed.counts == [1] * len(variants)


def test_a_batch_of_another_shape_with_the_same_bytes_is_another():
    known, embed = KnownEmbeddings(), Means()
    known.embed(torch.zeros(1, 3, 4, 9), KEY, embed)
    known.embed(torch.zeros(1, 3, 6, 6), KEY, embed)
    known.embed(torch.zeros(1, 3, 6, 6, dtype=torch.float64), KEY, embed)
    assert embed.counts == [1] * 3


def test_the_bound_drops_what_was_used_longest_ago():
    embed, some = Means(), faces(4)
    known = KnownEmbeddings(limit=3 * 12)  # three floats an embedding
    for place in (0, 1, 2, 0, 3):  # drops 1
        known.embed(some[place : place + 1], KEY, embed)
    del embed.counts[:]
    for place in (0, 2, 3, 1):
        known.embed(some[place : place + 1], KEY, embed)
    assert embed.counts == [1] and len(known.arrays['keys']) == 3


def test_a_batch_beyond_the_bound_is_embedded_all_the_same():
    known, some = KnownEmbeddings(limit=12), faces(4)
    torch.testing.assert_close(known.embed(some, KEY, Means()), some.mean((2, 3)))
    assert len(known.arrays['embeddings']) == 1


def test_arrays_give_back_what_is_known():
    known, embed, some = KnownEmbeddings(), Means(), faces(3)
    expected = known.embed(some, KEY, embed)
    again = KnownEmbeddings(known.arrays)
    assert torch.equal(again.embed(some, KEY, embed), expected) and embed.counts == [3]
