"""Networks: immutable graphs of layers, with map sizes and checks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from os import PathLike
from types import MappingProxyType
from typing import Any, NoReturn, Self

from rfscale.engine.errors import INPUT_SIZE, InputError, Parameter, nearest, shown, visible
from rfscale.engine.network.derived import Derived
from rfscale.engine.network.layer import IMAGE, Layer, read_layers, wiring
from rfscale.engine.network.modules import module_layer
from rfscale.engine.network.ops import OPS
from rfscale.engine.network.spec import (
    AXES,
    INPUT_CHANNELS,
    MAX_LAYERS,
    NETWORK_KEYS,
    check_texts,
    count_axes,
    layer_inputs,
    listed,
    per_axis,
    shortest,
    text_name,
    whole,
)

Size = tuple[int, ...]
_NONE: Mapping[Any, Any] = MappingProxyType({})
_KEYS = frozenset(NETWORK_KEYS)
_MAPPINGS = ("assumed", "left_out", "modules")  # attributes that are texts by text


class Network:
    """An immutable graph of layers over one image.

    Made by `from_dict`, `from_file`, `sequential` or a `NetworkBuilder`; docs/formats.md says what a spec may hold.
    What analyses work out about a network is kept beside it: it stays as small as it was made.

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
    assumed : mapping
        Operators of a model that its reader did not know, and what it took each for.
    left_out : mapping
        Operators of a model at which its reader stopped, ``node: operator``, and why. What depends on them is no layer.
    modules : mapping
        Names of a model's modules that are no names of layers, and the layer that each returns.

    Raises
    ------
    InputError
        One line for anything that is not a network.
    """

    __slots__ = (
        "__weakref__",
        "_index",
        "_named_outputs",
        "assumed",
        "axes",
        "input_channels",
        "input_size",
        "layers",
        "left_out",
        "modules",
        "name",
        "outputs",
    )

    name: str
    layers: tuple[Layer, ...]
    axes: tuple[str, ...]
    input_size: Size | None
    input_channels: int
    outputs: tuple[str, ...]
    assumed: Mapping[str, str]
    left_out: Mapping[str, str]
    modules: Mapping[str, str]
    _named_outputs: tuple[str, ...]
    _index: Mapping[str, int]

    def __init__(
        self,
        layers: Sequence[Layer],
        *,
        name: str = "network",
        axes: int = 2,
        input_size: Size | None = None,
        input_channels: int = INPUT_CHANNELS,
        outputs: Sequence[str] = (),
        assumed: Mapping[str, str] | None = None,
        left_out: Mapping[str, str] | None = None,
        modules: Mapping[str, str] | None = None,
    ) -> None:
        order, positions, ends = wiring(layers)
        named = tuple(outputs)
        fill = object.__setattr__
        fill(self, "name", name)
        fill(self, "axes", AXES[axes])
        fill(self, "input_size", input_size)
        fill(self, "input_channels", input_channels)
        fill(self, "layers", tuple(layers) if order is None else tuple([layers[i] for i in order]))
        fill(self, "outputs", named or ends)
        fill(self, "assumed", _kept(assumed))
        fill(self, "left_out", _kept(left_out))
        fill(self, "modules", _kept(modules))
        fill(self, "_named_outputs", named)
        fill(self, "_index", positions)
        if named or self.modules:
            for name in (*named, *self.modules.values()):
                self._check_layer(name)
            for name in self._index.keys() & self.modules.keys():
                raise InputError(f"modules: {name!r} is the name of a layer; modules are those of other names")
        if input_size is not None:
            self.map_sizes()

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{name!r} of a network cannot be set; build a new network")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{name!r} of a network cannot be deleted; build a new network")

    def __getstate__(self) -> dict[str, Any]:
        kept = [name for name in Network.__slots__ if name not in ("__weakref__", "_index")]
        return {name: getattr(self, name) for name in kept} | {name: dict(getattr(self, name)) for name in _MAPPINGS}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for key in _MAPPINGS:
            state[key] = _kept(state[key])
        for key, value in {**state, "_index": wiring(state["layers"]).positions}.items():
            object.__setattr__(self, key, value)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    # reading and writing -------------------------------------------------------------------------------------------

    @classmethod
    def from_dict(cls, spec: Mapping[str, Any]) -> Self:
        """Return the network of a spec dict (docs/formats.md)."""
        if not isinstance(spec, Mapping):
            raise InputError(f"a network must be a mapping with 'layers', not {shown(spec)}")
        for key in [] if _KEYS.issuperset(spec) else [key for key in spec if key not in _KEYS]:
            raise InputError(f"a network has no {shown(key)}; {nearest(key, NETWORK_KEYS)}")
        given = listed(spec.get("layers"))
        if not given:
            raise InputError("a network needs 'layers', a list of at least one layer")
        if len(given) > MAX_LAYERS:
            raise InputError(f"the network has {len(given)} layers; at most {MAX_LAYERS} are supported")
        name = spec.get("name")
        if name is not None and name != "":
            text_name(name, "name of the network")
        ndim = count_axes(spec, given)
        outputs = layer_inputs(spec["outputs"], "outputs") if spec.get("outputs") is not None else ()
        return cls(
            read_layers(given, ndim),
            name=name or "network",
            axes=ndim,
            input_size=None if spec.get("input_size") is None else check_size(spec["input_size"], ndim),
            input_channels=whole(spec.get("input_channels", INPUT_CHANNELS), "input_channels"),
            outputs=outputs,
            **{key: check_texts(spec[key], key) for key in _MAPPINGS if key in spec},
        )

    @classmethod
    def from_file(cls, path: str | PathLike[str]) -> Self:
        """Return the network of a YAML or JSON file."""
        from rfscale.engine.files import read_mapping

        spec = read_mapping(path)
        try:
            return cls.from_dict(spec)
        except InputError as error:
            raise error.within(str(path)) from None

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
        if self.input_channels != INPUT_CHANNELS:
            spec["input_channels"] = self.input_channels
        if self._named_outputs:
            spec["outputs"] = list(self._named_outputs)
        spec |= {key: dict(getattr(self, key)) for key in _MAPPINGS if getattr(self, key)}
        spec["layers"] = []
        before = IMAGE
        for layer in self.layers:
            written: dict[str, Any] = {"name": layer.name, "op": layer.op}
            defaults, params = _short_defaults(layer.op, ndim), layer.params
            for key, value in params.items():
                short = shortest(value, ndim)
                same_as, default = defaults.get(key, (None, _NO_DEFAULT))
                if short != (default if same_as is None else shortest(params.get(same_as), ndim)):
                    written[key] = short
            if layer.inputs != (before,):
                written["inputs"] = layer.inputs[0] if len(layer.inputs) == 1 else list(layer.inputs)
            spec["layers"].append(written)
            before = layer.name
        return spec

    @property
    def hash(self) -> str:
        """Hex digest of the spec without the network's name."""
        return _HASHES.of(self)

    # layers and maps --------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, name: str) -> Layer:
        return self.layers[self.index(name)]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._index

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Network) and self.name == other.name and self.hash == other.hash

    def __hash__(self) -> int:
        return hash(self.hash)

    def __repr__(self) -> str:
        size = "" if self.input_size is None else f", input {'×'.join(map(str, self.input_size))}"
        return f"<Network {visible(self.name)}: {len(self)} layers, axes {', '.join(self.axes)}{size}>"

    def __str__(self) -> str:
        from rfscale.engine.display.network_tree import network_text

        return network_text(self)

    def _repr_html_(self) -> str:
        from rfscale.engine.display.network_tree import network_html

        return network_html(self)

    def index(self, name: str) -> int:
        """Return the position of a layer, or of the layer that a module returns.

        Raises
        ------
        InputError
            With the nearest names; or, where a module returns several maps, with their names.
        """
        try:
            return self._index[name]
        except (KeyError, TypeError):
            return self._index[module_layer(self, name)]

    def _check_layer(self, name: str) -> None:
        if name not in self._index:
            raise InputError(f"{self.name} has no layer {shown(name)}; {nearest(name, self._index)}")

    @property
    def global_layers(self) -> tuple[frozenset[str], frozenset[str]]:
        """Layers downstream of a global op, itself included: on any of their branches, and on every branch."""
        return _GLOBAL_LAYERS.of(self)

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
        size = self.input_size if input_size is None else check_size(input_size, len(self.axes), INPUT_SIZE)
        if size is None:
            raise InputError(f"{self.name} carries no input_size", remedy=("give ", INPUT_SIZE))
        sizes: dict[str, Size] = {IMAGE: size}
        on_every_branch = self.global_layers[1]
        for layer in self.layers:
            before = [sizes[i] for i in layer.inputs]
            sizes[layer.name] = map_size_after(layer, before, [i in on_every_branch for i in layer.inputs])
        return sizes


