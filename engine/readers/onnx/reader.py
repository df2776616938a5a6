"""ONNX files in, networks out: through shape inference, without a runtime and without weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rfscale.engine.errors import InputError
from rfscale.engine.network.network import Network
from rfscale.engine.readers.onnx.graph.image import Roles, declared_dims, image_input, initializer, roles
from rfscale.engine.readers.onnx.graph.model_file import load_model
from rfscale.engine.readers.onnx.graph.shapes import InferredShapes
from rfscale.engine.readers.onnx.graph.sizes import shapes_to_try
from rfscale.engine.readers.onnx.module_outputs import ModuleCalls
from rfscale.engine.readers.onnx.walk import GraphReader
from rfscale.engine.readers.tensors.finished import finished
from rfscale.engine.readers.tensors.tracking import Constant, Shape, Tracked, Unknown, image_tracker
from rfscale.engine.readers.tensors.unknowns import Unknowns

ALIKE = 3  # sizes at which a graph ends at the same operators: no other size will do


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
        Pixels per axis. Where the model leaves them open, one that fits is chosen, which `Network.assumed` notes.
    name : str, optional
        Name of the network; by default the file's.
    unknown : {"pointwise", "everything"} or mapping, optional
        What to take operators for that are not known: for all, or
        ``{operator or node: "pointwise" | "everything" | layer}``.
    axes : sequence of int, optional
        Dims of the image that are spatial; by default those that the graph reads as such, which `Network.assumed`
        notes where they are not all after the first two.
    image : str, optional
        Which input is the image; by default the first of at least four dims, or else the first of two or three.

    Raises
    ------
    InputError
        One line: a file that is no ONNX model, a graph with a cycle, or nothing that is left without the operators
        that are not known.
    """
    model, label = load_model(source)
    graph = model.graph
    weights = {t.name: initializer(t, label) for t in graph.initializer}
    weights |= {t.values.name: Constant(tuple(t.dims)) for t in graph.sparse_initializer}
    first = image_input(graph, weights, image, label)
    found = roles(graph, first, weights)
    calls = ModuleCalls(graph)
    best: _Attempt | None = None
    failure: InputError | None = None
    ends: list[set[tuple[str, str]]] = []
    for shape, chosen in shapes_to_try(model, first, found, example_input, input_size, axes, label):
        try:
            attempt = _attempt(model, label, first, shape, axes or found.spatial, weights, unknown, calls)
        except InputError as error:
            if not chosen:
                raise
            failure = failure or error
            continue
        if chosen:
            size = "×".join(str(shape[d]) for d in axes or found.spatial)
            attempt.reader.unknowns.assumed[f"size of {first.name!r}"] = f"{size} (the file leaves it open)"
        if best is None or attempt.misfits < best.misfits:
            best = attempt
        ends.append({(u.stop.node, u.stop.operator) for u in attempt.reader.unknowns.found if u.stop})
        last = ends[-ALIKE:]
        if not any(best.misfits[:2]) or (ends[-1] and len(last) == ALIKE and last.count(ends[-1]) == ALIKE):
            break  # it fits, or where it ends does not depend on the size
    if best is None:
        raise failure or InputError(f"{label} cannot be read")
    _note_dims(best, first, found, axes)
    reader = best.reader
    returned = calls.returned(graph, reader.values)
    return finished(reader.tracker, name or Path(label).stem, best.outputs, best.channels, reader.unknowns, returned)


class _Attempt(NamedTuple):
    """A graph as read at one size: what does not fit that size, outputs that are unknown, nodes that are."""

    reader: GraphReader
    outputs: list[Any]
    channels: int
    misfits: tuple[int, int, int]


def _attempt(
    model: Any,
    label: str,
    image: Any,
    shape: Shape,
    spatial: Sequence[int],
    weights: Mapping[str, Any],
    unknown: Any,
    calls: ModuleCalls,
) -> _Attempt:
    graph = model.graph
    tracker, tensor, channels = image_tracker(shape, spatial)
    reader = GraphReader(tracker, Unknowns(unknown, "ONNX"), InferredShapes(model, image, shape), label, calls)
    for t in graph.initializer:
        reader.large.add_tensor(t.name, t)
    reader.elsewhere = {t.name for t in graph.initializer if t.data_location == 1}
    named = {d.dim_param: n for d, n in zip(image.type.tensor_type.shape.dim, shape, strict=True) if d.dim_param}
    others = {
        i.name: Constant(
            tuple(
                n or named.get(d.dim_param, 1)
                for n, d in zip(declared_dims(i), i.type.tensor_type.shape.dim, strict=True)
            )
        )
        for i in graph.input
        if i.name not in weights
    }
    reader.values.update({**weights, **others, image.name: tensor})
    outputs = reader.run(graph)
    misfits = reader.broken
    for value, info in zip(outputs, graph.output, strict=True):
        declared = declared_dims(info)
        if isinstance(value, Tracked) and len(declared) == len(value.shape):
            misfits += any(n not in (0, m) for n, m in zip(declared, value.shape, strict=True))
    unknown_outputs = sum(isinstance(value, Unknown) for value in outputs)
    return _Attempt(reader, outputs, channels, (misfits, unknown_outputs, reader.lost))


def _note_dims(attempt: _Attempt, image: Any, found: Roles, axes: Sequence[int] | None) -> None:
    """Say which dims are pixels, where they are others than those after the first two."""
    rank = len(image.type.tensor_type.shape.dim)
    if axes is None and found.spatial != tuple(range(2, rank)):
        dims = ", ".join(map(str, found.spatial))
        attempt.reader.unknowns.assumed[f"dims of {image.name!r}"] = f"{dims} are spatial"
