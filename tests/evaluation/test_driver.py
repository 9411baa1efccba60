"""The loop over faces."""

import threading

import pytest
import torch
from support.tiny_rim import Faces

from rim_plugin.errors import OptionsError
from rim_plugin.evaluation import driver
from rim_plugin.evaluation.driver import each_face, evaluate


def test_the_loop_shows_all_items_in_order_and_leaves_the_random_state():
    before, seen = torch.get_rng_state(), []

    class Names:
        def reset(self):
            seen.append('reset')

        def process(self, data):
            assert torch.is_inference_mode_enabled() and not data['gt'].is_inference()
            seen.extend(data['lq_path'])

    evaluate(Faces(5), None, [Names()], batch_size=2)
    assert seen == ['reset', *(f'{i}.png' for i in range(5))] and torch.equal(before, torch.get_rng_state())


class Slow(Faces):
    """Faces of which the second batch is there once the first is at work."""

    at_work = threading.Event()

    def __getitem__(self, index):
        assert index < 2 or self.at_work.wait(10)
        return super().__getitem__(index)


class Waiting:
    """Is done with its first batch when the second has begun to load."""

    def reset(self):
        self.count = 0

    def process(self, data):
        self.count += len(data['lq'])
        Slow.at_work.set()


def test_the_next_batch_is_loaded_while_one_is_at_work():
    waiting = Waiting()
    evaluate(Slow(5), None, [waiting], batch_size=2)
    assert waiting.count == 5


class Broken(Faces):
    """The fourth face cannot be read."""

    def __getitem__(self, index):
        if index == 3:
            raise OptionsError('face 3 cannot be used')
        return super().__getitem__(index)


def test_an_error_of_a_face_arrives_as_it_is_and_a_failed_step_does_not_hang():
    with pytest.raises(OptionsError, match=r'^face 3 cannot be used$'):
        evaluate(Broken(5), None, [Waiting()], batch_size=2)

    def fail(batch):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        evaluate(Faces(5), fail, [Waiting()], batch_size=2)
    evaluate(Faces(0), fail, [Waiting()])


def test_the_bar_moves_as_each_face_is_processed(monkeypatch):
    happened = []

    class Bar:
        def __init__(self, total, **arguments):
            happened.append((total, arguments['unit'], arguments['disable']))

        def __enter__(self):
            return self

        def __exit__(self, *error):
            happened.append('end')

        def update(self, count):
            happened.append(count)

    class Names:
        def reset(self):
            pass

        def process(self, data):
            happened.extend(data['lq_path'])

    monkeypatch.setattr(driver, 'tqdm', Bar)
    evaluate(Faces(3), dict, [Names()], batch_size=2, progress=True)
    assert happened == [(3, 'face', False), '0.png', 1, '1.png', 1, '2.png', 1, 'end']


def test_faces_of_a_batch_one_by_one():
    groups = [torch.rand(2, 3, 8, 8), torch.rand(1, 3, 4, 4)]
    gt = torch.rand(3, 3, 64, 64)
    faces = list(each_face({'gt': gt, 'lq': groups, 'landmarks': None, 'lq_path': ['a', 'b', 'c']}))
    assert [tuple(face['lq'].shape) for face in faces] == [(1, 3, 8, 8), (1, 3, 8, 8), (1, 3, 4, 4)]
    assert [face['lq_path'] for face in faces] == [['a'], ['b'], ['c']]
    assert all(face['landmarks'] is None for face in faces)
    assert torch.equal(torch.cat([face['gt'] for face in faces]), gt)
    assert torch.equal(faces[1]['lq'][0], groups[0][1]) and torch.equal(faces[2]['lq'], groups[1])
