"""Searches and pairs of small faces against slow loops, on made-up copies of the published sets."""

import numpy as np
import pytest
from support.native_sets import WRITERS
from torch import nn

from rim_plugin.data.native_sets import Search
from rim_plugin.errors import OptionsError
from rim_plugin.evaluation.native_evaluator import (
    NativeFaces,
    embed_faces,
    measure_native_set,
    measure_search,
    measure_verification,
    native_protocol,
    pooled,
)
from rim_plugin.options.datasets import NativeOptions


class Colours(nn.Module):
    """Embeds a face by its mean colours, and remembers how it was asked."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def embed_probe(self, faces):
        self.asked.append(('probe', tuple(faces.shape)))
        return faces.mean((2, 3)) - 0.5

    def embed_gallery(self, faces):
        self.asked.append(('gallery', tuple(faces.shape)))
        return faces.mean((2, 3)) - 0.5


def faces_of(layout, root, **options):
    typed = NativeOptions(layout=layout, dataroot_gt=str(WRITERS[layout](root)), **options)
    return NativeFaces(typed, 'set'), typed


def unit(count, size=4, seed=0):
    rows = np.random.default_rng(seed).normal(size=(count, size))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def random_search(seed=0, gallery=40, probes=30, strangers=25):
    """Thirty persons, some with two gallery images, whose probes resemble them."""
    rng = np.random.default_rng(seed)
    persons = unit(30, 6, seed)
    identities = np.concatenate([np.arange(30), rng.integers(30, size=gallery - 30)])
    who = rng.integers(30, size=probes)
    rows = np.concatenate([persons[identities], persons[who], unit(strangers, 6, seed + 1)])
    rows = rows + 0.3 * rng.normal(size=rows.shape)
    places = np.split(np.arange(len(rows)), [gallery, gallery + probes])
    search = Search(places[0], identities.astype(str), places[1], who.astype(str), places[2])
    return search, rows / np.linalg.norm(rows, axis=1, keepdims=True)


def slow_ranks(search, rows):
    """Place of the best image of the probe's person in the list of all images of others, by a loop."""
    ranks, scores = [], []
    for probe, who in zip(search.probes, search.probe_identities):
        similarity = [float(rows[probe] @ rows[each]) for each in search.gallery]
        own = max(value for value, name in zip(similarity, search.identities) if name == who)
        ranks.append(1 + sum(value >= own for value, name in zip(similarity, search.identities) if name != who))
        scores.append(own)
    return ranks, scores


@pytest.mark.parametrize('seed', [0, 1])
def test_rates_of_a_search_equal_a_slow_count(seed):
    search, rows = random_search(seed)
    ranks, own = slow_ranks(search, rows)
    part = measure_search(search, rows)
    for rank in (1, 5, 20):
        assert part.figures[f'rank {rank}'] == pytest.approx(sum(each <= rank for each in ranks) / 30)
    others = sorted(max(float(rows[probe] @ rows[each]) for each in search.gallery) for probe in search.strangers)
    for fpir in (0.1, 0.3):
        # the lowest threshold that at most so many of the 25 searches of strangers reach
        allowed = int(fpir * 25 + 1e-9)
        threshold = np.nextafter(others[::-1][allowed], np.inf)
        for name, most in (('TPIR', 1), ('TPIR20', 20)):
            hits = sum(rank <= most and value >= threshold for rank, value in zip(ranks, own))
            assert part.figures[f'{name} at FPIR {fpir}'] == pytest.approx(hits / 30), (name, fpir)
    assert 0.2 < part.figures['rank 1'] < 1 and part.probes == 30


def test_many_probes_are_searched_in_parts():
    search, rows = random_search(2, probes=300)
    assert measure_search(search, rows).figures['rank 1'] == np.mean(np.array(slow_ranks(search, rows)[0]) == 1)


def test_a_search_without_strangers_has_ranks_alone():
    search, rows = random_search()
    part = measure_search(search._replace(strangers=np.array([], int)), rows)
    assert [*part.figures] == ['rank 1', 'rank 5', 'rank 20'] and part.arrays == {}


def test_frames_of_a_film_count_once_in_a_template():
    rows = unit(5)
    found = pooled(rows, np.array([0, 0, 0, 1, 1]), np.array([7, 7, 8, 9, 10]))
    for row, expected in zip(found, ((rows[0] + rows[1]) / 2 + rows[2], rows[3] + rows[4])):
        np.testing.assert_allclose(row, expected / np.linalg.norm(expected))
    np.testing.assert_allclose(pooled(rows, np.arange(5), np.arange(5)), rows)


