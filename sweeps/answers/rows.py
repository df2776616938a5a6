"""Architectures of an answer as rows of labels, figures and costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from rfscale.sweeps.answers.graph import QuestionGraph
from rfscale.sweeps.spaces.space import Space

if TYPE_CHECKING:
    import xarray as xr

Path = tuple[int, ...]  # the edge at every stage, as `QuestionGraph.digits` takes them


def as_rows(
    graph: QuestionGraph,
    paths: Sequence[tuple[Path, int]],
    dim: str,
    made: Mapping[str, np.ndarray],
    attrs: dict[str, Any],
) -> xr.Dataset:
    """Return architectures, given as choices and end node, as rows of labels, figures and costs, not annotated."""
    import xarray as xr

    space = graph.space
    digits = graph.digits([p for p, _ in paths])
    ends = np.array([e for _, e in paths], np.int64)
    coords: dict[str, Any] = {}
    for stage, names in enumerate(space.introduced):
        sizes = [len(space.dims[n]) for n in names]
        for name, place in zip(names, np.unravel_index(digits[:, stage], sizes) if names else (), strict=True):
            coords[name] = (dim, np.array(space.dims[name])[place])
    data: dict[str, Any] = {name: (dim, values) for name, values in made.items()}
    data["index"] = (dim, _indices(space, digits))
    last = {key: column[ends] for key, column in graph.columns[-1].items()}
    figures = graph.figures_of(digits)
    for name in graph.figure_names():
        values = graph.figure(name, last, len(graph.follow) - 1) if figures is None else figures[name]
        data[name] = (dim, values)
    along = graph.costs_of(data["index"][1].tolist())
    if space.channels is not None:
        for name in graph.compiled.costs.weights:
            data[name] = (dim, _sums(graph, name, digits) if along is None else along[name])
    return xr.Dataset(data, {**coords, dim: np.arange(len(paths))}, attrs)


def each_architecture(
    graph: QuestionGraph, rows: Sequence[tuple[Path, int]], values: Sequence[float | int], k: int
) -> tuple[list[tuple[Path, int]], list[float | int]]:
    """Return the first k architectures that paths stand for, whose edges may each stand for several choices."""
    out: list[tuple[Path, int]] = []
    own: list[float | int] = []
    for (path, end), value in zip(rows, values, strict=True):
        node, many = 0, []
        for stage, edge in enumerate(path):
            times = graph.times[stage]
            if times is not None:
                many.append(int(times[node, edge]))
            node = int(graph.follow[stage][node, edge])
        for number in range(min(k - len(out), prod(many))):
            which = []
            for size in reversed(many):
                number, digit = divmod(number, size)
                which.append(digit)
            out.append(((*path, *reversed(which)), end))
            own.append(value)
        if len(out) == k:
            break
    return out, own


def _sums(graph: QuestionGraph, name: str, digits: np.ndarray) -> np.ndarray:
    """Return a cost of architectures given by their choices."""
    costs = graph.compiled.costs
    node, total = np.zeros(len(digits), np.int32), np.zeros(len(digits), np.int64)
    for stage, (follow, weights) in enumerate(zip(costs.follow, costs.weights[name], strict=True)):
        total += weights[node, digits[:, stage]]
        node = follow[node, digits[:, stage]]
    return total


def _indices(space: Space, digits: np.ndarray) -> np.ndarray:
    """Return the index of each row of choices: int64, or Python ints where the space is larger than that."""
    sizes = [prod(len(space.dims[n]) for n in names) for names in space.introduced]
    large = space.size > 2**63 - 1
    out = np.zeros(len(digits), object if large else np.int64)
    for stage, size in enumerate(sizes):
        out = out * size + (digits[:, stage].astype(object) if large else digits[:, stage])
    return out
