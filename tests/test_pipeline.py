"""RIMPipeline: embeddings of probes and gallery, what student and assistant see."""

import pytest
import torch
from support.tiny_recognition import recogniser
from torch import nn

from rim_plugin.archs.layers import bicubic
from rim_plugin.archs.recogniser import RecogniserOutput
from rim_plugin.pipeline import Hallucination, Recognition, RIMPipeline


@pytest.fixture
def teacher(tiny_teacher):
    return tiny_teacher


def test_the_gallery_may_be_embedded_by_the_student(teacher):
    model = recogniser(teacher, phase='student')
    model.trainer.ema_nets.recogniser.student.net.conv1[0].weight.data *= 2
    faces = torch.rand(2, 3, 224, 224)
    assert torch.equal(model.pipeline.embed_gallery(faces), model.nets.teacher(faces).embedding)
    model.pipeline.gallery = 'hrn'
    with torch.no_grad():
        own = model.trainer.ema_nets.recogniser.embed(model.trainer.ema_nets.recogniser(faces), model.nets.teacher)
        assert torch.equal(model.pipeline.embed_gallery(faces), own) and torch.equal(
            model.pipeline.embed_probe(faces), own
        )
    assert not torch.equal(own, model.nets.teacher(faces).embedding)
    assert 'to the hrn' in model.pipeline.upscaling


