"""ONNX files of recognisers: opened, and an IResNet's weights found in the graph."""

from __future__ import annotations

import os
from collections import defaultdict
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rim_plugin.errors import OptionsError, first_words
from rim_plugin.packages import import_package

if TYPE_CHECKING:  # an optional package
    from onnx import GraphProto, ModelProto, NodeProto

ONNX_PACKAGES = 'onnx onnxruntime'
_EPS = 1e-5  # of torch's BatchNorm
_PASS_ON = ('Identity', 'Dropout', 'Flatten', 'Reshape')  # same numbers in the same order


def read_onnx(path: str, user: str) -> ModelProto:
    """The content of an ``.onnx`` file.

    Args:
        path: of the file.
        user: what reads it, for the message.

    Raises:
        OptionsError: missing, damaged or empty file, or no package ``onnx``.
    """
    if not os.path.isfile(path):
        raise OptionsError(f'{path}: no such file')
    onnx = import_package('onnx', user, ONNX_PACKAGES)
    try:
        model = onnx.load(path)
    except Exception as error:  # protobuf's errors have no common base
        raise OptionsError(f'{path}: not a readable ONNX file ({first_words(error)})') from error
    if not model.graph.node:
        raise OptionsError(f'{path}: not a readable ONNX file (no network in it)')
    return model


def iresnet_weights(path: str) -> dict[str, Tensor]:
    """State dict, under arcface_torch's names, of the IResNet in an ``.onnx`` file such as insightface's w600k_r50.

    The graph is followed along its data: names and order of its nodes do not matter. A BatchNorm that the exporter has
    folded into the layer before comes back as one that adds that layer's bias and does nothing else.

    Returns:
        Without ``num_batches_tracked``.

    Raises:
        OptionsError: see ``read_onnx``; or the graph is another network.
    """
    graph = _Graph(read_onnx(path, f'reading {path}').graph)
    try:
        return graph.iresnet()
    except ValueError as error:  # also where a weight's bytes do not fill its shape
        raise OptionsError(
            f"{path}: not an IResNet as insightface's arcface_torch exports it ({first_words(error)}); "
            'type: OnnxRecogniser evaluates any network'
        ) from None


class _Graph:
    """Nodes by the data that they read; collects weights on the way."""

    def __init__(self, graph: GraphProto) -> None:
        self._values = {value.name: value for value in graph.initializer}
        self._same = {node.output[0]: node.input[0] for node in graph.node if node.op_type in _PASS_ON}
        self._readers: dict[str, list[NodeProto]] = defaultdict(list)
        for node in graph.node:
            if node.op_type not in _PASS_ON:
                for name in map(self._origin, node.input):
                    self._readers[name].append(node)
        self._input = next((value.name for value in graph.input if value.name not in self._values), '')
        self._weights: dict[str, Tensor] = {}

    def iresnet(self) -> dict[str, Tensor]:
        data = self._prelu('prelu', self._conv('conv1', 'bn1', self._input))
        layer = index = 0
        while self._reader(data, 'Conv') or self._reader(data, 'Add'):  # a shortcut starts: projection or identity
            layer, index = (layer + 1, 0) if self._reader(data, 'Conv') else (layer, index + 1)
            data = self._block(f'layer{layer}.{index}.', data)
        data = self._norm('bn2', self._next('bn2', data, 'BatchNormalization'))
        self._linear('fc', 'features', data)
        return self._weights

    def _block(self, name: str, data: str) -> str:
        inner = self._norm(name + 'bn1', self._next(name + 'bn1', data, 'BatchNormalization'))
        inner = self._prelu(name + 'prelu', self._conv(name + 'conv1', name + 'bn2', inner))
        inner = self._conv(name + 'conv2', name + 'bn3', inner)
        if self._reader(data, 'Conv'):
            self._conv(name + 'downsample.0', name + 'downsample.1', data)
        return self._next(name + 'sum', inner, 'Add').output[0]

    def _origin(self, name: str) -> str:
        while name in self._same:
            name = self._same[name]
        return name

    def _reader(self, data: str, operator: str) -> NodeProto | None:
        return next((node for node in self._readers[self._origin(data)] if node.op_type == operator), None)

    def _next(self, name: str, data: str, operator: str) -> NodeProto:
        node = self._reader(data, operator)
        if node is None:
            there = ', '.join(node.op_type for node in self._readers[self._origin(data)]) or 'the end'
            raise ValueError(f'{there} instead of {operator} at {name}')
        return node

    def _tensor(self, name: str) -> Tensor:
        from onnx import numpy_helper  # only after read_onnx, which tells where it is not installed

        name = self._origin(name)
        if name not in self._values:
            raise ValueError(f'{name} is no stored weight')
        return torch.from_numpy(numpy_helper.to_array(self._values[name]).copy()).float()

    def _conv(self, name: str, norm: str, data: str) -> str:
        node = self._next(name, data, 'Conv')
        weight = self._weights[f'{name}.weight'] = self._tensor(node.input[1])
        bias = self._tensor(node.input[2]) if len(node.input) > 2 else torch.zeros(len(weight))
        return self._norm_after(norm, node.output[0], bias)

    def _linear(self, name: str, norm: str, data: str) -> None:
        node = self._next(name, data, 'Gemm')
        weight, bias = (self._tensor(value) for value in node.input[1:3])
        transposed = any(attribute.name == 'transB' and attribute.i for attribute in node.attribute)
        self._weights[f'{name}.weight'] = weight if transposed else weight.t()
        self._weights[f'{name}.bias'] = bias
        self._norm_after(norm, node.output[0], torch.zeros_like(bias))

    def _prelu(self, name: str, data: str) -> str:
        node = self._next(name, data, 'PRelu')
        self._weights[f'{name}.weight'] = self._tensor(node.input[1]).flatten()
        return node.output[0]

    def _norm(self, name: str, node: NodeProto, added: Tensor | float = 0.0) -> str:
        """BatchNorm ``node`` after an addition. Returns its output."""
        weight, bias, mean, variance = (self._tensor(value) for value in node.input[1:5])
        eps = next((attribute.f for attribute in node.attribute if attribute.name == 'epsilon'), 1e-5)
        self._store_norm(name, weight, bias, mean - added, variance + (eps - _EPS))
        return node.output[0]

    def _norm_after(self, name: str, data: str, added: Tensor) -> str:
        """The BatchNorm that reads ``data``, if any, after an addition. Returns its output, or ``data``."""
        node = self._reader(data, 'BatchNormalization')
        if node is not None:
            return self._norm(name, node, added)
        one, zero = torch.ones_like(added), torch.zeros_like(added)
        self._store_norm(name, one, added, zero, one - _EPS)
        return data

    def _store_norm(self, name: str, weight: Tensor, bias: Tensor, mean: Tensor, variance: Tensor) -> None:
        for key, value in dict(weight=weight, bias=bias, running_mean=mean, running_var=variance).items():
            self._weights[f'{name}.{key}'] = value
