"""Random networks: spec dicts whose merges have equal sizes and equal jumps by construction.

Two ways in: `random_network(rng, family, ndim)` for plain seeded loops, and the hypothesis strategies `networks()` and
`cases()`. A spec always carries an `input_size`, small enough for the oracle of `tests/oracles/plain_sets.py`, and is
valid in the interior and in the finite mode.

Families: chain, residual, aspp, fpn, unet, inception, all_ops (every op and every mode of docs/formats.md), global_ops
(global ops on maps that miss pixels).
"""

from __future__ import annotations

import contextlib
import math
import random
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st

from rfscale.engine.network.network import Network
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
        self.sizes: dict[str, Size] = {reference.IMAGE: self.input_size}
        self.jumps: dict[str, tuple[Fraction, ...]] = {reference.IMAGE: (Fraction(1),) * ndim}
        self.extents: dict[str, tuple[Fraction, ...]] = {reference.IMAGE: (Fraction(1),) * ndim}
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
        if op in reference.MERGES:
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
        size = tuple(reference.axis_size(op, params, a, n) for a, n in enumerate(self.sizes[source]))
        if min(size) < 1:
            raise UnfitError(f"{op} leaves nothing")
        if reference.is_global_op(op, params) or op == "cumulative":
            return size, self.jumps[source], self.extents[source], True
        jumps, extents = [], []
        for a, n in enumerate(self.sizes[source]):
            jump = self.jumps[source][a]
            reach = max((max(r) - min(r) for o in range(8) if (r := _reads(op, params, a, o, n))), default=0)
            jumps.append(jump * reference.axis_step(op, params, a, n))
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
        before = reference.IMAGE
        for name, op, inputs, params in self.layers:
            layer: Spec = {"name": name, "op": op}
            if op == "conv" and self.chance(0.3):
                del layer["op"]
            for key, value in params.items():
                layer[key] = self._written(op, key, value)
                default = {"padding": None, "mode": "zeros"}.get(key) if op == "pad" else DEFAULTS.get(key)
                is_default = default is not None and layer[key] == default
                if key == "stride" and op in reference.POOLS:
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
    return reference.axis_reads(op, params, axis, o, n, finite=False)


# -------------------------------------------------------------------- single layers


def window(d: Draft, source: str) -> str:
    """A convolution or pooling of any kernel, stride, dilation and padding."""

    def draw() -> str:
        op = d.rng.choice(["conv", "conv", "max_pool", "avg_pool", "lp_pool"])
        kernel, dilation = d.kernel(), d.dilation()
        stride = d.per_axis(lambda: d.rng.choice([1, 1, 2, 3] if d.ndim < 3 else [1, 1, 2]))
        reach = [g * (k - 1) for k, g in zip(kernel, dilation, strict=True)]
        padding: Any = d.split([r - r % 2 for r in reach], even=1)
        style = d.rng.randint(0, 5)
        if style == 1:
            padding = (0,) * (2 * d.ndim)
        elif style == 2:
            padding = "same"
        elif style == 3:
            padding = "same_lower"
        elif style == 4:
            padding = d.split([d.rng.randint(0, 2 * r + 1) for r in reach])
        more: dict[str, Any] = {"ceil_mode": d.chance(0.5)} if op != "conv" else {}
        if d.chance(0.25):
            more["block"] = tuple(
                d.rng.choice([0, *(b for b in range(2, n + 1) if n % b == 0)]) for n in d.sizes[source]
            )
        return d.add(op, source, kernel=kernel, stride=stride, dilation=dilation, padding=padding, **more)

    return d.attempt(draw, lambda: d.add("pointwise", source))


def one_way(d: Draft, source: str) -> str:
    """A layer that reads all before an entry, or after it."""
    before, after = (d.per_axis(lambda: d.rng.randint(0, 1)) for _ in range(2))
    if not any((*before, *after)):
        before = (1, *before[1:])
    return d.add("cumulative", source, earlier=before, later=after)


