"""Functions of keras.ops that stand between the layers of a functional model."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import prod
from typing import Any

from rfscale.engine.readers.keras.registry import KERAS, Call, keras, per_axis
from rfscale.engine.readers.keras.window_ops import widened, without
from rfscale.engine.readers.tensors.layout import UnreadableError, length
from rfscale.engine.readers.tensors.operators import spatial_ops as sp
from rfscale.engine.readers.tensors.operators.joins import concatenate
from rfscale.engine.readers.tensors.operators.products import matmul
from rfscale.engine.readers.tensors.tracking import Constant, Tracked, Tracker


@keras("GetItem")
def _item(k: Tracker, call: Call) -> Tracked:
    """Slices and whole numbers, one for each dim."""
    key = call.numbers[0] if call.numbers else []
    x, d = call.x, 0
    parts = list(key) if isinstance(key, list | tuple) else [key]
    for part in parts:
        if part == "Ellipsis" or (isinstance(part, dict) and part.get("class_name") == "__ellipsis__"):
            d = len(x.dims) - (len(parts) - parts.index(part) - 1)
            continue
        if part is None:
            x, d = widened(x, d), d + 1
            continue
        n = length(x.dims[d])
        if type(part) is int:
            x = sp.select(k, x, d, part % n)
            continue
        if not isinstance(part, dict) or part.get("class_name") != "__slice__":
            raise UnreadableError(f"it picks entries by {part!r}")
        config = part["config"]
        start, stop, step = slice(config.get("start"), config.get("stop"), config.get("step")).indices(n)
        x = sp.narrow(k, x, d, start, stop, step, (config.get("stop") or 0) < 0)
        d += 1
    return x


@keras("Pad")
def _pad(k: Tracker, call: Call) -> Tracked:
    modes = {"constant": "zeros", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}
    mode, widths = modes.get(call.get("mode", "constant")), call.get("pad_width")
    if mode is None:
        raise UnreadableError(f"its mode is {call.get('mode')!r}")
    rank = len(call.x.dims)
    pairs = (
        widths if widths and isinstance(widths, list | tuple) and not isinstance(widths[0], int) else [widths] * rank
    )
    sides = [per_axis(pair, 2) for pair in (list(pairs) * rank if len(pairs) == 1 else pairs)]
    return sp.pad(k, call.x, [a for a, _ in sides], [b for _, b in sides], mode)


@keras("Resize")
def _resize(k: Tracker, call: Call) -> Any:
    size = per_axis(call.get("size"), 2)
    config = {**call.config, "height": size[0], "width": size[1]}
    return KERAS["Resizing"](k, Call("Resizing", config, call.inputs))


@keras("MaxPool", "AveragePool")
def _pool(k: Tracker, call: Call) -> Any:
    kind = f"{'Max' if call.kind == 'MaxPool' else 'Average'}Pooling{len(call.x.dims) - 2}D"
    return KERAS[kind](k, Call(kind, call.config, call.inputs))


@keras("Conv", "DepthwiseConv", "ConvTranspose")
def _convolve(k: Tracker, call: Call) -> Any:
    """A convolution by a kernel that is a constant: axes, channels in, and out, or out and in of a transposed one."""
    kernel = call.argument("kernel", 1)
    if not isinstance(kernel, Constant):
        raise UnreadableError("its kernel depends on the image")
    *size, before, after = kernel.shape
    held = call.x.shape[1 if call.channels_first else -1]
    config = {**call.config, "kernel_size": size, "use_bias": False, "depth_multiplier": after}
    config |= {"filters": before if call.kind == "ConvTranspose" else after}
    config |= {"groups": 1 if call.kind == "ConvTranspose" else held // max(before, 1)}
    kind = {"Conv": f"Conv{len(size)}D", "ConvTranspose": f"Conv{len(size)}DTranspose"}
    name = kind.get(call.kind, f"DepthwiseConv{len(size)}D")
    return KERAS[name](k, Call(name, config, call.inputs))


@keras("ExtractPatches")
def _patches(k: Tracker, call: Call) -> Any:
    """Windows, each of whose entries is a channel."""
    size = call.get("size")
    size = list(size) if isinstance(size, list | tuple) else [size, size]
    stride = call.config.get("strides") or size
    channels = call.x.shape[1 if call.channels_first else -1] * prod(per_axis(size, len(size)))
    kind = f"Conv{len(size)}D"
    config = {**call.config, "kernel_size": size, "strides": stride, "filters": channels, "use_bias": False}
    return KERAS[kind](k, Call(kind, config, call.inputs))


@keras("Split")
def _split(k: Tracker, call: Call) -> list[Tracked]:
    given, d = call.get("indices_or_sections"), call.get("axis", 0) % len(call.x.dims)
    n = length(call.x.dims[d])
    if type(given) is int:
        sizes = [n // given] * given
    else:
        cuts = [0, *given, n]
        sizes = [b - a for a, b in pairwise(cuts)]
    if sum(sizes) != n:
        raise UnreadableError(f"its parts {given} do not make {n} entries")
    return sp.split(k, call.x, d, sizes)


@keras("Stack")
def _stack(k: Tracker, call: Call) -> Tracked:
    if not all(isinstance(v, Tracked) for v in call.inputs):
        raise UnreadableError("it stacks what does not depend on the image")
    d = call.get("axis", 0) % (len(call.x.dims) + 1)
    parts = [widened(v, d) for v in call.inputs]
    k.shape = (*parts[0].shape[:d], len(parts), *parts[0].shape[d + 1 :])
    return concatenate(k, parts, d)


@keras("Unstack")
def _unstack(k: Tracker, call: Call) -> list[Tracked]:
    d = call.get("axis", 0) % len(call.x.dims)
    parts = sp.split(k, call.x, d, [1] * length(call.x.dims[d]))
    return [without(part, d) for part in parts]


@keras("Matmul")
def _matmul(k: Tracker, call: Call) -> Tracked:
    a, b = call.argument("x1", 0), call.argument("x2", 1)
    if a is None or b is None:
        raise UnreadableError("one of its factors is not known")
    if len(a.shape) < 2 or len(b.shape) < 2:
        raise UnreadableError("a product with a vector")
    batch = a.shape[:-2] if len(a.shape) >= len(b.shape) else b.shape[:-2]
    k.shape = (*batch, a.shape[-2], b.shape[-1])
    return matmul(k, a, b)


@keras("Swapaxes", "Moveaxis")
def _swapped(k: Tracker, call: Call) -> Tracked:
    x = call.x
    if call.kind == "Swapaxes":
        a, b = (call.get(key) % len(x.dims) for key in ("axis1", "axis2"))
        dims = list(x.dims)
        dims[a], dims[b] = dims[b], dims[a]
        return replace(x, dims=tuple(dims))
    source, target = call.get("source"), call.get("destination")
    if type(source) is not int or type(target) is not int:
        raise UnreadableError("it moves several dims")
    dims = list(x.dims)
    dims.insert(target % len(dims), dims.pop(source % len(dims)))
    return replace(x, dims=tuple(dims))
