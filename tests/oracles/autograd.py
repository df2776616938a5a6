"""An independent judge: footprints by PyTorch's autograd.

Each layer becomes the torch operation of that name, on one channel of ones with weights of one, without
nonlinearities; a pixel is in the footprint where the gradient of the entry is above zero. Nothing can cancel, because
every weight is positive. Differences from a real network, none of which changes a path:

- a max or lp pool is an average pool, so that every tap gets gradient;
- concat and multiply are additions of their branches;
- attention is uniform attention, the mean of what it attends to;
- the gradient of each map is replaced by its sign on the way back: counts of paths would overflow the mantissa in
  deep networks, and the weights of bilinear interpolation, which are zero only up to rounding, would leave 1e-17.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F

from rfscale.engine.network.network import Network

NOTHING = 1e-9  # gradients of one layer below this are rounding errors of bilinear weights
CONV = (F.conv1d, F.conv2d, F.conv3d)
CONV_TRANSPOSE = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)
AVG_POOL = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)
MAX_POOL = (F.max_pool1d, F.max_pool2d, F.max_pool3d)
ADAPTIVE = (F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d)
LINEAR_MODES = ("linear", "bilinear", "trilinear")


def torch_footprint(
    net: Network, layer: str, entry: tuple[int, ...], input_size: tuple[int, ...]
) -> set[tuple[int, ...]]:
    """Pixels with a positive gradient from one entry of one layer, on an image of `input_size`."""
    image = torch.ones((1, 1, *input_size), dtype=torch.float64, requires_grad=True)
    value = torch_maps(net, image)[layer][(0, 0, *entry)]
    if not value.requires_grad:
        return set()
    (gradient,) = torch.autograd.grad(value, image, allow_unused=True)
    if gradient is None:
        return set()
    return {tuple(pixel) for pixel in (gradient[0, 0] > 0).nonzero().tolist()}


def torch_sizes(net: Network, input_size: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Entries per axis of every map, as torch makes them."""
    maps = torch_maps(net, torch.ones((1, 1, *input_size), dtype=torch.float64))
    return {name: tuple(value.shape[2:]) for name, value in maps.items()}


def torch_maps(net: Network, image: torch.Tensor) -> dict[str, torch.Tensor]:
    """Every map of a network on an image of shape (1, 1, *size)."""
    maps = {"input": image}
    for layer in net.layers:
        out = _layer(layer.op, layer.params, [maps[name] for name in layer.inputs])
        if out.requires_grad:
            out.register_hook(lambda gradient: (gradient > NOTHING).to(gradient.dtype))  # type: ignore[no-untyped-call]
        maps[layer.name] = out
    return maps