def keeping(d: Draft, source: str) -> str:
    """One or two layers that keep the size and the jump of a map."""
    one = (1,) * d.ndim

    def conv() -> str:
        kernel, dilation = d.kernel(), d.dilation()
        totals = [g * (k - 1) for k, g in zip(kernel, dilation, strict=True)]
        padding: Any = d.rng.choice([d.split(totals, even=0.7), "same", "same_lower"])
        op = d.rng.choice(["conv", "conv", "conv", "avg_pool", "max_pool"])
        return d.add(op, source, kernel=kernel, stride=one, dilation=dilation, padding=padding)

    def transposed() -> str:
        kernel, dilation = d.kernel(), d.dilation()
        totals = [g * (k - 1) for k, g in zip(kernel, dilation, strict=True)]
        return d.add("conv_transpose", source, kernel=kernel, dilation=dilation, padding=d.split(totals))

    def padded() -> str:
        kernel = d.per_axis(lambda: d.rng.choice([3, 2, 4]))
        mode = d.rng.choice(["zeros", "reflect", "replicate", "circular"])
        wide = d.add("pad", source, padding=d.split([k - 1 for k in kernel]), mode=mode)
        return d.add("conv", wide, kernel=kernel)

    def cropped() -> str:
        amount = d.split(d.per_axis(lambda: d.rng.randint(0, 3)))
        kernel = d.kernel()
        totals = [k - 1 for k in kernel]
        more = [t + c for t, c in zip(totals, _totals(amount), strict=True)]
        wide = d.add("conv", source, kernel=kernel, padding=d.split(more))
        if d.chance(0.5):
            return d.add("crop", wide, size=d.sizes[source])
        return d.add("crop", wide, amount=amount)

    def up_and_down() -> str:
        scale = d.per_axis(lambda: d.rng.choice([2, 3, 1]))
        wide = upscaled(d, source, scale)
        return d.add("avg_pool", wide, kernel=scale, stride=scale)

    def windows() -> str:
        window = d.per_axis(lambda: d.rng.randint(1, 4))
        return d.add("window_attention", source, window=window, dilation=d.per_axis(lambda: d.rng.choice([1, 1, 2, 3])))

    return d.attempt(
        d.rng.choice([conv, conv, conv, transposed, padded, cropped, up_and_down, windows]),
        lambda: d.add("pointwise", source),
    )


def shrinking(d: Draft, source: str, stride: Size) -> str:
    """One layer that makes ceil(n / stride) of n entries."""
    one = (1,) * d.ndim

    def strided() -> str:
        kernel, dilation = d.kernel(), d.dilation()
        totals = [g * (k - 1) for k, g in zip(kernel, dilation, strict=True)]
        padding: Any = d.rng.choice([d.split(totals), "same", "same_lower"])
        op = d.rng.choice(["conv", "max_pool", "avg_pool"])
        return d.add(op, source, kernel=kernel, stride=stride, dilation=dilation, padding=padding)

    def pointwise() -> str:
        return d.add("conv", source, kernel=one, stride=stride)

    def ceiled() -> str:
        return d.add("max_pool", source, kernel=stride, stride=stride, ceil_mode=True)

    def cut() -> str:
        return d.add("slice", source, start=(0,) * d.ndim, step=stride)

    def unshuffled() -> str:
        return d.add("space_to_depth", source, scale=stride)

    return d.attempt(d.rng.choice([strided, strided, pointwise, ceiled, cut, unshuffled]), pointwise)


def upscaled(d: Draft, source: str, scale: Size) -> str:
    """One layer that makes scale·n of n entries."""

    def transposed() -> str:
        kernel = d.per_axis(lambda: d.rng.randint(1, 5 if d.ndim < 3 else 3))
        dilation = d.per_axis(lambda: d.rng.choice([1, 1, 2]))
        spare = [g * (k - 1) + 1 - f for k, g, f in zip(kernel, dilation, scale, strict=True)]
        extra = tuple(d.rng.randint(max(0, -s), max(f - 1, -s, 0)) for s, f in zip(spare, scale, strict=True))
        padding = d.split([s + e for s, e in zip(spare, extra, strict=True)])
        return d.add(
            "conv_transpose",
            source,
            kernel=kernel,
            stride=scale,
            dilation=dilation,
            padding=padding,
            output_padding=extra,
        )

    kind = d.rng.choice(["nearest", "bilinear", "bicubic", "conv_transpose", "pixel_shuffle"])
    if kind == "conv_transpose":
        return d.attempt(transposed, lambda: d.add("pixel_shuffle", source, scale=scale))
    if kind == "pixel_shuffle":
        return d.add("pixel_shuffle", source, scale=scale)
    return d.add("upsample", source, scale=scale, mode=kind, **placed(d, kind, ["half_pixel", "asymmetric"]))


