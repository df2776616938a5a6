"""Plain Python sets on one axis, and the networks that the tests of docs/theory.md compare them with."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction

import numpy as np

import rfscale as rf
from rfscale.engine.network.network import Network

PIXEL = (frozenset({0}), 1)
Map = tuple[frozenset[int], int]  # the set of entry 0 on one axis, and the jump


def apply_layer(before: Map, k: int, s: int = 1, d: int = 1) -> Map:
    """Interior footprint after a window layer, without its padding."""
    pixels, jump = before
    return frozenset(x + i * d * jump for x in pixels for i in range(k)), jump * s


def moved(pixels: frozenset[int], by: int) -> frozenset[int]:
    return frozenset(x + by for x in pixels)


def figures(at: Map) -> tuple[int, int]:
    """Pixels w and new pixels u."""
    pixels, jump = at
    return len(pixels), len(pixels - moved(pixels, jump))


def overlap(at: Map) -> Fraction:
    w, u = figures(at)
    return Fraction(w - u, w)


def solid(pixels: frozenset[int]) -> bool:
    return len(pixels) == max(pixels) - min(pixels) + 1


def runs(at: Map) -> list[list[int]]:
    """Per residue class modulo the jump, the lengths of its runs."""
    pixels, jump = at
    out = []
    for r in {x % jump for x in pixels}:
        places = sorted(x // jump for x in pixels if x % jump == r)
        ends = [i for i, x in enumerate(places) if i + 1 == len(places) or places[i + 1] != x + 1]
        out.append([b - a for a, b in itertools.pairwise([-1, *ends])])
    return out


def gaps(at: Map) -> list[int]:
    """Missing places between the runs of each class."""
    pixels, jump = at
    out = []
    for r in {x % jump for x in pixels}:
        places = sorted(x // jump for x in pixels if x % jump == r)
        out += [b - a - 1 for a, b in itertools.pairwise(places) if b > a + 1]
    return out


def regular(at: Map) -> bool:
    lengths = runs(at)
    every = [n for row in lengths for n in row]
    return all(len(row) == 1 for row in lengths) and max(every) - min(every) <= 1


def random_map(rng: random.Random) -> Map:
    return frozenset({0} | {rng.randint(1, 24) for _ in range(rng.randint(0, 12))}), rng.randint(1, 5)


def net(*layers: dict, **more: object) -> Network:
    return Network.sequential(*layers, **more)


def pixels_of(network: Network, layer: str, entry: object = "center", size: int | None = None) -> set[tuple[int, ...]]:
    """Pixels of an engine footprint."""
    fp = rf.footprint(network, layer, entry, size)
    coords = [fp[d].values for d in fp.dims]
    return {tuple(int(c[i]) for c, i in zip(coords, at, strict=True)) for at in np.argwhere(fp.values)}


def square(pixels: set[int] | range) -> set[tuple[int, int]]:
    return set(itertools.product(pixels, pixels))


def row(network: Network, layer: str | int = -1, **more: object):
    name = network.layers[layer].name if isinstance(layer, int) else layer
    return rf.profile(network, **more).sel(layer=name)


def regular_maps() -> Iterator[Map]:
    """Solid sets, what undilated layers make of them, and bare patterns of runs of two neighbouring lengths."""
    for w, jump in itertools.product(range(1, 13), range(1, 6)):
        yield frozenset(range(w)), jump
    for jump, length in itertools.product(range(1, 5), range(1, 5)):
        for pattern in itertools.product((None, 0, 1), repeat=jump):
            lengths = [(r, length + more) for r, more in enumerate(pattern) if more is not None]
            if lengths:
                yield frozenset(r + jump * (i + r) for r, n in lengths for i in range(n)), jump


SHAPES = {  # name -> layers (k, s, d)
    "pool2": [(2, 2, 1)],
    "conv3": [(3, 1, 1)],
    "conv3_s2": [(3, 2, 1)],
    "conv1": [(1, 1, 1)],
    "conv1_s2": [(1, 2, 1)],
    "conv3_pool2": [(3, 1, 1), (2, 2, 1)],
    "dilated3": [(3, 1, 2)],
}


def through(at: Map, name: str) -> Map:
    for k, s, d in SHAPES[name]:
        at = apply_layer(at, k, s, d)
    return at


def paths(layers: list[tuple[int, int, int]]) -> Counter[int]:
    """Number of paths from each pixel, along one axis of a chain."""
    counts, jump = Counter({0: 1}), 1
    for k, s, d in layers:
        wider: Counter[int] = Counter()
        for x, n in counts.items():
            for i in range(k):
                wider[x + i * d * jump] += n
        counts, jump = wider, jump * s
    return counts
