"""Who is enrolled from a folder or a list."""

from functools import partial

import numpy as np
import pytest
from PIL import Image
from support.galleries import SHA256

from rim_plugin.data.alignment import alignment_template
from rim_plugin.errors import UnreadableImage
from rim_plugin.tools import photos
from rim_plugin.tools.gallery import enrolment
from rim_plugin.tools.gallery.enrolment import embed_photos, enrol, gallery_photos
from rim_plugin.tools.gallery.opening import open_store
from rim_plugin.tools.gallery.store import GalleryError


@pytest.fixture
def gallery(tmp_path):
    """Opens a gallery, which it makes."""
    return partial(open_store, tmp_path / 'index', None, SHA256, True)


def test_people_are_enrolled_from_a_folder(people, rim, gallery):
    count, skipped = enrol(gallery, rim, people)
    assert count == 4 and len(skipped) == 1 and 'text.jpg: not a picture' in skipped[0]
    with gallery() as store:
        assert store.people() == {'Ann': 2, 'Bob': 1, 'Çelik': 1}
        hit = store.search(rim.embed(np.array(Image.open(people / 'Çelik.png'))), 1)[0]
    assert hit.name == 'Çelik' and hit.similarity == pytest.approx(1, abs=1e-3) and hit.side == 31


def test_photos_too_small_for_any_verdict_are_left_out(people, rim, gallery, make_face):
    Image.fromarray(make_face(7)).save(people / 'Dan.png')
    count, skipped = enrol(gallery, rim, people)
    assert count == 4 and len(skipped) == 2
    assert skipped[1].endswith('Dan.png: is of 7 pixels; verdicts are for 8 and more: take a larger picture')


def test_how_enrolled_faces_are_cut_is_kept(people, rim, gallery):
    enrol(gallery, rim, people)
    with gallery() as store:
        assert store.cut() == 'aligned'
        before = store.people()
    with pytest.raises(GalleryError, match='cut by --detect none, these by --detect auto'):
        enrol(gallery, rim, people, cut='auto')
    with gallery() as store:
        assert (store.people(), store.cut()) == (before, 'aligned')


def test_of_a_detector_without_a_name_the_cut_is_not_known(people, rim, gallery):
    def find(photo):
        return [alignment_template(len(photo))]

    enrol(gallery, rim, people, find)
    with gallery() as store:
        assert store.size() == 4 and store.cut() is None


def test_people_are_enrolled_from_a_list(people, rim, gallery):
    (people / 'list.txt').write_text('Ann Ö\tAnn/1.png\n\nBob\tBob/1.png\n', encoding='utf-8')
    assert enrol(gallery, rim, people / 'list.txt') == (2, [])
    with gallery() as store:
        assert store.people() == {'Ann Ö': 1, 'Bob': 1}


def test_what_was_enrolled_before_an_error_stays(people, rim, gallery, monkeypatch):
    """Photos are enrolled part by part."""
    monkeypatch.setattr(enrolment, '_PART', 1)
    monkeypatch.setattr(rim, 'batch', 2)
    examine = rim.examine
    answers = iter([examine, examine])
    monkeypatch.setattr(rim, 'examine', lambda faces: next(answers)(faces))
    (people / 'Dan.png').write_bytes((people / 'Çelik.png').read_bytes())
    with pytest.raises(RuntimeError):  # of a generator without answers
        enrol(gallery, rim, people)
    with gallery() as store:
        assert sum(store.people().values()) == 3


@pytest.mark.slow
def test_a_photo_named_in_two_ways_is_enrolled_once(people, rim, gallery, monkeypatch):
    enrol(gallery, rim, people)
    monkeypatch.chdir(people.parent)
    enrol(gallery, rim, 'people')
    (people / 'twice.txt').write_text('Ann\tAnn/1.png\nAnn\tAnn/1.png\n')
    enrol(gallery, rim, people / 'twice.txt')
    with gallery() as store:
        assert store.people() == {'Ann': 2, 'Bob': 1, 'Çelik': 1}


def test_without_a_usable_photo_no_gallery_is_made(tmp_path, rim, gallery):
    (tmp_path / 'people').mkdir()
    (tmp_path / 'people/text.jpg').write_text('no picture')
    with pytest.raises(GalleryError, match='not one photo can be used; the first: .*text.jpg'):
        enrol(gallery, rim, tmp_path / 'people')
    assert not (tmp_path / 'index').exists()


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


def test_embedding_takes_photos_as_they_come(people, rim):
    read = []

    def coming():
        for each in gallery_photos(people):
            read.append(each)
            yield each

    first = next(embed_photos(rim, coming(), None))
    assert len(first.photos) + len(first.skipped) == len(read)
    assert len(read) == min(rim.batch, len(gallery_photos(people)))


def test_photos_are_taken_one_by_one_as_they_are_read(people, rim, monkeypatch):
    """So that a bar around them moves with each."""
    happened = []

    def read(path, detector):
        happened.append(path)
        raise UnreadableImage(f'{path}: not looked at')

    monkeypatch.setattr(photos, 'read_faces', read)
    everyone = gallery_photos(people)

    def coming():
        for each in everyone:
            happened.append('next')
            yield each

    list(embed_photos(rim, coming(), None))
    assert happened == [each for _, path in everyone for each in ('next', path)]
