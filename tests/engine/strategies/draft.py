"""A network being written: its layers, each of them valid, and what the ops accept."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from tests.oracles import plain_layers
from tests.oracles import plain_sets as reference

Size = tuple[int, ...]
Spec = dict[str, Any]

MAX_MAP = {1: 120, 2: 48, 3: 16}  # entries per axis
MAX_VOLUME = {1: 400, 2: 4000, 3: 4000}  # pixels of an interior extent
DEFAULTS: dict[str, Any] = {
    "stride": 1,
    "dilation": 1,
    "padding": 0,
    "output_padding": 0,
    "ceil_mode": False,
    "mode": "nearest",
    "align_corners": False,
    "coordinates": None,
    "rounding": "floor",
    "antialias": False,
    "block": None,
    "start": 0,
    "step": 1,
}
MODE_NAMES = {1: ["bilinear", "linear"], 2: ["bilinear"], 3: ["bilinear", "trilinear"]}


class UnfitError(Exception):
    """A layer that would leave nothing of its map, make too much of it, or merge what does not fit."""


class Draft:
    """A network being written. Each of its layers is valid: `add` raises `UnfitError` for one that would not be."""

    def __init__(self, rng: random.Random, ndim: int) -> None:
        self.rng, self.ndim, self.axes = rng, ndim, range(ndim)
        low, high = {1: (8, 60), 2: (5, 24), 3: (4, 8)}[ndim]
        square = rng.randint(low, high)
        self.input_size = (square,) * ndim if rng.random() < 0.4 else tuple(rng.randint(low, high) for _ in self.axes)
        self.layers: list[tuple[str, str, list[str], dict[str, Any]]] = []
        self.sizes: dict[str, Size] = {plain_layers.IMAGE: self.input_size}
        self.jumps: dict[str, tuple[Fraction, ...]] = {plain_layers.IMAGE: (Fraction(1),) * ndim}
        self.extents: dict[str, tuple[Fraction, ...]] = {plain_layers.IMAGE: (Fraction(1),) * ndim}
        self.global_ops: set[str] = set()  # layers that are wholly downstream of global ops

    # ---------------------------------------------------------------- drawing

    def chance(self, p: float) -> bool:
        # draws of 0.0, to which hypothesis shrinks, say no
        return self.rng.random() > 1 - p

    def per_axis(self, draw: Callable[[], int]) -> Size:
        """One draw for all axes, or one for each."""
        if self.chance(0.4):
            return tuple(draw() for _ in self.axes)
        return (draw(),) * self.ndim

    def kernel(self) -> Size:
        return self.per_axis(lambda: self.rng.choice([3, 1, 2, 4, 5, 7] if self.ndim < 3 else [3, 1, 2]))

    def dilation(self) -> Size:
        return self.per_axis(lambda: self.rng.choice([1, 1, 2, 3, 5] if self.ndim < 3 else [1, 1, 2]))

    def split(self, totals: Sequence[int], even: float = 0.5) -> Size:
        """Padding of these totals per axis, split evenly or anyhow, as all starts then all ends."""
        if self.chance(1 - even):
            starts = [self.rng.randint(0, total) for total in totals]
        else:
            starts = [total // 2 for total in totals]
        return (*starts, *(total - start for total, start in zip(totals, starts, strict=True)))

    # ---------------------------------------------------------------- writing

    def add(self, op: str, *inputs: str, **params: Any) -> str:
        """Append a layer whose parameters are all given per axis or per side."""
        for key in ("stride", "dilation", "output_padding", "start", "step"):
            if key in _KEYS[op]:
                params.setdefault(key, ((DEFAULTS[key],) * self.ndim))
        if "padding" in _KEYS[op]:
            params.setdefault("padding", (0,) * (2 * self.ndim))
        for key in ("ceil_mode", "align_corners", "coordinates", "rounding", "antialias", "block"):
            if key in _KEYS[op]:
                params.setdefault(key, DEFAULTS[key])
        size, jump, extent, is_global = self._outcome(op, inputs, params)
        if size is None or not all(1 <= n <= MAX_MAP[self.ndim] for n in size):
            raise UnfitError(f"{op} {params} makes {size} of {[self.sizes[i] for i in inputs]}")
        if math.prod(extent) > MAX_VOLUME[self.ndim]:
            raise UnfitError(f"{op} {params} sees too much")
        name = f"{op}{len(self.layers) + 1}"
        self.layers.append((name, op, list(inputs), params))
        self.sizes[name], self.jumps[name], self.extents[name] = size, jump, extent
        if is_global:
            self.global_ops.add(name)
        return name

    def _outcome(
        self, op: str, inputs: Sequence[str], params: dict[str, Any]
    ) -> tuple[Size | None, tuple[Fraction, ...], tuple[Fraction, ...], bool]:
        if op in plain_layers.MERGES:
            size = reference.merged_size([(self.sizes[i], i in self.global_ops) for i in inputs])
            local = [i for i in inputs if i not in self.global_ops] or list(inputs[:1])
            if len({self.jumps[i] for i in local}) > 1:
                raise UnfitError("different jumps")
            extent = tuple(max(self.extents[i][a] for i in local) for a in self.axes)
            return size, self.jumps[local[0]], extent, all(i in self.global_ops for i in inputs)
        source = inputs[0]
        if op == "pad" and params["mode"] != "zeros":
            limit = 0 if params["mode"] == "reflect" else 1
            if max(p - self.sizes[source][a % self.ndim] for a, p in enumerate(params["padding"])) >= limit:
                raise UnfitError("a pad that copies more than there is")
        size = tuple(plain_layers.axis_size(op, params, a, n) for a, n in enumerate(self.sizes[source]))
        if min(size) < 1:
            raise UnfitError(f"{op} leaves nothing")
        if plain_layers.is_global_op(op, params) or op == "cumulative":
            return size, self.jumps[source], self.extents[source], True
        jumps, extents = [], []
        for a, n in enumerate(self.sizes[source]):
            jump = self.jumps[source][a]
            reach = max((max(r) - min(r) for o in range(8) if (r := _reads(op, params, a, o, n))), default=0)
            jumps.append(jump * plain_layers.axis_step(op, params, a, n))
            extents.append(self.extents[source][a] + reach * abs(jump))
        return size, tuple(jumps), tuple(extents), source in self.global_ops

    def attempt(self, *draws: Callable[[], str], tries: int = 6) -> str:
        """The outcome of the first draw that fits, each tried a few times; what a misfit wrote is taken back."""
        for draw in draws:
            for _ in range(tries):
                written = len(self.layers)
                try:
                    return draw()
                except UnfitError:
                    for name, *_ in self.layers[written:]:
                        self.global_ops.discard(name)
                    del self.layers[written:]
        raise UnfitError("nothing fits")

    def spec(self) -> Spec:
        """The spec, written now short and now long."""
        shuffled = self.chance(0.1)
        layers: list[Spec] = []
        before = plain_layers.IMAGE
        for name, op, inputs, params in self.layers:
            layer: Spec = {"name": name, "op": op}
            if op == "conv" and self.chance(0.3):
                del layer["op"]
            for key, value in params.items():
                layer[key] = self._written(op, key, value)
                default = {"padding": None, "mode": "zeros"}.get(key) if op == "pad" else DEFAULTS.get(key)
                is_default = default is not None and layer[key] == default
                if key == "stride" and op in plain_layers.POOLS:
                    is_default = value == params["kernel"]
                if is_default and self.chance(0.7):
                    del layer[key]
            if shuffled or inputs != [before]:
                layer["inputs"] = inputs[0] if len(inputs) == 1 and self.chance(0.5) else inputs
            layers.append(layer)
            before = name
        if shuffled:
            self.rng.shuffle(layers)
        return {"name": "random", "axes": self.ndim, "input_size": list(self.input_size), "layers": layers}

    def _written(self, op: str, key: str, value: Any) -> Any:
        if key == "mode" and value == "bilinear":
            return self.rng.choice(MODE_NAMES[self.ndim])
        if not isinstance(value, tuple):
            return value
        if key == "padding" and not any(value) and op != "pad" and self.chance(0.2):
            return "valid"
        if self.chance(0.7):
            if len(set(value)) == 1:
                return value[0]
            if len(value) == 2 * self.ndim and value[: self.ndim] == value[self.ndim :]:
                return list(value[: self.ndim])
        return list(value)


_WINDOW = ("kernel", "stride", "dilation", "padding")
_KEYS: dict[str, tuple[str, ...]] = {
    "conv": (*_WINDOW, "block"),
    "max_pool": (*_WINDOW, "ceil_mode", "block"),
    "avg_pool": (*_WINDOW, "ceil_mode", "block"),
    "lp_pool": (*_WINDOW, "ceil_mode", "block"),
    "conv_transpose": (*_WINDOW, "output_padding"),
    "upsample": ("scale", "mode", "align_corners", "coordinates", "rounding", "antialias"),
    "resize": ("size", "mode", "align_corners", "coordinates", "rounding", "antialias"),
    "roll": ("shift",),
    "flip": ("reverse",),
    "cumulative": ("earlier", "later"),
    "adaptive_pool": ("size",),
    "pixel_shuffle": ("scale",),
    "space_to_depth": ("scale",),
    "window_attention": ("window", "dilation"),
    "slice": ("start", "stop", "step"),
    "pad": ("padding", "mode"),
    "crop": ("amount", "size"),
    "pointwise": (),
    "add": (),
    "multiply": (),
    "concat": (),
    "global_pool": (),
    "linear": (),
    "attention": (),
}
OPS = tuple(_KEYS)


def _reads(op: str, params: dict[str, Any], axis: int, o: int, n: int) -> list[int]:
    return plain_layers.axis_reads(op, params, axis, o, n, finite=False)
