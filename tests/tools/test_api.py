"""RIM in Python equals RIMModel's inference, in any batch and order; wrong images are refused."""

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from rim_plugin import RIM
from rim_plugin.archs.layers import bicubic, resize
from rim_plugin.data.resize import to_tensor
from rim_plugin.effective_side import effective_sides, reduce_faces
from rim_plugin.heatmaps import heatmap_landmarks
from rim_plugin.tools import face_inputs
from rim_plugin.tools.photo_faces import compare_photos
from rim_plugin.weights_file import load_weights

SIZES = (8, 28, 8, 112, 8, 63, 8, 224, 28)


@pytest.fixture(scope='module')
def faces(make_face):
    return [make_face(size, seed) for seed, size in enumerate(SIZES)]


def test_embeddings_are_those_of_rimmodel(tiny, rim, faces):
    with torch.no_grad():
        probes = [to_tensor(face)[None] for face in faces]
        embed = tiny.model.pipeline.embed_probe
        expected = torch.cat([F.normalize(embed(each) + embed(each.flip(3))) for each in probes])
    output = rim.embed(faces)
    assert output.dtype == np.float32 and output.shape == (len(faces), 128)
    assert np.abs(output - expected.numpy()).max() < 1e-5
    assert np.allclose(np.linalg.norm(output, axis=1), 1, atol=1e-6)


@pytest.mark.slow
def test_one_face_gives_what_it_gives_in_a_list(rim, faces):
    assert np.allclose(rim.embed(faces[0]), rim.embed(faces)[0], atol=1e-5)
    assert np.abs(rim.hallucinate(faces[1]).astype(int) - rim.hallucinate(faces[:3])[1]).max() <= 1
    assert rim.embed([]).shape == (0, 128) and rim.hallucinate([]) == []


def test_hallucinated_faces_are_those_of_rimmodel(tiny, rim, faces):
    for face, output in zip(faces[:3], rim.hallucinate(faces[:3])):
        tiny.model.feed_data({'lq': to_tensor(face)[None]})
        tiny.model.test()
        expected = tiny.model.output[0].clamp(0, 1).mul(255).permute(1, 2, 0).numpy()
        assert output.dtype == np.uint8 and np.abs(output - expected).max() <= 0.51


def test_priors_are_those_of_the_generator(tiny, rim, faces):
    output = rim.priors(faces[:3])
    with torch.no_grad():
        expected = tiny.model.pipeline.fhn.generator(to_tensor(faces[1])[None])
    assert np.allclose(output[1].landmarks, heatmap_landmarks(expected.heatmaps, 64)[0], atol=1e-3)
    assert np.allclose(output[1].peaks, expected.heatmaps[0].flatten(1).max(1).values, atol=1e-5)
    assert torch.allclose(output[1].parsing, expected.parsing[0], atol=1e-5)


def test_priors_of_faces_of_several_sizes_are_estimated_together(rim, make_face, monkeypatch):
    faces = [make_face(side, side) for side in (20, 8, 14, 8, 20, 11)]
    alone = [rim.priors(face) for face in faces]
    passes, generator = [], rim.pipeline.priors
    monkeypatch.setattr(rim.pipeline, 'priors', lambda groups: passes.append(len(groups)) or generator(groups))
    monkeypatch.setattr(rim, 'batch', 4)
    for each, right in zip(rim.priors(faces), alone):
        assert np.allclose(each.landmarks, right.landmarks, atol=1e-3)
        assert np.allclose(each.peaks, right.peaks, atol=1e-5)
        assert torch.allclose(each.parsing, right.parsing, atol=1e-5)
    assert passes == [3, 1]  # sizes of four faces, and of two


def test_priors_without_parsing_have_the_same_landmarks_and_leave_its_path_out(rim, faces, monkeypatch):
    expected = rim.priors(faces[:3])
    monkeypatch.setattr(rim.pipeline.fhn.generator.priors['parsing'], 'forward', None)
    for each, right in zip(rim.priors(faces[:3], parsing=False), expected):
        assert each.parsing is None
        assert np.array_equal(each.landmarks, right.landmarks) and np.array_equal(each.peaks, right.peaks)


