"""Processes of one training, on one machine or several: all go on from the same checkpoint, or none does."""

from collections.abc import Callable
from typing import Any

import torch

from rim_plugin.errors import OptionsError

State = dict[str, Any]


def agreed_state(find: Callable[[], State | None], world_size: int) -> State | None:
    """What ``find`` gives, when every process finds the same.

    A node that does not see the others' folder of experiments would begin anew, and the gradients of two different
    networks be averaged.

    Args:
        find: the state to go on from, None for a new run; raises OptionsError.
        world_size: number of processes; each calls this.

    Raises:
        OptionsError: in every process alike: one finds another state than the others, or none that can be used.
    """
    state, found = _outcome(find)
    outcomes = [found] * world_size
    torch.distributed.all_gather_object(outcomes, found)
    for rank, other in enumerate(outcomes):
        if other != outcomes[0]:
            raise OptionsError(
                f'process 0 {outcomes[0][0]}, process {rank} {other[0]}: the folder of experiments has to be one that '
                'all nodes share, and the command the same on each'
            )
    if state is None and isinstance(found[1], str):
        raise OptionsError(found[1])
    return state


def _outcome(find: Callable[[], State | None]) -> tuple[State | None, tuple[str, Any]]:
    """The state, and what tells it from another one: in words, and by the SHA-256 of its networks."""
    try:
        state = find()
    except OptionsError as error:
        return None, (f'cannot go on ({error})', str(error))
    if state is None:
        return None, ('begins anew', None)
    return state, (f'goes on from iteration {state["iter"]}', state.get('networks'))
