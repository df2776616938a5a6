"""How many architectures have which figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from rfscale.engine.errors import InputError, shown
from rfscale.engine.network.spec import listed
from rfscale.engine.variables import annotate_array
from rfscale.sweeps.answers.expressions import Expression, ExpressionParser, Term
from rfscale.sweeps.answers.graph import MEMORY, NothingLeftError, QuestionGraph
from rfscale.sweeps.answers.network_questions import NetworkParser, NetworkRows
from rfscale.sweeps.answers.path_counts import end_counts
from rfscale.sweeps.answers.question import Where, answer_attributes, expression_parser, nothing_satisfies
from rfscale.sweeps.spaces.network_space import NetworkSpace
from rfscale.sweeps.spaces.space import Space
from rfscale.sweeps.variables import COUNTS, NETWORK_ROWS, VARIABLES, without_axis

if TYPE_CHECKING:
    import xarray as xr

MAX_CELLS = 10_000_000  # of a table of counts


def count(
    space: Space | NetworkSpace,
    by: str | Sequence[str] = (),
    where: Where = None,
    bins: Mapping[str, Sequence[float]] | None = None,
    memory: int = MEMORY,
    combinations: bool = False,
) -> xr.DataArray:
    """Return exact numbers of architectures.

    Parameters
    ----------
    space : Space or NetworkSpace
    by : str or sequence of str
        Figures, costs or factors to count over; without any, one number. "extent,jump" is read as well.
    where : str, mapping or sequence, optional
        Conditions, such as ``"s2.extent >= 400 and density == 1"`` or ``{"extent": (400, None), "density": 1}``.
    bins : mapping, optional
        Edges for a name in `by`: values are then counted in intervals [edge, next edge), and those outside are not
        counted.
    memory : int
        Bytes that the graph may take.
    combinations : bool
        Whether to return only the combinations of values that occur, one after another: joint distributions of many
        figures are much smaller than a table of them.

    Returns
    -------
    xr.DataArray
        One dim for each name in `by`, with the values that occur (with bins: the lower edges). int64, or Python ints
        (dtype object) where a number passes 2^63 - 1. With `combinations`, one dim ``combination``, and each name in
        `by` a coordinate along it.

    Raises
    ------
    InputError
        For names that are not known, a table or graph that would be too large, and conditions that nothing satisfies
        while `by` asks for values.

    Examples
    --------
    >>> stages = [{"name": f"s{i}", "kernel": [1, 3, 5]} for i in range(40)]
    >>> space = Space.from_dict({"stages": stages})
    >>> count(space, "extent", where="extent <= 5").to_series().tolist()
    [1, 40, 820]
    >>> count(space).item() == 3**40
    True
    """
    import xarray as xr

    parser = NetworkParser(space) if isinstance(space, NetworkSpace) else expression_parser(space)
    names = [n.strip() for n in by.split(",")] if isinstance(by, str) else list(by)
    terms = [parser.term(n, "by") if isinstance(n, str) else parser.term(shown(n), "by") for n in names]
    if len(set(terms)) < len(terms):
        raise InputError(f"by is {shown(names)}; each name may stand once")
    edges = _edges(bins, names)
    conditions = parser.where(where)
    try:
        graph = _ends(parser, terms, conditions, memory)
    except NothingLeftError as end:
        if not names:
            nothing = xr.DataArray(np.int64(0), name="architectures", attrs=answer_attributes(space, "count", where))
            return annotate_array(nothing, COUNTS)
        raise nothing_satisfies(space, where, end.stage) from None
    numbers = end_counts(graph) if isinstance(graph, QuestionGraph) else [1] * len(graph.index)
    coords, places, inside = _cells(graph, dict(zip(names, terms, strict=True)), edges)
    shape = tuple(len(c) for c in coords.values())
    many = [n for n, i in zip(numbers, inside.tolist(), strict=True) if i]
    if combinations and names:
        rows, flat = np.unique(np.stack([p[inside] for p in places]), axis=1, return_inverse=True)
        along: dict[str, Any] = {n: ("combination", c[r]) for (n, c), r in zip(coords.items(), rows, strict=True)}
        table, dims = _table(flat.reshape(-1), many, rows.shape[1]), ["combination"]
    else:
        table, dims, along = _whole_table(names, places, inside, many, shape), list(coords), dict(coords)
    result = xr.DataArray(table, along, dims, name="architectures", attrs=answer_attributes(space, "count", where))
    known = NETWORK_ROWS if isinstance(space, NetworkSpace) else VARIABLES
    figures = {
        name: term.name if term.name in known else without_axis(term.name)[0]
        for name, term in zip(names, terms, strict=True)
        if term.kind != "factor"
    }
    coordinates = {
        name: replace(known[figure], dims=(dims[0],) if combinations else (name,), kind="if")
        for name, figure in figures.items()
    }
    return annotate_array(result, COUNTS | coordinates)


def _ends(
    parser: ExpressionParser, terms: Sequence[Term], conditions: Sequence[Expression], memory: int
) -> QuestionGraph | NetworkRows:
    """Return the end nodes of the architectures that satisfy conditions; of a function's networks, each is one."""
    if not isinstance(parser, NetworkParser):
        return QuestionGraph(parser.space, terms, conditions, memory=memory)
    rows = NetworkRows(parser, conditions, terms)
    if not len(rows.index):
        raise NothingLeftError(None)
    return rows


