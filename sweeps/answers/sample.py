"""Uniform samples of the architectures that satisfy a condition."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from rfscale.engine.network.spec import whole
from rfscale.engine.variables import annotate
from rfscale.sweeps.answers.graph import MEMORY
from rfscale.sweeps.answers.network_questions import sample_networks
from rfscale.sweeps.answers.path_counts import Completions
from rfscale.sweeps.answers.question import (
    MAX_ROWS,
    Where,
    answer_attributes,
    expression_parser,
    nothing_satisfies,
    question_graph,
)
from rfscale.sweeps.answers.rows import as_rows
from rfscale.sweeps.spaces.network_space import NetworkSpace
from rfscale.sweeps.spaces.space import Space
from rfscale.sweeps.variables import ROWS

if TYPE_CHECKING:
    import xarray as xr


def sample(space: Space | NetworkSpace, n: int, where: Where = None, seed: int = 0, memory: int = MEMORY) -> xr.Dataset:
    """Return architectures drawn uniformly, with replacement, from those that satisfy `where`.

    Exactly uniform: each draw is a whole number below the exact number of such architectures, and the architecture that
    has this number in the order of the index. The same seed gives the same sample.

    Parameters
    ----------
    space : Space or NetworkSpace
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
    whole(n, "n", 1, MAX_ROWS)
    whole(seed, "seed", 0, 2**63)
    if isinstance(space, NetworkSpace):
        return sample_networks(space, n, where, seed)
    parser = expression_parser(space)
    graph = question_graph(space, where, (), parser.where(where), space.channels is not None, memory)
    completions = Completions(graph)
    if not completions.total:
        raise nothing_satisfies(space, where)
    draw = random.Random(seed)
    paths = [completions.path(draw.randrange(completions.total)) for _ in range(n)]
    attrs = answer_attributes(space, "sample", where, seed=seed, satisfying=str(completions.total))
    return annotate(as_rows(graph, [(p[:-1], p[-1]) for p in paths], "sample", {}, attrs), ROWS)
