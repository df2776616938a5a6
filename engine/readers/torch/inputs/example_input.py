"""What a module is called with: tensors by shape and dtype, from whatever the user gives, or from the module itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from rfscale.engine.errors import EXAMPLE_INPUT, INPUT_SIZE, InputError, Parameter, nearest
from rfscale.engine.network.spec import listed, whole
from rfscale.engine.readers.reading import is_number, row_of_numbers
from rfscale.engine.readers.torch.inputs.input_facts import InputFacts, input_facts
from rfscale.engine.readers.torch.inputs.signature import Signature, signature_of

FRAMES = 8  # of a clip, where the module says none
TOKENS = 64  # of a text, likewise
_SHAPE_NEEDED = "a shape such as (1, 3, 224, 224), a tensor, or a list or dict of these"


@dataclass(frozen=True, eq=False)
class TensorInput:
    """A tensor that a module is called with; two are the same input only if they are one object.

    Attributes
    ----------
    shape : tuple of int
    dtype : torch.dtype
    value : torch.Tensor, optional
        The tensor of the user, where one was given.
    """

    shape: tuple[int, ...]
    dtype: Any
    value: Any = None


class ModelInputs(NamedTuple):
    """What a module is called with.

    Attributes
    ----------
    args : tuple
        Positional arguments: nested lists, tuples and dicts with a `TensorInput` for each tensor.
    kwargs : dict
        Arguments by name.
    image : TensorInput
        The one among them whose pixels are followed.
    axes : tuple of int
        Its spatial dims.
    size_is_free : bool
        Nobody asked for these pixels: another size does as well.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    image: TensorInput
    axes: tuple[int, ...]
    size_is_free: bool = False

    def with_pixels(self, pixels: Sequence[int]) -> ModelInputs:
        """Return the same with an image of other pixels per axis."""
        changed = dict(zip(self.axes, pixels, strict=True))
        shape = tuple(changed.get(d, n) for d, n in enumerate(self.image.shape))
        return self.with_image(TensorInput(shape, self.image.dtype))

    def with_image(self, image: TensorInput) -> ModelInputs:
        """Return the same with another image."""

        def swapped(t: TensorInput) -> TensorInput:
            return image if t is self.image else t

        return self._replace(args=mapped(self.args, swapped), kwargs=mapped(self.kwargs, swapped), image=image)

    @property
    def pixels(self) -> tuple[int, ...]:
        """Pixels per axis of the image."""
        return tuple(self.image.shape[d] for d in self.axes)

    @property
    def label(self) -> str:
        """The shapes in words: 1×3×224×224 and 1×77."""
        return " and ".join("×".join(map(str, t.shape)) for t in tensor_inputs([self.args, self.kwargs]))


def model_inputs(
    module: Any,
    example_input: Any = None,
    input_size: int | Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    image: str | None = None,
) -> list[ModelInputs]:
    """Return what a module can be called with, the likeliest first: the first that it takes is meant.

    Parameters
    ----------
    module : torch.nn.Module
    example_input : int, sequence of int, tensor, numpy array, or lists, tuples and dicts of these, optional
        A shape, without batch and channels too, pixels along each axis, or what the module is called with. A dict with
        names of parameters holds keyword arguments. By default what the module says of itself.
    input_size : int or sequence of int, optional
        Pixels per axis of the image in the place of those of a shape.
    axes : sequence of int, optional
        Dims of the image that are spatial; by default all after the first two.
    image : str, optional
        Name of the parameter, key or path of keys ("batch.image") of the image; by default the first floating tensor
        of at least three dims.

    Raises
    ------
    InputError
        One line: what cannot be an input, and what to give.
    """
    facts, signature = input_facts(module), signature_of(module)
    sizes = None if input_size is None else [whole(n, INPUT_SIZE) for n in listed(input_size) or [input_size]]
    if example_input is None or is_number(example_input):
        if example_input is not None and sizes is not None:
            raise _both_given()
        pixels = sizes if example_input is None else [whole(example_input, EXAMPLE_INPUT)]
        if signature.wants_text and axes is None and len(pixels or [1]) == 1:
            return [_of_text(facts, signature, pixels)]
        return [
            _of_shape(shape, dims, facts.dtype, signature, image, pixels is None)
            for shape, dims in _likely(facts, signature, pixels, axes)
        ]
    given = row_of_numbers(example_input)
    if given is None:
        return [
            _structured(example, facts, signature, sizes, axes, image) for example in _meant(example_input, facts, axes)
        ]
    meant = [(given, spatial_dims(given, axes))] if axes is not None else facts.completed(given)
    return [
        _of_shape(_with_size(shape, dims, sizes), dims, facts.dtype, signature, image, False) for shape, dims in meant
    ]


