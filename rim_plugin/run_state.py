"""What a process knows about its training run, and the checkpoints that the run left."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor


@dataclass
class Run:
    """What a process knows about its training run beyond BasicSR's own variables.

    Attributes:
        seed: ``manual_seed``; of a resumed run, the one that it was started with.
        iteration: the iteration under way or done last.
        epoch: the epoch under way; None before training.
        batches_per_epoch: of this rank's data loader.
        resumed: the state that this run was resumed from; empty for a new run.
        pending: epoch, iteration and :meth:`progress` of a state to be written after validation.
        stop_signal: number of the signal that asks for a stop.
        tb_logger: TensorBoard's writer.
        written: SHA-256 of the networks' files that are written already for the next state, by name.
        lock: of the run's folder, see :mod:`rim_plugin.compat.run_lock`.
        passed_over: why newer states than the resumed one were not taken.
        options: of the run, as its file and the command line have them.
    """

    seed: int = 0
    iteration: int = 0
    epoch: int | None = None
    batches_per_epoch: int = 0
    resumed: dict[str, Any] = field(default_factory=dict)
    pending: dict[str, Any] | None = None
    stop_signal: int | None = None
    tb_logger: Any = None
    written: dict[str, str] = field(default_factory=dict)
    passed_over: list[str] = field(default_factory=list)
    lock: Any = None
    options: dict[str, Any] = field(default_factory=dict)
    _epoch_began: int = 0

    def reset(self, seed: int = 0) -> None:
        """Forget everything: a new run begins."""
        vars(self).update(vars(Run(seed, lock=self.lock)))

    def resume(self, state: dict[str, Any]) -> None:
        """Continue from ``state``, the content of a BasicSR ``.state`` file."""
        self.resumed, self.iteration = state, state['iter']
        self.seed = state.get('manual_seed', self.seed)

    def batches_to_skip(self, epoch: int) -> int:
        """Batches of ``epoch`` that were used before the stop; 0 unless it is the resumed one, with the same
        batches."""
        same = self.resumed.get('batches_per_epoch') == self.batches_per_epoch
        return self.resumed['batches_done'] if same and epoch == self.resumed['epoch'] else 0

    def begin_epoch(self, epoch: int) -> None:
        """BasicSR's loop has come to ``epoch``."""
        self.epoch, self._epoch_began = epoch, self.iteration - self.batches_to_skip(epoch)

    def progress(self) -> dict[str, int]:
        """What a state file needs for the data to go on where they were."""
        return {
            'manual_seed': self.seed,
            'batches_per_epoch': self.batches_per_epoch,
            'batches_done': self.iteration - self._epoch_began,
        }


# One for the process: BasicSR's loop hands sampler, model and signal handler nothing that they share.
RUN = Run()


def training_states(opt: Mapping[str, Any]) -> list[str]:
    """Paths of the training states of the run that ``opt`` describes, newest first."""
    folder = opt['path'].get('training_states')
    states = [path for path in Path(folder).glob('*.state') if path.stem.isdecimal()] if folder else []
    return [str(path) for path in sorted(states, key=lambda path: int(path.stem), reverse=True)]


def last_checkpoint(opt: Mapping[str, Any]) -> str:
    """Path of the newest training state of the run that ``opt`` describes, or the word ``none``."""
    return next(iter(training_states(opt)), 'none')


def check_finite(model: Any, losses: Mapping[str, Tensor | float]) -> None:
    """Stop before a step would spoil the weights.

    Args:
        model: BasicSR's, for its options.
        losses: terms by name.

    Raises:
        FloatingPointError: a term is NaN or infinite; names the iteration, the term and the last good checkpoint.
    """
    device = next((value.device for value in losses.values() if isinstance(value, Tensor)), None)
    values = {name: torch.as_tensor(value, device=device).detach() for name, value in losses.items()}
    if not values or torch.stack([value.isfinite().all() for value in values.values()]).all():  # a GPU is asked once
        return
    from basicsr.utils.dist_util import get_dist_info

    name, value = next((name, value) for name, value in values.items() if not value.isfinite().all())
    raise FloatingPointError(
        f'iteration {RUN.iteration}: {name} is {value.float().mean().item()} (rank {get_dist_info()[0]}); last good '
        f'checkpoint: {last_checkpoint(model.opt)}. Lower the learning rate or turn on gradient clipping, then go on '
        'from there with --auto_resume.'
    )
