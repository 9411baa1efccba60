"""Networks of timm as recognisers: what they give, their weights, EdgeFace's files, and their place in HRN."""

import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from support.published_weights import refusal
from torch import nn

from rim_plugin.archs.hrn_arch import HRN
from rim_plugin.archs.mobilefacenet_arch import MobileFaceNet
from rim_plugin.archs.recogniser_weights import load_recogniser_weights
from rim_plugin.archs.timm_recogniser_arch import TimmRecogniser
from rim_plugin.data.face_pair_dataset import FacePairDataset
from rim_plugin.errors import MissingPackage, OptionsError
from rim_plugin.weights_file import Weights, build_packed, load_weights, save_weights

from basicsr.archs import build_network

pytestmark = pytest.mark.skipif(find_spec('timm') is None, reason='timm is not installed')

EDGEFACE = Path(__file__).parents[3] / 'shared' / 'data' / 'edgeface_xs.safetensors'
XXS = {'type': 'TimmRecogniser', 'name': 'edgenext_xx_small', 'embedding_size': 16}
SHORT = {**XXS, 'arguments': {'depths': (1, 1, 1, 1)}}
RESNET18 = {'type': 'ResNet', 'depth': 18}
NO_TOKEN = {'class_token': False, 'global_pool': 'avg', 'embed_dim': 48, 'depth': 5}
# name of a network, further arguments, its block maps (channels, pixels), and the names of what only its head uses
FAMILIES = {
    'edgenext_xx_small': ({}, [(24, 28), (48, 14), (88, 7), (168, 3)], {'head'}),
    'mobilenetv3_small_050': ({}, [(8, 28), (16, 14), (24, 7), (288, 4)], {'conv_head', 'classifier'}),
    'resnet10t': ({}, [(64, 28), (128, 14), (256, 7), (512, 4)], {'fc'}),
    'convnext_atto': ({}, [(40, 28), (80, 14), (160, 7), (320, 3)], {'head'}),
    'ghostnet_050': ({}, [(12, 28), (20, 14), (40, 7), (480, 4)], {'conv_head', 'classifier'}),
    'efficientnet_b0': ({}, [(24, 28), (40, 14), (112, 7), (1280, 4)], {'classifier'}),  # its head begins after a 1x1
    'vit_tiny_patch16_224': (NO_TOKEN, [(48, 7)] * 4, {'fc_norm', 'head'}),  # tokens
    'swin_tiny_patch4_window7_224': (  # channels last
        {'embed_dim': 12, 'depths': (1, 1, 1, 1)},
        [(12, 28), (24, 14), (48, 7), (96, 4)],
        {'head'},
    ),
}


# of whose parts others are made, too
ALIKE = ('resnet10t', 'convnext_atto', 'ghostnet_050')


@pytest.fixture(
    scope='module', params=[pytest.param(name, marks=pytest.mark.slow) if name in ALIKE else name for name in FAMILIES]
)
def family(request):
    """A network, the arguments that timm made it with, and what FAMILIES says of it."""
    torch.manual_seed(0)
    arguments, maps, head = FAMILIES[request.param]
    net = TimmRecogniser(request.param, 16, arguments=arguments).eval().requires_grad_(False)
    return net, maps, head


@pytest.fixture
def edgeface():
    """The real EdgeFace-XS; skips where its weights are absent."""
    if not EDGEFACE.is_file():
        pytest.skip(f'no weights of EdgeFace-XS in {EDGEFACE}')
    net = TimmRecogniser('edgenext_x_small').eval().requires_grad_(False)
    load_recogniser_weights(net, EDGEFACE)
    return net


def small(**options):
    return build_network({**SHORT, **options})


def perturbed(net):
    """The network with weights of which each matters; EdgeNeXt's own layers start near the identity."""
    with torch.no_grad():
        for value in net.parameters():
            value.add_(0.1 * torch.randn_like(value))
    return net.eval()