def test_detail_of_the_faces_own_side_is_added_as_it_is(make_face, monkeypatch):
    face, detail = make_face(24), torch.randn(1, 3, 24, 24) / 10
    monkeypatch.setattr(face_inputs, 'bicubic', None)
    restored = face_inputs.with_detail(face, detail, 24)
    expected = np.clip(face + detail[0].permute(1, 2, 0).numpy() * np.float32(255), 0, 255).round()
    assert restored.dtype == np.uint8 and np.array_equal(restored, expected)


def test_verification_goes_by_the_smaller_face(rim, faces):
    output = rim.verify(faces[0], faces[7])
    a, b = rim.embed([faces[0], faces[7]])
    assert output.similarity == pytest.approx(float(a @ b)) and output.sizes == (8, 224)
    assert output.threshold == pytest.approx(0.2)
    assert rim.judge(0.5, (224, 300)) == (0.5, 0.5, True, 0.5, (224, 300), (None, None), '')
    assert rim.judge(0.3, (16, 224)).threshold == pytest.approx(0.3)  # half way from 8 to 32 in octaves
    assert not rim.judge(0.1, (8, 8)).same and rim.judge(0.1, (8, 8)).confidence == pytest.approx(1 / (1 + np.exp(-1)))


def test_weights_without_thresholds_say_so(tiny, faces):
    rim = RIM(load_weights(tiny.weights)._replace(calibrations=()), 'cpu')
    with pytest.raises(ValueError, match='holds no thresholds'):
        rim.verify(*faces[:2])


@pytest.mark.parametrize(
    'image, message',
    [
        (np.zeros((8, 8, 3), np.float32), '8-bit colour'),
        (np.zeros((8, 8), np.uint8), '8-bit colour'),
        (np.zeros((8, 9, 3), np.uint8), '9x8 pixels are no aligned face'),
        (np.zeros((1, 1, 3), np.uint8), '1x1'),
    ],
)
def test_images_that_are_no_faces_are_refused(rim, image, message):
    for function in (rim.embed, rim.hallucinate, rim.priors):
        with pytest.raises(ValueError, match=message):
            function([image])


def test_faces_with_all_their_detail_come_back_as_they_are(rim, make_face):
    for side in (64, 112, 300):
        face = make_face(side)
        assert np.array_equal(rim.hallucinate(face), face)


def test_faces_are_hallucinated_at_their_effective_side(rim, make_face):
    small = make_face(20)
    large = cv2.resize(small, (224, 224), interpolation=cv2.INTER_CUBIC)
    side = rim.effective_sides(large)
    assert 12 <= side <= 32 and rim.effective_sides([small, large]) == [20, side]
    output = rim.hallucinate(large)
    probe = reduce_faces(to_tensor(large)[None], side)
    with torch.no_grad():
        detail = rim.pipeline.fhn(probe) - bicubic(probe, 64)
    expected = (to_tensor(large) + bicubic(detail, 224)[0]).clamp(0, 1).mul(255).permute(1, 2, 0).numpy()
    assert output.shape == (224, 224, 3) and np.abs(output - expected).max() < 1
    assert np.array_equal(rim.priors(large).parsing.argmax(0), rim.priors([large])[0].parsing.argmax(0))
    assert np.abs(rim.priors(large).landmarks).max() > 64  # pixels of the face that comes out
    assert rim.embed(large) @ rim.embed(np.uint8(probe[0].mul(255).round().permute(1, 2, 0))) > 0.99


@pytest.mark.slow
def test_any_iterable_of_faces_will_do(rim, faces):
    faces = [face for face in faces if len(face) < 64]
    expected = rim.hallucinate(faces)
    for output in (rim.hallucinate(face for face in faces), rim.hallucinate(tuple(faces))):
        assert all(np.array_equal(a, b) for a, b in zip(output, expected, strict=True))
    assert len(rim.priors(face for face in faces)) == len(rim.embed(face for face in faces)) == len(faces)


