"""Verdicts in words, and the page's gallery."""

import numpy as np
import pytest

from rim_plugin.tools.api import Verification
from rim_plugin.tools.demo.finding import People, describe_answer, describe_verdict, verdict_title
from rim_plugin.tools.gallery.identification import Found, Identified
from rim_plugin.tools.gallery.store import GalleryError


def test_a_verdict_in_words():
    told = describe_verdict(Verification(0.614, 0.3, True, 0.987, (112, 24)))
    assert told == ('Confidence 99%: similarity 0.61 reaches the threshold 0.30 for faces of 112 and 24 pixels.')
    assert describe_verdict(Verification(0.1, 0.3, False, 0.999, (9, 9))).startswith('Confidence more than 99%')


def test_no_verdict_has_a_reason():
    verdict = Verification(0.1, None, None, None, (4, 4), reason='4 pixels are too few')
    assert verdict_title(verdict) == 'No verdict' and describe_verdict(verdict).startswith('4 pixels are too few: ')


def test_an_answer_in_words():
    hit = Found(1, 'Ada', 0.5, 'a.png', 20, 0.4, True)
    answer = Identified('Ada', False, '', 0.01, 2, 20, 0.9, [hit])
    assert describe_answer(answer).startswith('This is Ada. Of people who are not in the gallery 1%')
    assert describe_answer(answer._replace(name=None, nobody=True)).startswith(
        'Nobody in the gallery; most alike is Ada'
    )
    assert describe_answer(answer._replace(name=None, reason='too small')) == 'No answer: too small.'


@pytest.mark.slow
def test_people_are_found_again_and_go_with_their_folder(rim, make_face, tmp_path):
    people = People(rim, tmp_path / 'people')
    with pytest.raises(GalleryError, match='empty'):
        people.search(make_face(20))
    people.add(' Ada  Byron ', [make_face(20, 1), make_face(40, 2)])
    people.add('Ben', [make_face(30, 3)])
    assert People(rim, tmp_path / 'people').names() == {'Ada Byron': 2, 'Ben': 1}
    answer = people.search(make_face(40, 2))
    assert [hit.name for hit in answer.identified.hits] == ['Ada Byron', 'Ben']
    assert np.array_equal(answer.faces[0], make_face(40, 2))
    with pytest.raises(ValueError, match='a name first'):
        people.add(' ', [make_face(20)])
