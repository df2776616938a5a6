"""ONNX models from files: loaded without weights kept elsewhere, counted, and their functions inlined."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from os import PathLike
from pathlib import Path
from typing import Any

from rfscale.engine.errors import InputError, shown

MAX_NODES = 100_000
MAX_NESTED = 100  # functions that call functions
WITH_GRAPHS = ("If", "Loop", "Scan", "SequenceMap")


def load_model(source: Any) -> tuple[Any, str]:
    """Return the model, its functions inlined, and what messages call it.

    Raises
    ------
    InputError
        One line: a file that is no ONNX model, or is damaged, or has too many nodes.
    """
    try:
        import onnx
    except ImportError:
        raise InputError(f"{shown(str(source))} is an ONNX model; to read it: pip install onnx") from None
    if isinstance(source, onnx.ModelProto):
        label = source.graph.name or "the ONNX model"
        _check_count(source, label)
        return _in_order(_inlined(source, label), copies=True), label
    path = Path(source) if isinstance(source, str | PathLike) else None
    if path is None:
        raise InputError(f"an ONNX model must be a path or a ModelProto, not {shown(source)}")
    try:
        model = onnx.load(str(path), load_external_data=False)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    except Exception as error:  # protobuf's DecodeError, of whichever implementation
        raise InputError(f"{path} is not an ONNX model, or is cut off: {one_line(error)}") from None
    _check_count(model, str(path))
    _check_names(model.graph, path)
    if not model.graph.node or not model.opset_import:
        raise InputError(f"{path} is not an ONNX model, or is empty: it has {len(model.graph.node)} nodes")
    return _in_order(_inlined(model, str(path))), str(path)


def _check_count(model: Any, label: str) -> None:
    """Count the nodes, as many as functions come to where they are called, before any of them is read."""
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


def one_line(error: Exception) -> str:
    """Return what an error of a library says, on one line."""
    return shown(" ".join(str(error).split()), 200)


def _inlined(model: Any, label: str) -> Any:
    if not len(model.functions):
        return model
    import onnx.inliner

    try:
        return onnx.inliner.inline_local_functions(model)
    except Exception as error:
        raise InputError(f"{label}: its functions cannot be inlined: {one_line(error)}") from None


def _in_order(model: Any, *, copies: bool = False) -> Any:
    """The model with each node after those that make its inputs, as runtimes run it whatever the order of the file."""
    nodes = list(model.graph.node)
    given = {"", *(v.name for v in (*model.graph.input, *model.graph.initializer))}  # no node makes these
    if _is_in_order(nodes, given):
        return model
    maker = {name: i for i, node in reversed(list(enumerate(nodes))) for name in node.output if name not in given}
    needs = [sorted({maker[name] for name in _read_by(node) if name in maker}) for node in nodes]
    order: dict[int, None] = {}
    for start in range(len(nodes)):
        stack, around = [start], set()
        while stack:
            i = stack[-1]
            around.add(i)
            missing = next((j for j in needs[i] if j not in order and j not in around), None)  # a cycle stays as it is
            if missing is not None:
                stack.append(missing)
                continue
            order[stack.pop()] = None
    if copies:
        own = type(model)()
        own.CopyFrom(model)
        model = own
        nodes = list(model.graph.node)
    ordered = [type(nodes[i]).FromString(nodes[i].SerializeToString()) for i in order]
    del model.graph.node[:]
    model.graph.node.extend(ordered)
    return model


def _is_in_order(nodes: Iterable[Any], given: set[str]) -> bool:
    read: set[str] = set()
    for node in nodes:
        read.update(_read_by(node) if node.op_type in WITH_GRAPHS else node.input)
        if not read.isdisjoint(node.output) and not given.issuperset(read.intersection(node.output)):
            return False
    return True


def _read_by(node: Any) -> Iterator[str]:
    """Names that a node reads, in its inputs and in the graphs inside it."""
    yield from node.input
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs) if attribute.type in (5, 10) else ():
            for inner in graph.node:
                yield from _read_by(inner)
            yield from (o.name for o in graph.output)
