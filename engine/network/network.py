"""Networks: immutable graphs of layers, with map sizes and checks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from typing import Any, NoReturn, Self

from rfscale.engine.errors import InputError, nearest, shown
from rfscale.engine.network.ops import OPS
from rfscale.engine.network.spec import (
    AXES,
    MAX_LAYERS,
    NETWORK_KEYS,
    count_axes,
    layer_inputs,
    layer_params,
    listed,
    per_axis,
    shortest,
    whole,
)

IMAGE = "input"


Size = tuple[int, ...]


class Params(dict[str, Any]):
    """The parameters of a layer: a dict that cannot be changed."""

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("a layer's parameters cannot be changed; build a new network")

    __setitem__ = __delitem__ = __ior__ = update = pop = popitem = clear = setdefault = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return Params, (dict(self),)


@dataclass(frozen=True)
class Layer:
    """One layer. `params` holds normalised values: one per axis or side, defaults filled in."""

    name: str
    op: str
    inputs: tuple[str, ...]
    params: Params


class Network:
    """An immutable graph of layers over one image.

    Made by `from_dict`, `from_file`, `sequential` or a `NetworkBuilder`; docs/formats.md says what a spec may hold.

    Attributes
    ----------
    name : str
    layers : tuple of Layer
        In an order in which each layer comes after those it reads.
    axes : tuple of str
        ``("x",)``, ``("y", "x")`` or ``("z", "y", "x")``.
    input_size : tuple of int or None
        Pixels per axis that the spec itself carries.
    input_channels : int
    outputs : tuple of str
        The maps that matter: those the spec names, or the layers nobody reads.

    Raises
    ------
    InputError
        One line for anything that is not a network.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        *,
        name: str = "network",
        axes: int = 2,
        input_size: Size | None = None,
        input_channels: int = 3,
        outputs: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.axes = AXES[axes]
        self.input_size = input_size
        self.input_channels = input_channels
        self._named_outputs = tuple(outputs)
        self.layers = _ordered(layers)
        self._index = {layer.name: i for i, layer in enumerate(self.layers)}
        for output in self._named_outputs:
            self[output]
        read = {source for layer in self.layers for source in layer.inputs}
        self.outputs = self._named_outputs or tuple(x.name for x in self.layers if x.name not in read)
        if input_size is not None:
            self.map_sizes()

    # reading and writing -------------------------------------------------------------------------------------------

    @classmethod
    def from_dict(cls, spec: Mapping[str, Any]) -> Self:
        """Return the network of a spec dict (docs/formats.md)."""
        if not isinstance(spec, Mapping):
            raise InputError(f"a network must be a mapping with 'layers', not {shown(spec)}")
        for key in spec:
            if key not in NETWORK_KEYS:
                raise InputError(f"a network has no {shown(key)}; {nearest(key, NETWORK_KEYS)}")
        given = listed(spec.get("layers"))
        if not given:
            raise InputError("a network needs 'layers', a list of at least one layer")
        if len(given) > MAX_LAYERS:
            raise InputError(f"the network has {len(given)} layers; at most {MAX_LAYERS} are supported")
        name = spec.get("name")
        if name is not None and not isinstance(name, str):
            raise InputError(f"name of the network is {shown(name)}; it must be a string")
        ndim = count_axes({**spec, "layers": given})
        outputs = layer_inputs(spec["outputs"], "outputs") if spec.get("outputs") is not None else ()
        return cls(
            list(_read_layers(given, ndim)),
            name=name or "network",
            axes=ndim,
            input_size=None if spec.get("input_size") is None else check_size(spec["input_size"], ndim),
            input_channels=whole(spec.get("input_channels", 3), "input_channels"),
            outputs=outputs,
        )

    @classmethod
    def from_file(cls, path: str | PathLike[str]) -> Self:
        """Return the network of a YAML or JSON file."""
        from rfscale.engine.files import read_mapping

        try:
            return cls.from_dict(read_mapping(path))
        except InputError as error:
            message = str(error)
            raise InputError(message if str(path) in message else f"{path}: {message}") from None

    @classmethod
    def sequential(cls, *layers: Mapping[str, Any], **network: Any) -> Self:
        """Return a chain: each layer reads the one before.

        Examples
        --------
        >>> Network.sequential({"kernel": 3}, {"op": "max_pool", "kernel": 2}).layers[1].name
        'max_pool2'
        """
        return cls.from_dict({**network, "layers": list(layers)})

    def to_dict(self) -> dict[str, Any]:
        """Return the spec of this network, in its shortest form; `from_dict` is the inverse."""
        ndim = len(self.axes)
        spec: dict[str, Any] = {"name": self.name}
        if self.input_size is not None:
            spec["input_size"] = list(self.input_size)
        elif ndim != 2:
            spec["axes"] = ndim
        if self.input_channels != 3:
            spec["input_channels"] = self.input_channels
        if self._named_outputs:
            spec["outputs"] = list(self._named_outputs)
        spec["layers"] = []
        before = IMAGE
        for layer in self.layers:
            written: dict[str, Any] = {"name": layer.name, "op": layer.op}
            for key, value in layer.params.items():
                param = OPS[layer.op].params.get(key)
                short = shortest(value, ndim)
                if param is None or short != shortest(layer.params.get(param.default_is or "", param.default), ndim):
                    written[key] = short
            if layer.inputs != (before,):
                written["inputs"] = layer.inputs[0] if len(layer.inputs) == 1 else list(layer.inputs)
            spec["layers"].append(written)
            before = layer.name
        return spec

    @cached_property
    def hash(self) -> str:
        """Hex digest of everything but the network's name."""
        spec = self.to_dict()
        del spec["name"]
        return hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:16]

    # looking --------------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, name: str) -> Layer:
        try:
            return self.layers[self._index[name]]
        except (KeyError, TypeError):
            raise InputError(f"{self.name} has no layer {shown(name)}; {nearest(name, self._index)}") from None

    def __contains__(self, name: object) -> bool:
        return name in self._index

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Network) and self.name == other.name and self.hash == other.hash

    def __hash__(self) -> int:
        return hash(self.hash)

    def __repr__(self) -> str:
        size = "" if self.input_size is None else f", input {'×'.join(map(str, self.input_size))}"
        return f"<Network {self.name}: {len(self)} layers, axes {', '.join(self.axes)}{size}>"

    def index(self, name: str) -> int:
        """Return the position of a layer."""
        self[name]
        return self._index[name]

    @cached_property
    def behind_global(self) -> tuple[frozenset[str], frozenset[str]]:
        """Layers with a global op behind any of their branches, and those with one behind every branch."""
        anyway: set[str] = set()
        wholly: set[str] = set()
        for layer in self.layers:
            is_global = OPS[layer.op].kind == "global"
            if is_global or any(i in anyway for i in layer.inputs):
                anyway.add(layer.name)
            if is_global or all(i in wholly for i in layer.inputs):
                wholly.add(layer.name)
        return frozenset(anyway), frozenset(wholly)

    def map_sizes(self, input_size: int | Sequence[int] | None = None) -> dict[str, Size]:
        """Return the entries per axis of every map, `input` included.

        Parameters
        ----------
        input_size : int or sequence of int, optional
            Pixels per axis; by default the network's own.

        Raises
        ------
        InputError
            Where a map shrinks to nothing, branches of different sizes merge, or no size is known.
        """
        size = self.input_size if input_size is None else check_size(input_size, len(self.axes))
        if size is None:
            raise InputError(f"{self.name} carries no input_size; give one")
        sizes: dict[str, Size] = {IMAGE: size}
        for layer in self.layers:
            sizes[layer.name] = self._map_size(layer, sizes)
        return sizes

    def _map_size(self, layer: Layer, sizes: Mapping[str, Size]) -> Size:
        op = OPS[layer.op]
        if op.kind == "merge":
            return self._merged_size(layer, sizes)
        before = sizes[layer.inputs[0]]
        try:
            size = tuple(op.size(layer.params, a, n) for a, n in enumerate(before))
        except InputError as error:
            raise InputError(f"layer {layer.name!r}: {error}") from None
        if min(size) < 1:
            shown_size = "×".join(map(str, before))
            raise InputError(
                f"layer {layer.name!r} ({layer.op}) leaves nothing of its {shown_size} input; enlarge input_size"
            )
        if max(size) > 2**53:
            raise InputError(f"layer {layer.name!r} ({layer.op}) makes a map of {max(size)} entries on one axis")
        return size

    def _merged_size(self, layer: Layer, sizes: Mapping[str, Size]) -> Size:
        wholly = self.behind_global[1]
        kept = [i for i in layer.inputs if not (i in wholly and max(sizes[i]) == 1)] or list(layer.inputs)
        first = sizes[kept[0]]
        for other in kept[1:]:
            if sizes[other] != first:
                raise InputError(
                    f"layer {layer.name!r} merges maps of different sizes: {kept[0]!r} is {'×'.join(map(str, first))}, "
                    f"{other!r} is {'×'.join(map(str, sizes[other]))}"
                )
        return first


