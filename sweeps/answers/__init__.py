"""Exact answers about all architectures of a space, without listing them: count, best, pareto, sample.

What an architecture can still become depends on its state alone, so that paths through the graph of states
(sweeps/states/product.py) stand for architectures: their numbers, the best of them, and uniform samples follow by
dynamic programming, for 10^24 of them as for 10^6.

Figures are ``pixels, extent, jump, shared, overlap`` (of one axis; with ``_y``, ``_x`` where the axes differ), ``area,
width, density``, and the costs ``params, macs`` of all layers up to a stage. A name alone means the last stage,
``s2.extent`` that of stage s2, ``every.density`` (in `where`) all stages. Factors go by their names.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import InputError, shown
from engine.spec import listed, whole
from sweeps.answers.counts import Completions, end_counts
from sweeps.answers.expressions import WHOLE, Expression, Reader, Term
from sweeps.answers.listing import as_rows
from sweeps.answers.search import Limit, best_paths, reachable_best, retrace, undominated_paths
from sweeps.spaces.space import Space
from sweeps.states.product import MEMORY, Ground, NothingLeftError, Product
from sweeps.variables import VARIABLES

if TYPE_CHECKING:
    import xarray as xr

MAX_CELLS = 10_000_000  # of a table of counts
MAX_ROWS = 10_000_000  # of an answer
Where = str | Mapping[str, Any] | Sequence[Any] | None
Path = tuple[int, ...]  # the choice at every stage


def count(
    space: Space,
    by: str | Sequence[str] = (),
    where: Where = None,
    bins: Mapping[str, Sequence[float]] | None = None,
    memory: int = MEMORY,
) -> xr.DataArray:
    """Return exact numbers of architectures.

    Parameters
    ----------
    space : Space
    by : str or sequence of str
        Figures, costs or factors to count over; without any, one number. "extent,jump" is read as well.
    where : str, mapping or sequence, optional
        Conditions, such as ``"s2.extent >= 400 and density == 1"`` or ``{"extent": (400, None), "density": 1}``.
    bins : mapping, optional
        Edges for a name in `by`: values are then counted in intervals [edge, next edge), and those outside are not
        counted.
    memory : int
        Bytes that the graph may take.

    Returns
    -------
    xr.DataArray
        One dim for each name in `by`, with the values that occur (with bins: the lower edges). int64, or Python ints
        (dtype object) where a number passes 2^63 - 1.

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

    reader = _reader(space)
    names = [n.strip() for n in by.split(",")] if isinstance(by, str) else list(by)
    terms = [reader.term(n, "by") if isinstance(n, str) else reader.term(shown(n), "by") for n in names]
    if len(set(terms)) < len(terms):
        raise InputError(f"by is {shown(names)}; each name may stand once")
    edges = _edges(bins, names)
    conditions = reader.where(where)
    try:
        product = Product(Ground(space, memory), terms, conditions)
    except NothingLeftError as end:
        if not names:
            return xr.DataArray(np.int64(0), name="architectures", attrs=_attributes(space, "count", where))
        raise _nothing(space, where, end) from None
    numbers = end_counts(product)
    coords: dict[str, np.ndarray] = {}
    places = []
    inside = np.ones(len(numbers), bool)
    for name, term in zip(names, terms, strict=True):
        values = product.values(term)
        if name in edges:
            place = np.searchsorted(edges[name], values, side="right") - 1
            inside &= (place >= 0) & (place < len(edges[name]) - 1)
            coords[name] = edges[name][:-1]
        elif term.kind == "factor":
            coords[name] = np.array(space.dims[term.name])
            place = product.columns[-1]["kept", term]
        else:
            coords[name], place = np.unique(values, return_inverse=True)
        places.append(place)
    shape = tuple(len(c) for c in coords.values())
    if prod(shape) > MAX_CELLS:
        raise InputError(
            f"by {', '.join(names)} makes {prod(shape)} cells; give edges, as in bins={{{names[0]!r}: [...]}}"
        )
    flat = np.ravel_multi_index([p[inside] for p in places], shape) if names else np.zeros(inside.sum(), np.int64)
    table = _table(flat, [n for n, i in zip(numbers, inside.tolist(), strict=True) if i], prod(shape)).reshape(shape)
    result = xr.DataArray(table, coords, list(coords), name="architectures", attrs=_attributes(space, "count", where))
    for name, term in zip(names, terms, strict=True):
        spec = VARIABLES.get(term.name.partition("_")[0])
        if spec and term.kind != "factor":
            result[name].attrs = {"units": spec.units, "long_name": spec.long_name}
    return result


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


