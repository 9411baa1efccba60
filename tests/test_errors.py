"""Words that help to mend a mistake."""

import pytest

from rim_plugin.errors import SkippedPhoto, check_choice, did_you_mean, first_words, some

FRUIT = ('apple', 'pear', 'plum')


@pytest.mark.parametrize(
    'name, known, told',
    [
        ('aple', FRUIT, "; did you mean 'apple'?"),
        ('xyz', FRUIT, '; known: apple, pear, plum'),
        (3, {1, 2}, '; known: 1, 2'),
        ('xyz', map(str, range(12)), '; known: 0, 1, 10, 11, 2, 3, 4, 5, 6, 7, 8, 9'),
        ('xyz', map(str, range(13)), ''),  # a list that nobody reads
        ('xyz', (), ''),
    ],
)
def test_did_you_mean(name, known, told):
    assert did_you_mean(name, known) == told


def test_check_choice():
    check_choice('norm', 'none', ('none', 'batch'))
    with pytest.raises(ValueError, match="^norm: 'batches' is unknown; did you mean 'batch'\\?$"):
        check_choice('norm', 'batches', ('none', 'batch'))


@pytest.mark.parametrize(
    'names, told', [([], ''), ('ba', 'a, b'), ('cba', 'a, b, c'), ('dcba', 'a, b, c and 1 more'), ((2, 1), '1, 2')]
)
def test_some(names, told):
    assert some(names) == told


def test_first_words():
    assert first_words(OSError('a\n  b')) == 'a b'
    assert first_words(OSError()) == 'OSError'
    words = first_words(ValueError('word ' * 100))
    assert len(words) <= 150 and words.endswith('[...]')


def test_a_skipped_photo_has_reason_and_detail():
    error = SkippedPhoto('no face', 'the largest is 3 pixels wide')
    assert (error.reason, error.detail) == ('no face', 'the largest is 3 pixels wide')
    assert SkippedPhoto('no face').detail == ''
