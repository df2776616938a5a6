"""Inverse design: the architectures of a space whose chosen maps fit a histogram of object sizes best.

Exact over spaces of any size: a shortest path over the graph of states (sweeps/answers/design/label_search.py), not a
search.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from math import floor, inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from rfscale.engine.errors import InputError, shown
from rfscale.engine.network.spec import one_name, whole
from rfscale.engine.objects.sizes import object_sizes
from rfscale.engine.variables import annotate
from rfscale.sweeps.answers.design.fit import Objective, fit_of, fit_terms
from rfscale.sweeps.answers.design.label_search import NO_LIMIT, Found, Task, best_fits, chosen_stages, front
from rfscale.sweeps.answers.expressions import Expression, ExpressionParser, conjuncts, dotted_name
from rfscale.sweeps.answers.graph import MEMORY, Columns, QuestionGraph
from rfscale.sweeps.answers.question import MAX_ROWS, Where, answer_attributes, expression_parser, question_graph
from rfscale.sweeps.answers.rows import as_rows
from rfscale.sweeps.spaces.space import Space
from rfscale.sweeps.variables import DESIGN

if TYPE_CHECKING:
    import xarray as xr

Measure = Literal["width", "extent"]
Cost = Literal["macs", "params", "auto"] | None

COPIED_ATTRS = ("source", "resize", "objects", "boxes", "attribution")  # from the sizes of objects


def design(
    space: Space,
    objects: xr.Dataset | str | Path | np.ndarray | None = None,
    k: int = 3,
    objective: Objective = "tightness",
    cost: Cost = "auto",
    where: Where = None,
    n: int = 10,
    *,
    pareto: bool = False,
    resize: str = "none",
    factor: float = 2.0,
    by: Measure = "width",
    memory: int = MEMORY,
) -> xr.Dataset:
    """Return the architectures whose k best stage maps fit the sizes of objects best.

    Parameters
    ----------
    space : Space
        With two axes. The maps that can be chosen are those at the ends of stages.
    objects : xr.Dataset, path, array or None
        Of `rfscale.engine.objects.sizes.object_sizes`, or what that takes; None: COCO val2017.
    k : int
        Maps, of k different widths. An architecture that has fewer is left out.
    objective : {"tightness", "coverage"}
        What is best, by the rule `width` of `rf.match`: the least mean of ``|log2(width / size)|`` with each object at
        its nearest chosen map, or the largest share of objects that some chosen map is within `factor` of.
    cost : {"macs", "params", "auto"} or None
        Of architectures that fit alike, the cheapest comes first. "auto": macs where the space has them, else params,
        else none.
    where : str, mapping or sequence, optional
        Conditions as in `rf.count`. ``chosen.`` before a figure means the chosen maps: maps that do not satisfy it
        are not chosen. ``"chosen.density == 1 and chosen.jump <= 32 and extent <= 800 and macs <= 4e9"``
    n : int
        How many architectures.
    pareto : bool
        Instead of the n best, one architecture for each Pareto-optimal pair of fit and cost.
    resize : str
        Resize rule for objects that are not yet a histogram.
    factor : float
        Of coverage.
    by : {"width", "extent"}
        The figure of a map that is held against an object's size sqrt(width·height).
    memory : int
        Bytes that the graph, and the partial choices of one stage, may take.

    Returns
    -------
    xr.Dataset
        Over `rank`: the label of every factor, `tightness`, `coverage`, `index`, the figures and costs of the last
        stage; over (rank, map): `map_stage`, `map_layer`, `map_width`, `map_extent`, `map_jump`. A row, such as
        ``found.isel(rank=0)``, is taken by `space.network`. Ties in fit and cost are in the order of the index (in
        spaces of 2^62 architectures and more, in any order); of maps of one width the last that may be chosen is named.

    Raises
    ------
    InputError
        For bad input, conditions that nothing satisfies, and questions that need more memory.

    Examples
    --------
    >>> stages = [{"name": f"s{i}", "kernel": [3, 5, 7], "stride": [1, 2]} for i in range(4)]
    >>> space = Space.from_dict({"stages": stages, "channels": 16, "input_size": 128})
    >>> found = design(space, np.array([[9, 9], [30, 30]]), k=2, n=1)
    >>> found.map_stage.values.tolist(), found.map_width.values.tolist()
    ([['s1', 's3']], [[9.0, 29.0]])
    """
    name = _check(space, k, n, objective, cost, factor, by, pareto)
    conditions, chosen = split_where(expression_parser(space), where)
    limit, others = _cost_limit(conditions, name, len(space.stages) - 1)
    sizes: Any = objects if hasattr(objects, "data_vars") else object_sizes(objects, resize)
    graph = question_graph(space, where, (), others, name is not None, memory, ("area",))
    task = _task(graph, sizes, k, objective, factor, by, name, chosen, limit)
    found = front(task) if pareto else best_fits(task, n)
    if not found:
        raise _too_few_maps(space, k, by, where)
    given = {"k": k, "objective": objective, "cost": name or "none", "by": by, "factor": float(factor)}
    given |= {"pareto": int(pareto), **{a: sizes.attrs[a] for a in COPIED_ATTRS if a in sizes.attrs}}
    return _dataset(task, found, sizes, by, factor, answer_attributes(space, "design", where, **given))


def _too_few_maps(space: Space, k: int, by: str, where: Where) -> InputError:
    fix = "; choose fewer" if where is None else f" and satisfies where={shown(where)}; choose fewer or loosen it"
    return InputError(f"no architecture of space {space.name!r} has {k} maps of different {by}{fix}")


def _check(
    space: Space, k: int, n: int, objective: str, cost: str | None, factor: float, by: str, pareto: bool
) -> str | None:
    """Check the arguments; return the name of the cost."""
    expression_parser(space)
    if space.folded:
        raise InputError(
            f"space {space.name!r} has cells of more than 2^20 choices in all, known by their effects; designs "
            "choose maps of architectures told apart",
            remedy="ask rf.best or rf.sample with where on the figures of the stages, such as 'cell3.width >= 32'",
        )
    if len(space.axes) != 2:
        raise InputError(f"space {space.name!r} has {len(space.axes)} axes; objects have sizes on two")
    if whole(k, "k") > len(space.stages):
        raise InputError(f"k is {k}, but space {space.name!r} has only {len(space.stages)} stages to choose maps from")
    whole(n, "n", 1, MAX_ROWS)
    one_name(objective, "objective", ("tightness", "coverage"))
    one_name(by, "by", ("width", "extent"))
    if isinstance(factor, bool) or not isinstance(factor, int | float) or not 1 < factor < inf:
        raise InputError(f"factor is {shown(factor)}; it must be a number above 1, such as 2")
    known = ("params", *(["macs"] if space.input_size else [])) if space.channels is not None else ()
    if cost == "auto":
        cost = known[-1] if known else None
    if cost not in ("macs", "params", None):
        raise InputError(f"cost is {shown(cost)}; it must be macs, params or none")
    if cost is not None and cost not in known:
        needs = "channels" if space.channels is None else "input_size"
        raise InputError(f"cost is {cost}, but space {space.name!r} has no {needs}; add {needs}, or ask without a cost")
    if pareto and cost is None:
        raise InputError("the front of fit and cost needs a cost: macs or params, of a space with channels")
    return cost


def _cost_limit(conditions: Sequence[Expression], cost: str | None, last: int) -> tuple[int, list[Expression]]:
    """Return the bound from above on the cost itself, which needs no states, and the other conditions."""
    limit, others = NO_LIMIT, []
    for condition in conditions:
        bounds = condition.bounds()
        if bounds and (bounds[0].name, bounds[0].stage, bounds[1]) == (cost, last, -inf):
            limit = min(limit, floor(min(bounds[2], NO_LIMIT)))
        else:
            others.append(condition)
    return limit, others


def split_where(parser: ExpressionParser, where: Where) -> tuple[list[Expression], list[list[Expression]]]:
    """Return the conditions on architectures, and per stage those on its map if it is chosen."""
    chosen: list[list[Expression]] = [[] for _ in parser.stages]
    if isinstance(where, list | tuple):
        parts = [split_where(parser, w) for w in where]
        return [c for p, _ in parts for c in p], [[c for _, q in parts for c in q[i]] for i in range(len(chosen))]
    if isinstance(where, Mapping):
        rest = {key: v for key, v in where.items() if not str(key).startswith("chosen.")}
        picked: list[Any] = [(str(key)[7:], v) for key, v in where.items() if key not in rest]
        for i, stage in enumerate(parser.stages):
            chosen[i] = parser.where({f"{stage}.{key}": v for key, v in picked})
        _check_chosen(chosen)
        return parser.where(rest or None), chosen
    if not isinstance(where, str) or "chosen." not in where:
        return parser.where(where), chosen
    kept: list[ast.expr] = []
    of_map: list[ast.expr] = []
    for part in conjuncts(parser.tree(where, "where")):
        of_chosen = any((dotted_name(node) or "").startswith("chosen.") for node in ast.walk(part))
        (of_map if of_chosen else kept).append(part)
    for i, stage in enumerate(parser.stages):
        chosen[i] += parser.conditions(of_map, stage)
    _check_chosen(chosen)
    return parser.conditions(kept), chosen


def _check_chosen(chosen: Sequence[Sequence[Expression]]) -> None:
    for stage, conditions in enumerate(chosen):
        for condition in conditions:
            if any(t.kind != "figure" or t.stage != stage for t in condition.terms):
                raise InputError(
                    f"where has {shown(condition.text)}: after `chosen.` come figures of the chosen map alone, such "
                    "as chosen.density == 1 or chosen.jump <= 32"
                )


def _task(
    graph: QuestionGraph,
    sizes: xr.Dataset,
    k: int,
    objective: Objective,
    factor: float,
    by: Measure,
    cost: str | None,
    chosen: Sequence[Sequence[Expression]],
    limit: int,
) -> Task:
    """Return the question as terms of fit, values and costs by node.

    Values never fall along a chain: a layer's footprint is the sumset of its source's with a set that is not empty, so
    that neither pixels nor extent shrink on any axis, whatever the holes. Chosen values therefore rise. Where stages
    skip or upsample, that is checked.
    """
    areas, usable = [], []
    for stage, columns in enumerate(graph.columns[1:]):
        areas.append(_squares(graph, columns, stage, by))
        keep = areas[-1] > 0  # 0: no path, and no map to choose
        if stage == len(graph.follow) - 1 and not keep.all():
            raise InputError(
                f"some architectures of space {graph.space.name!r} have no path from the image",
                remedy="leave them out with where='area > 0'",
            )
        areas[-1] = np.maximum(areas[-1], 1)
        if (graph.space.scaled or graph.space.reads_pairs) and stage:
            _check_growth(graph, areas[-2], areas[-1], stage)
        for condition in chosen[stage]:
            figures = {t: graph.figure(t.name, columns, stage) for t in condition.terms}
            keep &= np.broadcast_to(condition.value(figures.__getitem__), keep.shape).astype(bool)
        usable.append(keep)
    distinct = np.unique(np.concatenate(areas))
    fit = fit_terms(np.sqrt(distinct), sizes, objective, factor)
    stages = len(graph.follow)
    weights = graph.weights(cost, stages - 1) if cost else [np.zeros(f.shape, np.int64) for f in graph.follow]
    return Task(graph, fit, [np.searchsorted(distinct, a) for a in areas], usable, weights, k, limit)


def _check_growth(graph: QuestionGraph, before: np.ndarray, after: np.ndarray, stage: int) -> None:
    """Refuse maps that shrink: a stage reads an earlier one again, or less than all of a map's different entries."""
    follow = graph.follow[stage]
    if (follow[after[follow] < before[:, None]] >= 0).any():
        raise InputError(
            f"the footprint after stage {graph.space.stages[stage].name!r} may be smaller than that before; designs go "
            "with footprints that grow from stage to stage",
            remedy="ask rf.best or rf.sample with where on the areas of the stages, such as 's2.width >= 32'",
        )