def tensor_inputs(structure: Any) -> list[TensorInput]:
    """All tensors of nested lists, tuples and dicts, in order."""
    return [t for _, t in _leaves(structure)]


def mapped(structure: Any, change: Callable[[TensorInput], Any]) -> Any:
    """Nested lists, tuples and dicts with something in the place of each tensor."""
    if isinstance(structure, TensorInput):
        return change(structure)
    if isinstance(structure, Mapping):
        return {key: mapped(value, change) for key, value in structure.items()}
    if isinstance(structure, tuple) and hasattr(structure, "_fields"):
        return type(structure)(*(mapped(value, change) for value in structure))
    if isinstance(structure, list | tuple):
        parts = [mapped(value, change) for value in structure]
        return parts if isinstance(structure, list) else tuple(parts)
    return structure


def made(structure: Any, device: Any, known: Mapping[TensorInput, Any] | None = None) -> Any:
    """Return nested inputs with a tensor on a device for each description.

    Tensors that the user gave keep their values; others, and those on the meta device, which has none, hold zeros.

    Parameters
    ----------
    structure : TensorInput, or lists, tuples and dicts of these
    device : torch.device
    known : mapping, optional
        Tensors that stand for some of the inputs, such as the image.
    """
    import torch

    tensors = dict(known or {})

    def tensor(t: TensorInput) -> Any:
        if t not in tensors:
            given = None if t.value is None or t.value.device.type == "meta" else t.value.detach().to(device)
            tensors[t] = torch.zeros(t.shape, dtype=t.dtype, device=device) if given is None else given
        return tensors[t]

    return mapped(structure, tensor)


# one shape ------------------------------------------------------------------------------------------------------------


def _with_size(shape: tuple[int, ...], dims: Sequence[int], sizes: list[int] | None) -> tuple[int, ...]:
    """A shape with other pixels per axis."""
    if sizes is None:
        return shape
    size = sizes * len(dims) if len(sizes) == 1 else sizes
    if len(size) != len(dims):
        raise InputError(
            ("but the ", EXAMPLE_INPUT, f" {shape} has {len(dims)} axes"), argument=INPUT_SIZE, value=sizes
        )
    changed = dict(zip(dims, size, strict=True))
    return tuple(changed.get(d, n) for d, n in enumerate(shape))


def _of_shape(
    shape: tuple[int, ...], dims: tuple[int, ...], dtype: Any, signature: Signature, image: str | None, free: bool
) -> ModelInputs:
    """The inputs of a module that is called with one tensor, given by its shape."""
    if signature.wants_images:
        if shape[0] == 1 and len(shape) > len(dims) + 1:  # a list of images, which have no batch dim
            shape, dims = shape[1:], tuple(d - 1 for d in dims)
        tensor = TensorInput(shape, dtype)
        return ModelInputs(([tensor],), {}, tensor, dims, free)
    tensor = TensorInput(shape, dtype)
    names = (*signature.positional, *signature.keyword_only)
    if image is not None and image not in names and not signature.takes_any_name:
        raise InputError(argument=Parameter("image"), value=image, remedy=nearest(image, names))
    keyword = signature.keyword_of_image(image)
    args, kwargs = ((), {keyword: tensor}) if keyword else ((tensor,), {})
    _check_complete(signature, args, kwargs, shape)
    return ModelInputs(args, kwargs, tensor, dims, free)


