"""Shapes of the tensors of an ONNX graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rfscale.engine.readers.onnx.graph.node import OWN_DOMAIN, Node
from rfscale.engine.readers.onnx.graph.rules import RULES
from rfscale.engine.readers.tensors.layout import UnreadableError
from rfscale.engine.readers.tensors.tracking import Constant, Shape, Tracked

_MISFITS = (ValueError, KeyError, IndexError, TypeError, AttributeError, ZeroDivisionError, OverflowError)


class OpenConstant(Constant):
    """A constant of unknown shape: () stands for it, and nothing may be inferred from that."""


def constant_of(shape: Shape | None) -> Constant:
    """Return a constant without values."""
    return OpenConstant(()) if shape is None else Constant(shape)


def _has_shape(info: Any) -> bool:
    return info.type.HasField("tensor_type") and info.type.tensor_type.HasField("shape")


class InferredShapes:
    """Shapes of what each node makes: by rule, by the onnx package's inference, or as the file declares them."""

    def __init__(self, model: Any, image: Any, shape: Shape) -> None:
        infos = (*model.graph.value_info, *model.graph.output)
        given = zip((d.dim_value for d in image.type.tensor_type.shape.dim), shape, strict=False)
        keeps_size = all(n <= 0 or n == m for n, m in given)
        declared = {i.name: _whole(i.type.tensor_type) for i in infos if keeps_size and _has_shape(i)}
        self._declared = {name: s for name, s in declared.items() if s is not None and 0 not in s}
        self.reason = ""  # why the shape of the last node is not known
        self.opsets = {o.domain: o.version for o in model.opset_import}

    def of(self, node: Any, read: Node, values: Mapping[str, Any]) -> list[Shape | None]:
        """Shapes of what a node makes; `values` are those of its inputs, by name, at least."""
        names = [name for name in node.output if name]
        self.reason = ""
        own = node.domain in OWN_DOMAIN
        rule = RULES.get(node.op_type) if own else None
        if rule is not None and not any(isinstance(v, OpenConstant) for v in read.inputs):
            try:
                return [shape for shape, name in zip(rule(read), node.output, strict=False) if name]
            except (UnreadableError, *_MISFITS) as error:
                self.reason = "" if isinstance(error, KeyError) else " ".join(str(error).split())
        out = self._inferred(node, values) or [None] * len(names)
        return [self._declared.get(n) if shape is None else shape for n, shape in zip(names, out, strict=False)]

    def _inferred(self, node: Any, values: Mapping[str, Any]) -> list[Shape | None] | None:
        import onnx

        types, data = {}, {}
        for key in node.input:
            if not key:
                continue
            v = values[key]
            kind: int = onnx.TensorProto.FLOAT
            if not isinstance(v, Tracked | Constant) or isinstance(v, OpenConstant):
                return None
            if isinstance(v, Constant) and v.value is not None:
                try:
                    data[key] = onnx.numpy_helper.from_array(np.asarray(v.value))
                except Exception:  # a type that onnx has no name for
                    return None
                kind = data[key].data_type
            types[key] = onnx.helper.make_tensor_type_proto(kind, list(v.shape))
        try:
            schema = onnx.defs.get_schema(node.op_type, self.opsets.get(node.domain, 1), node.domain)
            made = onnx.shape_inference.infer_node_outputs(schema, node, types, data)
        except Exception:  # the node breaks the rules of its operator, or its domain is not known
            return None
        return [_whole(made[n].tensor_type) if n in made else None for n in node.output if n]


def _whole(tensor_type: Any) -> Shape | None:
    dims = tensor_type.shape.dim
    return tuple(d.dim_value for d in dims) if all(d.HasField("dim_value") and d.dim_value >= 0 for d in dims) else None
