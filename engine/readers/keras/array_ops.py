"""Functions of keras.ops that move, repeat, pick and add up entries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from rfscale.engine.readers.keras.registry import Call, keras, per_axis
from rfscale.engine.readers.keras.window_ops import channels_before
from rfscale.engine.readers.tensors.layout import UnreadableError, regroup, with_dim
from rfscale.engine.readers.tensors.operators import spatial_ops as sp
from rfscale.engine.readers.tensors.operators.entries import take
from rfscale.engine.readers.tensors.operators.moves import cumulate, flip, repeated, tile
from rfscale.engine.readers.tensors.operators.products import einsum
from rfscale.engine.readers.tensors.tracking import Constant, Tracked, Tracker


def _axes(call: Call, key: str, rank: int) -> list[int]:
    """Dims that an option names, from a number or a list; without them it acts on a flattened tensor."""
    value = call.config.get(key)
    if value is None:
        raise UnreadableError("it flattens the tensor")
    return [a % rank for a in (value if isinstance(value, list | tuple) else [value])]


@keras("Roll")
def _roll(k: Tracker, call: Call) -> Tracked:
    x = call.x
    axes = _axes(call, "axis", len(x.dims))
    for d, shift in zip(axes, per_axis(call.get("shift"), len(axes)), strict=True):
        x = sp.roll(k, x, d, shift % x.shape[d])
    return x


@keras("Flip")
def _flip(k: Tracker, call: Call) -> Tracked:
    x = call.x
    for d in range(len(x.dims)) if call.config.get("axis") is None else _axes(call, "axis", len(x.dims)):
        x = flip(k, x, d)
    return x


@keras("Rot90")
def _turned(k: Tracker, call: Call) -> Tracked:
    x = call.x
    a, b = _axes(call, "axes", len(x.dims))
    times = per_axis(call.get("k", 1), 1)[0] % 4
    if times == 2:
        return flip(k, flip(k, x, a), b)
    if not times:
        return x
    x = flip(k, x, b if times == 1 else a)
    dims = list(x.dims)
    dims[a], dims[b] = dims[b], dims[a]
    return replace(x, dims=tuple(dims))


@keras("Cumsum", "Cumprod")
def _cumulative(k: Tracker, call: Call) -> Tracked:
    (d,) = _axes(call, "axis", len(call.x.dims))
    return cumulate(k, call.x, d)


@keras("Diff")
def _difference(k: Tracker, call: Call) -> Any:
    x = call.x
    (d,) = _axes(call, "axis", len(x.dims))
    for _ in range(per_axis(call.get("n", 1), 1)[0]):
        n = x.shape[d]
        pair = [sp.narrow(k, x, d, i, n - 1 + i) for i in range(2)]
        x = k.elementwise(pair, shape=(*x.shape[:d], n - 1, *x.shape[d + 1 :]))
    return x


@keras("Take")
def _take(k: Tracker, call: Call) -> Tracked:
    index, x = call.argument("indices", 1), call.x
    given = call.numbers[0] if call.numbers else call.options.get("indices")
    table = index.value if isinstance(index, Constant) and index.value is not None else given
    (d,) = _axes(call, "axis", len(x.dims))
    try:
        table = np.asarray(table).astype(np.int64)
    except (TypeError, ValueError):
        raise UnreadableError("which entries it picks depends on their values") from None
    out = take(k, x, d, table.ravel().tolist())
    return replace(out, dims=with_dim(out.dims, d, *regroup((out.dims[d],), table.shape)))


@keras("Repeat")
def _repeat(k: Tracker, call: Call) -> Tracked:
    (d,) = _axes(call, "axis", len(call.x.dims))
    times = per_axis(call.get("repeats"), 1)[0]
    return replace(call.x, dims=with_dim(call.x.dims, d, repeated(call.x.dims[d], times)))


@keras("Tile")
def _tile(k: Tracker, call: Call) -> Any:
    x, repeats = call.x, call.get("repeats")
    times = list(repeats) if isinstance(repeats, list | tuple) else [repeats]
    rank = max(len(times), len(x.dims))
    shape = (*[1] * (rank - len(x.dims)), *x.shape)
    k.shape = tuple(n * m for n, m in zip(shape, [*[1] * (rank - len(times)), *times], strict=True))
    return tile(k, x)


@keras("BroadcastTo")
def _broadcast(k: Tracker, call: Call) -> Any:
    shape: Sequence[int] = call.get("shape")
    return k.elementwise([call.x], shape=tuple(per_axis(list(shape), len(shape))))


@keras("Einsum")
def _einsum(k: Tracker, call: Call) -> Tracked:
    equation = str(call.get("subscripts", "")).replace(" ", "")
    sides, arrow, output = equation.partition("->")
    values = [call.argument("", i) for i in range(sides.count(",") + 1)]
    labels = sides.split(",")
    if not arrow or "..." in equation or None in values:
        raise UnreadableError(f"its equation is {equation!r}")
    sizes = {c: n for text, v in zip(labels, values, strict=True) for c, n in zip(text, v.shape, strict=True)}
    k.shape = tuple(sizes[c] for c in output)
    return einsum(k, equation, values)


@keras("CropImages")
def _cropped(k: Tracker, call: Call) -> Tracked:
    names = (("top_cropping", "bottom_cropping", "target_height"), ("left_cropping", "right_cropping", "target_width"))

    def act(x: Tracked) -> Tracked:
        for d, keys in enumerate(names, start=2):
            n = x.shape[d]
            start, end, m = (call.config.get(key) for key in keys)
            if start is None:
                start = n - (end or 0) - (m or 0)
            stop = n - end if end is not None else start + (m or 0)
            x = sp.narrow(k, x, d, start, stop)
        return x

    return channels_before(call, act)