def best(space: Space, objective: str, k: int = 10, where: Where = None, memory: int = MEMORY) -> xr.Dataset:
    """Return the k architectures with the smallest value of an objective.

    Parameters
    ----------
    space : Space
    objective : str
        An expression over figures, costs and factors; smaller is better, so write ``"-extent"`` for the largest extent.
    k : int
        How many; fewer are returned where fewer satisfy `where`.
    where, memory
        As in `count`.

    Returns
    -------
    xr.Dataset
        Over `rank`: the label of every factor, `objective`, `index`, and the figures and costs of the last stage. A
        row, such as ``answer.isel(rank=0)``, is taken by `space.network`. Where values tie, the ones first in index
        order come first; with a bound on a cost, any of them.

    Notes
    -----
    Costs that enter as a sum with constant factors stay out of the graph: a shortest path. Any other use of a cost,
    such as ``macs / area``, makes each of its values a state.

    Examples
    --------
    >>> space = Space.from_dict({"channels": 8, "stages": [{"name": f"s{i}", "kernel": [1, 3, 5]} for i in range(20)]})
    >>> best(space, "params", k=2, where="extent >= 21").params.values.tolist()
    [6072, 6072]
    """
    reader = _reader(space)
    whole(k, "k", 1, MAX_ROWS)
    goal = reader.parse(objective, "objective")
    linear = goal.linear()
    parts = linear[0] if linear else {}
    conditions = reader.where(where)
    bounds = [c for c in conditions if c.bounds()]
    if not linear and bounds:
        bounds = []  # each value of a cost is a state anyway
    others = [c for c in conditions if c not in bounds]
    keep = [t for t in goal.terms if t not in parts]
    try:
        product = Product(Ground(space, memory), keep, others, with_costs=space.channels is not None)
    except NothingLeftError as end:
        raise _nothing(space, where, end) from None
    ends = _end_values(product, goal, linear[1] if linear else goal.node)
    weights = _weights(product, parts) if parts else None
    if weights and {w.dtype.kind for w in weights} | {ends.dtype.kind} != {"i"}:
        weights, ends = [w.astype(float) for w in weights], ends.astype(float)
    limits = []
    for condition in bounds:
        found = condition.bounds()
        assert found
        limits.append(Limit(product.weights(found[0].name, found[0].stage), found[1], found[2]))
    if limits and weights is None and all(x.low == -np.inf or x.high == np.inf for x in limits):
        ends = reachable_best(product, ends, limits, k)
    answer = list(best_paths(product, weights, ends, limits, k))
    if not answer:
        raise _nothing(space, where, None)
    rows = [(path[:-1], path[-1]) for _, path in answer]
    made = {"objective": np.array([value for value, _ in answer])}
    return as_rows(product, rows, "rank", made, _attributes(space, "best", where, objective=objective))


def pareto(space: Space, *objectives: str, where: Where = None, memory: int = MEMORY) -> xr.Dataset:
    """Return the architectures that no other beats in two or three objectives at once.

    Parameters
    ----------
    space : Space
    *objectives : str
        Two or three expressions; smaller is better, so write ``"-extent"`` for large extents.
    where, memory
        As in `count`.

    Returns
    -------
    xr.Dataset
        Over `rank`, one architecture for each point that is not beaten, sorted by the first objective: the label of
        every factor, `objectives` (rank, objective), `index`, and the figures and costs of the last stage.

    Examples
    --------
    >>> space = Space.from_dict({"channels": 8, "stages": [{"name": f"s{i}", "kernel": [1, 3, 5]} for i in range(3)]})
    >>> pareto(space, "params", "-extent").extent.values.tolist()
    [1, 3, 5, 7, 9, 11, 13]
    """
    if not 2 <= len(objectives) <= 3:
        raise InputError(f"pareto got {len(objectives)} objectives; give two or three, such as 'macs' and '-extent'")
    reader = _reader(space)
    goals = [reader.parse(o, "objective") for o in objectives]
    linear = [g.linear() for g in goals]
    parts = [x[0] if x else {} for x in linear]
    conditions = reader.where(where)
    additive = any(parts)
    bounds = [c for c in conditions if c.bounds()] if additive else []
    others = [c for c in conditions if c not in bounds]
    keep = [t for g, p in zip(goals, parts, strict=True) for t in g.terms if t not in p]
    try:
        product = Product(Ground(space, memory), keep, others, with_costs=space.channels is not None)
    except NothingLeftError as end:
        raise _nothing(space, where, end) from None
    columns = [_weights(product, p) for p in parts if p]
    limits = []
    for condition in bounds:
        found = condition.bounds()
        assert found
        weights = product.weights(found[0].name, found[0].stage)
        for sign, limit in ((1, found[2]), (-1, -found[1])):
            if limit < np.inf:
                limits.append(limit)
                columns.append([sign * w for w in weights])
    node, sums, trail = undominated_paths(product, columns)
    n_sums = len(columns) - len(limits)
    fits = np.asarray((sums[:, n_sums:] <= np.array(limits)).all(axis=1))
    if not fits.any():
        raise _nothing(space, where, None)
    at = iter(range(n_sums))
    values = []
    for goal, part, form in zip(goals, parts, linear, strict=True):
        ends = _end_values(product, goal, form[1] if form else goal.node)[node]
        values.append(ends + sums[:, next(at)] if part else ends)
    return _front(product, np.stack(values, axis=1), node, trail, fits, objectives, where)


