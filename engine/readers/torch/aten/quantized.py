"""Operators on quantized tensors, whose weights are packed into objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rfscale.engine.readers.tensors.layout import UnreadableError
from rfscale.engine.readers.tensors.operators.joins import concatenate
from rfscale.engine.readers.tensors.operators.products import weighted
from rfscale.engine.readers.tensors.operators.window_ops import convolve, convolve_transposed
from rfscale.engine.readers.tensors.tracking import Constant, Tracked, Tracker
from rfscale.engine.readers.torch.registry import aten

_POINTWISE = "batch_norm batch_norm1d batch_norm2d batch_norm3d celu elu hardswish leaky_relu prelu sigmoid".split()
_SUMS = "add add_out add_relu add_scalar add_scalar_relu".split()
_PRODUCTS = "mul mul_out mul_relu mul_scalar mul_scalar_relu".split()


def _quantized(names: Sequence[str]) -> list[str]:
    return [f"quantized::{name}" for name in names]


@aten(*_quantized([f"conv{rank}d{after}" for rank in (1, 2, 3) for after in ("", "_relu", "_dynamic")]))
@aten(*_quantized([f"conv_transpose{rank}d{after}" for rank in (1, 2, 3) for after in ("", "_dynamic")]))
def _convolution(k: Tracker, x: Any, packed: Any, *_: Any) -> Tracked:
    weights, bias = packed.unpack()
    w, rank = Constant(tuple(weights.shape)), weights.dim() - 2
    # a 1-D convolution is packed as one of one row
    stride, padding, dilation, extra = (
        list(given())[-rank:] for given in (packed.stride, packed.padding, packed.dilation, packed.output_padding)
    )
    if len(x.shape) - 2 != rank:
        raise UnreadableError("its packed weights have other axes")
    has_bias, groups = bias is not None, packed.groups()
    if packed.transpose():
        return convolve_transposed(k, x, w, has_bias, stride, padding * 2, dilation, groups, extra)
    return convolve(k, x, w, has_bias, stride, padding * 2, dilation, groups)


@aten(*_quantized([f"linear{after}" for after in ("", "_relu", "_dynamic", "_relu_dynamic")]))
def _linear(k: Tracker, x: Tracked, packed: Any, *_: Any) -> Tracked:
    weights, bias = packed.unpack()
    return weighted(k, x, -1, weights.shape[1], weights.shape[0], bias=bias is not None)


@aten(*_quantized(_SUMS))
def _sum(k: Tracker, a: Any, b: Any, *_: Any, **__: Any) -> Any:
    return k.elementwise([a, b])


@aten(*_quantized(_PRODUCTS))
def _product(k: Tracker, a: Any, b: Any, *_: Any, **__: Any) -> Any:
    return k.elementwise([a, b], "multiply")


@aten(*_quantized(_POINTWISE))
def _pointwise(k: Tracker, x: Any, *_: Any, **__: Any) -> Any:
    return k.elementwise([x])


@aten(*_quantized(["cat", "cat_relu"]))
def _cat(k: Tracker, values: Sequence[Any], dim: int, *_: Any) -> Tracked:
    return concatenate(k, list(values), dim)
