"""Chains drawn side by side: the counts of each chain walked by itself, bit by bit."""

from __future__ import annotations

import numpy as np
import pytest

from rfscale import Space, chains
from rfscale.sweeps.kernels import formula_errors
from rfscale.sweeps.kernels.drawn.counts import overlap_bin
from rfscale.sweeps.kernels.formula_recurrence import share
from rfscale.sweeps.kernels.plain import Sooner, plain
from rfscale.sweeps.validation import walk_space
from rfscale.sweeps.validation.kernel_tables import Members, Pieces, Sources
from rfscale.sweeps.validation.walk_space import Walk
from tests.sweeps import some_spaces as spaces

MASK = (1 << 64) - 1
CASES = {
    "holes": chains([1, 2, 3, 5, 7], [1, 2], [1, 2, 3, 5, 9], 12),
    "strides": chains([1, 3, 4], [1, 2, 3], [1, 2, 7], 9),
    "wide": chains([2, 3], 1, [1, 6, 10, 15, 40, 70], 7),
    "far": chains([1, 2, 9], [1, 4], [1, 5, 33], 6),
    "beyond": Space.from_dict(  # sets of thousands of entries: no layer needs words for them, their counts do
        {
            "stages": [
                {"name": "a", "kernel": 2, "dilation": 2},
                {"name": "b", "kernel": 2, "dilation": 3},
                {"name": "c", "kernel": [5000, 5001], "dilation": 2, "stride": [10002, 10003]},
            ]
        }
    ),
    **{spec["name"]: Space.from_dict(spec) for spec in (spaces.DEMO, spaces.MIXED, spaces.LINE)},
    **{f"random {seed}": Space.from_dict(spaces.random_space(seed)) for seed in range(6)},
}


def mixed(x):
    """Splitmix64."""
    x = x * 0x9E3779B97F4A7C15 & MASK
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & MASK
    x = (x ^ x >> 27) * 0x94D049BB133111EB & MASK
    return x ^ x >> 31


def lines_drawn(walk, stage, first, seed):
    """Yield the row that each chain was drawn from, and its lines in the tables, a stage each."""
    tables, depth = walk.flat.tables, len(walk.programs) - stage
    for number in range(first[-1]):
        row = int(np.searchsorted(first, number, "right")) - 1
        live, out = int(walk.levels[stage].live[row]), []
        for s in range(depth):
            choices, variant, after = tables.stages[stage + s, :3]
            draw = mixed(mixed(seed) + number * depth + s & MASK) >> 11
            out.append(tables.variant[variant + live] + int(draw * (choices / 2**53)))
            live = int(tables.next_live[after + live * choices + tables.chains[out[-1], 0]])
        yield row, out


def walk_each(walk, stage, first, seed, tally):
    """Walk every chain by itself: a space of one choice a stage, from one state."""
    nodes, pool, tables = walk.levels[stage], walk.pool, walk.flat.tables.between(stage, len(walk.programs))
    depth = len(tables.stages)
    jump, extent, pixels, shared, start, _, _, words, _ = pool.columns
    for row, lines in lines_drawn(walk, stage, first, seed):
        stages = tables.stages.copy()
        stages[:, 0], stages[:, 1], stages[:, 2] = 1, np.arange(depth), 0
        line = tables.chains[lines].copy()
        line[:, 3] = line[:, 5] = 0
        single = tables._replace(
            stages=stages,
            variant=np.arange(depth),
            next_live=np.zeros(tables.most_choices, np.int64),
            chains=line,
            most_choices=1,
        )
        exact = nodes.exact[row]
        figures = np.array([[[c[exact] for c in (extent, pixels, jump, shared)]]], np.int64)
        sources = Sources(figures, start[[[exact]]], words, np.zeros(1, np.int64))
        members = Members(np.array([row, row + 1]), nodes.state, nodes.flags, np.ones((row + 1, 1), np.int64), 1)
        nothing = Pieces(0, 1, np.empty(0, np.int64), np.uint64(0))
        formula_errors.walk(0, 1, 0, 1, sources, members, single, nothing, tally)


@pytest.mark.parametrize(("name", "start"), [*((name, 0) for name in CASES), ("holes", 1), ("far", 1), ("wide", 1)])
def test_every_chain_has_the_errors_that_it_has_by_itself(name, start, monkeypatch):
    number, seed, space = 700, 11, CASES[name]
    walk, drawn_from, draw = Walk(space, chains=number), [], Walk._draw
    if name == "beyond":  # Python refuses to write beyond an array, compiled code does not
        monkeypatch.setattr(walk_space, "SOONER", Sooner(kept=1 << 20, most=1 << 20, loaded=1 << 20))
    monkeypatch.setattr(walk_space, "DRAWS_PER_MERGE", 1)
    monkeypatch.setattr(walk_space, "MAX_DRAWN_EDGES", walk.programs[0].choices if start else 0)

    def draw_only(self, stage, seed):
        self.errors.table[:], self.errors.worst[:], self.errors.place[:] = 0, -1.0, 0  # not of the levels before
        drawn_from.append(stage)
        draw(self, stage, seed)

    monkeypatch.setattr(Walk, "_draw", draw_only)
    walk.sample(seed)
    assert drawn_from == [start]
    found = walk.errors.whole()
    walk.errors.table[:], walk.errors.worst[:], walk.errors.place[:] = 0, -1.0, 0
    first = np.concatenate([[0], np.cumsum(walk.levels[start].weight)])
    walk_each(walk, start, first, seed, walk.errors.of_task(0))
    wanted = walk.errors.whole()
    for what, a, b in zip(("table", "worst"), found, wanted, strict=False):
        np.testing.assert_array_equal(a, b, err_msg=what)
    told = wanted[1] > formula_errors.EXACT  # of errors that are rounding, each task keeps the place of its first
    np.testing.assert_array_equal(found[2][told], wanted[2][told], err_msg="place")


def test_the_bin_of_an_overlap_is_that_of_whole_numbers():
    """A bin begins where 10·shared is a multiple of the pixels: there, and a pixel to both sides."""
    draw, bin_of, share_of = np.random.default_rng(0), plain(overlap_bin), plain(share)
    for pixels in [*range(1, 200), *draw.integers(200, 2**31, 2000).tolist(), 2**31 - 1]:
        for tenths in range(10):
            for shared in (-(-tenths * pixels // 10) + away for away in (-1, 0, 1)):
                if 0 <= shared < pixels:
                    assert bin_of(share_of(shared, float(pixels))) == shared * 10 // pixels
