"""What every store does: enrolling, searching, removing, refusing; in a file and on a server."""

import multiprocessing

import numpy as np
import pytest
from support.galleries import SHA256, fill, photos_of, unit

from rim_plugin.tools.gallery.opening import open_store
from rim_plugin.tools.gallery.store import EXACT, Enrolled, GalleryError, NoSuchGallery, best_photos, cut_of, newest


@pytest.fixture
def store(opened):
    return opened(SHA256, make=True)


def test_persons_are_ranked_by_their_best_photo(store):
    fill(store, ['Ann', 'Bob', 'Ann', 'Cem', 'Ann'])
    probe = unit(1, 5)[0]
    similarities = unit(5) @ probe
    best = {'Ann': similarities[[0, 2, 4]].max(), 'Bob': similarities[1], 'Cem': similarities[3]}
    hits = store.search(probe, 3)
    assert [hit.name for hit in hits] == sorted(best, key=best.get, reverse=True)
    assert [hit.similarity for hit in hits] == pytest.approx(sorted(best.values(), reverse=True), abs=2e-4)
    assert [hit.rank for hit in store.search(probe, 2)] == [1, 2]


def test_another_opening_finds_what_was_enrolled(store, opened):
    fill(store, ['Ann', 'Bjørn', "O'Neil\t%s"])
    again = opened(SHA256)
    assert again.sha256 == SHA256 and again.people() == {'Ann': 1, 'Bjørn': 1, "O'Neil\t%s": 1}
    assert again.search(unit(3)[1])[0][1:] == ('Bjørn', pytest.approx(1, abs=1e-3), 'Bjørn/1.jpg', 28, None)


def test_other_weights_and_missing_galleries_are_refused(opened):
    with pytest.raises(NoSuchGallery, match='no such gallery; rim-gallery enrol makes one'):
        opened()
    opened(SHA256, make=True)
    for make in (False, True):
        with pytest.raises(GalleryError, match='made with other weights.*enrol into a new gallery'):
            opened('b' * 64, make=make)


def test_the_same_photo_is_enrolled_once(store):
    fill(store, ['Ann', 'Bob'])
    again = Enrolled('Ann', 'Ann/0.jpg', 56, 0.75)
    store.add([again, again], unit(2, 9))
    assert store.people() == {'Ann': 1, 'Bob': 1}
    assert store.search(unit(2, 9)[1], 1)[0][1:] == ('Ann', pytest.approx(1, abs=1e-3), 'Ann/0.jpg', 56, 0.75)


def test_removed_persons_are_not_found(store):
    fill(store, ['Ann', 'Bob', 'Ann'])
    assert store.search(unit(3)[0])[0].name == 'Ann'
    assert store.remove('Ann') == 2
    assert [hit.name for hit in store.search(unit(3)[0])] == ['Bob']
    with pytest.raises(GalleryError, match="did you mean 'Bob'"):
        store.remove('Bobb')
    assert store.remove('Bob') == 1
    with pytest.raises(GalleryError, match='empty'):
        store.search(unit(1)[0])
    fill(store, ['Cem'])
    assert store.people() == {'Cem': 1}


def test_faces_cut_otherwise_are_refused_whole(store, opened):
    assert store.cut() is None
    fill(store, ['Ann', 'Bob'], cut='mtcnn')
    refused = 'its faces were cut by --detect mtcnn, these by --detect none: enrol by --detect mtcnn, or into a new '
    with pytest.raises(GalleryError, match=refused):
        fill(store, ['Cem', 'Dan'], cut='aligned')
    for each in (store, opened(SHA256)):
        assert each.people() == {'Ann': 1, 'Bob': 1} and each.cut() == 'mtcnn'
    assert fill(store, ['Cem'], cut='mtcnn').cut() == 'mtcnn'


def test_a_gallery_whose_faces_are_gone_takes_any(store):
    fill(store, ['Ann'], cut='auto')
    store.remove('Ann')
    assert fill(store, ['Bob'], cut='cascade').cut() == 'cascade'


