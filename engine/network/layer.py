"""Layers: read from a spec one by one, and put in an order in which each comes after those it reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from types import MappingProxyType
from typing import Any, NamedTuple, NoReturn

from rfscale.engine.errors import InputError, nearest, shown
from rfscale.engine.network.ops import OPS
from rfscale.engine.network.spec import Written, layer_inputs, layer_params, text_name

IMAGE = "input"  # the name that layers read the image by
MAX_ALIKE = 1 << 10  # layers of networks whose wiring is kept for the next one that has the same
MAX_KEPT = 1 << 16  # layers that were read, kept for the next network that has the same


class Params(dict[str, Any]):
    """The parameters of a layer: a dict that cannot be changed."""

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("a layer's parameters cannot be changed; build a new network")

    __setitem__ = __delitem__ = __ior__ = update = pop = popitem = clear = setdefault = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[Any, ...]:
        return Params, (dict(self),)


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer. `params` holds normalised values: one per axis or side, defaults filled in."""

    name: str
    op: str
    inputs: tuple[str, ...]
    params: Params


_NAME, _INPUTS = attrgetter("name"), attrgetter("inputs")
_KEPT: dict[tuple[object, ...], Layer] = {}
WRITTEN: dict[object, Written] = {}  # by builders, once they were read
_PLAIN = frozenset({int, str, bool, float, type(None)})


def read_layers(given: Sequence[Any], ndim: int) -> list[Layer]:
    """Return the layers of a spec; each reads the one before where it does not say what it reads.

    Equal layers of many networks are one object, read once: layers do not change.
    """
    layers: list[Layer] = []
    before = IMAGE
    for spec in given:
        if type(spec) is Written:
            layer = spec.layers.get(ndim) or _read_written(spec, ndim, len(layers) + 1)
        else:
            layer = _read_kept(spec, ndim, before, len(layers) + 1)
        layers.append(layer)
        before = layer.name
    return layers


def _read_kept(spec: Any, ndim: int, before: str, position: int) -> Layer:
    key = _key(spec, ndim, before, position)
    layer = _KEPT.get(key) if key else None
    if layer is None:
        layer = _read_layer(spec, ndim, before, position)
        if key:
            if len(_KEPT) >= MAX_KEPT:
                _KEPT.clear()
            _KEPT[key] = layer
    return layer


def written(
    op: str, name: str, source: str | tuple[str, ...], params: Mapping[str, Any], key: object | None
) -> Written:
    """Return what a builder writes for a layer; `WRITTEN` has it by its key once it was read."""
    spec = {"name": name, "op": op, **{k: copy(v) for k, v in params.items()}}
    spec["inputs"] = source if isinstance(source, str) else list(source)
    return Written(spec, key if _key(spec, 0, "", 0) else None)


def _read_written(spec: Written, ndim: int, position: int) -> Layer:
    layer = _read_kept(dict(spec), ndim, "", position)
    spec.layers[ndim] = layer
    if spec.key:
        if len(WRITTEN) >= MAX_KEPT:
            WRITTEN.clear()
        WRITTEN[spec.key] = spec
    return layer


def _key(spec: Any, ndim: int, before: str, position: int) -> tuple[object, ...] | None:
    """All that a layer is read from; None where a value is none of Python's own, or a list of such a value.

    Types are part of it: `True` is no kernel, but equals 1.
    """
    if type(spec) is not dict:
        return None
    values = tuple(spec.values())
    kinds = tuple(map(type, values))
    own = position if "name" not in spec else 0
    if _PLAIN.issuperset(kinds):
        return ndim, before, own, tuple(spec), values, kinds
    values = tuple([tuple(v) if type(v) is list else v for v in values])
    inner = tuple([tuple(map(type, v)) if type(v) is tuple else None for v in values])
    for kind, types in zip(kinds, inner, strict=True):
        if not (kind in _PLAIN if types is None else _PLAIN.issuperset(types)):
            return None
    return ndim, before, own, tuple(spec), values, kinds, inner


