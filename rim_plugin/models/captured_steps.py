"""Training steps that are recorded once and then replayed: a GPU starts one CUDA graph instead of a thousand kernels.

What a step does between two looks of the CPU at a number is recorded: the losses and their gradients, and what follows
from gradients: clipping and the optimizers' steps. Between the two the CPU waits, once, to check that the losses are
finite. https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs has the rules that this module keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils._pytree import tree_leaves, tree_map

from rim_plugin.batch import Batch
from rim_plugin.errors import OptionsError, first_words
from rim_plugin.models.optimisation import Optimisation
from rim_plugin.models.phases.base import Losses, Phase
from rim_plugin.muon import Muon

MOST_GRAPHS = 16  # of a phase: each holds gradients of its own
WARM_UPS = 3  # steps as they are, before one of their kind is recorded: libraries choose their algorithms meanwhile


class Graphs(Protocol):
    """Who records."""

    def warming_up(self) -> AbstractContextManager[None]:
        """Where work is done that is to be recorded next."""

    def record(self, run: Callable[[], None]) -> Callable[[], None]:
        """What does again, on the same memory, what ``run`` does on the device. It may be that nothing is done yet."""


class CUDAGraphs:
    """Records CUDA graphs, which share their memory: each one's results are used up before another is replayed.

    Args:
        device: a GPU.
    """

    def __init__(self, device: torch.device) -> None:
        self._stream: Any = torch.cuda.Stream(device)
        self._pool = torch.cuda.graph_pool_handle()

    @contextmanager
    def warming_up(self) -> Iterator[None]:
        """On the stream of the records, not the default one, whose work cannot be recorded."""
        current = torch.cuda.current_stream()
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            yield
        current.wait_stream(self._stream)

    def record(self, run: Callable[[], None]) -> Callable[[], None]:
        """Nothing is done before the result is called."""
        graph = torch.cuda.CUDAGraph()
        # threads of data loaders may allocate memory meanwhile
        with torch.cuda.graph(graph, self._pool, self._stream, capture_error_mode='thread_local'):
            run()
        replay: Callable[[], None] = graph.replay
        return replay


class CapturedSteps:
    """The steps of one phase. Batches of one shape have a graph; the first of them are trained on as they are.

    Args:
        phase: whose parts learn as long as this object is used.
        optimisation: takes gradients and steps.
        graphs: records.
        device: of networks and batches.
        warn: logs a line.
    """

    def __init__(
        self, phase: Phase, optimisation: Optimisation, graphs: Graphs, device: torch.device, warn: Callable[[str], Any]
    ) -> None:
        self.phase, self._optimisation, self._graphs, self._device, self._warn = (
            *(phase, optimisation, graphs),
            *(device, warn),
        )
        self._steps: dict[Hashable, _CapturedStep] = {}

    def step(self, batch: Batch, iteration: int) -> Losses:
        """One step of the phase, see :meth:`Phase.step`; its terms lie on the CPU where it was replayed.

        Raises:
            OptionsError: a step cannot be recorded.
            FloatingPointError: a loss is NaN or infinite; raised before any weight changes because of it.
        """
        if not self.phase.is_capturable(iteration):
            return self._plain(batch, iteration)
        key = signature(batch, self._device)
        if key not in self._steps:
            if len(self._steps) == MOST_GRAPHS:
                self._warn(
                    f'train.captured: batches of phase {self.phase.name} have more than {MOST_GRAPHS} shapes; the rest '
                    'is trained on without graphs. query_sizes_per_batch keeps them few.'
                )
                return self._plain(batch, iteration)
            self._steps[key] = _CapturedStep(
                self.phase, self._optimisation, self._graphs, copied(batch, self._device), self._device
            )
        return self._steps[key].step(batch, iteration)

    def _plain(self, batch: Batch, iteration: int) -> Losses:
        return self.phase.step(batch.chunks(self._optimisation.chunks), iteration, self._optimisation)


def signature(batch: Batch, device: torch.device) -> Hashable:
    """What two batches have in common that one graph serves: shapes and types, and all that is not on the device."""

    def described(value: Any) -> Hashable:
        if not isinstance(value, Tensor):
            return cast(Hashable, value)
        return tuple(value.shape), value.dtype, None if _lies_on(device, value) else tuple(value.flatten().tolist())

    return len(batch.probes), tuple(map(described, tree_leaves(vars(batch))))


def copied(batch: Batch, device: torch.device) -> Batch:
    """The batch in memory of its own, as far as it lies on the device."""

    def copy(value: Any) -> Any:
        return value.clone() if _lies_on(device, value) else value

    return Batch(**tree_map(copy, vars(batch)))


def _on(device: torch.device, batch: Batch) -> list[Tensor]:
    """The tensors of a batch on the device, in an order."""
    return [each for each in tree_leaves(vars(batch)) if _lies_on(device, each)]


def _lies_on(device: torch.device, value: Any) -> bool:
    """Whether a value is a tensor on the device."""
    return isinstance(value, Tensor) and value.device.type == device.type


class _CapturedStep:
    """A step for batches of one signature.

    Args:
        inputs: a batch in memory of its own, into which others are copied.
    """

    def __init__(
        self, phase: Phase, optimisation: Optimisation, graphs: Graphs, inputs: Batch, device: torch.device
    ) -> None:
        self._phase, self._optimisation, self._graphs, self._inputs = phase, optimisation, graphs, inputs
        self._device, self._warm_ups = device, 0
        self._losses: _RecordedLosses | None = None
        self._update: _Update | None = None

    def step(self, batch: Batch, iteration: int) -> Losses:
        for mine, theirs in zip(*(_on(self._device, each) for each in (self._inputs, batch)), strict=True):
            mine.copy_(theirs, non_blocking=True)
        chunks = self._inputs.chunks(self._optimisation.chunks)
        if self._warm_ups < WARM_UPS:
            self._warm_ups += 1
            with self._graphs.warming_up():
                return self._phase.step(chunks, iteration, self._optimisation)
        with self._said():
            self._losses = self._losses or _RecordedLosses(
                self._phase, self._optimisation, self._graphs, chunks, iteration
            )
        log = self._losses.replay()
        self._optimisation.check(log)
        with self._said():
            self._update = self._update or _Update(self._optimisation, self._graphs, self._losses, self._device)
        self._update.replay()
        return log

    @contextmanager
    def _said(self) -> Iterator[None]:
        """Errors of a record, of which there are as many as there are operators, in the words of the options."""
        try:
            yield
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, OptionsError) as error:
            raise OptionsError(
                f'train.captured: a step of phase {self._phase.name} cannot be recorded ({first_words(error)}); set it '
                'to false'
            ) from error


class _Recorder:
    """In the place of an Optimisation while a step is recorded: gradients now, checks and steps later."""

    def __init__(self, optimisation: Optimisation) -> None:
        self._optimisation, self.parts = optimisation, list[str]()

    def backward(self, losses: Mapping[str, Tensor]) -> None:
        if self.parts:
            raise OptionsError('its gradients depend on a step of another part')
        self._optimisation.accumulate(losses)

    def step(self, names: Iterable[str]) -> None:
        self.parts.extend(names)

    def finish(self) -> Losses:
        return {}


class _RecordedLosses:
    """Losses and gradients of a batch whose numbers are those in ``chunks`` at the time.

    Attributes:
        parts: that the phase steps, by name.
        gradients: parameters with a gradient, and that; the same memory at every replay.
    """

    def __init__(
        self, phase: Phase, optimisation: Optimisation, graphs: Graphs, chunks: Sequence[Batch], iteration: int
    ) -> None:
        recorder = _Recorder(optimisation)
        self.parts, self.gradients = recorder.parts, list[tuple[nn.Parameter, Tensor]]()

        def run() -> None:
            phase.step(chunks, iteration, cast(Optimisation, recorder))
            log = optimisation.finish()
            self._names, self._values = list(log), torch.stack([term.float() for term in log.values()])

        self._run = graphs.record(run)
        for name in self.parts:
            for parameter in optimisation.parameters(name):
                if parameter.grad is not None:
                    self.gradients.append((parameter, parameter.grad))
                    parameter.grad = None

    def replay(self) -> Losses:
        """The terms by their names in the log, on the CPU, which has waited for them."""
        self._run()
        return dict(zip(self._names, self._values.cpu(), strict=True))


class _Update:
    """Clipping and the optimizers' steps that follow recorded gradients; recorded, if all optimizers can be."""

    def __init__(
        self, optimisation: Optimisation, graphs: Graphs, losses: _RecordedLosses, device: torch.device
    ) -> None:
        self._optimisation, self._losses = optimisation, losses
        optimizers = [part.optimizer for name, part in optimisation.parts.items() if name in losses.parts]
        self._rates = [_Rate(group, device) for optimizer in optimizers for group in optimizer.param_groups]
        self._run: Callable[[], None] = self._step
        if all(map(is_capturable, optimizers)):
            for optimizer in optimizers:
                _move_counts(optimizer)
            self._run = graphs.record(self._step_by_rates)

    def replay(self) -> None:
        for rate in self._rates:
            rate.write()
        self._run()

    def _step(self) -> None:
        for parameter, gradient in self._losses.gradients:
            parameter.grad = gradient
        self._optimisation.step(self._losses.parts)

    def _step_by_rates(self) -> None:
        for rate in self._rates:
            rate.enter()
        try:
            self._step()
        finally:
            for rate in self._rates:
                rate.leave()


