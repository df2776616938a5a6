"""Input sizes that a network takes: the entries of every map as a function of the pixels along one axis.

Along one axis a map of n pixels has entries in proportion to n, up to a constant, and the function repeats: so many
pixels more are so many entries more. Which sizes are valid is therefore known for all n from those of one period.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, gcd, lcm
from typing import Any, Literal

from rfscale.engine.errors import InputError
from rfscale.engine.network.derived import Derived
from rfscale.engine.network.layer import IMAGE, Layer, Params
from rfscale.engine.network.layer_sizes import (
    COSTS,
    added_entries,
    least_entries,
    leaves_unread,
    modulus_of,
    proportion,
    size_after,
)
from rfscale.engine.network.network import Network
from rfscale.engine.network.ops import OPS

Rule = Literal["fits", "complete", "divides"]
RULES: dict[Rule, str] = {
    "fits": "every map has an entry, and the maps that merge have one size",
    "complete": "and no entry at the end of a map is left unread",
    "divides": "and every stride divides the map that it reads",
}
MOST_RESTS = 3  # that a text lists
MAX_TRIED = 1 << 17  # sizes along one axis that are tried


@dataclass(frozen=True)
class AxisSizes:
    """The valid sizes along one axis, in pixels.

    Attributes
    ----------
    irregular : tuple of int
        Valid sizes below `regular_from`, in order.
    regular_from : int
    step : int
        From `regular_from` on the sizes repeat after so many pixels.
    rests : tuple of int
        Of the valid sizes from `regular_from` on, modulo the step, in order; empty where there are none.
    """

    irregular: tuple[int, ...]
    regular_from: int
    step: int
    rests: tuple[int, ...]

    @classmethod
    def multiples(cls, step: int) -> AxisSizes:
        """Return the multiples of a step.

        Examples
        --------
        >>> AxisSizes.multiples(16).near(100)
        (96, 112)
        """
        return cls((), 1, step, (0,))

    @property
    def smallest(self) -> int | None:
        """The smallest valid size; None where there is none."""
        return self.at_least(1)

    def __contains__(self, size: int) -> bool:
        return size >= 1 and self.at_least(size) == size

    def at_least(self, size: int) -> int | None:
        """Return the smallest valid size that is no smaller; None where there is none."""
        if size < self.regular_from:
            at = bisect_left(self.irregular, size)
            if at < len(self.irregular):
                return self.irregular[at]
            size = self.regular_from
        if not self.rests:
            return None
        periods, rest = divmod(size, self.step)
        at = bisect_left(self.rests, rest)
        return (
            (periods * self.step + self.rests[at])
            if at < len(self.rests)
            else (periods + 1) * self.step + self.rests[0]
        )

    def at_most(self, size: int) -> int | None:
        """Return the largest valid size that is no larger; None where there is none."""
        if size >= self.regular_from and self.rests:
            periods, rest = divmod(size, self.step)
            at = bisect_right(self.rests, rest)
            found = periods * self.step + self.rests[at - 1] if at else (periods - 1) * self.step + self.rests[-1]
            if found >= self.regular_from:
                return found
        at = bisect_right(self.irregular, size)
        return self.irregular[at - 1] if at else None

    def near(self, size: int) -> tuple[int | None, int | None]:
        """Return the nearest valid sizes, not above and not below a size."""
        return self.at_most(size), self.at_least(size)

    def nearest(self, size: int) -> int | None:
        """Return the nearest valid size, the larger of two; None where there is none."""
        below, above = self.near(size)
        if below is None or above is None:
            return above if below is None else below
        return above if above - size <= size - below else below

    def first(self, count: int, start: int = 1) -> list[int]:
        """Return the first valid sizes from `start` on; fewer where there are no more."""
        found: list[int] = []
        while len(found) < count and (size := self.at_least(start)) is not None:
            found.append(size)
            start = size + 1
        return found

    @property
    def text(self) -> str:
        """The valid sizes in words: ``16k + 12 from 188``."""
        few = _listed(self.irregular)
        if not self.rests:
            return few or "none"
        forms = "any"
        if self.step > 1:
            named = [f"{self.step}k" + (f" + {rest}" if rest else "") for rest in self.rests[:MOST_RESTS]]
            more = [f"{len(self.rests) - MOST_RESTS} more"] if len(self.rests) > MOST_RESTS else []
            forms = " or ".join([*named, *more])
        return f"{f'{few}, and ' if few else ''}{forms} from {self.at_least(self.regular_from)}"


def _listed(sizes: Sequence[int]) -> str:
    """Sizes in words, those in the middle of many left out."""
    shown = (
        [*map(str, sizes[: MOST_RESTS - 1]), "…", str(sizes[-1])] if len(sizes) > 2 * MOST_RESTS else map(str, sizes)
    )
    return ", ".join(shown)


def input_sizes(network: Network, rule: Rule = "fits") -> tuple[AxisSizes, ...]:
    """Return the input sizes that a network takes, one `AxisSizes` per axis; a size is valid if it is along each axis.

    Parameters
    ----------
    network : Network
        Layers that resize or crop to a fixed size, and linear layers that read a map, keep these sizes: a linear layer
        reads as many entries as at the network's own input size, if it carries one.
    rule : {"fits", "complete", "divides"}
        As `RULES` says; the last two hold together with the first.

    Raises
    ------
    InputError
        Where the sizes repeat only after more than 131,072 pixels.

    Examples
    --------
    >>> down, up = {"op": "max_pool", "kernel": 2}, {"op": "upsample", "scale": 2}
    >>> net = Network.sequential(down, up, {"op": "add", "inputs": ["input", "upsample2"]}, axes=1)
    >>> [sizes.text for sizes in input_sizes(net)]
    ['2k from 2']
    """
    return _SIZES.of(network)[rule]


def _all_rules(network: Network) -> dict[Rule, tuple[AxisSizes, ...]]:
    axes = [_sizes(_AxisWalk(network, axis), network.name) for axis in range(len(network.axes))]
    return {rule: tuple(axis[i] for axis in axes) for i, rule in enumerate(RULES)}


_SIZES: Derived[Network, dict[Rule, tuple[AxisSizes, ...]]] = Derived(_all_rules)


def _sizes(walk: _AxisWalk, name: str) -> list[AxisSizes]:
    """The valid sizes of one axis by each rule."""
    start, period = walk.regular_from(), walk.period()
    if start + period > MAX_TRIED:
        raise InputError(
            f"the valid input sizes of {name} repeat after {period} pixels from {start} on, and more than {MAX_TRIED} "
            "are not tried; ask map_sizes of one size"
        )
    tried = [walk.valid(n) for n in range(start + period)]
    return [_described([ok[i] for ok in tried], start, period) for i in range(len(RULES))]


def _described(valid: Sequence[bool], start: int, period: int) -> AxisSizes:
    """The sizes n with `valid[n]`, which repeat from `start` on, by the shortest step and from the first size on."""
    tail = [valid[start + (r - start) % period] for r in range(period)]
    step = next(s for s in range(1, period + 1) if period % s == 0 and tail[s:] == tail[: period - s])
    while start > 1 and valid[start - 1] == tail[(start - 1) % step]:
        start -= 1
    return AxisSizes(
        tuple(n for n in range(1, start) if valid[n]), start, step, tuple(r for r in range(step) if tail[r])
    )


# the sizes of maps along one axis -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Kind:
    """A kind of map: `layer` on maps of the kind `source` and `offset` entries more.

    It has between rate·n + low and rate·n + high entries for n pixels; `period` pixels more are whole entries more.
    """

    layer: Layer | None
    source: int
    offset: int
    rate: Fraction
    low: Fraction
    high: Fraction
    period: int


_IMAGE = _Kind(None, 0, 0, Fraction(1), Fraction(0), Fraction(0), 1)
_Place = tuple[int, int]  # a kind of map, and how many entries more


class _AxisWalk:
    """All maps of a network along one axis: maps whose sizes differ by a constant are one kind, and tried once."""

    def __init__(self, network: Network, axis: int) -> None:
        self.axis = axis
        self.alone = len(network.axes) == 1
        self.kinds = [_IMAGE]
        self.lowest: dict[int, int] = {}  # per kind the smallest offset: all maps have at least one entry
        self.equal: list[tuple[list[_Place], list[_Place]]] = []  # of merges: branches, and those of a global op alone
        self.moduli: set[tuple[_Place, int]] = set()
        self.fixed: set[tuple[_Place, int]] = set()
        self._numbers: dict[Any, int] = {}
        own = None if network.input_size is None else network.map_sizes()
        places: dict[str, _Place] = {IMAGE: (0, 0)}
        for layer in network.layers:
            sources = [places[name] for name in layer.inputs]
            if OPS[layer.op].kind == "merge":
                places[layer.name] = self._merged(layer, sources, network.global_layers[1])
                continue
            if layer.op == "linear" and own is not None:
                self.fixed.add((sources[0], own[layer.inputs[0]][axis]))
            places[layer.name] = self._after(layer, sources[0])
            root, offset = places[layer.name]
            self.lowest[root] = min(offset, self.lowest.get(root, offset))

    def _merged(self, layer: Layer, sources: list[_Place], on_every_branch: frozenset[str]) -> _Place:
        """The place of a merged map. A branch that a global op made one entry wide fits any other."""
        named = list(zip(sources, layer.inputs, strict=True))
        # attention leaves an entry alone only on the smallest maps, and must do so along all axes
        spread = [p for p, name in named if name in on_every_branch and (self.alone or not self.kinds[p[0]].rate)]
        kept = [p for p in sources if p not in spread]
        if len(set(sources)) > 1:
            self.equal.append((list(dict.fromkeys(kept)), list(dict.fromkeys(spread))))
        return kept[0] if kept else max(spread, key=lambda place: (self.kinds[place[0]].rate, self.kinds[place[0]].low))

    def _after(self, layer: Layer, place: _Place) -> _Place:
        """The place of a layer's map."""
        p, a = layer.params, self.axis
        modulus = modulus_of(layer, a)
        if modulus > 1:
            self.moduli.add((place, modulus))
        longer = added_entries(layer, a)
        if longer is not None:
            return place[0], place[1] + longer
        key = (layer.op, place, Params({k: v for k, v in p.items() if k not in COSTS}))
        if key not in self._numbers:
            self._numbers[key] = len(self.kinds)
            self.kinds.append(self._kind(layer, place))
        return self._numbers[key], 0

    def _kind(self, layer: Layer, place: _Place) -> _Kind:
        before = self.kinds[place[0]]
        low, high = before.low + place[1], before.high + place[1]
        if before.rate == 0:  # a map of one size, whatever the image's
            try:
                size = Fraction(size_after(layer, self.axis, int(low)))
            except InputError:
                size = Fraction(0)
            return _Kind(layer, *place, Fraction(0), size, size, 1)
        pixels, entries, low, high = proportion(layer, self.axis, low, high)
        whole = int(before.rate * before.period)
        period = before.period * pixels // gcd(whole, pixels)
        return _Kind(layer, *place, before.rate * entries / pixels, low, high, period)

    def period(self) -> int:
        """Pixels after which the valid sizes repeat."""
        every = [kind.period for kind in self.kinds]
        for (root, _), modulus in self.moduli:
            kind = self.kinds[root]
            if kind.rate:
                every.append(kind.period * modulus // gcd(int(kind.rate * kind.period), modulus))
        return lcm(*every)

    def regular_from(self) -> int:
        """A size from which on the valid sizes repeat: maps are in proportion, and unequal ones stay unequal."""
        return 1 + max(0, *(ceil(bound) for bound in self._bounds()))

    def _bounds(self) -> Iterator[Fraction]:
        for root, offset in self.lowest.items():
            yield self._reaches((root, offset), 1)
        for kind in self.kinds[1:]:
            assert kind.layer is not None
            yield self._reaches((kind.source, kind.offset), least_entries(kind.layer, self.axis))
        for place, size in self.fixed:
            yield self._reaches(place, size + 1)
        for kept, spread in self.equal:
            both = [*kept, *spread]
            for place in spread:
                yield self._reaches(place, 2)
            for i, one in enumerate(both):
                for other in both[:i]:
                    yield self._parted(one, other)

    def _reaches(self, place: _Place, size: int) -> Fraction:
        """Pixels from which on a map has so many entries; 0 where it never changes."""
        kind = self.kinds[place[0]]
        return (size - kind.low - place[1]) / kind.rate if kind.rate else Fraction(0)

    def _parted(self, one: _Place, other: _Place) -> Fraction:
        """Pixels after which two maps that grow at different rates are never equal; 0 for those of one rate."""
        slow, fast = sorted((one, other), key=lambda place: self.kinds[place[0]].rate)
        a, b = self.kinds[slow[0]], self.kinds[fast[0]]
        return (a.high + slow[1] - b.low - fast[1]) / (b.rate - a.rate) if a.rate != b.rate else Fraction(0)

    def valid(self, n: int) -> tuple[bool, bool, bool]:
        """Whether a size is valid by each rule."""
        sizes = [n]
        complete = n > 0
        for kind in self.kinds[1:]:
            assert kind.layer is not None
            before = sizes[kind.source] + kind.offset
            try:
                size = size_after(kind.layer, self.axis, before) if before > 0 else 0
            except InputError:
                size = 0
            if size < 1:
                return False, False, False
            complete = complete and not leaves_unread(kind.layer, self.axis, before)
            sizes.append(size)
        fits = n > 0 and all(sizes[root] + offset > 0 for root, offset in self.lowest.items())
        fits = fits and all(sizes[root] + offset == size for (root, offset), size in self.fixed)
        for kept, spread in self.equal if fits else ():
            branches = {sizes[root] + offset for root, offset in kept}
            wide = {sizes[root] + offset for root, offset in spread}
            fits = fits and len(branches | (wide - {1})) <= 1
        divides = fits and all((sizes[root] + offset) % modulus == 0 for (root, offset), modulus in self.moduli)
        return fits, fits and complete, divides
