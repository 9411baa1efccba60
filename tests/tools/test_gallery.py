"""The gallery: enrolling, searching, refusing, writing whole."""

import multiprocessing

import numpy as np
import pytest
from PIL import Image

from rim_plugin.files import locked
from rim_plugin.tools.gallery import Enrolled, Gallery, GalleryError, enrol, gallery_photos


def unit(count, seed=0, size=128):
    rows = np.random.default_rng(seed).normal(size=(count, size)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def filled(names, seed=0):
    index = Gallery('a' * 64)
    index.add([Enrolled(name, f'{name}/{i}.jpg', 28) for i, name in enumerate(names)], unit(len(names), seed))
    return index


@pytest.fixture
def people(tmp_path, make_face):
    """Three persons, one of them with two photos, one directly in the folder; and a file that is no picture."""
    root = tmp_path / 'people'
    for seed, name in enumerate(('Ann/1.png', 'Ann/2.png', 'Bob/1.png', 'Çelik.png')):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(make_face(28 + seed, seed)).save(root / name)
    (root / 'Bob/text.jpg').write_text('no picture')
    return root


def test_persons_are_ranked_by_their_best_photo():
    index = filled(['Ann', 'Bob', 'Ann', 'Cem', 'Ann'])
    probe = unit(1, 5)[0]
    similarities = index.embeddings @ probe
    best = {'Ann': similarities[[0, 2, 4]].max(), 'Bob': similarities[1], 'Cem': similarities[3]}
    hits = index.search(probe, 3)
    assert [hit.name for hit in hits] == sorted(best, key=best.get, reverse=True)
    assert [hit.similarity for hit in hits] == pytest.approx(sorted(best.values(), reverse=True), abs=1e-6)
    assert [hit.rank for hit in index.search(probe, 2)] == [1, 2]


def test_index_comes_back_and_refuses_other_weights(tmp_path):
    filled(['Ann', 'Bjørn']).save(tmp_path / 'index')
    loaded = Gallery.load(tmp_path / 'index', 'a' * 64)
    assert loaded.people() == {'Ann': 1, 'Bjørn': 1} and np.array_equal(loaded.embeddings, unit(2))
    assert loaded.photos == filled(['Ann', 'Bjørn']).photos
    with pytest.raises(GalleryError, match='made with other weights.*enrol into a new file'):
        Gallery.load(tmp_path / 'index', 'b' * 64)


def test_what_is_no_index_is_refused(tmp_path, tiny):
    with pytest.raises(GalleryError, match='no such gallery'):
        Gallery.load(tmp_path / 'index')
    (tmp_path / 'index').write_text('text')
    with pytest.raises(GalleryError, match='no gallery of rim-gallery'):
        Gallery.load(tmp_path / 'index')
    with pytest.raises(GalleryError, match='no gallery of rim-gallery'):
        Gallery.load(tiny.weights)


def test_the_same_photo_is_enrolled_once():
    index = filled(['Ann', 'Bob'])
    index.add([Enrolled('Ann', 'Ann/0.jpg', 56)], unit(1, 9))
    assert index.people() == {'Ann': 1, 'Bob': 1}
    assert index.search(unit(1, 9)[0], 1)[0][1:] == ('Ann', pytest.approx(1), 'Ann/0.jpg', 56)


def test_removed_persons_are_not_found():
    index = filled(['Ann', 'Bob', 'Ann'])
    assert index.search(unit(3)[0])[0].name == 'Ann'
    assert index.remove('Ann') == 2
    assert [hit.name for hit in index.search(unit(3)[0])] == ['Bob']
    with pytest.raises(GalleryError, match="did you mean 'Bob'"):
        index.remove('Bobb')
    index.remove('Bob')
    with pytest.raises(GalleryError, match='empty'):
        index.search(unit(1)[0])


def test_an_interrupted_write_leaves_the_old_index(tmp_path, monkeypatch):
    filled(['Ann']).save(tmp_path / 'index')
    before = (tmp_path / 'index').read_bytes()

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr('os.fsync', killed)
    with pytest.raises(KeyboardInterrupt):
        filled(['Ann', 'Bob']).save(tmp_path / 'index')
    assert (tmp_path / 'index').read_bytes() == before


def test_people_are_enrolled_from_a_folder(people, rim):
    index = Gallery('a')
    count, skipped = enrol(index, rim, people)
    assert count == 4 and index.people() == {'Ann': 2, 'Bob': 1, 'Çelik': 1}
    assert len(skipped) == 1 and 'text.jpg: not a picture' in skipped[0]
    hit = index.search(rim.embed(np.array(Image.open(people / 'Çelik.png'))), 1)[0]
    assert hit.name == 'Çelik' and hit.similarity == pytest.approx(1, abs=1e-4) and hit.side == 31


def test_people_are_enrolled_from_a_list(people, rim):
    (people / 'list.txt').write_text('Ann Ö\tAnn/1.png\n\nBob\tBob/1.png\n', encoding='utf-8')
    index = Gallery('a')
    assert enrol(index, rim, people / 'list.txt') == (2, []) and index.people() == {'Ann Ö': 1, 'Bob': 1}


@pytest.mark.parametrize(
    'content, message',
    [
        (b'Ann Ann/1.png\n', 'line 1: has to be NAME<tab>PHOTO'),
        (b'', 'names nobody'),
        (b'\xff\xfe', 'neither a folder'),
    ],
)
def test_lists_that_are_none_are_refused(tmp_path, content, message):
    (tmp_path / 'list.txt').write_bytes(content)
    with pytest.raises(GalleryError, match=message):
        gallery_photos(tmp_path / 'list.txt')
    with pytest.raises(FileNotFoundError, match='no such folder'):
        gallery_photos(tmp_path / 'nowhere')


class CountedPhotos(list):
    """Counts how many photos are looked at, one by one or all in a row."""

    looks = 0

    def __getitem__(self, index):
        self.looks += 1
        return super().__getitem__(index)

    def __iter__(self):
        self.looks += len(self)
        return super().__iter__()


def test_a_search_looks_at_the_nearest_photos_only():
    """However many are enrolled: the rest is one matrix product."""
    index = filled([f'person {i // 2}' for i in range(20_000)])
    index.photos = CountedPhotos(index.photos)
    index.search(unit(1)[0])  # counts everybody's photos, once
    for number in (7, 7_007, 19_999):
        index.photos.looks = 0
        hits = index.search(index.embeddings[number], 5)
        assert hits[0].file == f'person {number // 2}/{number}.jpg' and len(hits) == 5
        assert index.photos.looks <= 2 * 5 * 2  # name and photo, of five persons with two each


def enrol_twenty(path, name):
    for number in range(20):
        with locked(path):
            index = Gallery.load(path) if path.exists() else Gallery('a' * 64)
            index.add([Enrolled(name, str(number), 28)], np.eye(1, 8))
            index.save(path)


def test_two_processes_lose_nothing(tmp_path):
    path, context = tmp_path / 'made' / 'index', multiprocessing.get_context('fork')
    both = [context.Process(target=enrol_twenty, args=(path, name)) for name in ('Ann', 'Bob')]
    for process in both:
        process.start()
    for process in both:
        process.join(300)
    assert [process.exitcode for process in both] == [0, 0]
    assert Gallery.load(path).people() == {'Ann': 20, 'Bob': 20}


def test_a_photo_named_in_two_ways_is_enrolled_once(people, rim, monkeypatch):
    index = Gallery('a' * 64)
    enrol(index, rim, people)
    monkeypatch.chdir(people.parent)
    enrol(index, rim, 'people')
    (people / 'twice.txt').write_text('Ann\tAnn/1.png\nAnn\tAnn/1.png\n')
    enrol(index, rim, people / 'twice.txt')
    assert index.people() == {'Ann': 2, 'Bob': 1, 'Çelik': 1} and len(index.embeddings) == 4