def _likely(
    facts: InputFacts, signature: Signature, pixels: Sequence[int] | None, axes: Sequence[int] | None
) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Shapes of an image with their spatial dims that a module may take, the likeliest first."""
    shapes = [facts.shape(pixels, axes, channels) for channels in (None, *facts.other_channels)]
    likely = [(shape, spatial_dims(shape, axes)) for shape in shapes]
    if axes is not None:
        return likely
    if facts.channels == 1:  # which the module may add itself, as models of waveforms do
        shape = shapes[0][:1] + shapes[0][2:]
        likely.append((shape, tuple(range(1, len(shape)))))
    if len(pixels or ()) <= 2 and (facts.frames or signature.wants_video):
        shape = facts.clip(facts.frames or FRAMES, pixels)
        likely.append((shape, facts.axes_of(shape)))
    return likely


def _of_text(facts: InputFacts, signature: Signature, length: Sequence[int] | None) -> ModelInputs:
    """The inputs of a module that is called with the numbers of words; zeros, for any vocabulary has that number."""
    import torch

    shape = (1, *(length or (facts.tokens or TOKENS,)))
    text = TensorInput(shape, torch.long, torch.zeros(shape, dtype=torch.long))
    _check_complete(signature, (text,), {}, shape)
    return ModelInputs((text,), {}, text, (1,), length is None)


def spatial_dims(shape: Sequence[int], axes: Sequence[int] | None) -> tuple[int, ...]:
    """Return the spatial dims of an image, by default all after the first two."""
    if axes is None:
        return tuple(range(2, len(shape)))
    if any(not -len(shape) <= a < len(shape) for a in axes):
        remedy = f"the image {tuple(shape)} has dims 0 to {len(shape) - 1}"
        raise InputError(argument=Parameter("axes"), value=list(axes), remedy=remedy)
    return tuple(a % len(shape) for a in axes)


# structures -----------------------------------------------------------------------------------------------------------


def _structured(
    example: Any,
    facts: InputFacts,
    signature: Signature,
    sizes: list[int] | None,
    axes: Sequence[int] | None,
    image: str | None,
) -> ModelInputs:
    """The inputs of a module that were given as tensors, or as lists, tuples or dicts of shapes and tensors."""
    given = _described(example, facts, "", {})
    args, kwargs = signature.bound(given)
    if not tensor_inputs([args, kwargs]):
        raise InputError(argument=EXAMPLE_INPUT, value=example, remedy=f"give {_SHAPE_NEEDED}")
    named = dict(zip(signature.positional, args, strict=False)) | kwargs
    found = _named_image(named, given, image) if image else _first_image([args, kwargs])
    _check_complete(signature, args, kwargs, found.shape)
    if axes is None and signature.wants_images and len(found.shape) == 3:
        axes = (1, 2)
    dims = facts.axes_of(found.shape) if axes is None else spatial_dims(found.shape, axes)
    inputs = ModelInputs(args, kwargs, found, dims)
    if sizes is None:
        return inputs
    if found.value is not None:
        raise _both_given()
    return inputs.with_pixels(sizes * len(dims) if len(sizes) == 1 else sizes)


def _meant(example: Any, facts: InputFacts, axes: Sequence[int] | None) -> list[Any]:
    """What the user may mean, the likeliest first: one tensor may lack its batch, and hold an image's bytes."""
    if not (_is_torch(example) or hasattr(example, "__array_interface__")) or not hasattr(example, "reshape"):
        return [example]
    shapes = [facts.completed(tuple(example.shape))[0][0]] if axes is None else []
    likely = [example.reshape(shape) for shape in shapes if shape[-len(example.shape) :] == tuple(example.shape)]
    likely = [one for one in likely if one.shape != example.shape] + [example]
    is_integer = facts.rank is not None and not str(example.dtype).replace("torch.", "").startswith(("float", "bfloat"))
    return likely + [one * 1.0 for one in likely if is_integer]


