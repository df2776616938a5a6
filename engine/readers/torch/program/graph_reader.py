"""Exported programs in, networks out: a walk over their fx graphs."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any

from rfscale.engine.network.network import Network
from rfscale.engine.readers.tensors.calls import check_result, guarded
from rfscale.engine.readers.tensors.finished import finished
from rfscale.engine.readers.tensors.layout import UnreadableError
from rfscale.engine.readers.tensors.naming import Returned, returned_maps
from rfscale.engine.readers.tensors.operators.masked_scores import check_masked
from rfscale.engine.readers.tensors.operators.settled import keeps_entries, settle
from rfscale.engine.readers.tensors.tracking import (
    Constant,
    Shape,
    Tracked,
    Tracker,
    Unknown,
    image_tracker,
    single_maps,
)
from rfscale.engine.readers.tensors.unknowns import Unknowns
from rfscale.engine.readers.torch.aten import ops as aten
from rfscale.engine.readers.torch.aten import window_ops as aten_windows
from rfscale.engine.readers.torch.program.masks import NOT_READ, WITHOUT_VALUES, Masks, writes
from rfscale.engine.readers.torch.program.module_outputs import note_from_stacks, notes
from rfscale.engine.readers.torch.registry import handler_of

_FILLED_BY = aten, aten_windows  # importing them fills the table
# operators that leave out entries where a constant among their arguments says so
_LEAVE_OUT = frozenset("add mul where masked_fill scaled_dot_product_attention baddbmm".split())
_WRAPPERS = ("wrap_with_set_grad_enabled", "wrap_with_autocast")


def read_program(
    program: Any, name: str, unknown: str | Mapping[str, Any] | None = None, axes: Sequence[int] | None = None
) -> Network:
    """Return the network of an exported program."""
    inputs = program.graph_signature.user_inputs
    graph = program.graph_module
    placeholders = {n.name: n for n in graph.graph.nodes if n.op == "placeholder"}
    image = placeholders[inputs[0]]
    tracker, first, channels = image_tracker(_ints(image.meta["val"].shape), axes)
    reader = GraphReader(tracker, Unknowns(unknown, "torch"), Masks(program))
    values: dict[Any, Any] = {image: first}
    note_from_stacks(program)
    outputs = _flat(reader.run(graph, values))
    *_, last = graph.graph.nodes
    made_by = dict(zip(map(id, (values[n] for n in last.all_input_nodes)), last.all_input_nodes, strict=True))
    ends = [reader.settled(t, made_by.get(id(t))) for t in outputs]
    return finished(tracker, name, ends, channels, reader.unknowns, reader.returned)


class GraphReader:
    """Walks fx graphs; a graph inside a graph is walked where it is called."""

    def __init__(self, tracker: Tracker, unknowns: Unknowns, masks: Masks | None = None) -> None:
        self.tracker = tracker
        self.masks = masks
        self.unknowns = unknowns
        self.returned: list[Returned] = []  # by modules

    def run(self, graph: Any, values: dict[Any, Any]) -> Any:
        for node in graph.graph.nodes:
            if node.op == "output":
                return _resolve(node.args[0], values)
            if node.op == "call_function":
                self._call(graph, node, values)
            elif node not in values:
                values[node] = _constant(node)
            found = notes(node)
            if found and isinstance(values[node], Tracked):
                value = self.settled(values[node], node)
                for note in found:
                    self.returned += returned_maps(self.tracker, *note, value)
                if keeps_entries(values[node], value):
                    values[node] = value
        return ()

    def settled(self, value: Any, node: Any) -> Any:
        """An output as a layer of its very shape, where its layout allows that; named by the module that made it."""
        self._enter(node)
        return settle(self.tracker, value) if isinstance(value, Tracked) else value

    def _enter(self, node: Any) -> None:
        stack = node.meta.get("nn_module_stack") if node is not None else None
        if stack:
            self.tracker.path = next(reversed(stack.values()))[0]

    def _call(self, graph: Any, node: Any, values: dict[Any, Any]) -> None:
        size = node.meta.get("val")
        if type(size).__name__ == "SymInt" and (known := _int(size)) is not None:
            values[node] = known
            return
        given, named = _positional(node) if node.kwargs else (node.args, {})
        args = _resolve(given, values)
        target = node.target
        if target is operator.getitem:
            values[node] = args[0] if isinstance(args[0], Unknown) else _item(args, node)
            return
        kwargs = _resolve(named, values) if named else {}
        flat = [*_flat(args), *_flat(kwargs.values())]
        if any(isinstance(v, Unknown) for v in flat):
            values[node] = Unknown(flat)
            return
        if not any(isinstance(v, Tracked) for v in flat):
            values[node] = _constant(node)
            if self.masks is not None:
                self.masks.run(node)
            return
        if self.masks is not None and writes(target):
            self.masks.forget(node)
        self._enter(node)
        self.tracker.shape = _shape(node)
        opname = getattr(target, "__name__", str(target))
        if opname in _WRAPPERS:
            inner = next(a for a in node.args if getattr(a, "op", "") == "get_attr")
            sub = getattr(graph, inner.target)
            given = [values[a] for a in node.args[node.args.index(inner) + 1 :]]
            holders = [n for n in sub.graph.nodes if n.op == "placeholder"]
            values[node] = self.run(sub, dict(zip(holders, given, strict=True)))
            return
        if self.masks is not None and opname.startswith("conv") and len(args) > 1 and isinstance(args[1], Constant):
            args[1] = self._masked(self.masks, node, args[1])
        if self.masks is not None and opname.split(".")[0].rstrip("_") in _LEAVE_OUT:
            args = [self._with_values(self.masks, a, v) for a, v in zip(given, args, strict=True)]
        values[node] = self._handled(node, args, kwargs, flat, values)

    def _with_values(self, masks: Masks, node: Any, value: Any) -> Any:
        """A constant with its values, where it may be a mask; no parameter has any."""
        return Constant(value.shape, masks.value(node)) if isinstance(value, Constant) else value

    def _masked(self, masks: Masks, node: Any, weights: Constant) -> Constant:
        """Weights with the taps that a mask leaves; what of a mask cannot be read is noted."""
        taps, without_values = masks.taps(node.args[1], len(weights.shape) - 2)
        transposed = "transpose" in node.target.__name__ or (len(node.args) > 6 and node.args[6] is True)
        if without_values or (taps is not None and transposed):
            note = WITHOUT_VALUES if without_values else NOT_READ
            self.unknowns.assumed[f"{self.tracker.path}:{node.name}"] = note
        return weights if transposed else Constant(weights.shape, taps=taps)

    def _handled(self, node: Any, args: Any, kwargs: Any, flat: list[Any], values: dict[Any, Any]) -> Any:
        name = node.target.__name__.split(".")[0]
        in_place = name.endswith("_") and not name.endswith("__")
        handler = handler_of(node.target)
        shapes = self.tracker.shape
        try:
            if handler is None:
                raise UnreadableError("")
            check_masked(self.tracker, name.rstrip("_") if in_place else name, args)
            out = guarded(handler, self.tracker, *args, **kwargs)
            check_result(out, shapes)
            if in_place and node.args[0] in values:
                _overwrite(node, out, values)
            return out
        except UnreadableError as reason:
            label = f"{self.tracker.path}:{node.name}" if self.tracker.path else node.name
            self.tracker.shape = shapes
            out = self.unknowns.replace(self.tracker, str(node.target), label, flat, str(reason))
            if in_place and isinstance(out, Unknown):  # nor are the other views of what it writes into known any more
                values.update(dict.fromkeys(_views(_root(node.args[0])), out))
            return out


def _positional(node: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of an operator by their places, as its handler takes them, and those that only have names.

    Files of torch before 2.7 name every argument that has a default.
    """
    args, kwargs = list(node.args), dict(node.kwargs)
    schema = getattr(node.target, "_schema", None)
    places = [a for a in schema.arguments if not a.kwarg_only] if schema else []
    last = max((i for i, a in enumerate(places) if a.name in kwargs), default=-1)
    for argument in places[len(args) : last + 1]:
        args.append(kwargs.pop(argument.name, argument.default_value))
    return tuple(args), kwargs


