"""Figures of many networks, in which equal layers that read equal maps are worked out once.

Two maps are equal here if they have the same footprints, jump, channels and size: what comes after can tell no
difference between them. So networks share layers that they begin with, and also whatever follows where they meet again.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan
from operator import is_
from typing import NamedTuple

from rfscale.engine.errors import InputError
from rfscale.engine.footprints.cache import Memory
from rfscale.engine.footprints.figures import Figures
from rfscale.engine.footprints.footprint_figures import FootprintFigures
from rfscale.engine.footprints.forward import Trace, apply_layer, trace
from rfscale.engine.footprints.intervals import IMAGE_INTERVALS, Intervals
from rfscale.engine.footprints.pixel_sets import Family
from rfscale.engine.footprints.plan import Plan, Step, next_step
from rfscale.engine.footprints.solid_sets import SolidSets
from rfscale.engine.footprints.unions import Term, unite
from rfscale.engine.kernels.solid_pass import FAR, MAX_PERIOD, MAX_PIXEL
from rfscale.engine.network.axis_maps import AxisMap
from rfscale.engine.network.costs import channels_after, cost_of
from rfscale.engine.network.layer import IMAGE, Layer
from rfscale.engine.network.network import Network, Size, map_size_after
from rfscale.engine.network.ops import OPS

MAX_MAPS = 1 << 18
MAX_WORDS = 1 << 25  # of all sets: 256 MiB


class Measured(NamedTuple):
    """Figures of a footprint, and pixels between the entries of its map per axis."""

    figures: Figures
    jump: tuple[float, ...]


@dataclass(slots=True)
class Map:
    """A map of any of the networks.

    Attributes
    ----------
    step : Step or None
        Of the first layer that made it; None for the image.
    terms : list of Term or None
        As in `Trace`.
    channels : int or None
    size : tuple of int or None
    on_any_branch, on_every_branch : bool
        Whether a global op is upstream.
    is_solid : bool
        Its footprints have no holes, and are the products of its intervals.
    found : Measured or None
        Its figures, once they were asked for.
    """

    step: Step | None
    terms: list[Term] | None
    channels: int | None
    size: Size | None
    on_any_branch: bool = False
    on_every_branch: bool = False
    is_solid: bool = False
    found: Measured | None = None


class SharedLayers:
    """Interior figures of the last outputs of networks of as many axes, and their costs."""

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self._memory = Memory()
        self._words = self._checked = 0
        self._alive: list[object] = []  # what the keys below name by its identity
        self._numbers: dict[int, int] = {}  # of a layer, by identity
        self._contents: dict[object, int] = {}  # the same by what it is
        self._families: dict[object, Family] = {}
        self._intervals: dict[object, Intervals] = {}
        self._solid: dict[int, Family] = {}  # by identity of their intervals
        self._images: dict[object, int] = {}
        self._maps: list[Map] = []
        self._equal: dict[object, int] = {}
        self._after: dict[tuple[int, ...], tuple[int, float, float]] = {}
        self._forget_last()

    def _forget_last(self) -> None:
        self._last: tuple[Layer, ...] = ()  # layers of the network before
        self._at: dict[str, int] = {}  # the maps of its layers
        self._params, self._macs = [0.0], [0.0]  # sums over its layers up to each

    def of(self, network: Network) -> tuple[Measured, float, float]:
        """Return the figures of a network's last output, and its params and macs, nan where not known.

        Equal outputs have one object of figures.

        Raises
        ------
        InputError
            As `trace`.
        """
        if len(self._after) > self._checked:  # otherwise nothing came to it
            self._checked = len(self._after)
            if self._memory.full or len(self._maps) > MAX_MAPS or self._words > MAX_WORDS:
                self._forget()
        layers, begin = network.layers, self._begin(network)
        numbers, after, at, params, macs = self._numbers, self._after, self._at, self._params, self._macs
        del params[begin + 1 :], macs[begin + 1 :]
        self._last = ()  # where a layer has an error, the next network begins anew
        for layer in layers[begin:] if begin else layers:
            number = numbers.get(id(layer))
            if number is None:
                number = self._number(layer)
            names = layer.inputs
            if len(names) == 1:
                key: tuple[int, ...] = number, at[names[0]]
            else:  # a merge has no order
                key = number, *sorted([at[name] for name in names])
            found = after.get(key)
            if found is None:
                found = after[key] = self._add(network, layer, tuple([at[name] for name in names]))
            at[layer.name], weights, operations = found
            params.append(params[-1] + weights)
            macs.append(macs[-1] + operations)
        self._last = layers
        end = self._maps[at[network.outputs[-1]]]
        if end.found is None:
            end.found = _measured(network, end)
        return end.found, params[-1], macs[-1]

    def _begin(self, network: Network) -> int:
        """How many layers a network has in common with the one before it, which are known by their names."""
        image, same = self._image(network), 0
        if self._at.get(IMAGE) != image:
            self._forget_last()
            self._at[IMAGE] = image
        for layer, last in zip(network.layers, self._last, strict=False):
            if layer is not last:
                break
            same += 1
        return same

    def _image(self, network: Network) -> int:
        key = len(network.axes), network.input_size, network.input_channels
        found = self._images.get(key)
        if found is None:
            terms: list[Term] = [(self._solid_family(self._shared_one(IMAGE_INTERVALS)),) * len(network.axes)]
            self._maps.append(Map(None, terms, network.input_channels, network.input_size, is_solid=True))
            found = self._images[key] = len(self._maps) - 1
        return found

    def _number(self, layer: Layer) -> int:
        self._alive.append(layer)
        number = self._contents.setdefault((layer.op, layer.params), len(self._contents))
        self._numbers[id(layer)] = number
        return number

    def _add(self, network: Network, layer: Layer, sources: tuple[int, ...]) -> tuple[int, float, float]:
        """Work one layer out; return the number of its map, and the layer's params and macs."""
        before = [self._maps[i] for i in sources]
        is_global = OPS[layer.op].kind in ("global", "one_way")
        on_any = is_global or any(m.on_any_branch for m in before)
        on_every = is_global or all(m.on_every_branch for m in before)
        first, size = before[0].size, None
        if first is not None:
            sizes = [m.size for m in before if m.size is not None]
            size = map_size_after(layer, sizes, [m.on_every_branch for m in before])
        step = next_step(
            layer, layer.inputs, sources, [m.step for m in before], (first, size), on_any, len(network.axes), False,
            self._memory,
        )  # fmt: skip
        channels = channels_after(layer, [m.channels for m in before])
        cost = cost_of(layer, before[0].channels, channels, (first, size) if first and size else None)
        step = self._settled(step)
        solid = self._solid_term(step, before)
        terms = [solid] if solid else self._terms(step, before)
        return self._known(Map(step, terms, channels, size, on_any, on_every, solid is not None)), *cost

    def _settled(self, step: Step) -> Step:
        """The same step with intervals that equal steps share."""
        intervals, half_lines = self._shared(step.intervals), self._shared(step.half_lines)
        if intervals is step.intervals and half_lines is step.half_lines:
            return step
        return step._replace(intervals=intervals, half_lines=half_lines)

    def _shared(self, axes: tuple[Intervals, ...] | None) -> tuple[Intervals, ...] | None:
        if axes is None:
            return None
        shared = tuple(map(self._shared_one, axes))
        return axes if all(map(is_, axes, shared)) else shared

    def _shared_one(self, one: Intervals) -> Intervals:
        return self._intervals.setdefault((one.bounds, one.shift), one)

    def _solid_term(self, step: Step, before: list[Map]) -> Term | None:
        """The footprints after a layer by their intervals, where that is all there is to know; else None."""
        after = step.intervals
        if after is None or not all(m.is_solid for m in before):
            return None
        image = (IMAGE_INTERVALS,) * len(after)
        branches = [image if m.step is None else m.step.intervals or () for m in before]
        if step.maps is None:  # the branch that contains the others
            is_solid = any(all(map(Intervals.covers, branch, after)) for branch in branches)
        else:
            axes = set(zip(branches[0], step.maps, after, strict=True))  # most networks have one kind
            is_solid = all(_stays_solid(*axis) for axis in axes)
        return tuple([self._solid_family(i) for i in after]) if is_solid else None

    def _solid_family(self, one: Intervals) -> Family:
        """The family of sets without holes that fill their intervals, which are kept here."""
        found = self._solid.get(id(one))
        if found is None:
            bounds = tuple([b for b in one.bounds if b])
            found = self._solid[id(one)] = Family(solid=SolidSets(bounds, one.shift, -FAR, FAR, 0))
        return found

    def _terms(self, step: Step, before: list[Map]) -> list[Term] | None:
        """The footprints after a layer, as `trace` has them, of sets that equal footprints share."""
        known = [m.terms for m in before if m.terms is not None]
        if step.is_global or len(known) < len(before):
            return None
        if step.passes:
            return known[0]
        if step.maps is None:
            made = known[0] if len(known) == 1 else unite(known, self._memory.compare)
        else:
            try:
                made = apply_layer(known[0], step, step.maps, False, self._memory)
            except InputError as error:
                raise error.within(f"layer {step.layer.name!r} ({step.layer.op})") from None
        return made and [tuple([self._one(f) for f in term]) for term in made]

    def _one(self, family: Family) -> Family:
        """The family that stands for all of the same sets."""
        if family.solid is not None:
            return family
        found = self._families.setdefault(family.content, family)
        if found is family:
            self._words += len(family) * family.words
        return found

    def _known(self, made: Map) -> int:
        """The number of a map: of the equal one, if there is any."""
        step, terms = made.step, made.terms
        assert step is not None
        number = len(self._maps)
        # a footprint of too many terms is equal to no other
        sets: object = number if terms is None and not made.on_any_branch else None
        if terms is not None:
            sets = tuple(sorted([tuple([id(f) for f in term]) for term in terms]))
        ends = tuple([id(i) for i in step.intervals or step.half_lines or ()])
        key = sets, ends, step.intervals is None, made.channels, made.size, made.on_any_branch, made.on_every_branch
        found = self._equal.setdefault(key, number)
        if found == number:
            self._maps.append(made)
        return found


def _stays_solid(before: Intervals, layer: AxisMap, after: Intervals) -> bool:
    """Whether the sets after a layer have no holes if those before it have none: the sets that it reads touch."""
    ends = layer.ends
    if ends is None or layer.reads_all or len(after.bounds) > MAX_PERIOD or not before.rises:
        return False
    for bound in after.bounds:
        if bound is None or bound[0] < -MAX_PIXEL or bound[1] > MAX_PIXEL:
            return False
    return ends[2] == 0 or before.touches(ends[2])


def _measured(network: Network, end: Map) -> Measured:
    """Count a footprint."""
    step = end.step
    assert step is not None
    if end.terms is None and not step.is_global:  # counted backward through the network
        figures = FootprintFigures(trace(network)).figures(network.index(network.outputs[-1]))
    else:
        figures = FootprintFigures(Trace(Plan(network, None, (step,), ()), (end.terms,))).figures(0)
    return Measured(figures, step.jump or (nan,) * len(network.axes))
