"""The values of ONNX tensors that are kept: those of shapes, sizes and paddings, not those of weights."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

MAX_VALUES = 4096  # values of one constant that are kept: shapes are short, weights are not needed
MAX_MASK = 1 << 20  # of one that may be a mask of a map, of the entries of a sequence, or of windows
MAX_FLOATS = 64  # fewer of those that may be weights of a norm: only factors of a resampling matter


def is_kept(tensor: Any) -> bool:
    """Whether a reader may need the values of an initializer or constant; those in other files may not be there."""
    import onnx

    floats = tensor.data_type in (1, 10, 11, 16)
    here = tensor.data_location != onnx.TensorProto.EXTERNAL
    return prod(tensor.dims) <= (MAX_FLOATS if floats else MAX_VALUES) and here


def may_be_mask(tensor: Any) -> bool:
    """Whether a tensor whose values are not kept may be a mask of a map, or of a sequence."""
    long = len(tensor.dims) > 1 and tensor.dims[-1] > 1 < tensor.dims[-2]
    return long and prod(tensor.dims) <= MAX_MASK and tensor.data_location != 1 and not is_kept(tensor)


def most_values(shape: Sequence[int]) -> int:
    """How many values of a constant of this shape are computed: more of one that may be a mask, which is square."""
    return MAX_MASK if len(shape) > 1 and shape[-1] == shape[-2] else MAX_VALUES


def values_of(tensor: Any) -> Any:
    """Return the values of a tensor; whole numbers, which shapes are, by the shortest way."""
    import onnx

    if tensor.data_type == onnx.TensorProto.INT64:
        raw = tensor.raw_data
        return (np.frombuffer(raw, "<i8") if raw else np.array(tensor.int64_data, np.int64)).reshape(tuple(tensor.dims))
    return onnx.numpy_helper.to_array(tensor)