def _overwrite(node: Any, out: Any, values: dict[Any, Any]) -> None:
    """An in-place operator changes what it was given; other views of the same map must not be read again."""
    target = node.args[0]
    before = values[target]
    if not isinstance(out, Tracked | Constant) or (isinstance(out, Constant) and isinstance(before, Constant)):
        return
    layers = [[t.layer for t in single_maps(value)] for value in (before, out)]
    changed = not layers[0] or layers[0] != layers[1]
    if changed and any(v is not target and any(user > node for user in v.users) for v in _views(_root(target))):
        raise UnreadableError("it writes into a part of a tensor that is read again")
    values[target] = out


def _root(node: Any) -> Any:
    """The tensor that a view is a part of."""
    while _is_view(node):
        node = node.args[0]
    return node


def _is_view(node: Any) -> bool:
    if node.target is operator.getitem:
        return _is_view(node.args[0])
    schema = getattr(node.target, "_schema", None)
    return schema is not None and any(r.alias_info and not r.alias_info.is_write for r in schema.returns)


def _views(root: Any) -> list[Any]:
    """A node and all views of what it returns."""
    return [root, *(v for user in root.users if _is_view(user) for v in _views(user))]


def _item(args: Any, node: Any) -> Any:
    values, index = args
    if isinstance(values, list | tuple):
        return values[index]
    return _constant(node) if isinstance(values, Constant) else values


def _resolve(arg: Any, values: dict[Any, Any]) -> Any:
    """Arguments with values in the place of nodes."""
    if type(arg).__name__ == "Node":
        return values[arg]
    if isinstance(arg, list | tuple):
        return [_resolve(a, values) for a in arg]
    if isinstance(arg, dict):
        return {key: _resolve(a, values) for key, a in arg.items()}
    return arg


def _flat(values: Any) -> list[Any]:
    if isinstance(values, Tracked | Constant | Unknown):
        return [values]
    if isinstance(values, dict):
        values = values.values()
    if isinstance(values, list | tuple) or (hasattr(values, "__iter__") and not isinstance(values, str)):
        return [x for v in values for x in _flat(v)]
    return []


def _shape(node: Any) -> Any:
    """Shape of what a node returns; a list of shapes where it returns several tensors."""
    value = node.meta.get("val")
    if hasattr(value, "shape"):
        return _ints(value.shape)
    return [_ints(v.shape) for v in value if hasattr(v, "shape")] if isinstance(value, list | tuple) else ()


def _ints(shape: Any) -> Shape:
    """Sizes as numbers; those that a program leaves open as they were when it was exported."""
    return tuple(n if (known := _int(n)) is None else known for n in shape)


def _int(size: Any) -> int | None:
    """A size as a number: where it is open, that of the example of the export; None where values decide it."""
    return size if isinstance(size, int) else getattr(size.node, "hint", None)


def _constant(node: Any) -> Any:
    shape = _shape(node)
    return [Constant(s) for s in shape] if isinstance(shape, list) else Constant(shape)
