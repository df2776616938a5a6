"""Figures of a map whose entries differ: of the phase with the largest footprint, as `rf.profile` has them."""

from __future__ import annotations

from collections.abc import Sequence
from math import lcm, prod

import numpy as np

from rfscale.engine.errors import InputError
from rfscale.sweeps.states.effects import Placed
from rfscale.sweeps.states.scales.families import Family, inside, union

# on the first axis where those of the footprint differ: its entry may have another phase on each; `box`: of all axes
FIGURES = ("area", "shared", "extent", "pixels", "jump", "max_gap", "terms", "box")
MAX_BOX = 2**62


def map_figures(families: Sequence[Family], ndim: int) -> tuple[int, ...]:
    """Return the figures of the largest footprint; of equally large ones, of that which shares least; then the first.

    Parameters
    ----------
    families : sequence of Family
        None within another. A footprint is the union of the products of a family's sets over the axes, each of the
        phase of the entry on that axis.
    ndim : int

    Returns
    -------
    tuple of int
        `FIGURES`.

    Raises
    ------
    InputError
        Where the jump is no whole number of pixels, and where areas would overflow.
    """
    jump = families[0].jump
    if jump.denominator > 1:
        raise InputError(
            f"neighbouring entries are {jump} pixels apart; figures of spaces need whole pixels",
            remedy="write the networks as a function and use rf.NetworkSpace(function, factors)",
        )
    rows = _rows(families)
    longest = max([bits.bit_length() for _, bits in rows])
    if longest**ndim >= MAX_BOX:
        raise InputError(
            f"reaches areas of {float(longest**ndim):.4g} pixels; at most 2^62 fit",
            remedy="use smaller kernels, dilations or strides",
        )
    if len(families) == 1 or ndim == 1:
        sizes = [bits.bit_count() for _, bits in rows[:-1]]
        most = max(sizes)
        shared, u = min([(_shared(rows[u], rows[u + 1]), u) for u, size in enumerate(sizes) if size == most])
        return (
            most**ndim,
            shared * most ** (ndim - 1),
            *_of_rows(rows[u][1], int(jump)),
            1,
            rows[u][1].bit_length() ** ndim,
        )
    return _of_products(families, rows, int(jump), ndim)


def _rows(families: Sequence[Family]) -> list[Placed]:
    """The union on an axis of all families, of every phase and of the entry after."""
    if len(families) == 1:
        family = families[0]
        return [*family.sets, family.at(family.up)]
    return [union(f.at(u) for f in families) for u in range(lcm(*(f.up for f in families)) + 1)]


def _shared(one: Placed, other: Placed) -> int:
    """Pixels that two placed sets have in common."""
    (a, bits), (b, others) = one, other
    return (bits << a - min(a, b) & others << b - min(a, b)).bit_count()


def _of_rows(bits: int, jump: int) -> tuple[int, int, int, int]:
    """Extent, pixels, jump and longest gap of rows."""
    gap = max(map(len, bin(bits)[2:].rstrip("0").split("1")), default=0)
    return bits.bit_length(), bits.bit_count(), jump, gap


def _of_products(families: Sequence[Family], rows: Sequence[Placed], jump: int, ndim: int) -> tuple[int, ...]:
    """Figures of unions of several products: pixels of one axis are counted by the products that hold them (3.4)."""
    phases = len(rows) - 1
    groups, own, both = _counts(families, phases)
    common = groups.T @ groups if ndim == 2 else np.einsum("ta,tb,tc->abc", groups, groups, groups)
    meet = (common > 0).astype(np.int64)  # kinds that some product holds on all axes

    def sizes(first: np.ndarray) -> np.ndarray:
        """Pixels by phase of each axis: the first axis has counts of its own."""
        found = meet
        for counts in (first, *[own] * (ndim - 1)):
            found = np.tensordot(found, counts, axes=([0], [1]))  # an axis of kinds becomes one of phases, at the end
        return found

    area = sizes(own)
    shared = area + np.roll(area, -1, axis=0) - sizes(both)
    in_all = shared
    for axis in range(1, ndim):
        in_all = in_all + np.swapaxes(shared, 0, axis)
    flat = np.where(area == area.max(), in_all, np.iinfo(np.int64).max).argmin()
    at = tuple(int(i) for i in np.unravel_index(flat, area.shape))
    hulls = [rows[u][1] for u in at]
    box = prod(bits.bit_length() for bits in hulls)
    return int(area[at]), int(shared[at]), *_of_rows(hulls[0], jump), _terms(families, at), box


def _counts(families: Sequence[Family], phases: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the kinds of pixels of an axis, by the products that hold them, and how many of each kind there are.

    The kinds are (products, kinds); the numbers (phases, kinds), of an entry, and of it and the next one together.
    """
    masks: list[np.ndarray] = []
    for u in range(phases):
        both = [[f.at(entry) for f in families] for entry in (u, u + 1)]
        low = min(first for sets in both for first, _ in sets)
        width = max(first + bits.bit_length() for sets in both for first, bits in sets) - low
        here, after = (np.array([_bools(first - low, bits, width) for first, bits in sets]) for sets in both)
        masks += [here, here | after]
    packed = np.packbits(np.concatenate(masks, axis=1), axis=0)
    if len(packed) <= 8:  # numbers are sorted faster than rows
        wide = np.zeros((packed.shape[1], 8), np.uint8)
        wide[:, : len(packed)] = packed.T
        _, first, kind = np.unique(wide.view(np.uint64)[:, 0], return_index=True, return_inverse=True)
    else:
        _, first, kind = np.unique(packed.T, axis=0, return_index=True, return_inverse=True)
    place = np.repeat(np.arange(len(masks)), [m.shape[1] for m in masks])
    numbers = np.bincount(place * len(first) + kind.reshape(-1), minlength=len(masks) * len(first))
    own, together = numbers.reshape(phases, 2, len(first)).transpose(1, 0, 2)
    return np.unpackbits(packed[:, first], axis=0, count=len(families)).astype(np.int64), own, together


def _bools(shift: int, bits: int, width: int) -> np.ndarray:
    data = (bits << shift).to_bytes((width + 7) // 8, "little")
    return np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")[:width]


def _terms(families: Sequence[Family], at: tuple[int, ...]) -> int:
    """Products at an entry, none within another."""
    products = {tuple(f.at(u) for u in at) for f in families}
    return sum(not any(q != p and all(map(inside, p, q)) for q in products) for p in products)
