"""The layer vocabulary: every op as sizes and axis maps.

One layer acts on each spatial axis by itself, as a periodically shift-variant map: with `up`, `down` and a
table `taps[r]` for r < up, output entry ``o = up*m + r`` reads the input entries ``down*m + t``, t in ``taps[r]``.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import gcd
from typing import Any, Literal

import numpy as np

from engine.errors import InputError

MAX_TAPS = 1 << 20  # table entries of one layer on one axis: a guard against kernels that are slips of the finger
BORDERS = {"zeros": 0, "reflect": 1, "replicate": 2, "circular": 3}

Params = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class AxisMap:
    """One layer on one axis. Made by the cached functions below, so that equal maps are one object.

    `border` says what a read outside a finite map is: nothing (`zeros`) or a path to a copied entry.
    """

    up: int
    down: int
    taps: tuple[tuple[int, ...], ...]
    border: str = "zeros"

    @property
    def is_identity(self) -> bool:
        return self.up == self.down == 1 and self.taps == ((0,),)

    @cached_property
    def window(self) -> tuple[int, int, int] | None:
        """Taps, stride and dilation, if this is a window of equally spaced taps; None otherwise."""
        steps = {b - a for a, b in itertools.pairwise(self.taps[0])}
        if self.up > 1 or len(steps) > 1 or not self.taps[0]:
            return None
        return len(self.taps[0]), self.down, steps.pop() if steps else 1

    @cached_property
    def table(self) -> tuple[np.ndarray, np.ndarray]:
        """Taps as an int64 array (up, widest), and the number of taps of each phase."""
        counts = np.array([len(t) for t in self.taps], dtype=np.int64)
        taps = np.zeros((self.up, max(1, int(counts.max()))), dtype=np.int64)
        for r, row in enumerate(self.taps):
            taps[r, : len(row)] = row
        return taps, counts

    def reads(self, entry: int) -> tuple[int, ...]:
        """Input entries that output entry `entry` reads, borders not considered."""
        m, r = divmod(entry, self.up)
        return tuple(self.down * m + t for t in self.taps[r])


def _guard(entries: int, what: str) -> None:
    if entries > MAX_TAPS:
        raise InputError(f"{what} makes a table of {entries} taps on one axis; at most {MAX_TAPS} are supported")


@lru_cache(maxsize=4096)
def window_map(kernel: int, stride: int = 1, dilation: int = 1, pad: int = 0) -> AxisMap:
    """Convolution, pooling, slice, pad, crop: a window of `kernel` taps, `dilation` apart."""
    _guard(kernel, f"kernel {kernel}")
    return AxisMap(1, stride, (tuple(dilation * i - pad for i in range(kernel)),))


@lru_cache(maxsize=4096)
def transposed_map(kernel: int, stride: int, dilation: int, pad: int) -> AxisMap:
    """Transposed convolution: output o reads (o + pad - dilation*i)/stride wherever that is whole."""
    _guard(max(kernel, stride), f"kernel {kernel} at stride {stride}")
    rows: list[set[int]] = [set() for _ in range(stride)]
    for i in range(kernel):
        phase = (dilation * i - pad) % stride
        rows[phase].add((phase + pad - dilation * i) // stride)
    taps = tuple(tuple(sorted(row)) for row in rows)
    return AxisMap(stride, 1, taps)


@lru_cache(maxsize=4096)
def resample_map(size_in: int, size_out: int, mode: str, coordinates: str = "", rounding: str = "floor") -> AxisMap:
    """Nearest, bilinear or bicubic resampling of entries.

    The positions of the new entries among the old are what `coordinates` says: `half_pixel` (o + 1/2) in/out - 1/2,
    `asymmetric` o in/out, `align_corners` o (in - 1)/(out - 1); by default asymmetric for nearest, else half_pixel.
    """
    coordinates = coordinates or _COORDINATES[mode]
    corners = coordinates == "align_corners" and min(size_in, size_out) > 1
    less = 1 if corners else 0
    g = gcd(size_in - less, size_out - less)
    up, down = (size_out - less) // g, (size_in - less) // g
    _guard(up, f"resampling {size_in} entries to {size_out}")
    if coordinates == "half_pixel":
        positions = [((2 * r + 1) * down - up, 2 * up) for r in range(up)]
    elif corners or coordinates == "asymmetric":
        positions = [(r * down, up) for r in range(up)]
    else:  # one entry on either side: the corner is entry 0
        positions, mode, rounding = [(r * down, up) for r in range(up)], "nearest", "floor"
    inside = mode == "bilinear" or (mode == "nearest" and coordinates == "asymmetric" and rounding == "floor")
    taps = tuple(_neighbours(*position, mode, rounding) for position in positions)
    return AxisMap(up, down, taps, "zeros" if inside else "replicate")


_COORDINATES = {"nearest": "asymmetric", "bilinear": "half_pixel", "bicubic": "half_pixel"}


def _neighbours(numerator: int, denominator: int, mode: str, rounding: str) -> tuple[int, ...]:
    """Entries that interpolation at a position reads; one of weight zero is no path."""
    base, rest = divmod(numerator, denominator)
    if mode == "nearest":
        return (base + _ROUND[rounding](rest, denominator),)
    if rest == 0:
        return (base,)
    return (base, base + 1) if mode == "bilinear" else (base - 1, base, base + 1, base + 2)


_ROUND: dict[str, Callable[[int, int], bool]] = {  # whether the fraction rest/whole is rounded up; `down`, `up`: ties
    "floor": lambda rest, whole: False,
    "ceil": lambda rest, whole: rest > 0,
    "down": lambda rest, whole: 2 * rest > whole,
    "up": lambda rest, whole: 2 * rest >= whole,
}


@lru_cache(maxsize=4096)
def adaptive_map(size_in: int, size_out: int) -> AxisMap:
    """Adaptive pooling: windows from floor to ceil of the cuts into `size_out` equal parts."""
    g = gcd(size_in, size_out)
    up, down = size_out // g, size_in // g
    _guard(up * (down // up + 2), f"pooling {size_in} entries to {size_out}")
    return AxisMap(up, down, tuple(tuple(range(r * down // up, -(-(r + 1) * down // up))) for r in range(up)))


@lru_cache(maxsize=1024)
def attention_window_map(window: int, dilation: int) -> AxisMap:
    """Attention inside windows: each entry reads the `window` entries, `dilation` apart, of its block."""
    block = window * dilation
    _guard(window * block, f"window {window} at dilation {dilation}")
    phases = tuple(tuple(range(r, block, dilation)) for r in range(dilation))
    return AxisMap(block, block, phases * window)


@lru_cache(maxsize=1024)
def border_map(pad: int, border: str) -> AxisMap:
    """Padding whose entries copy others (reflect, replicate, circular), or zeros."""
    return AxisMap(1, 1, ((-pad,),), border)


IDENTITY = window_map(1, 1, 1, 0)  # positional as everywhere: one key of the cache, one object


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
    if `needs_size(p)` is false.
    """

    params: Mapping[str, Param]
    kind: Literal["map", "merge", "global"] = "map"
    size: Callable[[Params, int, int], int] = lambda p, a, n: n
    axis_map: Callable[[Params, int, int | None], AxisMap] = lambda p, a, n: IDENTITY
    needs_size: Callable[[Params], bool] = lambda p: False


