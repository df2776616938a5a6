"""What enters an ONNX graph: weights, of which few values are kept, and the image with its shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rfscale.engine.errors import EXAMPLE_INPUT, INPUT_SIZE, InputError, shown
from rfscale.engine.readers.onnx.graph.constants import is_kept, values_of
from rfscale.engine.readers.onnx.graph.model_file import one_line
from rfscale.engine.readers.tensors.tracking import Constant, Shape


def initializer(tensor: Any, label: str) -> Constant:
    """A weight: its shape, and its values where they are few."""
    shape = tuple(tensor.dims)
    if any(n < 0 for n in shape):
        raise InputError(
            f"{label}: the initializer {shown(tensor.name)} has the shape {shape}; sizes must not be negative"
        )
    if not is_kept(tensor):
        return Constant(shape)
    try:
        return Constant(shape, values_of(tensor))
    except Exception as error:
        raise InputError(f"{label}: the initializer {shown(tensor.name)} cannot be read: {one_line(error)}") from None


def declared_dims(tensor_type: Any) -> Shape:
    """Sizes of a type; 0 for those that are open."""
    return tuple(d.dim_value if d.HasField("dim_value") else 0 for d in tensor_type.shape.dim)


def image_input(graph: Any, weights: Mapping[str, Any], image: str | None, label: str) -> Any:
    """Return the input that is the image: the one named, or the first of at least three dims."""
    inputs = [i for i in graph.input if i.name not in weights]
    for i in inputs:
        if i.name == image if image else len(i.type.tensor_type.shape.dim) >= 3:
            return i
    known = ", ".join(i.name for i in inputs) or "none"
    raise InputError(f"{label} has no input {shown(image) if image else 'of at least 3 dims'} (inputs: {known})")


def image_shape(first: Any, example: Any, input_size: Any, axes: Sequence[int] | None, label: str) -> Shape:
    """Return the shape of the image: as given, or as declared with the sizes that are given."""
    declared = declared_dims(first.type.tensor_type)
    rank = len(declared)
    spatial = list(range(2, rank)) if axes is None else [a % rank for a in axes]
    if example is not None:
        if len(list(example)) != rank:
            raise InputError(
                argument=EXAMPLE_INPUT, value=example, remedy=f"the input {first.name!r} of {label} has {rank} dims"
            )
        return tuple(example)
    shape = list(declared)
    if min(shape) < 0:
        raise InputError(f"{label}: the input {first.name!r} has the shape {declared}; sizes must not be negative")
    if input_size is not None:
        sizes = [input_size] * len(spatial) if isinstance(input_size, int) else list(input_size)
        if len(sizes) != len(spatial):
            raise InputError(argument=INPUT_SIZE, value=input_size, remedy=f"give one number, or {len(spatial)}")
        for d, n in zip(spatial, sizes, strict=True):
            shape[d] = n
    if any(shape[d] == 0 for d in spatial):
        raise InputError(
            f"{label} leaves the size of its input {first.name!r} open", remedy=("give ", INPUT_SIZE, ", such as 224")
        )
    return tuple(n or (3 if d == 1 else 1) for d, n in enumerate(shape))
