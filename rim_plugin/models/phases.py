"""The phases of RIM's training: hallucination, student, assistant, and all together (section 3.3 of the paper)."""

from itertools import accumulate

from rim_plugin.errors import check_choice

# Which parts a phase trains: theta_G, theta_i (integrator), theta_d (domain discriminator), theta_S and theta_A.
PHASES = {'fhn': 'gid', 'student': 's', 'assistant': 'a', 'joint': 'gidsa'}


class Phases:
    """The phases of a run, one after the other.

    Args:
        train (dict): options ``train:`` -- ``phases``, a dict of phase to its number of iterations, which add up to
            ``total_iter``; or ``phase``, the only one. Default: ``phase: fhn``.

    Raises:
        ValueError: an unknown phase, or numbers that do not fit; the message names the option.
    """

    def __init__(self, train):
        if train.get('phases') and train.get('phase'):
            raise ValueError('train.phase and train.phases exclude each other; leave one out')
        lengths = train.get('phases') or {train.get('phase') or 'fhn': train['total_iter']}
        for name, length in lengths.items():
            check_choice('train.phases' if train.get('phases') else 'train.phase', name, PHASES)
            if type(length) is not int or length < 1:
                raise ValueError(f'train.phases.{name}: {length!r} is no number of iterations')
        if sum(lengths.values()) != train['total_iter']:
            raise ValueError(
                f'train.total_iter is {train["total_iter"]}, but the phases add up to '
                f'{sum(lengths.values())} iterations'
            )
        self.names, self._ends = list(lengths), list(accumulate(lengths.values()))

    def at(self, iteration):
        """Name of the phase of an iteration, counted from 1; beyond the last, the last."""
        return self.names[self._index(iteration)]

    def since(self, iteration):
        """How many iterations of its phase an iteration has behind it, itself included."""
        index = self._index(iteration)
        return iteration - (self._ends[index - 1] if index else 0)

    def begins(self, iteration):
        """Whether an iteration is the first of a phase that follows another."""
        return iteration > 1 and self.since(iteration) == 1

    def training(self, part):
        """Name of the first phase that trains a part, a letter of PHASES; None if none does."""
        return next((name for name in self.names if part in PHASES[name]), None)

    def _index(self, iteration):
        return next((i for i, end in enumerate(self._ends) if iteration <= end), len(self._ends) - 1)