def same_padding(params: Params, axis: int, n: int | None) -> tuple[int, int]:
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


def _window_size(p: Params, a: int, n: int) -> int:
    before, after = same_padding(p, a, n)
    k, s, d = p["kernel"][a], p["stride"][a], p["dilation"][a]
    room = n + before + after - d * (k - 1) - 1
    if not p.get("ceil_mode"):
        return room // s + 1
    size = -(-room // s) + 1
    return size - 1 if (size - 1) * s >= n + before else size


def _window(p: Params, a: int, n: int | None) -> AxisMap:
    return window_map(p["kernel"][a], p["stride"][a], p["dilation"][a], same_padding(p, a, n)[0])


def _same_needs_size(p: Params) -> bool:
    return isinstance(p["padding"], str) and any(s > 1 for s in p["stride"])


def _transposed_size(p: Params, a: int, n: int) -> int:
    ndim = len(p["kernel"])
    span = p["dilation"][a] * (p["kernel"][a] - 1)
    return (n - 1) * p["stride"][a] - p["padding"][a] - p["padding"][ndim + a] + span + p["output_padding"][a] + 1


def _shrink_size(p: Params, a: int, n: int) -> int:
    scale = p["scale"][a]
    if n % scale:
        raise InputError(f"scale {scale} does not divide the map's {n} entries")
    return n // scale


def _slice_size(p: Params, a: int, n: int) -> int:
    stop = n if p["stop"][a] is None else min(p["stop"][a], n)
    return max(0, -(-(stop - p["start"][a]) // p["step"][a]))


def _pad_size(p: Params, a: int, n: int) -> int:
    ndim = len(p["padding"]) // 2
    before, after = p["padding"][a], p["padding"][ndim + a]
    limit = {"reflect": n - 1, "circular": n}.get(p["mode"])
    if limit is not None and max(before, after) > limit:
        raise InputError(f"{p['mode']} padding {max(before, after)} needs a map larger than {n} entries")
    return n + before + after


def _crop(p: Params, a: int, n: int | None) -> int:
    if p["size"] is None:
        return int(p["amount"][a])
    assert n is not None
    return (n - int(p["size"][a])) // 2


def _crop_size(p: Params, a: int, n: int) -> int:
    if p["size"] is None:
        ndim = len(p["amount"]) // 2
        return max(0, n - p["amount"][a] - p["amount"][ndim + a])
    if p["size"][a] > n:
        raise InputError(f"crop size {p['size'][a]} is larger than the map's {n} entries")
    return int(p["size"][a])


_KERNEL = Param("axis", required=True)
_ONE = Param("axis", default=1)
_PADDING = Param("sides", default=0, minimum=0)
_RESAMPLING = {
    "mode": Param("mode", default="nearest", choices=("nearest", "bilinear", "bicubic")),
    "align_corners": Param("flag", default=False),
    "coordinates": Param("mode", choices=("half_pixel", "asymmetric", "align_corners")),
    "rounding": Param("mode", default="floor", choices=tuple(_ROUND)),
}
_CONV = {"kernel": _KERNEL, "stride": _ONE, "dilation": _ONE, "padding": _PADDING}
_POOL = {
    "kernel": _KERNEL,
    "stride": Param("axis", default_is="kernel"),
    "dilation": _ONE,
    "padding": _PADDING,
    "ceil_mode": Param("flag", default=False),
}
_SCALE = {"scale": Param("axis", required=True)}
_SIZE = {"size": Param("axis", required=True)}


def _corners(p: Params) -> bool:
    return bool(p["align_corners"]) or p["coordinates"] == "align_corners"


def _resampled(p: Params, size_in: int, size_out: int) -> AxisMap:
    coordinates = "align_corners" if p["align_corners"] else p["coordinates"] or ""
    return resample_map(size_in, size_out, p["mode"], coordinates, p["rounding"])


def _always(p: Params) -> bool:
    return True


_POOLING = Op(_POOL, size=_window_size, axis_map=_window, needs_size=_same_needs_size)
_SHUFFLE = Op(
    _SCALE, size=lambda p, a, n: n * p["scale"][a], axis_map=lambda p, a, n: resample_map(1, p["scale"][a], "nearest")
)

OPS: dict[str, Op] = {
    "conv": Op(_CONV, size=_window_size, axis_map=_window, needs_size=_same_needs_size),
    "max_pool": _POOLING,
    "avg_pool": _POOLING,
    "lp_pool": _POOLING,
    "conv_transpose": Op(
        {**_CONV, "output_padding": Param("axis", default=0, minimum=0)},
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
            "stop": Param("axis_or_none", default=None),
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
    "pointwise": Op({}),
    "add": Op({}, kind="merge"),
    "multiply": Op({}, kind="merge"),
    "concat": Op({}, kind="merge"),
    "global_pool": Op({}, kind="global", size=lambda p, a, n: 1),
    "linear": Op({}, kind="global", size=lambda p, a, n: 1),
    "attention": Op({}, kind="global"),
}


def _known(n: int | None) -> int:
    assert n is not None, "needs_size is true for this op"
    return n
