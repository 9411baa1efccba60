"""Which phase an iteration belongs to."""

from collections.abc import Mapping
from itertools import accumulate
from typing import Any

from rim_plugin.errors import check_choice
from rim_plugin.models.phases.base import PHASES, check_requirements
from rim_plugin.options.schema import RIMTrain


class Schedule:
    """The phases of a run, one after the other.

    Args:
        train: with ``phases``, phase to its number of iterations, which add up to ``total_iter``; or ``phase``, the
            only one. Default: the phase ``fhn``, see :meth:`check_requirements`.

    Attributes:
        names: of the phases, in order.

    Raises:
        ValueError: an unknown phase, or numbers that do not fit; the message names the option.
    """

    def __init__(self, train: RIMTrain) -> None:
        if train.phases and train.phase:
            raise ValueError('train.phase and train.phases exclude each other; leave one out')
        lengths: Mapping[str, int] = train.phases or {train.phase or 'fhn': train.total_iter}
        for name in lengths:
            check_choice('train.phases' if train.phases else 'train.phase', name, PHASES)
        if sum(lengths.values()) != train.total_iter:
            raise ValueError(
                f'train.total_iter is {train.total_iter}, but the phases add up to {sum(lengths.values())} iterations'
            )
        self.names, self._ends = list(lengths), list(accumulate(lengths.values()))

    def check_requirements(self, options: Mapping[str, Any], train: RIMTrain) -> None:
        """Check that options have what the phases of the run cannot do without.

        Args:
            options: networks, and the block ``train`` with its losses.
            train: that block.

        Raises:
            ValueError: a network or a loss is missing, or the phases of a recogniser; names it, and an example.
        """
        if not (train.phases or train.phase) and 'network_r' in options:
            raise ValueError(
                'train.phases is missing: the default, phase fhn alone, does not train network_r; name the phases, '
                'e.g. phases: {fhn: 1000, student: 1000}, or phase: fhn to leave network_r as it is'
            )
        losses = [key.removesuffix('_opt') for key, block in options['train'].items() if key.endswith('_opt') and block]
        for name in self.names:
            check_requirements(name, PHASES[name].requirements(train), options, losses)

    def at(self, iteration: int) -> str:
        """Name of the phase of an iteration, counted from 1; beyond the last, the last."""
        return self.names[self._index(iteration)]

    def since(self, iteration: int) -> int:
        """How many iterations of its phase an iteration has behind it, itself included."""
        index = self._index(iteration)
        return iteration - (self._ends[index - 1] if index else 0)

    def begins(self, iteration: int) -> bool:
        """Whether an iteration is the first of a phase that follows another."""
        return iteration > 1 and self.since(iteration) == 1

    def trains(self, part: str) -> bool:
        """Whether a phase of the run trains a part, one of :data:`~rim_plugin.models.phases.base.PARTS`."""
        return any(part in PHASES[name].parts for name in self.names)

    def _index(self, iteration: int) -> int:
        return next((i for i, end in enumerate(self._ends) if iteration <= end), len(self._ends) - 1)
