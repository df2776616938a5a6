"""Layers: read from a spec one by one, and put in an order in which each comes after those it reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, NoReturn

from rfscale.engine.errors import InputError, nearest, shown
from rfscale.engine.network.ops import OPS
from rfscale.engine.network.spec import Written, layer_inputs, layer_params, text_name

IMAGE = "input"  # the name that layers read the image by
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
    op: str, name: str, source: str | tuple[str, ...], params: Mapping[str, Any], key: tuple[object, ...]
) -> Written:
    """Return what a builder writes for a layer.

    `WRITTEN` has it once it was read: by `key`, which holds all of this and the types of the parameters, where each of
    them is one number or word; else by `_key`, which says the same at twice the time.
    """
    spec = {"name": name, "op": op, **{k: copy(v) for k, v in params.items()}}
    spec["inputs"] = source if isinstance(source, str) else list(source)
    if _PLAIN.issuperset(map(type, params.values())):
        return Written(spec, key)
    found = _key(spec, 0, "", 0)
    return (WRITTEN.get(found) if found else None) or Written(spec, found)


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


def ordered(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """Return the layers so that each comes after those it reads, otherwise as they stand."""
    met = {IMAGE}
    for layer in layers:  # by far the most stand in order; the search below takes five times as long
        if layer.name in met or not met.issuperset(layer.inputs):
            break
        met.add(layer.name)
    else:
        return tuple(layers)
    named: dict[str, Layer] = {}
    for layer in layers:
        if layer.name == IMAGE:
            raise InputError(f"a layer is named {IMAGE!r}, which is the image's name; choose another")
        if layer.name in named:
            raise InputError(f"two layers are named {layer.name!r}; names must differ")
        named[layer.name] = layer
    for layer in layers:
        for source in layer.inputs:
            if source != IMAGE and source not in named:
                raise InputError(
                    f"layer {layer.name!r} reads {source!r}, which is no layer; {nearest(source, [*named, IMAGE])}"
                )
    done = {IMAGE}
    order: list[Layer] = []
    for start in layers:
        stack, path = [start], {start.name: None}
        while stack:
            layer = stack[-1]
            missing = next((s for s in layer.inputs if s not in done), None)
            if missing is None:
                stack.pop()
                path.pop(layer.name, None)
                if layer.name not in done:
                    done.add(layer.name)
                    order.append(layer)
            elif missing in path:
                cycle = [*list(path)[list(path).index(missing) :], missing]
                raise InputError("the network has a cycle: " + " reads ".join(repr(c) for c in cycle))
            else:
                path[missing] = None
                stack.append(named[missing])
    return tuple(order)