def test_verification_is_of_templates():
    rows, rng = unit(20), np.random.default_rng(0)
    pairs, issame = rng.integers(20, size=(60, 2)), np.arange(60) % 3 == 0
    part = measure_verification(pairs, issame, rows)
    scores = [float(rows[a] @ rows[b]) for a, b in pairs]
    assert part.arrays['scores'] == pytest.approx(scores) and part.probes is None
    better = [(s > d) + (s == d) / 2 for s in np.array(scores)[issame] for d in np.array(scores)[~issame]]
    assert part.figures['AUC'] == pytest.approx(np.mean(better))
    threshold = np.sort(np.array(scores)[~issame])[::-1][4]  # of 40 pairs
    assert part.figures['TAR at FAR 1e-1'] == pytest.approx(np.mean(np.array(scores)[issame] > threshold))


def test_every_image_is_embedded_once_at_its_own_side(tmp_path):
    faces, _ = faces_of('scface', tmp_path)
    embedder = Colours()
    rows = embed_faces(faces, embedder)
    sides = {}
    for kind, shape in embedder.asked:
        sides[kind, shape[2]] = sides.get((kind, shape[2]), 0) + shape[0]
        assert shape[2] == shape[3]
    assert sides == {('gallery', 112): 3, ('probe', 9): 6, ('probe', 18): 6, ('probe', 27): 6}
    for index in (0, 5, 20):
        expected = faces.read(index).mean((0, 1)) / 255 - 0.5
        np.testing.assert_allclose(rows[index], expected / np.linalg.norm(expected), atol=1e-6)


def test_five_points_align_a_face_to_the_pixels_that_it_has(tmp_path):
    faces, _ = faces_of('ijb', tmp_path)
    # eyes 20 pixels apart, where the template on 112 has 35.2 and a mouth 40 below them, not 22
    assert {len(faces.read(index)) for index in range(8)} == {len(faces.read(0))} and 50 < len(faces.read(0)) < 75
    assert 'its own five points' in faces.alignment


def test_mirror_images_are_added(tmp_path):
    faces, _ = faces_of('tinyface', tmp_path)
    embedder = Colours()
    embed_faces(faces, embedder, mirror=True)
    assert sum(shape[0] for _, shape in embedder.asked) == 2 * 11


@pytest.mark.parametrize('layout', WRITERS)
def test_persons_of_unlike_colours_are_told_apart(layout, tmp_path):
    faces, options = faces_of(layout, tmp_path)
    parts = measure_native_set(faces, Colours())
    expected = {
        'tinyface': ['identification'],
        'survface': ['identification', 'verification'],
        'scface': ['distance_1', 'distance_2', 'distance_3'],
        'ijb': ['gallery_G1', 'gallery_G2', 'verification'],
    }
    assert [*parts] == expected[layout]
    for part in parts.values():
        assert all(0 <= value <= 1 for value in part.figures.values())
        assert part.figures.get('rank 1', 1) >= 0.75 and part.figures.get('AUC', 1) > 0.9
    protocol = native_protocol(faces, options)
    assert protocol['images'] == len(faces.listed.images) and protocol['layout'] == layout


def test_landmarks_and_images_that_cannot_be_used_are_named(tmp_path):
    with pytest.raises(OptionsError, match='set: landmarks: .*none.txt'):
        faces_of('tinyface', tmp_path / 'a', landmarks=str(tmp_path / 'none.txt'))
    faces, _ = faces_of('tinyface', tmp_path / 'b')
    (tmp_path / 'b' / faces.listed.images[2]).write_bytes(b'no picture')
    with pytest.raises(OptionsError, match=f'set: {faces.listed.images[2]}: ') as caught:
        embed_faces(faces, Colours())
    assert '\n' not in str(caught.value)


def test_annotations_align_the_crops(tmp_path):
    faces, options = faces_of('scface', tmp_path)
    names = faces.listed.images
    lines = [f'{name} 4 5 9 5 6.5 7.5 4.5 10 8.5 10' for name in names]
    (tmp_path / 'points.txt').write_text('\n'.join(lines))
    points = str(tmp_path / 'points.txt')
    aligned = NativeFaces(NativeOptions(layout='scface', dataroot_gt=options.dataroot_gt, landmarks=points), 'set')
    assert len(aligned.read(0)) == len(aligned.read(1)) < 30 and 'points.txt' in aligned.alignment
