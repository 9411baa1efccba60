"""ONNX files of recognisers: opened, and an IResNet's weights found in the graph."""

import importlib
import os
from collections import defaultdict

import torch

from rim_plugin.errors import OptionsError, first_words

_EPS = 1e-5  # of torch's BatchNorm
_PASS_ON = ('Identity', 'Dropout', 'Flatten', 'Reshape')  # same numbers in the same order


def import_package(name, user):
    """An optional package by its name.

    Raises:
        OptionsError: it is not installed; ``user`` (str) tells what needs it.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise OptionsError(f'{user} needs the package {name} ({error}): pip install onnx onnxruntime') from None


def read_onnx(path, user):
    """The ModelProto in an ``.onnx`` file, for ``user`` (str, see ``import_package``).

    Raises:
        OptionsError: missing, damaged or empty file, or no package ``onnx``.
    """
    if not os.path.isfile(path):
        raise OptionsError(f'{path}: no such file')
    onnx = import_package('onnx', user)
    try:
        model = onnx.load(path)
    except Exception as error:  # protobuf's errors have no common base
        raise OptionsError(f'{path}: not a readable ONNX file ({first_words(error)})') from error
    if not model.graph.node:
        raise OptionsError(f'{path}: not a readable ONNX file (no network in it)')
    return model


def iresnet_weights(path):
    """State dict, under arcface_torch's names, of the IResNet in an ``.onnx`` file such as insightface's w600k_r50.

    The graph is followed along its data: names and order of its nodes do not matter. A BatchNorm that the exporter has
    folded into the layer before comes back as one that adds that layer's bias and does nothing else.

    Returns:
        dict[str, Tensor]: without ``num_batches_tracked``.

    Raises:
        OptionsError: see ``read_onnx``; or the graph is another network.
    """
    graph = _Graph(read_onnx(path, f'reading {path}').graph)
    try:
        return graph.iresnet()
    except (_OtherNetworkError, ValueError) as error:  # ValueError: a weight's bytes do not fill its shape
        raise OptionsError(
            f"{path}: not an IResNet as insightface's arcface_torch exports it ({first_words(error)}); "
            'type: OnnxRecogniser evaluates any network'
        ) from None


class _OtherNetworkError(Exception):
    """The graph leaves the course of an IResNet."""


class _Graph:
    """Nodes by the data that they read; collects weights on the way."""

    def __init__(self, graph):
        self._values = {value.name: value for value in graph.initializer}
        self._same = {node.output[0]: node.input[0] for node in graph.node if node.op_type in _PASS_ON}
        self._readers = defaultdict(list)
        for node in graph.node:
            if node.op_type not in _PASS_ON:
                for name in map(self._origin, node.input):
                    self._readers[name].append(node)
        self._input = next((value.name for value in graph.input if value.name not in self._values), '')
        self._weights = {}

    def iresnet(self):
        data = self._prelu('prelu', self._conv('conv1', 'bn1', self._input))
        layer = index = 0
        while self._reader(data, 'Conv') or self._reader(data, 'Add'):  # a shortcut starts: projection or identity
            layer, index = (layer + 1, 0) if self._reader(data, 'Conv') else (layer, index + 1)
            data = self._block(f'layer{layer}.{index}.', data)
        data = self._norm('bn2', self._next('bn2', data, 'BatchNormalization'))
        self._linear('fc', 'features', data)
        return self._weights

    def _block(self, name, data):
        inner = self._norm(name + 'bn1', self._next(name + 'bn1', data, 'BatchNormalization'))
        inner = self._prelu(name + 'prelu', self._conv(name + 'conv1', name + 'bn2', inner))
        inner = self._conv(name + 'conv2', name + 'bn3', inner)
        if self._reader(data, 'Conv'):
            self._conv(name + 'downsample.0', name + 'downsample.1', data)
        return self._next(name + 'sum', inner, 'Add').output[0]

    def _origin(self, name):
        while name in self._same:
            name = self._same[name]
        return name

    def _reader(self, data, operator):
        found = [node for node in self._readers[self._origin(data)] if node.op_type == operator]
        return found[0] if found else None

    def _next(self, name, data, operator):
        node = self._reader(data, operator)
        if node is None:
            there = ', '.join(node.op_type for node in self._readers[self._origin(data)]) or 'the end'
            raise _OtherNetworkError(f'{there} instead of {operator} at {name}')
        return node

    def _tensor(self, name):
        from onnx import numpy_helper  # only after read_onnx, which tells where it is not installed

        name = self._origin(name)
        if name not in self._values:
            raise _OtherNetworkError(f'{name} is no stored weight')
        return torch.from_numpy(numpy_helper.to_array(self._values[name]).copy()).float()

    def _conv(self, name, norm, data):
        node = self._next(name, data, 'Conv')
        weight = self._weights[f'{name}.weight'] = self._tensor(node.input[1])
        bias = self._tensor(node.input[2]) if len(node.input) > 2 else torch.zeros(len(weight))
        after = self._reader(node.output[0], 'BatchNormalization')
        self._norm(norm, after, bias)
        return (after or node).output[0]

    def _linear(self, name, norm, data):
        node = self._next(name, data, 'Gemm')
        weight, bias = (self._tensor(value) for value in node.input[1:3])
        transposed = any(attribute.name == 'transB' and attribute.i for attribute in node.attribute)
        self._weights[f'{name}.weight'] = weight if transposed else weight.t()
        self._weights[f'{name}.bias'] = bias
        self._norm(norm, self._reader(node.output[0], 'BatchNormalization'), torch.zeros_like(bias))

    def _prelu(self, name, data):
        node = self._next(name, data, 'PRelu')
        self._weights[f'{name}.weight'] = self._tensor(node.input[1]).flatten()
        return node.output[0]

    def _norm(self, name, node, bias=0):
        """BatchNorm ``node`` after an addition of ``bias``; without a node the addition alone. Returns its output."""
        if node is None:
            weight, mean, variance, eps = torch.ones_like(bias), torch.zeros_like(bias), torch.ones_like(bias), 0
        else:
            weight, shift, mean, variance = (self._tensor(value) for value in node.input[1:5])
            bias, mean = shift, mean - bias
            eps = next((attribute.f for attribute in node.attribute if attribute.name == 'epsilon'), 1e-5)
        stored = {'weight': weight, 'bias': bias, 'running_mean': mean, 'running_var': variance + (eps - _EPS)}
        self._weights.update({f'{name}.{key}': value for key, value in stored.items()})
        return node.output[0] if node else None