class TestAnyFamily:
    def test_block_maps_are_those_of_feature_info_and_grids(self, family):
        net, maps, _ = family
        output = net(torch.rand(2, 3, 56, 56))
        assert [tuple(block.shape) for block in output.blocks] == [(2, width, side, side) for width, side in maps]
        assert [info.channels for info in net.feature_info] == [width for width, _ in maps]
        assert net.grids() == tuple((side, side) for _, side in maps)
        assert all(
            112 / info.stride - 1 < side < 112 / info.stride + 1 for info, (_, side) in zip(net.feature_info, maps)
        )
        assert output.embedding.shape == (2, 16) == (2, net.embedding_size)

    def test_head_of_the_last_map_is_the_embedding_of_timm(self, family):
        net, _, _ = family
        face = torch.rand(2, 3, 112, 112)
        expected = net.model((face - 0.5) / 0.5)
        assert expected.std() > 0
        torch.testing.assert_close(net(face).embedding, expected, atol=1e-5, rtol=1e-5)

    def test_without_head_the_block_maps_stay(self, family):
        whole, _, head = family
        net = TimmRecogniser(whole.name, 16, arguments=FAMILIES[whole.name][0]).eval()
        net.load_state_dict(whole.state_dict())
        net.drop_head()
        assert {name for name, _ in whole.model.named_children()} - {
            name for name, _ in net.model.named_children()
        } == head
        face = torch.rand(1, 3, 112, 112)
        assert all(torch.equal(a, b) for a, b in zip(net.block_maps(face), whole.block_maps(face), strict=True))
        with pytest.raises(AttributeError):
            net(face)

    @pytest.mark.slow
    def test_its_description_takes_no_memory(self, family):
        net, _, _ = family
        with torch.device('meta'):
            described = TimmRecogniser(net.name, 16, arguments=FAMILIES[net.name][0])
        assert all(value.is_meta for value in described.parameters())
        assert (described.feature_info, described.grids()) == (net.feature_info, net.grids())


class TestOptions:
    def test_mean_and_std(self):
        face = torch.rand(1, 3, 112, 112)
        torch.testing.assert_close(small(mean=0.4, std=0.2).prepare(face), (face - 0.4) / 0.2)
        torch.testing.assert_close(small().prepare(face), 2 * face - 1)

    @pytest.mark.parametrize('blocks, channels', [(1, [168]), (3, [48, 88, 168]), (9, [24, 48, 88, 168])])
    def test_the_last_stages_give_the_block_maps(self, blocks, channels):
        net = small(blocks=blocks).eval()
        assert [info.channels for info in net.feature_info] == channels
        assert [block.shape[1] for block in net(torch.rand(1, 3, 112, 112)).blocks] == channels

    def test_arguments_reach_timm(self):
        assert sum(value.numel() for value in small().parameters()) < sum(
            value.numel() for value in small(arguments={}).parameters()
        )

    def test_a_new_network_is_in_training_mode_and_untouched(self):
        net = TimmRecogniser('resnet10t', 8)
        assert all(module.training for module in net.modules())
        assert not net.model.bn1.running_mean.any() and not net.model.bn1._forward_pre_hooks

    def test_weights_are_random_and_follow_the_seed(self):
        states = []
        for seed in (1, 1, 2):
            torch.manual_seed(seed)
            states.append(small().state_dict()['model.stem.0.weight'])
        assert torch.equal(states[0], states[1]) and not torch.equal(states[0], states[2])


class TestRefusals:
    @pytest.mark.parametrize(
        'options, words',
        [
            ({'name': 'edgenext_xsmall'}, ["no network 'edgenext_xsmall'", 'edgenext_x_small', 'edgenext_xx_small']),
            ({'name': 'qqqqqqqq'}, ["no network 'qqqqqqqq'", 'timm.list_models()']),
            ({'name': 'hf-hub:timm/resnet18.a1_in1k'}, ['no network']),  # would be fetched
            pytest.param(
                {'name': 'vit_tiny_patch16_224'}, ['class token', 'class_token: false'], marks=pytest.mark.slow
            ),
            ({'name': 'dla34'}, ['112 pixels', 'another network']),
            ({'arguments': {'depth': 3}}, ['timm cannot build it', 'depth']),
            ({'arguments': {'pretrained': True}}, ['timm cannot build it', 'pretrained']),
            ({'arguments': {'global_pool': ''}}, ['its head gives (1, ', 'instead of (N, 16)']),
        ],
    )
    def test_what_is_no_recogniser_gets_one_line(self, options, words):
        with torch.device('meta'), pytest.raises(OptionsError) as error:
            small(**{'arguments': {}, **options})
        assert all(word in str(error.value) for word in ['TimmRecogniser', options.get('name', XXS['name']), *words])
        assert '\n' not in str(error.value)

    def test_a_missing_package_is_named(self, monkeypatch):
        monkeypatch.setitem(sys.modules, 'timm', None)
        with pytest.raises(MissingPackage, match=r'TimmRecogniser \(name: edgenext_xx_small\) .*: pip install timm'):
            small()


