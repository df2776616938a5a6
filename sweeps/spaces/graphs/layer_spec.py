"""Layers of a space as the specs of a network's layers."""

from __future__ import annotations

from typing import Any

from rfscale.sweeps.spaces.graphs.wiring import ChainLayer, first_tap, transposed_start


def layer_spec(layer: ChainLayer) -> dict[str, Any]:
    """Return the spec of a layer, without its name and channels."""
    if layer.op == "pointwise":
        return {"op": layer.op}
    if layer.op == "space_to_depth":
        return {"op": layer.op, "scale": list(layer.stride)}
    if layer.op == "upsample":
        return {"op": layer.op, "scale": list(layer.stride), "mode": layer.mode}
    if layer.op == "conv_transpose":
        starts = [transposed_start(k, s) for k, s in zip(layer.kernel, layer.stride, strict=True)]
        ends = [k - s - p for k, s, p in zip(layer.kernel, layer.stride, starts, strict=True)]
        sizes = {"kernel": list(layer.kernel), "stride": list(layer.stride)}
        return {"op": layer.op, **sizes, "padding": [*starts, *ends]}
    if layer.op == "slice":
        return {"op": layer.op, "start": list(layer.start), "step": list(layer.stride)}
    starts = [-first_tap(layer, axis) for axis in range(len(layer.kernel))]
    ends = [d * (k - 1) - s for k, d, s in zip(layer.kernel, layer.dilation, starts, strict=True)]
    return {
        "op": layer.op,
        "kernel": list(layer.kernel),
        "stride": list(layer.stride),
        "dilation": list(layer.dilation),
        "padding": [*starts, *ends],
    }
