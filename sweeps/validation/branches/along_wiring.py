"""Formulas along the nodes of a stage: from what they have before it to what they have after, for each of its choices.

The rules are those of one network (`rfscale.engine.formulas.along_network`, `rfscale.sweeps.validation.network`), on
every axis, or on one where windows are alike on all. The article follows one path: a merge takes its branch of the
largest area, none has a value where that of a branch is not known, and no merge is in its domain. The closed form takes
the branch that is solid and spans the others; where there is none, it has left its domain and goes on with the largest.
What upsamples ends all but the bounding box, until a branch that has a value leads on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from math import inf, isnan, nan, prod
from typing import Any, NamedTuple, Protocol

from rfscale.engine.formulas.registry import START, advance, leaves_gaps, published_after, published_is_exact
from rfscale.sweeps.spaces.graphs.wiring import NO_PATH, UPSAMPLING, ChainLayer, Wiring
from rfscale.sweeps.validation.branches.hulls import Hull, Sizes, united
from rfscale.sweeps.validation.own_formulas import OwnFormula, State, Window

Value = tuple[float, Sequence[float], bool]  # area and overlaps by a formula, and whether the map is in its domain


class Formulas(Protocol):
    """Some formulas whose values are followed together."""

    names: tuple[str, ...]
    start: Any

    def layer(self, state: Any, windows: Sequence[Window], op: str, stage: str, hull: Hull) -> Any:
        """Return the state after a window that is no 1×1 of stride 1, given on each axis; `hull` is that after it."""
        ...

    def upsampled(self, state: Any, hull: Hull) -> Any:
        """Return the state after a layer that makes several entries of each."""
        ...

    def merge(self, states: Sequence[Any], hulls: Sequence[Hull], whole: Hull, one_source: bool) -> Any:
        """Return the state where branches meet."""
        ...

    def values(self, state: Any, extent: Sizes, jump: Sizes, box: int) -> list[Value]:
        """Return the value of each formula, with an overlap along each axis; `box`: pixels of the bounding box."""
        ...

    def snapped(self, state: Any, area: int, overlap: Sequence[float], same: Callable[[float, float], bool]) -> Any:
        """Return the state with the exact figures in the place of values that differ by rounding alone."""
        ...


def windows_of(layer: ChainLayer, axes: int) -> tuple[Window, ...]:
    """Return kernel, stride and dilation of a layer on the first axes."""
    windows = zip(layer.kernel[:axes], layer.stride, layer.dilation, strict=False)
    return tuple((k, s, d if k > 1 else 1) for k, s, d in windows)


class Read(NamedTuple):
    """A map that a stage finds: the formulas' state, where it lies, and which of the maps before it is (the first)."""

    state: Any
    hull: Hull
    origin: int


class End(NamedTuple):
    """The state of the formulas at a node, and which of the maps before the stage it is; below 0: none of them."""

    state: Any
    origin: int