def check_size(size: object, ndim: int, what: str = "input_size") -> Size:
    """Return an image size as one int per axis."""
    return per_axis(size, what, ndim)


def _read_layers(given: Sequence[Any], ndim: int) -> Iterable[Layer]:
    before = IMAGE
    for position, layer in enumerate(given, start=1):
        if not isinstance(layer, Mapping):
            raise InputError(
                f"layer {position} is {shown(layer)}; it must be a mapping such as {{op: conv, kernel: 3}}"
            )
        op = layer.get("op", "conv")
        if not isinstance(op, str) or op not in OPS:
            raise InputError(f"layer {position} has an unknown op {shown(op)}; {nearest(op, OPS)}")
        name = layer.get("name", f"{op}{position}")
        if not isinstance(name, str) or not name:
            raise InputError(f"name of layer {position} is {shown(name)}; it must be a string")
        label = f"layer {name!r}"
        inputs = (before,) if layer.get("inputs") is None else layer_inputs(layer["inputs"], label)
        if OPS[op].kind != "merge" and len(inputs) != 1:
            raise InputError(
                f"{label} ({op}) reads one map, not {len(inputs)}; merge them with add, concat or multiply first"
            )
        params = layer_params(op, layer, label, ndim)
        if op == "adaptive_pool" and max(params["size"]) == 1:
            op = "global_pool"
            del params["size"]
        yield Layer(name, op, inputs, Params(params))
        before = name


def _ordered(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """Return the layers so that each comes after those it reads, otherwise as they stand."""
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