class LowRank(nn.Module):
    """Two layers for one, as EdgeFace's gamma variants have them."""

    def __init__(self, layer, gamma):
        super().__init__()
        rank = max(2, int(min(layer.in_features, layer.out_features) * gamma))
        self.linear1 = nn.Linear(layer.in_features, rank, bias=False)
        self.linear2 = nn.Linear(rank, layer.out_features, bias=layer.bias is not None)

    def forward(self, x):
        return self.linear2(self.linear1(x))


def timms(name, **arguments):
    """timm's own network with 16 classes; the package takes a second to import."""
    import timm

    return timm.create_model(name, num_classes=16, **arguments)


def low_rank(name, gamma):
    """A made-up network in the layout of EdgeFace's gamma variants, in double precision."""
    torch.manual_seed(0)
    net = timms(name, depths=(1, 1, 1, 1))
    for parent in list(net.modules()):
        for child, layer in list(parent.named_children()):
            if isinstance(layer, nn.Linear):
                setattr(parent, child, LowRank(layer, gamma))
    return perturbed(net).double()


class TestWeights:
    @pytest.mark.parametrize('prefix', ['', 'model.', 'module.model.'])
    def test_of_timm_and_of_edgeface(self, tmp_path, prefix):
        torch.manual_seed(0)
        source = perturbed(timms('edgenext_xx_small', depths=(1, 1, 1, 1)))
        torch.save({prefix + key: value for key, value in source.state_dict().items()}, tmp_path / 'net.pt')
        net, face = build_network(SHORT).eval(), torch.rand(2, 3, 112, 112)
        load_recogniser_weights(net, tmp_path / 'net.pt')
        torch.testing.assert_close(net(face).embedding, source(2 * face - 1))

    @pytest.mark.parametrize('gamma', [0.3, pytest.param(0.6, marks=pytest.mark.slow)])
    def test_low_rank_layers_are_multiplied_out(self, tmp_path, gamma):
        source = low_rank('edgenext_xx_small', gamma)
        state = {f'model.{key}': value for key, value in source.state_dict().items()}
        assert 'model.head.fc.linear1.weight' in state and 'model.stages.0.blocks.0.mlp.fc1.linear2.bias' in state
        torch.save({key: value.float() for key, value in state.items()}, tmp_path / 'edgeface.pt')
        net, face = small().eval(), torch.rand(2, 3, 112, 112)
        load_recogniser_weights(net, tmp_path / 'edgeface.pt')
        expected = source(2 * face.double() - 1)
        scale = expected.abs().max().item()
        torch.testing.assert_close(net.double()(face.double()).embedding, expected, atol=1e-6 * scale, rtol=1e-5)
        rank = state['model.head.fc.linear1.weight'].shape[0]
        assert torch.linalg.matrix_rank(net.state_dict()['model.head.fc.weight'], rtol=1e-5) == rank

    def test_a_factor_alone_is_unexpected(self, tmp_path):
        state = {f'model.{key}': value for key, value in low_rank('edgenext_xx_small', 0.5).state_dict().items()}
        del state['model.head.fc.linear2.weight']
        torch.save(state, tmp_path / 'half.pt')
        error = refusal(tmp_path / 'half.pt', small())
        assert 'missing: model.head.fc.bias, model.head.fc.weight' in error
        assert 'unexpected: model.head.fc.linear1.weight, model.head.fc.linear2.bias' in error

    @pytest.mark.slow
    @pytest.mark.parametrize(
        'source, gamma', [('edgenext_x_small', None), ('edgenext_small', 0.5)], ids=['dense', 'low rank']
    )
    def test_another_edgenext_is_named(self, tmp_path, source, gamma):
        net = timms(source) if gamma is None else low_rank(source, gamma)
        torch.save({f'model.{key}': value for key, value in net.state_dict().items()}, tmp_path / 'net.pt')
        theirs, ours = (f'TimmRecogniser (name: {name}, embedding_size: 16)' for name in (source, XXS['name']))
        error = refusal(tmp_path / 'net.pt', small())
        assert f'weights of {theirs}, but the network is {ours}. Change the network in the options' in error
        assert f'weights of {theirs}, but the network is MobileFaceNet.' in refusal(
            tmp_path / 'net.pt', MobileFaceNet()
        )

    def test_another_embedding_size_is_named(self, tmp_path):
        torch.save(small(embedding_size=32).state_dict(), tmp_path / 'net.pt')
        error = refusal(tmp_path / 'net.pt', small())
        assert 'embedding_size: 32), but' in error and 'model.head.fc.weight (32, 168) for (16, 168)' in error

    @pytest.mark.slow
    @pytest.mark.parametrize('name', ['resnet10t', 'edgenext_xx_small'])
    def test_other_networks_are_named(self, tmp_path, name):
        torch.save(MobileFaceNet().state_dict(), tmp_path / 'net.pth')
        error = refusal(tmp_path / 'net.pth', TimmRecogniser(name, 8))
        assert f'weights of MobileFaceNet, but the network is TimmRecogniser (name: {name}, embedding_size: 8)' in error

    @pytest.mark.slow
    def test_a_packed_student_comes_back(self, tmp_path):
        torch.manual_seed(0)
        options = {'teacher': SHORT, 'student': SHORT, 'assistant': None, 'head': 'own'}
        hrn = perturbed(HRN(**options)).half().float()
        tensors = {f'hrn.{key}': value.half() for key, value in hrn.state_dict().items()}
        path = tmp_path / 'net.safetensors'
        save_weights(Weights({'hrn': {'type': 'HRN', **options}}, tensors), path)
        built, net = build_packed(load_weights(path), 'hrn', path), build_network(SHORT)
        load_recogniser_weights(net, path)
        expected = hrn.student.net.state_dict()
        for state in (built.student.net.state_dict(), net.state_dict()):
            assert state.keys() == expected.keys()
            assert all(torch.equal(value, expected[key]) for key, value in state.items())

    def test_of_a_packed_file_the_teacher_inside_is_taken_as_teacher(self, tmp_path):
        torch.manual_seed(0)
        teacher, student = (perturbed(MobileFaceNet()).half().float() for _ in range(2))
        tensors = {f'hrn.student.net.{key}': value for key, value in student.state_dict().items()}
        tensors |= {f'teacher.{key}': value for key, value in teacher.state_dict().items()}
        networks = {'hrn': {'type': 'HRN'}, 'teacher': {'type': 'MobileFaceNet'}}
        save_weights(Weights(networks, tensors), tmp_path / 'net.safetensors')
        net = MobileFaceNet()
        load_recogniser_weights(net, tmp_path / 'net.safetensors')
        assert all(torch.equal(value, teacher.state_dict()[key]) for key, value in net.state_dict().items())

    def test_a_packed_student_without_timm_names_the_remedy(self, tmp_path, monkeypatch):
        path = tmp_path / 'net.safetensors'
        networks = {'hrn': {'type': 'HRN', 'teacher': XXS, 'student': XXS, 'assistant': None}}
        monkeypatch.setitem(sys.modules, 'timm', None)
        with pytest.raises(OptionsError, match=r'net.safetensors: TimmRecogniser .*: pip install timm$'):
            build_packed(Weights(networks, {}), 'hrn', path)