def _described(value: Any, facts: InputFacts, where: str, known: dict[int, TensorInput]) -> Any:
    """A structure of the user with a `TensorInput` for each shape and each tensor; one tensor is one input."""
    shape = row_of_numbers(value)
    if shape is not None:
        return TensorInput(shape, facts.dtype)
    if _is_torch(value) or hasattr(value, "__array_interface__"):
        return known.setdefault(id(value), _of_tensor(value, facts))
    if isinstance(value, Mapping):
        return {key: _described(v, facts, f"{where}[{key!r}]", known) for key, v in value.items()}
    if isinstance(value, list | tuple):
        parts = [_described(v, facts, f"{where}[{i}]", known) for i, v in enumerate(value)]
        if hasattr(value, "_fields"):  # a named tuple
            return type(value)(*parts)
        return parts if isinstance(value, list) else tuple(parts)
    if where and (value is None or isinstance(value, bool | int | float | str)):
        return value  # flags, such as return_dict=False
    raise InputError(
        argument=("", EXAMPLE_INPUT, where) if where else EXAMPLE_INPUT,
        value=value,
        remedy=f"it must be {_SHAPE_NEEDED}",
    )


def _of_tensor(value: Any, facts: InputFacts) -> TensorInput:
    """A tensor of torch or numpy; floating ones in the dtype of the module, for their values do not matter."""
    import torch

    try:
        tensor = value if _is_torch(value) else torch.from_numpy(value.copy())
    except (TypeError, AttributeError):
        raise InputError(argument=EXAMPLE_INPUT, value=value, remedy=f"it must be {_SHAPE_NEEDED}") from None
    if tensor.is_floating_point() and tensor.dtype != facts.dtype:
        tensor = tensor.to(facts.dtype)
    return TensorInput(tuple(tensor.shape), tensor.dtype, tensor)


def _is_torch(value: Any) -> bool:
    return type(value).__module__.partition(".")[0] == "torch" and hasattr(value, "is_floating_point")


def _leaves(structure: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], TensorInput]]:
    """Tensors with their keys and positions."""
    if isinstance(structure, TensorInput):
        yield path, structure
    elif isinstance(structure, Mapping):
        for key, value in structure.items():
            yield from _leaves(value, (*path, str(key)))
    elif isinstance(structure, list | tuple):
        for i, value in enumerate(structure):
            yield from _leaves(value, (*path, str(i)))


def _first_image(structure: Any) -> TensorInput:
    """The first floating tensor of at least three dims; else the first of three; else the first that floats."""
    tensors = tensor_inputs(structure)
    floating = [t for t in tensors if t.dtype.is_floating_point]
    wide = [t for t in tensors if len(t.shape) >= 3]
    return next((t for t in floating if len(t.shape) >= 3), (wide or floating or tensors)[0])


def _named_image(named: Mapping[str, Any], given: Any, image: str) -> TensorInput:
    """The tensor that a key, or a path of keys, names."""
    paths: dict[str, TensorInput] = {}
    for structure in (named, given):
        for path, tensor in _leaves(structure):
            paths.setdefault(".".join(path), tensor)
            paths.setdefault(path[-1] if path else "", tensor)
    if image not in paths:
        raise InputError(argument=Parameter("image"), value=image, remedy=nearest(image, filter(None, paths)))
    return paths[image]


def _check_complete(signature: Signature, args: Sequence[Any], kwargs: Mapping[str, Any], shape: Sequence[int]) -> None:
    """Refuse to call a module without arguments that it needs: the message says how to give them."""
    lacking = signature.lacking(args, kwargs)
    if lacking:
        given = signature.names_of(args, kwargs) or ["image"]
        parts = ", ".join([f"{given[0]!r}: {tuple(shape)}", *(f"{name!r}: …" for name in lacking)])
        raise InputError(
            f"{signature.owner} is called with {' and '.join(lacking)} as well",
            remedy=("give ", EXAMPLE_INPUT, f" as a dict of shapes or tensors: {{{parts}}}"),
        )


def _both_given() -> InputError:
    return InputError(
        ("sets the pixels of an ", EXAMPLE_INPUT, " that is given by shapes"),
        argument=INPUT_SIZE, remedy="give one of the two",
    )  # fmt: skip
