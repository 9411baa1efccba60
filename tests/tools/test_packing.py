"""Packing a training into a weights file: what goes in comes out."""

import json
from copy import deepcopy

import pytest
import torch
import yaml
from safetensors.torch import load_file
from support.pair_files import face_pairs
from support.refusals import refused
from support.tiny_recognition import ALIKE

from rim_plugin.archs.recogniser_weights import load_recogniser_weights
from rim_plugin.data.resize import to_tensor
from rim_plugin.models.networks import build_teacher, warn_of_other_options
from rim_plugin.options.reading import read_options
from rim_plugin.pipeline import RIMPipeline
from rim_plugin.shipped import shipped
from rim_plugin.tools.api import RIM
from rim_plugin.tools.packing import fold_statistics, measure, trained_weights, training_facts
from rim_plugin.weights_file import Weights, build_packed, load_weights, save_weights

from basicsr.archs import build_network as build
from basicsr.utils import get_root_logger

SRCNN = {'type': 'SRCNN', 'channels': [4, 2]}


def test_the_averaged_weights_come_back_from_half_precision(tiny):
    weights = load_weights(tiny.weights)
    for label, net in (('fhn', tiny.model.pipeline.fhn), ('hrn', tiny.model.trainer.ema_nets.recogniser)):
        expected, state = net.state_dict(), build_packed(weights, label).state_dict()
        assert expected.keys() == state.keys()
        assert all(torch.equal(expected[key], state[key]) for key in expected)
    assert {value.dtype for value in weights.tensors.values()} == {torch.float16, torch.int64}


@pytest.mark.slow
def test_statistics_are_folded_into_what_was_trained(tiny):
    torch.manual_seed(3)
    net = build({'type': 'MobileFaceNet'}).double().eval()
    for layer in net.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            for value in (layer.weight, layer.bias, layer.running_mean):
                value.data.normal_()
            layer.running_var.uniform_(0.1, 3)
    folded, face = fold_statistics(deepcopy(net)), torch.rand(2, 3, 112, 112).double()
    torch.testing.assert_close(folded(face).embedding, net(face).embedding, rtol=1e-9, atol=1e-9)
    assert not torch.equal(folded.conv1.bn.weight, net.conv1.bn.weight)
    for key, value in [*folded.state_dict().items(), *load_weights(tiny.weights).tensors.items()]:
        if 'running' in key:
            assert torch.equal(value, torch.full_like(value, float(key.endswith('var')))), key


def test_neither_discriminator_nor_teacher_is_inside(tiny):
    keys = load_file(tiny.weights).keys()
    assert {'.'.join(key.split('.')[:2]) for key in keys} == {
        'fhn.generator',
        'fhn.integrator',
        'hrn.student',
        'hrn.assistant',
    }
    assert not any('assistant.net.linear' in key for key in keys)  # a head that nobody uses


@pytest.mark.slow
def test_a_training_begins_with_a_weights_file(tiny):
    torch.manual_seed(5)
    for label, trained in tiny.model.trainer.ema_nets.learning.items():
        net = copy_of(tiny.model.nets.learning[label])
        before = {key: value.clone() for key, value in net.state_dict().items()}
        tiny.model.load_network(net, str(tiny.weights))
        trained = trained.state_dict()
        for key, value in net.state_dict().items():
            assert torch.equal(value, (before if key.startswith('discriminator.') else trained)[key]), key
    fhn = copy_of(tiny.model.pipeline.fhn)
    tiny.model.load_network(fhn, str(tiny.weights))
    state = fhn.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in tiny.model.pipeline.fhn.state_dict().items())
    message = refused(tiny.model.load_network, build(dict(SRCNN)), str(tiny.weights))
    assert 'does not fit SRCNN: missing: body.0.bias' in message


def test_a_recogniser_that_computes_something_else_with_them_is_named(tiny, monkeypatch, caplog):
    logger = get_root_logger()
    monkeypatch.setattr(logger, 'handlers', [*logger.handlers, caplog.handler])
    trained = tiny.model.opt['network_r']
    for changed, message in (
        ({}, ''),
        ({'fusion': 'mean'}, 'network_r.fusion: sum; here it is mean'),
        ({'assistant_view': 'sr'}, 'network_r.assistant_view: probe; here it is sr'),
    ):
        caplog.clear()
        warn_of_other_options(str(tiny.weights), {**trained, **changed})
        assert len({record.getMessage() for record in caplog.records}) == len(changed) and message in caplog.text
    caplog.clear()
    warn_of_other_options(tiny.hrn, trained)  # of a training: the options are not in it
    assert not caplog.records


