"""A bar that moves face by face, though faces go through the networks in batches."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from time import perf_counter
from types import TracebackType

from tqdm import tqdm


class FaceBar:
    """A bar of faces, a context manager.

    While a batch is at work the bar moves a face at a time, at the pace of the batch before and never past the batch's
    last face but one; once the batch is done the bar tells how many faces are. Networks and metrics see whole batches,
    as face by face they take up to twice the time.

    Args:
        total: faces.
        title: at the bar's beginning.
        shown: False: there is no bar.
    """

    def __init__(self, total: int, title: str | None = None, shown: bool = True) -> None:
        self._bar = tqdm(total=total, unit='face', desc=title, disable=not shown)
        self._seconds = 0.0  # a face takes; 0: not known yet

    def __enter__(self) -> 'FaceBar':
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    @contextmanager
    def at_work(self, count: int) -> Iterator[None]:
        """Around the work on a batch of ``count`` faces."""
        begun, before, done = perf_counter(), self._bar.n, Event()
        ticker = Thread(target=self._tick, args=(count - 1, done), daemon=True)
        moves = self._seconds > 0 and not self._bar.disable
        if moves:
            ticker.start()
        try:
            yield
        finally:
            done.set()
            if moves:
                ticker.join()
        self._seconds = (perf_counter() - begun) / count
        self._bar.update(before + count - self._bar.n)

    def _tick(self, faces: int, done: Event) -> None:
        for _ in range(faces):
            if done.wait(self._seconds):
                return
            self._bar.update()
