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


def test_a_note_of_many_faces_gives_each_reason_once():
    doubts = [
        FaceNote((side, 5, 60, 60), side, 0.9, 0.1, False, why) for side, why in ((30, 'a'), (40, 'b'), (50, 'a'))
    ]
    told = str(Note('a.jpg', 'out/a.png', False, 4, doubts))
    assert told == 'a.jpg: 0 of 3 faces restored; 30 pixels at (30, 5) and 1 more: a; 40 pixels at (40, 5): b'
