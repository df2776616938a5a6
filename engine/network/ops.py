"""The layer vocabulary: every op as sizes and axis maps.

One layer acts on each spatial axis by itself, as a periodically shift-variant map: with `up`, `down` and a
table `taps[r]` for r < up, output entry ``o = up*m + r`` reads the input entries ``down*m + t``, t in ``taps[r]``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from rfscale.engine.errors import InputError
from rfscale.engine.network.axis_maps import (
    BORDERS,
    IDENTITY,
    ROUNDING,
    AxisMap,
    adaptive_map,
    attention_window_map,
    block_map,
    border_map,
    flip_map,
    resample_map,
    transposed_map,
    whole_map,
    window_map,
)

Values = Mapping[str, Any]  # of the parameters of one layer


@dataclass(frozen=True)
class Param:
    """One parameter of an op: its shape, default (None: required) and smallest value."""

    kind: Literal["axis", "sides", "flag", "mode", "axis_or_none"]
    default: Any = None
    minimum: int = 1
    required: bool = False
    choices: tuple[str, ...] = ()
    default_is: str | None = None  # name of the parameter whose value is the default


@dataclass(frozen=True)
class Op:
    """One op: its parameters, and per axis its output size and its map.

    `size(p, axis, n)` gives the output entries for an input of n; `axis_map(p, axis, n)` the map, where n may be None
    if `needs_size(p)` is false and the kind is "map": a "global" layer reads its whole map, a "one_way" one all before
    or after an entry, which ends in finite mode only.
    """

    params: Mapping[str, Param]
    kind: Literal["map", "merge", "global", "one_way"] = "map"
    size: Callable[[Values, int, int], int] = lambda p, a, n: n
    axis_map: Callable[[Values, int, int | None], AxisMap] = lambda p, a, n: IDENTITY
    needs_size: Callable[[Values], bool] = lambda p: False


def same_padding(params: Values, axis: int, n: int | None) -> tuple[int, int]:
    """Padding before and after on one axis; `n` matters only for `same` paddings of strided layers."""
    padding = params["padding"]
    if not isinstance(padding, str):
        ndim = len(padding) // 2
        return padding[axis], padding[ndim + axis]
    span = params["dilation"][axis] * (params["kernel"][axis] - 1) + 1
    stride = params["stride"][axis]
    total = span - 1 if stride == 1 or n is None else max(0, (-(-n // stride) - 1) * stride + span - n)
    small, large = total // 2, total - total // 2
    return (small, large) if padding == "same" else (large, small)


def _block(p: Values, a: int) -> int:
    """Entries between the borders that a window keeps to; 0 where the map has none but its own."""
    return int(p["block"][a]) if p.get("block") else 0


def _window_size(p: Values, a: int, n: int) -> int:
    block = _block(p, a)
    if not block:
        return _row_size(p, a, n)
    if n % block:
        raise InputError(f"block {block} does not divide the map's {n} entries")
    return n // block * _outputs_of_block(p, a, block)


def _outputs_of_block(p: Values, a: int, block: int) -> int:
    size = _row_size(p, a, block)
    if size < 1:
        span = p["dilation"][a] * (p["kernel"][a] - 1) + 1
        problem = f"a window of {span} entries does not fit into a block of {block}"
        raise InputError(problem, remedy="give a larger block or padding")
    return size


def _row_size(p: Values, a: int, n: int) -> int:
    before, after = same_padding(p, a, n)
    k, s, d = p["kernel"][a], p["stride"][a], p["dilation"][a]
    room = n + before + after - d * (k - 1) - 1
    if not p.get("ceil_mode"):
        return room // s + 1
    size = -(-room // s) + 1
    return size - 1 if (size - 1) * s >= n + before else size


def _window(p: Values, a: int, n: int | None) -> AxisMap:
    block = _block(p, a)
    row = window_map(p["kernel"][a], p["stride"][a], p["dilation"][a], same_padding(p, a, block or n)[0])
    return block_map(row, block, _outputs_of_block(p, a, block)) if block else row


def _same_needs_size(p: Values) -> bool:
    return isinstance(p["padding"], str) and any(s > 1 for s in p["stride"])


def _transposed_size(p: Values, a: int, n: int) -> int:
    ndim = len(p["kernel"])
    span = p["dilation"][a] * (p["kernel"][a] - 1)
    return (n - 1) * p["stride"][a] - p["padding"][a] - p["padding"][ndim + a] + span + p["output_padding"][a] + 1


def _shrink_size(p: Values, a: int, n: int) -> int:
    scale = p["scale"][a]
    if n % scale:
        raise InputError(f"scale {scale} does not divide the map's {n} entries")
    return n // scale


def _slice_size(p: Values, a: int, n: int) -> int:
    given = p["stop"][a]
    stop = n if given is None else min(given, n) if given > 0 else n + given
    return max(0, -(-(stop - p["start"][a]) // p["step"][a]))


def _pad_size(p: Values, a: int, n: int) -> int:
    ndim = len(p["padding"]) // 2
    before, after = p["padding"][a], p["padding"][ndim + a]
    limit = {"reflect": n - 1, "circular": n}.get(p["mode"])
    if limit is not None and max(before, after) > limit:
        raise InputError(f"{p['mode']} padding {max(before, after)} needs a map larger than {n} entries")
    return n + before + after


def _crop(p: Values, a: int, n: int | None) -> int:
    if p["size"] is None:
        return int(p["amount"][a])
    assert n is not None
    return (n - int(p["size"][a])) // 2


def _crop_size(p: Values, a: int, n: int) -> int:
    if p["size"] is None:
        ndim = len(p["amount"]) // 2
        return max(0, n - p["amount"][a] - p["amount"][ndim + a])
    if p["size"][a] > n:
        raise InputError(f"crop size {p['size'][a]} is larger than the map's {n} entries")
    return int(p["size"][a])


def _corners(p: Values) -> bool:
    return bool(p["align_corners"]) or p["coordinates"] == "align_corners"


def _resampled(p: Values, size_in: int, size_out: int) -> AxisMap:
    coordinates = "align_corners" if p["align_corners"] else p["coordinates"] or ""
    return resample_map(size_in, size_out, p["mode"], coordinates, p["rounding"], p["antialias"])


def _flip_size(p: Values, a: int, n: int) -> int:
    if p["reverse"][a] > 1:
        raise InputError(f"reverse is {p['reverse'][a]}; it must be 0 or 1, one number per axis")
    return n


def _always(p: Values) -> bool:
    return True


def _known(n: int | None) -> int:
    assert n is not None, "needs_size is true for this op"
    return n


def _whole(p: Values, a: int, n: int | None) -> AxisMap:
    return whole_map(_known(n))


def _cumulative(p: Values, a: int, n: int | None) -> AxisMap:
    """A window as long as the map, which the border cuts."""
    before, after = ((_known(n) - 1) * bool(p[side][a]) for side in ("earlier", "later"))
    return window_map(before + after + 1, 1, 1, before)


_KERNEL = Param("axis", required=True)
_ONE = Param("axis", default=1)
_PADDING = Param("sides", default=0, minimum=0)
_RESAMPLING = {
    "mode": Param("mode", default="nearest", choices=("nearest", "bilinear", "bicubic")),
    "align_corners": Param("flag", default=False),
    "coordinates": Param("mode", choices=("half_pixel", "asymmetric", "align_corners")),
    "rounding": Param("mode", default="floor", choices=tuple(ROUNDING)),
    "antialias": Param("flag", default=False),
}
_WINDOW = {"kernel": _KERNEL, "stride": _ONE, "dilation": _ONE, "padding": _PADDING}
_BLOCK = {"block": Param("axis", default=None, minimum=0)}
_POOL = {
    "kernel": _KERNEL,
    "stride": Param("axis", default_is="kernel"),
    "dilation": _ONE,
    "padding": _PADDING,
    "ceil_mode": Param("flag", default=False),
    **_BLOCK,
}
_SCALE = {"scale": Param("axis", required=True)}
_SIZE = {"size": Param("axis", required=True)}
_ALL_TO_ONE = Op({}, kind="global", size=lambda p, a, n: 1, axis_map=_whole)
_POOLING = Op(_POOL, size=_window_size, axis_map=_window, needs_size=_same_needs_size)
_SHUFFLE = Op(
    _SCALE, size=lambda p, a, n: n * p["scale"][a], axis_map=lambda p, a, n: resample_map(1, p["scale"][a], "nearest")
)

OPS: dict[str, Op] = {
    "conv": Op({**_WINDOW, **_BLOCK}, size=_window_size, axis_map=_window, needs_size=_same_needs_size),
    "max_pool": _POOLING,
    "avg_pool": _POOLING,
    "lp_pool": _POOLING,
    "conv_transpose": Op(
        {**_WINDOW, "output_padding": Param("axis", default=0, minimum=0)},
        size=_transposed_size,
        axis_map=lambda p, a, n: transposed_map(p["kernel"][a], p["stride"][a], p["dilation"][a], p["padding"][a]),
    ),
    "upsample": Op(
        {**_SCALE, **_RESAMPLING},
        size=lambda p, a, n: n * p["scale"][a],
        axis_map=lambda p, a, n: _resampled(p, 1 if n is None else n, p["scale"][a] * (1 if n is None else n)),
        needs_size=_corners,
    ),
    "resize": Op(
        {**_SIZE, **_RESAMPLING},
        size=lambda p, a, n: p["size"][a],
        axis_map=lambda p, a, n: _resampled(p, _known(n), p["size"][a]),
        needs_size=_always,
    ),
    "adaptive_pool": Op(
        _SIZE,
        size=lambda p, a, n: p["size"][a],
        axis_map=lambda p, a, n: adaptive_map(_known(n), p["size"][a]),
        needs_size=_always,
    ),
    "pixel_shuffle": _SHUFFLE,
    "space_to_depth": Op(_SCALE, size=_shrink_size, axis_map=lambda p, a, n: window_map(p["scale"][a], p["scale"][a])),
    "window_attention": Op(
        {"window": Param("axis", required=True), "dilation": _ONE},
        axis_map=lambda p, a, n: attention_window_map(p["window"][a], p["dilation"][a]),
    ),
    "slice": Op(
        {
            "start": Param("axis", default=0, minimum=0),
            "stop": Param("axis_or_none", default=None, minimum=-(2**31)),
            "step": _ONE,
        },
        size=_slice_size,
        axis_map=lambda p, a, n: window_map(1, p["step"][a], 1, -p["start"][a]),
    ),
    "pad": Op(
        {
            "padding": Param("sides", required=True, minimum=0),
            "mode": Param("mode", default="zeros", choices=tuple(BORDERS)),
        },
        size=_pad_size,
        axis_map=lambda p, a, n: border_map(p["padding"][a], p["mode"]),
    ),
    "crop": Op(
        {"amount": Param("sides", default=None, minimum=0), "size": Param("axis", default=None)},
        size=_crop_size,
        axis_map=lambda p, a, n: window_map(1, 1, 1, -_crop(p, a, n)),
        needs_size=lambda p: p["size"] is not None,
    ),
    "roll": Op(
        {"shift": Param("axis", required=True, minimum=-(2**31))},
        axis_map=lambda p, a, n: border_map(p["shift"][a], "circular"),
    ),
    "cumulative": Op(
        {"earlier": Param("axis", default=0, minimum=0), "later": Param("axis", default=0, minimum=0)},
        kind="one_way",
        axis_map=_cumulative,
    ),
    "flip": Op(
        {"reverse": Param("axis", required=True, minimum=0)},
        size=_flip_size,
        axis_map=lambda p, a, n: flip_map(_known(n)) if p["reverse"][a] else IDENTITY,
        needs_size=_always,
    ),
    "pointwise": Op({}),
    "add": Op({}, kind="merge"),
    "multiply": Op({}, kind="merge"),
    "concat": Op({}, kind="merge"),
    "global_pool": _ALL_TO_ONE,
    "linear": _ALL_TO_ONE,
    "attention": Op({}, kind="global", axis_map=_whole),
}
