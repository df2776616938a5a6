"""Results that layers share, by the identity of what they are made from: within one network, or among many."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from rfscale.engine.footprints.intervals import Intervals
from rfscale.engine.footprints.pixel_sets import Family, image_family
from rfscale.engine.footprints.unions import Comparisons
from rfscale.engine.network.axis_maps import AxisMap
from rfscale.engine.network.layer import Layer
from rfscale.engine.network.network import Size

MAX_RESULTS = 1 << 16


@dataclass
class Memory:
    """Sets and intervals of layers, and the interior sets of the image. Networks that begin alike share them.

    Everything that a key names by its identity is kept alive, so that no identity comes up twice.
    """

    compare: Comparisons = field(default_factory=Comparisons)
    image: Family = field(default_factory=image_family)
    _families: dict[tuple[int, int, int | None], Family] = field(default_factory=dict)
    _intervals: dict[tuple[int, int], Intervals] = field(default_factory=dict)
    _maps: dict[tuple[int, Size | None], tuple[AxisMap, ...]] = field(default_factory=dict)
    _alive: list[object] = field(default_factory=list)

    @property
    def full(self) -> bool:
        """Whether it holds so much that a new one should take its place."""
        return len(self._families) + len(self._intervals) + len(self._maps) + len(self.compare) > MAX_RESULTS

    def family(self, before: Family, layer: AxisMap, size: int | None) -> Family:
        """Family after one more layer."""
        key = id(before), id(layer), size
        found = self._families.get(key)
        if found is None:
            found = self._families[key] = before.apply(layer, size)
            self._alive += (before, layer)
        return found

    def after(self, before: Intervals, layer: AxisMap) -> Intervals:
        """Intervals after one more layer."""
        key = id(before), id(layer)
        found = self._intervals.get(key)
        if found is None:
            found = self._intervals[key] = before.apply(layer)
            self._alive += (before, layer)
        return found

    def maps(self, layer: Layer, size: Size | None, make: Callable[[], tuple[AxisMap, ...]]) -> tuple[AxisMap, ...]:
        """Axis maps of a layer that reads a map of `size`; None: of any size."""
        key = id(layer), size
        found = self._maps.get(key)
        if found is None:
            found = self._maps[key] = make()
            self._alive.append(layer)
        return found

    def united(self, a: Intervals, b: Intervals) -> Intervals:
        """Bounding intervals of two branches."""
        key = id(a), id(b)
        found = self._intervals.get(key)
        if found is None:
            found = self._intervals[key] = a.unite(b)
            self._alive += (a, b)
        return found
