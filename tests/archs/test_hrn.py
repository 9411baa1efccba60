"""HRN: student and assistant match their teacher block by block."""

import pytest
import torch
from support.tiny_recognition import ALIKE

from rim_plugin.archs.hrn_arch import HRN
from rim_plugin.archs.mobilefacenet_arch import MobileFaceNet
from rim_plugin.archs.recogniser import FeatureInfo, Recogniser
from rim_plugin.errors import OptionsError

from basicsr.archs import build_network
from basicsr.utils.registry import ARCH_REGISTRY

MOBILE, RESNET18 = {'type': 'MobileFaceNet'}, {'type': 'ResNet', 'depth': 18}  # its widths are the teacher's


def shapes(maps):
    return [tuple(block.shape) for block in maps]


@pytest.mark.parametrize(
    'teacher', [MOBILE, pytest.param({'type': 'IResNet', 'depth': 18}, marks=pytest.mark.slow)], ids=lambda t: t['type']
)
def test_resnet_matches_any_teacher_by_construction(teacher):
    torch.manual_seed(0)
    image, net = torch.rand(1, 3, 112, 112), build_network(dict(teacher)).eval()
    hrn = HRN(teacher, RESNET18, RESNET18).eval()
    with torch.no_grad():
        output, truth = hrn(image), net(image)
        assert shapes(output.student) == shapes(output.assistant) == shapes(truth.blocks)
        assert hrn.embed(output, net).shape == truth.embedding.shape


@pytest.mark.slow
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
    hrn = HRN(ALIKE, ALIKE, RESNET18)
    output = hrn(torch.rand(2, 3, 64, 64))
    assert not any(block.any() for block in output.assistant)
    assert torch.equal(output.fused, output.student[-1])
    (output.fused * torch.randn_like(output.fused)).sum().backward()
    assert any(value.grad is not None and value.grad.any() for value in hrn.assistant.parameters())


def test_assistant_sees_the_probe_where_it_is_given_and_starts_with_its_scale():
    torch.manual_seed(0)
    teacher = build_network(dict(ALIKE)).eval()
    hrn = HRN(ALIKE, ALIKE, ALIKE, assistant_view='probe', assistant_scale=0.5).eval()
    hrn.start_from(teacher)
    sr, probe = torch.rand(2, 3, 112, 112), torch.rand(2, 3, 112, 112)
    with torch.no_grad():
        output = hrn(sr, probe)
        for block, of_probe in zip(output.assistant, teacher(probe).blocks, strict=True):
            torch.testing.assert_close(block, 0.5 * of_probe)
        assert torch.equal(output.student[-1], teacher(sr).blocks[-1])
        assert torch.equal(output.fused, output.student[-1] + output.assistant[-1])
        for fusion, factor in (('mean', 0.5), (0.3, 0.3)):
            other = HRN(ALIKE, ALIKE, ALIKE, assistant_view='probe', fusion=fusion).eval()
            other.load_state_dict(hrn.state_dict())
            torch.testing.assert_close(other(sr, probe).fused, factor * output.fused)
            assert torch.equal(other(sr, probe, ('student',)).fused, output.student[-1])
    assert hrn.sees_probe and not HRN(ALIKE, ALIKE, ALIKE).sees_probe
    assert not HRN(ALIKE, ALIKE, None, assistant_view='probe').sees_probe


def test_the_assistant_s_error_does_not_reach_the_network_that_made_the_image():
    """Eq. 12 is theta_A's alone; Eq. 11 reaches further."""
    torch.manual_seed(0)
    image = torch.rand(2, 3, 112, 112, requires_grad=True)
    output = HRN(ALIKE, ALIKE, ALIKE, assistant_scale=1.0)(image)
    sum(block.square().mean() for block in output.assistant).backward()
    assert image.grad is None
    output.student[-1].square().mean().backward()
    assert image.grad.abs().sum() > 0