class Along:
    """Follows formulas from one state through the choices of a stage; common beginnings of choices are done once.

    Parameters
    ----------
    formulas : Formulas
    stage : str
    maps : sequence of Read or None
        What the stage reads; then the maps that `sources` names. None: no path leads there.
    sources : mapping of str to int
        Which of the maps a node without inputs is, by what stands in the place of its layer.
    """

    def __init__(self, formulas: Formulas, stage: str, maps: Sequence[Read | None], sources: Mapping[str, int]) -> None:
        self.formulas, self.stage, self.sources = formulas, stage, sources
        self.axes = next(len(m.hull.shift) for m in maps if m is not None)
        self.made: list[tuple[Any, Hull] | None] = [None if m is None else (m.state, m.hull) for m in maps]
        self.origins = [0 if m is None else m.origin for m in maps]
        self._known: dict[tuple[Any, ...], int] = {}

    def is_image(self, end: End) -> bool:
        """Whether an end is the image itself."""
        made = self.made[end.origin] if end.origin >= 0 else None
        return made is not None and made[1].image

    def ends(self, wiring: Wiring, *nodes: int | None) -> list[End | None]:
        """Return the ends of some nodes of a choice: 0 is what the stage reads; None of what is no node, or no map."""
        numbers, origins = [0], [self.origins[0]]
        one_map = not self.sources  # then a node is its own origin
        for place, (layer, inputs, _) in enumerate(wiring, start=1):
            if isinstance(layer, ChainLayer):
                key: tuple[Any, ...] = (layer, numbers[inputs[0]])
            elif not inputs:
                at = self.sources[layer]
                numbers.append(at)
                origins.append(self.origins[at])
                continue
            else:  # branches that are alike have one state, and are two sources
                one = len(set(inputs) if one_map else {origins[i] for i in inputs}) == 1
                key = (layer == NO_PATH.layer, one, *[numbers[i] for i in inputs])
            number = self._known.get(key)
            if number is None:
                number = self._known[key] = len(self.made)
                self.made.append(self._after(*key))
            numbers.append(number)
            if not one_map:
                origins.append(-place)
        if one_map:
            origins += [-place for place in range(1, len(numbers))]
        return [None if n is None else self._end(numbers[n], origins[n]) for n in nodes]

    def _end(self, number: int, origin: int) -> End | None:
        made = self.made[number]
        return None if made is None else End(made[0], origin)

    def _after(self, what: ChainLayer | bool, *read: int) -> tuple[Any, Hull] | None:
        """State and boxes after a layer; or whether no path leads on, and of a merge whether it reads one map only."""
        inputs = read if isinstance(what, ChainLayer) else read[1:]
        before = [made for i in inputs if (made := self.made[i]) is not None]
        if not before or what is True:
            return None
        states, hulls = [b[0] for b in before], [b[1] for b in before]
        if isinstance(what, bool):
            whole = united(hulls)
            return self.formulas.merge(states, hulls, whole, bool(read[0])), whole
        hull = hulls[0].after(what)
        windows = windows_of(what, self.axes)
        if what.op in UPSAMPLING and any(s > 1 for _, s, _ in windows):
            return self.formulas.upsampled(states[0], hull), hull
        if any(k > 1 or s > 1 for k, s, _ in windows):
            return self.formulas.layer(states[0], windows, what.op, self.stage, hull), hull
        return states[0], hull


class Known(NamedTuple):
    """What the built-in formulas know of a map.

    Attributes
    ----------
    S, P : float
        Of the article; nan where it has no value.
    inside : bool
        Whether these are in their domain.
    pixels, new : tuple of int
        Pixels and new ones of the closed form on each axis; empty where it has no value.
    closed : bool
        Whether the closed form is in its domain.
    regular : tuple of bool
        On each axis whether it can go on; empty where it is not in its domain.
    solid : bool
        Whether the bounding box is known to be the footprint, at every entry.
    even : bool
        Whether the boxes of all entries are alike.
    """

    S: float
    P: float
    inside: bool
    pixels: Sizes
    new: Sizes
    closed: bool
    regular: tuple[bool, ...]
    solid: bool
    even: bool


