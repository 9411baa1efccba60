"""Faces of photos with their embeddings; pictures as paths, arrays and Pillow's."""

import numpy as np
import pytest
from PIL import Image
from support.commands import POINTS, nobody, two_faces

from rim_plugin.data.found import Found, found_by_points
from rim_plugin.errors import UnreadableImage
from rim_plugin.tools.photos import cut_face
from rim_plugin.tools.represent import represent


def test_each_face_has_embedding_box_points_and_score(rim, make_face):
    photo = make_face(160)
    faces = represent(rim, photo, two_faces)
    assert [face.side for face in faces] == [40, 24] and np.array_equal(faces[1].points, POINTS[1])
    expected = rim.embed([cut_face(photo, found_by_points(points), 224).image for points in POINTS])
    assert np.abs(np.array([face.embedding for face in faces]) - expected).max() < 1e-6
    assert (faces[0].box[:2] < POINTS[0].min(0)).all() and np.isnan(faces[0].score)


def test_faces_in_doubt_and_photos_of_nobody_give_none(rim, make_face):
    doubtful = Found(POINTS[0], 0.8, np.zeros(4), doubt='of stone')
    assert represent(rim, make_face(160), lambda photo: [doubtful]) == represent(rim, make_face(160), nobody) == []


def test_a_picture_is_a_path_an_array_or_one_of_pillows(rim, make_face, tmp_path):
    face = make_face(12)
    Image.fromarray(face).save(tmp_path / 'a.png')
    expected = rim.hallucinate(face)
    for picture in (tmp_path / 'a.png', str(tmp_path / 'a.png'), Image.fromarray(face)):
        assert np.array_equal(rim.hallucinate(picture), expected)
    mixed = rim.embed([face, tmp_path / 'a.png', Image.fromarray(face).convert('RGBA')])
    assert np.abs(mixed - mixed[0]).max() < 1e-6
    with pytest.raises(UnreadableImage, match='absent.png: no such file'):
        rim.hallucinate(tmp_path / 'absent.png')
