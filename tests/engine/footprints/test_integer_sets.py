"""Families as whole numbers against the kernels: the same sets, the same figures, the same refusals."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rfscale as rf
from rfscale.engine.errors import InputError
from rfscale.engine.footprints import integer_sets, pixel_sets
from rfscale.engine.footprints.forward import trace
from rfscale.engine.footprints.pixel_sets import Family
from rfscale.engine.kernels.arrays import Sets
from rfscale.engine.kernels.before_kernels import BeforeKernels
from rfscale.engine.network.axis_maps import AxisMap, border_map, flip_map, transposed_map, whole_map, window_map
from tests.engine.strategies import cases

SETTINGS = settings(max_examples=100, deadline=None)
PIXELS = st.frozensets(st.integers(-150, 200), max_size=30)
INTERIOR_MAPS = st.sampled_from(
    [window_map(3, 2, 5, 4), window_map(1, 3, 1, 0), transposed_map(3, 2, 1, 1), flip_map(4), window_map(40, 1, 7, 90)]
)
FINITE_MAPS = st.sampled_from(
    [whole_map(3), border_map(1, "reflect"), border_map(3, "circular"), window_map(2, 1, 1, 1)]
)


def both(rows: list[frozenset[int]], repeat: int) -> tuple[Family, Family]:
    """The same family as whole numbers, and as arrays."""
    pairs = [(min(r), sum(1 << (p - min(r)) for p in r)) if r else integer_sets.EMPTY for r in rows]
    words = integer_sets.widest([[pair] for pair in pairs if pair[1]])
    return Family(None, pairs, repeat, words), Family(integer_sets.as_arrays(pairs, words, repeat))


def assert_equal(a: Family, b: Family) -> None:
    assert (a.repeat, a.words, len(a)) == (b.repeat, b.words, len(b))
    for left, right in zip(a.sets[:3], b.sets[:3], strict=True):
        np.testing.assert_array_equal(left, right)
        assert left.dtype == right.dtype
        assert left.flags.writeable  # a kernel that is given an array that is not is compiled a second time
    for left, right in zip(a.measures, b.measures, strict=True):
        np.testing.assert_array_equal(left, right)
    for entry in range(len(a)):
        assert a.bounds(entry) == b.bounds(entry)
        assert a.pixels(entry).tolist() == b.pixels(entry).tolist()
        (at, bits), (place, words) = a.integer(entry), b.integer(entry)
        assert bits == words >> at - place if bits else not words


@pytest.fixture(autouse=True)
def _whole_numbers_throughout(monkeypatch):
    monkeypatch.setattr(pixel_sets.READS, "most", 1 << 62)


@SETTINGS
@given(st.lists(PIXELS, min_size=1, max_size=5), st.sampled_from([-64, 3, 64, 200]), INTERIOR_MAPS)
def test_interior_families_equal_the_kernels(rows, repeat, layer):
    integers, arrays = both(rows, repeat)
    assert_equal(integers, arrays)
    assert_equal(integers.apply(layer, None), arrays.apply(layer, None))
    assert_equal(integers.listed(3 * len(rows)), arrays.listed(3 * len(rows)))


@SETTINGS
@given(st.lists(PIXELS, min_size=3, max_size=3), st.one_of(INTERIOR_MAPS, FINITE_MAPS), st.integers(1, 5))
def test_finite_families_equal_the_kernels(rows, layer: AxisMap, size):
    integers, arrays = both(rows, 0)
    assert_equal(integers, arrays)
    assert_equal(integers.apply(layer, size), arrays.apply(layer, size))


@SETTINGS
@given(st.lists(st.tuples(PIXELS, PIXELS, st.integers(0, 2)), min_size=1, max_size=4))
def test_unions_and_comparisons_equal_the_kernels(rows):
    a = [one | other if kind == 1 else one for one, other, kind in rows]
    b = [one | other if kind == 2 else other if kind == 0 else one for one, other, kind in rows]
    (x, of_x), (y, of_y) = both(a, 0), both(b, 0)
    assert x.compare(y) == of_x.compare(of_y)
    assert y.compare(x) == of_y.compare(of_x)
    assert x.compare(of_y) == of_x.compare(y)
    assert_equal(x.unite(y), of_x.unite(of_y))


@SETTINGS
@given(cases())
def test_a_network_is_the_same_with_kernels_alone(case):
    net = rf.Network.from_dict(case[0])
    found = trace(net, net.input_size)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pixel_sets.READS, "most", -1)
        patch.setattr(pixel_sets.READS, "few", -1)
        wanted = trace(net, net.input_size)
    for terms, others in zip(found.terms, wanted.terms, strict=True):
        assert (terms is None) == (others is None)
        for term, other in zip(terms or (), others or (), strict=True):
            for a, b in zip(term, other, strict=True):
                assert_equal(a, b)


def test_kernels_take_over_after_some_work():
    work = BeforeKernels(few=16, most=100)
    assert work.takes(90)
    assert not work.takes(17)
    assert work.takes(16)
    assert work.done == 90


def test_sets_that_take_too_much_are_refused_before_they_are_made(monkeypatch):
    monkeypatch.setattr(pixel_sets, "MAX_WORDS", 1000)
    family = pixel_sets.image_family()
    assert family.apply(window_map(2, 1, 63_000, 0), None).words == 985
    for each in (family, Family(family.sets)):
        with pytest.raises(InputError, match="the footprints of its 1 entries take 8000000008 bytes"):
            each.apply(window_map(2, 1, 64_000_000_000, 0), None)


def test_arrays_of_whole_numbers():
    first, last, bits, repeat = integer_sets.as_arrays([(-3, 0b101), integer_sets.EMPTY], 2, 7)
    assert (first.tolist(), last.tolist(), repeat) == ([-3, 0], [-1, -1], 7)
    assert bits.tolist() == [[5 << 61, 0], [0, 0]]
    assert isinstance(integer_sets.as_arrays([(0, 1)], 1, 0), Sets)


def test_a_profile_of_one_network_loads_no_kernel():
    code = (
        "import sys, rfscale as rf; from rfscale.engine.footprints.forward import trace\n"
        "from rfscale.engine.footprints.footprint_figures import FootprintFigures\n"
        "for size in (None, 224):\n"
        "    net = rf.load('resnet50'); found = FootprintFigures(trace(net, size))\n"
        "    [found.figures(i) for i in range(len(net))]\n"
        "print([name for name in ('numba', 'xarray', 'pandas', 'scipy', 'dask') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
