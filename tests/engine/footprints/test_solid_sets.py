"""Sets without holes by their ends, plain and compiled: the same sets and figures as pixel by pixel."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rfscale as rf
from rfscale.engine.errors import InputError, UnequalJumpsError
from rfscale.engine.footprints import pixel_sets, solid_program
from rfscale.engine.footprints.forward import trace
from rfscale.engine.footprints.pixel_sets import Family
from rfscale.engine.footprints.solid_program import INFINITE, Program
from rfscale.engine.footprints.solid_sets import SolidSets
from rfscale.engine.kernels.solid_pass import UNKNOWN
from rfscale.engine.network.ops import OPS
from tests.engine.strategies import cases
from tests.oracles import plain_sets

SETTINGS = settings(max_examples=60, deadline=None)


@pytest.fixture(params=["plain", "compiled"], scope="module")
def way(request):
    limit = -1 if request.param == "compiled" else 1 << 62
    with pytest.MonkeyPatch.context() as patch:
        for name in ("few", "most"):
            patch.setattr(solid_program.NODES, name, limit)
        patch.setattr(pixel_sets.READS, "most", 1 << 62)
        yield request.param


def pixel_by_pixel(net, size=None, global_ops="include"):
    """The trace without the pass: every family is a list of sets."""

    def left_out(self, plan, step):
        if step.is_global and plan.input_size is None:
            return INFINITE
        if step.passes:
            return self.nodes[step.sources[0]] if step.sources[0] >= 0 else 0
        return self._made([UNKNOWN], [1] * self.ndim)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Program, "_node", left_out)
        return trace(rf.Network.from_dict(net.to_dict()), size, global_ops)


def assert_alike(family: Family, other: Family) -> None:
    assert (len(family), family.repeat, family.words) == (len(other), other.repeat, other.words)
    for a, b in zip((*family.sets[:3], *family.measures), (*other.sets[:3], *other.measures), strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == b.dtype
    assert not family.is_empty.any()
    np.testing.assert_array_equal(family.first, other.first)
    np.testing.assert_array_equal(family.extent, other.extent)
    for entry in range(len(family)):
        assert family.bounds(entry) == other.bounds(entry)
        assert family.pixels(entry).tolist() == other.pixels(entry).tolist()
        assert family.measured(entry) == other.measured(entry)
        (at, bits), (place, same) = family.integer(entry), other.integer(entry)
        assert bits << max(0, at - place) == same << max(0, place - at)


def solid(terms) -> bool:
    return terms is not None and all(f.solid is not None for term in terms for f in term)


def compare(net, size, global_ops="include") -> int:
    """Compare both ways, and return how many layers are solid."""
    found, wanted = trace(net, size, global_ops), pixel_by_pixel(net, size, global_ops)
    for terms, others in zip(found.terms, wanted.terms, strict=True):
        assert (terms is None) == (others is None)
        for term, other in zip(terms or (), others or (), strict=True):
            for family, same in zip(term, other, strict=True):
                if family.solid is not None:
                    assert_alike(family, same)
                else:
                    for a, b in zip(family.sets[:3], same.sets[:3], strict=True):
                        np.testing.assert_array_equal(a, b)
    return sum(map(solid, found.terms))


@SETTINGS
@given(cases())
def test_random_networks(way, case):
    net = rf.Network.from_dict(case[0])
    for size in (None, net.input_size):
        compare(net, size)


def chain(*layers, **network):
    return rf.Network.from_dict({"layers": list(layers), "axes": 1} | network)


WIDE = {"kernel": 5, "padding": 2}
BORDERS = [  # where a window with gaps meets a border
    chain({"kernel": 3, "padding": 1}, {"kernel": 3, "dilation": 3, "padding": 3}),
    chain({"kernel": 3, "padding": 1}, {"kernel": 2, "dilation": 3, "padding": 3}),
    chain({"kernel": 3, "padding": 1}, {"kernel": 3, "dilation": 4, "padding": 4}),  # holes
    chain(WIDE, {"kernel": 3, "dilation": 4, "padding": 8}),  # outputs that read nothing
    chain(WIDE, {"kernel": 3, "dilation": 5, "padding": 5}),
    chain({"kernel": 5}, {"kernel": 3, "dilation": 5, "padding": 5}),  # the first set is inside the border
    chain({"kernel": 7}, {"kernel": 3, "dilation": 3, "padding": 3}, {"kernel": 3, "padding": 1}),
    chain({"kernel": 2, "stride": 3}, {"kernel": 3}),  # pixels that no window reads
    chain({"kernel": 3, "stride": 2}, {"op": "upsample", "scale": 2}, {"kernel": 3, "dilation": 2, "padding": 2}),
    chain(WIDE, {"op": "conv_transpose", "kernel": 4, "stride": 2, "padding": 1}, {"kernel": 2, "stride": 3}),
    chain(WIDE, {"op": "conv_transpose", "kernel": 3, "stride": 5}),  # phases that read nothing
    chain(WIDE, {"op": "pad", "padding": 9}, {"kernel": 3}),
    chain(WIDE, {"op": "pad", "padding": 2, "mode": "replicate"}, {"kernel": 3}),
    chain(WIDE, {"op": "pad", "padding": 2, "mode": "reflect"}, {"kernel": 3}),
    chain({"kernel": 3}, {"op": "crop", "amount": 2}, {"kernel": 5, "padding": 2}),
    chain({"kernel": 3}, {"op": "global_pool"}, {"kernel": 1}),
    chain({"kernel": 1, "stride": 2}, {"op": "global_pool"}),  # a union with holes
    chain({"kernel": 2, "stride": 2}, {"op": "window_attention", "window": 3}, {"kernel": 2, "stride": 2}),
    chain(WIDE, {"op": "flip", "reverse": 1}, {"kernel": 3, "padding": 1}),
    chain({"kernel": 4, "stride": 4}, {"op": "adaptive_pool", "size": 3}),
    chain({"kernel": 7, "padding": [6, 0]}, {"kernel": 2, "dilation": 4, "padding": [0, 4]}),  # one end alone
    chain({"kernel": 7, "padding": [0, 6]}, {"kernel": 2, "dilation": 4, "padding": [4, 0]}),
    chain({"kernel": 6, "stride": 6}, {"op": "attention"}, {"kernel": 2, "dilation": 9, "padding": 9}),  # over the map
    chain(WIDE, {"op": "conv_transpose", "kernel": 2, "stride": 2, "dilation": 3}, {"kernel": 2}),  # not rising
    chain(  # within other borders
        {"name": "narrow", "kernel": 3, "padding": 1},
        {"name": "cut", "op": "crop", "amount": 2, "inputs": "input"},
        {"name": "wide", "kernel": 9, "padding": 6},
        {"op": "add", "inputs": ["wide", "narrow"]},
    ),
    chain(  # of other jumps: one contains the other at its first entries
        {"name": "fast", "kernel": 21, "stride": 2, "padding": [7, 13]},
        {"name": "cut", "op": "crop", "size": 18, "inputs": "input"},
        {"name": "slow", "kernel": 3, "padding": 1},
        {"op": "add", "inputs": ["fast", "slow"]},
        input_size=36,
    ),
]


@pytest.mark.parametrize("net", BORDERS, ids=[str(i) for i in range(len(BORDERS))])
def test_borders(way, net):
    if not any(OPS[layer.op].needs_size(layer.params) for layer in net.layers):
        with suppress(UnequalJumpsError):
            compare(net, None)
    for size in (18, 24, 36) if net.input_size is None else net.input_size:
        compare(net, size)
        traced = trace(net, size)
        for layer, step in zip(net.layers, traced.plan.steps, strict=True):
            for entry in range(step.size[0]):
                pixels = rf.footprint(net, layer.name, entry=(entry,), input_size=size)
                assert {(int(i),) for i in np.flatnonzero(pixels)} == plain_sets.footprint(
                    net, layer.name, (entry,), (size,)
                )


def test_merges_without_borders_repeat_after_a_period_of_all_branches(way):
    net = rf.load("unet")
    assert compare(net, None) == sum(step.maps is not None or len(step.sources) > 1 for step in trace(net).plan.steps)
    assert rf.profile(net).phases.max() == 256


def test_a_merge_within_a_wide_branch_repeats_as_the_others(way):
    """The branch that contains the others has one phase, they have two and three."""
    net = rf.Network.from_dict({
        "layers": [
            {"name": "wide", "kernel": 13, "padding": 6},
            {"name": "fewer", "kernel": 1, "stride": [2, 3], "inputs": "input"},
            {"name": "again", "op": "upsample", "scale": [2, 3]},
            {"name": "sum", "op": "add", "inputs": ["wide", "again"]},
            {"name": "last", "kernel": 3, "padding": 1},
        ],
    })  # fmt: skip
    assert compare(net, None) == 5
    assert [len(f) for f in trace(net).terms[3][0]] == [2, 3]
    assert rf.profile(net).phases.values.tolist() == [1, 1, 6, 6, 6]


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "fpn-resnet50", "yolov5n", "segformer_b0"])
def test_real_networks_are_solid(way, name):
    net = rf.load(name)
    for size in (None, (96,) * len(net.axes)):
        assert compare(net, size, "skip") == sum(terms is not None for terms in trace(net, size, "skip").terms)


@pytest.mark.parametrize("size", [None, 64])
def test_all_sets_at_once(way, size, monkeypatch):
    terms = trace(rf.load("unet-padded"), size).terms
    begin, first, last = terms.solid.listed()
    assert len(begin) > 20
    for f, (start, stop) in enumerate(pairwise(begin)):
        for array, wanted in zip((first, last), terms.solid.family(f).arrays(), strict=True):
            np.testing.assert_array_equal(array[start:stop], wanted)
    monkeypatch.setattr(solid_program, "MAX_LISTED", 10)
    with pytest.raises(InputError, match=r"sets of all entries take .* bytes, more than the limit of 160"):
        terms.solid.listed()


def test_a_map_may_be_of_any_size(way):
    net, entry = rf.load("resnet50"), 1 << 19
    wide = trace(net, 1 << 25, "skip").terms[net.index("layer4")][0][0]
    inner = trace(net, None, "skip").terms[net.index("layer4")][0][0]
    first, last = inner.bounds(0)
    assert wide.bounds(entry) == (first + inner.repeat * entry, last + inner.repeat * entry)
    assert wide.bounds(0) == (0, last)


def test_sets_are_not_listed_where_they_take_too_much():
    family = Family(solid=SolidSets(((0, 0),), 1, 0, (1 << 29) - 1, 1 << 29))
    assert family.measured(5) == (1, 0, 0)
    for listed in (lambda: family.sets, lambda: family.first, lambda: family.measures):
        with pytest.raises(InputError, match="the footprints of its 536870912 entries take 4294967296 bytes"):
            listed()


@SETTINGS
@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(0, 4)), min_size=1, max_size=6), st.integers(-9, 9))
def test_the_largest_of_few_sets(sets, repeat):
    ends = tuple((first, first + more) for first, more in sets)
    family = Family(solid=SolidSets(ends, repeat, -(1 << 40), 1 << 40, 0))
    pixels, _, shared = family.measures
    assert family.largest == min(range(len(sets)), key=lambda u: (-pixels[u], shared[u]))
