"""rim-hallucinate: files written, files refused, faces of photos pasted back."""

import json

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from support.commands import NOBODY, TWO_FACES, failed, files_below
from support.disks import limited, small_disk
from support.large_pictures import write_header

from rim_plugin import cli
from rim_plugin.building import build_network
from rim_plugin.data.photo_files import read_rgb


@pytest.fixture
def run(networks):
    """The command with the tiny weights; some inputs may be left out."""

    def run(argv):
        try:
            cli.hallucinate([*networks, *map(str, argv)])
        except SystemExit as ended:
            if ended.code != 3:
                raise

    return run


@pytest.mark.slow
def test_faces_of_a_folder_are_hallucinated(run, rim, faces, tmp_path, capsys):
    run([faces, '-o', tmp_path / 'out'])
    assert files_below(tmp_path / 'out') == ['a.png', 'b.png', 'large.png', 'süb/c.png']
    output = read_rgb(tmp_path / 'out/b.png').astype(int)
    assert np.abs(output - rim.hallucinate(read_rgb(faces / 'b.jpg'))).max() <= 1
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert lines[0].startswith(f'{faces / "large.png"}: 0 of 1 faces restored; 64 pixels at (0, 0): left as it is')
    assert lines[1] == (
        f'4 of 7 pictures written to {tmp_path / "out"}, 1 of them enlarged only, without a restored face, 3 left out'
    )
    assert 'Left out, 3:' in printed.err
    for message in ('text.jpg: not a picture', 'tiny.png: 1x1', 'wide.png: 30x20'):
        assert message in printed.err


@pytest.mark.slow
def test_comparisons_and_priors_are_drawn(run, faces, tmp_path):
    run([faces / 'a.png', '-o', tmp_path / 'out', '--compare', '--priors'])
    assert files_below(tmp_path / 'out') == ['a.png', 'a_compare.png', 'a_priors.png']
    result, compared = (read_rgb(tmp_path / f'out/{name}.png') for name in ('a', 'a_compare'))
    assert np.array_equal(compared[:, -64:], result)
    enlarged = cv2.resize(read_rgb(faces / 'a.png'), (64, 64), interpolation=cv2.INTER_CUBIC)
    assert np.array_equal(compared[:, :64], enlarged)
    assert read_rgb(tmp_path / 'out/a_priors.png').shape[1] == 4 * 64 + 4 * 4  # LR, SR, landmarks, parsing


@pytest.mark.parametrize(
    'picture, out, message',
    [('absent.png', 'out', 'absent.png: no such file'), ('a.png', 'a.png/x', 'a.png is a file')],
)
def test_places_are_looked_at_before_networks_are_loaded(faces, picture, out, message):
    assert message in failed(cli.hallucinate, faces / picture, '-o', faces / out, '--weights', 'nowhere')


@pytest.mark.slow
def test_nothing_is_overwritten_without_force(run, faces, tmp_path):
    out = tmp_path / 'out'
    out.mkdir()
    (out / 'b.png').write_text('mine')
    message = failed(run, faces, '-o', out)
    assert 'b.png is there already: --force' in message and files_below(out) == ['b.png']
    run([faces, '-o', out, '--force'])
    assert read_rgb(out / 'b.png').shape == (64, 64, 3)


@pytest.mark.slow
def test_inputs_are_never_overwritten_nor_mixed_up(run, faces, tmp_path):
    assert 'a.png, one of the inputs' in failed(run, faces / 'a.png', '-o', faces, '--force')
    Image.new('RGB', (8, 8)).save(faces / 'a.bmp')
    run([faces, '-o', tmp_path / 'out'])
    assert {'a.png', 'a_png.png'} <= set(files_below(tmp_path / 'out'))


