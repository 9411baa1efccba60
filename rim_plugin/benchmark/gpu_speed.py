"""How fast a GPU trains: steps as they are and recorded ones, in single precision and bf16, at several batches.

Batches of random faces lie on the GPU before the clock starts; everything of a training step counts, down to the terms
of the log. scripts/benchmark_gpu.py prints it.
"""

import gc
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from rim_plugin.batch import Batch
from rim_plugin.benchmark.random_training import training_batch, training_options
from rim_plugin.errors import first_words
from rim_plugin.templates import markdown_table

from basicsr.models import build_model

ROOT = Path(__file__).parents[2]
SIDE = 8192  # of the matrices whose product is the peak
WARM_UPS = 5  # steps; recorded ones are replayed from the fifth on
TODAY, BF16, CAPTURED, COMPILED = 'as it is, fp32', 'as it is, bf16', 'captured, bf16', 'captured and compiled, bf16'
MODES = {
    TODAY: ('train:amp=none',),
    BF16: ('train:amp=bf16',),
    CAPTURED: ('train:amp=bf16', 'train:captured=true'),
    COMPILED: ('train:amp=bf16', 'train:captured=true', 'train:compile=true'),
}
_RECOGNITION = ('path:pretrain_network_t=weights/rim.safetensors', 'train:phases=~', 'train:compile=false')


class Training(NamedTuple):
    """What is timed.

    Attributes:
        name: of the row.
        file: options, in the folder ``options``.
        forced: changes to them.
        modes: of MODES.
        batches: faces a step.
    """

    name: str
    file: str
    forced: tuple[str, ...] = ()
    modes: tuple[str, ...] = (TODAY, BF16, CAPTURED)
    batches: tuple[int, ...] = (32, 128, 512)


_WIDE = tuple(
    f'network_{key}'
    for key in (
        *('g:channels=1024', 'g:prior_channels=256', 'g:prior_width=768', 'g:landmark_width=1024'),
        'd:integrator:channels=1024',
    )
)
# the first ones matter most: time may run out
TRAININGS = (
    Training('FHN, base', 'fhn_base.yml'),
    Training('FHN, small', 'fhn_small.yml'),
    Training('FHN, 1024 channels', 'fhn_base.yml', _WIDE, (BF16, CAPTURED), (64,)),
    Training('student', 'rim_fast.yml', (*_RECOGNITION, 'train:phase=student')),
    Training('assistant', 'rim_fast.yml', (*_RECOGNITION, 'train:phase=assistant'), batches=(128,)),
    Training('joint', 'rim_fast.yml', (*_RECOGNITION, 'train:phase=joint', 'train:domain_opt=~'), batches=(128,)),
    Training('FHN, base', 'fhn_base.yml', modes=(COMPILED,), batches=(32, 128)),
)


class Row(NamedTuple):
    """One case.

    Attributes:
        training: name.
        mode: one of MODES.
        batch: faces a step.
        faces: a second; None where it failed.
        tflops: arithmetic of losses and gradients a second, in 10^12.
        note: why it failed.
    """

    training: str
    mode: str
    batch: int
    faces: float | None
    tflops: float | None
    note: str = ''


def peak(device: torch.device, side: int = SIDE, repeats: int = 20) -> float:
    """TFLOP a second of products of bf16 matrices."""
    a, b = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    for _ in range(3):
        a @ b
    seconds = _seconds(lambda: [a @ b for _ in range(repeats)], device)
    return 2 * side**3 * repeats / seconds / 1e12


def _seconds(run: Callable[[], Any], device: torch.device) -> float:
    _finish(device)
    start = time.perf_counter()
    run()
    _finish(device)
    return time.perf_counter() - start


def _finish(device: torch.device) -> None:
    if device.type == 'cuda':
        torch.cuda.synchronize()


