"""The Pareto-optimal architectures in two or three objectives: non-dominated paths through the graph of a question."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from rfscale.engine.errors import InputError
from rfscale.engine.variables import annotate
from rfscale.sweeps.answers.graph import MEMORY, QuestionGraph
from rfscale.sweeps.answers.network_questions import pareto_networks
from rfscale.sweeps.answers.path_search import Trail, retrace, undominated_paths
from rfscale.sweeps.answers.question import (
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
from rfscale.sweeps.answers.rows import as_rows
from rfscale.sweeps.kernels import paths
from rfscale.sweeps.kernels.plain import ANSWERS
from rfscale.sweeps.spaces.network_space import NetworkSpace
from rfscale.sweeps.spaces.space import Space
from rfscale.sweeps.variables import PARETO

if TYPE_CHECKING:
    import xarray as xr


def pareto(space: Space | NetworkSpace, *objectives: str, where: Where = None, memory: int = MEMORY) -> xr.Dataset:
    """Return the architectures that are Pareto-optimal in two or three objectives.

    Parameters
    ----------
    space : Space or NetworkSpace
    *objectives : str
        Two or three expressions; smaller is better, so write ``"-extent"`` for large extents.
    where, memory
        As in `count`.

    Returns
    -------
    xr.Dataset
        Over `rank`, one architecture for each non-dominated point, sorted by the first objective: the label of
        every factor, `objectives` (rank, objective), `index`, and the figures and costs of the last stage.

    Examples
    --------
    >>> space = Space.from_dict({"channels": 8, "stages": [{"name": f"s{i}", "kernel": [1, 3, 5]} for i in range(3)]})
    >>> pareto(space, "params", "-extent").extent.values.tolist()
    [1, 3, 5, 7, 9, 11, 13]
    """
    if not 2 <= len(objectives) <= 3:
        raise InputError(f"pareto got {len(objectives)} objectives; give two or three, such as 'macs' and '-extent'")
    if isinstance(space, NetworkSpace):
        return pareto_networks(space, objectives, where)
    parser = expression_parser(space)
    goals = [read_goal(parser, o) for o in objectives]
    conditions = parser.where(where)
    bounds, others = split_bounds(conditions)
    if not any(goal.costs for goal in goals):
        bounds, others = [], conditions
    keep = [t for goal in goals for t in goal.terms]
    needs = cost_needs(goals, bounds, 1)
    graph = question_graph(space, where, keep, others, space.channels is not None, memory, (), needs)
    columns = [cost_weights(graph, goal) for goal in goals if goal.costs]
    n_sums, upper = len(columns), []
    for limit in cost_limits(graph, bounds):
        for sign, most in ((1, limit.high), (-1, -limit.low)):
            if most < np.inf:
                upper.append(most)
                columns.append([sign * w for w in limit.weights])
    node, sums, trail = undominated_paths(graph, columns)
    fits = np.asarray((sums[:, n_sums:] <= np.array(upper)).all(axis=1))
    if not fits.any():
        raise nothing_satisfies(space, where)
    at = iter(range(n_sums))
    values = []
    for goal in goals:
        ends = end_values(graph, goal)[node]
        values.append(ends + sums[:, next(at)] if goal.costs else ends)
    return _front(graph, np.stack(values, axis=1), node, trail, fits, objectives, where)


def _front(
    graph: QuestionGraph,
    values: np.ndarray,
    node: np.ndarray,
    trail: Trail,
    fits: np.ndarray,
    objectives: Sequence[str],
    where: Where,
) -> xr.Dataset:
    """Return the non-dominated rows."""
    rows = np.flatnonzero(fits)
    rows = rows[np.lexsort([values[rows, i] for i in reversed(range(values.shape[1]))])]
    keep = ANSWERS.of(paths.undominated, len(rows))(np.zeros(len(rows), np.int64), np.ascontiguousarray(values[rows]))
    rows = rows[keep]
    made = [(retrace(trail, int(row)), int(node[row])) for row in rows]
    attrs = answer_attributes(graph.space, "pareto", where, objectives=list(objectives))
    answer = as_rows(graph, made, "rank", {}, attrs)
    answer = answer.assign_coords(objective=list(objectives)).assign(objectives=(("rank", "objective"), values[rows]))
    return annotate(answer, PARETO)
