"""The architectures that no other one beats in several objectives at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from rfscale.engine.errors import InputError
from rfscale.sweeps.answers.graph import NothingLeftError, Product
from rfscale.sweeps.answers.path_search import retrace, undominated_paths
from rfscale.sweeps.answers.question import Where, _attributes, _end_values, _nothing, _reader, _weights
from rfscale.sweeps.answers.rows import as_rows
from rfscale.sweeps.spaces.space import Space
from rfscale.sweeps.states.compiled import MEMORY, Ground

if TYPE_CHECKING:
    import xarray as xr


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
    from rfscale.sweeps.kernels import paths

    rows = np.flatnonzero(fits)
    rows = rows[np.lexsort([values[rows, i] for i in reversed(range(values.shape[1]))])]
    keep = paths.undominated(np.zeros(len(rows), np.int64), np.ascontiguousarray(values[rows]))
    rows = rows[keep]
    made = [(retrace(trail, int(row)), int(node[row])) for row in rows]
    attrs = _attributes(product.space, "pareto", where, objectives=list(objectives))
    answer = as_rows(product, made, "rank", {}, attrs)
    return answer.assign_coords(objective=list(objectives)).assign(objectives=(("rank", "objective"), values[rows]))
