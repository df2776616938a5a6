"""Exact answers about all architectures of a space, without listing them: count, best, pareto, sample.

What an architecture can still become depends on its state alone, so that paths through the graph of states
(sweeps/answers/graph.py) stand for architectures: their numbers, the best of them, and uniform samples follow by
dynamic programming, for 10^24 of them as for 10^6.

Figures are ``pixels, extent, jump, shared, overlap`` (of one axis; with ``_y``, ``_x`` where the axes differ), ``area,
width, density``, and the costs ``params, macs`` of all layers up to a stage. A name alone means the last stage,
``s2.extent`` that of stage s2, ``every.density`` (in `where`) all stages. Factors go by their names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rfscale.engine.network.spec import whole
from rfscale.sweeps.answers.graph import NothingLeftError, Product
from rfscale.sweeps.answers.path_search import Limit, best_paths, reachable_best
from rfscale.sweeps.answers.question import MAX_ROWS, Where, _attributes, _end_values, _nothing, _reader, _weights
from rfscale.sweeps.answers.rows import as_rows
from rfscale.sweeps.spaces.space import Space
from rfscale.sweeps.states.compiled import MEMORY, Ground

if TYPE_CHECKING:
    import xarray as xr


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
