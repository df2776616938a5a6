"""Go over the nodes of an ONNX graph, and what is inside them: branches, loops, rewritten operators."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from math import prod
from typing import Any

from rfscale.engine.errors import InputError, shown
from rfscale.engine.readers.onnx.graph.constants import is_kept, values_of
from rfscale.engine.readers.onnx.graph.folding import folded, shape_value, splits
from rfscale.engine.readers.onnx.graph.image import initializer
from rfscale.engine.readers.onnx.graph.large_constants import LargeConstants
from rfscale.engine.readers.onnx.graph.model_file import MAX_NODES
from rfscale.engine.readers.onnx.graph.node import OWN_DOMAIN, Node, attributes
from rfscale.engine.readers.onnx.graph.shapes import InferredShapes, constant_of
from rfscale.engine.readers.onnx.module_outputs import ModuleCalls
from rfscale.engine.readers.onnx.operators import TABLES
from rfscale.engine.readers.onnx.operators.ends import reason_of
from rfscale.engine.readers.onnx.operators.registry import CONTROL, ONNX, REWRITES, Ends, Handler, Rewrite
from rfscale.engine.readers.tensors.calls import check_result, guarded, rules_kept
from rfscale.engine.readers.tensors.layout import UnreadableError
from rfscale.engine.readers.tensors.operators.masked_scores import check_masked
from rfscale.engine.readers.tensors.operators.settled import settle
from rfscale.engine.readers.tensors.tracking import (
    Constant,
    Shape,
    Tracked,
    Tracker,
    Unknown,
)
from rfscale.engine.readers.tensors.unknowns import Unknowns

_FILLED_BY = TABLES  # importing them fills the registry

MAX_ELEMENTS = 1 << 32  # of a constant that a node makes; whatever needs more is broken or hostile
MAX_DEPTH = 50  # of branches in branches and rewritten nodes in rewritten nodes
_OF_SHAPE = ("Shape", "Size")

_FUSED = "com.microsoft"
_WITH_MASKS = {  # the first input that may be one
    ("", "Add"): 0, ("", "Mul"): 0, ("", "Where"): 0, ("", "Attention"): 0, (_FUSED, "Attention"): 3,
    (_FUSED, "MultiHeadAttention"): 3, ("", "GridSample"): 1,
}  # fmt: skip


class GraphReader:
    """Goes over the nodes in the order of the file.

    Attributes
    ----------
    values : mapping
        What each name stands for: Tracked, Constant, Unknown, or a list of these for a sequence.
    elsewhere : set of str
        Initializers whose values are in other files.
    large : LargeConstants
        Those with more values than are kept.
    lost, broken : int
        Nodes that read what is unknown, and those whose inputs do not fit each other.
    """

    def __init__(
        self, tracker: Tracker, unknowns: Unknowns, shapes: InferredShapes, label: str, calls: ModuleCalls
    ) -> None:
        self.calls = calls
        self.tracker = tracker
        self.unknowns = unknowns
        self.shapes = shapes
        self.label = label
        self.values: MutableMapping[str, Any] = {}
        self._products: set[str] = set()  # weights that are multiplied by another constant, which may be a mask
        self.elsewhere: set[str] = set()
        self.large = LargeConstants()
        self.lost = self.broken = 0
        self._visited = 0
        self._rewriting = 0  # rewritten nodes around the one at hand
        self._within: list[str] = []  # nodes around the one at hand
        self._path: str | None = None  # of the outermost of them

    def run(self, graph: Any) -> list[Any]:
        """Visit all nodes and return what the graph returns."""
        for node in graph.node:
            self.visit(node)
        missing = [o.name for o in graph.output if o.name not in self.values]
        if missing:
            raise InputError(f"{self.label}: no node makes the output {shown(missing[0])}")
        wanted = {o.name for o in graph.output}
        made_by = {name: node for node in graph.node for name in node.output if name in wanted}
        return [self._settled(self.values[o.name], made_by.get(o.name)) for o in graph.output]

    def _settled(self, value: Any, node: Any) -> Any:
        """An output as a layer of its very shape, where its layout allows that."""
        if not isinstance(value, Tracked) or node is None:
            return value
        self.tracker.path = self.calls.path(node)
        return settle(self.tracker, value)

    def visit(self, node: Any) -> None:
        """Read one node."""
        if node.op_type == "Constant" and not node.input and self._constant(node):
            return
        values = self.values
        try:
            inputs = [values[i] if i else None for i in node.input]
        except KeyError:
            missing = next(i for i in node.input if i and i not in values)
            raise InputError(
                f"{self.label}: node {shown(node.name or node.op_type)} reads {shown(missing)}, which no node before "
                "it makes: the graph has a cycle or is not in order"
            ) from None
        self._visited += 1
        if self._visited > MAX_NODES:
            raise InputError(f"{self.label} comes to more than {MAX_NODES} nodes with its loops; no more are read")
        outputs = [o for o in node.output if o]
        out = self._result(node, inputs, outputs)
        if out is None:  # its values are there already
            return
        results = out if isinstance(out, list | tuple) else [out, *(Constant(()) for _ in outputs[1:])]
        for key, value in zip(outputs, results, strict=False):
            values[key] = value

    def _constant(self, node: Any) -> bool:
        """The commonest node, by the shortest way."""
        attribute = node.attribute[0] if len(node.attribute) == 1 else None
        if attribute is not None and attribute.name == "value" and len(node.output):
            self.large.add_tensor(node.output[0], attribute.t)
        if attribute is None or attribute.name != "value" or not is_kept(attribute.t) or not len(node.output):
            return False
        try:
            value = values_of(attribute.t)
        except Exception:  # damaged; the long way says what happens then
            return False
        self.values[node.output[0]] = Constant(value.shape, value)
        return True

    def _result(self, node: Any, inputs: list[Any], outputs: list[str]) -> Any:
        op = node.op_type
        own = node.domain in OWN_DOMAIN
        if any(isinstance(v, Unknown) for v in inputs) and not (own and op == "If"):
            self.lost += 1
            return [Unknown(tuple(inputs))] * len(outputs)
        attrs = attributes(node)
        tracked = any(isinstance(v, Tracked | list) for v in inputs)
        if own and op in _OF_SHAPE and tracked and isinstance(inputs[0], Tracked):
            return shape_value(op, inputs[0].shape, attrs)
        read = Node(op, attrs, inputs, self.shapes.opsets.get(node.domain, 1), len(node.output))
        if own and op in CONTROL:
            return self._guarded(node, read, outputs, lambda: self._followed(node, read))
        rewrite = REWRITES.get((node.domain, op)) if not own or tracked else None
        if rewrite is not None:
            return self._guarded(node, read, outputs, lambda: self._rewritten(node, read, rewrite))
        shapes = self.shapes.of(node, read, self.values)
        read = read._replace(shapes=shapes)
        if not tracked:
            return self._of_constants(node, read)
        return self._guarded(node, read, outputs, lambda: self._handled(node, read))

    def _of_constants(self, node: Any, read: Node) -> list[Constant]:
        """What a node makes of constants."""
        shapes = read.shapes
        self.large.add_node(node)
        self._check_sizes(node, shapes)
        masks = read.op in ("Mul", "Where") and [v for v in read.inputs if v and len(v.shape) > 1 and v.shape[-1] > 1]
        if masks and len(masks) > 1:
            self._products.update(node.output)
        if read.op == "Split":
            return splits(read)
        shape = shapes[0] if shapes else None
        made = folded(read.op, read.inputs, read.attrs, shape)
        if made.value is not None and not made.value.any():
            made = replace(made, varies=any(isinstance(v, Constant) and v.varies for v in read.inputs))
        return [made, *(constant_of(s) for s in shapes[1:])]

    def _handled(self, node: Any, read: Node) -> Any:
        """What the handler of an operator makes of the image."""
        self.tracker.path = self._path_of(node)
        shapes = read.shapes
        if read.op == "Conv" and self._products.intersection(node.input[1:2]):
            label = node.name or node.output[0]
            self.unknowns.assumed[label] = "a mask of its weights was not read, every tap counts"
        domain = "" if node.domain in OWN_DOMAIN else node.domain
        if (first := _WITH_MASKS.get((domain, read.op))) is not None:
            opset = next((self.shapes.opsets[d] for d in OWN_DOMAIN if d in self.shapes.opsets), 1)
            later = zip(node.input[first:], read.inputs[first:], strict=False)
            masks = [self.large.of(name, v, self.values, opset) for name, v in later]
            read = read._replace(inputs=[*read.inputs[:first], *masks])
        handler = ONNX.get((domain, read.op))
        if handler is None:
            raise UnreadableError(reason_of(domain, read.op))
        if shapes and shapes[0] is None and not domain:
            away = next((shown(i) for i in node.input[1:] if i in self.elsewhere), None)
            because = f", because {away} is kept in another file" if away else ""
            if self.shapes.reason and not away:
                self.broken += 1
                because = f": {self.shapes.reason[:200]}"
            raise UnreadableError(f"the shape of its output cannot be inferred{because}")
        if len(shapes) > 1:
            self.tracker.shape = list(shapes)
        check_masked(self.tracker, read.op, read.inputs)
        out = guarded(partial(_of_first_shape, handler), self.tracker, read)
        check_result(out, list(shapes) if len(shapes) > 1 else shapes[0] if shapes else None)
        if not isinstance(out, list):
            return out
        return [self._ended(node, read, v, i) if isinstance(v, Ends) else v for i, v in enumerate(out)]

    def _ended(self, node: Any, read: Node, end: Ends, position: int) -> Any:
        """One of several outputs that cannot be read."""
        shape = read.shapes[position] if position < len(read.shapes) else None
        self.tracker.shape = shape or ()
        return self._replaced(node, read, end.reason, shape is not None)

    def _path_of(self, node: Any) -> str:
        """Module of a node: that of the outermost node around it."""
        return self.calls.path(node) if self._path is None else self._path

    def _guarded(self, node: Any, read: Node, outputs: Sequence[str], make: Any) -> Any:
        """What reading a node gives, or what stands for it where it cannot be read."""
        shapes = read.shapes or [None]
        same = next((v.shape for v in read.inputs if isinstance(v, Tracked)), ())  # what an unknown operator may keep
        self.tracker.shape = shapes[0] if shapes[0] is not None else same
        try:
            return make()
        except UnreadableError as reason:
            if self._rewriting and read.op not in CONTROL:
                raise  # the node that it was written for is what is not known
            if not read.shapes:  # they are worked out for what is read by a handler
                shapes = self.shapes.of(node, read, self.values) or [None]
            known = None not in shapes
            self.tracker.shape = (list(shapes) if len(shapes) > 1 else shapes[0]) if known else same
            out = self._replaced(node, read, str(reason), known)
            return out if isinstance(out, list) else [out] * len(outputs)

    def _replaced(self, node: Any, read: Node, reason: str, known: bool) -> Any:
        self.tracker.path = self._path_of(node)
        name = read.op if node.domain in OWN_DOMAIN else f"{node.domain}.{read.op}"
        label = node.name or next(iter(node.output), "?")
        return self.unknowns.replace(self.tracker, name, label, list(read.inputs), reason, known)

    def _check_sizes(self, node: Any, shapes: Sequence[Shape | None]) -> None:
        """Refuse a constant that no memory would hold."""
        for shape in shapes:
            if shape is not None and (min(shape, default=0) < 0 or prod(shape) > MAX_ELEMENTS):
                raise InputError(
                    f"{self.label}: node {shown(node.name or node.output[0])} ({node.op_type}) makes a constant of the "
                    f"shape {shown(shape)}; sizes must not be negative, and their product at most {MAX_ELEMENTS}"
                )

    # nodes in nodes -------------------------------------------------------------------------------------------------

    def _inside(self, node: Any, nodes: Iterable[Any]) -> None:
        """Visit what stands for a node; the last of it makes the node's own outputs."""
        outermost = self._path is None
        if len(self._within) > MAX_DEPTH:
            raise InputError(f"{self.label}: its nodes are nested more than {MAX_DEPTH} deep")
        self._within.append(node.name)
        if outermost:
            self._path = self.calls.path(node)
        try:
            for inner in nodes:
                self.visit(inner)
        finally:
            self._within.pop()
            if outermost:
                self._path = None

    def _followed(self, node: Any, read: Node) -> Any:
        with rules_kept():
            return CONTROL[read.op](self, node, read)

    def _rewritten(self, node: Any, read: Node, rewrite: Rewrite) -> None:
        """Visit the nodes that an operator is written in, which fail together."""
        with rules_kept():
            nodes = rewrite(node, read)
        self._rewriting += 1
        try:
            self._inside(node, nodes)
        finally:
            self._rewriting -= 1

    @contextmanager
    def unknowns_apart(self) -> Iterator[None]:
        """Read what may not matter: operators that are not known there are not reported."""
        found, assumed = self.unknowns.found, self.unknowns.assumed
        self.unknowns.found, self.unknowns.assumed = [], dict(assumed)
        try:
            yield
        finally:
            self.unknowns.found, self.unknowns.assumed = found, assumed

    def subgraph(self, node: Any, graph: Any, given: dict[str, Any]) -> list[Any]:
        """What a graph inside a node makes of what it is given; it reads the names around it, and hides its own."""
        around = self.values
        own = {t.name: initializer(t, self.label) for t in graph.initializer}
        self.values = ChainMap({**own, **given}, around)
        try:
            self._inside(node, graph.node)
            missing = next((o.name for o in graph.output if o.name not in self.values), None)
            if missing is not None:
                raise InputError(f"{self.label}: no node makes the output {shown(missing)}")
            return [self.values[o.name] for o in graph.output]
        finally:
            self.values = around


def _of_first_shape(handler: Handler, k: Tracker, read: Node) -> Any:
    """Run a handler, for which the tracker has the shape of the first output; the node has those of all."""
    if isinstance(k.shape, list):
        k.shape = read.shapes[0]
    return handler(k, read)
