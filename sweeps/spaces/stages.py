"""The stages of a space: read and validated, and resolved into layers for one choice of every factor."""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rfscale.engine.errors import InputError, nearest, shown
from rfscale.engine.network.spec import MAX_LAYERS, listed, whole
from rfscale.sweeps.spaces.branches import branch_layers, read_branches
from rfscale.sweeps.spaces.wiring import (
    Block,
    ChainLayer,
    Parallel,
    Wirer,
    Wiring,
    branches_in,
    chain_wiring,
    flat_blocks,
    resolved_layer,
)
from rfscale.sweeps.variables import NETWORKS, VARIABLES

Value = int | str | bool | tuple[int, ...]
WINDOWS = ("conv", "max_pool", "avg_pool", "lp_pool")
_COSTED = ("channels", "groups", "bias")
PARAMS: dict[str, tuple[str, ...]] = {
    "conv": ("kernel", "stride", "dilation", *_COSTED),
    "max_pool": ("kernel", "stride", "dilation"),
    "avg_pool": ("kernel", "stride", "dilation"),
    "lp_pool": ("kernel", "stride", "dilation"),
    "pointwise": (),
    "space_to_depth": ("scale",),
    "slice": ("start", "step"),
}
REQUIRED = {**dict.fromkeys(WINDOWS, "kernel"), "space_to_depth": "scale"}
PER_AXIS = {"kernel": 1, "stride": 1, "dilation": 1, "scale": 1, "step": 1, "start": 0}  # smallest value
PLACES = ("first", "last")
MAX_REPEAT = 10_000
FIGURES = {**VARIABLES, **NETWORKS}
ANSWERS = ("objective", "objectives", "tightness", "coverage", "index", "architectures")
DESIGNS = ("map", "map_stage", "map_layer", "map_width", "map_extent", "map_jump")
RESERVED = {*FIGURES, *(f"{f}_{a}" for f in FIGURES for a in "zyx"), *ANSWERS, *DESIGNS}
RESERVED |= {"every", "chosen", "axis", "rank", "sample"}


@dataclass(frozen=True)
class Factor:
    """One choice: a name, the values it takes, and their labels (unique ints or strings)."""

    name: str
    values: tuple[Value, ...]
    labels: tuple[int | str | bool, ...]


@dataclass(frozen=True)
class Ref:
    """A parameter whose value is the value of a factor."""

    factor: str