def rows(
    trainings: Iterable[Training],
    device: torch.device,
    seconds: float,
    deadline: float,
    report: Callable[[str], Any] = print,
) -> list[Row]:
    """Rows of trainings, and lines of what is done meanwhile.

    Args:
        trainings: in order.
        device: on which models are built.
        seconds: for which each case is timed.
        deadline: by ``time.monotonic()``, after which no case begins.
        report: takes a line.
    """
    found = []
    for training in trainings:
        for mode in training.modes:
            for row in _rows_of(training, mode, device, seconds, deadline):
                found.append(row)
                speed = row.note or f'{row.faces:,.0f} faces/s, {row.tflops:.1f} TFLOP/s'
                report(f'{row.training}; {row.mode}; batch {row.batch}: {speed}')
            gc.collect()  # of the model before
            if device.type == 'cuda':
                torch.cuda.empty_cache()
    return found


def _rows_of(training: Training, mode: str, device: torch.device, seconds: float, deadline: float) -> Iterator[Row]:
    timed: Timed | None = None
    for batch in training.batches:
        if time.monotonic() > deadline:
            yield Row(training.name, mode, batch, None, None, 'no time left')
            continue
        try:
            timed = timed or Timed(training, mode, device)
            faces = timed.faces_per_second(batch, seconds)
            yield Row(training.name, mode, batch, faces, faces * timed.gflop / 1000)
        except (RuntimeError, ValueError) as error:
            yield Row(training.name, mode, batch, None, None, first_words(error))


class Timed:
    """A training that is timed.

    Attributes:
        gflop: of a face's losses and gradients, in 10^9.
    """

    def __init__(self, training: Training, mode: str, device: torch.device) -> None:
        file = str(ROOT / 'options' / training.file)
        self.options = training_options(file, (*training.forced, *MODES[mode]))
        self.options['path'] = {
            key: str(ROOT / value) if str(value).startswith('weights/') else value
            for key, value in self.options['path'].items()
        }
        self.device, self.model = device, build_model(self.options)
        self._iteration = iter(range(1, sys.maxsize))
        self.gflop = self._gflop(4)

    def _gflop(self, count: int) -> float:
        phase = self.model.trainer.enter_phase(1)
        batch = Batch.from_data(self.batch(count), self.device)
        plain = torch.compiler.set_stance('force_eager')  # within compiled networks nothing is counted
        untuned = torch.backends.cudnn.flags(enabled=True, benchmark=False)
        with plain, untuned, FlopCounterMode(display=False) as counter:
            reduce(add, phase.losses(batch).values()).backward()
        for net in self.model.nets.learning.values():
            net.zero_grad()
        return counter.get_total_flops() / count / 1e9

    def batch(self, count: int) -> dict[str, Tensor]:
        return training_batch(self.options, count, self.device)

    def faces_per_second(self, count: int, seconds: float) -> float:
        """Faces a second in steps with batches of ``count``, after some to warm up."""
        batch = self.batch(count)
        for _ in range(WARM_UPS):
            self.step(batch)
        once = _seconds(lambda: self.step(batch), self.device)
        steps = max(3, int(seconds / once))
        return count * steps / _seconds(lambda: self._steps(batch, steps), self.device)

    def _steps(self, batch: Mapping[str, Tensor], count: int) -> None:
        for _ in range(count):
            self.step(batch)

    def step(self, batch: Mapping[str, Tensor]) -> None:
        self.model.feed_data(batch)
        self.model.optimize_parameters(next(self._iteration))


def table(found: Sequence[Row], most: float) -> str:
    """Markdown.

    Args:
        found: rows.
        most: TFLOP a second of :func:`peak`.
    """
    today = {(row.training, row.batch): row.faces for row in found if row.mode == TODAY}
    lines = []
    for row in sorted(found, key=lambda row: (row.training, row.batch)):
        if row.faces is None or row.tflops is None:
            lines.append([row.training, row.batch, row.mode, row.note, '', '', ''])
            continue
        before = today.get((row.training, row.batch))
        times = f'{row.faces / before:.1f}' if before else ''
        lines.append(
            [
                *(row.training, row.batch, row.mode, f'{row.faces:,.0f}', times),
                *(f'{row.tflops:.1f}', f'{row.tflops / most:.1%}'),
            ]
        )
    header = ['training', 'batch', 'steps', 'faces / s', f'times {TODAY!r}', 'TFLOP / s', 'share of the bf16 peak']
    return f'bf16 peak: {most:.0f} TFLOP / s, product of {SIDE} x {SIDE} matrices\n\n{markdown_table(lines, header)}\n'
