"""The loop over faces."""

import threading

import pytest
import torch
from support.tiny_rim import Faces

from rim_plugin.errors import OptionsError
from rim_plugin.evaluation import driver, progress
from rim_plugin.evaluation.driver import evaluate


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


@pytest.mark.parametrize('step', [None, dict])
def test_evaluators_see_whole_batches_and_the_bar_counts_faces(monkeypatch, step):
    bars, seen = [], []

    class Bar(progress.FaceBar):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            bars.append(self)

    class Names:
        def reset(self):
            pass

        def process(self, data):
            seen.append((data['lq_path'], bars[0]._bar.n))

    monkeypatch.setattr(driver, 'FaceBar', Bar)
    evaluate(Faces(3), step, [Names()], batch_size=2, progress=True)
    assert seen == [(['0.png', '1.png'], 0), (['2.png'], 2)]
    assert (bars[0]._bar.n, bars[0]._bar.total, bars[0]._bar.unit) == (3, 3, 'face')
