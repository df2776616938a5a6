"""ATen operators that mix entries: reductions, norms, linear layers, matrix products, Fourier transforms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from rfscale.engine.readers.tensors.layout import UnreadableError, length, neutral, some_of, spatial, with_dim
from rfscale.engine.readers.tensors.operators.left_out import added, chosen, scaled
from rfscale.engine.readers.tensors.operators.masked_scores import softmaxed
from rfscale.engine.readers.tensors.operators.products import einsum, matmul, weighted
from rfscale.engine.readers.tensors.tracking import Constant, Tracked, Tracker
from rfscale.engine.readers.torch.aten.composite import reduction
from rfscale.engine.readers.torch.registry import aten, listed

# reductions -----------------------------------------------------------------------------------------------------------


@aten("mean", "sum", "amax", "amin", "var", "std", "logsumexp", "prod", "nansum", "nanmean", "any", "all", "argmax")
@aten("argmin", "count_nonzero", "special_logsumexp", "_is_all_true", "_is_any_true", "trapezoid", "trapz")
def _reduction(k: Tracker, x: Tracked, dims: Any = None, *_: Any, **named: Any) -> Tracked:
    return reduction(k, x, named.get("dim", dims))


@aten("linalg_vector_norm", "norm", "linalg_norm")
def _norm(k: Tracker, x: Tracked, _order: Any = 2, dims: Any = None, *_: Any, **named: Any) -> Tracked:
    return reduction(k, x, named.get("dim", dims))


@aten("norm_except_dim")
def _norm_except(k: Tracker, x: Tracked, _order: Any = 2, dim: int = 0) -> Tracked:
    return reduction(k, x, [d for d in range(len(x.dims)) if d != dim % len(x.dims)])


@aten("renorm")
def _renorm(k: Tracker, x: Tracked, _order: Any, dim: int, *_: Any) -> Tracked:
    return k.statistic(x, [d for d in range(len(x.dims)) if d != dim % len(x.dims)])


@aten("var_mean", "std_mean", "max", "min", "median", "nanmedian", "mode", "aminmax", "_aminmax")
def _pairs(k: Tracker, x: Tracked, *rest: Any, **named: Any) -> Any:
    if rest and isinstance(rest[0], Tracked | Constant):
        return k.elementwise([x, *rest])
    dims = named.get("dim", rest[0] if rest else None)
    if not isinstance(k.shape, list):
        return reduction(k, x, dims)
    shapes, k.shape = k.shape, k.shape[0]
    return [reduction(k, x, dims)] * len(shapes)


@aten("kthvalue")
def _kth_value(k: Tracker, x: Tracked, _k: int, dim: int = -1, *_: Any) -> Any:
    return _pairs(k, x, dim)


@aten("quantile", "nanquantile")
def _quantile(k: Tracker, x: Tracked, q: Any, dim: int | None = None, *_: Any, **named: Any) -> Tracked:
    """Several quantiles make a first dim."""
    shape = k.shape
    several = not isinstance(q, float | int) and bool(getattr(q, "shape", ()))
    k.shape = shape[1:] if several else shape
    out = reduction(k, x, named.get("dim", dim))
    return replace(out, dims=(neutral(shape[0]), *out.dims)) if several else out


@aten("sort", "argsort", "msort")
def _sorted(k: Tracker, x: Tracked, dim: int = -1, *_: Any, **named: Any) -> Any:
    """What orders entries along a dim: harmless along channels."""
    return _ordered(k, x, named.get("dim", dim))


@aten("topk")
def _topk(k: Tracker, x: Tracked, _count: int, dim: int = -1, *_: Any, **named: Any) -> Any:
    return _ordered(k, x, named.get("dim", dim))


def _ordered(k: Tracker, x: Tracked, dim: int) -> Any:
    several = isinstance(k.shape, list)
    if spatial(x.dims[dim]):
        raise UnreadableError("values decide which entries it passes on")
    shape = k.shape[0] if several else k.shape
    out = replace(x, dims=with_dim(x.dims, dim % len(x.dims), neutral(shape[dim])))
    return [out] * len(k.shape) if several else out


# norms ----------------------------------------------------------------------------------------------------------------


@aten("softmax", "log_softmax", "_softmax", "_log_softmax", "_safe_softmax", "special_softmax", "special_log_softmax")
def _softmax(k: Tracker, x: Tracked, dim: int, *_: Any, **__: Any) -> Tracked:
    return softmaxed(k, x, [dim])


@aten("_masked_softmax")
def _masked_softmax(k: Tracker, x: Tracked, mask: Any, dim: int | None = None, *_: Any) -> Tracked:
    x = chosen(k, mask, -np.inf, x)
    return softmaxed(k, x, [-1 if dim is None else dim])


@aten("group_norm", "native_group_norm")
def _group_norm(k: Tracker, x: Tracked, *_: Any, **__: Any) -> Any:
    return _normed(k, x, range(1, len(x.dims)))


@aten("instance_norm")
def _instance_norm(
    k: Tracker, x: Tracked, w: Any, b: Any, mean: Any, var: Any, use_input_stats: bool, *_: Any
) -> Tracked:
    return k.statistic(x, range(2, len(x.dims))) if use_input_stats else x


@aten("layer_norm", "rms_norm", "native_layer_norm", "_fused_rms_norm")
def _layer_norm(k: Tracker, x: Tracked, shape: Sequence[int], *_: Any, **__: Any) -> Any:
    return _normed(k, x, range(-len(shape), 0))


def _normed(k: Tracker, x: Tracked, dims: range) -> Any:
    """A norm; below autograd with its statistics, which only training reads."""
    out = k.statistic(x, dims)
    if not isinstance(k.shape, list):
        return out
    _, *others = k.shape
    seen = replace(k.reduce(x, range(1, len(x.dims))), dims=())
    return [out, *(replace(seen, dims=tuple(map(neutral, s))) for s in others)]


# products -------------------------------------------------------------------------------------------------------------


@aten("linear")
def _linear(k: Tracker, x: Any, w: Any, b: Any = None) -> Any:
    if isinstance(w, Tracked):
        return matmul(k, x, replace(w, dims=w.dims[::-1]))
    if not isinstance(x, Tracked) or (w.value is not None and len(w.shape) == 2):
        value = None if w.value is None else np.transpose(w.value)
        return matmul(k, x, replace(w, shape=w.shape[::-1], value=value), b is not None)
    return weighted(k, x, -1, w.shape[1], w.shape[0], bias=b is not None)


aten("matmul", "bmm", "mm", "mv", "dot", "vdot", "_int_mm", "linalg_matmul", "linalg_vecdot")(matmul)


@aten("baddbmm", "addmm", "addbmm", "_addmm_activation")
def _addmm(k: Tracker, bias: Any, a: Any, b: Any, *_: Any, beta: float = 1, **__: Any) -> Any:
    if not isinstance(a, Tracked) and not isinstance(b, Tracked):
        return k.elementwise([bias])
    return added(k, k.elementwise([bias, matmul(k, a, b)]), [scaled(bias, beta)])


@aten("einsum")
def _einsum(k: Tracker, equation: str, values: Sequence[Any], **_: Any) -> Tracked:
    return einsum(k, equation, values)


# Fourier transforms ---------------------------------------------------------------------------------------------------


@aten("fft_fft", "fft_ifft", "fft_rfft", "fft_irfft", "fft_hfft", "fft_ihfft")
def _transform(k: Tracker, x: Tracked, _n: Any = None, dim: int = -1, *_: Any, **__: Any) -> Tracked:
    return _spectrum(k, x, [dim])


@aten("fft_fft2", "fft_ifft2", "fft_rfft2", "fft_irfft2")
def _transform_of_two(k: Tracker, x: Tracked, _s: Any = None, dims: Any = (-2, -1), *_: Any, **__: Any) -> Tracked:
    return _spectrum(k, x, dims)


@aten("fft_fftn", "fft_ifftn", "fft_rfftn", "fft_irfftn")
def _transform_of_all(k: Tracker, x: Tracked, s: Any = None, dims: Any = None, *_: Any, **__: Any) -> Tracked:
    return _spectrum(k, x, range(-len(s or x.dims), 0) if dims is None else dims)


@aten("_fft_r2c", "_fft_c2c", "_fft_c2r")
def _transform_below(k: Tracker, x: Tracked, dims: Sequence[int], *_: Any) -> Tracked:
    return _spectrum(k, x, dims)


def _spectrum(k: Tracker, x: Tracked, dims: Sequence[int]) -> Tracked:
    """Every frequency reads all along the dims, and so does every entry that is made of all frequencies."""
    seen = k.reduce(x, dims, shrink=False)
    gone = {d % len(x.dims) for d in dims}
    return replace(seen, dims=tuple(neutral(k.shape[d]) if d in gone else dim for d, dim in enumerate(seen.dims)))


@aten("fft_fftshift", "fft_ifftshift")
def _shifted(k: Tracker, x: Tracked, dims: Any = None, *_: Any) -> Tracked:
    if any(spatial(x.dims[d]) for d in (range(len(x.dims)) if dims is None else listed(dims, 1))):
        raise UnreadableError("it shifts a map as if it were a spectrum")
    return replace(x, dims=tuple(dim if spatial(dim) else some_of(dim, length(dim)) for dim in x.dims))