def map_size_after(layer: Layer, before: Sequence[Size], global_branches: Sequence[bool]) -> Size:
    """Return the entries per axis of a layer's map.

    Parameters
    ----------
    layer : Layer
    before : sequence of tuple of int
        Entries of the maps that it reads.
    global_branches : sequence of bool
        Whether each of these maps is downstream of a global op on every branch: a merge spreads one of one entry.
    """
    op = OPS[layer.op]
    if op.kind == "merge":
        return _merged_size(layer, before, global_branches)
    try:
        size = tuple([op.size(layer.params, a, n) for a, n in enumerate(before[0])])
    except InputError as error:
        raise error.within(f"layer {layer.name!r}") from None
    if min(size) < 1:
        shown_size = "×".join(map(str, before[0]))
        raise InputError(
            f"layer {layer.name!r} ({layer.op}) leaves nothing of its {shown_size} input",
            remedy=("enlarge ", INPUT_SIZE),
        )
    if max(size) > 2**53:
        raise InputError(f"layer {layer.name!r} ({layer.op}) makes a map of {max(size)} entries on one axis")
    return size


def _merged_size(layer: Layer, before: Sequence[Size], global_branches: Sequence[bool]) -> Size:
    every = list(zip(layer.inputs, before, strict=True))
    spread = zip(every, global_branches, strict=True)
    kept = [branch for branch, is_global in spread if not (is_global and max(branch[1]) == 1)] or every
    name, first = kept[0]
    for other, size in kept[1:]:
        if size != first:
            raise InputError(
                f"layer {layer.name!r} merges maps of different sizes: {name!r} is {'×'.join(map(str, first))}, "
                f"{other!r} is {'×'.join(map(str, size))}"
            )
    return first


