"""HRN: student and assistant match their teacher block by block."""

import pytest
import torch

from rim_plugin.archs.hrn_arch import HRN

from basicsr.archs import build_network

MOBILE, RESNET18 = {'type': 'MobileFaceNet'}, {'type': 'ResNet', 'depth': 18}


def shapes(maps):
    return [tuple(block.shape) for block in maps]


@pytest.mark.parametrize('teacher', [MOBILE, {'type': 'IResNet', 'depth': 18}], ids=lambda t: t['type'])
def test_resnet_matches_any_teacher_by_construction(teacher):
    torch.manual_seed(0)
    image, net = torch.rand(1, 3, 112, 112), build_network(dict(teacher)).eval()
    hrn = HRN(teacher, RESNET18, RESNET18).eval()
    with torch.no_grad():
        output, truth = hrn(image), net(image)
        assert shapes(output.student) == shapes(output.assistant) == shapes(truth.blocks)
        assert hrn.embed(output, net).shape == truth.embedding.shape


def test_resnet34_has_the_parameters_of_its_layers():
    """Stem; per block two 3x3 convolutions and two BN; a 1x1 shortcut and BN where channels or stride change."""
    count, channels = 3 * 64 * 49 + 2 * 64, 64
    for width, blocks in ((64, 3), (64, 4), (128, 6), (512, 3)):
        strided = 0 if (width, channels) == (64, 64) and blocks == 3 else channels * width + 2 * width
        count += 9 * (channels * width + (2 * blocks - 1) * width**2) + 4 * width * blocks + strided
        channels = width
    student = HRN(MOBILE, assistant=None).student.net
    # the teacher's first block keeps the stem's stride: no shortcut there
    assert sum(value.numel() for value in student.parameters()) == count


def test_untrained_assistant_adds_nothing_but_learns():
    torch.manual_seed(0)
    hrn = HRN(MOBILE, RESNET18, RESNET18)
    output = hrn(torch.rand(2, 3, 64, 64))
    assert not any(block.any() for block in output.assistant)
    assert torch.equal(output.fused, output.student[-1])
    (output.fused * torch.randn_like(output.fused)).sum().backward()
    assert any(value.grad is not None and value.grad.any() for value in hrn.assistant.parameters())


def test_assistant_sees_the_probe_where_it_is_given_and_starts_with_its_scale():
    torch.manual_seed(0)
    teacher = build_network(dict(MOBILE)).eval()
    hrn = HRN(MOBILE, MOBILE, MOBILE, assistant_view='probe', assistant_scale=0.5).eval()
    hrn.start_from(teacher)
    sr, probe = torch.rand(2, 3, 112, 112), torch.rand(2, 3, 112, 112)
    with torch.no_grad():
        output = hrn(sr, probe)
        for block, of_probe in zip(output.assistant, teacher(probe).blocks, strict=True):
            torch.testing.assert_close(block, 0.5 * of_probe)
        assert torch.equal(output.student[-1], teacher(sr).blocks[-1])
        assert torch.equal(output.fused, output.student[-1] + output.assistant[-1])
        for fusion, factor in (('mean', 0.5), (0.3, 0.3)):
            other = HRN(MOBILE, MOBILE, MOBILE, assistant_view='probe', fusion=fusion).eval()
            other.load_state_dict(hrn.state_dict())
            torch.testing.assert_close(other(sr, probe).fused, factor * output.fused)
            assert torch.equal(other(sr, probe, ('student',)).fused, output.student[-1])
    assert hrn.sees_probe and not HRN(MOBILE, MOBILE, MOBILE).sees_probe
    assert not HRN(MOBILE, MOBILE, None, assistant_view='probe').sees_probe


def test_assistant_can_be_left_out():
    image = torch.rand(1, 3, 112, 112)
    hrn = HRN(MOBILE, MOBILE, MOBILE).eval()
    assert hrn(image, branches=('student',)).assistant == () == hrn(None, image, branches=('assistant',)).student
    assert torch.equal(hrn(None, image, branches=('assistant',)).fused, hrn.assistant(image)[-1])
    assert HRN(MOBILE, MOBILE, None)(image).assistant == ()


def test_starting_from_the_teacher_gives_its_maps():
    torch.manual_seed(0)
    teacher, hrn = build_network(dict(MOBILE)).eval(), HRN(MOBILE, MOBILE, MOBILE).eval()
    hrn.start_from(teacher)
    image = torch.rand(2, 3, 112, 112)
    with torch.no_grad():
        truth, output = teacher(image), hrn(image)
        assert all(torch.equal(a, b) for a, b in zip(output.student, truth.blocks, strict=True))
        assert torch.equal(hrn.embed(output, teacher), truth.embedding)
    with pytest.raises(ValueError, match='start_from: the student, ResNet.*MobileFaceNet'):
        HRN(MOBILE, RESNET18, None).start_from(teacher)


def test_only_who_embeds_has_a_head():
    names = {'linear7', 'linear1', 'embedding', 'bn2', 'fc', 'features'}
    for head, student, assistant in (('teacher', MOBILE, RESNET18), ('own', MOBILE, MOBILE), ('own', RESNET18, MOBILE)):
        hrn = HRN(MOBILE, student, assistant, head=head)
        assert bool(names & dict(hrn.student.net.named_children()).keys()) == (head == 'own')
        assert not names & dict(hrn.assistant.net.named_children()).keys()
        output = hrn.eval()(torch.rand(2, 3, 112, 112))
        assert (output.embedding is not None) == (head == 'own')
    face = {'type': 'IResNet', 'depth': 18}
    assert not names & dict(HRN(face, face, None).student.net.named_children()).keys()


@pytest.mark.parametrize('student', [MOBILE, RESNET18], ids=lambda s: s['type'])
def test_own_head(student):
    hrn = HRN(MOBILE, student, None, head='own').eval()
    output = hrn(torch.rand(2, 3, 112, 112))
    assert hrn.embed(output, None).shape == (2, 128)


def test_batch_norm_keeps_its_statistics_by_option():
    hrn = HRN(MOBILE, RESNET18, RESNET18, norm_eval=True)
    for module in (hrn, hrn.student):
        module.train()
        assert hrn.student.training
        before = hrn.student.net.stem[1].running_mean.clone()
        hrn(torch.rand(2, 3, 112, 112))
        assert torch.equal(before, hrn.student.net.stem[1].running_mean)
    plain = HRN(MOBILE, RESNET18, None).train()
    plain(torch.rand(2, 3, 112, 112))
    assert plain.student.net.stem[1].running_mean.any()


@pytest.mark.parametrize(
    'arguments, words',
    [
        ({'student': {'type': 'IResNet', 'depth': 18}}, r'student: IResNet .*64/2.*MobileFaceNet .*64/2'),
        ({'student': {'type': 'VGGStyleDiscriminator', 'num_in_ch': 3, 'num_feat': 4}}, 'no recogniser'),
        ({'head': 'mine'}, 'head'),
        ({'assistant_view': 'hr'}, 'assistant_view'),
        ({'fusion': 'max'}, 'fusion'),
        ({'fusion': 0}, 'fusion'),
        ({'fusion': True}, 'fusion'),
        ({'student': {'type': 'ResNet', 'depth': 50}}, 'depth'),
    ],
)
def test_what_does_not_fit_is_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        HRN(**{'teacher': MOBILE, 'student': MOBILE, 'assistant': None, **arguments})
