"""Figures of a map whose entries differ: of the phase with the largest footprint, as `rf.profile` has them."""

from __future__ import annotations

from collections.abc import Sequence
from math import lcm, prod

import numpy as np

from rfscale.engine.errors import InputError
from rfscale.sweeps.states.effects import Placed
from rfscale.sweeps.states.scales.families import Family, Path, inside, jumps, union

FIGURES = ("area", "terms", "box")  # `box`: of all axes
# of each axis; where one stands for all, of the first one: the entry may have another phase on each
AXIS_FIGURES = ("shared", "extent", "pixels", "jump", "max_gap")
MAX_BOX = 2**62


def map_figures(paths: Sequence[Path], ndim: int) -> tuple[int, ...]:
    """Return the figures of the largest footprint; of equally large ones, of that which shares least; then the first.

    Parameters
    ----------
    paths : sequence of Path
        None within another. A footprint is the union of the products of a path's sets over the axes, each of the
        phase of the entry on that axis.
    ndim : int

    Returns
    -------
    tuple of int
        `FIGURES`, and `AXIS_FIGURES` of each axis, or of the first for all.

    Raises
    ------
    InputError
        Where a jump is no whole number of pixels, and where areas would overflow.
    """
    for jump in jumps(paths[0]):
        if jump.denominator > 1:
            raise InputError(
                f"neighbouring entries are {jump} pixels apart; figures of spaces need whole pixels",
                remedy="write the networks as a function and use rf.NetworkSpace(function, factors)",
            )
    rows = [_rows(families) for families in zip(*paths, strict=True)]
    alike = ndim // len(rows)  # axes that a row stands for
    longest = prod([max([bits.bit_length() for _, bits in on_axis]) for on_axis in rows]) ** alike
    if longest >= MAX_BOX:
        raise InputError(
            f"reaches areas of {float(longest):.4g} pixels; at most 2^62 fit",
            remedy="use smaller kernels, dilations or strides",
        )
    if len(paths) > 1 and ndim > 1:
        return _of_products(paths, rows, ndim)
    ends = [_least_shared(on_axis) for on_axis in rows]  # a product is largest where it is on each axis
    area = prod([pixels for pixels, _, _ in ends]) ** alike
    hulls = [on_axis[u][1] for on_axis, (_, _, u) in zip(rows, ends, strict=True)]
    shared = [common * area // pixels for pixels, common, _ in ends]
    return area, 1, prod([bits.bit_length() for bits in hulls]) ** alike, *_by_axis(paths[0], hulls, shared)


def _rows(families: Sequence[Family]) -> list[Placed]:
    """The union on an axis of all families, of every phase and of the entry after."""
    if len(families) == 1:
        family = families[0]
        return [*family.sets, family.at(family.up)]
    return [union(f.at(u) for f in families) for u in range(lcm(*(f.up for f in families)) + 1)]


def _least_shared(rows: Sequence[Placed]) -> tuple[int, int, int]:
    """Pixels of the largest row, those that it shares with the next one, and its phase: where these are fewest."""
    sizes = [bits.bit_count() for _, bits in rows[:-1]]
    most = max(sizes)
    return most, *min([(_shared(rows[u], rows[u + 1]), u) for u, size in enumerate(sizes) if size == most])


def _shared(one: Placed, other: Placed) -> int:
    """Pixels that two placed sets have in common."""
    (a, bits), (b, others) = one, other
    return (bits << a - min(a, b) & others << b - min(a, b)).bit_count()


def _by_axis(path: Path, hulls: Sequence[int], shared: Sequence[int]) -> list[int]:
    """`AXIS_FIGURES` of each axis: shared pixels of the footprint; extent, pixels, jump and longest gap of rows."""
    out = []
    for family, bits, common in zip(path, hulls, shared, strict=True):
        gap = max(map(len, bin(bits)[2:].rstrip("0").split("1")), default=0)
        out += [common, bits.bit_length(), bits.bit_count(), int(family.jump), gap]
    return out


def _of_products(paths: Sequence[Path], rows: Sequence[Sequence[Placed]], ndim: int) -> tuple[int, ...]:
    """Figures of unions of several products: pixels of an axis are counted by the products that hold them (3.4)."""
    kinds = [
        _counts(families, len(on_axis) - 1) for families, on_axis in zip(zip(*paths, strict=True), rows, strict=True)
    ]
    axes = len(kinds)
    groups, own, both = zip(*kinds * (ndim // axes), strict=True)
    common = groups[0].T @ groups[1] if ndim == 2 else np.einsum("ta,tb,tc->abc", *groups)
    meet = (common > 0).astype(np.int64)  # kinds that some product holds on all axes

    def sizes(of: Sequence[np.ndarray]) -> np.ndarray:
        """Pixels by phase of each axis, from the counts of each axis."""
        found = meet
        for counts in of:
            found = np.tensordot(found, counts, axes=([0], [1]))  # an axis of kinds becomes one of phases, at the end
        return found

    area = sizes(own)
    shared = [area + np.roll(area, -1, axis=a) - sizes((*own[:a], both[a], *own[a + 1 :])) for a in range(axes)]
    shared += [np.swapaxes(shared[0], 0, a) for a in range(axes, ndim)]  # alike axes, exchanged
    flat = np.where(area == area.max(), sum(shared), np.iinfo(np.int64).max).argmin()
    at = tuple(int(i) for i in np.unravel_index(flat, area.shape))
    hulls = [on_axis[u][1] for on_axis, u in zip(list(rows) * (ndim // axes), at, strict=True)]
    box = prod(bits.bit_length() for bits in hulls)
    by_axis = _by_axis(paths[0], hulls[:axes], [int(pixels[at]) for pixels in shared[:axes]])
    return int(area[at]), _terms(paths, at), box, *by_axis


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


def _terms(paths: Sequence[Path], at: tuple[int, ...]) -> int:
    """Products at an entry, none within another."""
    products = {tuple(f.at(u) for f, u in zip(p * (len(at) // len(p)), at, strict=True)) for p in paths}
    return sum(not any(q != p and all(map(inside, p, q)) for q in products) for p in products)
