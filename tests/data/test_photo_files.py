"""Every kind of picture becomes 8-bit RGB, or is refused in one line."""

import os

import cv2
import numpy as np
import pytest
from PIL import Image
from support.large_pictures import write_header

from rim_plugin.data.photo_files import check_picture, decode_image, read_rgb
from rim_plugin.data.prepare import read_photo
from rim_plugin.errors import SkippedPhoto, UnreadableImage


def refused(path):
    with pytest.raises(UnreadableImage) as caught:
        read_rgb(path)
    message = str(caught.value)
    assert '\n' not in message and str(path) in message
    return message


@pytest.mark.parametrize('name', ['a.png', 'müßig 顔 ☺.png', 'a.bmp', 'a.tiff', 'a.webp'])
def test_colour_comes_back(tmp_path, make_face, name):
    Image.fromarray(make_face(20)).save(tmp_path / name, lossless=True)
    assert np.array_equal(read_rgb(tmp_path / name), make_face(20))


def test_grey_is_repeated(tmp_path, make_face):
    grey = make_face(20)[:, :, 0]
    Image.fromarray(grey).save(tmp_path / 'a.png')
    assert np.array_equal(read_rgb(tmp_path / 'a.png'), np.stack([grey] * 3, 2))


@pytest.mark.parametrize('channels', [1, 3, 4])
def test_sixteen_bits_become_eight(tmp_path, make_face, channels):
    image = np.dstack([make_face(20), np.full((20, 20), 255, np.uint8)])[:, :, :channels]
    cv2.imwrite(str(tmp_path / 'a.png'), image.astype(np.uint16) * 257)
    expected = np.repeat(image, 3, 2) if channels == 1 else image[:, :, 2::-1]
    assert np.array_equal(read_rgb(tmp_path / 'a.png'), expected)


def test_transparency_lies_over_white(tmp_path, make_face):
    alpha = np.repeat([0, 128, 255, 255], 5).astype(np.uint8)[None, :, None].repeat(20, 0)
    Image.fromarray(np.dstack([make_face(20), alpha])).save(tmp_path / 'a.png')
    output, share = read_rgb(tmp_path / 'a.png'), alpha / 255
    assert np.abs(output - (make_face(20) * share + 255 * (1 - share))).max() <= 1


def test_palette_and_cmyk_are_read(tmp_path, make_face):
    Image.fromarray(make_face(20)).quantize(16).save(tmp_path / 'a.gif')
    Image.fromarray(make_face(20)).convert('CMYK').save(tmp_path / 'a.jpg', quality=100)
    assert read_rgb(tmp_path / 'a.gif').shape == read_rgb(tmp_path / 'a.jpg').shape == (20, 20, 3)


def test_exif_turns_the_picture(tmp_path, make_face):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it 90 degrees clockwise
    Image.fromarray(make_face(20)[:, :10]).save(tmp_path / 'a.png', exif=exif)
    assert np.array_equal(read_rgb(tmp_path / 'a.png'), np.rot90(make_face(20)[:, :10], -1))
    assert np.array_equal(read_rgb(tmp_path / 'a.png', upright=False), make_face(20)[:, :10])


def photos_of_every_kind(folder, face):
    """Files that the commands and the preparation of faces have to read alike."""
    ramp = np.linspace(0, 65535, 400).reshape(20, 20).astype(np.uint16)
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(ramp).save(folder / 'grey16.png')
    Image.fromarray(face).quantize(16).save(folder / 'palette.png')
    Image.new('RGBA', (20, 20), (0, 0, 0, 0)).save(folder / 'transparent.png')
    Image.fromarray(face).convert('CMYK').save(folder / 'cmyk.jpg')
    Image.fromarray(face[:, :10]).save(folder / 'turned.jpg', exif=turned)
    return sorted(folder.iterdir())


