"""A name, nobody, or a reason why there is no answer."""

import pytest
from support.galleries import fill, photos_of, unit
from support.tiny_weights import CALIBRATIONS

from rim_plugin.tools.api import RIM
from rim_plugin.tools.gallery.identification import identify
from rim_plugin.tools.gallery.sqlite_store import SqliteStore
from rim_plugin.tools.gallery.store import Enrolled


@pytest.fixture
def store(tmp_path, rim):
    return SqliteStore(tmp_path / 'people.rim', rim.weights.sha256 or 'a' * 64, make=True)


def test_who_is_enrolled_is_named(rim, store, make_face):
    face = make_face(28, 1)
    store.add([Enrolled('Ann', 'ann.png', 28)], rim.embed([face]))
    answer = identify(rim, store, face)
    assert (answer.name, answer.nobody, answer.reason, answer.fpir, answer.photos) == ('Ann', False, '', 0.01, 1)
    assert answer.hits[0].similarity > answer.hits[0].threshold and answer.values()['hits'][0]['same']


def test_strangers_are_nobody_and_the_threshold_rises_with_the_gallery(rim, store, make_face):
    fill(store, ['Ann', 'Bob'])
    few = identify(rim, store, make_face(28))
    assert few.name is None and few.nobody and few.photos == 2
    store.add(photos_of([f'P{number}' for number in range(300)]), unit(300, 1))
    many, strict = identify(rim, store, make_face(28)), identify(rim, store, make_face(28), fpir=0.001)
    assert few.hits[0].threshold < many.hits[0].threshold < strict.hits[0].threshold and many.nobody


def test_sizes_that_were_not_calibrated_name_nobody(rim, store, make_face):
    face = make_face(6)
    store.add([Enrolled('Ann', 'ann.png', 28)], rim.embed([face]))
    answer = identify(rim, store, face)
    assert answer.name is None and not answer.nobody and 'not of 6 pixels' in answer.reason
    assert answer.hits[0].threshold is None and not answer.hits[0].same


def test_weights_without_tails_name_nobody(rim, store, make_face):
    face = make_face(28)
    store.add([Enrolled('Ann', 'ann.png', 28)], rim.embed([face]))
    before = tuple(each._replace(tail=None) for each in CALIBRATIONS)
    answer = identify(RIM(rim.weights._replace(calibrations=before), 'cpu'), store, face)
    assert answer.name is None and 'no false match rates' in answer.reason


def test_names_of_a_mac_and_of_a_list_are_one(store):
    store.add([Enrolled('Zoe\u0308', 'a.png', 28), Enrolled('Zo\u00eb', 'b.png', 28)], unit(2))
    assert store.people() == {'Zo\u00eb': 2} and store.size() == 2
    assert store.remove('Zoe\u0308') == 2