class TestInHRN:
    @pytest.mark.parametrize('student, assistant', [(SHORT, RESNET18), (RESNET18, SHORT)], ids=lambda s: s['type'])
    @pytest.mark.parametrize('head', [pytest.param('teacher', marks=pytest.mark.slow), 'own'])
    def test_maps_have_the_shapes_of_the_teacher_s(self, student, assistant, head):
        """EdgeNeXt drops the uneven last row and column of a map, ResNet keeps them unless told."""
        torch.manual_seed(0)
        teacher, image = build_network(SHORT).eval(), torch.rand(2, 3, 112, 112)
        hrn = HRN(SHORT, student, assistant, head=head).eval()
        output, truth = hrn(image), teacher(image)
        for maps in (output.student, output.assistant):
            assert [block.shape for block in maps] == [block.shape for block in truth.blocks]
        assert hrn.student.net.grids() == teacher.grids() and hrn.embed(output, teacher).shape == (2, 16)

    @pytest.mark.slow
    def test_starting_from_the_teacher_gives_its_maps(self):
        torch.manual_seed(0)
        teacher, image = perturbed(build_network(SHORT)), torch.rand(2, 3, 112, 112)
        for head in ('teacher', 'own'):
            hrn = HRN(SHORT, SHORT, SHORT, head=head, assistant_scale=1.0).eval()
            hrn.start_from(teacher)
            output, truth = hrn(image), teacher(image)
            for maps in (output.student, output.assistant):
                assert all(torch.equal(a, b) for a, b in zip(maps, truth.blocks, strict=True))
            untouched = HRN(SHORT, SHORT, None, head=head).eval()
            untouched.start_from(teacher)
            assert torch.equal(untouched.embed(untouched(image), teacher), truth.embedding)

    @pytest.mark.slow
    def test_another_network_cannot_start_from_the_teacher(self):
        with pytest.raises(OptionsError, match='start_from: the student, TimmRecogniser'):
            HRN(SHORT, SHORT, None).start_from(build_network({**SHORT, 'std': 0.4}))

    @pytest.mark.slow
    def test_only_who_embeds_has_a_head(self):
        hrn = HRN(SHORT, SHORT, SHORT, head='own')
        assert hasattr(hrn.student.net.model, 'head') and not hasattr(hrn.assistant.net.model, 'head')
        assert not hasattr(HRN(SHORT, SHORT, None).student.net.model, 'head')

    @pytest.mark.slow
    def test_other_channels_want_adapters(self):
        teacher = {**SHORT, 'name': 'edgenext_x_small'}
        with pytest.raises(OptionsError, match='24/4 28x28.*adapters: true bridges channels'):
            HRN(teacher, SHORT, None)
        output = HRN(teacher, SHORT, None, adapters=True)(torch.rand(1, 3, 112, 112))
        assert [block.shape[1] for block in output.student] == [32, 64, 100, 192]

    @pytest.mark.slow
    def test_other_grids_of_the_same_strides_do_not_match(self):
        with pytest.raises(
            OptionsError, match='student: TimmRecogniser .*512/32 4x4.* does not match .*168/32 3x3'
        ) as error:
            HRN(SHORT, {**XXS, 'name': 'resnet10t'}, None)
        assert 'adapters: true bridges channels and grids' in str(error.value)

    @pytest.mark.slow
    def test_gradients_reach_the_image_and_the_student(self):
        torch.manual_seed(0)
        image, hrn = torch.rand(2, 3, 112, 112, requires_grad=True), HRN(SHORT, SHORT, None)
        hrn(image).fused.square().sum().backward()
        assert image.grad.abs().sum() > 0
        assert all(value.grad is not None for value in hrn.student.parameters())