def _read_layer(spec: Any, ndim: int, before: str, position: int) -> Layer:
    if not isinstance(spec, Mapping):
        raise InputError(f"layer {position} is {shown(spec)}; it must be a mapping such as {{op: conv, kernel: 3}}")
    op = spec.get("op", "conv")
    if not isinstance(op, str) or op not in OPS:
        raise InputError(f"layer {position} has an unknown op {shown(op)}; {nearest(op, OPS)}")
    name = text_name(spec.get("name", f"{op}{position}"), f"name of layer {position}")
    label = f"layer {name!r}"
    inputs = (before,) if spec.get("inputs") is None else layer_inputs(spec["inputs"], label)
    if OPS[op].kind != "merge" and len(inputs) != 1:
        raise InputError(
            f"{label} ({op}) reads one map, not {len(inputs)}; merge them with add, concat or multiply first"
        )
    params = layer_params(op, spec, label, ndim)
    if op == "adaptive_pool" and max(params["size"]) == 1:
        op = "global_pool"
        del params["size"]
    return Layer(name, op, inputs, Params(params))


class Wiring(NamedTuple):
    """What follows from the names and inputs of layers alone.

    Attributes
    ----------
    order : tuple of int or None
        Positions of the layers so that each comes after those it reads; None where they stand so.
    positions : mapping
        By name, in that order.
    ends : tuple of str
        The layers that nobody reads.
    """

    order: tuple[int, ...] | None
    positions: Mapping[str, int]
    ends: tuple[str, ...]


def wiring(layers: Sequence[Layer]) -> Wiring:
    """Return how layers are wired; most networks of a space are wired alike, and share it: two thirds of the time."""
    names, inputs = tuple(map(_NAME, layers)), tuple(map(_INPUTS, layers))
    return _wiring(names, inputs) if len(names) <= MAX_ALIKE else _wiring.__wrapped__(names, inputs)


@lru_cache(maxsize=256)
def _wiring(names: tuple[str, ...], inputs: tuple[tuple[str, ...], ...]) -> Wiring:
    order = _order(names, inputs)
    in_order = names if order is None else tuple([names[i] for i in order])
    read: set[str] = set().union(*inputs)
    positions = MappingProxyType({name: i for i, name in enumerate(in_order)})
    return Wiring(order, positions, tuple([name for name in in_order if name not in read]))


def _order(names: tuple[str, ...], inputs: tuple[tuple[str, ...], ...]) -> tuple[int, ...] | None:
    met = {IMAGE}
    for name, sources in zip(names, inputs, strict=True):  # by far the most stand in order; what follows takes longer
        if name in met or not met.issuperset(sources):
            break
        met.add(name)
    else:
        return None
    named: dict[str, int] = {}
    for i, name in enumerate(names):
        if name == IMAGE:
            raise InputError(f"a layer is named {IMAGE!r}, which is the image's name; choose another")
        if name in named:
            raise InputError(f"two layers are named {name!r}; names must differ")
        named[name] = i
    for name, sources in zip(names, inputs, strict=True):
        for source in sources:
            if source != IMAGE and source not in named:
                raise InputError(
                    f"layer {name!r} reads {source!r}, which is no layer; {nearest(source, [*named, IMAGE])}"
                )
    done = {IMAGE}
    order: list[int] = []
    for start in names:
        stack, path = [start], {start: None}
        while stack:
            name = stack[-1]
            missing = next((s for s in inputs[named[name]] if s not in done), None)
            if missing is None:
                stack.pop()
                path.pop(name, None)
                if name not in done:
                    done.add(name)
                    order.append(named[name])
            elif missing in path:
                cycle = [*list(path)[list(path).index(missing) :], missing]
                raise InputError("the network has a cycle: " + " reads ".join(repr(c) for c in cycle))
            else:
                path[missing] = None
                stack.append(missing)
    return tuple(order)