def test_a_cut_is_known_as_long_as_it_is_of_every_face(store):
    assert fill(store, ['Ann'], cut='auto').cut() == 'auto'
    assert fill(store, ['Bob']).cut() is None
    assert fill(store, ['Cem'], cut='aligned').cut() is None
    assert store.people() == {'Ann': 1, 'Bob': 1, 'Cem': 1}


@pytest.mark.parametrize(
    'detect, cut',
    [(None, 'aligned'), ('none', 'aligned'), ('auto', 'auto'), ('a/scrfd.onnx', 'scrfd.onnx'), ('m:find', 'm:find')],
)
def test_a_word_says_how_faces_are_cut(detect, cut):
    assert cut_of(detect) == cut


@pytest.fixture
def former(database):
    """A function that makes a gallery, closed, with the columns and the index that it had before there were codes."""
    import psycopg

    def make(name, embeddings):
        with open_store(name, database, SHA256, make=True) as store:
            store.add(
                [Enrolled(f'person {row}', 'a.jpg', 28) for row in range(len(embeddings))], embeddings, cut='auto'
            )
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute('DROP TABLE rim_block')
            connection.execute('ALTER TABLE rim_gallery DROP COLUMN cut, DROP COLUMN version')
            connection.execute('ALTER TABLE rim_photo DROP COLUMN quality, DROP COLUMN id')
            number = connection.execute('SELECT id FROM rim_gallery WHERE name = %s', (name,)).fetchone()[0]
            size = embeddings.shape[1]
            connection.execute(
                f'CREATE INDEX rim_photo_{number} ON rim_photo USING hnsw '
                f'((embedding::halfvec({size})) halfvec_ip_ops) WHERE gallery = {number}'
            )

    return make


@pytest.mark.slow
def test_tables_of_before_are_searched_as_they_are_and_get_codes_when_they_are_written_to(former, database):
    rows = unit(EXACT + 100)
    former('former', rows)
    wanted = [f'person {row}' for row in range(0, len(rows), 500)]
    with open_store('former', database) as store:
        assert store.cut() is None and store.size() == len(rows)
        assert [store.search(row, 1)[0].name for row in rows[::500]] == wanted
        assert store.remove('person 7') == 1
        fill(store, ['Ann'], seed=9)
    with open_store('former', database, SHA256, make=True) as store:
        assert [store.search(row, 1)[0].name for row in rows[::500]] == wanted
        assert store.search(rows[7], 1)[0].name != 'person 7'
        assert fill(store, ['Bob'], seed=8, cut='mtcnn').cut() is None and store.size() == len(rows) + 1


@pytest.mark.slow
def test_a_connection_sees_what_another_writes(database):
    rows = unit(EXACT + 300)
    photos = photos_of([f'person {row}' for row in range(len(rows))])
    with open_store('seen', database, SHA256, make=True) as one, open_store('seen', database) as other:
        one.add(photos[:-100], rows[:-100])
        assert other.search(rows[5], 1)[0].name == 'person 5'
        assert other.search(rows[-5], 1)[0].similarity < 0.9
        one.add(photos[-100:], rows[-100:])
        assert one.remove('person 5') == 1
        assert other.search(rows[-5], 1)[0].name == photos[-5].name
        assert other.search(rows[5], 1)[0].name != 'person 5'
        for name in ('person 10', 'person 4099'):
            assert one.remove(name) == 1
        assert other.search(rows[4099], 1)[0].name != 'person 4099'


@pytest.mark.slow
def test_damaged_codes_on_a_server_are_told(database):
    import psycopg

    with open_store('damaged', database, SHA256, make=True) as store:
        fill(store, ['Ann'])
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute('UPDATE rim_block SET crc = crc + 1')
    with open_store('damaged', database) as store, pytest.raises(GalleryError, match='damaged .codes from .* on.*copy'):
        store.search(unit(1)[0])