def test_the_student_in_a_weights_file_is_a_recogniser(tiny, tmp_path):
    net = build(dict(ALIKE))
    load_recogniser_weights(net, tiny.weights)
    student = tiny.model.trainer.ema_nets.recogniser.student.net.state_dict()
    assert all(torch.equal(value, student[key]) for key, value in net.state_dict().items())
    fhn = {key: value for key, value in load_weights(tiny.weights).tensors.items() if key.startswith('fhn.')}
    save_weights(Weights({}, fhn), tmp_path / 'fhn.safetensors')
    assert 'no recogniser' in refused(load_recogniser_weights, net, tmp_path / 'fhn.safetensors')


def copy_of(net):
    """A network of the same architecture with other weights."""
    net = deepcopy(net)
    for value in net.parameters():
        value.data.normal_()
    return net


@pytest.mark.slow
def test_a_teacher_inside_embeds_faces_of_full_resolution(tiny, tiny_teacher, tmp_path, make_face):
    options = {**read_options(tiny.options), 'path': {'pretrain_network_t': tiny_teacher}}
    weights = save_weights(trained_weights(options, tiny.fhn, [tiny.hrn], teacher=True), tmp_path / 'all.safetensors')
    assert list(weights.networks) == ['fhn', 'hrn', 'teacher']
    ours, without = RIM.from_pretrained(tmp_path / 'all.safetensors'), RIM.from_pretrained(tiny.weights)
    teacher = fold_statistics(build_teacher(options))
    large, small = make_face(112), make_face(20)
    expected = RIMPipeline(teacher=teacher)(to_tensor(large)[None])
    torch.testing.assert_close(torch.from_numpy(ours.embed([large])), expected, atol=1e-3, rtol=0)
    assert torch.equal(torch.from_numpy(ours.embed([small])), torch.from_numpy(without.embed([small])))
    assert not torch.allclose(torch.from_numpy(without.embed([large])), expected, atol=1e-3)


def test_a_teacher_whose_embedding_is_added_has_to_go_in(tiny):
    options = read_options(tiny.options)
    options['network_r']['teacher_weights'] = [[28, 1]]
    assert 'pack it, too' in refused(trained_weights, options, None, [tiny.hrn])


def test_a_teacher_without_weights_cannot_go_in(tiny):
    options = read_options(tiny.options)
    assert 'no network_t with weights' in refused(trained_weights, options, None, [tiny.hrn], True)


@pytest.mark.slow
def test_several_recognisers_become_their_mean(tiny, tmp_path):
    options, other = read_options(tiny.options), copy_of(tiny.model.trainer.ema_nets.recogniser)
    torch.save({'params_ema': other.state_dict()}, tmp_path / 'net_r.pth')
    mean = trained_weights(options, tiny.fhn, [tiny.hrn, str(tmp_path / 'net_r.pth')])
    first, second = tiny.model.trainer.ema_nets.recogniser.state_dict(), other.state_dict()
    for key, value in build_packed(mean, 'hrn').state_dict().items():
        torch.testing.assert_close(value, (first[key] + second[key]) / 2, rtol=1e-3, atol=1e-6, check_dtype=False)
    assert all(
        torch.equal(mean.tensors[key], value)
        for key, value in load_weights(tiny.weights).tensors.items()
        if key.startswith('fhn.')
    )
    torch.save({'params_ema': build({'type': 'MobileFaceNet'}).state_dict()}, tmp_path / 'net_r.pth')
    assert 'net_r.pth does not fit HRN' in refused(
        trained_weights, options, None, [tiny.hrn, str(tmp_path / 'net_r.pth')]
    )


