"""Training states with odd or changed content: each is told in one line, none is taken for another."""

import copy
import random

import pytest
import torch
from support.mutations import ODD
from support.refusals import refused

from rim_plugin.compat.state_content import StateContent, check_content, require_finite, sealed

TENSORS = (torch.zeros(2), torch.tensor(float('nan')))


def state():
    return {
        'epoch': 2,
        'iter': 12,
        'manual_seed': 7,
        'batches_per_epoch': 5,
        'batches_done': 2,
        'networks': {'net_g_12.pth': 'ab'},
        'options': {'name': 'x', 'train': {'lr': 1e-3}},
        'solvers': [{'name': 'g', 'type': 'Adam', 'shapes': [[4, 3]]}],
        'optimizers': [{'state': {0: {'step': torch.tensor(3.0), 'avg': torch.ones(4, 3)}}, 'param_groups': []}],
        'schedulers': [{'last_epoch': 12}],
        'rng': [{'python': (3, torch.arange(5), None), 'torch': torch.arange(9, dtype=torch.uint8)}],
        'carried': {'mean_path_length': 0.5},
    }


def places(tree):
    """(block or list, key) of everything below a tree."""
    for key, value in list(tree.items() if isinstance(tree, dict) else enumerate(tree)):
        yield tree, key
        if isinstance(value, (dict, list)):
            yield from places(value)


def test_a_state_is_taken_with_and_without_its_seal():
    for content in (state(), sealed(state())):
        check_content(content, 'x.state')
    check_content({key: state()[key] for key in ('epoch', 'iter', 'optimizers', 'schedulers')}, 'x.state')


@pytest.mark.parametrize('key', [key for key in StateContent.__struct_fields__ if key != 'sha256'])
def test_a_key_of_another_kind_is_told(key):
    right = state()[key]
    for odd in (*ODD, *TENSORS):
        if type(odd) is not type(right) or isinstance(odd, int) and not 0 <= odd < 2**32:
            assert 'x.state: not a training state' in refused(check_content, {**state(), key: odd}, 'x.state')


@pytest.mark.parametrize('content', [*ODD, *TENSORS])
def test_what_is_no_state_is_told(content):
    assert 'x.state: not a training state' in refused(check_content, content, 'x.state')


@pytest.mark.slow
def test_any_value_that_changed_is_seen():
    chance = random.Random(0)
    for _ in range(200):
        content = sealed(state())
        block, key = chance.choice([place for place in places(content) if place[1] != 'sha256'])
        block[key] = copy.deepcopy(chance.choice([*ODD, *TENSORS]))
        if repr(content) != repr(sealed(state())):
            assert refused(check_content, content, 'x.state').startswith('x.state: ')


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16, torch.int64, torch.bool])
def test_the_seal_is_of_any_type_of_tensor(dtype):
    content = {**state(), 'carried': {'amp_state': {'a': torch.ones(3).to(dtype), 'b': torch.ones(()).to(dtype)}}}
    check_content(sealed(content), 'x.state')
    assert sealed(content) != sealed({**content, 'carried': {}})


def test_infinite_values_are_named():
    assert 'damaged: a.1 is NaN or infinite' in refused(require_finite, 'x', {'a': [0, torch.tensor([1, torch.inf])]})