def resampled(d: Draft, source: str) -> str:
    """A resize or adaptive pooling to any size: the jump is then a fraction, so no merge may follow."""

    def draw() -> str:
        size = tuple(d.rng.randint(max(1, n // 2), min(n + 6, 2 * n)) for n in d.sizes[source])
        if d.chance(0.5):
            return d.add("adaptive_pool", source, size=size)
        mode = d.rng.choice(["nearest", "bilinear", "bicubic"])
        if d.chance(0.5):
            corners = (
                mode != "nearest" and min(*size, *d.sizes[source]) > 1 and d.chance(0.5)
            )  # of one entry: no interior
            return d.add("resize", source, size=size, mode=mode, align_corners=corners)
        if mode != "nearest" and d.chance(0.5):
            return d.add("resize", source, size=size, mode=mode, antialias=True)
        return d.add("resize", source, size=size, mode=mode, **placed(d, mode, ["half_pixel", "asymmetric"]))

    return d.attempt(draw, lambda: d.add("pointwise", source))


def placed(d: Draft, mode: str, ways: Sequence[str]) -> dict[str, Any]:
    """Any coordinates, and any rounding of nearest, but what a layer writes otherwise."""
    coordinates = d.rng.choice([None, *ways])
    if coordinates == ("asymmetric" if mode == "nearest" else "half_pixel"):
        coordinates = None
    rounding = d.rng.choice(["floor", "ceil", "down", "up"]) if mode == "nearest" else "floor"
    return {"coordinates": coordinates, "rounding": rounding}


def cutting(d: Draft, source: str) -> str:
    """A slice, crop or pad."""

    def sliced() -> str:
        start = d.per_axis(lambda: d.rng.randint(0, 2))
        step = d.per_axis(lambda: d.rng.choice([1, 2, 3]))
        stop = tuple(d.rng.choice([None, n, max(1, n - 1), n + 3, -1]) for n in d.sizes[source])
        more = {"stop": stop} if any(stop) and (d.ndim > 1 or stop[0] is not None) else {}
        return d.add("slice", source, start=start, step=step, **more)

    def cropped() -> str:
        if d.chance(0.5):
            return d.add("crop", source, size=tuple(d.rng.randint(max(1, n - 4), n) for n in d.sizes[source]))
        return d.add("crop", source, amount=tuple(d.rng.randint(0, 2) for _ in range(2 * d.ndim)))

    def padded() -> str:
        mode = d.rng.choice(["zeros", "reflect", "replicate", "circular"])
        return d.add("pad", source, padding=d.split(d.per_axis(lambda: d.rng.randint(0, 4))), mode=mode)

    def rolled() -> str:
        return d.add("roll", source, shift=d.per_axis(lambda: d.rng.randint(-9, 9)))

    def flipped() -> str:
        return d.add("flip", source, reverse=d.per_axis(lambda: d.rng.randint(0, 1)))

    return d.attempt(d.rng.choice([sliced, cropped, padded, rolled, flipped]), lambda: d.add("pointwise", source))


def _totals(sides: Size) -> list[int]:
    ndim = len(sides) // 2
    return [before + after for before, after in zip(sides[:ndim], sides[ndim:], strict=True)]


# -------------------------------------------------------------------- families


def _stride(d: Draft) -> Size:
    return d.per_axis(lambda: d.rng.choice([2, 1, 3] if d.ndim < 3 else [2, 1]))


def _merge(d: Draft, *branches: str) -> str:
    return d.add(d.rng.choice(["add", "concat", "multiply"]), *branches)


def chain(d: Draft) -> None:
    """Windows of all kinds, one after the other, and at times another op."""
    x = reference.IMAGE
    for _ in range(d.rng.randint(1, 7)):
        pick = d.rng.random()
        if pick < 0.7:
            x = window(d, x)
        elif pick < 0.8:
            x = keeping(d, x)
        elif pick < 0.9:
            x = d.attempt(lambda x=x: upscaled(d, x, _stride(d)), lambda x=x: d.add("pointwise", x))  # type: ignore[misc]
        else:
            x = cutting(d, x) if d.chance(0.5) else resampled(d, x)


def residual(d: Draft) -> None:
    """A stem, then blocks with an identity or a strided shortcut."""
    x = window(d, reference.IMAGE)
    for _ in range(d.rng.randint(1, 3)):
        x = _residual_block(d, x)


def _residual_block(d: Draft, x: str) -> str:
    def block() -> str:
        if d.chance(0.4):
            stride = _stride(d)
            main, shortcut = shrinking(d, x, stride), shrinking(d, x, stride)
        else:
            main, shortcut = keeping(d, x), x
        for _ in range(d.rng.randint(0, 2)):
            main = keeping(d, main)
        return d.add("add", main, shortcut)

    return d.attempt(block, lambda: d.add("add", x, keeping(d, x)))


def aspp(d: Draft) -> None:
    """A stem, parallel dilated branches and at times a global one, then a head."""
    x = window(d, reference.IMAGE)

    def branch(rate: int) -> str:
        kernel = d.per_axis(lambda: d.rng.choice([3, 3, 2]))
        dilation = d.per_axis(lambda: rate)
        totals = [g * (k - 1) for k, g in zip(kernel, dilation, strict=True)]
        return d.add("conv", x, kernel=kernel, dilation=dilation, padding=d.split(totals, even=0.8))

    branches = [d.add("conv", x, kernel=(1,) * d.ndim)]
    for _ in range(d.rng.randint(1, 3)):
        branches.append(d.attempt(lambda: branch(d.rng.choice([2, 3, 4, 6])), lambda: keeping(d, x)))
    if d.chance(0.25):
        branches.append(d.add("pointwise", d.add("global_pool", x)))
    x = d.add("concat", *branches)
    for _ in range(d.rng.randint(0, 2)):
        x = window(d, x)


def fpn(d: Draft) -> None:
    """Bottom-up by strides, then top-down by upsampling, cropping and adding."""
    x = keeping(d, reference.IMAGE)
    levels, strides = [x], []
    for _ in range(d.rng.randint(1, 3)):
        stride = _stride(d)
        x = d.attempt(lambda x=x, stride=stride: shrinking(d, x, stride))  # type: ignore[misc]
        strides.append(stride)
        x = keeping(d, x)
        levels.append(x)
    x = d.add("pointwise", x)
    for lateral, stride in zip(levels[-2::-1], strides[::-1], strict=True):
        x = d.add("upsample", x, scale=stride, mode=d.rng.choice(["nearest", "bilinear"]))
        x = _cropped_to(d, x, d.sizes[lateral])
        x = d.add("add", x, d.add("pointwise", lateral))
        if d.chance(0.5):
            x = keeping(d, x)


def unet(d: Draft) -> None:
    """Down by pooling, up by transposed convolutions or upsampling, skips cropped to what is left of the map."""
    x = reference.IMAGE
    skips, strides = [], []
    for _ in range(d.rng.randint(1, 2)):
        x = _thinned(d, x)
        skips.append(x)
        stride = _stride(d)
        strides.append(stride)
        x = shrinking(d, x, stride)
    x = _thinned(d, x)
    for skip, stride in zip(skips[::-1], strides[::-1], strict=True):
        x = d.attempt(lambda x=x, stride=stride: upscaled(d, x, stride))  # type: ignore[misc]
        common = tuple(min(a, b) for a, b in zip(d.sizes[x], d.sizes[skip], strict=True))
        x, skip = _cropped_to(d, x, common), _cropped_to(d, skip, common)
        x = _thinned(d, d.add("concat", skip, x))


def _thinned(d: Draft, x: str) -> str:
    """A convolution without padding, or one that keeps the map."""
    kernel = d.per_axis(lambda: d.rng.choice([3, 2]))
    if d.chance(0.6):
        return d.attempt(lambda: d.add("conv", x, kernel=kernel), lambda: keeping(d, x))
    return keeping(d, x)


def _cropped_to(d: Draft, x: str, size: Size) -> str:
    """Crop by size or by amount, if there is anything to crop."""
    totals = [n - m for n, m in zip(d.sizes[x], size, strict=True)]
    if not any(totals) and d.chance(0.8):
        return x
    return d.add("crop", x, size=size) if d.chance(0.5) else d.add("crop", x, amount=d.split(totals))


def inception(d: Draft) -> None:
    """Parallel branches of unlike kernels, 1×7 beside 7×1, merged; then the same again or a reduction."""
    x = window(d, reference.IMAGE) if d.chance(0.6) else reference.IMAGE
    for _ in range(d.rng.randint(1, 2)):
        if d.chance(0.3):
            stride = _stride(d)
            x = d.attempt(lambda x=x, stride=stride: _merge(d, *(shrinking(d, x, stride) for _ in range(2))))  # type: ignore[misc]
        else:
            x = d.attempt(lambda x=x: _mixed(d, x), lambda x=x: _merge(d, x, keeping(d, x)))  # type: ignore[misc]
    if d.chance(0.5):
        window(d, x)


def _mixed(d: Draft, x: str) -> str:
    long = d.rng.choice([7, 3, 4, 5] if d.ndim < 3 else [3, 2])
    crossed = d.rng.randrange(d.ndim)

    def bar(axis: int, source: str) -> str:
        kernel = tuple(long if a == axis else 1 for a in d.axes)
        return d.add("conv", source, kernel=kernel, padding=d.split([k - 1 for k in kernel], even=0.7))

    branches = [bar(crossed, x), bar((crossed + 1) % d.ndim, x)]
    if d.chance(0.4):
        branches.append(bar(0, bar(d.ndim - 1, x)))
    if d.chance(0.3):
        branches.append(x)
    if d.chance(0.4):
        branches.append(keeping(d, x))
    return _merge(d, *branches)


def all_ops(d: Draft) -> None:
    """Every op, every mode: kept maps merge, side branches are global, and what changes the jump comes last."""
    x = reference.IMAGE
    for _ in range(d.rng.randint(2, 5)):
        x = d.attempt(lambda x=x: _any_block(d, x), lambda x=x: keeping(d, x))  # type: ignore[misc]
    for _ in range(d.rng.randint(0, 2)):
        x = resampled(d, x)
        if d.chance(0.5):
            x = window(d, x)
    if d.chance(0.15):
        x = d.add(d.rng.choice(["global_pool", "linear", "attention"]), x) if d.chance(0.7) else one_way(d, x)
        if d.chance(0.5):
            keeping(d, x)


def _any_block(d: Draft, x: str) -> str:
    kind = d.rng.randint(0, 10)
    if kind <= 1:
        return window(d, x)
    if kind == 2:
        return keeping(d, x)
    if kind == 3:
        return shrinking(d, x, _stride(d))
    if kind == 4:
        return upscaled(d, x, _stride(d))
    if kind == 5:
        return cutting(d, x)
    if kind == 6:
        return _residual_block(d, x)
    if kind == 7:
        return _merge(d, *(keeping(d, x) for _ in range(d.rng.randint(1, 3))), *([x] * d.rng.randint(0, 2)))
    if kind == 8:
        return _resampled_alike(d, x)
    return _with_global(d, x)


def _resampled_alike(d: Draft, x: str) -> str:
    """Two branches of one size, both resampled to one other size: equal jumps again."""
    size = tuple(d.rng.randint(max(1, n - 3), n + 3) for n in d.sizes[x])

    def one(source: str) -> str:
        mode = d.rng.choice(["nearest", "bilinear", "adaptive"])
        if mode == "adaptive" and max(size) > 1:
            return d.add("adaptive_pool", source, size=size)
        return d.add("resize", source, size=size, mode="nearest" if mode == "adaptive" else mode)

    return _merge(d, one(x), one(keeping(d, x)))


def _with_global(d: Draft, x: str) -> str:
    """Squeeze-and-excitation, or attention beside the identity."""
    kind = d.rng.randint(0, 3)
    if kind == 0:
        return d.add("add", x, d.add("attention", x) if d.chance(0.5) else one_way(d, x))
    if kind == 1:
        gate = d.add("linear", x)
    elif kind == 2:
        gate = d.add("adaptive_pool", x, size=(1,) * d.ndim)
    else:
        gate = d.add("global_pool", x)
    if d.chance(0.6):
        gate = d.add("pointwise", gate)
    return d.add("multiply", x, gate) if d.chance(0.8) else d.add("concat", gate, x)


def global_ops(d: Draft) -> None:
    """Layers that miss pixels, or many products, then a global op beside the map or alone; and so on once more."""
    x = reference.IMAGE
    for _ in range(d.rng.randint(1, 2)):
        for _ in range(d.rng.randint(1, 2)):
            x = d.attempt(lambda x=x: _missing(d, x), lambda x=x: _mixed(d, x), lambda x=x: keeping(d, x))  # type: ignore[misc]
        if d.chance(0.5):
            x = d.attempt(lambda x=x: _mixed(d, x), lambda x=x: keeping(d, x))  # type: ignore[misc]
        x = _with_global(d, x)
        if d.chance(0.5):
            x = window(d, x)
    if d.chance(0.3):
        d.add(d.rng.choice(["global_pool", "linear", "attention"]), x) if d.chance(0.7) else one_way(d, x)


def _missing(d: Draft, x: str) -> str:
    """A layer that leaves pixels out: kernel below stride, holes of a dilation, or what a floor cuts off."""
    stride = d.per_axis(lambda: d.rng.choice([2, 3, 1]))
    kernel = d.per_axis(lambda: d.rng.choice([1, 2, 3] if d.ndim < 3 else [1, 2]))
    dilation = d.per_axis(lambda: d.rng.choice([1, 2, 3]))
    return d.add(d.rng.choice(["conv", "max_pool", "avg_pool"]), x, kernel=kernel, stride=stride, dilation=dilation)


_FAMILIES: dict[str, Callable[[Draft], None]] = {
    "chain": chain,
    "residual": residual,
    "aspp": aspp,
    "fpn": fpn,
    "unet": unet,
    "inception": inception,
    "all_ops": all_ops,
    "global_ops": global_ops,
}
FAMILIES = tuple(_FAMILIES)


# -------------------------------------------------------------------- random networks


def random_network(rng: random.Random, family: str | None = None, ndim: int | None = None) -> Spec:
    """Spec of a random network, valid in the interior and in the finite mode.

    Parameters
    ----------
    rng : random.Random
    family : str, optional
        One of `FAMILIES`; by default any.
    ndim : {1, 2, 3}, optional
        Number of axes; by default any.
    """
    family = family if family is not None else rng.choice(FAMILIES)
    ndim = ndim if ndim is not None else rng.choice([2, 1, 3])
    while True:
        draft = Draft(rng, ndim)
        with contextlib.suppress(UnfitError):  # what was written before it is a network too, if there is any
            _FAMILIES[family](draft)
        if draft.layers:
            return draft.spec()


def random_case(rng: random.Random, family: str | None = None, ndim: int | None = None) -> tuple[Spec, str, Size]:
    """A random network, one of its layers (mostly the last), and an entry of that layer's finite map."""
    spec = random_network(rng, family, ndim)
    net = Network.from_dict(spec)
    assert net.input_size is not None
    names = [layer.name for layer in net.layers]
    layer = rng.choice(names) if rng.random() > 0.6 else names[-1]
    size = reference.map_sizes(net, net.input_size)[layer]
    return spec, layer, tuple(rng.randrange(n) for n in size)


@st.composite
def networks(draw: st.DrawFn, families: Sequence[str] = FAMILIES, ndims: Sequence[int] = (2, 1, 3)) -> Spec:
    """Spec dicts of random networks, which hypothesis can shrink."""
    family, ndim = draw(st.sampled_from(families)), draw(st.sampled_from(ndims))
    return random_network(draw(st.randoms(use_true_random=False)), family, ndim)


@st.composite
def cases(
    draw: st.DrawFn, families: Sequence[str] = FAMILIES, ndims: Sequence[int] = (2, 1, 3)
) -> tuple[Spec, str, Size]:
    """(spec, layer, entry): a random network and an entry of the finite map of one of its layers."""
    family, ndim = draw(st.sampled_from(families)), draw(st.sampled_from(ndims))
    return random_case(draw(st.randoms(use_true_random=False)), family, ndim)
