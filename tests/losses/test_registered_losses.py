"""A walk over the registry: every loss that rim_plugin registers is tested by being registered."""

import doctest
import inspect
import sys

import pytest
import torch

import rim_plugin.losses  # noqa: F401
from rim_plugin.archs.recogniser import RecogniserOutput

from basicsr.losses import build_loss
from basicsr.utils.registry import LOSS_REGISTRY

OURS = sorted(name for name, cls in LOSS_REGISTRY if cls.__module__.startswith('rim_plugin'))
PERSONS = {'num_classes': 4, 'embedding_size': 7}
REQUIRED = {'ArcFaceLoss': PERSONS, 'AdaFaceLoss': PERSONS}
# every default that a YAML file may leave out, as the papers or the README have it
DEFAULTS = {
    'AdaFaceLoss': {'margin': 0.4, 'concentration': 0.333, 'momentum': 0.01, 'scale': 64.0, 'loss_weight': 1.0},
    'AttentionSimilarityLoss': {'loss_weight': 1.0},
    'OctupletLoss': {'margin': 0.25, 'loss_weight': 1.0},
    'ArcFaceLoss': {'margin': 0.5, 'scale': 64.0, 'loss_weight': 1.0},
    'ContrastiveDistillationLoss': {'loss_weight': 1.0, 'temperature': 0.07, 'queue_size': 4096, 'same_person': 0.5},
    'ComponentLoss': {
        'loss': {'type': 'L1Loss'},
        'components': ('left_eye', 'right_eye', 'mouth'),
        'size': 32,
        'enlarge': 1.4,
        'loss_weight': 1.0,
    },
    'CosineIdentityLoss': {'loss_weight': 1.0},
    'DistillationLoss': {'loss_weight': 1.0, 'target': 'last', 'distance': 'l2', 'reduction': 'mean'},
    'HeatmapLoss': {'loss_weight': 1.0, 'reduction': 'mean'},
    'MKMMDLoss': {'loss_weight': 1.0, 'bandwidth': 'median', 'multipliers': None, 'kernel_weights': None},
    'ParsingLoss': {'loss_weight': 1.0, 'class_weights': None, 'ignore_index': 255, 'reduction': 'mean'},
    'ResidualDistillationLoss': {'loss_weight': 1.0, 'reduction': 'mean', 'target': 'all', 'relative': False},
}


