"""What a picture's file says comes back from the file that is written."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from rim_plugin.data.photo_files import Photo, read_photo, read_rgb
from rim_plugin.data.photo_writing import EXTENSIONS, encode_photo

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()


def taken():
    """EXIF data of a camera that was turned."""
    exif = Image.Exif()
    exif[0x0110], exif[0x0112] = 'Camera', 6
    return exif


def written(photo, kind, path):
    path.write_bytes(encode_photo(photo, kind))
    return read_photo(path)


@pytest.mark.parametrize('kind', EXTENSIONS)
def test_profile_and_exif_data_are_kept_and_the_orientation_is_applied(tmp_path, make_face, kind):
    source = tmp_path / 'source.png'
    Image.fromarray(make_face(20)[:, :10]).save(source, exif=taken(), icc_profile=PROFILE)
    photo = read_photo(source)
    assert photo.profile == PROFILE and np.array_equal(photo.pixels, np.rot90(make_face(20)[:, :10], -1))
    again = written(photo, kind, tmp_path / f'a.{kind}')
    assert again.profile == PROFILE and again.pixels.shape == (10, 20, 3)
    exif = Image.open(tmp_path / f'a.{kind}').getexif()
    assert exif[0x0110] == 'Camera' and exif.get(0x0112, 1) == 1
    assert np.abs(again.pixels.astype(int) - photo.pixels).mean() < (25 if kind in ('jpg', 'webp') else 1e-9)


def test_png_of_an_enlarged_face_is_about_as_small_as_pillows_own(make_face, tmp_path):
    face = cv2.resize(make_face(28), (224, 224), interpolation=cv2.INTER_CUBIC)
    face = np.clip(face + np.random.default_rng(0).normal(0, 2, face.shape), 0, 255).round().astype(np.uint8)
    own = io.BytesIO()
    Image.fromarray(face).save(own, 'PNG')
    ours = encode_photo(Photo(face, None, b''), 'png')
    assert len(ours) < 1.02 * len(own.getvalue())
    (tmp_path / 'a.png').write_bytes(ours)
    assert np.array_equal(read_rgb(tmp_path / 'a.png'), face)


@pytest.mark.parametrize('kind', ['png', 'tif'])
@pytest.mark.parametrize('channels', [3, 4])
def test_sixteen_bits_are_kept(tmp_path, kind, channels):
    pixels = np.random.default_rng(0).integers(0, 65536, (9, 12, channels), np.uint16)
    again = written(Photo(pixels, PROFILE, b''), kind, tmp_path / f'a.{kind}')
    assert again.pixels.dtype == np.uint16 and np.array_equal(again.pixels, pixels) and again.profile == PROFILE
    assert np.abs(again.rgb.astype(int) - read_rgb(tmp_path / f'a.{kind}')).max() <= 2


@pytest.mark.parametrize('orientation', range(1, 9))
def test_sixteen_bits_are_turned_as_eight_are(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    eight = np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8)
    Image.fromarray(eight).save(tmp_path / 'a.png', exif=exif)
    deep = Photo(eight.astype(np.uint16) * 257, None, exif.tobytes())
    (tmp_path / 'b.png').write_bytes(encode_photo(deep, 'png'))
    expected = read_rgb(tmp_path / 'a.png')
    photo = read_photo(tmp_path / 'b.png')
    assert photo.pixels.dtype == np.uint16 and np.array_equal(photo.rgb, expected)


def test_grey_of_sixteen_bits_stays_deep(tmp_path):
    grey = np.arange(64, dtype=np.uint16).reshape(8, 8) * 1000
    cv2.imwrite(str(tmp_path / 'a.png'), grey)
    photo = read_photo(tmp_path / 'a.png')
    assert photo.pixels.dtype == np.uint16 and np.array_equal(photo.pixels, np.stack([grey] * 3, 2))


def test_opacity_is_kept_where_the_format_has_it(tmp_path, make_face):
    pixels = np.dstack([make_face(20), np.repeat(np.arange(0, 200, 10, dtype=np.uint8)[None], 20, 0)])
    photo = Photo(pixels, None, b'')
    assert np.array_equal(written(photo, 'png', tmp_path / 'a.png').pixels, pixels)
    assert written(photo, 'webp', tmp_path / 'a.webp').pixels.shape == (20, 20, 4)
    flat = written(photo, 'jpg', tmp_path / 'a.jpg').pixels
    assert flat.shape == (20, 20, 3) and flat[:, 0].min() > 240  # white shows through


def test_a_profile_of_another_colour_space_is_not_kept(tmp_path, make_face):
    grey = ImageCms.ImageCmsProfile(ImageCms.createProfile('LAB')).tobytes()
    file = io.BytesIO()
    Image.fromarray(make_face(20)).save(file, 'PNG', icc_profile=grey)
    (tmp_path / 'a.png').write_bytes(file.getvalue())
    assert read_photo(tmp_path / 'a.png').profile is None
