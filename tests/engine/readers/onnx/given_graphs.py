"""Graphs given to the tests of ONNX files as packages ship them: inner graphs, images of any type."""

from __future__ import annotations

import numpy as np

FLOAT, UINT8, INT64, FLOAT16, BOOL = 1, 2, 7, 10, 9


def g():
    from tests.engine.readers.onnx import graphs

    return graphs


def named(*names):
    """Values by name, of any type."""
    return [g().onnx.helper.make_empty_tensor_value_info(n) for n in names]


def inner(nodes, inputs=(), outputs=("y",), **constants):
    """A graph inside a node."""
    from onnx import helper, numpy_helper

    made = [numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()]
    return helper.make_graph(list(nodes), "inner", named(*inputs), named(*outputs), initializer=made)


def image(proto, dims, kind=FLOAT, name="x"):
    """The model with another type and other dims of its image: numbers, names, or None for open ones."""
    proto.graph.input[0].CopyFrom(g().onnx.helper.make_tensor_value_info(name, kind, list(dims)))
    return proto


# recurrent layers ---------------------------------------------------------------------------------------------------