def test_folders_without_pictures_and_missing_files_are_named(run, tmp_path):
    (tmp_path / 'empty').mkdir()
    assert f'{tmp_path / "empty"} holds none' in failed(run, tmp_path / 'empty', '-o', tmp_path / 'out')
    assert 'no such file or folder' in failed(run, tmp_path / 'absent.png', '-o', tmp_path / 'out')
    (tmp_path / 'texts').mkdir()
    (tmp_path / 'texts/text.jpg').write_text('no picture')
    assert 'text.jpg: not a picture' in failed(run, tmp_path / 'texts/text.jpg', '-o', tmp_path / 'out')
    assert 'nothing was written' in failed(run, tmp_path / 'texts', '-o', tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_faces_of_a_photo_are_pasted_back(run, rim, photo, tmp_path):
    run([photo, '-o', tmp_path / 'out', '--detect', TWO_FACES, '--scale', '2', '--compare', '--priors'])
    assert files_below(tmp_path / 'out') == ['photo.png', 'photo_compare.png', 'photo_priors.png']
    result, before = read_rgb(tmp_path / 'out/photo.png'), read_rgb(photo)
    enlarged = cv2.resize(before, (320, 240), interpolation=cv2.INTER_CUBIC)
    changed = (result != enlarged).any(2)
    inside = np.zeros((240, 320), bool)
    inside[40:120, 60:140] = inside[120:168, 200:248] = True  # the faces' windows, twice as large
    assert not changed[~inside].any()
    assert changed[60:100, 80:120].mean() > 0.5 and changed[130:158, 210:238].mean() > 0.5


def test_a_network_enlarges_what_is_not_face(run, photo, tmp_path):
    network = build_network({'type': 'SRVGGNetCompact', 'num_feat': 4, 'num_conv': 1, 'upscale': 2})
    for parameter in network.parameters():
        parameter.data.zero_()  # what is left repeats the pixels
    torch.save({'params': network.state_dict()}, tmp_path / 'sr.pth')
    block = '{type: SRVGGNetCompact, num_feat: 4, num_conv: 1, upscale: 2}'
    options = tmp_path / 'sr.yml'
    options.write_text(f'network_g: {block}\npath: {{pretrain_network_g: {tmp_path / "sr.pth"}}}\n')
    argv = [photo, '--background', options, '--scale', '2', '-o']
    run([*argv, tmp_path / 'out', '--detect', TWO_FACES, '--compare'])
    result, before = read_rgb(tmp_path / 'out/photo.png'), read_rgb(photo)
    repeated = before.repeat(2, 0).repeat(2, 1)
    changed = (result != repeated).any(2)
    assert changed[60:100, 80:120].mean() > 0.5 and changed.mean() < 0.2  # in the faces alone
    compared = read_rgb(tmp_path / 'out/photo_compare.png')
    assert np.array_equal(compared[:, :320], cv2.resize(before, (320, 240), interpolation=cv2.INTER_CUBIC))
    run([*argv, tmp_path / 'nobody', '--detect', NOBODY])
    assert np.array_equal(read_rgb(tmp_path / 'nobody/photo.png'), repeated)
    options.write_text(f'network_g: {block}')
    assert 'sr.yml: path: pretrain_network_g is missing' in failed(run, *argv, tmp_path / 'none', '--detect', NOBODY)
    assert not (tmp_path / 'none').exists()


@pytest.mark.slow
def test_photos_too_large_and_unknown_detectors_are_named(run, photo, tmp_path, capsys):
    Image.new('L', (3000, 2000)).save(photo)
    failed(run, photo, '-o', tmp_path / 'out', '--detect', TWO_FACES, '--scale', '8')
    assert 'give a smaller --scale' in capsys.readouterr().err
    assert "Unknown detector 'unheard'. Name 'auto', 'cascade', 'mtcnn', 'insightface'" in failed(
        run, photo, '-o', tmp_path / 'out', '--detect', 'unheard'
    )
    (tmp_path / 'net.onnx').write_text('no network')
    assert 'net.onnx' in failed(run, photo, '-o', tmp_path / 'out', '--detect', tmp_path / 'net.onnx')


@pytest.mark.slow
def test_a_photo_without_a_face_is_written_left_out_or_ends_the_run(run, photo, tmp_path, capsys):
    argv = [photo, '-o', tmp_path / 'out', '--detect', NOBODY]
    run([*argv, '--priors', '--compare'])
    enlarged = cv2.resize(read_rgb(photo), (640, 480), interpolation=cv2.INTER_CUBIC)
    assert np.array_equal(read_rgb(tmp_path / 'out/photo.png'), enlarged)
    assert files_below(tmp_path / 'out') == ['photo.png', 'photo_compare.png']
    assert f'{photo}: no face found\n1 of 1 pictures written' in capsys.readouterr().out
    assert 'nothing was written' in failed(run, *argv, '--force', '--on-no-face', 'skip')
    assert 'photo.png: no face found' in capsys.readouterr().err
    assert 'photo.png: no face found; --on-no-face copy' in failed(run, *argv, '--force', '--on-no-face', 'fail')


@pytest.mark.slow
def test_large_faces_are_told_from_none(run, photo, tmp_path, capsys):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)).save(photo)
    argv = [photo, '-o', tmp_path / 'out', '--detect', 'support.commands:two_large_faces', '--on-no-face', 'skip']
    with pytest.raises(SystemExit, match='nothing was written'):
        run(argv)
    assert '0 of 2 faces restored; 160 pixels at' in (told := capsys.readouterr().err)
    assert 'left as it is: it has the detail' in told


