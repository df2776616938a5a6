"""Every operator of ONNX is read or has a reason; shapes are those that onnx infers."""

from __future__ import annotations

import pytest

import rfscale as rf
from rfscale.engine import InputError

pytestmark = pytest.mark.onnx


def test_every_operator_of_onnx_is_read_or_has_a_reason():
    from onnx import defs

    from rfscale.engine.readers.onnx import walk
    from rfscale.engine.readers.onnx.operators.ends import ENDS
    from rfscale.engine.readers.onnx.operators.registry import CONTROL, ONNX, REWRITES

    assert walk.TABLES
    names = {s.name for s in defs.get_all_schemas_with_history() if not s.domain}
    read = {name for table in (ONNX, REWRITES) for domain, name in table if not domain} | set(CONTROL)
    assert not names - read - set(ENDS)
    assert not read & set(ENDS)


def test_rules_infer_the_shapes_that_onnx_does():
    """Every node of the small graphs and of the wheel's models."""
    import onnx

    from rfscale.engine.readers.onnx.graph.rules import RULES
    from tests.engine.readers.onnx.test_onnx import LIGHT, graphs, light, resizes

    protos = [proto for _, proto in [*graphs(), *resizes()]] + [onnx.load(str(light(name))) for name in LIGHT]
    compared: dict[str, int] = {}
    for proto in protos:
        done = onnx.shape_inference.infer_shapes(proto)
        known = {i.name: i.type.tensor_type for i in (*done.graph.value_info, *done.graph.output, *done.graph.input)}
        for op, node, made in inferred(proto):
            for name, shape in zip(node.output, made, strict=False):
                dims = known[name].shape.dim if name in known and known[name].HasField("shape") else []
                if shape is None or not dims or not all(d.HasField("dim_value") for d in dims):
                    continue
                if any(a.name == "ceil_mode" and a.i for a in node.attribute):
                    continue  # where onnx counts a window that begins in the padding
                assert shape == tuple(d.dim_value for d in dims), (op, node)
                compared[op] = compared.get(op, 0) + (op in RULES)
    assert sum(compared.values()) > 1500
    assert len([op for op, count in compared.items() if count]) > 25


def inferred(proto):
    """Operator, node and shapes as the reader works them out, node by node."""
    from rfscale.engine.readers.onnx import reader
    from rfscale.engine.readers.onnx.graph.shapes import InferredShapes

    found = []

    class Noted(InferredShapes):
        def of(self, node, read, values):
            made = super().of(node, read, values)
            found.append((node.op_type, node, made))
            return made

    before, reader.InferredShapes = reader.InferredShapes, Noted
    try:
        rf.load(proto)
    except InputError:
        pass  # what is no layer has a shape all the same
    finally:
        reader.InferredShapes = before
    return found