def test_edgeface_xs_is_timm_s_edgenext_x_small(edgeface):
    """Its parameters, keys and block maps are the published ones; half precision becomes single."""
    stored = load_file(EDGEFACE)
    assert sum(value.numel() for value in edgeface.parameters()) == 2_242_620
    assert edgeface.state_dict().keys() == {f'model.{key}' for key in stored}
    state = edgeface.state_dict()
    assert all(torch.equal(state[f'model.{key}'], value.float()) for key, value in stored.items())
    blocks = edgeface(torch.rand(1, 3, 112, 112)).blocks
    assert [tuple(block.shape[1:]) for block in blocks] == [(32, 28, 28), (64, 14, 14), (100, 7, 7), (192, 3, 3)]


@pytest.mark.slow
@pytest.mark.real_data
def test_edgeface_xs_tells_real_people_apart(real_faces, edgeface):
    lfw = real_faces / 'lfw'
    faces = FacePairDataset(
        {
            'name': 'lfw',
            'dataroot_gt': str(lfw / 'images'),
            'io_backend': {'type': 'disk'},
            'pair_list': str(lfw / 'pairs.txt'),
            'landmarks': str(lfw / 'landmarks5.txt'),
        }
    )
    chosen = [*np.flatnonzero(faces.issame)[:20], *np.flatnonzero(~faces.issame)[:20]]
    scores = []
    for first, second in faces.pairs[chosen]:
        both = torch.stack([faces[int(first)]['gt'], faces[int(second)]['gt']])
        scores.append(torch.cosine_similarity(*edgeface(both).embedding, dim=0).item())
    assert min(scores[:20]) > max(scores[20:])  # of all pairs 99.4 %
