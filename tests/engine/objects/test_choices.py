"""The cheapest choices of k values equal those of all choices, ties as the docstring says."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from rfscale.engine.objects.choices import cheapest_choices, no_path


@pytest.mark.parametrize("kind", [np.int64, np.float64])
@pytest.mark.parametrize("seed", range(8))
def test_equals_all_choices(seed, kind):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 8))
    head, tail = rng.integers(0, 4, (2, n)).astype(kind)  # few values, so that many choices cost the same
    between = np.full((n, n), no_path(np.dtype(kind)), kind)
    for i, j in itertools.combinations(range(n), 2):
        between[i, j] = rng.integers(0, 4)
    for k, found in enumerate(cheapest_choices(head, between, tail, n), start=1):
        costs = {
            way: head[way[0]] + sum(between[i, j] for i, j in itertools.pairwise(way)) + tail[way[-1]]
            for way in itertools.combinations(range(n), k)
        }
        assert found.cost == min(costs.values())
        assert found.chosen == min((way for way in costs if costs[way] == found.cost), key=lambda way: way[::-1])
