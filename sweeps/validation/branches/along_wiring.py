"""Formulas along the nodes of a stage: from what they have before it to what they have after, for each of its choices.

The rules are those of one network (`rfscale.engine.formulas.along_network`, `rfscale.sweeps.validation.network`), on
every axis, or on one where windows are alike on all. The article follows one path: a merge takes its branch of the
largest area, none has a value where that of a branch is not known, and no merge is in its domain. The closed form takes
the branch that is solid and spans the others; where there is none, it has left its domain and goes on with the largest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import inf, isnan, nan, prod
from typing import Any, NamedTuple, Protocol

from rfscale.engine.formulas.registry import START, advance, leaves_gaps, published_after, published_is_exact
from rfscale.sweeps.spaces.graphs.wiring import ChainLayer, Node, Wiring, first_tap
from rfscale.sweeps.validation.own_formulas import OwnFormula, State, Window

Value = tuple[float, Sequence[float], bool]  # area and overlaps by a formula, and whether the map is in its domain
Sizes = tuple[int, ...]  # by axis


class Hull(NamedTuple):
    """First and last pixel on each axis, pixels between entries, and whether it is the image itself."""

    low: Sizes
    high: Sizes
    jump: Sizes
    image: bool = False

    @property
    def extent(self) -> Sizes:
        """Pixels from the first to the last."""
        return tuple(high - low + 1 for low, high in zip(self.low, self.high, strict=True))


class Formulas(Protocol):
    """Some formulas whose values are followed together."""

    names: tuple[str, ...]
    start: Any

    def layer(self, state: Any, windows: Sequence[Window], op: str, stage: str) -> Any:
        """Return the state after a window that is no 1×1 of stride 1, given on each axis."""
        ...

    def merge(self, states: Sequence[Any], hulls: Sequence[Hull], whole: Hull, one_source: bool) -> Any:
        """Return the state where branches meet."""
        ...

    def values(self, state: Any, extent: Sizes, jump: Sizes, area: int) -> list[Value]:
        """Return the value of each formula, with an overlap along each axis."""
        ...

    def snapped(self, state: Any, area: int, overlap: Sequence[float], same: Callable[[float, float], bool]) -> Any:
        """Return the state with the exact figures in the place of values that differ by rounding alone."""
        ...


def windows_of(layer: ChainLayer, axes: int) -> tuple[Window, ...]:
    """Return kernel, stride and dilation of a layer on the first axes."""
    windows = zip(layer.kernel[:axes], layer.stride, layer.dilation, strict=False)
    return tuple((k, s, d if k > 1 else 1) for k, s, d in windows)


class Along:
    """Follows formulas from one state through the choices of a stage; common beginnings of choices are done once."""

    def __init__(self, formulas: Formulas, stage: str, state: Any, extent: Sizes, jump: Sizes, image: bool) -> None:
        self.formulas, self.stage, self.axes = formulas, stage, len(extent)
        start = Hull((0,) * self.axes, tuple(e - 1 for e in extent), jump, image)
        self.made: list[tuple[Any, Hull]] = [(state, start)]
        self._known: dict[tuple[Any, ...], int] = {}

    def end(self, wiring: Wiring) -> Any:
        """Return the state after the nodes of a choice."""
        numbers = [0]
        for node in wiring:
            inputs = tuple(numbers[i] for i in node.inputs)
            one = len(set(node.inputs)) == 1  # branches that are alike have one state, and are two sources
            key = (node.layer if isinstance(node.layer, ChainLayer) else one, *inputs)
            if key not in self._known:
                self._known[key] = len(self.made)
                self.made.append(self._after(node, inputs, one))
            numbers.append(self._known[key])
        return self.made[numbers[-1]][0]

    def _after(self, node: Node, inputs: Sequence[int], one_source: bool) -> tuple[Any, Hull]:
        before = [self.made[i] for i in inputs]
        if isinstance(node.layer, ChainLayer):
            state, hull = before[0]
            windows = windows_of(node.layer, self.axes)
            by_axis = []
            for a, ((k, s, d), low, high, jump) in enumerate(zip(windows, *hull[:3], strict=True)):
                first = low + jump * first_tap(node.layer, a)
                by_axis.append((first, first + high - low + jump * d * (k - 1), jump * s))
            if any(k > 1 or s > 1 for k, s, _ in windows):
                state = self.formulas.layer(state, windows, node.layer.op, self.stage)
            lows, highs, jumps = zip(*by_axis, strict=True)
            return state, Hull(lows, highs, jumps)
        states, hulls = [b[0] for b in before], [b[1] for b in before]
        begin = tuple(map(min, zip(*(h.low for h in hulls), strict=True)))
        whole = Hull(begin, tuple(map(max, zip(*(h.high for h in hulls), strict=True))), hulls[0].jump)
        return self.formulas.merge(states, hulls, whole, one_source), whole


class BuiltIn:
    """The article's formulas, the closed form and the bounding box.

    A state is the article's S and P, whether they are in their domain, pixels and new ones of the closed form on each
    axis, and its domain: 2 regular, 1 it ends with the next window, 0 left. Without pixels it has no value.

    Parameters
    ----------
    ndim, axes : int
        Axes of the networks, and those that differ: 1 where all are alike.
    """

    names: tuple[str, ...] = ("published", "closed_form", "interval")

    def __init__(self, ndim: int, axes: int) -> None:
        self.power = ndim // axes
        self.start = (*(START if ndim == 2 else (nan, nan)), True, (1,) * axes, (1,) * axes, 2)

    def layer(self, state: Any, windows: Sequence[Window], op: str, stage: str) -> Any:
        S, P, inside, pixels, new, domain = state
        share = max(Fraction(w - u, w) for w, u in zip(pixels, new, strict=True)) if domain else 0
        inside = inside and all(published_is_exact(window, share, domain == 2) for window in windows)
        if not isnan(S):
            S, P = (float(x) for x in published_after(windows[0] if len(set(windows)) == 1 else None, S, P))
        axes = list(zip(pixels, new, windows, strict=True))
        gaps = domain == 2 and any(bool(leaves_gaps(w, u, *window)) for w, u, window in axes)
        pairs = [advance(w, u, *window) for w, u, window in axes]
        after, moved = (tuple(map(int, column)) for column in zip(*pairs, strict=True))
        return S, P, inside, after, moved, 0 if domain < 2 else 1 if gaps else 2

    def merge(self, states: Sequence[Any], hulls: Sequence[Hull], whole: Hull, one_source: bool) -> Any:
        S, P = max(((s[0], s[1]) for s in states), key=lambda pair: inf if isnan(pair[0]) else pair[0])
        if one_source:
            return S, P, False, *states[0][3:]
        for state, hull in zip(states, hulls, strict=True):
            spans = (hull.low, hull.high) == (whole.low, whole.high)
            if state[5] and spans and not hull.image and state[3] == hull.extent:
                return S, P, False, *state[3:]
        largest = max(states, key=lambda s: prod(s[3]))
        return S, P, False, largest[3], largest[4], 0

    def values(self, state: Any, extent: Sizes, jump: Sizes, area: int) -> list[Value]:
        S, P, inside, pixels, new, domain = state
        box = prod(extent) ** self.power
        return [
            (S, (P,) * len(extent), inside and not isnan(S)),
            (float(prod(pixels)) ** self.power, [1 - u / w for w, u in zip(pixels, new, strict=True)], domain > 0),
            (float(box), [max(1 - j / e, 0.0) for e, j in zip(extent, jump, strict=True)], area == box),
        ]

    def snapped(self, state: Any, area: int, overlap: Sequence[float], same: Callable[[float, float], bool]) -> Any:
        rest = state[2:]
        return (float(area), overlap[0], *rest) if _alike(state, area, overlap, same) else state


class Own:
    """A formula of the user; a state is its numbers, and whether they are in its domain.

    Parameters
    ----------
    formula : OwnFormula
    ndim, axes : int
        As of `BuiltIn`.
    """

    def __init__(self, formula: OwnFormula, ndim: int, axes: int) -> None:
        self.formula, self.power = formula, ndim // axes
        self.names: tuple[str, ...] = (formula.name,)
        self.start: tuple[State, bool] = formula.start(axes), True

    def _area(self, state: State) -> float:
        return self.formula.value(state * self.power if self.formula.boxes else state)[0]

    def layer(self, state: Any, windows: Sequence[Window], op: str, stage: str) -> Any:
        own, inside = state
        after, now = self.formula.after(own, windows, op, stage)
        return after, inside and now

    def merge(self, states: Sequence[Any], hulls: Sequence[Hull], whole: Hull, one_source: bool) -> Any:
        known = [s for s in states if not isnan(self._area(s[0]))]
        pair, inside = max(known, key=lambda s: self._area(s[0]), default=states[0])
        return pair, inside and one_source

    def values(self, state: Any, extent: Sizes, jump: Sizes, area: int) -> list[Value]:
        own, inside = state
        overlap = self.formula.value(own)[1]
        return [(self._area(own), overlap if self.formula.boxes else overlap * len(extent), inside)]

    def snapped(self, state: Any, area: int, overlap: Sequence[float], same: Callable[[float, float], bool]) -> Any:
        own, inside = state
        if self.formula.boxes or not _alike(own, area, overlap, same):
            return state
        return (float(area), overlap[0]), inside


def _alike(state: Sequence[float], area: int, overlap: Sequence[float], same: Callable[[float, float], bool]) -> bool:
    """Whether S and P of a state are the exact area and overlap along every axis, but for rounding."""
    return len(set(overlap)) == 1 and same(state[0], area) and same(state[1], overlap[0])
