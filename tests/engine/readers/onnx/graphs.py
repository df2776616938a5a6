"""Small ONNX graphs, and their footprints by onnx's own reference evaluator: which pixels move which entries."""

from __future__ import annotations

import itertools

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

NOTHING = 1e-5


def model(nodes, shape=(1, 1, 8, 9), opset=17, outputs=("y",), **constants):
    """A model from nodes; float and int arrays by name are initializers."""
    image = helper.make_tensor_value_info("x", TensorProto.FLOAT, list(shape))
    made = [helper.make_empty_tensor_value_info(o) for o in outputs]
    weights = [numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()]
    graph = helper.make_graph(list(nodes), "graph", [image], made, initializer=weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def node(op, *inputs, to="y", **attrs):
    """A node that makes one tensor."""
    return helper.make_node(op, list(inputs), [to], **attrs)


def weights(*shape):
    return np.ones(shape, np.float32)


def ints(*values):
    return np.array(values, np.int64)


def moved(proto, size):
    """Boolean array (entry…, pixel…): what changes when one pixel of an image of zeros does. Channels are united."""
    run = ReferenceEvaluator(proto)
    (image,) = (i for i in proto.graph.input if i.name == "x")
    shape = [d.dim_value for d in image.type.tensor_type.shape.dim]
    before = run.run(None, {"x": np.zeros(shape, np.float32)})[0]
    columns = []
    for pixel in itertools.product(*map(range, size)):
        x = np.zeros(shape, np.float32)
        x[(slice(None), slice(None), *pixel)] = 1
        columns.append((np.abs(run.run(None, {"x": x})[0] - before) > NOTHING).any(axis=(0, 1)))
    entries = columns[0].shape
    return np.stack(columns, axis=-1).reshape(*entries, *size)


__all__ = ["ints", "model", "moved", "node", "onnx", "weights"]
