"""ONNX files in, networks out: through shape inference, without a runtime and without weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

from rfscale.engine.errors import InputError, shown
from rfscale.engine.network.network import Network
from rfscale.engine.readers.onnx import ops
from rfscale.engine.readers.onnx.folding import folded, shape_value
from rfscale.engine.readers.onnx.graph_inputs import declared_dims, image_input, image_shape, initializer
from rfscale.engine.readers.onnx.model_file import load_model
from rfscale.engine.readers.onnx.module_outputs import ModuleCalls
from rfscale.engine.readers.onnx.registry import ONNX, Node
from rfscale.engine.readers.onnx.shapes import InferredShapes, constant_of
from rfscale.engine.readers.tensors.calls import check_result, guarded
from rfscale.engine.readers.tensors.finished import finished
from rfscale.engine.readers.tensors.layout import UnreadableError
from rfscale.engine.readers.tensors.spatial_ops import settle
from rfscale.engine.readers.tensors.tracking import (
    Constant,
    Shape,
    Tracked,
    Tracker,
    Unknown,
    image_tracker,
)
from rfscale.engine.readers.tensors.unknowns import Unknowns

_FILLED_BY = (ops,)  # importing it fills the table

MAX_ELEMENTS = 1 << 32  # of a constant that a node makes; whatever needs more is broken or hostile
_CONTROL = ("If", "Loop", "Scan", "SequenceMap")


def read_onnx(
    source: Any,
    example_input: Sequence[int] | None = None,
    *,
    input_size: int | Sequence[int] | None = None,
    name: str | None = None,
    unknown: str | Mapping[str, Any] | None = None,
    axes: Sequence[int] | None = None,
    image: str | None = None,
) -> Network:
    """Return the network of an ONNX model.

    Parameters
    ----------
    source : path or onnx.ModelProto
        Weights kept in other files need not be there.
    example_input : sequence of int, optional
        Shape of the image; by default what the model says, with 1 for an open batch.
    input_size : int or sequence of int, optional
        Pixels per axis, where the model leaves them open.
    name : str, optional
        Name of the network; by default the file's.
    unknown : {"pointwise", "everything"} or mapping, optional
        What to take operators for that are not known: for all, or
        ``{operator or node: "pointwise" | "everything" | layer}``.
    axes : sequence of int, optional
        Dims of the image that are spatial; by default all after the first two.
    image : str, optional
        Which input is the image; by default the first of at least three dims.

    Raises
    ------
    InputError
        One line: a file that is no ONNX model, a graph with a cycle, sizes that are open, or nothing that is left
        without the operators that are not known.
    """
    model, label = load_model(source)
    graph = model.graph
    weights = {t.name: initializer(t, label) for t in graph.initializer}
    weights |= {t.values.name: Constant(tuple(t.dims)) for t in graph.sparse_initializer}
    first = image_input(graph, weights, image, label)
    shape = image_shape(first, example_input, input_size, axes, label)
    inferred = InferredShapes(model, first.name, shape)
    tracker, tensor, channels = image_tracker(shape, axes)
    reader = GraphReader(tracker, Unknowns(unknown, "ONNX"), inferred, label, ModuleCalls(graph))
    reader.elsewhere = {t.name for t in graph.initializer if t.data_location == 1}
    reader.values |= weights | {
        i.name: Constant(declared_dims(i.type.tensor_type)) for i in graph.input if i.name not in weights
    }
    reader.values[first.name] = tensor
    outputs = reader.run(graph)
    returned = reader.calls.returned(graph, reader.values)
    return finished(tracker, name or Path(label).stem, outputs, channels, reader.unknowns, returned)


class GraphReader:
    """Goes over the nodes in the order of the file."""

    def __init__(
        self, tracker: Tracker, unknowns: Unknowns, shapes: InferredShapes, label: str, calls: ModuleCalls
    ) -> None:
        self.calls = calls
        self.tracker = tracker
        self.unknowns = unknowns
        self.shapes = shapes
        self.label = label
        self.values: dict[str, Any] = {}
        self._products: set[str] = set()  # weights that are multiplied by another constant, which may be a mask
        self.elsewhere: set[str] = set()  # initializers whose values are in other files

    def run(self, graph: Any) -> list[Any]:
        """Visit all nodes and return what the graph returns."""
        for node in graph.node:
            self.visit(node)
        missing = [o.name for o in graph.output if o.name not in self.values]
        if missing:
            raise InputError(f"{self.label}: no node makes the output {shown(missing[0])}")
        made_by = {name: node for node in graph.node for name in node.output}
        return [self._settled(self.values[o.name], made_by.get(o.name)) for o in graph.output]

    def _settled(self, value: Any, node: Any) -> Any:
        """An output as a layer of its very shape, where its layout allows that."""
        if not isinstance(value, Tracked) or node is None:
            return value
        self.tracker.path = self.calls.path(node)
        return settle(self.tracker, value)

    def visit(self, node: Any) -> None:
        missing = next((i for i in node.input if i and i not in self.values), None)
        if missing is not None:
            raise InputError(
                f"{self.label}: node {shown(node.name or node.op_type)} reads {shown(missing)}, which no node before "
                "it makes: the graph has a cycle or is not in order"
            )
        inputs = [self.values[i] if i else None for i in node.input]
        outputs = [o for o in node.output if o]
        out = self._result(node, inputs, outputs)
        results = out if isinstance(out, list | tuple) else [out, *(Constant(()) for _ in outputs[1:])]
        for key, value in zip(outputs, results, strict=False):
            self.values[key] = value

    def _result(self, node: Any, inputs: list[Any], outputs: list[str]) -> Any:
        if any(isinstance(v, Unknown) for v in inputs):
            return [Unknown(inputs)] * len(outputs)
        attrs = {a.name: _attribute(a) for a in node.attribute}
        tracked = any(isinstance(v, Tracked) for v in inputs)
        if node.op_type in ("Shape", "Size") and tracked:
            return shape_value(node.op_type, inputs[0].shape, attrs)
        shapes = self.shapes.of(node, self.values)
        if not tracked and node.op_type not in _CONTROL:
            self._check_sizes(node, shapes)
            if node.op_type in ("Mul", "Where") and sum(v.shape[-1] > 1 for v in inputs if v and len(v.shape) > 1) > 1:
                self._products.update(outputs)
            return [folded(node.op_type, inputs, attrs, shapes[0])] + [constant_of(s) for s in shapes[1:]]
        self.tracker.path = self.calls.path(node)
        if node.op_type == "Conv" and self._products.intersection(node.input[1:2]):
            self.unknowns.assumed[node.name or outputs[0]] = "a mask of its weights was not read, every tap counts"
        same = next((v.shape for v in inputs if isinstance(v, Tracked)), ())  # what an unknown operator may keep
        self.tracker.shape = shapes[0] if shapes and shapes[0] is not None else same
        read = Node(node.op_type, attrs, inputs, shapes, self.shapes.opsets.get(node.domain, 1))
        handler = ONNX.get(node.op_type) if node.domain in ("", "ai.onnx") else None
        try:
            if handler is None:
                raise UnreadableError("control flow is not followed" if node.op_type in _CONTROL else "")
            if shapes and shapes[0] is None:
                away = next((shown(i) for i in node.input[1:] if i in self.elsewhere), None)
                because = f", because {away} is kept in another file" if away else ""
                raise UnreadableError(f"the shape of its output cannot be inferred{because}")
            out = guarded(handler, self.tracker, read)
            check_result(out, shapes if len(shapes) > 1 else shapes[0] if shapes else None)
            return out
        except UnreadableError as reason:
            name = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
            label = node.name or (outputs[0] if outputs else "?")
            known = bool(shapes) and shapes[0] is not None
            several = len(shapes) > 1 and None not in shapes
            self.tracker.shape = list(shapes) if several else shapes[0] if known else same
            out = self.unknowns.replace(self.tracker, name, label, inputs, str(reason), known)
            return out if isinstance(out, list) else [out] * len(outputs)

    def _check_sizes(self, node: Any, shapes: Sequence[Shape | None]) -> None:
        """Refuse a constant that no memory would hold."""
        for shape in shapes:
            if shape is not None and (min(shape, default=0) < 0 or prod(shape) > MAX_ELEMENTS):
                raise InputError(
                    f"{self.label}: node {shown(node.name or node.output[0])} ({node.op_type}) makes a constant of the "
                    f"shape {shown(shape)}; sizes must not be negative, and their product at most {MAX_ELEMENTS}"
                )


_FIELDS = {1: "f", 2: "i", 3: "s", 4: "t", 5: "g", 6: "floats", 7: "ints", 8: "strings"}


def _attribute(attribute: Any) -> Any:
    value = getattr(attribute, _FIELDS.get(attribute.type, "s"))
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return list(value) if attribute.type > 5 else value