def test_untrained_student_from_the_teacher_embeds_as_the_teacher_does(teacher):
    model = recogniser(teacher, phase='student')
    lq = torch.rand(2, 3, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(
            model.pipeline.embed_probe(lq), model.nets.teacher(model.pipeline.fhn(lq)).embedding, rtol=1e-4, atol=1e-4
        )


def test_probes_of_full_resolution_go_to_the_teacher_smaller_ones_to_the_student(teacher):
    model = recogniser(teacher, phase='student')
    with torch.no_grad():
        for value in model.trainer.ema_nets.recogniser.student.parameters():
            value.mul_(1.1)
        for size in (112, 160):
            faces = torch.rand(2, 3, size, size)
            assert torch.equal(model.pipeline.embed_probe(faces), model.pipeline.embed_gallery(faces))
        faces = torch.rand(2, 3, 111, 111)
        assert not torch.allclose(
            model.pipeline.embed_probe(faces), model.nets.teacher(model.pipeline.fhn(faces)).embedding
        )


def test_the_teacher_has_a_voice_that_grows_with_the_probe(teacher):
    model = recogniser(teacher, phase='student')
    pipeline, hrn = model.pipeline, model.pipeline.hrn
    probe = torch.rand(2, 3, 20, 20)
    with torch.no_grad():
        hrn.student.net.conv1[0].weight.data *= 2
        alone, known = pipeline.embed_probe(probe), pipeline.teacher(bicubic(probe, 224)).embedding
        hrn.teacher_weights = [(20, 0.5), (80, 2.0)]
        unit = torch.nn.functional.normalize
        torch.testing.assert_close(pipeline.embed_probe(probe), unit(alone) + 0.5 * unit(known))
        hrn.teacher_weights = [(20, 0.0), (80, 2.0)]
        assert torch.equal(pipeline.embed_probe(probe), alone)


class Corners(nn.Module):
    """A teacher whose embedding is the upper left and the upper right pixel, in red."""

    def forward(self, faces):
        return RecogniserOutput((), faces[:, 0, 0, [0, -1]])


def test_face_and_mirror_image_are_added_to_a_unit_embedding():
    faces = torch.zeros(2, 3, 112, 112)
    faces[0, 0, 0, [0, -1]] = torch.tensor([3.0, 1.0])  # mirrored (1, 3), and (4, 4) in all
    faces[1, 0, 0, 0] = faces[1, 0, -1, -1] = 1
    pipeline = RIMPipeline(teacher=Corners())
    torch.testing.assert_close(pipeline(faces), torch.full((2, 2), 0.5).sqrt())
    assert pipeline.embed_probe(faces).tolist() == [[3, 1], [1, 0]]


def test_recognition_tells_how_far_face_and_mirror_image_agree():
    faces = torch.zeros(2, 3, 112, 112)
    faces[0, 0, 0, [0, -1]] = torch.tensor([3.0, 1.0])  # and (1, 3): a cosine of 6 / 10
    faces[1, 0, 0, 0] = 1  # and (0, 1)
    pipeline = RIMPipeline(teacher=Corners())
    output = Recognition(pipeline)(faces)
    torch.testing.assert_close(output[:, :2], pipeline(faces))
    torch.testing.assert_close(output[:, 2], torch.tensor([0.6, 0.0]))
    assert output[:, 3].tolist() == [0, 0], 'faces of full resolution are not hallucinated'


class Grey(nn.Module):
    """An SR network that answers .5."""

    def forward(self, probes):
        return probes.new_full((len(probes), 3, 224, 224), 0.5)


def test_recognition_tells_what_the_hallucinated_face_lacks_of_the_probe():
    probes = torch.full((2, 3, 28, 28), 0.5)
    probes[1, 0, ::2] += 0.3  # a third of the channels, every other row
    with_hallucination, without = RIMPipeline(Grey(), teacher=Corners()), RIMPipeline(teacher=Corners())
    noise = Recognition(with_hallucination)(probes)[:, 3]
    torch.testing.assert_close(noise, 255 * torch.tensor([0.0, (0.3**2 / 6) ** 0.5]), rtol=1e-4, atol=1e-3)
    assert Recognition(without)(probes)[:, 3].tolist() == [0, 0]
    torch.testing.assert_close(Recognition(with_hallucination)(probes)[:, :2], with_hallucination(probes))


@pytest.mark.filterwarnings('ignore::torch.jit.TracerWarning')
def test_recognition_as_a_graph_takes_any_number_of_faces():
    """As engines other than PyTorch run it."""
    recognition = Recognition(RIMPipeline(nn.Upsample(224), teacher=Corners()))
    for side in (28, 112):
        graph = torch.jit.trace(lambda probes: recognition(probes), torch.rand(2, 3, side, side))
        for count in (1, 3):
            faces = torch.rand(count, 3, side, side)
            torch.testing.assert_close(graph(faces), recognition(faces))


def test_beyond_the_sides_of_its_training_a_network_fades_to_bicubic_interpolation():
    pipeline = RIMPipeline(Grey(), sides=(8, 36))
    shares = [pipeline.share(side) for side in (4, 6, 7, 8, 20, 36, 40, 47, 48, 224)]
    assert shares[0] == shares[1] == 0 and shares[3:6] == [1, 1, 1] and shares[-2:] == [0, 0]
    assert 0 < shares[2] < 1 and 1 > shares[6] > shares[7] > 0
    small, middle, large, whole = (torch.rand(2, 3, side, side) for side in (20, 40, 100, 224))
    faces = pipeline.hallucinate([small, middle, large, whole])
    assert (faces[:2] == 0.5).all() and torch.equal(faces[6:], whole)
    assert torch.allclose(faces[2:4], bicubic(middle, 224).lerp(torch.tensor(0.5), shares[6]), atol=1e-6)
    assert torch.equal(faces[4:6], bicubic(large, 224)) and torch.equal(pipeline.hallucinate(large), faces[4:6])


def test_without_sides_a_network_has_all_probes_to_itself():
    assert (RIMPipeline(Grey()).hallucinate(torch.rand(1, 3, 100, 100)) == 0.5).all()
    assert RIMPipeline().share(28) == 0


def test_a_hallucination_is_the_pipelines_without_the_rest():
    pipeline = RIMPipeline(Grey().train(), sides=(8, 36))
    probes = torch.rand(1, 3, 40, 40)
    assert torch.equal(Hallucination(pipeline)(probes), pipeline.hallucinate(probes))
    assert not pipeline.fhn.training