@pytest.mark.parametrize('value', [np.nan, np.inf, 3e4, 0])
def test_embeddings_out_of_range_are_refused_whole(store, value):
    fill(store, ['Ann', 'Bob'])
    wrong = unit(2, 1)
    wrong[1] = value
    with pytest.raises(GalleryError, match='embedding 1 has the length'):
        store.add(photos_of(['Cem', 'Dan']), wrong)
    with pytest.raises(GalleryError, match='the probe: embedding 0 has the length'):
        store.search(wrong[1])
    with pytest.raises(GalleryError, match=r'\(1, 64\), and not \(n, 128\)'):
        store.add(photos_of(['Cem']), unit(1, size=64))
    with pytest.raises(GalleryError, match='2 photos with 1 embeddings'):
        store.add(photos_of(['Cem', 'Dan']), unit(1))
    assert store.people() == {'Ann': 1, 'Bob': 1}


def test_names_that_are_no_text_are_written_readably(store):
    fill(store, ['a\udcff', 'b\0'])
    assert store.people() == {'a\\xff': 1, 'b\\x00': 1}
    assert store.remove('a\udcff') == 1


@pytest.mark.slow
def test_many_photos_of_few_persons_are_all_looked_at(store):
    """A search of more persons than the nearest photos hold goes on until it has them."""
    store.add([Enrolled('many', str(number), 28) for number in range(EXACT)], near(EXACT))
    fill(store, ['Ann', 'Bob', 'Cem'])
    assert [hit.name for hit in store.search(near(1)[0], 3)][0] == 'many'
    assert len(store.search(near(1)[0], 4)) == len(store.search(near(1)[0], 9)) == 4


def near(count):
    """Embeddings near to each other."""
    rows = unit(count, 3) * 0.1 + unit(1, 4)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.slow
def test_a_large_gallery_finds_what_an_exact_search_does(store):
    """Photos of a person lie around it, probes farther; the smaller components say little, as of real faces."""
    persons = unit(2 * EXACT) * np.arange(1, 129) ** -0.3
    rows, probes = (scaled(persons + noise * unit(len(persons), seed)) for noise, seed in ((0.2, 1), (0.3, 2)))
    store.add([Enrolled(str(number), 'a.jpg', 28) for number in range(len(rows))], rows)
    assert store.remove('7') == 1
    rows[7] = -probes[:40].mean(0)
    truth = np.argsort(-probes[:40] @ rows.T, axis=1)[:, :5]
    found = np.array([[int(hit.name) for hit in store.search(probe)] for probe in probes[:40]])
    shares = [len({*row} & {*right}) / 5 for row, right in zip(found, truth)]
    assert np.mean(found[:, 0] == truth[:, 0]) == 1 and np.mean(shares) >= 0.99


def scaled(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def enrol_twenty(place, server, name):
    for number in range(20):
        with open_store(place, server, SHA256, make=True) as store:
            store.add([Enrolled(name, str(number), 28)], np.eye(1, 8))


@pytest.mark.slow
@pytest.mark.parametrize('kind', ['file', 'server'])
def test_two_processes_lose_nothing(kind, tmp_path, request):
    place, server = (tmp_path / 'made/index', None) if kind == 'file' else ('two', request.getfixturevalue('database'))
    context = multiprocessing.get_context('spawn')
    both = [context.Process(target=enrol_twenty, args=(place, server, name)) for name in ('Ann', 'Bob')]
    for process in both:
        process.start()
    for process in both:
        process.join(200)
    assert [process.exitcode for process in both] == [0, 0]
    with open_store(place, server) as store:
        assert store.people() == {'Ann': 20, 'Bob': 20}


def test_a_search_looks_at_no_more_photos_than_it_needs():
    photos = iter([(0.9, Enrolled('Ann', '1', 28)), (0.8, Enrolled('Ann', '2', 28)), (0.7, Enrolled('Bob', '3', 28))])
    assert [hit[:4] for hit in best_photos(photos, 1)] == [(1, 'Ann', 0.9, '1')]
    assert len(list(photos)) == 2


def test_of_two_photos_of_one_name_the_last_is_newest():
    photos, rows = newest([Enrolled('a', 'f', 1), Enrolled('b', 'f', 2), Enrolled('a', 'f', 3)], np.eye(3))
    assert photos == [Enrolled('a', 'f', 3), Enrolled('b', 'f', 2)] and np.array_equal(rows, np.eye(3)[[2, 1]])
