"""The effective field of a model, measured: the gradient of one entry with respect to the image, over many images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from rfscale.engine.errors import InputError, Parameter, shown
from rfscale.engine.fields.layers import LayerMap
from rfscale.engine.fields.measuring.images import ImageSource, draws, image_source
from rfscale.engine.fields.measuring.protocols import Protocol, protocol_of
from rfscale.engine.fields.measuring.sums import Sums
from rfscale.engine.fields.target import ModelReading, Target, target_for
from rfscale.engine.footprints.plan import Entry
from rfscale.engine.network.spec import whole
from rfscale.engine.variables import FIELD, annotate

if TYPE_CHECKING:
    import torch
    import xarray as xr

SAVED_EVERY = 20.0  # seconds
Progress = Callable[[int, int | None], None]


def effective_field(
    model: torch.nn.Module | str,
    layer: str,
    images: Any = "noise",
    *,
    entry: Entry = "center",
    input_size: int | Sequence[int] | None = None,
    protocol: str = "squared",
    count: int | None = None,
    seed: int = 0,
    checkpoint: Any = None,
    normalize: Any = "imagenet",
    batch: int | None = None,
    resume: Any = None,
    progress: Progress | None = None,
    **reading: Unpack[ModelReading],
) -> xr.Dataset:
    """Return the effective field of one entry of a feature map, measured on images with the model's own weights.

    Parameters
    ----------
    model : torch.nn.Module or str
        A module, on any device, run in evaluation mode and left as it was; or a name that makes one with weights:
        package.module:factory, timm:NAME, a TorchScript file.
    layer : str
        A module, by its path: the map that it returns (``head@1`` is its second call, ``neck:0`` one of several maps).
    images : "noise", folder, tensor, array or iterable of batches
        Standard normal numbers; pictures (scaled to 0 … 1, resized to the input size, then normalized) or .npy arrays
        of a folder; images of shape (N, C, …); or batches as a DataLoader gives them, alone or first of a tuple.
    entry : "center" or sequence of int
        "center" is n // 2 of a map of n.
    input_size : int or sequence of int, optional
        Pixels per axis; by default those of the images, or what the model says of itself.
    protocol : {"squared", "luo2016", "luo2016-signed", "replknet"}
        What is measured, see docs/effective-field.md.
    count : int, optional
        How many images: by default all, of noise 100.
    seed : int
        Of noise, and of the random gradients of the entry's channels.
    checkpoint : path or state dict, optional
        Weights to load: .safetensors, or what ``torch.load(weights_only=True)`` reads.
    normalize : "imagenet", "none" or (means, deviations)
        Of pictures of a folder.
    batch : int, optional
        Images that run at once.
    resume : path, optional
        A .npz file that keeps the sums: the same call goes on with the images that it lacks.
    progress : callable, optional
        ``progress(done, count)`` after each batch.
    **reading
        How the model is made and called: example_input, axes, image, name, trust, arguments.

    Returns
    -------
    xr.Dataset
        Over the axes: `field`, the mean over the images, and its `standard_error`.

    Raises
    ------
    InputError
        For a layer without a map, an entry outside it, a model without gradient, gradients that are not numbers,
        images of other sizes, and a checkpoint of another model.
    """
    of, images = target_for(images, model, input_size=input_size, checkpoint=checkpoint, reading=reading)
    return measured(
        of, layer, images, entry=entry, protocol=protocol, count=count, seed=seed, normalize=normalize, batch=batch,
        resume=resume, progress=progress,
    )  # fmt: skip


def measured(
    of: Target,
    layer: str,
    images: Any,
    *,
    entry: Entry = "center",
    protocol: str = "squared",
    count: int | None = None,
    seed: int = 0,
    normalize: Any = "imagenet",
    batch: int | None = None,
    resume: Any = None,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Return the same of a model that is at hand."""
    how = protocol_of(protocol)
    seed = whole(seed, "seed", 0, 2**31)
    count = None if count is None else whole(count, "count", 1, 2**40)
    if progress is not None and not callable(progress):
        raise InputError(argument=Parameter("progress"), value=progress, remedy="give a function of (done, count)")
    made, _ = of.layer(layer)
    at = made.entry(entry)
    source = image_source(images, of.inputs.image.shape, count, seed, normalize, batch)
    what: dict[str, Any] = {"model": of.name, "weights": of.weights_hash(), "layer": layer, "entry": list(at)}
    what |= {"protocol": protocol, "seed": seed, "images": source.what, "shape": list(of.inputs.image.shape)}
    sums = Sums(of.inputs.pixels, what, resume)
    add_images(of, made, at, how, source, sums, seed, progress)
    return _result(of, made, at, how, source, sums, seed)


