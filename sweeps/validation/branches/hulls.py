"""Where the entries of a map lie on each axis: their bounding boxes, which the rules of formulas at merges compare."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from math import gcd, lcm
from typing import NamedTuple

from rfscale.engine.formulas.along_network import join
from rfscale.sweeps.spaces.graphs.wiring import UPSAMPLING, ChainLayer, first_tap
from rfscale.sweeps.states.effects import Term
from rfscale.sweeps.states.elements import set_bits
from rfscale.sweeps.states.scales.families import Family, Path, layer_path

Ends = tuple[tuple[int, int], ...]  # first and last pixel of the entry of each phase
Sizes = tuple[int, ...]  # by axis


class Hull(NamedTuple):
    """The bounding boxes of a map's entries: entry ``u + n*q`` of an axis covers ``ends[u]`` moved by ``shift*q``.

    Attributes
    ----------
    ends : tuple of Ends, one for each axis
        Of n phases each; n is 1 for all that was never upsampled.
    shift : tuple of int
    image : bool
        Whether it is the image itself.
    joined : bool
        Whether, on every axis, the boxes that an entry of the last layer reads are one box together.
    """

    ends: tuple[Ends, ...]
    shift: Sizes
    image: bool = False
    joined: bool = True

    @property
    def extent(self) -> Sizes:
        """Pixels from the first to the last one, of the longest box."""
        return tuple([max([high - low for low, high in ends]) + 1 for ends in self.ends])

    @property
    def one_phase(self) -> bool:
        """Whether nothing was upsampled on any axis."""
        return all(len(ends) == 1 for ends in self.ends)

    @property
    def even(self) -> bool:
        """Whether the boxes of all entries are alike, one jump apart."""
        return self.one_phase or all(
            len(ends) * (b - a) == shift
            for ends, shift in zip(self.ends, self.shift, strict=True)
            for one, after in pairwise(ends)
            for a, b in zip(one, after, strict=True)
        )

    def after(self, layer: ChainLayer) -> Hull:
        """Return the boxes after a layer."""
        if layer.op in UPSAMPLING or not self.one_phase:
            path = layer_path(layer, len(self.ends))
            axes = [_through(*read) for read in zip(self.ends, self.shift, path, strict=True)]
            return Hull(tuple([a[0] for a in axes]), tuple([a[1] for a in axes]), joined=all(a[2] for a in axes))
        ends, shifts, joined = [], [], True
        for a, (((low, high),), jump) in enumerate(zip(self.ends, self.shift, strict=True)):
            k, d = layer.kernel[a], layer.dilation[a]
            first = low + jump * first_tap(layer, a)
            joined = joined and (k == 1 or d * jump <= high - low + 1)
            ends.append(((first, first + high - low + jump * d * (k - 1)),))
            shifts.append(jump * layer.stride[a])
        return Hull(tuple(ends), tuple(shifts), joined=joined)

    def spans(self, whole: Hull) -> bool:
        """Whether the box of every entry is that of a merge of this map with others."""
        if self.ends == whole.ends or whole.one_phase:
            return self.ends == whole.ends
        axes = zip(self.ends, self.shift, whole.ends, strict=True)
        return all(_listed(ends, shift, len(merged)) == merged for ends, shift, merged in axes)


def of_extents(extent: Sizes, jump: Sizes, is_image: bool) -> Hull:
    """Return the boxes of a map of one phase, wherever it lies."""
    return Hull(tuple([((0, e - 1),) for e in extent]), jump, is_image)


def of_terms(terms: Iterable[Term], jump: Sizes) -> Hull:
    """Return the boxes of a map of one phase whose paths read placed sets of pixels."""
    ends: list[Ends] = []
    for sets in zip(*terms, strict=True):
        found = [(first, first + bits.bit_length() - 1) for first, bits in sets]
        ends.append(((min([low for low, _ in found]), max([high for _, high in found])),))
    return Hull(tuple(ends), jump)


def of_paths(paths: Sequence[Path], moved: Sizes, is_image: bool) -> Hull:
    """Return the boxes of a map of several phases, moved by some pixels on each axis."""
    axes, shifts = [], []
    for families, by in zip(zip(*paths, strict=True), moved, strict=True):
        n = lcm(*{f.up for f in families})
        ends = []
        for entry in range(n):
            sets = [f.at(entry) for f in families]
            low, high = min([first for first, _ in sets]), max([first + bits.bit_length() for first, bits in sets])
            ends.append((low + by, high - 1 + by))
        axes.append(tuple(ends))
        shifts.append(families[0].down * n // families[0].up)
    return Hull(tuple(axes), tuple(shifts), is_image)


def united(hulls: Sequence[Hull]) -> Hull:
    """Return the boxes of a merge of maps of one jump."""
    first = hulls[0]
    if all(h.one_phase for h in hulls):
        axes = [[ends for (ends,) in axis] for axis in zip(*[h.ends for h in hulls], strict=True)]
        return Hull(tuple([((min([b[0] for b in own]), max([b[1] for b in own])),) for own in axes]), first.shift)
    made, shifts = [], []
    for axis, shift in enumerate(first.shift):
        phases = [len(h.ends[axis]) for h in hulls]
        n = lcm(*phases)
        listed = [_listed(h.ends[axis], h.shift[axis], n) for h in hulls]
        boxes = [(min([low for low, _ in at]), max([high for _, high in at])) for at in zip(*listed, strict=True)]
        made.append(tuple(boxes))
        shifts.append(shift * (n // phases[0]))
    return Hull(tuple(made), tuple(shifts))


def _listed(ends: Ends, shift: int, n: int) -> Ends:
    """The boxes of n entries, a multiple of the phases."""
    return ends if n == len(ends) else tuple([_at(ends, shift, entry) for entry in range(n)])


def _at(ends: Ends, shift: int, entry: int) -> tuple[int, int]:
    period, phase = divmod(entry, len(ends))
    low, high = ends[phase]
    return low + shift * period, high + shift * period


def _through(ends: Ends, shift: int, family: Family) -> tuple[Ends, int, bool]:
    """The boxes after a layer on one axis, their shift, and whether the boxes that an entry reads are one together."""
    n = len(ends)
    blocks, taps = n // gcd(n, family.down), _taps(family)
    made, joined = [], True
    for entry in range(family.up * blocks):
        m, r = divmod(entry, family.up)
        read = [_at(ends, shift, family.down * m + tap) for tap in taps[r]]
        made.append((min([low for low, _ in read]), max([high for _, high in read])))
        joined = joined and join(read)
    return tuple(made), shift * family.down * blocks // n, joined


@lru_cache(maxsize=4096)
def _taps(family: Family) -> list[list[int]]:
    """The entries that each phase of a layer's entries reads."""
    return [[first + tap for tap in set_bits(bits)] for first, bits in family.sets]