@dataclass(frozen=True)
class Stage:
    """One stage: its parameters (values or `Ref`), or the choices of whole layers; branches are the only choice.

    `own` are the factors it introduces by a list of its own; `uses` all factors it reads, in written order.
    """

    name: str
    params: Mapping[str, Value | Ref]
    choices: tuple[tuple[Block, ...], ...] | None
    own: tuple[Factor, ...]
    uses: tuple[str, ...]

    @property
    def blocks(self) -> tuple[Mapping[str, Value | Ref], ...]:
        """Its own parameters, and those of all layers of all choices and branches."""
        return (self.params, *flat_blocks(block for choice in self.choices or () for block in choice))

    @cached_property
    def parallels(self) -> list[Parallel]:
        """All branches of all choices."""
        return branches_in(block for choice in self.choices or () for block in choice)

    @property
    def numbered(self) -> bool:
        """Whether its layers are called name.1, name.2, ... rather than name."""
        return self.choices is not None or "repeat" in self.params

    def wiring(self, chosen: Mapping[str, Value], ndim: int) -> Wiring:
        """Return the nodes of this stage; `chosen` gives the value of every factor in `uses`."""
        if not self.parallels:
            return chain_wiring(self.layers(chosen, ndim))

        pick = _picker(chosen)

        def layers(block: Mapping[str, Value | Ref]) -> list[ChainLayer]:
            times, place = pick(block, "repeat", 1), pick(block, "stride_at", "first")
            either = resolved_layer(block, pick, False, ndim), resolved_layer(block, pick, True, ndim)
            return [either[i == (0 if place == "first" else times - 1)] for i in range(times)]

        def subset(found: Parallel) -> tuple[int, ...]:
            chosen_one: Any = 0 if found.factor is None else chosen[found.factor]
            return found.subsets[chosen_one]

        assert self.choices is not None  # branches are choices
        wirer, at = Wirer(self.name, layers, subset), 0
        for _ in range(pick(self.params, "repeat", 1)):
            at = wirer.series(self.choices[pick(self.params, "choice", 0)], at)
        return tuple(wirer.nodes)

    def layers(self, chosen: Mapping[str, Value], ndim: int) -> list[ChainLayer]:
        """Return the layers of this stage; `chosen` gives the value of every factor in `uses`."""
        if self.parallels:
            return [n.layer for n in self.wiring(chosen, ndim) if isinstance(n.layer, ChainLayer)]

        pick = _picker(chosen)
        blocks: tuple[Any, ...] = (self.params,)
        if self.choices is not None:
            blocks = self.choices[pick(self.params, "choice", 0)]
        repeat, place = pick(self.params, "repeat", 1), pick(self.params, "stride_at", "first")
        inner = [1 if self.choices is None else pick(block, "repeat", 1) for block in blocks]
        if repeat * sum(inner) > MAX_LAYERS:
            raise InputError(
                f"stage {self.name!r} repeats its layers to {repeat * sum(inner)}; at most {MAX_LAYERS} are supported"
            )
        made = [(resolved_layer(block, pick, False, ndim), resolved_layer(block, pick, True, ndim)) for block in blocks]
        out: list[ChainLayer] = []
        for turn in range(repeat):
            for times, either in zip(inner, made, strict=True):
                for again in range(times):
                    n, of = (turn, repeat) if self.choices is None else (again, times)
                    out.append(either[n == (0 if place == "first" else of - 1)])
        return out


def _picker(chosen: Mapping[str, Value]) -> Callable[[Mapping[str, Value | Ref], str, Value], Any]:
    """Return what gives the value of a parameter: its own, or that of its factor."""

    def pick(params: Mapping[str, Value | Ref], key: str, default: Value) -> Any:
        value = params.get(key, default)
        return chosen[value.factor] if isinstance(value, Ref) else value

    return pick


# reading
# ---------------------------------------------------------------------------------------------------------------


def check_name(name: object, what: str) -> str:
    """Return a name that can stand in a constraint such as ``s2.extent >= 400``."""
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z]\w*", name) or keyword.iskeyword(name):
        raise InputError(f"name of {what} is {shown(name)}; it must be a word of letters, digits and _, such as 's1'")
    if name in RESERVED:
        raise InputError(f"name of {what} is {name!r}, which names a figure or a dimension; choose another")
    return name


def factor_values(name: object, values: object, what: str) -> list[Any]:
    """Return the values of a factor that has a name of its own."""
    check_name(name, what)
    items = listed(values)
    if not items:
        raise InputError(f"factor {name!r} is {shown(values)}; it must be a list of at least one value")
    return items


def check_value(key: str, value: object, what: str, ndim: int) -> Value:
    """Return one value of a stage's parameter, per-axis values as tuples (one number where all are equal)."""
    if key in PER_AXIS:
        values = listed(value)
        if values is None:
            return whole(value, what, PER_AXIS[key])
        if len(values) != ndim:
            raise InputError(f"{what} is {shown(value)}; give one number, or one for each of the {ndim} axes")
        numbers = tuple(whole(v, what, PER_AXIS[key]) for v in values)
        return numbers[0] if len(set(numbers)) == 1 else numbers
    if key == "repeat":
        return whole(value, what, 0, MAX_REPEAT)
    if key == "stride_at":
        return _word(value, what, PLACES)
    if key == "op":
        return check_op(value, what)
    if key == "bias":
        if not isinstance(value, bool):
            raise InputError(f"{what} is {shown(value)}; it must be true or false")
        return value
    if key == "groups" and value == "depthwise":
        return "depthwise"
    return whole(value, what)


def _word(value: object, what: str, words: Sequence[str]) -> str:
    if not isinstance(value, str) or value not in words:
        raise InputError(f"{what} is {shown(value)}; it must be {' or '.join(words)}")
    return value


