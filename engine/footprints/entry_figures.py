"""Figures and pixels of one entry whose footprint is a union of products.

Unions are counted as Python integers, one bit a pixel: for a single entry this is some 5 times as fast as the arrays
that `rfscale.engine.footprints.map_figures` counts a whole map with.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from rfscale.engine.footprints.figures import Figures
from rfscale.engine.footprints.pixel_sets import Family
from rfscale.engine.footprints.unions import Term

Product = tuple[int, ...]  # a set per axis


def product_figures(term: Term, at: tuple[int, ...] | None) -> Figures:
    """Return the figures of one product, each axis by itself; `at` None: of the phase with the largest footprint."""
    phases = 1
    entry: tuple[int, ...] = ()
    if at is None:  # the largest product has the largest set on each axis
        phases = prod(len(f) for f in term)
        at = (0,) * len(term)
        if phases > 1:
            at = entry = tuple([f.largest for f in term])
    pixels, gap, common = zip(*[f.measured(i) for f, i in zip(term, at, strict=True)], strict=True)
    area = prod(pixels)
    if area == 0:
        none = (0,) * len(term)
        return Figures(0, none, none, none, none, 1, phases, entry)
    first, last = zip(*(f.bounds(i) for f, i in zip(term, at, strict=True)), strict=True)
    extent = tuple(b - a + 1 for a, b in zip(first, last, strict=True))
    shared = tuple(-1 if c < 0 else area // p * c for c, p in zip(common, pixels, strict=True))
    return Figures(area, first, extent, gap, shared, 1, phases, entry)


def union_figures(terms: Sequence[Term], at: Sequence[int]) -> Figures:
    """Return the figures of entry `at` of a map: inside it in finite mode, one of its phases in interior mode."""
    alike = [a > 0 and at[a] == at[0] and all(term[a] is term[0] for term in terms) for a in range(len(at))]
    axes: list[tuple[int, list[int], list[int] | None]] = []
    boxes: list[tuple[int, int, int]]
    shared: list[int]
    for a, entry in enumerate(at):
        axes.append(axes[0] if alike[a] else _axis([term[a] for term in terms], entry))
    products: list[Product] = list(zip(*(own for _, own, _ in axes), strict=True))
    every_alike = all(alike[1:])  # then the union is its own mirror image, and one axis tells of all
    area, boxes, shared = 0, [], []
    for a, (low, own, following) in enumerate(axes):
        if a and every_alike:
            boxes.append(boxes[0])
            shared.append(shared[0])
            continue
        area, common = _counted([(*p[:a], *p[a + 1 :], p[a]) for p in products], following or [0] * len(own))
        if not area:
            none = (0,) * len(at)
            return Figures(0, none, none, none, none, len(terms))
        row = 0
        for product in products:
            row |= product[a] if all(product) else 0
        start = (row & -row).bit_length() - 1
        runs = bin(row >> start)[2:].split("1")
        boxes.append((low + start, row.bit_length() - start, max(map(len, runs))))
        shared.append(-1 if following is None else common)
    first, extent, gap = zip(*boxes, strict=True)
    return Figures(area, first, extent, gap, tuple(shared), len(terms))


def _counted(products: Sequence[Product], following: Sequence[int]) -> tuple[int, int]:
    """Points of a union of products, and how many of them it has in common with that of the next entry.

    `following` has the sets of the next entry on the last axis; on the others both entries have the same.
    """
    if len(products[0]) == 1:
        union = after = 0
        for (own,), beyond in zip(products, following, strict=True):
            union |= own
            after |= beyond
        return union.bit_count(), (union & after).bit_count()
    if len(products[0]) == 2:
        return _counted_in_plane(products, following)
    parts: list[tuple[int, list[int]]] = []  # disjoint sets along the first axis, and the products that have each
    for i, (own, *_) in enumerate(products):
        split: list[tuple[int, list[int]]] = []
        for rows, members in parts:
            common = rows & own
            if common:
                split.append((common, [*members, i]))
            if rows != common:
                split.append((rows ^ common, members))
            own ^= common
        parts = [*split, (own, [i])] if own else split
    area = shared = 0
    for rows, members in parts:
        inside, both = _counted([products[i][1:] for i in members], [following[i] for i in members])
        area += rows.bit_count() * inside
        shared += rows.bit_count() * both
    return area, shared


def _counted_in_plane(products: Sequence[Product], following: Sequence[int]) -> tuple[int, int]:
    """The same on two axes, four times as fast: what several products have on the second one is a single set."""
    parts: list[tuple[int, int, int]] = []  # disjoint sets along the first axis, and what both have on the second
    for (own, other), beyond in zip(products, following, strict=True):
        split = []
        for rows, columns, after in parts:
            common = rows & own
            if not common:
                split.append((rows, columns, after))
                continue
            split.append((common, columns | other, after | beyond))
            if rows != common:
                split.append((rows ^ common, columns, after))
            own ^= common
        if own:
            split.append((own, other, beyond))
        parts = split
    area = shared = 0
    for rows, columns, after in parts:
        many = rows.bit_count()
        area += many * columns.bit_count()
        shared += many * (columns & after).bit_count()
    return area, shared


def _axis(families: Sequence[Family], entry: int) -> tuple[int, list[int], list[int] | None]:
    """Pixel of bit 0; the set of an entry in every family; those of the next entry, or None where there is none."""
    own = [f.integer(entry) for f in families]
    following = None
    if entry + 1 < len(families[0]) or families[0].repeat:
        following = [f.integer(entry + 1) for f in families]
    low = min((place for place, bits in [*own, *(following or ())] if bits), default=0)
    return low, _from(low, own), None if following is None else _from(low, following)


def _from(low: int, rows: list[tuple[int, int]]) -> list[int]:
    return [bits << place - low if bits else 0 for place, bits in rows]


def union_rows(terms: Sequence[Term], at: Sequence[int]) -> list[list[np.ndarray]]:
    """Return the pixels of entry `at` per term and axis, without the terms that are empty."""
    rows = ([f.pixels(i) for f, i in zip(term, at, strict=True)] for term in terms)
    return [row for row in rows if all(len(pixels) for pixels in row)]


def draw_union(rows: list[list[np.ndarray]], window: Sequence[tuple[int, int]]) -> np.ndarray:
    """Return a union of products as a bool grid over a window, which holds them all."""
    grid = np.zeros([hi - lo for lo, hi in window], bool)
    for row in rows:
        places = [pixels - lo for pixels, (lo, _) in zip(row, window, strict=True)]
        runs = [slice(int(p[0]), int(p[-1]) + 1) for p in places if p[-1] - p[0] + 1 == len(p)]
        # a solid box is filled 15 times as fast as the same by index
        grid[tuple(runs) if len(runs) == len(places) else np.ix_(*places)] = True
    return grid
