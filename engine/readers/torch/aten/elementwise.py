"""ATen operators that work entry by entry, and those that copy or make tensors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from rfscale.engine.readers.tensors.layout import UnreadableError, neutral, spatial
from rfscale.engine.readers.tensors.operators.left_out import (
    NO_WEIGHT,
    added,
    chosen,
    known_numbers,
    multiplied,
    scaled,
)
from rfscale.engine.readers.tensors.tracking import Constant, Tracked, Tracker
from rfscale.engine.readers.torch.registry import aten

POINTWISE = """
_add_relu _cast_Byte _cast_Char _cast_Double _cast_Float _cast_Half _cast_Int _cast_Long _cast_Short _conj
_conj_physical _fake_quantize_learnable_per_tensor_affine _neg_view abs absolute acos acosh alias alpha_dropout angle
arccos arccosh arcsin arcsinh arctan arctanh asin asinh atan atanh bernoulli bitwise_not bucketize cauchy ceil celu
chalf clamp clamp_max clamp_min clip conj conj_physical cos cosh cpu cuda data deg2rad dequantize digamma dropout
dropout1d dropout2d dropout3d elu erf erfc erfinv exp exp2 expm1 fake_quantize_per_channel_affine
fake_quantize_per_tensor_affine feature_alpha_dropout feature_dropout fix float_power floor frac frexp
fused_moving_avg_obs_fake_quant _fused_moving_avg_obs_fq_helper gelu hardshrink
hardsigmoid hardswish hardtanh heaviside i0 imag int_repr isfinite isin isinf isnan isneginf isposinf isreal
leaky_relu lgamma log log10 log1p log2 log_normal log_sigmoid log_sigmoid_forward logical_not logit mish mvlgamma
nan_to_num native_dropout neg negative normal pin_memory polygamma positive pow prelu quantize_per_channel
quantize_per_tensor rad2deg real reciprocal relu relu6 resolve_conj resolve_neg round rrelu rsqrt selu sgn sigmoid sign
signbit silu sin sinc sinh softplus softshrink softsign special_digamma
special_entr special_erf special_erfc special_erfcx special_erfinv special_exp2 special_expit special_expm1
special_gammainc special_gammaincc special_gammaln special_i0 special_i0e special_i1 special_i1e special_log1p
special_log_ndtr special_logit special_multigammaln special_ndtr special_ndtri special_polygamma special_psi
special_round special_sinc special_xlog1py special_xlogy special_zeta sqrt square tan tanh tanhshrink threshold trunc
""".split()
# the first tensor's entries, in another layout, type or memory: what else is given says only which
COPIES = """
_lazy_clone alias clone contiguous detach detach_copy lift lift_fresh lift_fresh_copy to to_dense type_as _to_copy
""".split()
ADDED = """
_add_relu addcdiv arctan2 atan2 complex fmax fmod gcd hypot igamma igammac lcm ldexp lerp logaddexp
logaddexp2 maximum nextafter polar remainder
""".split()
COMPARED = """
__and__ __lshift__ __or__ __rshift__ __xor__ bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor
copysign eq ge greater greater_equal gt isclose le less less_equal logical_and logical_or logical_xor lt ne not_equal
""".split()
MULTIPLIED = "div divide floor_divide true_divide xlogy".split()
MADE = """
empty_like empty_permuted full_like new_empty new_empty_strided new_full new_ones new_tensor new_zeros ones_like
rand_like randint_like randn_like zeros_like _new_zeros_with_same_feature_meta
""".split()


@aten(*POINTWISE)
def _pointwise(k: Tracker, x: Any, *others: Any, **named: Any) -> Any:
    values = [v for v in (x, *others, *named.values()) if isinstance(v, Tracked)]
    if not isinstance(k.shape, list):
        return k.elementwise(values)
    shapes, k.shape = k.shape, k.shape[0]
    out = k.elementwise(values)
    return [out if s == k.shape else Constant(s) for s in shapes]


@aten(*COPIES)
def _copy(k: Tracker, x: Any, *_: Any, **__: Any) -> Any:
    return k.elementwise([x])


@aten("copy")
def _overwritten(k: Tracker, _old: Any, new: Any, *_: Any, **__: Any) -> Any:
    return k.elementwise([new])


@aten("fill", "zero", "normal_", "uniform", "exponential", "geometric", "random")
def _filled(k: Tracker, _old: Any, *values: Any, **__: Any) -> Any:
    return k.elementwise(values)


@aten("batch_norm", "native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_no_training")
@aten("cudnn_batch_norm", "miopen_batch_norm", "_batch_norm_impl_index", "_native_batch_norm_legit_functional")
@aten("_batch_norm_no_update")
def _batch_norm(k: Tracker, x: Any, w: Any, b: Any, *rest: Any, **named: Any) -> Any:
    """By running statistics entry by entry; by those of the batch, which training takes, over the whole map."""
    shapes = k.shape if isinstance(k.shape, list) else [k.shape]
    k.shape = shapes[0]
    training = named.get("training", next((v for v in rest if isinstance(v, bool)), False))
    if training and isinstance(x, Tracked):
        x = k.statistic(x, [0, *range(2, len(x.dims))])
    out = k.elementwise([x, w, b])
    return [out, *map(Constant, shapes[1:])] if len(shapes) > 1 else out


@aten("_batch_norm_with_update", "_batch_norm_with_update_functional")
def _batch_norm_of_batch(k: Tracker, x: Any, w: Any, b: Any, *_: Any) -> Any:
    return _batch_norm(k, x, w, b, training=True)


@aten(*ADDED, *COMPARED)
def _added(k: Tracker, *values: Any, **named: Any) -> Any:
    return k.elementwise([*values, *named.values()])


@aten("add")
def _sum(k: Tracker, a: Any, b: Any, **named: Any) -> Any:
    return added(k, k.elementwise([a, b, *named.values()]), [a, scaled(b, named.get("alpha", 1))])


@aten("sub", "subtract")
def _difference(k: Tracker, a: Any, b: Any, alpha: Any = 1, **named: Any) -> Any:
    return _sum(k, a, scaled(b, -1) or b, alpha=alpha, **named)


@aten("rsub")
def _difference_from(k: Tracker, a: Any, b: Any, alpha: Any = 1) -> Any:
    return _difference(k, b, a, alpha)


@aten("addcmul")
def _sum_of_products(k: Tracker, x: Any, a: Any, b: Any, **named: Any) -> Any:
    left, right = known_numbers(a), known_numbers(b)
    with np.errstate(invalid="ignore"):  # infinity times zero
        product = left * right if left is not None and right is not None else None
    return added(k, k.elementwise([x, a, b]), [x, scaled(product, named.get("value", 1))])


@aten("minimum", "fmin")
def _smaller(k: Tracker, a: Any, b: Any) -> Any:
    """The smaller of two: a number far below zero takes the place of a score."""
    total = k.elementwise([a, b])
    for c in (a, b):
        value = known_numbers(c)
        if value is not None and (value <= NO_WEIGHT).any():
            total = chosen(k, Constant(value.shape, value <= NO_WEIGHT), c, total)
    return total


@aten("masked_fill")
def _filled_by_mask(k: Tracker, x: Any, mask: Any, value: Any) -> Any:
    return chosen(k, mask, value, x)


@aten("where")
def _where(k: Tracker, condition: Any, *values: Any, **named: Any) -> Any:
    """A condition that is constant and the same everywhere takes one side only."""
    sides = [*values, *named.values()]
    if not sides:
        raise UnreadableError("values decide which entries it passes on")
    return chosen(k, condition, *sides)


@aten(*MULTIPLIED)
def _multiplied(k: Tracker, *values: Any, **_: Any) -> Any:
    return k.elementwise(values, "multiply")


@aten("mul", "multiply")
def _product(k: Tracker, a: Any, b: Any) -> Any:
    return multiplied(k, k.elementwise([a, b], "multiply"), [a, b])


@aten(*MADE)
def _without_values(k: Tracker, *_: Any, **__: Any) -> Constant:
    return Constant(k.shape)


@aten("_assert_tensor_metadata", "_assert_async", "_functional_assert_async", "_functional_assert_scalar")
def _nothing(k: Tracker, *_: Any, **__: Any) -> None:
    return None


@aten("broadcast_tensors")
def _broadcast(k: Tracker, values: Any) -> list[Any]:
    return [k.elementwise([v], shape=shape) for v, shape in zip(values, k.shape, strict=True)]


@aten("meshgrid")
def _meshgrid(k: Tracker, values: Any, indexing: str = "ij", **_: Any) -> list[Any]:
    """One vector along each dim; `xy` exchanges the first two."""
    order = list(range(len(values)))
    if indexing == "xy" and len(values) > 1:
        order[:2] = 1, 0
    out = []
    for v, d, shape in zip(values, order, k.shape, strict=True):
        dims: list[Any] = [()] * len(shape)
        if isinstance(v, Tracked):
            dims[d] = v.dims[0] if v.dims else ()
            v = Tracked(v.layer, v.map, tuple(dims))
        out.append(k.elementwise([v], shape=shape))
    return out


# values in the place of others ----------------------------------------------------------------------------------------


@aten("embedding")
def _embedding(k: Tracker, table: Any, indices: Any, *_: Any, **__: Any) -> Any:
    """Entries of a constant table: a vector for each index."""
    if isinstance(table, Tracked):
        raise UnreadableError("values decide which entries of a map it reads")
    return Tracked(indices.layer, indices.map, (*indices.dims, neutral(k.shape[-1])))


@aten("one_hot")
def _one_hot(k: Tracker, indices: Tracked, *_: Any) -> Tracked:
    return replace(indices, dims=(*indices.dims, neutral(k.shape[-1])))


@aten("searchsorted")
def _searchsorted(k: Tracker, table: Any, x: Any, *_: Any, **__: Any) -> Any:
    if isinstance(table, Tracked):
        table = k.reduce(table, [-1], shrink=False)
    return k.elementwise([table, x])


@aten("view_as_real")
def _as_real(k: Tracker, x: Tracked) -> Tracked:
    return replace(x, dims=(*x.dims, neutral(2)))


@aten("view_as_complex")
def _as_complex(k: Tracker, x: Tracked) -> Tracked:
    if spatial(x.dims[-1]):
        raise UnreadableError("it takes pixels for the parts of complex numbers")
    return replace(x, dims=x.dims[:-1])
