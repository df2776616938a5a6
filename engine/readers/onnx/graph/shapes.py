"""Shapes of the tensors of an ONNX graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from rfscale.engine.readers.onnx.graph.constants import is_kept
from rfscale.engine.readers.tensors.tracking import Constant, Shape, Tracked

POOLS = ("MaxPool", "AveragePool", "LpPool")


class OpenConstant(Constant):
    """A constant of unknown shape: () stands for it, and nothing may be inferred from that."""


def constant_of(shape: Shape | None) -> Constant:
    """Return a constant without values."""
    return OpenConstant(()) if shape is None else Constant(shape)


def _has_shape(info: Any) -> bool:
    return info.type.HasField("tensor_type") and info.type.tensor_type.HasField("shape")


def _sizes(info: Any, shape: Shape) -> Iterator[tuple[int, int]]:
    """Declared sizes of an input beside those that it is read with."""
    return zip((d.dim_value for d in info.type.tensor_type.shape.dim), shape, strict=False)


def _rounded_up(node: Any, values: Mapping[str, Any]) -> Shape | None:
    """Shape of what a pooling with `ceil_mode` makes; None for other poolings.

    A last window that would begin in the padding at the end is left out, as ONNX says, and PyTorch and onnxruntime do
    it. The shape inference of the onnx package counts it.
    """
    attrs = {a.name: a for a in node.attribute}
    if "ceil_mode" not in attrs or not attrs["ceil_mode"].i or "kernel_shape" not in attrs:
        return None
    if "auto_pad" in attrs and attrs["auto_pad"].s not in (b"", b"NOTSET", b"VALID"):
        return None
    kernel = list(attrs["kernel_shape"].ints)
    rank, x = len(kernel), next((getattr(values.get(i), "shape", ()) for i in node.input), ())

    def given(name: str, default: int, count: int = rank) -> list[int]:
        return list(attrs[name].ints) if name in attrs else [default] * count

    stride, dilation, pads = given("strides", 1), given("dilations", 1), given("pads", 0, 2 * rank)
    if len(x) != rank + 2 or not len(stride) == len(dilation) == rank or len(pads) != 2 * rank or min(stride) < 1:
        return None
    size = []
    for a, n in enumerate(x[2:]):
        rest = n + pads[a] + pads[rank + a] - dilation[a] * (kernel[a] - 1) - 1
        count = -(-rest // stride[a]) + 1
        size.append(count - ((count - 1) * stride[a] >= n + pads[a]))
    return (*x[:2], *size) if min(size) > 0 else None


class InferredShapes:
    """Shapes of all tensors: by inference over the graph, and node by node where that stops."""

    def __init__(self, model: Any, image: str, shape: Shape) -> None:
        import onnx

        light = onnx.ModelProto(ir_version=max(model.ir_version, 4), opset_import=model.opset_import)
        graph = light.graph
        graph.name = "shapes"
        graph.node.extend(model.graph.node)
        graph.output.extend(onnx.ValueInfoProto(name=o.name) for o in model.graph.output)
        large = []
        for t in model.graph.initializer:
            if is_kept(t):
                graph.initializer.append(t)
            else:
                large.append(onnx.helper.make_tensor_value_info(t.name, t.data_type, list(t.dims)))
        kept = {t.name for t in model.graph.initializer}
        for i in model.graph.input:
            if i.name == image:
                large.append(onnx.helper.make_tensor_value_info(image, i.type.tensor_type.elem_type or 1, list(shape)))
            elif i.name not in kept:
                large.append(i)
        graph.input.extend(large)
        self.opsets = {o.domain: o.version for o in model.opset_import}
        self.shapes: dict[str, Shape | None] = {}
        self._corrected: set[str] = set()  # tensors whose shape is not the one that was inferred
        infos = (*model.graph.value_info, *model.graph.output)
        kept_size = all(n in (0, m) for i in model.graph.input if i.name == image for n, m in _sizes(i, shape))
        self._declared = {i.name: self._whole(i.type.tensor_type) for i in infos if kept_size and _has_shape(i)}
        try:
            # no data_prop: it follows each row value by value as if it were a shape, and one of 2**40 fills the memory;
            # the walk folds the shapes that a graph computes, and is as fast (6,000 nodes of Swin-T: 0.6 s both)
            done = onnx.shape_inference.infer_shapes(light, data_prop=False)
        except Exception:  # one node is wrong or of an unknown domain: the others are inferred one by one
            return
        for info in (*done.graph.value_info, *done.graph.output):
            if _has_shape(info):
                self.shapes[info.name] = self._whole(info.type.tensor_type)

    @staticmethod
    def _whole(tensor_type: Any) -> Shape | None:
        dims = tensor_type.shape.dim
        return tuple(d.dim_value for d in dims) if all(d.HasField("dim_value") for d in dims) else None

    def of(self, node: Any, values: Mapping[str, Any]) -> list[Shape | None]:
        """Shapes of what a node makes: inferred, or else as the file declares them."""
        names = [name for name in node.output if name]
        out = [self.shapes.get(name) for name in names]
        changed = any(name in self._corrected for name in node.input)
        if changed or None in out:
            out = self._by_node(node, values) or ([None] * len(names) if changed else out)
        size = _rounded_up(node, values) if node.op_type in POOLS and names and node.domain in ("", "ai.onnx") else None
        if size is not None and size != out[0]:
            out = [size for _ in out]
            changed = True
        if changed:
            self._corrected.update(names)
        return [self._declared.get(n) if shape is None else shape for n, shape in zip(names, out, strict=False)]

    def _by_node(self, node: Any, values: Mapping[str, Any]) -> list[Shape | None] | None:
        import onnx

        given = {n: values[n] for n in node.input if n}
        types, data = {}, {}
        for key, v in given.items():
            kind: int = onnx.TensorProto.FLOAT
            if isinstance(v, Constant) and v.value is not None:
                data[key] = onnx.numpy_helper.from_array(np.asarray(v.value))
                kind = data[key].data_type
            if not isinstance(v, Tracked | Constant) or isinstance(v, OpenConstant):
                return None
            types[key] = onnx.helper.make_tensor_type_proto(kind, list(v.shape))
        try:
            schema = onnx.defs.get_schema(node.op_type, self.opsets.get(node.domain, 1), node.domain)
            made = onnx.shape_inference.infer_node_outputs(schema, node, types, data)
        except Exception:
            return None
        return [self._whole(made[n].tensor_type) if n in made else None for n in node.output if n]