def _kept(texts: Mapping[str, str] | None) -> Mapping[str, str]:
    return MappingProxyType(dict(texts)) if texts else _NONE


_NO_DEFAULT = object()


@lru_cache(maxsize=256)
def _short_defaults(op: str, ndim: int) -> dict[str, tuple[str | None, Any]]:
    """Of each parameter of an op the one whose value is its default, or None and the default as a spec writes it."""
    return {key: (param.default_is, shortest(param.default, ndim)) for key, param in OPS[op].params.items()}


def _hash(network: Network) -> str:
    spec = network.to_dict()
    del spec["name"]
    return hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:16]


def _global_layers(network: Network) -> tuple[frozenset[str], frozenset[str]]:
    on_any_branch: set[str] = set()
    on_every_branch: set[str] = set()
    for layer in network.layers:
        is_global = OPS[layer.op].kind in ("global", "one_way")
        if is_global or any(i in on_any_branch for i in layer.inputs):
            on_any_branch.add(layer.name)
        if is_global or all(i in on_every_branch for i in layer.inputs):
            on_every_branch.add(layer.name)
    return frozenset(on_any_branch), frozenset(on_every_branch)


_HASHES = Derived(_hash)
_GLOBAL_LAYERS = Derived(_global_layers)


def check_size(size: object, ndim: int, what: str | Parameter = "input_size") -> Size:
    """Return an image size as one int per axis."""
    return per_axis(size, what, ndim)
