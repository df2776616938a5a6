"""The k architectures with the smallest value of an objective: shortest paths through the graph of a question."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rfscale.engine.network.spec import whole
from rfscale.engine.variables import annotate
from rfscale.sweeps.answers.graph import MEMORY
from rfscale.sweeps.answers.network_questions import best_networks
from rfscale.sweeps.answers.path_search import best_paths, reachable_best
from rfscale.sweeps.answers.question import (
    MAX_ROWS,
    Where,
    answer_attributes,
    cost_limits,
    cost_needs,
    cost_weights,
    end_values,
    expression_parser,
    nothing_satisfies,
    question_graph,
    read_goal,
    split_bounds,
)
from rfscale.sweeps.answers.rows import as_rows, each_architecture
from rfscale.sweeps.spaces.network_space import NetworkSpace
from rfscale.sweeps.spaces.space import Space
from rfscale.sweeps.variables import BEST

if TYPE_CHECKING:
    import xarray as xr


def best(
    space: Space | NetworkSpace, objective: str, k: int = 10, where: Where = None, memory: int = MEMORY
) -> xr.Dataset:
    """Return the k architectures with the smallest value of an objective.

    Parameters
    ----------
    space : Space or NetworkSpace
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
        order come first; with a bound on a cost, or cells of more than 2^20 choices, any of them.

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
    whole(k, "k", 1, MAX_ROWS)
    if isinstance(space, NetworkSpace):
        return best_networks(space, objective, k, where)
    parser = expression_parser(space)
    goal = read_goal(parser, objective)
    conditions = parser.where(where)
    bounds, others = split_bounds(conditions)
    if goal.expression.linear() is None:
        bounds, others = [], conditions  # each value of a cost is a state anyway
    needs = cost_needs([goal], bounds, k)
    graph = question_graph(space, where, goal.terms, others, space.channels is not None, memory, (), needs)
    ends = end_values(graph, goal)
    weights = cost_weights(graph, goal) if goal.costs else None
    if weights and {w.dtype.kind for w in weights} | {ends.dtype.kind} != {"i"}:
        weights, ends = [w.astype(float) for w in weights], ends.astype(float)
    limits = cost_limits(graph, bounds)
    if limits and weights is None and all(x.low == -np.inf or x.high == np.inf for x in limits):
        ends = reachable_best(graph, ends, limits, k)
    answer = list(best_paths(graph, weights, ends, limits, k))
    if not answer:
        raise nothing_satisfies(space, where)
    rows = [(path[:-1], path[-1]) for _, path in answer]
    values = [value for value, _ in answer]
    if space.folded:
        rows, values = each_architecture(graph, rows, values, k)
    made = {"objective": np.array(values)}
    attrs = answer_attributes(space, "best", where, objective=objective)
    return annotate(as_rows(graph, rows, "rank", made, attrs), BEST)
