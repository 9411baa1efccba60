"""Faces of photos: cut at their own resolution, pasted back without a trace."""

import cv2
import numpy as np
from support.commands import POINTS, two_faces

from rim_plugin.tools.photos import cut_face, find_faces, paste_faces


def test_an_unchanged_face_is_pasted_back_without_a_trace():
    rng = np.random.default_rng(0)
    photo = cv2.resize(rng.integers(0, 256, (12, 16, 3), np.uint8), (160, 120), interpolation=cv2.INTER_CUBIC)
    canvas = cv2.resize(photo, (320, 240), interpolation=cv2.INTER_CUBIC)
    faces = [(points, cut_face(canvas, (points + 0.5) * 2 - 0.5, 500).image) for points in POINTS]
    assert np.abs(paste_faces(canvas, 2, faces).astype(int) - canvas).mean() < 1


def test_faces_are_cut_at_their_own_resolution(make_face):
    faces = find_faces(make_face(160), two_faces, 64)
    assert [len(face.image) for face in faces] == [40, 24]
    assert np.abs(faces[0].image.astype(int) - make_face(160)[20:60, 30:70]).max() <= 1
    assert [len(face.image) for face in find_faces(make_face(160), two_faces, 40)] == [24]
