"""What is told of pictures and faces."""

from rim_plugin.tools.notes import FaceNote, Note


def test_a_note_says_what_became_of_each_face():
    faces = [
        FaceNote((1, 2, 9, 9), 40, 0.99, 0.4, True, ''),
        FaceNote((50, 60, 90, 99), 30, 0.8, 0.1, False, 'in doubt: of stone'),
    ]
    note = Note('a.jpg', 'out/a.png', False, 4, faces)
    assert str(note) == 'a.jpg: 1 of 2 faces restored, of 40 pixels; 30 pixels at (50, 60): in doubt: of stone'
    assert str(note._replace(faces=[])) == 'a.jpg: no face found' and note.restored == faces[:1]
