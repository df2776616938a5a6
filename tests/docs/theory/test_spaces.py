"""Statements 14 and 15 of docs/theory.md: spaces that branch, skips and upsampling."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterable
from functools import reduce
from math import gcd

import rfscale as rf

# 14 spaces with branches ----------------------------------------------------------------------------------------------


def test_14_1_a_stage_is_a_structuring_element() -> None:
    draw = random.Random(141)
    for _ in range(50):
        jump = draw.randint(1, 3)
        terms = [frozenset(draw.sample(range(8), 3)) for _ in range(2)]
        paths = [frozenset(draw.sample(range(-4, 5), 2)) for _ in range(2)]
        entries = {(y, x) for p in paths for y in p for x in p}
        footprint = {(y + a * jump, x + b * jump) for t in terms for y in t for x in t for a, b in entries}
        moved = [{x + jump * a for x in t for a in p} for t in terms for p in paths]
        assert footprint == {(y, x) for s in moved for y in s for x in s}


def test_14_2_nas_bench_201_has_five_effects() -> None:
    longest = Counter()
    for xa, xb, xo, ab, ao, bo in itertools.product((None, 0, 0, 1, 1), repeat=6):  # none, skip, 1x1, 3x3, pool 3x3
        a = xa
        b = max((n for n in (xb, None if None in (a, ab) else a + ab) if n is not None), default=None)
        ends = (xo, None if None in (a, ao) else a + ao, None if None in (b, bo) else b + bo)
        longest[max((n for n in ends if n is not None), default=None)] += 1
    assert longest == {None: 341, 0: 1642, 1: 7122, 2: 5520, 3: 1000}


def test_14_3_a_skip_beside_an_odd_window_costs_nothing() -> None:
    for k, d in itertools.product((3, 5), (1, 2, 5)):
        assert 0 in {d * i - d * (k - 1) // 2 for i in range(k)}
    assert {2 * i - 1 for i in range(2)} == {-1, 1}


def test_14_4_hulls_and_axes_are_states() -> None:
    draw = random.Random(144)
    for _ in range(50):
        terms = [set(draw.sample(range(9), 3)) for _ in range(3)]
        paths = [set(draw.sample(range(-3, 4), 2)) for _ in range(3)]
        jump = draw.randint(1, 3)
        after = set().union(*({x + jump * a for x in t for a in p} for t in terms for p in paths))
        whole, effect = set().union(*terms), set().union(*paths)
        assert after == {x + jump * a for x in whole for a in effect}
        extent, reach = max(whole) - min(whole) + 1, max(effect) - min(effect) + 1
        assert max(after) - min(after) + 1 == extent + (reach - 1) * jump


def test_14_5_antichains_are_no_minimal_key() -> None:
    pairs = [set(pair) for pair in itertools.combinations((1, 2, 3), 2)]
    union = set().union(*({(y, x) for y in p for x in p} for p in pairs))
    assert union == set(itertools.product((1, 2, 3), repeat=2))
    assert not any({1, 2, 3} <= p for p in pairs)


def test_14_6_masks_of_down_sets_are_antichains() -> None:
    draw = random.Random(146)
    universe = [frozenset(draw.sample(range(6), draw.randint(1, 4))) for _ in range(12)]

    def mask(terms: set[frozenset[int]]) -> int:
        return sum(1 << i for i, e in enumerate(universe) if any(e <= t for t in terms))

    def maximal(terms: set[frozenset[int]]) -> set[frozenset[int]]:
        return {t for t in terms if not any(t < other for other in terms)}

    for _ in range(200):
        a, b = (set(draw.sample(universe, 3)) for _ in range(2))
        assert mask(a | b) == mask(a) | mask(b) == mask(maximal(a | b))
        assert (mask(a) == mask(b)) == (maximal(a) == maximal(b))
        assert maximal({e for i, e in enumerate(universe) if mask(a) >> i & 1}) == maximal(a)


def test_14_7_shared_choices_are_one_where_effects_are() -> None:
    ops = {
        "skip": [],
        "conv1": {"kernel": 1},
        "conv3": {"kernel": 3},
        "pool3": {"op": "avg_pool", "kernel": 3, "stride": 1},
    }
    cell = {"inputs": ["x"], "edges": [{"from": "x", "to": "out", "op": list(ops)}]}
    stages = [{"name": f"s{i}", "cell": "c"} for i in range(3)]
    space = rf.Space.from_dict({"ops": ops, "cells": {"c": cell}, "stages": stages})
    counts = rf.count(space, "extent")
    assert dict(zip(counts.extent.values.tolist(), counts.values.tolist(), strict=True)) == {1: 2, 7: 2}


def test_14_8_stages_of_stride_1_can_be_exchanged() -> None:
    draw = random.Random(148)
    differ = 0
    for _ in range(100):
        terms = {frozenset(draw.sample(range(9), 3)) for _ in range(2)}
        one, other = ({frozenset(draw.sample(range(-3, 4), 2)) for _ in range(2)} for _ in range(2))
        jump, stride = draw.randint(1, 3), draw.randint(1, 2)

        def after(state: set[frozenset[int]], effect: set[frozenset[int]], jump: int) -> set[frozenset[int]]:
            return {frozenset(x + jump * a for x in t for a in p) for t in state for p in effect}

        there = after(after(terms, one, jump), other, jump * stride)  # the first stage has the stride
        back = after(after(terms, other, jump), one, jump)
        assert stride > 1 or there == back
        differ += there != back
    assert differ  # strides count


def test_14_9_blocks_count_every_choice_once() -> None:
    draw = random.Random(149)
    merged = alike = 0
    for _ in range(100):
        effects = {i: frozenset(draw.sample(range(4), draw.randint(1, 3))) for i in range(8)}
        choices = {i: draw.randint(1, 9) for i in effects}

        def after(state: frozenset[int], effect: frozenset[int], jump: int) -> frozenset[int]:
            return frozenset(x + jump * p for x in state for p in effect)

        jumps, width = [draw.randint(1, 3) for _ in range(3)], draw.randint(1, 3)
        start = frozenset(range(width)) | frozenset(range(5, 5 + width + draw.randint(0, 2)))
        run = frozenset(range(width))
        nodes = {(start, frozenset(effects))}
        for jump in jumps:
            parts: set[tuple[frozenset[int], frozenset[int]]] = set()
            for state, block in nodes:
                split: dict[frozenset[int], set[int]] = {}
                for i in block:
                    split.setdefault(after(state, effects[i], jump), set()).add(i)
                parts |= {(end, frozenset(part)) for end, part in split.items()}
            nodes = parts
        counted: Counter[frozenset[int]] = Counter()
        for state, block in nodes:
            counted[state] += sum(choices[i] for i in block)
        expected: Counter[frozenset[int]] = Counter()
        for i, effect in effects.items():
            state = start
            for jump in jumps:
                state = after(state, effect, jump)
            expected[state] += choices[i]
        assert counted == expected
        merged += len(nodes) < len(effects)
        for p, q in itertools.combinations(effects.values(), 2):  # alike on a run: alike on unions
            for jump in jumps:
                if after(run, p, jump) == after(run, q, jump):
                    assert after(start, p, jump) == after(start, q, jump)
                    alike += p != q
    assert merged
    assert alike


def test_14_10_axes_that_differ() -> None:
    draw = random.Random(1410)
    Pair = tuple[frozenset[int], frozenset[int]]

    def some() -> Pair:
        return frozenset(draw.sample(range(4), draw.randint(1, 3))), frozenset(draw.sample(range(4), 2))

    def grown(term: Pair, path: Pair, jumps: tuple[int, int]) -> Pair:
        x, y = (frozenset(a + j * b for a in s for b in p) for s, p, j in zip(term, path, jumps, strict=True))
        return x, y

    def pixels(terms: set[Pair]) -> set[tuple[int, int]]:
        return {point for term in terms for point in itertools.product(*term)}

    within = 0
    for _ in range(300):
        one, other, path, again = some(), some(), some(), some()
        inside = one[0] <= other[0] and one[1] <= other[1]
        assert inside == (pixels({one}) <= pixels({other}))
        lines = [x | {10 + b for b in y} for x, y in (one, other)]  # side by side
        assert inside == (lines[0] <= lines[1])
        jumps = draw.randint(1, 3), draw.randint(1, 3)
        moved = {(y + jumps[0] * a, x + jumps[1] * b) for y, x in pixels({one}) for a, b in pixels({path})}
        assert pixels({grown(one, path, jumps)}) == moved
        assert not inside or pixels({grown(one, path, jumps)}) <= pixels({grown(other, path, jumps)})
        both = grown(grown(one, path, jumps), again, jumps)
        assert both == grown(grown(one, again, jumps), path, jumps)
        within += inside
    assert within
    corner, right, below = ({1}, {1}), ({1}, {2}), ({2}, {1})
    two_ways = [[({1}, {1, 2}), below], [right, ({1, 2}, {1})]]
    union = {point for term in (corner, right, below) for point in itertools.product(*term)}
    for way in two_ways:
        assert {point for term in way for point in itertools.product(*term)} == union


def test_14_11_what_a_map_adds() -> None:
    draw = random.Random(1411)
    Paths = frozenset[frozenset[int]]  # sets of entries, none within another
    ops = [frozenset({0}), frozenset({0, 1}), frozenset({0, 2})]

    def maximal(paths: Iterable[frozenset[int]]) -> Paths:
        found = frozenset(paths)
        return frozenset(p for p in found if not any(p < q for q in found))

    def grown(paths: Paths, op: frozenset[int]) -> Paths:
        return maximal(frozenset(a + b for a in p for b in op) for p in paths)

    def some(entries: int, most: int) -> Paths:
        return maximal(frozenset(draw.sample(range(entries), draw.randint(1, most))) for _ in range(2))

    def adds(base: Paths, paths: Paths) -> tuple[Paths, ...]:
        sequences = [s for r in (1, 2) for s in itertools.combinations_with_replacement(ops, r)]
        return tuple(maximal(base | reduce(grown, sequence, paths)) for sequence in sequences)

    alike = 0
    for _ in range(60):
        base, other, maps = some(8, 7), some(4, 3), [some(4, 3) for _ in range(12)]
        nodes = [[draw.choice(ops) for _ in range(2)] for _ in range(2)]

        def output(paths: Paths, base: Paths = base, other: Paths = other, nodes=nodes) -> Paths:
            first = grown(paths, nodes[0][0]) | grown(other, nodes[0][1])
            second = grown(first, nodes[1][0]) | grown(paths, nodes[1][1])
            return maximal(base | first | second)

        for a, b in itertools.combinations(maps, 2):
            if a != b and adds(base, a) == adds(base, b):
                alike += 1
                assert output(a) == output(b)
    assert alike > 10
    # of two choices of one effect, k best of all are among the k cheapest of each
    for _ in range(40):
        cells = [[(draw.randint(0, 3), draw.randint(0, 5)) for _ in range(6)] for _ in range(2)]  # effect and cost
        end = {pair: draw.randint(0, 9) for pair in itertools.product(range(4), repeat=2)}
        k = draw.randint(1, 3)

        def best(chosen: list[list[tuple[int, int]]], k: int = k, end=end) -> list[int]:
            return sorted(end[a[0], b[0]] + a[1] + b[1] for a, b in itertools.product(*chosen))[:k]

        few = [[c for e in range(4) for c in sorted(x for x in cell if x[0] == e)[:k]] for cell in cells]
        assert best(few) == best(cells)


# 15 skips and upsampling ----------------------------------------------------------------------------------------------


def test_15_1_families_compose() -> None:
    draw = random.Random(151)

    def reads(family: tuple[int, int, list[set[int]]], entry: int) -> set[int]:
        up, down, sets = family
        return {x + entry // up * down for x in sets[entry % up]}

    def through(entry: int) -> set[int]:
        return set().union(*(reads(inner, e) for e in reads(outer, entry)))

    for _ in range(60):
        outer, inner = (
            (up, draw.randint(1, 4), [set(draw.sample(range(-4, 5), 2)) for _ in range(up)])
            for up in (draw.randint(1, 4), draw.randint(1, 6))
        )

        times = inner[0] // gcd(inner[0], outer[1])
        period, shift = outer[0] * times, inner[1] * outer[1] * times // inner[0]
        for entry in range(-7, 9):
            assert through(entry + period) == {x + shift for x in through(entry)}


def test_15_2_terms_go_where_another_contains_them_at_every_phase() -> None:
    """At each phase of both axes by itself, a term may lie in one other, and in none at pairs of phases."""
    small, one, other = [{1}, {9}], [{1, 2}, {7}], [{4}, {9, 10}]
    for u in (0, 1):
        assert any(small[u] <= large[u] for large in (one, other))
    pixel = {(y, x) for y in small[0] for x in small[1]}
    union = {(y, x) for large in (one, other) for y in large[0] for x in large[1]}
    assert not pixel & union


def test_15_3_the_largest_entry_may_have_two_phases() -> None:
    x, y = [{0, 1, 2}, {0, 1}], [{0, 1, 2}, {2, 3}]

    def area(u: int, v: int) -> int:
        return len({(a, b) for s in (x, y) for a in s[u] for b in s[v]})

    assert [area(0, 0), area(1, 1), area(0, 1), area(1, 0)] == [9, 8, 12, 12]


def test_15_4_boxes_alone_tell_that_a_box_is_the_footprint() -> None:
    draw = random.Random(154)

    def box(pixels: set[int]) -> set[int]:
        return set(range(min(pixels), max(pixels) + 1))

    met = Counter[str]()
    for _ in range(300):
        up, down = draw.randint(1, 3), draw.randint(1, 4)  # the map that a layer reads: entries up*m + r, moved by down
        sets = [set(draw.sample(range(8), draw.randint(1, 6))) for _ in range(up)]
        entries = [{x + e // up * down for x in sets[e % up]} for e in range(24)]
        kernel, stride, dilation = draw.randint(1, 4), draw.randint(1, 3), draw.randint(1, 2)
        reads = [[stride * o + dilation * k for k in range(kernel)] for o in range(4)]
        after = [set().union(*(entries[e] for e in own)) for own in reads]
        for own, found in zip(reads, after, strict=True):
            boxes = [box(entries[e]) for e in own]
            if all(entries[e] == box(entries[e]) for e in own) and set().union(*boxes) == box(set().union(*boxes)):
                assert found == box(found)
                met["layer"] += 1
        branch = {x + draw.randint(0, 3) for x in draw.sample(range(6), 3)}
        whole = after[0] | branch
        if after[0] == box(after[0]) == box(whole):
            assert whole == box(whole)
            met["merge"] += 1
        if all(found == box(found) for found in after):
            steps = {end(b) - end(a) for a, b in itertools.pairwise(after) for end in (min, max)}
            if len(steps) == 1:
                assert len(after[0] & after[1]) == max(0, len(after[0]) - steps.pop())
                met["overlap"] += 1
    assert min(met[name] for name in ("layer", "merge", "overlap")) > 10