@pytest.mark.slow
def test_some_left_out_ends_with_a_status_of_its_own(networks, faces, tmp_path):
    with pytest.raises(SystemExit) as caught:
        cli.hallucinate([*networks, str(faces), '-o', str(tmp_path / 'out')])
    assert caught.value.code == 3
    assert cli.hallucinate([*networks, str(faces / 'a.png'), '-o', str(tmp_path / 'one')]) is None


@pytest.mark.slow
def test_what_was_found_is_told_as_json_and_faces_are_written(run, photo, tmp_path, capsys):
    argv = [photo, '-o', tmp_path / 'out', '--detect', TWO_FACES, '--json', '--crops', '--ext', 'jpg', '--suffix', '_x']
    run(argv)
    assert files_below(tmp_path / 'out') == [
        'photo_x.jpg',
        *(f'photo_x_faces/{number}_{time}.jpg' for number in (1, 2) for time in ('after', 'before')),
    ]
    printed = capsys.readouterr()
    (told,) = map(json.loads, printed.out.splitlines())
    assert told['output'] == str(tmp_path / 'out/photo_x.jpg') and not told['aligned'] and told['scale'] == 2
    assert [(face['side'], face['restored'], face['score']) for face in told['faces']] == [
        (40, True, None),
        (24, True, None),
    ]
    assert '1 of 1 pictures written' in printed.err
    assert read_rgb(tmp_path / 'out/photo_x_faces/1_before.jpg').shape == (40, 40, 3)
    assert '--suffix a/b' in failed(run, photo, '-o', tmp_path / 'out', '--suffix', 'a/b')


@pytest.mark.slow
@pytest.mark.parametrize('kind', ['png', 'tif'])
def test_depth_opacity_and_profile_of_a_photo_are_kept(run, photo, tmp_path, kind):
    pixels = np.dstack([read_rgb(photo), np.full((120, 160), 128, np.uint8)]).astype(np.uint16) * 257 + 3
    cv2.imwrite(str(photo), pixels)
    run([photo, '-o', tmp_path / 'out', '--detect', TWO_FACES, '--scale', '2', '--ext', kind])
    result = cv2.imread(str(tmp_path / f'out/photo.{kind}'), cv2.IMREAD_UNCHANGED)
    assert result.dtype == np.uint16 and result.shape == (240, 320, 4)
    assert (result[:, :, 3] == 128 * 257 + 3).all()
    enlarged = cv2.resize(pixels, (320, 240), interpolation=cv2.INTER_CUBIC)
    assert np.abs(result[:30].astype(int) - enlarged[:30]).max() <= 3  # above the faces


@pytest.mark.parametrize(
    'argv, message',
    [(['--device', 'nonsense'], '--device nonsense: '), (['-o', 'faces/a.png/out'], 'a.png is a file: name a folder')],
)
def test_wrong_arguments_of_a_command_are_named(run, faces, monkeypatch, argv, message):
    monkeypatch.chdir(faces.parent)
    assert message in failed(run, 'faces', '-o', 'out', *argv)