def _layer(op: str, params: Any, inputs: list[torch.Tensor]) -> torch.Tensor:
    x = inputs[0]
    ndim, size = x.dim() - 2, tuple(x.shape[2:])
    if op == "pointwise":
        return x * 1.0
    if op in ("add", "multiply", "concat"):
        wide = max((tuple(t.shape) for t in inputs), key=math.prod)
        return sum((t.expand(wide) for t in inputs), torch.zeros(wide, dtype=x.dtype))
    if params.get("block"):
        return _in_blocks(op, params, x)
    if op == "conv":
        return _conv(_padded(x, _sides(params, size)), params)
    if op in ("max_pool", "avg_pool", "lp_pool"):
        return _pool(x, params)
    if op == "conv_transpose":
        return _conv_transpose(x, params)
    if op == "upsample":
        return _interpolate(x, tuple(f * n for f, n in zip(params["scale"], size, strict=True)), params)
    if op == "resize":
        return _interpolate(x, params["size"], params)
    if op == "cumulative":
        return _cumulative(x, params)
    if op == "flip":
        return torch.flip(x, [2 + a for a in range(ndim) if params["reverse"][a]])
    if op == "roll":
        return torch.roll(x, params["shift"], dims=tuple(range(2, 2 + ndim)))
    if op == "adaptive_pool":
        return ADAPTIVE[ndim - 1](x, params["size"])
    if op == "pixel_shuffle":
        return _pixel_shuffle(x, params["scale"])
    if op == "space_to_depth":
        return _space_to_depth(x, params["scale"])
    if op == "window_attention":
        return _window_attention(x, params["window"], params["dilation"])
    if op == "slice":
        return _cut(x, map(slice, params["start"], params["stop"], params["step"]))
    if op == "pad":
        mode = {"zeros": "constant"}.get(params["mode"], params["mode"])
        return F.pad(x, _torch_order(params["padding"]), mode=mode)
    if op == "crop":
        amount = params["amount"]
        if amount is None:
            starts = tuple((n - m) // 2 for n, m in zip(size, params["size"], strict=True))
            return _cut(x, (slice(a, a + m) for a, m in zip(starts, params["size"], strict=True)))
        return _cut(x, (slice(amount[a], n - amount[ndim + a]) for a, n in enumerate(size)))
    if op in ("global_pool", "linear"):
        return x.sum(dim=tuple(range(2, x.dim())), keepdim=True)
    if op == "attention":
        flat = x.flatten(2).transpose(1, 2)
        out = F.scaled_dot_product_attention(torch.zeros_like(flat), torch.zeros_like(flat), flat)
        return out.transpose(1, 2).reshape(x.shape)
    raise ValueError(f"no torch operation for op {op!r}")


def _in_blocks(op: str, params: Any, x: torch.Tensor) -> torch.Tensor:
    """A layer on each block of a map, and what it makes of them side by side."""
    axis = next((a for a, n in enumerate(params["block"]) if n), None)
    if axis is None:
        return _layer(op, {**params, "block": None}, [x])
    rest = {**params, "block": tuple(0 if a == axis else n for a, n in enumerate(params["block"]))}
    return torch.cat([_in_blocks(op, rest, part) for part in x.split(params["block"][axis], 2 + axis)], 2 + axis)


def _cumulative(x: torch.Tensor, params: Any) -> torch.Tensor:
    for a in range(x.dim() - 2):
        given = x
        if params["earlier"][a]:
            x = x + given.cumsum(2 + a)
        if params["later"][a]:
            x = x + given.flip(2 + a).cumsum(2 + a).flip(2 + a)
    return x


def _sides(params: Any, size: tuple[int, ...]) -> tuple[int, ...]:
    """Padding per side. `same` as ONNX's auto_pad: out = ceil(n / s), the odd one at the end or start."""
    if not isinstance(params["padding"], str):
        return tuple(params["padding"])
    starts, ends = [], []
    for n, k, s, g in zip(size, params["kernel"], params["stride"], params["dilation"], strict=True):
        total = max(0, (math.ceil(n / s) - 1) * s + (k - 1) * g + 1 - n)
        less, more = math.floor(total / 2), math.ceil(total / 2)
        starts.append(less if params["padding"] == "same" else more)
        ends.append(more if params["padding"] == "same" else less)
    return (*starts, *ends)


def _cut(x: torch.Tensor, slices: Iterable[slice]) -> torch.Tensor:
    """Slice the spatial axes, which are the last ones."""
    return x[(slice(None), slice(None), *slices)]


def _torch_order(sides: tuple[int, ...]) -> list[int]:
    """All starts then all ends, as F.pad wants them: pairs, the last axis first."""
    ndim = len(sides) // 2
    return [side for a in reversed(range(ndim)) for side in (sides[a], sides[ndim + a])]


def _padded(x: torch.Tensor, sides: tuple[int, ...]) -> torch.Tensor:
    return F.pad(x, _torch_order(sides))


def _ones(kernel: tuple[int, ...]) -> torch.Tensor:
    return torch.ones((1, 1, *kernel), dtype=torch.float64)


def _conv(x: torch.Tensor, params: Any) -> torch.Tensor:
    convolve = CONV[len(params["kernel"]) - 1]
    return convolve(x, _ones(params["kernel"]), stride=params["stride"], dilation=params["dilation"])


def _pool(x: torch.Tensor, params: Any) -> torch.Tensor:
    """torch's own average pool where it can do it; else a convolution of the shape of torch's max pool, if that can."""
    size, kernel, stride, dilation = tuple(x.shape[2:]), params["kernel"], params["stride"], params["dilation"]
    ndim = len(kernel)
    sides = _sides(params, size)
    symmetric = sides[:ndim] == sides[ndim:] and all(2 * p <= k for p, k in zip(sides[:ndim], kernel, strict=True))
    roomy = all(n >= k for n, k in zip(size, kernel, strict=True))  # avg_pool3d wants that, padding or not
    if symmetric and roomy and max(dilation) == 1:
        return AVG_POOL[ndim - 1](x, kernel, stride, sides[:ndim], ceil_mode=params["ceil_mode"])
    if symmetric:
        pool = MAX_POOL[ndim - 1]
        shape = tuple(pool(x, kernel, stride, sides[:ndim], dilation, ceil_mode=params["ceil_mode"]).shape[2:])
    else:
        shape = _pooled_shape(size, sides, params)
    out = _conv(_padded(x, (*sides[:ndim], *(p + s for p, s in zip(sides[ndim:], stride, strict=True)))), params)
    return _cut(out, (slice(0, m) for m in shape))


def _pooled_shape(size: tuple[int, ...], sides: tuple[int, ...], params: Any) -> tuple[int, ...]:
    shape = []
    for a, n in enumerate(size):
        reach, s = params["dilation"][a] * (params["kernel"][a] - 1), params["stride"][a]
        last = n + sides[a] + sides[len(size) + a] - reach - 1  # start of the last window that fits
        starts = list(range(0, last + s, s)) if params["ceil_mode"] else list(range(0, last + 1, s))
        if params["ceil_mode"] and starts[-1] >= n + sides[a]:
            del starts[-1]  # torch takes back one window that starts beyond the map, never two
        shape.append(len(starts))
    return tuple(shape)


def _conv_transpose(x: torch.Tensor, params: Any) -> torch.Tensor:
    """torch's own where its limits allow it; else the full one, cropped and extended by hand."""
    kernel, stride, dilation = params["kernel"], params["stride"], params["dilation"]
    sides, extra, ndim = params["padding"], params["output_padding"], len(kernel)
    transpose = CONV_TRANSPOSE[ndim - 1]
    small = all(e < max(s, g) for e, s, g in zip(extra, stride, dilation, strict=True))
    if sides[:ndim] == sides[ndim:] and small:
        return transpose(x, _ones(kernel), stride=stride, padding=sides[:ndim], output_padding=extra, dilation=dilation)
    full = F.pad(transpose(x, _ones(kernel), stride=stride, dilation=dilation), _torch_order((0,) * ndim + extra))
    return _cut(full, (slice(sides[a], full.shape[2 + a] - sides[ndim + a]) for a in range(ndim)))


def _interpolate(x: torch.Tensor, size: tuple[int, ...], params: Any) -> torch.Tensor:
    if params["mode"] == "nearest" and (params["coordinates"], params["rounding"]) == ("half_pixel", "up"):
        return F.interpolate(x, size=size, mode="nearest-exact")
    if params["coordinates"] or params["rounding"] != "floor":
        return _placed(x, size, params)
    if params["mode"] == "nearest":
        return F.interpolate(x, size=size, mode="nearest")
    if params["mode"] == "bicubic" or params["antialias"]:
        return _weighted(x, size, params)
    return F.interpolate(x, size=size, mode=LINEAR_MODES[len(size) - 1], align_corners=params["align_corners"])


def _weighted(x: torch.Tensor, size: tuple[int, ...], params: Any) -> torch.Tensor:
    """Torch's own weights on each axis, without their signs: the outer two are negative and could cancel."""
    for a, n in enumerate(size):
        old = x.shape[2 + a]
        # image i is 1 in row i; two columns, for torch antialiases maps of one column along the wrong dim
        unit = torch.eye(old, dtype=x.dtype).reshape(old, 1, old, 1).repeat(1, 1, 1, 2)
        given = {key: params[key] for key in ("mode", "align_corners", "antialias")}
        weights = F.interpolate(unit, size=(n, 2), **given)[:, 0, :, 0]
        weights = torch.where(weights.abs() < 1e-12, 0.0, weights.abs())  # torch rounds a zero to 1e-17 here and there
        x = torch.movedim(torch.tensordot(x, weights, dims=([2 + a], [0])), -1, 2 + a)
    return x


def _placed(x: torch.Tensor, size: tuple[int, ...], params: Any) -> torch.Tensor:
    """Resampling in ways that torch does not have: ones at what each position reads, axis by axis."""
    rounded = {"floor": math.floor, "ceil": math.ceil, "down": lambda t: math.ceil(t - 0.5)}
    rounded["up"] = lambda t: math.floor(t + 0.5)
    for a, m in enumerate(size):
        n = x.shape[2 + a]
        weights = torch.zeros((n, m), dtype=x.dtype)
        for o in range(m):
            half = params["coordinates"] == "half_pixel"
            t = round((o + 0.5) * n / m - 0.5 if half else o * n / m, 9)
            low = math.floor(t)
            if params["mode"] == "nearest":
                reads = [rounded[params["rounding"]](t)]
            else:
                reads = [low] if t == low else {"bilinear": [low, low + 1]}.get(params["mode"], range(low - 1, low + 3))
            for i in reads:
                weights[min(max(i, 0), n - 1), o] = 1.0
        x = torch.movedim(torch.tensordot(x, weights, dims=([2 + a], [0])), -1, 2 + a)
    return x


def _pixel_shuffle(x: torch.Tensor, scale: tuple[int, ...]) -> torch.Tensor:
    if len(scale) == 2 and len(set(scale)) == 1:
        return F.pixel_shuffle(x.repeat(1, math.prod(scale), 1, 1), scale[0])
    for a, f in enumerate(scale):
        x = x.repeat_interleave(f, dim=2 + a)
    return x


def _space_to_depth(x: torch.Tensor, scale: tuple[int, ...]) -> torch.Tensor:
    if len(scale) == 2 and len(set(scale)) == 1:
        return F.pixel_unshuffle(x, scale[0]).sum(dim=1, keepdim=True)
    for a, f in enumerate(scale):
        shape = tuple(x.shape)
        x = x.reshape(*shape[: 2 + a], shape[2 + a] // f, f, *shape[3 + a :]).sum(dim=3 + a)
    return x


def _window_attention(x: torch.Tensor, window: tuple[int, ...], dilation: tuple[int, ...]) -> torch.Tensor:
    """Uniform attention within each window; a window cut off by the border attends to what there is."""
    out = torch.zeros_like(x)
    spans = [
        [slice(o + r, min(o + w * d, n), d) for o in range(0, n, w * d) for r in range(min(d, n - o))]
        for n, w, d in zip(x.shape[2:], window, dilation, strict=True)
    ]
    for part in itertools.product(*spans):
        mask = torch.zeros_like(x)
        _cut(mask, part).fill_(1.0)
        out = out + mask * _cut(x, part).sum()
    return out