def test_block_maps_of_resnet_are_signed():
    """They are regressed on a teacher's maps, and on differences of such maps, which have both signs."""
    torch.manual_seed(0)
    net = HRN(ALIKE, RESNET18, None).eval().student.net
    with torch.no_grad():
        maps = net.block_maps(net.prepare(torch.rand(1, 3, 112, 112)))
    assert all(block.min() < 0 < block.max() for block in maps)


def test_assistant_can_be_left_out():
    image = torch.rand(1, 3, 112, 112)
    hrn = HRN(ALIKE, ALIKE, ALIKE).eval()
    assert hrn(image, branches=('student',)).assistant == () == hrn(None, image, branches=('assistant',)).student
    assert torch.equal(hrn(None, image, branches=('assistant',)).fused, hrn.assistant(image)[-1])
    assert HRN(ALIKE, ALIKE, None)(image).assistant == ()


def test_starting_from_the_teacher_gives_its_maps():
    torch.manual_seed(0)
    teacher, hrn = build_network(dict(ALIKE)).eval(), HRN(ALIKE, ALIKE, ALIKE).eval()
    hrn.start_from(teacher)
    image = torch.rand(2, 3, 112, 112)
    with torch.no_grad():
        truth, output = teacher(image), hrn(image)
        assert all(torch.equal(a, b) for a, b in zip(output.student, truth.blocks, strict=True))
        assert torch.equal(hrn.embed(output, teacher), truth.embedding)
    with pytest.raises(OptionsError, match='start_from: the student, ResNet.*TinyRecogniser'):
        HRN(ALIKE, RESNET18, None).start_from(teacher)


@pytest.mark.slow
def test_only_who_embeds_has_a_head():
    names = {'linear', 'embedding', 'bn2', 'fc', 'features'}
    for head, student, assistant in (('teacher', ALIKE, RESNET18), ('own', ALIKE, ALIKE), ('own', RESNET18, ALIKE)):
        hrn = HRN(ALIKE, student, assistant, head=head)
        assert bool(names & dict(hrn.student.net.named_children()).keys()) == (head == 'own')
        assert not names & dict(hrn.assistant.net.named_children()).keys()
        output = hrn.eval()(torch.rand(2, 3, 112, 112))
        assert (output.embedding is not None) == (head == 'own')
    face = {'type': 'IResNet', 'depth': 18}
    assert not names & dict(HRN(face, face, None).student.net.named_children()).keys()


@pytest.mark.parametrize('student', [ALIKE, RESNET18], ids=lambda s: s['type'])
def test_own_head(student):
    hrn = HRN(ALIKE, student, None, head='own').eval()
    output = hrn(torch.rand(2, 3, 112, 112))
    assert hrn.embed(output, None).shape == (2, 128)


class Narrow(Recogniser):
    """A recogniser with the grids of MobileFaceNet and eight channels in each."""

    feature_info = tuple(FeatureInfo(8, info.stride) for info in MobileFaceNet.feature_info)
    embedding_size = 128

    def __init__(self):
        super().__init__(mean=0.5, std=0.5, crop=(8, 104))
        self.convs = torch.nn.ModuleList(
            torch.nn.Conv2d(3 if index == 0 else 8, 8, 3, stride=2, padding=1) for index in range(4)
        )

    def block_maps(self, face):
        maps = [self.convs[0](face)]
        for conv in self.convs[1:]:
            maps.append(conv(maps[-1]))
        return tuple(maps)


@pytest.fixture
def narrow():
    ARCH_REGISTRY.register(Narrow)
    yield {'type': 'Narrow'}
    del ARCH_REGISTRY._obj_map['Narrow']