def add_images(
    of: Target,
    made: LayerMap,
    at: tuple[int, ...],
    how: Protocol,
    source: ImageSource,
    sums: Sums,
    seed: int,
    progress: Progress | None = None,
) -> None:
    """Add the maps of the images that the sums lack."""
    import torch

    saved = monotonic()
    try:
        with _frozen(of.module), torch.enable_grad():
            for images in source.batches(sums.count):
                sums.add(image_maps(of, made, at, how, images, seed, sums.count))
                if progress is not None:
                    progress(sums.count, source.count)
                if monotonic() - saved > SAVED_EVERY:
                    sums.save()
                    saved = monotonic()
    finally:
        sums.save()
    if not sums.count:
        raise InputError("has no images", argument=Parameter("images"))


def image_maps(
    of: Target, made: LayerMap, at: tuple[int, ...], how: Protocol, images: Any, seed: int, first: int
) -> np.ndarray:
    """Return the map of each image of a batch; `first` is the number of the first."""
    import torch

    from rfscale.engine.readers.torch.inputs.example_input import mapped

    given = of.inputs
    device = next((p.device for p in of.module.parameters()), torch.device("cpu"))
    image = images.detach().to(device, given.image.dtype, copy=True).requires_grad_()

    def tensor(t: Any) -> Any:
        if t is given.image:
            return image
        value = torch.zeros(t.shape, dtype=t.dtype) if t.value is None else t.value.detach()
        return value.to(device)

    out = _captured(of.module, made, mapped(given.args, tensor), mapped(given.kwargs, tensor))
    if not out.requires_grad:
        raise _no_gradient(of, made)
    values = made.channels_of(out, at)
    if how.output == "fixed normal":
        numbers = draws(seed, 0, 1, values.shape[1:]).expand(values.shape)
    else:
        numbers = torch.stack([draws(seed, first + i, 1, values.shape[1:]) for i in range(len(values))])
    if how.output == "signs":
        numbers = numbers.sign()
    weights = how.entry_gradient(values, numbers.to(device))
    (gradient,) = torch.autograd.grad(values, image, weights, allow_unused=True)
    if gradient is None:
        raise _no_gradient(of, made)
    maps = how.maps(gradient).cpu().numpy()
    bad = ~np.isfinite(maps.reshape(len(maps), -1).sum(1))
    if bad.any():
        raise InputError(
            f"the gradient of layer {made.name!r} is not a number on image {first + int(np.argmax(bad))}",
            remedy="look for a weight, an image or a slope that is not finite",
        )
    return maps


class _ReachedError(Exception):
    """The layer has run; what follows it is not needed."""


def _captured(module: Any, made: LayerMap, args: Any, kwargs: Any) -> Any:
    """The tensor of the layer, of a forward that ends there."""
    from rfscale.engine.readers.torch.trace.module_calls import tensors

    found: list[Any] = []
    calls = [0]

    def hook(_part: Any, _args: Any, output: Any) -> None:
        if calls[0] == max(made.call, 0):
            found.extend(t for key, t in tensors(output) if key == made.key)
            raise _ReachedError
        calls[0] += 1

    handle = module.get_submodule(made.path).register_forward_hook(hook)
    try:
        module(*args, **kwargs)
    except _ReachedError:
        pass
    except InputError:
        raise
    except Exception as error:  # whatever the code of a model raises
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(f"{type(module).__name__} does not run on these images: {shown(lines[0], 120)}") from None
    finally:
        handle.remove()
    if not found:
        raise InputError(f"layer {made.name!r} did not run on these images")
    return found[0]


def _no_gradient(of: Target, made: LayerMap) -> InputError:
    return InputError(
        f"no gradient of layer {made.name!r} of {of.name} reaches the image: an operator on the way has none "
        "(argmax, rounding, quantised weights, no_grad)",
        remedy="name a layer before it",
    )


@contextmanager
def _frozen(module: Any) -> Iterator[None]:
    """Evaluation mode, and no gradients of weights; afterwards as it was."""
    from rfscale.engine.readers.torch.parts import Parts
    from rfscale.engine.readers.torch.trace.run import unchanged

    wanted = [p for p in module.parameters() if p.requires_grad]
    with unchanged(Parts(module)):
        for parameter in wanted:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter in wanted:
                parameter.requires_grad_(True)


def _result(
    of: Target, made: LayerMap, at: tuple[int, ...], how: Protocol, source: ImageSource, sums: Sums, seed: int
) -> xr.Dataset:
    import xarray as xr

    mean = np.abs(sums.mean) if how.gradient == "signed" else sums.mean
    if not mean.any():
        raise InputError(
            f"the gradient of layer {made.name!r} is 0 on all {sums.count} images: rounding, or dead units",
            remedy="name a layer before it, or give other images",
        )
    attrs = of.attrs(
        "effective_field", made.name, at, kind="measured", protocol=how.name, images=source.what, count=sums.count,
        seed=seed, weights_hash=sums.what["weights"],
    )  # fmt: skip
    data = {"field": (of.axes, mean), "standard_error": (of.axes, sums.standard_error)}
    coords = {axis: np.arange(n) for axis, n in zip(of.axes, mean.shape, strict=True)}
    return annotate(xr.Dataset(data, coords, attrs), FIELD, entry=shown(at), layer=made.name)
