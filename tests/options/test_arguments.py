"""Blocks checked by the signature of their class: annotations and defaults."""

from typing import Literal

import pytest
import torch

from rim_plugin.errors import OptionsError
from rim_plugin.options.arguments import check_arguments, optimizer_types
from rim_plugin.options.conversion import Place

from basicsr.utils.registry import ARCH_REGISTRY, LOSS_REGISTRY


class Annotated:
    def __init__(
        self,
        width: int,
        rate: float | torch.Tensor = 0.1,
        sizes: tuple[int, ...] = (1,),
        kind: Literal['a', 'b'] = 'a',
        mask: torch.Tensor | None = None,
        shift: float = -1.0,
        anything: object = None,
        pair: tuple[float, float | torch.Tensor] = (0, 0),
    ):
        pass


class Plain:
    def __init__(self, width, name='x', flag=True, bias=-1, free=None, **rest):
        pass


def message(function, **block):
    with pytest.raises(OptionsError) as caught:
        check_arguments(block, function, Place('f', 'net'))
    return str(caught.value)


@pytest.mark.parametrize(
    'block, expected',
    [
        ({}, 'net.width: missing'),
        ({'width': '3'}, "net.width: '3' is not a whole number of at least 0"),
        ({'width': 2.5}, 'net.width: 2.5 is not a whole number of at least 0'),
        ({'width': 3e0}, 'net.width: 3.0 is not a whole number of at least 0'),  # the constructor would get 3.0
        ({'width': -1}, 'net.width: -1 is not a whole number of at least 0'),
        ({'width': 3, 'rate': None}, 'net.rate: ~ is not a number'),
        ({'width': 3, 'sizes': 3}, 'net.sizes: 3 is not a list, each a whole number'),
        ({'width': 3, 'sizes': ['x']}, "net.sizes: ['x'] is not a list, each a whole number"),
        ({'width': 3, 'kind': 'c'}, "net.kind: 'c' is not one of a, b"),
        ({'width': 3, 'kind': 'A'}, "net.kind: 'A' is not one of a, b"),
        ({'width': 3, 'pair': [1]}, 'net.pair: [1] is not a list of 2, each a number'),
        ({'width': 3, 'rates': 1}, "net.rates: unknown key; did you mean 'rate'?"),
    ],
)
def test_annotations(block, expected):
    assert message(Annotated, **block) == f'f: {expected}'


def test_what_annotations_allow():
    block = {
        'width': 3,
        'rate': 1,
        'sizes': [1, 2],
        'kind': 'b',
        'mask': None,
        'shift': -2.5,
        'anything': {'a': [1]},
        'pair': [1, 2.5],
    }
    check_arguments(block, Annotated, Place())


@pytest.mark.parametrize(
    'block, expected',
    [
        ({'name': 3}, 'net.name: 3 is not a text'),
        ({'flag': 'no'}, "net.flag: 'no' is not true or false"),
        ({'bias': 'x'}, "net.bias: 'x' is not a number"),
        ({'nam': 'x'}, "net.nam: unknown key; did you mean 'name'?"),
    ],
)
def test_defaults_where_there_is_no_annotation(block, expected):
    assert message(Plain, width=1, **block) == f'f: {expected}'


def test_without_either_all_is_allowed():
    check_arguments({'width': 'wide', 'bias': -3.5, 'free': [1], 'another': 1}, Plain, Place())


@pytest.mark.parametrize(
    'kind, change',
    [
        *(('PerceptualLoss', {'layer_weights': each}) for each in ({'conv5_4': -1}, "{'conv5_4': 1}", [1, 2], {1: {}})),
        *(('PerceptualLoss', change) for change in ({'vgg_type': 'vgg19 '}, {'criterion': 'L1'}, {'vgg_type': 19})),
        *(('GANLoss', {'gan_type': each}) for each in (1000, 'vanila', None)),
        *(('SwinIR', change) for change in ({'upsampler': 'pixelsuffle'}, {'resi_connection': '2conv'})),
    ],
)
def test_arguments_of_basicsrs_classes_whose_types_it_does_not_say(kind, change):
    right = {
        'PerceptualLoss': {'layer_weights': {'conv5_4': 1, 'conv4_4': 0.5}, 'vgg_type': 'vgg16_bn', 'criterion': 'fro'},
        'GANLoss': {'gan_type': 'hinge'},
        'SwinIR': {'upsampler': 'pixelshuffle', 'resi_connection': '3conv'},
    }[kind]
    function = (ARCH_REGISTRY if kind == 'SwinIR' else LOSS_REGISTRY).get(kind)
    check_arguments(right, function, Place())
    with pytest.raises(OptionsError, match=rf'{next(iter(change))}.* is not '):
        check_arguments({**right, **change}, function, Place())


def test_arguments_of_these_names_are_free_in_other_classes():
    def loss(criterion, gan_type='mine'):
        pass

    check_arguments({'criterion': 'charbonnier', 'gan_type': 'relativistic'}, loss, Place())


def test_what_others_give_need_not_be_there():
    check_arguments({}, Annotated, Place(), optional=('width',))
    with pytest.raises(OptionsError, match='width: unknown key'):
        check_arguments({'width': 3}, Annotated, Place(), given=('width',))


def test_optimizers_are_all_of_torch():
    assert {'Adam', 'RMSprop', 'SGD', 'AdamW'} <= optimizer_types().keys() and 'Optimizer' not in optimizer_types()
