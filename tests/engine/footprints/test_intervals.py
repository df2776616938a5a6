"""Intervals of maps: what is worked out for all entries of a period at once, against entry by entry."""

from __future__ import annotations

from itertools import pairwise
from math import lcm

from hypothesis import given
from hypothesis import strategies as st

from rfscale.engine.footprints.intervals import Intervals
from rfscale.engine.network.axis_maps import AxisMap

BOUND = st.none() | st.tuples(st.integers(-9, 9), st.integers(0, 5)).map(lambda x: (x[0], x[0] + x[1]))
ANY = st.builds(Intervals, st.lists(BOUND, min_size=1, max_size=4).map(tuple), st.integers(-6, 12))
RISING = st.integers(1, 4).flatmap(
    lambda n: st.lists(st.integers(0, 9), min_size=n, max_size=n).map(
        lambda firsts: Intervals(tuple((a, a + 3) for a in sorted(firsts)), 12)
    )
)
TAPS = st.lists(st.integers(-5, 5), max_size=3, unique=True).map(lambda row: tuple(sorted(row)))
MAPS = st.builds(
    lambda down, taps: AxisMap(len(taps), down, tuple(taps)), st.integers(0, 4), st.lists(TAPS, min_size=1, max_size=3)
)


@given(ANY | RISING, MAPS)
def test_after_a_layer(before, layer):
    after = before.apply(layer)
    for o in range(-7, 8):
        read = [b for b in map(before.at, layer.reads(o)) if b]
        assert after.at(o) == ((min(b[0] for b in read), max(b[1] for b in read)) if read else None)


@given(ANY | RISING, st.integers(0, 9))
def test_rises_and_touches(intervals, step):
    n = len(intervals.bounds)
    ends = [intervals.at(o) for o in range(n + 1)]
    whole = None not in ends and intervals.shift >= 0
    assert intervals.rises == (whole and all(a[0] <= b[0] and a[1] <= b[1] for a, b in pairwise(ends)))
    pairs = [(intervals.at(o), intervals.at(o + step)) for o in range(n)]
    assert intervals.touches(step) == all(a and b and a[1] + 1 >= b[0] for a, b in pairs)


@given(ANY, ANY)
def test_two_branches(a, b):
    assert a.has_centre_of(b) == (a.centre == b.centre)
    if a.jump == b.jump:
        united = a.unite(b)
        assert len(united.bounds) == lcm(len(a.bounds), len(b.bounds))
        for o in range(-7, 8):
            ends = [x for x in (a.at(o), b.at(o)) if x]
            assert united.at(o) == ((min(x[0] for x in ends), max(x[1] for x in ends)) if ends else None)