@pytest.mark.parametrize(
    'image, message', [(np.zeros((28, 28), np.uint8), r'got uint8 \(28, 28\)'), (None, 'got NoneType')]
)
def test_what_is_no_face_is_named_as_a_whole(rim, image, message):
    for function in (rim.embed, rim.hallucinate, rim.priors):
        with pytest.raises(ValueError, match=message):
            function(image)


@pytest.mark.slow
def test_signs_are_the_cosine_of_face_and_mirror_image_and_what_hallucination_leaves_out(tiny, rim, faces):
    with torch.no_grad():
        probes = [to_tensor(face)[None] for face in faces]
        embed = tiny.model.pipeline.embed_probe
        expected = [F.cosine_similarity(embed(each), embed(each.flip(3))).item() for each in probes]
        reduced = [resize(tiny.model.pipeline.hallucinate(each), each.shape[-1]) for each in probes]
    noises = [255 * (a - b).square().mean().sqrt().item() for a, b in zip(reduced, probes)]
    noises = [noise if len(face) < 112 else 0 for noise, face in zip(noises, faces)]
    embeddings, (agreements, noise) = rim.embed_with_signs(faces)
    assert np.abs(agreements - expected).max() < 1e-5 and np.ptp(agreements) > 1e-4
    np.testing.assert_allclose(noise, noises, rtol=1e-3, atol=1e-3)
    assert noise.max() > 1 and noise.min() == 0
    assert np.allclose(embeddings, rim.embed(faces), atol=1e-6)


@pytest.mark.slow
def test_an_examined_face_has_what_embed_sides_and_quality_tell(rim, faces):
    examined = rim.examine(faces)
    assert np.allclose([each.embedding for each in examined], rim.embed(faces), atol=1e-6)
    assert [each.side for each in examined] == rim.sides(faces)
    assert [each.quality for each in examined] == rim.quality(faces) and rim.examine([]) == []


def test_a_face_is_looked_at_once_for_a_comparison(rim, faces, monkeypatch):
    looked = []

    def counted(image):
        looked.append(image.shape[-1])
        return effective_sides(image)

    monkeypatch.setattr(face_inputs, 'effective_sides', counted)
    rim.verify(faces[0], faces[3])
    compare_photos(rim, faces[:2], faces[2:3], all_faces=True)
    rim.restore(faces[:1])
    assert len(looked) == 2 + 3 + 1
    rim.restore(faces[:2], sides=[8, 20])
    assert len(looked) == 6


def test_a_known_side_is_what_a_face_is_hallucinated_at(rim, make_face):
    face = make_face(60)
    at_20 = rim.restore([face], sides=[20])[0].image
    small = reduce_faces(to_tensor(face)[None], 20)
    detail = rim.pipeline.hallucinate(small) - bicubic(small, 64)
    expected = (bicubic(to_tensor(face)[None], 64) + detail)[0].clamp(0, 1).mul(255).permute(1, 2, 0).numpy()
    assert np.abs(at_20 - expected).max() <= 1
    assert np.abs(at_20.astype(int) - rim.restore([face], sides=[60])[0].image).mean() > 1


@pytest.mark.slow
@pytest.mark.parametrize('at', [512, 700])
def test_what_a_large_face_has_stays_in_it(rim, make_face, at):
    """The network adds to the face as it is what it makes of it at its effective side, looked at at 512 pixels."""
    face = cv2.resize(make_face(16, 4), (at, at), interpolation=cv2.INTER_CUBIC)
    face = np.clip(face + np.random.default_rng(0).normal(0, 4, face.shape), 0, 255).round().astype(np.uint8)
    (restored,) = rim.restore([face], sides=[16])
    small = reduce_faces(resize(to_tensor(face)[None], 512), 16)
    detail = bicubic(rim.pipeline.hallucinate(small) - bicubic(small, 64), at)[0].permute(1, 2, 0).numpy()
    assert restored.has_gained and restored.image.shape == (at, at, 3)
    assert np.abs(restored.image - np.clip(face + 255 * detail, 0, 255)).max() <= 1
