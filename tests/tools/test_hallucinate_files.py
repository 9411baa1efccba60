"""Pictures and notes of what became of them; sheets of faces."""

from pathlib import Path

import numpy as np

from rim_plugin.data.photo_files import Photo
from rim_plugin.tools.hallucinate_files import FaceNote, HallucinateOptions, Note, Picture, prior_sheet


def plain(value, width=6):
    return Photo(np.full((8, width, 3), value, np.uint8), None, b'')


def test_white_lies_between_pictures(rim):
    note = Note('a.png', 'a.jpg', False, 1, [])
    picture = Picture(Path('a.jpg'), plain(0), plain(1), [], [], note)
    (path, after), (compared, row) = picture.files(rim, HallucinateOptions(compare=True, priors=True, crops=True))
    assert path == Path('a.jpg') and after is picture.after
    assert compared == Path('a_compare.jpg') and row.pixels.shape == (8, 6 + 4 + 6, 3)
    assert [row.pixels[:, part].mean() for part in (slice(6), slice(6, 10), slice(10, 16))] == [0, 255, 1]


def test_a_note_says_what_became_of_each_face():
    faces = [
        FaceNote((1, 2, 9, 9), 40, 0.99, 0.4, True, ''),
        FaceNote((50, 60, 90, 99), 30, 0.8, 0.1, False, 'in doubt: of stone'),
    ]
    note = Note('a.jpg', 'out/a.png', False, 4, faces)
    assert str(note) == 'a.jpg: 1 of 2 faces restored, of 40 pixels; 30 pixels at (50, 60): in doubt: of stone'
    assert str(note._replace(faces=[])) == 'a.jpg: no face found' and note.restored == faces[:1]


def test_the_sheet_has_a_row_for_each_face(rim, make_face):
    small = [make_face(8, seed) for seed in range(2)]
    large = rim.hallucinate(small)
    sheet = prior_sheet(rim, small, large)
    assert sheet.shape[1] == 4 * (64 + 4)  # LR, SR, landmarks, parsing
    assert np.array_equal(sheet[-68:-4, 68:132], large[1])  # RGB, the second face
