"""rim-verify: verdict in words and as JSON."""

import json

import pytest
from PIL import Image
from support.commands import NOBODY, TWO_FACES, failed
from support.large_pictures import write_header

from rim_plugin import cli
from rim_plugin.data.photo_files import read_rgb


@pytest.mark.slow
def test_verdict_and_json(networks, rim, faces, capsys):
    cli.verify([str(faces / 'a.png'), str(faces / 'a.png'), *networks])
    assert capsys.readouterr().out.startswith('same person, confidence above 99%: similarity 1.000, threshold 0.200')
    cli.verify([str(faces / 'a.png'), str(faces / 'b.jpg'), '--json', *networks])
    printed = json.loads(capsys.readouterr().out)
    expected = rim.verify(read_rgb(faces / 'a.png'), read_rgb(faces / 'b.jpg'))
    assert printed['sizes'] == [8, 12] and printed['similarity'] == pytest.approx(expected.similarity, abs=1e-5)
    assert 'text.jpg: not a picture' in failed(cli.verify, faces / 'a.png', faces / 'text.jpg', *networks)
    wide = write_header(faces / 'wide.png', 9000, 8000)
    assert 'wide.png: 9000x8000 pixels are no aligned face' in failed(cli.verify, faces / 'a.png', wide, *networks)


@pytest.mark.parametrize('options', [[], ['--detect', TWO_FACES]])
def test_a_picture_that_cannot_be_used_is_told_before_networks_are_loaded(faces, options):
    large = write_header(faces / 'large.png', 12000, 9000)
    argv = ['--weights', faces / 'absent.safetensors', *options]
    assert '108 megapixels' in failed(cli.verify, faces / 'a.png', large, *argv)
    assert 'absent.png: no such file' in failed(cli.verify, faces / 'absent.png', large, *argv)


@pytest.mark.slow
def test_the_largest_face_of_a_photo_counts(networks, photo, capsys):
    arguments = [str(photo), str(photo), *networks, '--detect']
    cli.verify([*arguments, TWO_FACES, '--json'])
    answer = json.loads(capsys.readouterr().out)
    assert answer['sizes'] == [40, 40] and answer['faces_found'] == [2, 2]
    cli.verify([*arguments, TWO_FACES])
    printed = capsys.readouterr()
    assert 'photo.png: 2 faces found, the largest is compared' in printed.err and printed.out.startswith('same person')
    cli.verify([*arguments, TWO_FACES, '--all-faces', '--json'])
    assert [each['sizes'] for each in json.loads(capsys.readouterr().out)] == [[40, 40], [40, 24], [24, 40], [24, 24]]
    assert 'photo.png: no face found' in failed(cli.verify, *arguments, NOBODY)


@pytest.mark.slow
def test_any_engine_gives_the_verdict(networks, faces, capsys):
    pytest.importorskip('onnxruntime')
    pytest.importorskip('onnx')
    lines = []
    for engine in ('auto', 'torch', 'onnxruntime'):
        cli.verify([str(faces / 'a.png'), str(faces / 'b.jpg'), *networks, '--engine', engine])
        lines.append(capsys.readouterr().out)
    assert lines[0] == lines[1] == lines[2]


def test_an_engine_that_is_not_installed_is_named(networks, faces, monkeypatch):
    monkeypatch.setattr('rim_plugin.tools.engine_names.find_spec', lambda name: None)
    message = failed(cli.verify, faces / 'a.png', faces / 'b.jpg', *networks, '--engine', 'openvino')
    assert 'engine openvino:fp32 needs onnx and openvino: pip install' in message


def test_without_calibration_of_the_sizes_there_is_a_reason(networks, tmp_path, make_face, capsys):
    Image.fromarray(make_face(6)).save(tmp_path / 'six.png')
    cli.verify([str(tmp_path / 'six.png'), str(tmp_path / 'six.png'), *networks])
    assert capsys.readouterr().out.startswith('no verdict: faces of 8 to 112 pixels were calibrated, not of 6 pixels')
