"""Formulas along the nodes of a stage: from what they have before it to what they have after, for each of its choices.

The rules are those of one network (`rfscale.engine.formulas.along_network`, `rfscale.sweeps.validation.network`), on
one axis, as windows are alike on all. The article follows one path: a merge takes its branch of the largest area, none
has a value where that of a branch is not known, and no merge is in its domain. The closed form takes the branch that is
solid and spans the others; where there is none, it has left its domain and goes on with the largest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import inf, isnan, nan
from typing import Any, NamedTuple, Protocol

from rfscale.engine.formulas.registry import START, advance, leaves_gaps, published_after, published_is_exact
from rfscale.sweeps.spaces.graphs.wiring import ChainLayer, Node, Wiring, first_tap
from rfscale.sweeps.validation.own_formulas import OwnFormula, State, Window

Value = tuple[float, float, bool]  # area and overlap by a formula, and whether the map is in its domain


class Hull(NamedTuple):
    """First and last pixel on an axis, pixels between entries, and whether it is the image itself."""

    low: int
    high: int
    jump: int
    image: bool = False


class Formulas(Protocol):
    """Some formulas whose values are followed together."""

    names: tuple[str, ...]
    start: Any

    def layer(self, state: Any, window: Window, op: str, stage: str) -> Any:
        """Return the state after a window that is no 1×1 of stride 1."""
        ...

    def merge(self, states: Sequence[Any], hulls: Sequence[Hull], whole: Hull, one_source: bool) -> Any:
        """Return the state where branches meet."""
        ...

    def values(self, state: Any, extent: int, jump: int, area: int) -> list[Value]:
        """Return the value of each formula."""
        ...

    def snapped(self, state: Any, area: int, overlap: float, same: Callable[[float, float], bool]) -> Any:
        """Return the state with the exact figures in the place of values that differ by rounding alone."""
        ...


def window_of(layer: ChainLayer) -> Window:
    """Return kernel, stride and dilation of a layer on the first axis."""
    kernel = layer.kernel[0]
    return kernel, layer.stride[0], layer.dilation[0] if kernel > 1 else 1


class Along:
    """Follows formulas from one state through the choices of a stage; common beginnings of choices are done once."""

    def __init__(self, formulas: Formulas, stage: str, state: Any, extent: int, jump: int, image: bool) -> None:
        self.formulas, self.stage = formulas, stage
        self.made: list[tuple[Any, Hull]] = [(state, Hull(0, extent - 1, jump, image))]
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
            k, s, d = window = window_of(node.layer)
            low = hull.low + hull.jump * first_tap(node.layer, 0)
            after = Hull(low, low + hull.high - hull.low + hull.jump * d * (k - 1), hull.jump * s)
            if k > 1 or s > 1:
                state = self.formulas.layer(state, window, node.layer.op, self.stage)
            return state, after
        states, hulls = [b[0] for b in before], [b[1] for b in before]
        whole = Hull(min(h.low for h in hulls), max(h.high for h in hulls), hulls[0].jump)
        return self.formulas.merge(states, hulls, whole, one_source), whole


class BuiltIn:
    """The article's formulas, the closed form and the bounding box.

    A state is the article's S and P, whether they are in their domain, pixels and new ones of the closed form on an
    axis, and its domain: 2 regular, 1 it ends with the next window, 0 left. Without pixels it has no value.
    """

    names: tuple[str, ...] = ("published", "closed_form", "interval")

    def __init__(self, ndim: int) -> None:
        self.ndim = ndim
        self.start = (*(START if ndim == 2 else (nan, nan)), True, 1, 1, 2)

    def layer(self, state: Any, window: Window, op: str, stage: str) -> Any:
        S, P, inside, pixels, new, domain = state
        share = Fraction(pixels - new, pixels) if domain else 0
        inside = inside and published_is_exact(window, share, domain == 2)
        if not isnan(S):
            S, P = (float(x) for x in published_after(window, S, P))
        gaps = domain == 2 and bool(leaves_gaps(pixels, new, *window))
        after, moved = advance(pixels, new, *window)
        return S, P, inside, int(after), int(moved), 0 if domain < 2 else 1 if gaps else 2

    def merge(self, states: Sequence[Any], hulls: Sequence[Hull], whole: Hull, one_source: bool) -> Any:
        S, P = max(((s[0], s[1]) for s in states), key=lambda pair: inf if isnan(pair[0]) else pair[0])
        if one_source:
            return S, P, False, *states[0][3:]
        for state, hull in zip(states, hulls, strict=True):
            spans = (hull.low, hull.high) == (whole.low, whole.high)
            if state[5] and spans and not hull.image and state[3] == hull.high - hull.low + 1:
                return S, P, False, *state[3:]
        largest = max(states, key=lambda s: s[3])
        return S, P, False, largest[3], largest[4], 0

    def values(self, state: Any, extent: int, jump: int, area: int) -> list[Value]:
        S, P, inside, pixels, new, domain = state
        box = float(extent) ** self.ndim
        return [
            (S, P, inside and not isnan(S)),
            (float(pixels) ** self.ndim, 1 - new / pixels, domain > 0),
            (box, max(1 - jump / extent, 0.0), area == extent**self.ndim),
        ]

    def snapped(self, state: Any, area: int, overlap: float, same: Callable[[float, float], bool]) -> Any:
        S, P, *rest = state
        return (float(area), overlap, *rest) if same(S, area) and same(P, overlap) else state


class Own:
    """A formula of the user; a state is its two numbers, and whether they are in its domain."""

    def __init__(self, formula: OwnFormula, ndim: int) -> None:
        self.formula, self.ndim = formula, ndim
        self.names: tuple[str, ...] = (formula.name,)
        self.start: tuple[State, bool] = formula.start(1), True

    def _area(self, state: State) -> float:
        return self.formula.value(state * self.ndim if self.formula.boxes else state)[0]

    def layer(self, state: Any, window: Window, op: str, stage: str) -> Any:
        pair, inside = state
        after, now = self.formula.after(pair, (window,), op, stage)
        return after, inside and now

    def merge(self, states: Sequence[Any], hulls: Sequence[Hull], whole: Hull, one_source: bool) -> Any:
        known = [s for s in states if not isnan(self._area(s[0]))]
        pair, inside = max(known, key=lambda s: self._area(s[0]), default=states[0])
        return pair, inside and one_source

    def values(self, state: Any, extent: int, jump: int, area: int) -> list[Value]:
        pair, inside = state
        return [(self._area(pair), self.formula.value(pair)[1][0], inside)]

    def snapped(self, state: Any, area: int, overlap: float, same: Callable[[float, float], bool]) -> Any:
        (S, P), inside = state
        if self.formula.boxes or not (same(S, area) and same(P, overlap)):
            return state
        return (float(area), overlap), inside