@pytest.mark.slow
def test_adapters_bridge_other_channels_than_the_teacher_s(narrow):
    torch.manual_seed(0)
    image, teacher = torch.rand(2, 3, 112, 112), build_network(dict(MOBILE)).eval()
    hrn = HRN(MOBILE, narrow, MOBILE, adapters=True, assistant_scale=1.0).eval()
    output = hrn(image)
    maps = hrn.student.net.block_maps(hrn.student.net.prepare(image))
    for block, own, adapter in zip(output.student, maps, hrn.student.adapters, strict=True):
        weight, bias = adapter[0].weight[:, :, 0, 0], adapter[0].bias
        expected = torch.einsum('oc,nchw->nohw', weight, own) + bias[:, None, None]
        torch.testing.assert_close(block, expected)
    assert shapes(output.student) == shapes(output.assistant) == shapes(teacher(image).blocks)
    output.fused.square().sum().backward()
    assert hrn.student.adapters[-1][0].weight.grad.any()


def test_other_channels_without_adapters_are_an_error_that_names_the_option(narrow):
    with pytest.raises(OptionsError, match='student: Narrow .* does not match .*; adapters: true bridges channels'):
        HRN(MOBILE, narrow, None)


def test_batch_norm_keeps_its_statistics_by_option():
    hrn = HRN(ALIKE, RESNET18, None, norm_eval=True)
    for module in (hrn, hrn.student):
        module.train()
        assert hrn.student.training
        before = hrn.student.net.stem[1].running_mean.clone()
        hrn(torch.rand(2, 3, 112, 112))
        assert torch.equal(before, hrn.student.net.stem[1].running_mean)
    plain = HRN(ALIKE, RESNET18, None).train()
    plain(torch.rand(2, 3, 112, 112))
    assert plain.student.net.stem[1].running_mean.any()


@pytest.mark.parametrize(
    'arguments, words',
    [
        pytest.param(
            {'student': {'type': 'IResNet', 'depth': 18}},
            r'student: IResNet .*64/2.*MobileFaceNet .*64/2',
            marks=pytest.mark.slow,
        ),
        ({'student': {'type': 'VGGStyleDiscriminator', 'num_in_ch': 3, 'num_feat': 4}}, 'no recogniser'),
    ],
)
def test_what_does_not_fit_is_named(arguments, words):
    with pytest.raises(ValueError, match=words) as error:
        HRN(**{'teacher': MOBILE, 'student': MOBILE, 'assistant': None, **arguments})
    assert '\n' not in str(error.value)


@pytest.mark.slow
def test_a_student_that_does_not_match_is_a_mistake_in_the_options():
    """So that it ends training in one line, not in a traceback."""
    with pytest.raises(OptionsError, match='student: IResNet .* does not match the teacher, MobileFaceNet'):
        HRN(MOBILE, {'type': 'IResNet', 'depth': 18}, None)


def test_without_a_face_or_a_head_it_says_so():
    hrn = HRN(MOBILE, MOBILE, MOBILE).eval()
    with pytest.raises(ValueError, match='neither image nor probe'):
        hrn(None, branches=('assistant',))
    with pytest.raises(ValueError, match='head: teacher'):
        hrn.embed(hrn(torch.rand(1, 3, 112, 112)), None)


class Wide(Narrow):
    """Sees the whole width of the face."""

    def __init__(self):
        super().__init__()
        self.crop = (0, 112)


def test_a_student_that_sees_other_columns_matches_with_adapters():
    ARCH_REGISTRY.register(Wide)
    try:
        hrn = HRN(MOBILE, {'type': 'Wide'}, MOBILE, adapters=True)
        output = hrn.eval()(torch.rand(2, 3, 112, 112))
        assert shapes(output.student) == shapes(output.assistant)
        assert not any('rows' in key or 'columns' in key for key in hrn.state_dict())
    finally:
        del ARCH_REGISTRY._obj_map['Wide']


@pytest.mark.parametrize('side, weight', [(7, 0), (10, 0), (20, 0.5), (40, 1), (80, 1), (4, 0)])
def test_the_teachers_weight_is_linear_in_octaves_and_constant_beyond(side, weight):
    net = HRN(ALIKE, ALIKE, ALIKE, teacher_weights=[[40, 1], [10, 0]])
    assert net.teacher_weight(side) == pytest.approx(weight)
    assert HRN(ALIKE, ALIKE, ALIKE).teacher_weight(side) == 0