def extents_by_stage(space: Space) -> dict[str, list[xr.DataArray]]:
    """Return, for each axis ("" where the space is square), how many architectures have which extent at each stage."""
    axes = {"": ""} if space.square else {axis: f"_{axis}" for axis in space.axes}
    return {axis: [count(space, f"{s.name}.extent{end}") for s in space.stages] for axis, end in axes.items()}


def shares_by_extent(counts: Sequence[xr.DataArray], bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the edges of at most `bins` ranges of extents, in pixels, and the share of each in every stage's counts.

    `counts` are those of one axis of `extents_by_stage`; the shares are an array (range, stage).
    """
    largest = max(int(c[c.dims[0]].values.max()) for c in counts)
    edges = np.unique(np.geomspace(1, largest + 1, bins).round()) - 0.5
    shares = np.zeros((len(edges) - 1, len(counts)))
    for column, c in enumerate(counts):
        total = sum(c.values.tolist())  # of any size
        rows = np.searchsorted(edges, c[c.dims[0]].values, side="right") - 1
        for row, n in zip(rows.tolist(), c.values.tolist(), strict=True):
            shares[row, column] += n / total
    return edges, shares


def _cells(
    graph: QuestionGraph | NetworkRows, terms: Mapping[str, Term], edges: Mapping[str, np.ndarray]
) -> tuple[dict[str, np.ndarray], list[np.ndarray], np.ndarray]:
    """Return the coordinates of a table of counts, the place of each end node along them, and whether it has one."""
    coords: dict[str, np.ndarray] = {}
    places = []
    inside = np.ones(len(next(iter(graph.columns[-1].values()))), bool)
    for name, term in terms.items():
        values = graph.values(term)
        if name in edges:
            place = np.searchsorted(edges[name], values, side="right") - 1
            inside &= (place >= 0) & (place < len(edges[name]) - 1)
            coords[name] = edges[name][:-1]
        elif term.kind == "factor":
            coords[name] = np.array(graph.space.dims[term.name])
            place = graph.columns[-1]["kept", term]
        else:
            coords[name], place = np.unique(values, return_inverse=True)
        places.append(place)
    return coords, places, inside


def _whole_table(
    names: Sequence[str], places: Sequence[np.ndarray], inside: np.ndarray, many: list[int], shape: tuple[int, ...]
) -> np.ndarray:
    """Return the table of all combinations of values."""
    if prod(shape) > MAX_CELLS:
        raise InputError(
            f"by {', '.join(names)} makes {prod(shape)} cells; at most {MAX_CELLS} are supported",
            remedy=f"count over fewer names, or in Python give edges, as bins={{{names[0]!r}: [...]}}, or "
            "combinations=True",
        )
    flat = np.ravel_multi_index([p[inside] for p in places], shape) if names else np.zeros(inside.sum(), np.int64)
    return _table(flat, many, prod(shape)).reshape(shape)


def _table(places: np.ndarray, numbers: list[int], size: int) -> np.ndarray:
    cells = [0] * size
    for place, number in zip(places.tolist(), numbers, strict=True):
        cells[place] += number
    if max(cells) < 2**63:
        return np.array(cells, np.int64)
    out = np.empty(size, object)
    out[:] = cells
    return out


def _edges(bins: Mapping[str, Sequence[float]] | None, names: Sequence[str]) -> dict[str, np.ndarray]:
    out = {}
    if bins is not None and not isinstance(bins, Mapping):
        raise InputError(f"bins is {shown(bins)}; it must be a mapping such as {{'extent': [0, 100, 200]}}")
    for name, values in (bins or {}).items():
        items = listed(values) or []
        if name not in names:
            raise InputError(f"bins names {name!r}, which is not in by={list(names)}")
        if len(items) < 2 or any(not isinstance(v, int | float) for v in items) or sorted(set(items)) != items:
            raise InputError(f"bins[{name!r}] is {shown(values)}; give at least two rising edges")
        out[name] = np.array(items)
    return out