def _squares(graph: QuestionGraph, columns: Columns, stage: int, by: Measure) -> np.ndarray:
    """Return the square of a figure by node, a whole number."""
    if by == "width":
        return graph.figure("area", columns, stage)
    if graph.space.scaled:
        return graph.figure("box", columns, stage)
    sides = [graph.figure(n, columns, stage) for n in graph.figure_names() if n.partition("_")[0] == "extent"]
    return sides[0].astype(np.int64) * sides[-1]


def _dataset(
    task: Task, found: Sequence[Found], sizes: xr.Dataset, by: Measure, factor: float, attrs: dict[str, Any]
) -> xr.Dataset:
    """Return architectures as rows, with their chosen maps."""
    graph, space = task.graph, task.graph.space
    fits: dict[Objective, list[float]] = {"tightness": [], "coverage": []}
    maps: dict[str, list[list[Any]]] = {f"map_{name}": [] for name in ("stage", "layer", "width", "extent", "jump")}
    for one in found:
        picked = chosen_stages(task, one.path)
        nodes = _nodes(graph, one.path)
        rows = [_figures(graph, nodes, stage) for stage in picked]
        values = np.array([row[f"map_{by}"] for row in rows])
        for objective, column in fits.items():
            terms = fit_terms(values, sizes, objective, factor)
            column.append(fit_of(terms, range(task.k)) / terms.unit)
        outputs = space.outputs(_labels(space, one.path))
        for stage, row in zip(picked, rows, strict=True):
            row["map_stage"] = space.stages[stage].name
            row["map_layer"] = outputs[space.stages[stage].name]
        for name, lists in maps.items():
            lists.append([row[name] for row in rows])
    made = {"tightness": np.array(fits["tightness"]), "coverage": 1 - np.array(fits["coverage"])}
    out = as_rows(graph, [(one.path, one.end) for one in found], "rank", made, attrs)
    for name, lists in maps.items():
        text = name in ("map_stage", "map_layer")
        out[name] = (("rank", "map"), np.array(lists, object if text else float))
    return annotate(out, DESIGN, by=by, factor=factor)


