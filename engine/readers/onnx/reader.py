"""ONNX files in, networks out: through shape inference, without a runtime and without weights."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import prod
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from rfscale.engine.errors import InputError, shown
from rfscale.engine.network.network import Network
from rfscale.engine.readers.onnx import ops
from rfscale.engine.readers.onnx.constants import FOLD, MAX_VALUES, is_kept, values_of
from rfscale.engine.readers.onnx.registry import ONNX, Node
from rfscale.engine.readers.tensors.layout import UnreadableError
from rfscale.engine.readers.tensors.tracking import Constant, Shape, Tracked, Tracker, Unknown, image_tracker
from rfscale.engine.readers.tensors.unknowns import Unknowns

_FILLED_BY = (ops,)  # importing it fills the table

MAX_NODES = 100_000
MAX_NESTED = 100  # functions that call functions
MAX_ELEMENTS = 1 << 32  # of a constant that a node makes; whatever needs more is broken or hostile
_WEIGHTED = ("Conv", "ConvTranspose", "Gemm")
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
        What to take operators for that are not known: for all, or ``{operator: "pointwise" | "everything" | layer}``.
    axes : sequence of int, optional
        Dims of the image that are spatial; by default all behind the first two.
    image : str, optional
        Which input is the image; by default the first of at least three dims.

    Raises
    ------
    InputError
        One line: a file that is no ONNX model, a graph with a cycle, sizes that are open, operators that are not known.
    """
    model, label = _loaded(source)
    graph = model.graph
    if len(model.functions):
        model = _inlined(model, label)
        graph = model.graph
    weights = {t.name: _initializer(t, label) for t in graph.initializer}
    weights |= {t.values.name: Constant(tuple(t.dims)) for t in graph.sparse_initializer}
    first = _image(graph, weights, image, label)
    shape = _image_shape(first, example_input, input_size, axes, label)
    inferred = _Shapes(model, first.name, shape)
    tracker, tensor, channels = image_tracker(shape, axes)
    walk = _Walk(tracker, Unknowns(unknown, "ONNX"), inferred, label)
    walk.elsewhere = {t.name for t in graph.initializer if t.data_location == 1}
    walk.values |= weights | {i.name: Constant(_dims(i.type.tensor_type)) for i in graph.input if i.name not in weights}
    walk.values[first.name] = tensor
    network = tracker.network(name or Path(label).stem, walk.run(graph), channels)
    walk.unknowns.note(network)
    return network


def _loaded(source: Any) -> tuple[Any, str]:
    """The model, and what messages call it."""
    try:
        import onnx
    except ImportError:
        raise InputError(f"{shown(str(source))} is an ONNX model; to read it: pip install 'rfscale[onnx]'") from None
    if isinstance(source, onnx.ModelProto):
        label = source.graph.name or "the ONNX model"
        _check_count(source, label)
        return source, label
    path = Path(source) if isinstance(source, str | PathLike) else None
    if path is None:
        raise InputError(f"an ONNX model must be a path or a ModelProto, not {shown(source)}")
    try:
        model = onnx.load(str(path), load_external_data=False)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    except Exception as error:  # protobuf's DecodeError, of whichever implementation
        raise InputError(f"{path} is not an ONNX model, or is cut off: {_one_line(error)}") from None
    _check_count(model, str(path))
    _check_names(model.graph, path)
    if not model.graph.node or not model.opset_import:
        raise InputError(f"{path} is not an ONNX model, or is empty: it has {len(model.graph.node)} nodes")
    return model, str(path)


def _check_count(model: Any, label: str) -> None:
    """Count the nodes, as many as functions come to where they are called, before anything looks at them one by one."""
    made: dict[tuple[str, str], int] = {}
    bodies = {(f.domain, f.name): f.node for f in model.functions}

    def count(nodes: Any, calling: tuple[tuple[str, str], ...]) -> int:
        if len(nodes) > MAX_NODES or not bodies:
            return len(nodes)
        total = 0
        for key in ((n.domain, n.op_type) for n in nodes):
            if key in bodies and key not in made:
                if key in calling or len(calling) > MAX_NESTED:
                    raise InputError(f"{label}: its functions call each other in a cycle or too deeply ({key[1]})")
                made[key] = count(bodies[key], (*calling, key))
            total += made.get(key, 1)
        return total

    nodes = count(model.graph.node, ())
    if nodes > MAX_NODES:
        raise InputError(f"{label} has {nodes} nodes; at most {MAX_NODES} are read")


def _check_names(graph: Any, path: Path) -> None:
    """Some protobuf libraries hand out text that is not UTF-8 as bytes, others raise when it is copied."""
    named = [*graph.input, *graph.output, *graph.initializer]
    words = [w for n in graph.node for w in (n.name, n.op_type, n.domain, *n.input, *n.output)]
    if any(isinstance(w, bytes) for w in [*words, *(n.name for n in named)]):
        raise InputError(f"{path} is damaged: it has names that are not UTF-8 text")


