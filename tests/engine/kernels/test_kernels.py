"""Kernels on families of sets against plain Python sets, and the limits that Python checks for them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rfscale as rf
from rfscale.engine.errors import InputError
from rfscale.engine.footprints.pixel_sets import Family
from rfscale.engine.kernels import sets
from rfscale.engine.kernels.arrays import Sets
from rfscale.engine.kernels.borders import border_entry
from rfscale.engine.kernels.sets import inlined_border_entry
from rfscale.engine.network.axis_maps import BORDERS, MapTable
from rfscale.engine.network.network import Network

ROWS = st.lists(st.frozensets(st.integers(-200, 300), max_size=40), min_size=1, max_size=6)
SETTINGS = settings(max_examples=150, deadline=None)


def family(rows, repeat=0) -> Family:
    first = np.array([min(r, default=0) for r in rows], np.int64)
    last = np.array([max(r, default=-1) for r in rows], np.int64)
    words = max(1, int(((last >> 6) - (first >> 6)).max()) + 1)
    bits = np.zeros((len(rows), words), np.uint64)
    for i, row in enumerate(rows):
        for pixel in row:
            bits[i, (pixel >> 6) - (first[i] >> 6)] |= np.uint64(1 << (pixel & 63))
    return Family(Sets(first, last, bits, repeat))


def rows_of(f: Family) -> list[set[int]]:
    out = []
    for first, words in zip(f.sets.first.tolist(), f.sets.bits.tolist(), strict=True):
        base = (first >> 6) * 64
        out.append({base + 64 * w + b for w, word in enumerate(words) for b in range(64) if word >> b & 1})
    return out


def longest_gap(row) -> int:
    pixels = sorted(row)
    return max((b - a - 1 for a, b in itertools.pairwise(pixels)), default=0)


@SETTINGS
@given(ROWS, st.integers(0, 70))
def test_measures(rows, repeat):
    f = family(rows, repeat)
    pixels, gaps, shared = f.measures
    assert pixels.tolist() == [len(r) for r in rows]
    assert gaps.tolist() == [longest_gap(r) for r in rows]
    following = [*rows[1:], {p + repeat for p in rows[0]}]
    expected = [len(a & b) for a, b in zip(rows, following, strict=True)]
    assert shared.tolist() == (expected if repeat else [*expected[:-1], -1])


@SETTINGS
@given(ROWS, st.data())
def test_unions_and_comparisons(rows, data):
    other = data.draw(
        st.lists(st.frozensets(st.integers(-300, 200), max_size=40), min_size=len(rows), max_size=len(rows))
    )
    a, b = family(rows), family(other)
    both = [x | y for x, y in zip(rows, other, strict=True)]
    assert rows_of(a.unite(b)) == both
    assert a.unite(b).compare(a) & 1
    assert a.compare(a.unite(b)) & 2
    over = all(x >= y for x, y in zip(rows, other, strict=True))
    under = all(x <= y for x, y in zip(rows, other, strict=True))
    assert a.compare(b) == over + 2 * under


@SETTINGS
@given(
    ROWS,
    st.integers(0, 30),
    st.integers(1, 3),
    st.integers(1, 4),
    st.lists(st.lists(st.integers(-5, 5), min_size=0, max_size=4), min_size=3, max_size=3),
)
def test_a_layer_unites_what_it_reads(rows, repeat, up, down, taps):
    f, n = family(rows, repeat), len(rows)
    table = np.zeros((up, 4), np.int64)
    counts = np.array([len(t) for t in taps[:up]], np.int64)
    for r in range(up):
        table[r, : len(taps[r])] = taps[r]
    expected = []
    for o in range(7):
        m, r = divmod(o, up)
        out: set[int] = set()
        for t in taps[r]:
            e = down * m + t
            q, i = divmod(e, n) if repeat else (0, e)
            if 0 <= i < n:
                out |= {p + q * repeat for p in rows[i]}
        expected.append(out)
    first, last, bits, _ = sets.apply_map(*f.sets, *MapTable(up, down, table, counts, 0), 7, 1 << 20)
    assert rows_of(Family(Sets(first, last, bits, 0))) == expected


def test_the_compiled_border_rule_is_the_plain_one():
    for n, border in itertools.product(range(1, 9), range(len(BORDERS))):
        for entry in range(1 - n, 2 * n - 1):
            assert inlined_border_entry(entry, n, border) == border_entry(entry, n, border)


@pytest.mark.parametrize(
    ("border", "expected"), [("reflect", "2101210"), ("replicate", "0001222"), ("circular", "1201201")]
)
def test_border_rules(border, expected):
    """Entries -2..4 of a map of 3; PyTorch's padding of that name."""
    assert "".join(str(border_entry(e, 3, BORDERS[border])) for e in range(-2, 5)) == expected
    assert [border_entry(e, 3, BORDERS["zeros"]) for e in range(-2, 5)] == [-1, -1, 0, 1, 2, -1, -1]


def test_sets_that_take_too_much_are_refused_before_they_are_made(monkeypatch):
    holes = {"kernel": 3, "dilation": 2, "padding": 2}
    net = Network.sequential(holes, {"kernel": 200, "name": "wide"}, axes=1)
    monkeypatch.setattr("rfscale.engine.footprints.pixel_sets.MAX_WORDS", 1500)
    with pytest.raises(InputError, match=r"layer 'wide' .*smaller input_size"):
        rf.profile(net, 500)
    monkeypatch.setattr("rfscale.engine.footprints.pixel_sets.MAX_WORDS", 1 << 20)
    monkeypatch.setattr("rfscale.engine.footprints.forward.MAX_HELD", 100)
    with pytest.raises(InputError, match=r"layer 'conv1' .*fewer layers"):
        rf.profile(net, 500)