def _front(
    product: Product,
    values: np.ndarray,
    node: np.ndarray,
    trail: list[tuple[np.ndarray, np.ndarray]],
    fits: np.ndarray,
    objectives: Sequence[str],
    where: Where,
) -> xr.Dataset:
    """Return the rows that no other beats."""
    from sweeps.kernels import paths

    rows = np.flatnonzero(fits)
    rows = rows[np.lexsort([values[rows, i] for i in reversed(range(values.shape[1]))])]
    keep = paths.undominated(np.zeros(len(rows), np.int64), np.ascontiguousarray(values[rows]))
    rows = rows[keep]
    made = [(retrace(trail, int(row)), int(node[row])) for row in rows]
    attrs = _attributes(product.space, "pareto", where, objectives=list(objectives))
    answer = as_rows(product, made, "rank", {}, attrs)
    return answer.assign_coords(objective=list(objectives)).assign(objectives=(("rank", "objective"), values[rows]))


def sample(space: Space, n: int, where: Where = None, seed: int = 0, memory: int = MEMORY) -> xr.Dataset:
    """Return architectures drawn uniformly, with replacement, from those that satisfy `where`.

    Exactly uniform: each draw is a whole number below the exact number of such architectures, and the architecture that
    has this number in the order of the index. The same seed gives the same sample.

    Parameters
    ----------
    space : Space
    n : int
    where, memory
        As in `count`.
    seed : int

    Returns
    -------
    xr.Dataset
        Over `sample`: the label of every factor, `index`, and the figures and costs of the last stage.
        ``attrs["satisfying"]`` is the number of architectures that were drawn from.

    Examples
    --------
    >>> space = Space.from_dict({"stages": [{"name": f"s{i}", "kernel": [1, 3, 5]} for i in range(40)]})
    >>> set(sample(space, 5, where="extent == 99").extent.values.tolist())
    {99}
    """
    reader = _reader(space)
    whole(n, "n", 1, MAX_ROWS)
    whole(seed, "seed", 0, 2**63)
    try:
        product = Product(Ground(space, memory), (), reader.where(where), with_costs=space.channels is not None)
    except NothingLeftError as end:
        raise _nothing(space, where, end) from None
    completions = Completions(product)
    if not completions.total:
        raise _nothing(space, where, None)
    draw = random.Random(seed)
    paths = [completions.path(draw.randrange(completions.total)) for _ in range(n)]
    attrs = _attributes(space, "sample", where, seed=seed, satisfying=str(completions.total))
    return as_rows(product, [(p[:-1], p[-1]) for p in paths], "sample", {}, attrs)


# shared
# ------------------------------------------------------------------------------------------------------------------


def _reader(space: Space) -> Reader:
    if not isinstance(space, Space):
        raise InputError(f"space is {shown(space)}; counts, best, pareto and samples need a sweeps.Space")
    return Reader(space)


def _nothing(space: Space, where: Where, end: NothingLeftError | None) -> InputError:
    at = f": none is left at stage {space.stages[end.stage].name!r}" if end else ""
    return InputError(f"no architecture of space {space.name!r} satisfies where={shown(where)}{at}; loosen it")


def _end_values(product: Product, goal: Expression, node: ast.expr) -> np.ndarray:
    """Return an expression's value (or that of its part without additive costs) by end node."""
    n = len(next(iter(product.columns[-1].values())))
    names = {ast.unparse(x) for x in ast.walk(node) if isinstance(x, ast.Name | ast.Attribute)}
    rest = Expression(goal.text, node, tuple(t for t in goal.terms if t.label in names), product.space)
    values = np.array(np.broadcast_to(rest.value(product.values), n))
    if values.dtype.kind not in "biuf":
        raise InputError(f"objective {goal.text!r} is text; it must be a number")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise InputError(f"objective {goal.text!r} is no finite number for some architectures; exclude them by where")
    whole = values.dtype.kind != "f" and np.abs(values.astype(float)).max() < WHOLE
    return values.astype(np.int64 if whole else float)


def _weights(product: Product, parts: Mapping[Term, float | int]) -> list[np.ndarray]:
    """Return the weighted sum of some costs by node and choice of every stage; floats where sums would pass int64."""
    tables = [(factor, product.weights(term.name, term.stage)) for term, factor in parts.items()]
    if sum(abs(factor) * int(t.max()) for factor, table in tables for t in table) >= WHOLE:
        tables = [(float(factor), table) for factor, table in tables]
    return [sum(factor * table[i] for factor, table in tables) for i in range(len(product.follow))]  # type: ignore[misc]


def _attributes(space: Space, call: str, where: Where, **more: Any) -> dict[str, Any]:
    from sweeps.runs import attributes

    said: Iterable[tuple[str, Any]] = more.items()
    return {**attributes(space, call), **({} if where is None else {"where": str(where)}), **dict(said)}
