"""The commands from arguments to files, output and exit code; bad input ends in one line and changes nothing."""

import json
import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from PIL import Image

from rim_plugin import cli
from rim_plugin.data.alignment import alignment_template
from rim_plugin.tools.images import read_image
from rim_plugin.tools.inference import Inference
from rim_plugin.tools.packing import measure
from rim_plugin.tools.photos import cut_face, find_faces, paste_faces
from rim_plugin.weights_file import load_weights

SCRIPTS = Path(__file__).parents[2] / 'scripts'
POINTS = np.stack([alignment_template(40) + (30, 20), alignment_template(24) + (100, 60)])  # 40, 24 pixels


def two_faces(image):
    """A detector that finds two faces in every photo."""
    return POINTS


def nobody(image):
    """A detector that finds none."""
    return []


def failed(command, *argv):
    """The one line with which a command ends."""
    with pytest.raises(SystemExit) as caught:
        command([str(each) for each in argv])
    message = str(caught.value.code)
    assert message.startswith('Error: ') and '\n' not in message
    return message


@pytest.fixture
def faces(tmp_path, make_face):
    """A folder of small faces of two sizes, one below a sub-folder, and of files that cannot be used."""
    root = tmp_path / 'faces'
    (root / 'süb').mkdir(parents=True)
    for name, size in (('a.png', 8), ('b.jpg', 12), ('süb/c.png', 8)):
        Image.fromarray(make_face(size)).save(root / name)
    (root / 'text.jpg').write_text('no picture')
    Image.new('RGB', (1, 1)).save(root / 'tiny.png')
    Image.new('RGB', (30, 20)).save(root / 'wide.png')
    Image.new('RGB', (64, 64)).save(root / 'large.png')
    return root


@pytest.fixture
def photo(tmp_path, make_face):
    path = tmp_path / 'photo.png'
    Image.fromarray(make_face(160)[:120]).save(path)
    return path


def hallucinate(tiny, *argv):
    cli.hallucinate([*map(str, argv), '--weights', str(tiny.weights), '--device', 'cpu'])


def files_below(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob('*') if path.is_file())


def test_faces_of_a_folder_are_hallucinated(tiny, rim, faces, tmp_path, capsys):
    hallucinate(tiny, faces, '-o', tmp_path / 'out')
    assert files_below(tmp_path / 'out') == ['a.png', 'b.png', 'süb/c.png']
    found = read_image(tmp_path / 'out/b.png').astype(int)
    assert np.abs(found - rim.hallucinate(read_image(faces / 'b.jpg'))).max() <= 1
    output = capsys.readouterr()
    assert output.out == f'3 pictures written to {tmp_path / "out"}\n'
    assert 'Left out, 4:' in output.err
    for told in ('text.jpg: not a picture', 'tiny.png: 1x1', 'wide.png: 30x20', 'large.png: 64x64'):
        assert told in output.err


def test_comparisons_and_priors_are_drawn(tiny, faces, tmp_path):
    hallucinate(tiny, faces / 'a.png', '-o', tmp_path / 'out', '--compare', '--priors')
    assert files_below(tmp_path / 'out') == ['a.png', 'a_compare.png', 'a_priors.png']
    result, compared = (read_image(tmp_path / f'out/{name}.png') for name in ('a', 'a_compare'))
    assert np.array_equal(compared[:, -64:], result)
    enlarged = cv2.resize(read_image(faces / 'a.png'), (64, 64), interpolation=cv2.INTER_CUBIC)
    assert np.array_equal(compared[:, :64], enlarged)
    assert read_image(tmp_path / 'out/a_priors.png').shape[1] == 4 * 64 + 4 * 4  # LR, SR, landmarks, parsing


def test_nothing_is_overwritten_without_force(tiny, faces, tmp_path):
    out = tmp_path / 'out'
    out.mkdir()
    (out / 'b.png').write_text('mine')
    told = failed(lambda argv: hallucinate(tiny, *argv), faces, '-o', out)
    assert 'b.png is there already: --force' in told and files_below(out) == ['b.png']
    hallucinate(tiny, faces, '-o', out, '--force')
    assert read_image(out / 'b.png').shape == (64, 64, 3)


