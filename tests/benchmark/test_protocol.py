"""Protocols: the hash follows faces, probes and how they were made, and nothing of the method."""

import pytest
import torch
from support.benchmarks import benchmark, sr_result

from rim_plugin.benchmark.protocol import (
    SeenFaces,
    image_protocol,
    pair_protocol,
    protocol_hash,
    read_protocol,
    write_protocol,
)
from rim_plugin.benchmark.results import Results
from rim_plugin.benchmark.run import measurements
from rim_plugin.errors import OptionsError


def seen(names=('a', 'b'), value=0.0):
    faces = SeenFaces()
    faces.add(list(names), torch.full((2, 3, 4, 4), value), torch.zeros(2, 3, 8, 8))
    return faces


def test_the_hash_follows_names_values_and_options():
    options = {'type': 'DrawnFaceDataset'}
    protocol = image_protocol(options, seen(), (4, 8))
    assert protocol == image_protocol(dict(options), seen(), (4, 8)) and len(protocol['hash']) == 12
    others = [
        image_protocol(options, seen(('b', 'a')), (4, 8)),
        image_protocol(options, seen(value=1 / 255), (4, 8)),  # another kernel, say
        image_protocol({**options, 'degradation': {'seed': 1}}, seen(), (4, 8)),
        image_protocol(options, seen(), (4, 16)),
    ]
    assert len({protocol['hash'], *(each['hash'] for each in others)}) == 5
    assert image_protocol(options, seen(value=0.4 / 255), (4, 8)) == protocol  # the same 8-bit values


def test_28_to_224_and_16_to_128_are_unlike_whatever_the_faces(folder):
    """And so are their results, which share no table."""
    protocols = {}
    for probe, face in ((28, 224), (16, 128)):
        faces = SeenFaces()
        faces.add(['a'], torch.zeros(1, 3, probe, probe), torch.zeros(1, 3, face, face))
        protocols[probe] = image_protocol({'dataroot_gt': 'faces', 'query_size': probe}, faces, (probe, face))
    assert protocols[28]['hash'] != protocols[16]['hash']
    small, results = benchmark(), [sr_result(['psnr_y']), sr_result(['psnr_y'])]
    for result, protocol in zip(results, protocols.values()):
        result['protocol'] = protocol
    wanted = [each for method in small.methods for each in measurements(small, method) if each.kind == 'sr']
    found = Results(small, zip(wanted, results)).by_place['bicubic', 'sr', 'drawn']
    assert found == {'error': f'by another protocol: {protocols[16]["hash"]}, not {protocols[28]["hash"]}'}


def test_the_hash_of_pairs_leaves_out_what_is_of_the_method():
    pairs = {'pair_list': 'pairs.txt', 'upscaling': 'bicubic', 'gallery_network': 'teacher', 'query_size': 14}
    found = pair_protocol(pairs)['hash']
    assert found == pair_protocol({**pairs, 'upscaling': 'FHN', 'gallery_network': 'hrn'})['hash']
    assert found != pair_protocol({**pairs, 'query_size': 7})['hash']


def test_a_protocol_comes_back_from_its_file_unless_it_was_edited(tmp_path):
    protocol, path = image_protocol({'type': 'DrawnFaceDataset'}, seen(), (4, 8)), tmp_path / 'a/protocol.yml'
    write_protocol(path, protocol)
    assert read_protocol(path) == protocol and protocol_hash(protocol) == protocol['hash']
    path.write_text(path.read_text().replace('probe_size: 4', 'probe_size: 5'))
    with pytest.raises(OptionsError, match='its hash is not that of its contents'):
        read_protocol(path)
    path.write_text('[')
    with pytest.raises(OptionsError, match='no protocol can be read'):
        read_protocol(path)
