"""Branches, loops and sequences of ONNX: what is inside a node is read as if it stood outside, where that is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rfscale.engine.readers.onnx.graph.node import Node
from rfscale.engine.readers.onnx.operators.registry import control
from rfscale.engine.readers.onnx.operators.values import joined_along_new
from rfscale.engine.readers.tensors.layout import UnreadableError, spatial
from rfscale.engine.readers.tensors.operators import spatial_ops as sp
from rfscale.engine.readers.tensors.operators.joins import concatenate
from rfscale.engine.readers.tensors.tracking import Constant, Joined, Tracked, Tracker, Unknown

if TYPE_CHECKING:
    from rfscale.engine.readers.onnx.walk import GraphReader

MAX_TURNS = 256  # of a loop that is followed
NOT_FOLLOWED = "control flow is not followed"


@control("If")
def _if(reader: GraphReader, node: Any, read: Node) -> list[Any]:
    """The branch that a constant condition takes; where it is open, what both agree on.

    A condition on other inputs than the image takes the first branch, which is noted.
    """
    condition = read.inputs[0]
    branches = [read.attrs.get("then_branch"), read.attrs.get("else_branch")]
    if None in branches:
        raise UnreadableError("it has not both branches")
    if isinstance(condition, Constant) and condition.value is not None:
        return reader.subgraph(node, branches[0 if np.all(condition.value) else 1], {})
    yes = reader.subgraph(node, branches[0], {})
    if isinstance(condition, Constant):  # the second does not matter where it differs
        with reader.unknowns_apart():
            no = reader.subgraph(node, branches[1], {})
    else:
        no = reader.subgraph(node, branches[1], {})
    out: list[Any] = []
    for a, b in zip(yes, no, strict=False):
        if isinstance(a, Unknown) or (isinstance(b, Unknown) and not isinstance(condition, Constant)):
            out.append(Unknown((condition, a, b)))
        elif isinstance(condition, Unknown):
            out.append(a if _same_tensor(a, b) else Unknown((condition, a, b)))
        elif _alike(reader.tracker, a, b):
            out.append(a if _same_tensor(a, b) or not isinstance(condition, Tracked) else _with(reader, a, condition))
        elif isinstance(condition, Constant):
            name = node.name or node.output[0]
            reader.unknowns.assumed[f"If at {name}"] = (
                "its then_branch was taken; the condition depends on other inputs"
            )
            out.append(a)
        else:
            raise UnreadableError("its branches differ, and the condition depends on the image")
    return out


def _with(reader: GraphReader, value: Any, condition: Tracked) -> Any:
    """What two branches of one form make: which of them, the condition says."""
    if not isinstance(value, Tracked):
        return value
    seen = reader.tracker.reduce(condition, range(len(condition.dims)), shrink=False)
    return reader.tracker.merge("add", [value, Tracked(seen.layer, seen.map, value.dims)], value.dims)


def _same_tensor(a: Any, b: Any) -> bool:
    if isinstance(a, Joined) or isinstance(b, Joined):
        return bool(a == b)
    return isinstance(a, Tracked) and isinstance(b, Tracked) and (a.layer, a.dims) == (b.layer, b.dims)


def _alike(k: Tracker, a: Any, b: Any) -> bool:
    """Whether two values come from layers of the same form, and have the same shape."""
    if isinstance(a, Joined) or isinstance(b, Joined):
        return a == b
    if isinstance(a, Tracked) and isinstance(b, Tracked):
        return a.dims == b.dims and _form(k, a.layer, {}) == _form(k, b.layer, {})
    if isinstance(a, Constant) and isinstance(b, Constant):
        if a.value is None or b.value is None:
            return a.shape == b.shape and a.value is None and b.value is None
        return np.array_equal(a.value, b.value)
    return False


def _form(k: Tracker, layer: int, forms: dict[int, int]) -> int:
    """A number that layers of the same op, parameters and sources share."""
    todo = [layer]
    while todo:
        at = todo[-1]
        if at in forms or at < 0:
            forms.setdefault(at, at)
            todo.pop()
            continue
        draft = k.drafts[at]
        missing = [s for s in draft.sources if s not in forms]
        if missing:
            todo.extend(missing)
            continue
        forms[at] = hash((draft.op, repr(sorted(draft.params.items())), tuple(forms[s] for s in draft.sources)))
        todo.pop()
    return forms[layer]


@control("Loop")
def _loop(reader: GraphReader, node: Any, read: Node) -> list[Any]:
    """A loop of a known number of turns, turn by turn."""
    count, going, carried = read.inputs[0], read.inputs[1], list(read.inputs[2:])
    body = read.attrs.get("body")
    if body is None or (count is not None and not _known(count)) or (going is not None and not _known(going)):
        raise UnreadableError(f"{NOT_FOLLOWED}: the number of its turns is not known")
    turns = MAX_TURNS + 1 if count is None else int(np.ravel(count.value)[0])
    on = True if going is None else bool(np.all(going.value))
    made: list[list[Any]] = []
    names = [i.name for i in body.input]
    turn = 0
    while on and turn < turns:
        if turn >= MAX_TURNS:
            raise UnreadableError(f"{NOT_FOLLOWED}: it has more than {MAX_TURNS} turns")
        given = [Constant((), np.array(turn)), Constant((), np.array(True)), *carried]
        out = reader.subgraph(node, body, dict(zip(names, given, strict=True)))
        if not _known(out[0]):
            raise UnreadableError(f"{NOT_FOLLOWED}: whether it goes on depends on values")
        on, carried = bool(np.all(out[0].value)), out[1 : 1 + len(carried)]
        made.append(out[1 + len(carried) :])
        turn += 1
    return [*carried, *(_stacked(reader.tracker, list(column), 0) for column in zip(*made, strict=True))]


@control("Scan")
def _scan(reader: GraphReader, node: Any, read: Node) -> list[Any]:
    """A loop over the entries of a dim that is no spatial axis, turn by turn."""
    body, count = read.attrs.get("body"), read.attrs.get("num_scan_inputs", 0)
    if body is None or read.opset < 9 or not 0 < count <= len(read.inputs):
        raise UnreadableError(NOT_FOLLOWED)
    states, scanned = list(read.inputs[: len(read.inputs) - count]), read.inputs[len(read.inputs) - count :]
    axes = read.attrs.get("scan_input_axes", [0] * count)
    outputs = len(body.output) - len(states)
    to = read.attrs.get("scan_output_axes", [0] * outputs)
    backwards = read.attrs.get("scan_input_directions", [0] * count) + read.attrs.get("scan_output_directions", [])
    if any(backwards):
        raise UnreadableError(f"{NOT_FOLLOWED}: it goes backwards")
    for v, axis in zip(scanned, axes, strict=True):
        if isinstance(v, Tracked) and spatial(v.dims[axis]):
            raise UnreadableError(f"{NOT_FOLLOWED}: it goes along a spatial axis one way")
    turns = scanned[0].shape[axes[0]]
    if turns > MAX_TURNS:
        raise UnreadableError(f"{NOT_FOLLOWED}: it has more than {MAX_TURNS} turns")
    made, names = [], [i.name for i in body.input]
    for turn in range(turns):
        parts = [_part(reader.tracker, v, axis, turn) for v, axis in zip(scanned, axes, strict=True)]
        out = reader.subgraph(node, body, dict(zip(names, [*states, *parts], strict=True)))
        states = out[: len(states)]
        made.append(out[len(states) :])
    columns = zip(*made, strict=True)
    return [*states, *(_stacked(reader.tracker, list(c), axis) for c, axis in zip(columns, to, strict=True))]


def _known(value: Any) -> bool:
    return isinstance(value, Constant) and value.value is not None


def _part(k: Tracker, value: Any, axis: int, index: int) -> Any:
    if isinstance(value, Tracked):
        return sp.select(k, value, axis % len(value.dims), index)
    shape = tuple(n for d, n in enumerate(value.shape) if d != axis % len(value.shape))
    return Constant(shape, None if value.value is None else np.take(value.value, index, axis))


def _stacked(k: Tracker, values: Sequence[Any], d: int) -> Any:
    """What the turns of a loop make, side by side along a new dim."""
    if any(isinstance(v, Unknown) for v in values):
        return Unknown(tuple(values))
    shape = list(values[0].shape)
    d %= len(shape) + 1
    shape.insert(d, len(values))
    if all(_known(v) for v in values):
        value = np.stack([v.value for v in values], d)
        return Constant(value.shape, value)
    return joined_along_new(k, values, d, shape)


# sequences ----------------------------------------------------------------------------------------------------------


@control("SequenceConstruct", "SequenceEmpty")
def _sequence(reader: GraphReader, node: Any, read: Node) -> list[Any]:
    return [list(read.inputs)]


@control("SplitToSequence")
def _split_to_sequence(reader: GraphReader, node: Any, read: Node) -> list[Any]:
    x, d = read.inputs[0], read.attrs.get("axis", 0) % max(len(read.inputs[0].shape), 1)
    sizes = read.ints("split", 1)
    n = x.shape[d]
    if sizes is None or read.inputs[1].shape == ():
        size = 1 if sizes is None else sizes[0]
        sizes = [min(size, n - at) for at in range(0, n, size)]
    if len(sizes) > MAX_TURNS:
        raise UnreadableError(f"it makes more than {MAX_TURNS} parts")
    drops = len(read.inputs) < 2 and not read.attrs.get("keepdims", 1)
    if isinstance(x, Tracked):
        parts = sp.split(reader.tracker, x, d, sizes)
        return [[sp.select(reader.tracker, p, d, 0) for p in parts] if drops else parts]
    ends = np.cumsum(sizes)[:-1]
    values = [None] * len(sizes) if x.value is None else np.split(x.value, ends, d)
    shapes = [(*x.shape[:d], *([] if drops else [m]), *x.shape[d + 1 :]) for m in sizes]
    return [[Constant(s, None if v is None else np.reshape(v, s)) for s, v in zip(shapes, values, strict=True)]]


@control("SequenceAt", "SequenceErase", "SequenceInsert", "SequenceLength")
def _of_sequence(reader: GraphReader, node: Any, read: Node) -> list[Any]:
    items = read.inputs[0]
    if not isinstance(items, list):
        raise UnreadableError("its sequence is not known")
    if read.op == "SequenceLength":
        return [Constant((), np.array(len(items)))]
    given = read.ints("position", 2 if read.op == "SequenceInsert" else 1)
    if read.op == "SequenceInsert":
        at = len(items) if given is None else given[0] % (len(items) + 1)
        return [[*items[:at], read.inputs[1], *items[at:]]]
    at = given[0] if given else -1
    if not -len(items) <= at < len(items):
        raise UnreadableError("it asks for an entry beyond its sequence")
    at %= len(items)
    return [items[at]] if read.op == "SequenceAt" else [[*items[:at], *items[at + 1 :]]]


@control("ConcatFromSequence")
def _joined(reader: GraphReader, node: Any, read: Node) -> list[Any]:
    items = read.inputs[0]
    if not isinstance(items, list) or not items or any(isinstance(v, Unknown) for v in items):
        raise UnreadableError("its sequence is not known")
    shape = list(items[0].shape)
    if read.attrs.get("new_axis"):
        return [_stacked(reader.tracker, items, read.attrs["axis"])]
    d = read.attrs["axis"] % len(shape)
    shape[d] = sum(v.shape[d] for v in items)
    if all(_known(v) for v in items):
        value = np.concatenate([v.value for v in items], d)
        return [Constant(value.shape, value)]
    if not any(isinstance(v, Tracked) for v in items):
        return [Constant(tuple(shape))]
    reader.tracker.shape = tuple(shape)
    return [concatenate(reader.tracker, items, d)]


@control("SequenceMap")
def _mapped(reader: GraphReader, node: Any, read: Node) -> list[Any]:
    """The body for each entry of sequences; tensors beside them are the same in every turn."""
    body, first = read.attrs.get("body"), read.inputs[0]
    if body is None or not isinstance(first, list) or len(first) > MAX_TURNS:
        raise UnreadableError(NOT_FOLLOWED)
    names = [i.name for i in body.input]
    turns = []
    for turn in range(len(first)):
        given = [v[turn] if isinstance(v, list) else v for v in read.inputs]
        turns.append(reader.subgraph(node, body, dict(zip(names, given, strict=True))))
    return [list(column) for column in zip(*turns, strict=True)]


@control("Optional", "OptionalGetElement")
def _optional(reader: GraphReader, node: Any, read: Node) -> list[Any]:
    if not read.inputs or read.inputs[0] is None:
        raise UnreadableError("it is empty")
    return [read.inputs[0]]


@control("OptionalHasElement")
def _has_element(reader: GraphReader, node: Any, read: Node) -> list[Any]:
    return [Constant((), np.array(bool(read.inputs) and read.inputs[0] is not None))]
