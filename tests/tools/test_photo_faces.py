"""All faces of a photo, and which is meant."""

import numpy as np
import pytest
from PIL import Image

from rim_plugin.data.alignment import alignment_template
from rim_plugin.errors import UnreadableImage
from rim_plugin.tools.photo_faces import compare_photos, only_face
from rim_plugin.tools.photos import read_faces


def finds(*sides):
    """A detector that sees faces of these sides in pixels beside each other."""
    return lambda image: np.array([alignment_template(side) + (90 * place, 0) for place, side in enumerate(sides)])


@pytest.fixture
def photo(tmp_path, make_face):
    Image.fromarray(make_face(300)).save(tmp_path / 'photo.png')
    return tmp_path / 'photo.png'


def test_all_faces_come_the_largest_first(photo):
    assert [len(face) for face in read_faces(photo, finds(20, 80, 40))] == [80, 40, 20]
    with pytest.raises(UnreadableImage, match='photo.png: no face found'):
        read_faces(photo, lambda image: [])
    assert [len(face) for face in read_faces(photo)] == [300]


def test_who_is_meant_has_to_be_clear(photo):
    assert len(only_face(photo, read_faces(photo, finds(30, 80)))) == 80
    with pytest.raises(UnreadableImage, match='photo.png: 2 faces found; cut out the one that is meant'):
        only_face(photo, read_faces(photo, finds(80, 50)))


def test_every_face_with_every_other(rim, make_face):
    first, second = [make_face(8, 1), make_face(8, 2)], [make_face(8, 3), make_face(8, 1)]
    assert [pair for pair, _ in compare_photos(rim, first, second)] == [(1, 1)]
    results = dict(compare_photos(rim, first, second, all_faces=True))
    assert [*results] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert results[1, 2].similarity == pytest.approx(1, abs=1e-4) and results[1, 1].similarity < 0.9999
