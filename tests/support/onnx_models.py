"""Networks in ONNX files, for tests."""

import onnx
from onnx import TensorProto, helper


def mean_colour(path, shape=('N', 3, 112, 112), normalises=False, extra_output=False):
    """An ONNX file whose embedding is the mean of what it is fed, in each channel."""
    nodes, data, constants = [], 'data', []
    if normalises:  # as MXNet's recognisers: (x - 127.5) * 0.0078125, on values up to 255
        constants = [
            helper.make_tensor(name, TensorProto.FLOAT, [1], [value])
            for name, value in (('mean', 127.5), ('scale', 0.0078125))
        ]
        nodes = [
            helper.make_node('Sub', ['data', 'mean'], ['shifted']),
            helper.make_node('Mul', ['shifted', 'scale'], ['scaled']),
        ]
        data = 'scaled'
    nodes += [
        helper.make_node('GlobalAveragePool', [data], ['pooled']),
        helper.make_node('Flatten', ['pooled'], ['embedding']),
    ]
    outputs = [helper.make_tensor_value_info('embedding', TensorProto.FLOAT, [shape[0], 3])]
    if extra_output:
        outputs.append(helper.make_tensor_value_info('pooled', TensorProto.FLOAT, [shape[0], 3, 1, 1]))
    graph = helper.make_graph(
        nodes, 'mean', [helper.make_tensor_value_info('data', TensorProto.FLOAT, shape)], outputs, constants
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid('', 13)], ir_version=8), path)
    return str(path)
