"""Parsing maps as a PNG of classes and as Helen's own, a PNG for each class."""

import numpy as np
import pytest
from PIL import Image
from support.large_pictures import write_header

from rim_plugin.data.parsing_files import read_parsing
from rim_plugin.errors import SkippedPhoto

SHAPE = (6, 9)


@pytest.fixture
def classes():
    return np.random.default_rng(0).integers(0, 11, SHAPE, np.uint8)


def write_layers(folder, name, classes, strength=255):
    """Helen's labels/NAME/NAME_lbl00.png to _lbl10.png, each pixel mostly of its class."""
    (folder / name).mkdir(parents=True)
    noise = np.random.default_rng(1).integers(0, strength // 3, (11, *classes.shape))
    for index in range(11):
        layer = np.where(classes == index, strength, noise[index]).astype(np.uint8)
        Image.fromarray(layer).save(folder / name / f'{name.split("/")[-1]}_lbl{index:02d}.png')


def test_a_png_of_classes(tmp_path, classes):
    (tmp_path / 'sub').mkdir()
    Image.fromarray(classes).save(tmp_path / 'sub/a.b.png')
    assert np.array_equal(read_parsing(tmp_path, 'sub/a.b.jpg', SHAPE), classes)


@pytest.mark.parametrize('strength', [255, 120])
def test_a_png_for_each_class(tmp_path, classes, strength):
    write_layers(tmp_path, '100032540_1', classes, strength)
    found = read_parsing(tmp_path, '100032540_1.jpg', SHAPE)
    assert found.dtype == np.uint8 and np.array_equal(found, classes)


def test_pixels_of_no_class_are_background(tmp_path):
    write_layers(tmp_path, 'a', np.zeros(SHAPE, np.uint8))
    for file in (tmp_path / 'a').iterdir():
        Image.fromarray(np.zeros(SHAPE, np.uint8)).save(file)
    assert not read_parsing(tmp_path, 'a.jpg', SHAPE).any()


@pytest.mark.parametrize(
    'damage, reason, words',
    [
        (lambda file: file.unlink(), 'no parsing map', 'a_lbl07.png is missing'),
        (lambda file: file.write_bytes(b'no image'), 'bad parsing map', 'a_lbl07.png: cannot identify'),
        (lambda file: write_header(file, 9, 7), 'bad parsing map', 'a_lbl07.png: 9x7 pixels, its photo has 9x6'),
        (lambda file: write_header(file, 20000, 20000), 'bad parsing map', '20000x20000|exceeds limit'),
        (lambda file: Image.new('RGB', (9, 6)).save(file), 'bad parsing map', 'mode RGB'),
    ],
)
def test_a_faulty_layer_is_named(tmp_path, classes, damage, reason, words):
    write_layers(tmp_path, 'a', classes)
    damage(tmp_path / 'a/a_lbl07.png')
    with pytest.raises(SkippedPhoto, match=words) as caught:
        read_parsing(tmp_path, 'a.jpg', SHAPE)
    assert caught.value.reason == reason
