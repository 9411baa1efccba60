"""Pictures read ahead in parts, and written behind."""

import os
import sys
import threading

import numpy as np
import pytest
from PIL import Image
from support.large_pictures import write_header

from rim_plugin.data.photo_files import Photo, read_rgb
from rim_plugin.errors import UnreadableImage
from rim_plugin.tools.file_queue import Writer, one_ahead, parts_of, read_ahead, write_photo


def plain(image):
    return Photo(image, None, b'')


def test_a_picture_is_written_whole_or_not_at_all(tmp_path, make_face):
    write_photo(tmp_path / 'new' / 'ü.png', plain(make_face(20)))
    assert np.array_equal(read_rgb(tmp_path / 'new' / 'ü.png'), make_face(20))
    assert [path.name for path in (tmp_path / 'new').iterdir()] == ['ü.png']


def test_parts_are_bounded_by_number_and_by_pixels(tmp_path):
    jobs = []
    for number, side in enumerate((8, 8, 8, 1500, 1500, 1500, 3000, 8)):
        jobs.append((write_header(tmp_path / f'{number}.png', side, side), tmp_path / 'out'))
    (tmp_path / '8.png').write_text('no picture')
    os.mkfifo(tmp_path / '9.png')
    jobs += [(tmp_path / f'{number}.png', tmp_path / 'out') for number in (8, 9)]
    parts = [[path.stem for path, _ in part] for part in parts_of(jobs, 3)]
    assert parts == [['0', '1', '2'], ['3'], ['4'], ['5'], ['6'], ['7', '8', '9']]
    assert list(parts_of([], 3)) == []


def test_parts_are_read_in_order(tmp_path):
    parts = []
    for number in range(5):
        paths = [tmp_path / f'{number}_{place}.png' for place in range(3)]
        for path in paths:
            Image.fromarray(np.full((8, 8, 3), number, np.uint8)).save(path)
        parts.append([(path, path.with_suffix('')) for path in paths])
    parts[3][1][0].write_text('no picture')
    seen = []
    for number, part in enumerate(read_ahead(iter(parts), lambda width, height: None)):
        assert [read[:2] for read in part] == parts[number]
        seen += [read[2] for read in part]
    levels = [None if isinstance(each, UnreadableImage) else int(each.pixels[0, 0, 0]) for each in seen]
    assert levels == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, None, 3, 4, 4, 4]


def test_an_item_is_made_ahead_by_another_thread_and_no_more_than_one():
    made = [threading.Event() for _ in range(5)]
    threads = set()

    def items():
        for number, event in enumerate(made):
            threads.add(threading.current_thread())
            event.set()
            yield number

    for number in one_ahead(items()):
        if number + 1 < len(made):
            assert made[number + 1].wait(5)
        assert not any(event.is_set() for event in made[number + 2 :])
    assert number == 4 and len(threads) == 1 and threading.main_thread() not in threads
    assert list(one_ahead(iter(()))) == []


def test_what_goes_wrong_ahead_is_told_in_its_turn():
    def items():
        yield 1
        raise ValueError('second')

    ahead = one_ahead(items())
    assert next(ahead) == 1
    with pytest.raises(ValueError, match='second'):
        next(ahead)


def test_a_picture_may_be_made_by_the_thread_that_writes_it(tmp_path):
    threads = []

    def make():
        threads.append(threading.current_thread())
        yield tmp_path / 'a.png', plain(np.zeros((8, 8, 3), np.uint8))
        yield tmp_path / 'b.png', plain(np.zeros((8, 8, 3), np.uint8))

    with Writer() as writer:
        writer.write_made(make)
    assert {path.name for path in tmp_path.iterdir()} == {'a.png', 'b.png'}
    assert threads and threading.main_thread() not in threads


def test_a_writer_has_written_all_when_it_ends_and_tells_what_failed(tmp_path):
    image = plain(np.zeros((8, 8, 3), np.uint8))
    with Writer() as writer:
        for number in range(100):
            writer.write(tmp_path / f'{number}.png', image)
    assert len(list(tmp_path.iterdir())) == 100
    (tmp_path / 'file').touch()
    with pytest.raises(FileExistsError), Writer() as writer:
        writer.write(tmp_path / 'file/a.png', image)


@pytest.mark.skipif(sys.platform != 'linux', reason='Linux alone has policies by thread')
def test_the_threads_of_files_leave_the_networks_their_core():
    def policies():
        yield os.sched_getscheduler(0)

    assert list(one_ahead(policies())) == [os.SCHED_BATCH]
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_threads_work_where_the_system_refuses_them_a_policy(monkeypatch):
    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(os, 'sched_setscheduler', refuse, raising=False)
    assert list(one_ahead(iter([1, 2]))) == [1, 2]
