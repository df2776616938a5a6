"""Path counts as sums of products equal the grid of counts, and give the same effective box."""

from __future__ import annotations

import random
from functools import reduce

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine.analysis.path_counts import path_counts
from rfscale.engine.analysis.paths import terms as path_terms
from rfscale.engine.errors import InputError
from rfscale.engine.fields.mass_box import mass_box
from rfscale.engine.footprints.backward import IMAGE, windows
from rfscale.engine.footprints.plan import resolve
from tests.engine.strategies import FAMILIES, random_network

SEEDS = 12


def drawn(terms):
    """The grid of a sum of products, of sum 1."""
    grid = 0
    scale = np.ldexp(terms.weight, terms.exponent - terms.exponent.max())
    for factor, at in zip(scale, terms.vectors, strict=True):
        grid = grid + factor * reduce(np.multiply.outer, [r[i] for r, i in zip(terms.rows, at, strict=True)])
    return grid / grid.sum()


def check(net, layer, at, size, skip, monkeypatch):
    try:
        counts = path_counts(net, layer, at, size, skip)
    except InputError:
        return 0
    plan, index = resolve(net, size, skip), net.index(layer)
    reached = windows(plan, index, at)
    terms = path_terms.path_terms(plan, index, reached)
    grid, origin = drawn(terms), [lo for lo, _ in reached[IMAGE]]
    found = {tuple(np.add(cell, origin)): float(grid[tuple(cell)]) for cell in np.argwhere(grid)}
    pixels = [counts[a].values for a in net.axes]
    for cell in np.argwhere(counts.values):
        share = found.pop(tuple(p[i] for p, i in zip(pixels, cell, strict=True)))
        assert share == pytest.approx(float(counts.values[tuple(cell)]), rel=1e-12)
    assert not found
    monkeypatch.setattr(path_terms, "FEW_CELLS", 0)
    for mass in (0.5, 0.95):
        box = path_terms.effective_box(plan, layer, at, mass, global_ops=skip)
        assert box.tolist() == mass_box(counts, mass).box_extent.values.tolist(), (net.to_dict(), layer, at, size)
    return 1


@pytest.mark.parametrize("mode", ["finite", "interior"])
@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_random_networks(family, ndim, mode, monkeypatch):
    rng = random.Random(f"terms {mode} {family} {ndim}")
    checked = 0
    for _ in range(SEEDS):
        net = rf.Network.from_dict(random_network(rng, family, ndim))
        sizes = net.map_sizes()
        layer = rng.choice([*net.layers, net.layers[-1]]).name
        size = net.input_size if mode == "finite" else None
        at = tuple(rng.randrange(n) for n in sizes[layer])
        checked += check(net, layer, at, size, rng.choice(["include", "skip"]), monkeypatch)
    assert checked or mode == "interior"


def residual(blocks, axes):
    b = rf.NetworkBuilder("residual", axes=axes)
    x = b.conv("stem", kernel=3, stride=2, padding=1)
    for i in range(blocks):
        y = b.conv(f"c{i}", kernel=3, padding=1, inputs=x)
        x = b.add(f"a{i}", inputs=[x, y])
    return b.build()


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_ways_that_pass_equal_layers_are_one_product(axes):
    net = residual(60, axes)
    plan, index = resolve(net, None, "skip"), net.index("a59")
    terms = path_terms.path_terms(plan, index, windows(plan, index, (0,) * axes))
    assert len(terms.weight) == 61  # of 2^60 ways
    assert all(rows is terms.rows[0] for rows in terms.rows)


def test_too_large_for_terms_and_for_grids():
    net = residual(9, 2)
    with pytest.raises(path_terms.TooManyCountsError, match=r"it takes \d\.\de\+03 path counts$"):
        path_terms.effective_box(resolve(net, None, "skip"), "a8", "center", 0.95, most=100)