def check_op(op: object, what: str) -> str:
    """Return an op that a stage may have."""
    from rfscale.engine.network.ops import OPS

    if isinstance(op, str) and op in PARAMS:
        return op
    if isinstance(op, str) and op in OPS:
        raise InputError(
            f"{what} is {op!r}; a space is a chain of {', '.join(PARAMS)}. "
            "Write networks with other layers as a function and use rf.NetworkSpace(function, factors)"
        )
    raise InputError(f"{what} is {shown(op)}; {nearest(op, PARAMS)}")


def make_factor(name: str, key: str, values: Sequence[Any], ndim: int) -> Factor:
    """Return the factor of a listed parameter."""
    if not values:
        raise InputError(f"{name} has no values; give a list of at least one")
    checked = tuple(check_value(key, v, f"a value of {name}", ndim) for v in values)
    return Factor(name, checked, label_values(name, checked))


def label_values(name: str, values: Sequence[Value]) -> tuple[int | str | bool, ...]:
    """Return the labels of a factor's values: themselves, or ``"1x7"`` for values per axis."""
    plain = len({type(v) for v in values}) == 1 and not isinstance(values[0], tuple)
    labels = tuple(v if plain and not isinstance(v, tuple) else value_label(v) for v in values)
    met: set[int | str | bool] = set()
    for label in labels:
        if label in met:
            raise InputError(f"{name} has the value {shown(label)} twice; values of a factor must differ")
        met.add(label)
    return labels


def value_label(value: object) -> str:
    """Return a value as a string label."""
    return "x".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


