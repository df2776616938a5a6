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
from rfscale.sweeps.spaces.graphs.cell import CellUse
from rfscale.sweeps.spaces.graphs.skip import Skip
from rfscale.sweeps.spaces.graphs.wiring import (
    IMAGE,
    MODES,
    UPSAMPLING,
    Block,
    ChainLayer,
    Given,
    Part,
    Wired,
    Wirer,
    Wiring,
    chain_wiring,
    flat_blocks,
    resolved_layer,
    wiring_stride,
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
    "upsample": ("scale", "mode"),
    "conv_transpose": ("kernel", "stride", *_COSTED),
}
REQUIRED = {
    **dict.fromkeys((*WINDOWS, "conv_transpose"), "kernel"),
    **dict.fromkeys(("space_to_depth", "upsample"), "scale"),
}
PER_AXIS = {"kernel": 1, "stride": 1, "dilation": 1, "scale": 1, "step": 1, "start": 0}  # smallest value
PLACES = ("first", "last")
NAME = re.compile(r"[A-Za-z]\w*")
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

    `own` are the factors it introduces by a list of its own; `uses` all factors it reads, in written order. `source` is
    the stage whose output it reads, where that is not the stage before.
    """

    name: str
    params: Mapping[str, Value | Ref]
    choices: tuple[tuple[Block, ...], ...] | None
    own: tuple[Factor, ...]
    uses: tuple[str, ...]
    source: str | None = None

    @cached_property
    def blocks(self) -> tuple[Mapping[str, Value | Ref], ...]:
        """Its own parameters, and those of all layers of all choices and branches."""
        return (self.params, *flat_blocks(block for choice in self.choices or () for block in choice))

    @cached_property
    def branching(self) -> bool:
        """Whether some choice has branches or a cell."""
        return any(isinstance(block, Part) for choice in self.choices or () for block in choice)

    @property
    def skip(self) -> Skip | None:
        """The skip, where the stage is one."""
        only = self.choices[0][0] if self.choices and len(self.choices[0]) == 1 else None
        return only if isinstance(only, Skip) else None

    @property
    def sources(self) -> tuple[str, ...]:
        """The stages whose outputs it reads, other than the one before."""
        own = (self.source,) if self.source else ()
        return (*own, *self.skip.sources) if self.choices and self.skip else own

    def upsamples(self, values: Mapping[str, Sequence[Value]]) -> bool:
        """Whether some layer may make more entries; `values` are those of all factors."""
        for block in self.blocks if self.choices else (self.params,):
            op = block.get("op")
            if op in UPSAMPLING or (isinstance(op, Ref) and any(v in UPSAMPLING for v in values[op.factor])):
                return True
        return False

    @property
    def cell(self) -> CellUse | None:
        """The cell, where the stage is uses of one."""
        only = self.choices[0][0] if self.choices and len(self.choices) == 1 and len(self.choices[0]) == 1 else None
        return only if isinstance(only, CellUse) else None

    @property
    def reads_earlier(self) -> bool:
        """Whether it reads the map before the last one, too."""
        return self.cell is not None and len(self.cell.cell.inputs) == 2

    @property
    def numbered(self) -> bool:
        """Whether its layers are called name.1, name.2, ... rather than name."""
        return self.choices is not None or "repeat" in self.params

    def wired(self, chosen: Mapping[str, Value], ndim: int, given: Given = IMAGE, keep: bool = False) -> Wired:
        """Return the nodes of this stage; `chosen` gives the value of every factor in `uses`.

        With `keep`, the next stage reads the map before the output, too.
        """
        if not self.branching and self.source is None:
            nodes = chain_wiring(self.layers(chosen, ndim))
            return Wired(nodes, 0 if given.last else None, wiring_stride(nodes))

        pick = _picker(chosen)

        wirer = Wirer(self.name, lambda block: self.block_layers(block, chosen, ndim), chosen)
        at = wirer.find(given) if self.source is None else wirer.output_of(self.source)
        start = at
        if not self.branching:
            for layer in self.layers(chosen, ndim):
                at = wirer.add(layer, (at or 0,))
            return Wired(wirer.wiring(at), start, 1)
        assert self.choices is not None  # branches are choices
        for _ in range(pick(self.params, "repeat", 1)):
            at = wirer.series(self.choices[pick(self.params, "choice", 0)], at)
        if self.cell is not None and keep:
            return wirer.wired(at, wirer.earlier, wirer.ratio)
        nodes = wirer.wiring(at)
        return Wired(nodes, start, wiring_stride(nodes) if self.cell is None else wirer.ratio)

    def use(self, chosen: Mapping[str, Value], layers: Callable[[Mapping[str, Any]], Sequence[ChainLayer]]) -> Wiring:
        """Return the nodes of one use of its cell; `layers` gives the layers of a block."""
        assert self.cell is not None
        wirer = Wirer(self.name, layers, chosen)
        return wirer.wiring(self.cell.wire(wirer, 0))

    @property
    def folded(self) -> bool:
        """Whether it uses a cell of more choices than tables hold."""
        return self.cell is not None and self.cell.folded

    def maps(self, chosen: Mapping[str, Value]) -> int:
        """Return how many maps it adds to those that a cell of two inputs can read."""
        return 1 if self.cell is None else _picker(chosen)(self.params, "repeat", 1)

    def wiring(self, chosen: Mapping[str, Value], ndim: int) -> Wiring:
        """Return the nodes of this stage, which reads one map."""
        return self.wired(chosen, ndim).nodes

    def block_layers(
        self, block: Mapping[str, Value | Ref], chosen: Mapping[str, Value], ndim: int
    ) -> list[ChainLayer]:
        """Return the layers of one block that is neither branches nor cell; those of equal blocks are made once."""
        values = [(key, chosen[v.factor] if isinstance(v, Ref) else v) for key, v in block.items()]
        key = (ndim, *values)
        if key not in self._made:
            self._made[key] = self._layers_of(dict(values), ndim)
        return [*self._made[key]]

    @cached_property
    def _made(self) -> dict[tuple[Any, ...], list[ChainLayer]]:
        """The layers of blocks so far, by the values of their parameters."""
        return {}

    def _layers_of(self, block: Mapping[str, Value | Ref], ndim: int) -> list[ChainLayer]:
        pick = _picker({})
        times, place = pick(block, "repeat", 1), pick(block, "stride_at", "first")
        either = resolved_layer(block, pick, False, ndim), resolved_layer(block, pick, True, ndim)
        return [either[i == (0 if place == "first" else times - 1)] for i in range(times)]

    def layers(self, chosen: Mapping[str, Value], ndim: int) -> list[ChainLayer]:
        """Return the layers of this stage; `chosen` gives the value of every factor in `uses`."""
        if self.branching:
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
        made = []
        for block in blocks:
            plain = resolved_layer(block, pick, False, ndim)
            alike = block.get("stride", 1) == 1 and "scale" not in block
            made.append((plain, plain if alike else resolved_layer(block, pick, True, ndim)))
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
    if not isinstance(name, str) or not NAME.fullmatch(name) or keyword.iskeyword(name):
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
    if key == "mode":
        return _word(value, what, MODES)
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
