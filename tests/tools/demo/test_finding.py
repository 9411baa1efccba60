"""Verdicts in words, and the page's gallery."""

import numpy as np
import pytest

from rim_plugin.tools.api import Verification
from rim_plugin.tools.demo.finding import People, describe_verdict
from rim_plugin.tools.gallery.store import GalleryError


def test_a_verdict_in_words():
    told = describe_verdict(Verification(0.614, 0.3, True, 0.987, (112, 24)))
    assert told == ('Confidence 99%: similarity 0.61 is at or above the threshold 0.30 for faces of 112 and 24 pixels.')
    assert describe_verdict(Verification(0.1, 0.3, False, 0.999, (9, 9))).startswith('Confidence more than 99%')


def test_people_are_found_again_and_go_with_their_folder(rim, make_face, tmp_path):
    people = People(rim, tmp_path / 'people')
    with pytest.raises(GalleryError, match='empty'):
        people.search(make_face(20))
    people.add(' Ada  Byron ', [make_face(20, 1), make_face(40, 2)])
    people.add('Ben', [make_face(30, 3)])
    assert People(rim, tmp_path / 'people').names() == {'Ada Byron': 2, 'Ben': 1}
    best, other = people.search(make_face(40, 2))
    assert (best.name, other.name) == ('Ada Byron', 'Ben') and best.verdict.same and best.verdict.sizes == (40, 40)
    assert np.array_equal(best.face, make_face(40, 2))
    with pytest.raises(ValueError, match='a name first'):
        people.add(' ', [make_face(20)])