def _nodes(graph: QuestionGraph, path: Sequence[int]) -> list[int]:
    """Return the node after every stage of a path."""
    out = [0]
    for follow, choice in zip(graph.follow, path, strict=True):
        out.append(int(follow[out[-1], choice]))
    return out[1:]


def _figures(graph: QuestionGraph, nodes: Sequence[int], stage: int) -> dict[str, Any]:
    """Return width, extent and jump of the map after a stage."""
    columns = {key: column[nodes[stage] : nodes[stage] + 1] for key, column in graph.columns[stage + 1].items()}
    names = graph.figure_names()
    out: dict[str, Any] = {"map_width": float(graph.figure("width", columns, stage)[0])}
    for figure in ("extent", "jump"):
        sides = [int(graph.figure(x, columns, stage)[0]) for x in names if x.partition("_")[0] == figure]
        out[f"map_{figure}"] = float(np.sqrt(sides[0] * sides[-1]))
    if graph.space.scaled:
        out["map_extent"] = float(np.sqrt(graph.figure("box", columns, stage)[0]))
    return out


def _labels(space: Space, path: Sequence[int]) -> dict[str, Any]:
    """Return the label of every factor of a path."""
    out: dict[str, Any] = {}
    for names, choice in zip(space.introduced, path, strict=True):
        digits = np.unravel_index(choice, [len(space.dims[x]) for x in names]) if names else ()
        out |= {x: space.dims[x][int(d)] for x, d in zip(names, digits, strict=True)}
    return out