def _one_line(error: Exception) -> str:
    return shown(" ".join(str(error).split()), 200)


def _inlined(model: Any, label: str) -> Any:
    import onnx.inliner

    try:
        return onnx.inliner.inline_local_functions(model)
    except Exception as error:
        raise InputError(f"{label}: its functions cannot be inlined: {_one_line(error)}") from None


def _initializer(tensor: Any, label: str) -> Constant:
    """A weight: its shape, and its values where they are few."""
    shape = tuple(tensor.dims)
    if any(n < 0 for n in shape):
        raise InputError(
            f"{label}: the initializer {shown(tensor.name)} has the shape {shape}; sizes must not be negative"
        )
    if not is_kept(tensor):
        return Constant(shape)
    try:
        return Constant(shape, values_of(tensor))
    except Exception as error:
        raise InputError(f"{label}: the initializer {shown(tensor.name)} cannot be read: {_one_line(error)}") from None


def _dims(tensor_type: Any) -> Shape:
    """Sizes of a type; 0 for those that are open."""
    return tuple(d.dim_value if d.HasField("dim_value") else 0 for d in tensor_type.shape.dim)


def _image(graph: Any, weights: Mapping[str, Any], image: str | None, label: str) -> Any:
    inputs = [i for i in graph.input if i.name not in weights]
    for i in inputs:
        if i.name == image if image else len(i.type.tensor_type.shape.dim) >= 3:
            return i
    known = ", ".join(i.name for i in inputs) or "none"
    raise InputError(f"{label} has no input {shown(image) if image else 'of at least 3 dims'} (inputs: {known})")


def _image_shape(first: Any, example: Any, input_size: Any, axes: Sequence[int] | None, label: str) -> Shape:
    said = _dims(first.type.tensor_type)
    rank = len(said)
    spatial = list(range(2, rank)) if axes is None else [a % rank for a in axes]
    if example is not None:
        if len(list(example)) != rank:
            raise InputError(f"example_input is {shown(example)}; the input {first.name!r} of {label} has {rank} dims")
        return tuple(example)
    shape = list(said)
    if min(shape) < 0:
        raise InputError(f"{label}: the input {first.name!r} has the shape {said}; sizes must not be negative")
    if input_size is not None:
        sizes = [input_size] * len(spatial) if isinstance(input_size, int) else list(input_size)
        if len(sizes) != len(spatial):
            raise InputError(f"input_size is {shown(input_size)}; give one number, or {len(spatial)}")
        for d, n in zip(spatial, sizes, strict=True):
            shape[d] = n
    if any(shape[d] == 0 for d in spatial):
        raise InputError(f"{label} leaves the size of its input {first.name!r} open; give input_size, such as 224")
    return tuple(n or (3 if d == 1 else 1) for d, n in enumerate(shape))


class _Shapes:
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
        try:
            # no data_prop: it follows each row value by value as if it were a shape, and one of 2**40 fills the memory;
            # the walk folds the shapes that a graph computes, and is as fast (6,000 nodes of Swin-T: 0.6 s both)
            done = onnx.shape_inference.infer_shapes(light, data_prop=False)
        except Exception:  # one node is wrong or of an unknown domain: the others are inferred one by one
            return
        for info in (*done.graph.value_info, *done.graph.output):
            if info.type.HasField("tensor_type") and info.type.tensor_type.HasField("shape"):
                self.shapes[info.name] = self._whole(info.type.tensor_type)

    @staticmethod
    def _whole(tensor_type: Any) -> Shape | None:
        dims = tensor_type.shape.dim
        return tuple(d.dim_value for d in dims) if all(d.HasField("dim_value") for d in dims) else None

    def of(self, node: Any, values: Mapping[str, Any]) -> list[Shape | None]:
        """Shapes of what a node makes."""
        out = [self.shapes.get(name) for name in node.output if name]
        if None in out:
            out = self._by_node(node, values) or out
        return out

    def _by_node(self, node: Any, values: Mapping[str, Any]) -> list[Shape | None] | None:
        import onnx

        given = {n: values[n] for n in node.input if n}
        types, data = {}, {}
        for key, v in given.items():
            kind: int = onnx.TensorProto.FLOAT
            if isinstance(v, Constant) and v.value is not None:
                data[key] = onnx.numpy_helper.from_array(np.asarray(v.value))
                kind = data[key].data_type
            if not isinstance(v, Tracked | Constant) or isinstance(v, _Open):
                return None
            types[key] = onnx.helper.make_tensor_type_proto(kind, list(v.shape))
        try:
            schema = onnx.defs.get_schema(node.op_type, self.opsets.get(node.domain, 1), node.domain)
            made = onnx.shape_inference.infer_node_outputs(schema, node, types, data)
        except Exception:
            return None
        return [self._whole(made[n].tensor_type) if n in made else None for n in node.output if n]


