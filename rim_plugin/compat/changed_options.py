"""Options that changed between a training and its resumption: told key by key, and applied where that can be."""

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatch
from typing import Any, NamedTuple

import torch

from rim_plugin.errors import shown
from rim_plugin.run_state import RUN

_ABSENT = object()
_FROM_STATE = 'the weights are those of the training state'
# what cannot take effect any more, and why; path.resume_state is how one resumes
_STAYS = {
    'manual_seed': 'the order of the data and all random draws go on as they began',
    'path.pretrain_network_*': _FROM_STATE,
    'path.strict_load_*': _FROM_STATE,
    'path.param_key_*': _FROM_STATE,
    'train.start_from_teacher': _FROM_STATE,
}
# what optimizers and schedulers are made from: their state, taken as it is, would bring the old values back
_SOLVERS = ('train.optim_*', 'train.scheduler*', 'train.classifier_lr', 'train.last_layer_lr')


class Change(NamedTuple):
    """A key whose value is another one than in the training that left the state; the values as options have them."""

    key: str
    before: str
    now: str

    def told(self, frozen: Iterable[str]) -> str:
        """A line: the key, both values, and whether the change is applied.

        Args:
            frozen: networks of which no weights are in states, such as ``network_t``.
        """
        kept = any(self.key.endswith(network) for network in frozen)
        reason = next((text for key, text in _STAYS.items() if fnmatch(self.key, key) and not kept), '')
        return f'{self.key}: {self.before} -> {self.now}: ' + (f'not applied: {reason}' if reason else 'applied')


def changes(before: object, now: object, path: str = '') -> Iterator[Change]:
    """What differs between two trees of options, key by key."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in {**before, **now}:
            inner = f'{path}.{key}' if path else str(key)
            if inner != 'path.resume_state':
                yield from changes(before.get(key, _ABSENT), now.get(key, _ABSENT), inner)
    elif before != now:
        yield Change(path, *('absent' if value is _ABSENT else shown(value) for value in (before, now)))


def since_state(state: Mapping[str, Any]) -> list[Change]:
    """What changed since the training that left a state; nothing where the state does not know its options."""
    return list(changes(state['options'], RUN.options)) if state.get('options') and RUN.options else []


def networks_changed() -> str:
    """For the error of weights that do not fit: what changed of the networks since; empty for nothing."""
    keys = [f'{key}: {before} -> {now}' for key, before, now in since_state(RUN.resumed) if key.startswith('network_')]
    if not keys:
        return ''
    return f'; changed since the training state: {", ".join(keys)}: take that back, or begin a run of another name'


def solvers(model: Any) -> list[dict[str, Any]]:
    """What tells a model's optimizers apart, for its state: name of the part, type, shapes of the weights."""
    names = getattr(model, 'optimizer_names', [str(number) for number in range(len(model.optimizers))])
    return [
        {
            'name': name,
            'type': type(optimizer).__name__,
            'shapes': [list(weight.shape) for group in optimizer.param_groups for weight in group['params']],
        }
        for name, optimizer in zip(names, model.optimizers, strict=True)
    ]


def resume_solvers(model: Any, state: Mapping[str, Any]) -> list[str]:
    """Give optimizers and schedulers the place where they were; with changed options, the new ones at that place.

    Args:
        model: with fresh optimizers and schedulers.
        state: a training state.

    Returns:
        A line about each optimizer that begins without memory.
    """
    before, now = state.get('solvers', []), solvers(model)
    changed = any(fnmatch(change.key, pattern) for change in since_state(state) for pattern in _SOLVERS)
    as_before = before == now if before else len(state['optimizers']) == len(now)  # older states do not know them
    if as_before and not changed:
        for kind in ('optimizers', 'schedulers'):
            for each, content in zip(getattr(model, kind), state[kind], strict=True):
                each.load_state_dict(content)
        return []
    done = max(state['iter'] - 1, 0)  # the first iteration makes no step of the schedule
    lines = []
    for optimizer, scheduler, own in zip(model.optimizers, model.schedulers, now, strict=True):
        for _ in range(done):
            scheduler.step()
        if own in before:
            _remember(optimizer, state['optimizers'][before.index(own)])
        else:
            lines.append(f'The optimizer of {own["name"]}, {own["type"]}, begins without memory.')
    return lines


def _remember(optimizer: torch.optim.Optimizer, content: dict[str, Any]) -> None:
    """Load what an optimizer remembers of its weights, but not its options."""
    options = [{key: value for key, value in group.items() if key != 'params'} for group in optimizer.param_groups]
    optimizer.load_state_dict(content)
    for group, own in zip(optimizer.param_groups, options, strict=True):
        group.update(own)


def fit_best_results(best: dict[str, dict[str, Any]], metrics: Mapping[str, Mapping[str, Any]]) -> None:
    """Best values so far, dataset by dataset, for the metrics of today; new ones have none yet.

    Args:
        best: of a state, changed in place.
        metrics: blocks of ``val: metrics``, with ``better``.
    """
    for record in best.values():
        for name, block in metrics.items():
            better = block.get('better', 'higher')
            if record.get(name, {}).get('better') != better:
                record[name] = {'better': better, 'val': float('-inf' if better == 'higher' else 'inf'), 'iter': -1}