def test_inputs_are_never_overwritten_nor_mixed_up(tiny, faces, tmp_path):
    run = lambda argv: hallucinate(tiny, *argv)  # noqa: E731
    assert 'a.png is one of the inputs' in failed(run, faces, '-o', faces, '--force')
    Image.new('RGB', (8, 8)).save(faces / 'a.bmp')
    assert 'would both become' in failed(run, faces, '-o', tmp_path / 'out')
    (faces / 'a.bmp').rename(faces / 'a_compare.bmp')
    assert 'would both become' in failed(run, faces, '-o', tmp_path / 'out', '--compare')
    assert not (tmp_path / 'out').exists()


def test_folders_without_pictures_and_missing_files_are_named(tiny, tmp_path):
    (tmp_path / 'empty').mkdir()
    run = lambda argv: hallucinate(tiny, *argv)  # noqa: E731
    assert f'{tmp_path / "empty"} holds none' in failed(run, tmp_path / 'empty', '-o', tmp_path / 'out')
    assert 'no such file or folder' in failed(run, tmp_path / 'absent.png', '-o', tmp_path / 'out')
    (tmp_path / 'text.jpg').write_text('no picture')
    assert 'nothing was written' in failed(run, tmp_path / 'text.jpg', '-o', tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_faces_of_a_photo_are_pasted_back(tiny, rim, photo, tmp_path):
    hallucinate(
        tiny,
        photo,
        '-o',
        tmp_path / 'out',
        '--detect',
        f'{__name__}:two_faces',
        '--scale',
        '2',
        '--compare',
        '--priors',
    )
    assert files_below(tmp_path / 'out') == ['photo.png', 'photo_compare.png', 'photo_priors.png']
    result, before = read_image(tmp_path / 'out/photo.png'), read_image(photo)
    enlarged = cv2.resize(before, (320, 240), interpolation=cv2.INTER_CUBIC)
    changed = (result != enlarged).any(2)
    inside = np.zeros((240, 320), bool)
    inside[40:120, 60:140] = inside[120:168, 200:248] = True  # the faces' windows, twice as large
    assert not changed[~inside].any()
    assert changed[60:100, 80:120].mean() > 0.5 and changed[130:158, 210:238].mean() > 0.5


def test_an_unchanged_face_is_pasted_back_without_a_trace():
    rng = np.random.default_rng(0)
    photo = cv2.resize(rng.integers(0, 256, (12, 16, 3), np.uint8), (160, 120), interpolation=cv2.INTER_CUBIC)
    canvas = cv2.resize(photo, (320, 240), interpolation=cv2.INTER_CUBIC)
    faces = [(points, cut_face(canvas, (points + 0.5) * 2 - 0.5, 500).image) for points in POINTS]
    assert np.abs(paste_faces(canvas, 2, faces).astype(int) - canvas).mean() < 1


def test_faces_are_cut_at_their_own_resolution(make_face):
    found = find_faces(make_face(160), two_faces, 64)
    assert [len(face.image) for face in found] == [40, 24]
    assert np.abs(found[0].image.astype(int) - make_face(160)[20:60, 30:70]).max() <= 1
    assert [len(face.image) for face in find_faces(make_face(160), two_faces, 40)] == [24]


def test_photos_without_faces_or_too_large_are_left_out(tiny, photo, tmp_path, capsys):
    run = lambda argv: hallucinate(tiny, *argv)  # noqa: E731
    failed(run, photo, '-o', tmp_path / 'out', '--detect', f'{__name__}:nobody')
    assert 'photo.png: no face below 64 pixels' in capsys.readouterr().err
    Image.new('L', (3000, 2000)).save(photo)
    failed(run, photo, '-o', tmp_path / 'out', '--detect', f'{__name__}:two_faces', '--scale', '8')
    assert 'give a smaller --scale' in capsys.readouterr().err
    assert "Unknown detector 'unheard'. Name 'cascade', 'insightface'" in failed(
        run, photo, '-o', tmp_path / 'out', '--detect', 'unheard'
    )
    (tmp_path / 'net.onnx').write_text('no network')
    assert 'net.onnx' in failed(run, photo, '-o', tmp_path / 'out', '--detect', tmp_path / 'net.onnx')


def test_verify_prints_verdict_and_json(tiny, rim, faces, capsys):
    weights = ['--weights', str(tiny.weights), '--device', 'cpu']
    cli.verify([str(faces / 'a.png'), str(faces / 'a.png'), *weights])
    assert capsys.readouterr().out.startswith('same person, confidence above 99%: similarity 1.000, threshold 0.200')
    cli.verify([str(faces / 'a.png'), str(faces / 'b.jpg'), '--json', *weights])
    found = json.loads(capsys.readouterr().out)
    expected = rim.verify(read_image(faces / 'a.png'), read_image(faces / 'b.jpg'))
    assert found['sizes'] == [8, 12] and found['similarity'] == pytest.approx(expected.similarity, abs=1e-5)
    assert 'text.jpg: not a picture' in failed(cli.verify, faces / 'a.png', faces / 'text.jpg', *weights)
    told = failed(cli.verify, faces / 'a.png', faces / 'wide.png', *weights)
    assert 'wide.png: 30x20 pixels are no aligned face' in told


def test_verify_takes_the_largest_face_of_a_photo(tiny, photo, capsys):
    arguments = [str(photo), str(photo), '--weights', str(tiny.weights), '--device', 'cpu', '--detect']
    cli.verify([*arguments, f'{__name__}:two_faces', '--json'])
    assert json.loads(capsys.readouterr().out)['sizes'] == [40, 40]
    assert 'photo.png: no face found' in failed(cli.verify, *arguments, f'{__name__}:nobody')


def test_gallery_from_enrolment_to_removal(tiny, faces, tmp_path, capsys):
    index, weights = str(tmp_path / 'new/index'), ['--weights', str(tiny.weights), '--device', 'cpu']
    cli.gallery(['enrol', index, str(faces), *weights])
    assert '4 photos enrolled' in capsys.readouterr().out
    cli.gallery(['search', index, str(faces / 'b.jpg'), '-k', '2', '--json', *weights])
    hits = json.loads(capsys.readouterr().out)
    assert [hit['rank'] for hit in hits] == [1, 2] and hits[0]['name'] == 'b' and hits[0]['same']
    cli.gallery(['search', index, str(faces / 'b.jpg'), *weights])
    assert capsys.readouterr().out.startswith('1. b: 1.000, reaches the threshold of a pair')
    cli.gallery(['remove', index, 'b'])
    capsys.readouterr()
    cli.gallery(['list', index])
    assert capsys.readouterr().out == 'a\t1\nlarge\t1\nsüb\t1\n'
    before = Path(index).read_bytes()
    assert 'nobody of that name' in failed(cli.gallery, 'remove', index, 'b')
    (tmp_path / 'empty').mkdir()
    assert 'holds none' in failed(cli.gallery, 'enrol', index, tmp_path / 'empty', *weights)
    assert Path(index).read_bytes() == before


def test_export_tells_by_how_much_it_differs(tiny, tmp_path, capsys):
    pytest.importorskip('onnx')
    cli.export(['--onnx', str(tmp_path), '--size', '8', '--weights', str(tiny.weights), '--device', 'cpu'])
    assert len(capsys.readouterr().out.splitlines()) == 2 and files_below(tmp_path) == ['embed_8.onnx', 'fhn_8.onnx']


def face_pairs(folder, make_face):
    """Datasets of pairs of six persons, two photos each, with 8-pixel probes and at full resolution."""
    (folder / 'lfw').mkdir()
    lines, rng = ['3\t2'], np.random.default_rng(0)
    for person in range(6):
        for i in (1, 2):
            image = make_face(64, person) + rng.normal(0, 2, (64, 64, 3))
            Image.fromarray(image.clip(0, 255).round().astype(np.uint8)).save(folder / f'lfw/P{person}_{i:04d}.png')
    for fold in range(3):
        persons = (2 * fold, 2 * fold + 1)
        lines += [f'P{person}\t1\t2' for person in persons]
        lines += [f'P{person}\t1\tP{(person + 1) % 6}\t2' for person in persons]
    (folder / 'pairs.txt').write_text('\n'.join(lines) + '\n')
    pairs = {
        'type': 'FacePairDataset',
        'dataroot_gt': str(folder / 'lfw'),
        'pair_list': str(folder / 'pairs.txt'),
        'landmarks': 'aligned',
        'gt_size': 64,
    }
    return {
        'test_8': {**pairs, 'name': 'lfw_8', 'query_size': 8},
        'test': {**pairs, 'name': 'lfw', 'probe_side': 'none'},
    }


def test_weights_are_packed_with_thresholds_and_card(tiny, tmp_path, make_face, capsys):
    (tmp_path / 'verify.yml').write_text(json.dumps({'datasets': face_pairs(tmp_path, make_face)}))
    (tmp_path / 'notes.txt').write_text('Faces of nobody.')
    arguments = ['-opt', tiny.options, '--fhn', tiny.fhn, '--hrn', tiny.hrn, '--commit', 'abc']
    cli.pack(
        [
            *arguments,
            '-o',
            str(tmp_path / 'w/x.safetensors'),
            '--verify',
            str(tmp_path / 'verify.yml'),
            '--notes',
            str(tmp_path / 'notes.txt'),
        ]
    )
    facts = json.loads((tmp_path / 'w/x.json').read_text())
    assert [each['size'] for each in facts['calibrations']] == [8, 112] and facts['facts']['seed'] == 7
    assert facts['facts']['results']['lfw']['figures']['auc'] == 1
    card = (tmp_path / 'w/x.md').read_text()
    for told in (
        facts['sha256'],
        'of one training',
        'Faces of nobody.',
        '`abc`',
        '| lfw_8 | 8 |',
        '| lfw | full |',
        'Intended use',
        'scripts/pack_weights.py',
        'random weights',
    ):
        assert told in card, told
    Image.fromarray(make_face(64)).save(tmp_path / 'a.png')
    capsys.readouterr()
    cli.verify([str(tmp_path / 'a.png')] * 2 + ['--weights', str(tmp_path / 'w/x.safetensors')])
    assert 'same person' in capsys.readouterr().out
    assert '.safetensors' in failed(cli.pack, *arguments, '-o', tmp_path / 'x.pth')


def test_a_gallery_that_is_known_is_not_embedded_again(tiny, tmp_path, make_face, monkeypatch):
    datasets, results, counts = face_pairs(tmp_path, make_face), [], []
    embed = Inference.embed_gallery
    monkeypatch.setattr(Inference, 'embed_gallery', lambda self, faces: counts.append(len(faces)) or embed(self, faces))
    for names in (('test', 'test_8'), ('test_8', 'test')):
        (tmp_path / 'verify.yml').write_text(
            yaml.safe_dump({'datasets': {name: datasets[name] for name in names}}, sort_keys=False)
        )
        results.append(measure(load_weights(tiny.weights), str(tmp_path / 'verify.yml'))[1])
    assert results[0] == results[1]
    assert sum(counts) == 2 * (12 + 6 + 12)  # faces and mirror images; one order knows 12 before it needs 6


@pytest.mark.parametrize('name', ['hallucinate', 'verify', 'gallery', 'export', 'pack_weights'])
def test_scripts_are_the_commands(name, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', [f'{name}.py', '--help'])
    with pytest.raises(SystemExit) as caught:
        runpy.run_path(str(SCRIPTS / f'{name}.py'), run_name='__main__')
    assert caught.value.code == 0 and f'usage: {name}.py' in capsys.readouterr().out


@pytest.mark.parametrize(
    'argv, told',
    [(['--device', 'nonsense'], '--device nonsense: '), (['-o', 'faces/a.png/out'], 'a.png is a file: name a folder')],
)
def test_wrong_arguments_of_a_command_are_named(tiny, faces, monkeypatch, argv, told):
    monkeypatch.chdir(faces.parent)
    assert told in failed(cli.hallucinate, 'faces', '-o', 'out', '--weights', tiny.weights, *argv)


@pytest.mark.parametrize('ranks', ['0', '1001', '-1', 'many'])
def test_ranks_out_of_range_are_told_in_a_line(ranks, capsys):
    with pytest.raises(SystemExit):
        cli.gallery(['search', 'index', 'photo.png', '-k', ranks])
    assert f'{ranks} is no whole number from 1 to 1000' in capsys.readouterr().err