class _Open(Constant):
    """A constant of unknown shape: () stands for it, and nothing may be inferred from that."""


def _made(shape: Shape | None) -> Constant:
    return _Open(()) if shape is None else Constant(shape)


class _Walk:
    """Goes over the nodes in the order of the file."""

    def __init__(self, tracker: Tracker, unknowns: Unknowns, shapes: _Shapes, label: str) -> None:
        self.tracker = tracker
        self.unknowns = unknowns
        self.shapes = shapes
        self.label = label
        self.values: dict[str, Any] = {}
        self.elsewhere: set[str] = set()  # initializers whose values are in other files

    def run(self, graph: Any) -> list[Any]:
        """Visit all nodes and return what the graph returns."""
        for node in graph.node:
            self.visit(node)
        missing = [o.name for o in graph.output if o.name not in self.values]
        if missing:
            raise InputError(f"{self.label}: no node makes the output {shown(missing[0])}")
        self.unknowns.check(self.label)
        return [self.values[o.name] for o in graph.output]

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
            return [Unknown() for _ in outputs]
        attrs = {a.name: _attribute(a) for a in node.attribute}
        tracked = any(isinstance(v, Tracked) for v in inputs)
        if node.op_type in ("Shape", "Size") and tracked:
            return _shape_value(node.op_type, inputs[0].shape, attrs)
        shapes = self.shapes.of(node, self.values)
        if not tracked and node.op_type not in _CONTROL:
            self._check_sizes(node, shapes)
            return [_folded(node.op_type, inputs, attrs, shapes[0])] + [_made(s) for s in shapes[1:]]
        self.tracker.path = _path(node)
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
            return _handled(handler, self.tracker, read)
        except UnreadableError as reason:
            name = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
            label = node.name or (outputs[0] if outputs else "?")
            out = self.unknowns.replace(self.tracker, name, label, inputs, str(reason))
            return [out for _ in outputs] if isinstance(out, Unknown) else out

    def _check_sizes(self, node: Any, shapes: Sequence[Shape | None]) -> None:
        """Refuse a constant that no memory would hold."""
        for shape in shapes:
            if shape is not None and (min(shape, default=0) < 0 or prod(shape) > MAX_ELEMENTS):
                raise InputError(
                    f"{self.label}: node {shown(node.name or node.output[0])} ({node.op_type}) makes a constant of the "
                    f"shape {shown(shape)}; sizes must not be negative, and their product at most {MAX_ELEMENTS}"
                )


_MISFITS = (KeyError, ValueError, IndexError, TypeError, AttributeError, ZeroDivisionError, OverflowError)


def _handled(handler: Any, tracker: Tracker, node: Node) -> Any:
    """Run a handler; what breaks it is a node that breaks the rules of its operator."""
    try:
        return handler(tracker, node)
    except _MISFITS as error:
        if isinstance(error, InputError):
            raise
        raise UnreadableError(
            f"its inputs or attributes are not those of the operator ({type(error).__name__}: {_one_line(error)})"
        ) from None


_FIELDS = {1: "f", 2: "i", 3: "s", 4: "t", 5: "g", 6: "floats", 7: "ints", 8: "strings"}


def _attribute(attribute: Any) -> Any:
    value = getattr(attribute, _FIELDS.get(attribute.type, "s"))
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return list(value) if attribute.type > 5 else value


def _shape_value(op: str, shape: Shape, attrs: Mapping[str, Any]) -> Constant:
    if op == "Size":
        return Constant((), np.array(prod(shape)))
    value = np.array(shape[attrs.get("start") or 0 : attrs.get("end")], np.int64)
    return Constant(value.shape, value)


def _folded(op: str, inputs: Sequence[Any], attrs: Mapping[str, Any], shape: Shape | None) -> Constant:
    """What a node makes of constants; its values where a reader may need them."""
    fold = FOLD.get(op)
    known = all(v is None or v.value is not None or op == "Shape" for v in inputs)
    if fold is not None and known and shape is not None and prod(shape) <= MAX_VALUES:
        try:
            value = np.asarray(fold([None if v is None else v for v in inputs], attrs))
        except (ValueError, TypeError, IndexError, ZeroDivisionError, AttributeError, OverflowError, MemoryError):
            return _made(shape)
        return Constant(value.shape, value if value.size <= MAX_VALUES else None)
    return _made(shape)


def _path(node: Any) -> str:
    """Module that a node comes from: that of its weights, what torch's exporter noted, or the node's own name."""
    weights = next((i for i in node.input[1:2] if i.endswith(".weight")), None)
    if weights and node.op_type in _WEIGHTED:
        return weights.removesuffix(".weight")
    for entry in node.metadata_props:
        if entry.key == "pkg.torch.onnx.name_scopes":
            scopes = re.findall(r"'([^']*)'", entry.value)[:-1]
            return scopes[-1] if scopes else ""
    return (node.name or next(iter(node.output), "")).strip("/").replace("/", ".")