@pytest.mark.slow
def test_it_goes_on_with_what_is_not_there(run, faces, tmp_path, capsys):
    out = tmp_path / 'out'
    run([faces / 'a.png', '-o', out])
    first = (out / 'a.png').stat().st_mtime_ns
    capsys.readouterr()
    run([faces, '-o', out, '--skip-existing'])
    printed = capsys.readouterr()
    assert printed.out.splitlines()[-1].startswith(f'3 of 7 pictures written to {out}')
    assert ', 1 were there already, 3 left out' in printed.out
    assert (out / 'a.png').stat().st_mtime_ns == first and files_below(out) == [
        'a.png',
        'b.png',
        'large.png',
        'süb/c.png',
    ]
    run([faces, '-o', out, '--skip-existing', '--compare'])
    assert '4 of 7 pictures written' in capsys.readouterr().out and 'b_compare.png' in files_below(out)
    run([faces / 'a.png', '-o', out, '--skip-existing'])
    assert capsys.readouterr().out == f'0 of 1 pictures written to {out}, 1 were there already\n'


def test_to_replace_and_to_skip_exclude_each_other(run, faces, tmp_path, capsys):
    with pytest.raises(SystemExit):
        run([faces, '-o', tmp_path / 'out', '--skip-existing', '--force'])
    assert 'not allowed with' in capsys.readouterr().err


@pytest.mark.parametrize(
    'size, argv, message',
    [
        ((9000, 8999), [], '9000x8999 pixels are no aligned face'),
        ((12000, 9000), [], '108 megapixels; only below 100 are read'),
        ((6000, 5000), ['--detect', TWO_FACES, '--scale', '4'], '4 times as large it has 480 megapixels'),
    ],
)
def test_a_large_picture_is_refused_by_its_header(run, tmp_path, capsys, size, argv, message):
    path = write_header(tmp_path / 'large.png', *size)
    ended = failed(run, path, '-o', tmp_path / 'out', *argv)
    assert message in ended + capsys.readouterr().err


def test_a_picture_that_cannot_be_used_is_told_before_networks_are_loaded(tmp_path):
    path = write_header(tmp_path / 'large.png', 12000, 9000)
    argv = path, '-o', tmp_path / 'out', '--weights', tmp_path / 'absent.safetensors'
    assert '108 megapixels' in failed(cli.hallucinate, *argv) and not (tmp_path / 'out').exists()


def test_no_room_is_told_with_the_file_and_leaves_nothing_half(run, faces, tmp_path):
    (faces / 'large.png').unlink()  # black, which is small even when it is large
    with limited(2000):  # also of the bar, which pytest keeps in a file
        message = failed(run, faces, '-o', tmp_path / 'out')
    assert 'File too large' in message and str(tmp_path / 'out') in message
    assert files_below(tmp_path / 'out') == []


@pytest.mark.slow
def test_a_full_disk_is_told_and_the_rest_follows_later(run, faces, tmp_path):
    with small_disk(tmp_path / 'disk', '16k') as mounted:
        if not mounted:
            pytest.skip('only root mounts disks')
        message = failed(run, faces, '-o', tmp_path / 'disk/out', '--compare')
        assert 'No space left on device' in message and str(tmp_path / 'disk/out') in message
        assert not list((tmp_path / 'disk').rglob('*.tmp'))
        for path in (tmp_path / 'disk/out').rglob('*.png'):
            read_rgb(path)  # whole


def test_control_characters_in_names_are_written_out(run, tmp_path, capsys):
    (tmp_path / 'a\x1b[31m\n.png').write_text('no picture')
    (tmp_path / 'b.png').write_text('no picture')
    path = tmp_path / 'a\x1b[31m\n.png'
    for inputs in ([path], [path, tmp_path / 'b.png']):  # told at once; among what is left out
        printed = failed(run, *inputs, '-o', tmp_path / 'out') + capsys.readouterr().err
        assert '\x1b' not in printed and '\\x1b[31m .png: not a picture' in printed
