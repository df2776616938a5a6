"""ONNX Resize and Upsample of every opset: sizes or factors, seven ways to place pixels, four to round them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from rfscale.engine.readers.onnx.graph.node import Node
from rfscale.engine.readers.tensors.layout import UnreadableError, neutral, spatial
from rfscale.engine.readers.tensors.operators import spatial_ops as sp
from rfscale.engine.readers.tensors.tracking import Constant, Tracked, Tracker

_MODES = {"nearest": "nearest", "linear": "bilinear", "bilinear": "bilinear", "cubic": "bicubic"}
_ROUNDING = {"round_prefer_floor": "down", "round_prefer_ceil": "up", "floor": "floor", "ceil": "ceil"}
_PLACES = (
    "half_pixel",
    "half_pixel_symmetric",
    "pytorch_half_pixel",
    "align_corners",
    "asymmetric",
    "tf_crop_and_resize",
)


def resample(k: Tracker, node: Node) -> Tracked:
    """Resize and Upsample of every opset."""
    x, attrs = node.inputs[0], node.attrs
    old = node.op == "Upsample" or node.opset < 11  # they place by factors from the first corner
    place = "asymmetric" if old else attrs.get("coordinate_transformation_mode", "half_pixel")
    mode = _MODES.get(attrs.get("mode", "nearest"))
    rounding = "floor" if old else _ROUNDING.get(attrs.get("nearest_mode", "round_prefer_floor"))
    if mode is None or place not in _PLACES or rounding is None:
        raise UnreadableError(f"it resamples in a way that is not known ({attrs.get('mode')}, {place})")
    scales = _scales(x, node, k.shape)
    shrinks = any(s < 1 for s in scales)
    if mode == "bicubic" and (attrs.get("exclude_outside") or attrs.get("cubic_coeff_a", -0.75) == 0):
        raise UnreadableError("it is a cubic resampling that leaves out some of its 4 entries")
    smooth = bool(attrs.get("antialias")) and shrinks and mode != "nearest"
    whole = all(s * n == m for s, n, m in zip(scales, x.shape, k.shape, strict=True))
    if smooth and not ("half_pixel" in place and whole):
        raise UnreadableError("it shrinks a map with antialiasing, and places the entries other than by the sizes")
    if old and mode == "nearest" and any(s < 1 and s.numerator > 1 for s in scales):
        raise UnreadableError("it shrinks by no whole factor, and opsets before 11 do not say which entry is nearest")
    if place == "tf_crop_and_resize":
        x = _cropped(k, x, node)
    if smooth:
        return _smoothed(k, x, mode)
    return _placed(k, x, mode, place, rounding, scales)


def _scales(x: Tracked, node: Node, shape: Sequence[int]) -> list[Fraction]:
    """The factor of each dim, as it places the entries."""
    rank = len(x.dims)
    axes = [int(a) % rank for a in node.attrs.get("axes", range(rank))]
    ratios = [Fraction(m, n) for n, m in zip(x.shape, shape, strict=True)]
    given = _given_scales(node)
    if given is not None and len(given) == len(axes):
        for d, s in zip(axes, given, strict=True):
            if abs(s * x.shape[d] - shape[d]) > 1e-4:
                ratios[d] = sp.factor(s)
    if node.attrs.get("keep_aspect_ratio_policy", "stretch") != "stretch" and given is None:
        wanted = node.ints("sizes", 3) or [shape[d] for d in axes]
        asked = [Fraction(m, x.shape[d]) for d, m in zip(axes, wanted, strict=True)]
        one = min(asked) if node.attrs["keep_aspect_ratio_policy"] == "not_larger" else max(asked)
        if any(ratios[d] != one for d in axes):
            raise UnreadableError("it keeps the aspect ratio by a factor that makes no whole size")
    return ratios


def _given_scales(node: Node) -> list[float] | None:
    """Scales per dim, where the node gives scales and not sizes."""
    attrs = node.attrs
    if node.op == "Upsample" and "scales" not in attrs and "height_scale" in attrs:
        return [1.0, 1.0, attrs["height_scale"], attrs["width_scale"]]
    if "scales" in attrs:
        return list(attrs["scales"])
    position = 1 if node.op == "Upsample" or node.opset < 11 else 2
    given = node.inputs[position] if len(node.inputs) > position else None
    if given is None or 0 in given.shape:
        return None
    if not isinstance(given, Constant) or given.value is None:
        raise UnreadableError("its scales are not constant")
    return [float(v) for v in np.ravel(given.value)]


def _cropped(k: Tracker, x: Tracked, node: Node) -> Tracked:
    """Cut to the region of interest, whose ends must be entries."""
    rank = len(x.dims)
    given = node.inputs[1] if len(node.inputs) > 1 else None
    if not isinstance(given, Constant) or given.value is None:
        raise UnreadableError("its region of interest is not constant")
    roi = [float(v) for v in np.ravel(given.value)]
    axes = [int(a) % rank for a in node.attrs.get("axes", range(rank))]
    if len(roi) != 2 * len(axes):
        raise UnreadableError("its region of interest does not fit its dims")
    for j, d in enumerate(axes):
        ends = [roi[j] * (x.shape[d] - 1), roi[len(axes) + j] * (x.shape[d] - 1)]
        first, last = (round(e) for e in ends)
        if any(abs(e - whole) > 1e-5 for e, whole in zip(ends, (first, last), strict=True)):
            raise UnreadableError("its region of interest begins or ends between entries")
        if not 0 <= first <= last < x.shape[d]:
            raise UnreadableError("its region of interest reaches beyond the map, or is reversed")
        x = sp.narrow(k, x, d, first, last + 1)
    return x


def _placed(k: Tracker, x: Tracked, mode: str, place: str, rounding: str, scales: Sequence[Fraction]) -> Tracked:
    """Resample, one layer for all dims that are placed alike."""
    rank, shape = len(x.dims), k.shape
    first = rank - len(x.map)
    if any(spatial(x.dims[d]) or n != x.shape[d] for d, n in enumerate(shape[:first])):
        raise UnreadableError("it resamples other dims than the last ones")
    ways: dict[tuple[str, bool], list[int]] = {}
    for d in range(first, rank):
        if x.shape[d] != shape[d] or (spatial(x.dims[d]) and scales[d] * x.shape[d] != shape[d]):
            by_size = place == "tf_crop_and_resize" or scales[d] * x.shape[d] == shape[d]
            ways.setdefault((_way(place, mode, shape[d], by_size), by_size), []).append(d)
    for (way, by_size), dims in ways.items():
        k.shape = tuple(shape[d] if d in dims else n for d, n in enumerate(x.shape))
        if way == "first":
            for d in dims:
                x = sp.narrow(k, x, d, 0, 1)
            continue
        coordinates = _coordinates(mode, way, rounding, [(x.shape[d], shape[d]) for d in dims])
        if by_size:
            x = sp.resize(k, x, len(x.map), mode, **coordinates)
        else:
            factors = [scales[d] if d in dims else Fraction(1) for d in range(first, rank)]
            x = sp.resize_by(k, x, len(x.map), mode, factors, **coordinates)
    k.shape = shape
    spread = (dim if spatial(dim) else neutral(n) for dim, n in zip(x.dims, shape, strict=True))
    return Tracked(x.layer, x.map, tuple(spread))


def _smoothed(k: Tracker, x: Tracked, mode: str) -> Tracked:
    """Windows that are as much wider as the map becomes smaller: all last dims together."""
    first = len(x.dims) - len(x.map)
    if any(spatial(dim) for dim in x.dims[:first]) or x.shape[:first] != tuple(k.shape[:first]):
        raise UnreadableError("it resamples other dims than the last ones")
    return sp.resize(k, x, len(x.map), mode, antialias=True)


def _coordinates(mode: str, way: str, rounding: str, sizes: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """What a layer has to say beside its mode."""
    if mode != "nearest":
        return {"coordinates": way}
    if way == "half_pixel" and rounding in ("down", "up") and all(m % n == 0 for n, m in sizes):
        return {}  # each entry repeated: as nearest has it anyway
    return {"coordinates": way, "rounding": rounding}


def _way(place: str, mode: str, size: int, by_size: bool) -> str:
    """Where the new entries of one dim lie; `first`: its only entry on the first one."""
    if place == "tf_crop_and_resize":
        return "align_corners" if size > 1 else "half_pixel"  # one entry in the middle
    if place == "pytorch_half_pixel" and size == 1:
        if mode == "bicubic":
            raise UnreadableError("it makes one entry by cubic interpolation, where ONNX and PyTorch differ")
        return "first"
    if not by_size and place in ("align_corners", "half_pixel_symmetric"):
        raise UnreadableError("it places entries by a size that is no whole number")
    return "half_pixel" if "half_pixel" in place else place
