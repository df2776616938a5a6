"""Formulas of the user, for `rf.validate`: functions of a layer's parameters and what is before it."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan, prod
from typing import Any

import numpy as np

from rfscale.engine.errors import InputError, nearest, shown
from rfscale.engine.footprints.plan import Plan, Step
from rfscale.engine.formulas.along_network import windows
from rfscale.engine.formulas.registry import FORMULAS, START, box_overlap
from rfscale.engine.network.ops import OPS

AREAS, BOXES = ("S", "P"), ("extent", "jump")  # what a formula follows: two numbers of the map before a layer
PARAMETERS = ("kernel", "stride", "dilation", "op")
BUILT_IN = (*FORMULAS, "path_variance")

Window = tuple[int, int, int]  # kernel, stride, dilation
State = tuple[float, ...]  # S and P; or extent and jump of every axis; nan where the formula has no value
Given = Mapping[str, Any]


@dataclass(frozen=True)
class OwnFormula:
    """A formula of the user.

    Attributes
    ----------
    name : str
    function : callable
        From the values of `reads` to two numbers.
    reads : tuple of str
        Names of its parameters.
    boxes : bool
        Whether it follows extent and jump on every axis, not the area S and the overlap P of the plane.
    domain : callable or None
        From the same values to whether they are in the domain; without it, the domain is where there is a value.
    """

    name: str
    function: Callable[..., Any]
    reads: tuple[str, ...]
    boxes: bool
    domain: Callable[..., Any] | None

    def start(self, axes: int) -> State:
        """State of a pixel of the image."""
        return (1.0,) * (2 * axes) if self.boxes else START

    def after(self, state: State, shapes: Sequence[Window], op: str, layer: str) -> tuple[State, bool]:
        """Return the state after a window on every axis, and whether the layer is in the domain.

        An S, P formula has no value where the windows of the axes differ.
        """
        no_value = (nan,) * len(state)
        if any(map(isnan, state)) or (not self.boxes and len(set(shapes)) > 1):
            return no_value, False
        if not self.boxes:
            return self._called(state, shapes[0], op, layer)
        made: tuple[float, ...] = ()
        inside = True
        for a, shape in enumerate(shapes):
            pair, fits = self._called(state[2 * a : 2 * a + 2], shape, op, layer)
            made += pair
            inside = inside and fits
        return made, inside

    def _called(self, pair: State, shape: Window, op: str, layer: str) -> tuple[State, bool]:
        values = dict(zip((*(BOXES if self.boxes else AREAS), *PARAMETERS), (*pair, *shape, op), strict=True))
        given = {name: values[name] for name in self.reads}
        made = self._call(self.function, given, layer)
        try:
            first, second = (float(x) for x in made)
        except (TypeError, ValueError):
            names = " and ".join(BOXES if self.boxes else AREAS)
            raise InputError(
                f"formula {self.name!r} returned {shown(made)} at layer {layer!r}, called with {_text(given)}; "
                f"it must return two numbers, {names} after the layer"
            ) from None
        inside = not (isnan(first) or isnan(second))
        if inside and self.domain is not None:
            inside = bool(self._call(self.domain, given, layer, "the domain of "))
        return (first, second), inside

    def _call(self, function: Callable[..., Any], given: Given, layer: str, what: str = "") -> Any:
        try:
            return function(**given)
        except Exception as error:  # code of others: say which call it was
            raise InputError(
                f"{what}formula {self.name!r} failed at layer {layer!r}, called with {_text(given)}: "
                f"{type(error).__name__}: {error}"
            ) from error

    def value(self, state: State) -> tuple[float, tuple[float, ...]]:
        """Return the area of a state, and its overlap along each axis (one of all axes for S and P)."""
        if not self.boxes:
            return state[0], (state[1],)
        extents, jumps = state[::2], state[1::2]
        return prod(extents), tuple(float(box_overlap(e, j)) if e else nan for e, j in zip(extents, jumps, strict=True))

    def along(self, plan: Plan) -> tuple[list[State], list[bool]]:
        """Return the state after every layer of a network, and whether the layer and those before are in the domain.

        A merge takes its branch of the largest area, as the article follows one path.
        """
        start = self.start(len(plan.network.axes))
        states: list[State] = []
        inside: list[bool] = []
        for step in plan.steps:
            before = [(start, True) if s < 0 else (states[s], inside[s]) for s in step.sources]
            state, fits = self._of(step, before)
            states.append(state)
            inside.append(fits)
        return states, inside

    def _of(self, step: Step, before: Sequence[tuple[State, bool]]) -> tuple[State, bool]:
        state, fits = before[0]
        if step.is_global:
            return (nan,) * len(state), False
        if OPS[step.layer.op].kind == "merge":
            known = [b for b in before if not isnan(self.value(b[0])[0])]
            largest = max(known, key=lambda b: self.value(b[0])[0], default=before[0])
            return largest[0], largest[1] and len(set(step.sources)) == 1
        shapes = windows(step)
        if step.passes or all(shape is not None and shape[:2] == (1, 1) for shape in shapes):
            return state, fits
        given = [shape for shape in shapes if shape is not None]
        if len(given) < len(shapes):
            return (nan,) * len(state), False
        made, now = self.after(state, given, step.layer.op, step.layer.name)
        return made, fits and now


def own_formulas(given: Any) -> list[OwnFormula]:
    """Return the formulas of the argument `formulas` of `rf.validate`.

    Raises
    ------
    InputError
        For what is no mapping of names to functions, and for parameters that no layer has.
    """
    if given is None:
        return []
    if not isinstance(given, Mapping):
        raise InputError(f"formulas is {shown(given)}; it must be a mapping such as {{'mine': function}}")
    return [_own(name, function) for name, function in given.items()]


def _own(name: Any, given: Any) -> OwnFormula:
    if not isinstance(name, str) or not name:
        raise InputError(f"formulas has the name {shown(name)}; it must be text")
    if name in BUILT_IN:
        raise InputError(f"formulas names {name!r}, which is one of rfscale's; give it another name")
    function, domain = given if isinstance(given, tuple) and len(given) == 2 else (given, None)
    reads = _parameters(name, function)
    boxes = any(word in BOXES for word in reads)
    follows = BOXES if boxes else AREAS
    for word in reads:
        if word not in (*follows, *PARAMETERS):
            known = (*AREAS, *BOXES, *PARAMETERS)
            remedy = "S and P, or extent and jump, not both" if word in known else nearest(word, known)
            raise InputError(f"formula {name!r} has the parameter {word!r}", remedy=remedy)
    if domain is not None and _parameters(f"domain of {name}", domain) != reads:
        raise InputError(f"the domain of formula {name!r} must have the formula's parameters: {', '.join(reads)}")
    return OwnFormula(name, function, reads, boxes, domain)


def _parameters(name: str, function: Any) -> tuple[str, ...]:
    """Names of the parameters of a function, also of a numba one, but those with defaults that no layer has."""
    plain = getattr(function, "py_func", function)
    if not callable(plain):
        raise InputError(
            f"formula {name!r} is {shown(function)}; it must be a function, such as f(S, P, kernel, stride)"
        )
    found: Iterable[inspect.Parameter] = ()
    with contextlib.suppress(TypeError, ValueError):
        found = inspect.signature(plain).parameters.values()
    words: list[str] = []
    for parameter in found:
        known = parameter.name in (*AREAS, *BOXES, *PARAMETERS)
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            words = []
            break
        if known or parameter.default is parameter.empty:
            words.append(parameter.name)
    if not words:
        raise InputError(
            f"formula {name!r} must name its parameters: S, P (or extent, jump), and kernel, stride, dilation, op "
            "as it needs them"
        )
    return tuple(words)


def _text(given: Given) -> str:
    return ", ".join(
        f"{name}={value:.12g}" if isinstance(value, float) else f"{name}={value}" for name, value in given.items()
    )


def states_as_arrays(formula: OwnFormula, states: Sequence[State], axes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return areas (n,) and overlaps (n, axes) of states."""
    found = [formula.value(state) for state in states]
    area = np.array([a for a, _ in found], float)
    overlap = np.array([p * axes if len(p) < axes else p for _, p in found], float).reshape(len(found), axes)
    return area, overlap