def test_faces_are_prepared_from_what_the_commands_see(tmp_path, make_face):
    paths = photos_of_every_kind(tmp_path, make_face(20))
    for path in paths:
        for upright in (True, False):
            assert np.array_equal(read_photo(path, upright), read_rgb(path, upright)), path
    means = {path.stem: read_photo(path, upright=True).mean() for path in paths}
    assert means['grey16'] == pytest.approx(127.5, abs=0.1) and means['transparent'] == 255
    assert read_photo(tmp_path / 'turned.jpg', upright=True).shape == (10, 20, 3)


def test_a_photo_that_cannot_be_prepared_is_skipped_with_the_reason(tmp_path):
    (tmp_path / 'text.jpg').write_text('no picture')
    with pytest.raises(SkippedPhoto) as caught:
        read_photo(tmp_path / 'text.jpg', upright=True)
    assert caught.value.reason == 'unreadable or truncated photo'
    assert caught.value.detail == refused(tmp_path / 'text.jpg')


def test_what_is_no_picture_is_refused(tmp_path):
    (tmp_path / 'text.jpg').write_text('no picture')
    (tmp_path / 'empty.png').write_bytes(b'')
    assert 'not a picture' in refused(tmp_path / 'text.jpg') and 'not a picture' in refused(tmp_path / 'empty.png')
    assert 'no such file' in refused(tmp_path / 'absent.png')
    assert 'a folder; name one picture in it' in refused(tmp_path)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / 'a.png')
    with pytest.raises(UnreadableImage, match='a.png: a pipe or a device, not a file'):
        read_rgb(tmp_path / 'a.png')


def test_truncated_pictures_are_refused(tmp_path, make_face):
    for name in ('a.png', 'a.jpg'):
        Image.fromarray(make_face(200)).save(tmp_path / name)
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content[: len(content) // 2])
        assert 'damaged' in refused(tmp_path / name)


def test_tiny_and_huge_pictures_are_refused(tmp_path):
    Image.new('RGB', (1, 1)).save(tmp_path / 'tiny.png')
    assert '1x1 pixels are too small' in refused(tmp_path / 'tiny.png')
    for side in (10_000, 20_000):  # at our limit; above Pillow's own
        path = write_header(tmp_path / 'huge.png', side, side)
        assert 'megapixels; only below 100 are read: scale it down' in refused(path)
        with pytest.raises(UnreadableImage, match='only below 100 are read'):
            check_picture(path)
    assert 'damaged' in refused(write_header(tmp_path / 'large.png', 10_000, 9_999))


def test_a_header_is_checked_without_decoding(tmp_path):
    path = write_header(tmp_path / 'large.png', 9_000, 8_000)
    check_picture(path)

    def check(width, height):
        raise ValueError(f'{width} by {height} will not do')

    with pytest.raises(UnreadableImage, match='large.png: 9000 by 8000 will not do'):
        check_picture(path, check)
    with pytest.raises(UnreadableImage, match='absent.png: no such file'):
        check_picture(tmp_path / 'absent.png')


def test_floating_point_is_refused(tmp_path):
    Image.fromarray(np.zeros((8, 8), np.float32)).save(tmp_path / 'a.tiff')
    assert '32 bits' in refused(tmp_path / 'a.tiff')


def test_a_damaged_exif_block_is_named(tmp_path, make_face):
    maker_as_fraction = bytes.fromhex('0f01050001000000260000001201030001000000060000000000000048000000') + b'\1\0\0\0'
    block = b'Exif\0\0II*\0\x08\0\0\0\2\0' + maker_as_fraction
    Image.fromarray(make_face(20)).save(tmp_path / 'a.jpg', exif=block)
    assert 'damaged or unreadable' in refused(tmp_path / 'a.jpg')


def test_encoded_pictures_are_decoded(make_face):
    face, classes = make_face(20), np.arange(11, dtype=np.uint8)[None].repeat(5, 0)
    assert np.array_equal(decode_image(cv2.imencode('.png', face[:, :, ::-1])[1].tobytes()), face)
    assert np.array_equal(decode_image(cv2.imencode('.png', classes)[1].tobytes(), grey=True), classes)
    with pytest.raises(UnreadableImage, match='cannot be decoded'):
        decode_image(b'no picture')
