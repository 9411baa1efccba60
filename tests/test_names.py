"""One person, however a system writes the name."""

from rim_plugin.names import same_key, same_name

MAC = 'Zoe\u0308'


def test_a_letter_with_its_mark_is_the_letter():
    assert same_name(MAC) == 'Zo\u00eb' != MAC and same_name('Ann') == 'Ann'


def test_a_key_of_a_store_stands_for_the_same_name():
    assert same_key('Zoe%CC%88/1') == same_key('Zo%C3%AB/1') == same_key(f'{MAC}/1') == 'Zo\u00eb/1'