class BuiltIn:
    """The article's formulas, the closed form and the bounding box; a state is what is `Known`.

    Parameters
    ----------
    ndim, axes : int
        Axes of the networks, and those that differ: 1 where all are alike.
    """

    names: tuple[str, ...] = ("published", "closed_form", "interval")

    def __init__(self, ndim: int, axes: int) -> None:
        self.power = ndim // axes
        one, yes = (1,) * axes, (True,) * axes
        self.start = Known(*(START if ndim == 2 else (nan, nan)), True, one, one, True, yes, True, True)

    def layer(self, state: Known, windows: Sequence[Window], op: str, stage: str, hull: Hull) -> Known:
        S, P, inside, pixels, new, closed, regular, solid, _ = state
        boxes = solid and hull.joined, hull.even
        share = max(Fraction(w - u, w) for w, u in zip(pixels, new, strict=True)) if closed else 0
        inside = inside and all(published_is_exact(window, share, closed and all(regular)) for window in windows)
        if not isnan(S):
            S, P = _plain(published_after(windows[0] if len(set(windows)) == 1 else None, S, P))
        if not pixels:
            return Known(S, P, inside, pixels, new, False, (), *boxes)
        axes = list(zip(pixels, new, windows, strict=True))
        if closed:
            closed = all(goes_on or k == s == 1 for goes_on, (k, s, _) in zip(regular, windows, strict=True))
            gaps = [bool(leaves_gaps(w, u, *window)) for w, u, window in axes]
            regular = tuple([r and not gap for r, gap in zip(regular, gaps, strict=True)]) if closed else ()
        pairs = [advance(w, u, *window) for w, u, window in axes]
        after, moved = (tuple(map(int, column)) for column in zip(*pairs, strict=True))
        return Known(S, P, inside, after, moved, closed, regular, *boxes)

    def upsampled(self, state: Known, hull: Hull) -> Known:
        return Known(nan, nan, False, (), (), False, (), state.solid and hull.joined, hull.even)

    def merge(self, states: Sequence[Known], hulls: Sequence[Hull], whole: Hull, one_source: bool) -> Known:
        S, P = max(((s.S, s.P) for s in states), key=lambda pair: inf if isnan(pair[0]) else pair[0])
        if one_source:
            return Known(S, P, False, *states[0][3:])
        solid, within = False, None
        for state, hull in zip(states, hulls, strict=True):
            if (state.solid or state.closed) and hull.spans(whole):
                solid = solid or state.solid
                if within is None and state.closed and not hull.image and state.pixels == hull.extent:
                    within = state[3:7]
        if within is None:
            largest = max(states, key=lambda s: prod(s.pixels) if s.pixels else inf)
            within = largest.pixels, largest.new, False, ()
        return Known(S, P, False, *within, solid, whole.even)

    def values(self, state: Known, extent: Sizes, jump: Sizes, box: int) -> list[Value]:
        S, P, inside, pixels, new, closed, _, solid, even = state
        area = float(prod(pixels)) ** self.power if pixels else nan
        overlap = [1 - u / w for w, u in zip(pixels, new, strict=True)] or [nan] * len(extent)
        return [
            (S, (P,) * len(extent), inside and not isnan(S)),
            (area, overlap, closed),
            (float(box), [max(1 - j / e, 0.0) for e, j in zip(extent, jump, strict=True)], solid and even),
        ]

    def snapped(self, state: Any, area: int, overlap: Sequence[float], same: Callable[[float, float], bool]) -> Any:
        return state._replace(S=float(area), P=overlap[0]) if _alike(state, area, overlap, same) else state


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

    def layer(self, state: Any, windows: Sequence[Window], op: str, stage: str, hull: Hull) -> Any:
        own, inside = state
        after, now = self.formula.after(own, windows, op, stage)
        return _plain(after), inside and now

    def upsampled(self, state: Any, hull: Hull) -> Any:
        return (nan,) * len(state[0]), False

    def merge(self, states: Sequence[Any], hulls: Sequence[Hull], whole: Hull, one_source: bool) -> Any:
        known = [s for s in states if not isnan(self._area(s[0]))]
        pair, inside = max(known, key=lambda s: self._area(s[0]), default=states[0])
        return pair, inside and one_source

    def values(self, state: Any, extent: Sizes, jump: Sizes, box: int) -> list[Value]:
        own, inside = state
        overlap = self.formula.value(own)[1]
        return [(self._area(own), overlap if self.formula.boxes else overlap * len(extent), inside)]

    def snapped(self, state: Any, area: int, overlap: Sequence[float], same: Callable[[float, float], bool]) -> Any:
        own, inside = state
        if self.formula.boxes or not _alike(own, area, overlap, same):
            return state
        return (float(area), overlap[0]), inside


def _plain(values: Sequence[float]) -> tuple[float, ...]:
    """Values as a key: nan is equal to nothing, but to itself as an object."""
    return tuple([float(x) if x == x else nan for x in values])


def _alike(state: Sequence[float], area: int, overlap: Sequence[float], same: Callable[[float, float], bool]) -> bool:
    """Whether S and P of a state are the exact area and overlap along every axis, but for rounding."""
    return len(set(overlap)) == 1 and same(state[0], area) and same(state[1], overlap[0])
