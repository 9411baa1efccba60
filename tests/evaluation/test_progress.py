"""The bar of faces that are worked on in batches."""

import threading
from time import monotonic, sleep

import pytest

from rim_plugin.evaluation import progress
from rim_plugin.evaluation.progress import FaceBar


@pytest.fixture
def moves(monkeypatch):
    """By how much the bar moves, move by move."""
    made = []

    class Bar(progress.tqdm):
        def update(self, count=1):
            made.append(count)
            super().update(count)

    monkeypatch.setattr(progress, 'tqdm', Bar)
    return made


def tickers():
    return [thread for thread in threading.enumerate() if '_tick' in thread.name]


def wait_for(moves, wanted):
    """Until the bar has moved so, at most ten seconds."""
    begun = monotonic()
    while moves != wanted and monotonic() - begun < 10:
        sleep(0.001)
    assert moves == wanted


def test_the_bar_moves_face_by_face_at_the_pace_of_the_batch_before(moves, capsys):
    with FaceBar(7, 'faces') as bar:
        with bar.at_work(3):
            sleep(0.03)
            assert moves == []  # no pace is known yet
        assert moves == [3]
        with bar.at_work(4):
            assert tickers()
            wait_for(moves, [3, 1, 1, 1])
            sleep(0.05)
            assert moves == [3, 1, 1, 1]  # the last face is done when the batch is
        assert moves == [3, 1, 1, 1, 1]
    assert '7/7' in capsys.readouterr().err


def test_a_batch_that_is_quicker_than_the_one_before_counts_in_full(moves):
    with FaceBar(6) as bar:
        with bar.at_work(1):
            sleep(0.2)
        with bar.at_work(5):
            pass
    assert moves == [1, 5]


def test_a_batch_that_fails_is_not_counted_and_leaves_no_thread(moves):
    with pytest.raises(ZeroDivisionError), FaceBar(4) as bar:
        with bar.at_work(2):
            sleep(0.02)
        with bar.at_work(2):
            raise ZeroDivisionError
    assert moves == [2] and not tickers()


def test_without_a_bar_nothing_is_shown_and_no_thread_starts(capsys):
    with FaceBar(4, shown=False) as bar:
        for _ in range(2):
            with bar.at_work(2):
                sleep(0.01)
                assert not tickers()
    assert capsys.readouterr() == ('', '')