class _Rate:
    """The learning rate of a group of an optimizer in the device's memory, from where a recorded step takes it.

    The group keeps a number, which schedules change and training states carry.
    """

    def __init__(self, group: dict[str, Any], device: torch.device) -> None:
        self._group, self._number, self._flag = group, group['lr'], group.get('capturable')
        self._on_device = torch.full((), self._number, device=device)

    def write(self) -> None:
        self._on_device.fill_(self._group['lr'])

    def enter(self) -> None:
        """The group as a recorded step needs it."""
        self._number, self._group['lr'] = self._group['lr'], self._on_device
        if self._flag is not None:
            self._group['capturable'] = self._on_device.is_cuda  # torch.optim refuses it elsewhere

    def leave(self) -> None:
        """The group as it was."""
        self._group['lr'] = self._number
        if self._flag is not None:
            self._group['capturable'] = self._flag


def is_capturable(optimizer: Optimizer) -> bool:
    """Whether a step of the optimizer can be recorded, at a learning rate that changes."""
    return isinstance(optimizer, Muon) or all('capturable' in group for group in optimizer.param_groups)


def _move_counts(optimizer: Optimizer) -> None:
    """Counts of steps, which optimizers keep on the CPU, go to the device of their parameter."""
    for parameter, state in optimizer.state.items():
        for key, value in state.items():
            if isinstance(value, Tensor) and value.ndim == 0:
                state[key] = value.to(parameter.device)
