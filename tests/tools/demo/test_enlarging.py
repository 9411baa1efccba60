"""What the page shows of a photo."""

import numpy as np
import pytest
from support.commands import nobody, two_faces

from rim_plugin.errors import PhotoError
from rim_plugin.tools.demo.enlarging import SHOWN, describe, enlarge_photo, faces_of, show_faces


@pytest.mark.slow
def test_a_photo_is_shown_before_and_after_with_its_faces_the_largest_first(rim, make_face):
    photo = make_face(160)[:120]
    shown = enlarge_photo(rim, photo, two_faces)
    assert shown.before.shape == shown.after.shape == shown.marked.shape == (240, 320, 3)
    assert [each.side for each in shown.faces] == [40, 24]
    changed = np.abs(shown.after.astype(int) - shown.before).sum(2) > 0
    assert changed[80, 100] and not changed[:30].any()  # within the first face, and above both
    assert (shown.marked != shown.before).any()
    for each in shown.faces:
        assert each.restored and each.before.shape == each.after.shape == (64, 64, 3)
        assert [picture.shape for picture in each.priors] == [(64, 64, 3)] * 2


@pytest.mark.slow
def test_an_aligned_face_is_a_face_as_a_whole_and_needs_no_detector(rim, make_face):
    face = make_face(20)
    assert np.array_equal(faces_of(face, None, 63)[0].image, face)
    assert enlarge_photo(rim, face, None).faces[0].side == 20
    assert faces_of(make_face(100), None, 63)[0].image.shape == (63, 63, 3)


def test_a_photo_without_a_face_is_told(make_face):
    with pytest.raises(PhotoError, match='No face found'):
        faces_of(make_face(300), nobody, 63)


@pytest.mark.slow
def test_a_photo_is_no_larger_than_a_browser_gets_it(rim, make_face):
    photo = np.tile(make_face(400), (1, SHOWN // 400 + 2, 1))[:, : SHOWN + 600]
    assert enlarge_photo(rim, photo, two_faces).after.shape == (320, SHOWN, 3)


def test_size_and_quality_are_told_in_words(rim, make_face):
    shown = show_faces(rim, [make_face(40)])[0]
    assert describe(shown._replace(certainty=0.4)) == '40 x 40 pixels, hallucinated. Landmarks clear (0.40).'
    tiny = describe(shown._replace(side=8, certainty=0.1))
    assert 'a likely face, not this person’s' in tiny and 'Landmarks hardly seen (0.10)' in tiny
    large = describe(shown._replace(side=150, after=shown.before, certainty=None))
    assert large == '150 x 150 pixels, left as it is: it has the detail that hallucination would add.'
