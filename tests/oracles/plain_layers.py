"""What one layer reads on one axis, in plain Python: the part of the oracle that knows the ops."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

Cell = tuple[int, ...]
Params = Mapping[str, Any]

IMAGE = "input"
MERGES = frozenset({"add", "multiply", "concat"})
POOLS = frozenset({"max_pool", "avg_pool", "lp_pool"})
GLOBAL_OPS = frozenset({"global_pool", "linear", "attention"})


def _at(params: Params, key: str, axis: int) -> int:
    return int(params[key][axis])


def is_global_op(op: str, params: Params) -> bool:
    """Whether every output entry of such a layer reads every entry of its input."""
    return op in GLOBAL_OPS or (op == "adaptive_pool" and all(size == 1 for size in params["size"]))


def sides(op: str, params: Params, axis: int, n: int | None) -> tuple[int, int]:
    """Padding before and after a map of `n` entries on one axis."""
    padding = params["padding"]
    if padding not in ("same", "same_lower"):
        ndim = len(padding) // 2
        return padding[axis], padding[ndim + axis]
    if op not in POOLS | {"conv"}:
        raise ValueError(f"padding {padding!r} says nothing about op {op!r}")
    stride, reach = _at(params, "stride", axis), _at(params, "dilation", axis) * (_at(params, "kernel", axis) - 1)
    if stride == 1:
        total = reach  # n cancels
    else:
        n = _known(n, f"padding {padding!r} with a stride")
        outputs = -(-n // stride)
        total = max(0, (outputs - 1) * stride + reach + 1 - n)
    small, large = total // 2, total - total // 2
    return (small, large) if padding == "same" else (large, small)


def axis_size(op: str, params: Params, axis: int, n: int) -> int:
    """Entries on one axis of the output, from `n` entries of the input. Less than 1: nothing is left."""
    if op == "attention":
        return n
    if is_global_op(op, params):
        return 1
    block = _block(op, params, axis)
    if block:
        whole = {key: value for key, value in params.items() if key != "block"}
        return n // block * axis_size(op, whole, axis, block) if n % block == 0 else 0
    if op == "conv" or op in POOLS:
        before, after = sides(op, params, axis, n)
        stride, reach = _at(params, "stride", axis), _at(params, "dilation", axis) * (_at(params, "kernel", axis) - 1)
        room = n + before + after - reach - 1
        if not params.get("ceil_mode", False):
            return room // stride + 1
        count = -(-room // stride) + 1
        return count - 1 if (count - 1) * stride >= n + before else count
    if op == "conv_transpose":
        before, after = sides(op, params, axis, n)
        reach = _at(params, "dilation", axis) * (_at(params, "kernel", axis) - 1)
        return (n - 1) * _at(params, "stride", axis) - before - after + reach + _at(params, "output_padding", axis) + 1
    if op in ("upsample", "pixel_shuffle"):
        return n * _at(params, "scale", axis)
    if op in ("resize", "adaptive_pool"):
        return _at(params, "size", axis)
    if op == "space_to_depth":
        scale = _at(params, "scale", axis)
        return n // scale if n % scale == 0 else 0
    if op == "slice":
        stop = params.get("stop", (None,) * (axis + 1))[axis]
        end = n if stop is None else n + int(stop) if int(stop) < 0 else min(int(stop), n)
        return -(-(end - _at(params, "start", axis)) // _at(params, "step", axis))
    if op == "pad":
        before, after = sides(op, params, axis, n)
        return n + before + after
    if op == "crop":
        if params.get("size") is not None:
            size = _at(params, "size", axis)
            return size if size <= n else 0
        amount: Cell = params["amount"]
        return n - amount[axis] - amount[len(amount) // 2 + axis]
    if op in ("pointwise", "roll", "flip", "cumulative", "window_attention") or op in MERGES:
        return n
    raise ValueError(f"the oracle knows no op {op!r}")


def axis_reads(op: str, params: Params, axis: int, o: int, n: int | None, finite: bool) -> list[int]:
    """Input entries that output entry `o` reads on one axis, one for each path.

    Parameters
    ----------
    op, params
        The layer. Not a global op.
    axis : int
    o : int
        Output entry.
    n : int or None
        Entries of the input map on this axis. None if unknown, for an interior without input size.
    finite : bool
        Whether a read outside 0..n-1 is padding (or, in the copying modes of ``pad``, a copy).
    """
    reads = _unclipped_reads(op, params, axis, o, n)
    if not finite:
        return reads
    n = _known(n, "a finite map")
    if op == "pad" and params["mode"] != "zeros":
        reads = [_copied(t, n, params["mode"]) for t in reads]
    if op == "roll":
        reads = [t % n for t in reads]
    if op in ("resize", "upsample") and params["mode"] != "bilinear" and not _shrinks(params, axis, n):
        reads = [min(max(t, 0), n - 1) for t in reads]
    return [t for t in reads if 0 <= t < n]


def _block(op: str, params: Params, axis: int) -> int:
    """Entries of a block that a window keeps to, 0 for none."""
    return _at(params, "block", axis) if (op == "conv" or op in POOLS) and params.get("block") else 0


def _unclipped_reads(op: str, params: Params, axis: int, o: int, n: int | None) -> list[int]:
    block = _block(op, params, axis)
    if block:
        whole = {key: value for key, value in params.items() if key != "block"}
        number, place = divmod(o, axis_size(op, whole, axis, block))
        return [number * block + t for t in axis_reads(op, whole, axis, place, block, True)]
    if op == "conv" or op in POOLS:
        before, _ = sides(op, params, axis, n)
        stride, dilation = _at(params, "stride", axis), _at(params, "dilation", axis)
        return [stride * o - before + dilation * i for i in range(_at(params, "kernel", axis))]
    if op == "conv_transpose":
        before, _ = sides(op, params, axis, n)
        stride, dilation = _at(params, "stride", axis), _at(params, "dilation", axis)
        scattered = [o + before - dilation * i for i in range(_at(params, "kernel", axis))]
        return [t // stride for t in scattered if t % stride == 0]
    if op == "pixel_shuffle":
        return [o // _at(params, "scale", axis)]
    if op == "upsample":
        scale = _at(params, "scale", axis)
        entries = _known(n, "align_corners") if _coordinates(params) == "align_corners" else 1
        return _interpolated(params, o, entries, scale * entries)
    if op == "resize" and n is not None and _shrinks(params, axis, n):
        return _filtered(params, o, n, _at(params, "size", axis))
    if op == "resize":
        return _interpolated(params, o, _known(n, "resize"), _at(params, "size", axis))
    if op == "adaptive_pool":
        n, size = _known(n, "adaptive_pool"), _at(params, "size", axis)
        return list(range(o * n // size, -(-(o + 1) * n // size)))
    if op == "space_to_depth":
        scale = _at(params, "scale", axis)
        return list(range(scale * o, scale * o + scale))
    if op == "window_attention":
        window, dilation = _at(params, "window", axis), _at(params, "dilation", axis)
        first = o // (window * dilation) * (window * dilation) + o % dilation
        return [first + dilation * i for i in range(window)]
    if op == "roll":
        return [o - _at(params, "shift", axis)]
    if op == "cumulative":
        entries = range(_known(n, op))
        before, after = _at(params, "earlier", axis), _at(params, "later", axis)
        return [t for t in entries if t == o or (before and t < o) or (after and t > o)]
    if op == "flip":
        return [_known(n, "flip") - 1 - o if _at(params, "reverse", axis) else o]
    if op == "slice":
        return [_at(params, "start", axis) + _at(params, "step", axis) * o]
    if op == "pad":
        before, _ = sides(op, params, axis, n)
        return [o - before]
    if op == "crop":
        if params.get("size") is not None:
            return [o + (_known(n, "crop by size") - _at(params, "size", axis)) // 2]
        return [o + params["amount"][axis]]
    if op == "pointwise" or op in MERGES:
        return [o]
    raise ValueError(f"the oracle knows no op {op!r}")


def _shrinks(params: Params, axis: int, n: int) -> bool:
    return bool(params["antialias"]) and "size" in params and _at(params, "size", axis) < n


def _filtered(params: Params, o: int, n: int, size: int) -> list[int]:
    """Entries of non-zero weight where `n` entries become fewer with antialiasing."""
    reads, reach = [], 1 if params["mode"] == "bilinear" else 2
    middle = o * n // size
    for t in range(middle - 4 * n - 4, middle + 4 * n + 5):
        x = (t + Fraction(1, 2)) * size / n - (o + Fraction(1, 2))
        if abs(x) < reach and (x == 0 or x.denominator > 1):
            reads.append(t)
    return reads


def _interpolated(params: Params, o: int, n: int, size: int) -> list[int]:
    """Entries that entry `o` reads where `n` entries become `size`."""
    coordinates, half = _coordinates(params), Fraction(1, 2)
    if coordinates == "align_corners" and 1 in (n, size):
        return [0]
    position = {
        "half_pixel": lambda: (o + half) * n / size - half,
        "asymmetric": lambda: Fraction(o * n, size),
        "align_corners": lambda: Fraction(o * (n - 1), size - 1),
    }[coordinates]()
    low = math.floor(position)
    if params["mode"] == "nearest":
        return [_rounded(position, params["rounding"])]
    if position == low:
        return [low]
    return [low, low + 1] if params["mode"] == "bilinear" else [low - 1, low, low + 1, low + 2]


def _coordinates(params: Params) -> str:
    """Where a resampling puts the new entries among the old ones."""
    if params["align_corners"]:
        return "align_corners"
    default = "asymmetric" if params["mode"] == "nearest" else "half_pixel"
    return str(params["coordinates"] or default)


def _rounded(position: Fraction, rounding: str) -> int:
    if rounding == "floor":
        return math.floor(position)
    if rounding == "ceil":
        return math.ceil(position)
    low = math.floor(position)
    half = Fraction(1, 2)
    return low if position - low < half or (position - low == half and rounding == "down") else low + 1


def _copied(t: int, n: int, mode: str) -> int:
    """Entry of a map of `n` that position `t`, possibly outside, is a copy of."""
    if mode == "circular":
        return t % n
    if mode == "replicate":
        return min(max(t, 0), n - 1)
    if mode != "reflect":
        raise ValueError(f"the oracle knows no pad mode {mode!r}")
    while n > 1 and not 0 <= t < n:
        t = -t if t < 0 else 2 * (n - 1) - t
    return t if n > 1 else 0


def _known(n: int | None, what: str) -> int:
    if n is None:
        raise ValueError(f"{what} depends on the map's size: the network needs an input_size")
    return n


def axis_step(op: str, params: Params, axis: int, n: int | None) -> Fraction:
    """Input entries between neighbouring output entries, on average."""
    block = _block(op, params, axis)
    if block:
        return Fraction(block, axis_size(op, {k: v for k, v in params.items() if k != "block"}, axis, block))
    if op == "conv" or op in POOLS:
        return Fraction(params["stride"][axis])
    if op == "conv_transpose":
        return Fraction(1, params["stride"][axis])
    if op in ("resize", "upsample") and _coordinates(params) == "align_corners":
        n = _known(n, op)
        size = axis_size(op, params, axis, n)
        return Fraction(n, size) if 1 in (n, size) else Fraction(n - 1, size - 1)
    if op in ("upsample", "pixel_shuffle"):
        return Fraction(1, params["scale"][axis])
    if op in ("resize", "adaptive_pool"):
        return Fraction(_known(n, op), params["size"][axis])
    if op == "space_to_depth":
        return Fraction(params["scale"][axis])
    if op == "flip":
        return Fraction(-1 if params["reverse"][axis] else 1)
    if op == "slice":
        return Fraction(params["step"][axis])
    return Fraction(1)