class StageReader:
    """Reads stages one by one, knowing the shared factors of the space and the axes."""

    def __init__(self, shared: Mapping[str, Sequence[Any]], ndim: int) -> None:
        self.shared, self.ndim = shared, ndim
        self.found: dict[str, Factor] = {}  # shared factors by first use

    def read(self, given: object, position: int) -> Stage:
        """Return the stage of one mapping."""
        if not isinstance(given, Mapping):
            raise InputError(
                f"stage {position} is {shown(given)}; it must be a mapping such as {{name: s1, kernel: 3}}"
            )
        name = check_name(given.get("name", f"stage{position}"), f"stage {position}")
        what = f"stage {name!r}"
        params: dict[str, Value | Ref] = {}
        choices: tuple[Any, ...] | None = None
        self.own: list[Factor] = []
        self.uses: list[str] = []
        if "branches" in given:
            self._check_keys(given, ("name", "branches", "merge", "aligned", "repeat"), f"{what} with branches")
            params, choices = self._branches(given, name, what)
        elif "choices" in given:
            self._check_keys(given, ("name", "choices", "repeat"), f"{what} with choices")
            params, choices = {}, None
            for key in given:
                if key == "choices":
                    choices = self._choices(given[key], name)
                    params["choice"] = Ref(f"{name}_choice")
                elif key == "repeat":
                    params[key] = self._param(key, given[key], name, what)
        else:
            choices = None
            params = self._params(given, name, what, ("name", "op", "repeat", "stride_at"), factors=True)
        return Stage(name, params, choices, tuple(self.own), tuple(self.uses))

    def _check_keys(self, given: Mapping[str, Any], known: Sequence[str], what: str) -> None:
        for key in given:
            if key == "padding":
                raise InputError(
                    f"{what} has 'padding'; a space chooses it itself, dilation*(kernel-1)//2 at the start; drop it"
                )
            if key not in known:
                raise InputError(f"{what} has an unknown key {shown(key)}; {nearest(key, known)}")

    def _params(
        self, given: Mapping[str, Any], name: str, what: str, extra: tuple[str, ...], *, factors: bool
    ) -> dict[str, Value | Ref]:
        """Return the checked parameters of a layer; lists are factors only if `factors`."""
        ops = listed(given.get("op", "conv")) if factors else None
        ops = [given.get("op", "conv")] if ops is None else ops
        if ops and isinstance(ops[0], str) and ops[0].startswith("$"):
            ops = list(self.shared.get(ops[0][1:], []))
        ops = [check_op(op, f"op of {what}") for op in ops]
        known = list(dict.fromkeys(key for op in ops for key in PARAMS[op]))
        self._check_keys(given, (*extra, *known) if ops else tuple(given), what)
        for op in ops:
            if op in REQUIRED and given.get(REQUIRED[op]) is None:
                raise InputError(f"{what} needs {REQUIRED[op]!r} (op {op})")
        out: dict[str, Value | Ref] = {}
        for key, value in given.items():
            if key == "name" or value is None:
                continue
            if factors:
                out[key] = self._param(key, value, name, what)
            else:
                out[key] = self._constant(key, value, f"{key} of {what}")
        if "stride_at" in out and "stride" not in out:
            raise InputError(f"{what} has 'stride_at' but no 'stride'; add stride, or leave stride_at out")
        return out

    def _param(self, key: str, value: object, name: str, what: str) -> Value | Ref:
        values = listed(value)
        if values is None:
            return self._constant(key, value, f"{key} of {what}")
        factor = make_factor(f"{name}_{key}", key, values, self.ndim)
        self.own.append(factor)
        self.uses.append(factor.name)
        return Ref(factor.name)

    def _constant(self, key: str, value: object, what: str) -> Value | Ref:
        if not (isinstance(value, str) and value.startswith("$")):
            return check_value(key, value, what, self.ndim)
        name = value[1:]
        if name not in self.shared:
            raise InputError(f"{what} is {value!r}, but 'factors' has no {name!r}; {nearest(name, self.shared)}")
        values = listed(self.shared[name])
        assert values is not None
        for v in values:
            check_value(key, v, f"{what} through {value}: it", self.ndim)
        self.found.setdefault(name, make_factor(name, key, values, self.ndim))
        if name not in self.uses:
            self.uses.append(name)
        return Ref(name)

    def _branches(
        self, given: Mapping[str, Any], name: str, what: str
    ) -> tuple[dict[str, Value | Ref], tuple[tuple[Block, ...], ...]]:
        """Return the parameters of a stage with branches, and the branches as its only choice."""
        params: dict[str, Value | Ref] = {}
        parallel: Parallel | None = None
        for key in given:
            if key == "branches":
                parallel, labels = read_branches(given, what, self._block, f"{name}_branches")
                if parallel.factor is not None:
                    self.own.append(Factor(parallel.factor, tuple(range(len(labels))), tuple(labels)))
                    self.uses.append(parallel.factor)
            elif key == "repeat":
                params[key] = self._param(key, given[key], name, what)
        assert parallel is not None
        return params, ((parallel,),)

    def _choices(self, given: object, name: str) -> tuple[tuple[Block, ...], ...]:
        entries = listed(given)
        if not entries:
            raise InputError(f"choices of stage {name!r} is {shown(given)}; it must be a list of at least one layer")
        factor_name = f"{name}_choice"
        self.uses.append(factor_name)
        blocks: list[tuple[Block, ...]] = []
        labels: list[Any] = []
        for i, entry in enumerate(entries):
            what = f"choice {i} of stage {name!r}"
            layers, label = branch_layers(entry, what)
            blocks.append(tuple(self._block(layer, what) for layer in layers))
            labels.append(i if label is None else label)
        if not all(isinstance(label, str) for label in labels):
            labels = list(range(len(labels)))
        numbers = tuple(range(len(blocks)))
        label_values(factor_name, labels)
        self.own.append(Factor(factor_name, numbers, tuple(labels)))
        return tuple(blocks)

    def _block(self, layer: object, what: str) -> Block:
        if not isinstance(layer, Mapping):
            raise InputError(f"a layer of {what} is {shown(layer)}; it must be a mapping such as {{kernel: 3}}")
        if "branches" in layer:
            self._check_keys(layer, ("name", "branches", "merge", "aligned"), what)
            return read_branches(layer, what, self._block, None)[0]
        params = self._params(layer, "", what, ("name", "op", "repeat", "stride_at"), factors=False)
        if isinstance(layer.get("name"), str):
            params["name"] = layer["name"]
        return params