def test_what_half_precision_cannot_hold_stays_as_it_is(tmp_path):
    net = build(dict(SRCNN))
    net.state_dict()['body.0.bias'].fill_(1e6)
    torch.save({'params': net.state_dict()}, tmp_path / 'net_g.pth')
    weights = trained_weights({'network_g': SRCNN}, fhn=str(tmp_path / 'net_g.pth'))
    assert all(
        torch.equal(value, net.state_dict()['body.0.bias'])
        for key, value in weights.tensors.items()
        if value.dtype != torch.float16
    ) and torch.float32 in {each.dtype for each in weights.tensors.values()}


def test_any_sr_network_can_be_packed(tmp_path):
    net = build(dict(SRCNN))
    torch.save({'params': net.state_dict()}, tmp_path / 'net_g.pth')
    save_weights(trained_weights({'network_g': SRCNN}, fhn=str(tmp_path / 'net_g.pth')), tmp_path / 'sr.safetensors')
    weights = load_weights(tmp_path / 'sr.safetensors')
    assert weights.networks == {'fhn': SRCNN}
    rim = RIM.from_pretrained(tmp_path / 'sr.safetensors')
    with pytest.raises(ValueError, match='sr.safetensors: holds no recogniser'):
        rim.embed([])


@pytest.mark.parametrize(
    'change, message',
    [({'network_r': {'type': 'HRN', 'head': 'teacher'}}, 'train with head: own'), ({'network_r': None}, 'network_r')],
)
def test_trainings_that_cannot_be_packed_are_refused(tiny, tmp_path, change, message):
    options = {**read_options(tiny.options), **change}
    (tmp_path / 'o.yml').write_text(yaml.safe_dump(options))
    assert message in refused(trained_weights, read_options(str(tmp_path / 'o.yml')), tiny.fhn, [tiny.hrn])


def test_files_that_do_not_fit_the_options_are_refused(tiny):
    options = read_options(tiny.options)
    assert 'does not fit HRN' in refused(trained_weights, options, None, [tiny.fhn])
    assert 'net_fhn_*.pth' in refused(trained_weights, options)


@pytest.mark.slow
def test_a_gallery_that_is_known_is_not_embedded_again(tiny, tmp_path, make_face, monkeypatch):
    datasets, results, counts = face_pairs(tmp_path, make_face), [], []
    embed = RIMPipeline.embed_gallery
    monkeypatch.setattr(
        RIMPipeline, 'embed_gallery', lambda self, faces: counts.append(len(faces)) or embed(self, faces)
    )
    for names in (('test', 'test_8'), ('test_8', 'test')):
        (tmp_path / 'verify.yml').write_text(
            yaml.safe_dump({'datasets': {name: datasets[name] for name in names}}, sort_keys=False)
        )
        results.append(measure(load_weights(tiny.weights), str(tmp_path / 'verify.yml'))[1])
    assert results[0] == results[1]
    assert sum(counts) == 2 * 2 * 12  # faces and mirror images: in either order each of the 12 once


@pytest.mark.slow
def test_any_dataset_of_pairs_counts(tiny, tmp_path):
    drawn = {'type': 'DrawnPairDataset', 'num_identities': 4, 'faces_per_identity': 2, 'folds': 2, 'query_size': 8}
    faces = {'type': 'DrawnFaceDataset', 'name': 'faces', 'num_identities': 4, 'faces_per_identity': 2}
    (tmp_path / 'verify.yml').write_text(json.dumps({'datasets': {'test': {**drawn, 'name': 'drawn'}, 'val': faces}}))
    calibrations, results = measure(load_weights(tiny.weights), str(tmp_path / 'verify.yml'))
    assert [(each.size, each.pairs) for each in calibrations] == [(8, 8)]
    assert list(results) == ['drawn'] and results['drawn']['protocol']['pairs'] == 8
    (tmp_path / 'verify.yml').write_text(json.dumps({'datasets': {'val': faces}}))
    assert 'names no dataset with pairs of faces' in refused(
        measure, load_weights(tiny.weights), str(tmp_path / 'verify.yml')
    )


def test_a_card_names_no_folders_of_the_machine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    facts = training_facts({}, str(tmp_path / 'a.yml'), [str(tmp_path / 'x/net.pth'), '/elsewhere/net.pth'], 'abc')
    assert (facts['options_file'], facts['files']) == ('a.yml', ['x/net.pth', '/elsewhere/net.pth'])
    assert training_facts({}, str(shipped('options/rim.yml')), [], 'abc')['options_file'] == 'options/rim.yml'