def random(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def output(seed):
    return RecogniserOutput((random(seed, 3, 4, 4, 4), random(seed + 10, 3, 5, 2, 3)), random(seed + 20, 3, 7))


# a loss that is not named here gets two random maps
INPUTS = {
    'AdaFaceLoss': lambda: (output(0), torch.tensor([1, -1, 3])),
    'AttentionSimilarityLoss': lambda: (output(0), output(1)),
    'OctupletLoss': lambda: (output(0), output(1), torch.tensor([1, 2, 1])),
    'ArcFaceLoss': lambda: (output(0), torch.tensor([1, -1, 3])),
    'ComponentLoss': lambda: (random(0, 2, 3, 5, 5), random(1, 2, 3, 5, 5), 2 + random(2, 2, 5, 2)),
    'CosineIdentityLoss': lambda: (random(0, 3, 7), random(1, 3, 7)),
    'ContrastiveDistillationLoss': lambda: (output(0), output(1)),
    'DistillationLoss': lambda: (output(0), output(1)),
    'MKMMDLoss': lambda: (random(0, 4, 6), random(1, 5, 6)),
    'ParsingLoss': lambda: (random(0, 2, 4, 3, 3), torch.arange(18).reshape(2, 3, 3) % 4),
    'ResidualDistillationLoss': lambda: tuple(output(seed).blocks for seed in range(3)),
}
SMOOTH = {  # options under which finite differences exist: a median is no smooth function of the samples
    'MKMMDLoss': {'bandwidth': [0.5, 2.0]},
    'ArcFaceLoss': {'scale': 5.0},
    'AdaFaceLoss': {'scale': 5.0, 'momentum': 0.0},
    'ComponentLoss': {'size': 4},  # for time
    'ContrastiveDistillationLoss': {'temperature': 0.5},
}


def build(name, **options):
    return build_loss({'type': name, **REQUIRED.get(name, {}), **options})


def inputs(name, dtype=torch.float64):
    def cast(value):
        if torch.is_tensor(value):
            return value.to(dtype) if value.is_floating_point() else value
        parts = [cast(item) for item in value]
        return RecogniserOutput(*parts) if isinstance(value, RecogniserOutput) else tuple(parts)

    return cast(INPUTS.get(name, lambda: (random(0, 2, 3, 4, 4), random(1, 2, 3, 4, 4)))())


def leaves(value):
    if torch.is_tensor(value):
        return [value]
    return [tensor for item in value for tensor in leaves(item)]


def with_leaves(value, replacements):
    """A copy of ``value`` with the tensors of an iterator in the places of its own."""
    if torch.is_tensor(value):
        return next(replacements)
    parts = [with_leaves(item, replacements) for item in value]
    return RecogniserOutput(*parts) if isinstance(value, RecogniserOutput) else tuple(parts)


def test_every_loss_of_the_paper_is_registered():
    """Eqs. 3, 4, 7 to 9, 11 and 12."""
    assert set(OURS) >= {'HeatmapLoss', 'ParsingLoss', 'MKMMDLoss', 'DistillationLoss', 'ResidualDistillationLoss'}


@pytest.mark.parametrize('name', sorted(DEFAULTS))
def test_defaults_are_those_of_the_papers(name):
    parameters = inspect.signature(LOSS_REGISTRY.get(name)).parameters.values()
    assert {p.name: p.default for p in parameters if p.default is not p.empty} == DEFAULTS[name]


@pytest.mark.parametrize('name', OURS)
def test_the_function_has_the_defaults_of_the_module(name):
    cls = LOSS_REGISTRY.get(name)
    functions = inspect.getmembers(sys.modules[cls.__module__], inspect.isfunction)
    own = [function for _, function in functions if function.__module__ == cls.__module__]
    defaults = inspect.signature(cls).parameters
    assert any(not function.__name__.startswith('_') for function in own)
    for function in own:
        for key, parameter in inspect.signature(function).parameters.items():
            if key in defaults and parameter.default is not parameter.empty:
                assert parameter.default == defaults[key].default, f'{function.__name__}: {key}'


@pytest.mark.parametrize('name', OURS)
@pytest.mark.parametrize('dtype', [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_smoke_at_any_precision(name, dtype):
    """A finite scalar in float32 at least, near that of double precision, under autocast, too."""
    loss, data = build(name), inputs(name, dtype)
    with torch.autocast('cpu', torch.bfloat16):
        value = loss(*data)
    assert value.shape == () and value.dtype == torch.promote_types(dtype, torch.float32) and value.isfinite()
    wide = with_leaves(data, iter([t.double() if t.is_floating_point() else t for t in leaves(data)]))
    expected = build(name)(*wide).item()
    assert value.item() == pytest.approx(expected, rel=1e-4, abs=1e-6) and expected != 0


@pytest.mark.parametrize('name', OURS)
def test_gradient_reaches_what_learns_and_is_that_of_finite_differences(name):
    data = inputs(name)
    tensors = leaves(data)
    floating = [tensor for tensor in tensors if tensor.is_floating_point()]

    def value(*changed):
        loss, changed = build(name, **SMOOTH.get(name, {})).double(), iter(changed)
        return loss(*with_leaves(data, iter([next(changed) if t.is_floating_point() else t for t in tensors])))

    for tensor in floating:
        tensor.requires_grad_()
    value(*floating).backward()
    assert any(tensor.grad is not None and tensor.grad.any() for tensor in floating)
    learning = [tensor for tensor in floating if tensor.grad is not None]  # the rest is constant for the loss
    constant = [tensor.requires_grad_(tensor.grad is not None) for tensor in floating]

    def of_learning(*changed):
        changed = iter(changed)
        return value(*(next(changed) if tensor.requires_grad else tensor for tensor in constant))

    assert torch.autograd.gradcheck(of_learning, learning)


@pytest.mark.parametrize('name', OURS)
def test_loss_weight_is_a_factor(name):
    data = inputs(name)
    assert build(name, loss_weight=0.25)(*data).item() == pytest.approx(0.25 * build(name)(*data).item(), rel=1e-12)


@pytest.mark.parametrize('name', OURS)
def test_shapes_that_do_not_fit_are_refused_in_the_name_of_the_loss(name):
    """A batch of one would be broadcast in silence."""
    first, *rest = inputs(name)
    shorter = with_leaves(first, iter([tensor[..., :1] for tensor in leaves(first)]))
    if name in REQUIRED:  # the weights have the other shape there
        shorter = with_leaves(first, iter([tensor[:1] for tensor in leaves(first)]))
    with pytest.raises(ValueError, match=f'^{name}: '):
        build(name)(shorter, *rest)


@pytest.mark.parametrize('name', OURS)
def test_unknown_options_are_refused(name):
    with pytest.raises(TypeError):
        build(name, no_such_option=1)
    for option, default in DEFAULTS.get(name, {}).items():
        if isinstance(default, str):
            with pytest.raises(ValueError, match=option):
                build(name, **{option: 'no such word'})


@pytest.mark.parametrize('name', OURS)
def test_is_documented_with_examples_that_hold(name):
    cls = LOSS_REGISTRY.get(name)
    module = sys.modules[cls.__module__]
    documented = inspect.getdoc(cls)
    for argument in inspect.signature(cls).parameters:
        assert f'\n    {argument}: ' in documented, argument
    results = doctest.testmod(module, extraglobs={'torch': torch})
    assert results.attempted and not results.failed, f'{module.__name__} has no example, or one that does not hold'
