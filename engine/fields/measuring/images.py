"""Images to measure on: a folder, a tensor, a loader, or noise, as batches of one size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import prod
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from rfscale.engine.errors import INPUT_SIZE, InputError, Parameter, shown
from rfscale.engine.network.spec import whole

IMAGES = Parameter("images")
NORMALIZE = Parameter("normalize")
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".npy")
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
DEFAULT_COUNT = 100  # of noise images
BATCH_VALUES = 1 << 22  # numbers in a batch of noise or of files


@dataclass(frozen=True)
class ImageSource:
    """Images in a fixed order.

    Attributes
    ----------
    what : str
        What they are, for the attrs of a result and for state that is resumed.
    count : int or None
        How many; None: as many as a loader has.
    batches : callable
        ``batches(first)`` gives batches (images, channels, pixels …) from that image on.
    """

    what: str
    count: int | None
    batches: Callable[[int], Iterator[Any]]


def image_source(
    images: Any, shape: Sequence[int], count: int | None, seed: int, normalize: Any = None, batch: int | None = None
) -> ImageSource:
    """Return the images of a measurement.

    Parameters
    ----------
    images : "noise", path, tensor, array or iterable
        Standard normal numbers, a folder of pictures (or .npy arrays), images of shape (N, C, …), or batches of them,
        alone or first of what a loader gives.
    shape : sequence of int
        Of a batch of one, as the model takes it.
    count : int, optional
        How many to take.
    seed : int
        Of noise.
    normalize : None, "imagenet" or pair, optional
        Mean and standard deviation that pictures of a folder, scaled to 0 … 1, are normalized with.
    batch : int, optional
        Images of a batch of noise or files.
    """
    mean_and_spread = normalization(normalize)
    usual = max(1, min(16, BATCH_VALUES // prod(shape[1:])))
    batch = usual if batch is None else whole(batch, Parameter("batch"))
    if isinstance(images, str) and images == "noise":
        return _noise(tuple(shape), DEFAULT_COUNT if count is None else count, seed, batch)
    if isinstance(images, str | PathLike) and str(images):
        return _folder(Path(images), tuple(shape), count, mean_and_spread, batch)
    if hasattr(images, "shape") and hasattr(images, "__getitem__"):
        return _tensor(images, tuple(shape), count, batch)
    if hasattr(images, "__iter__") and not isinstance(images, str | bytes | Mapping):
        return _loader(images, tuple(shape), count)
    raise InputError(argument=IMAGES, value=images, remedy='give a folder, a tensor, a loader, or "noise"')


def draws(seed: int, number: int, kind: int, shape: Sequence[int]) -> Any:
    """Standard normal numbers that depend on the seed, the number of the image and what they are for alone."""
    import torch

    generator = torch.Generator().manual_seed((seed * 4 + kind) * 0x9E3779B1 + number)
    return torch.randn(tuple(shape), generator=generator)


def peeked(images: Any) -> tuple[Any, tuple[int, ...] | None]:
    """Return the images, and the shape of one that they show: a loader is asked for its first batch."""
    if isinstance(images, str) or hasattr(images, "__fspath__"):
        return images, None
    if hasattr(images, "shape") and hasattr(images, "__getitem__"):
        return images, (1, *map(int, images.shape[-3:])) if len(images.shape) < 4 else (1, *map(int, images.shape[1:]))
    if not hasattr(images, "__iter__"):
        return images, None
    once = iter(images)
    first = next(once, None)
    if first is None:
        raise InputError("has no images", argument=IMAGES)
    tensor = first_tensor(first, 3)
    shape = None if tensor is None else tuple(map(int, tensor.shape))
    if shape is not None:
        shape = (1, *shape[1:]) if len(shape) > 3 else (1, *shape)
    return (chain([first], once) if once is images else images), shape


def _noise(shape: tuple[int, ...], count: int, seed: int, batch: int) -> ImageSource:
    import torch

    def batches(first: int) -> Iterator[Any]:
        for start in range(first, count, batch):
            yield torch.stack([draws(seed, i, 0, shape[1:]) for i in range(start, min(start + batch, count))])

    return ImageSource(f"noise, standard normal, seed {seed}", count, batches)


def _tensor(images: Any, shape: tuple[int, ...], count: int | None, batch: int) -> ImageSource:
    import torch

    tensor = images if isinstance(images, torch.Tensor) else torch.from_numpy(np.asarray(images))
    tensor = tensor[None] if tensor.dim() == len(shape) - 1 else tensor
    _check_shape(tuple(tensor.shape[1:]), shape, "they are")
    total = len(tensor) if count is None else min(count, len(tensor))
    if not total:
        raise InputError("has no images", argument=IMAGES)

    def batches(first: int) -> Iterator[Any]:
        for start in range(first, total, batch):
            yield tensor[start : min(start + batch, total)]

    return ImageSource(f"a tensor of {len(tensor)} images", total, batches)


def _loader(images: Any, shape: tuple[int, ...], count: int | None) -> ImageSource:
    def batches(first: int) -> Iterator[Any]:
        done = 0
        for given in images:
            tensor = first_tensor(given, len(shape))
            if tensor is None:
                raise InputError(f"a batch is {shown(given)}, without a tensor of images", argument=IMAGES)
            tensor = tensor[None] if tensor.dim() == len(shape) - 1 else tensor
            _check_shape(tuple(tensor.shape[1:]), shape, f"image {done} is")
            skip = max(0, min(first - done, len(tensor)))
            stop = len(tensor) if count is None else min(len(tensor), count - done)
            done += len(tensor)
            if skip < stop:
                yield tensor[skip:stop]
            if count is not None and done >= count:
                return
        if not done:
            raise InputError("has no images", argument=IMAGES)

    return ImageSource(f"batches of {type(images).__name__}", count, batches)


def first_tensor(given: Any, dims: int) -> Any:
    """Return the first tensor of at least so many dims in what a loader gives; None without any."""
    import torch

    if isinstance(given, torch.Tensor):
        return given
    if isinstance(given, np.ndarray):
        return torch.from_numpy(given)
    parts = given.values() if isinstance(given, Mapping) else given if isinstance(given, list | tuple) else ()
    return next((t for t in (first_tensor(p, dims) for p in parts) if t is not None and t.dim() >= dims - 1), None)


def _check_shape(found: tuple[int, ...], shape: tuple[int, ...], which: str) -> None:
    if found != shape[1:]:
        raise InputError(
            f"{which} {'×'.join(map(str, found))}, where the model takes {'×'.join(map(str, shape[1:]))}",
            argument=IMAGES, remedy=("give ", INPUT_SIZE, ", or images of one size"),
        )  # fmt: skip


# files ---------------------------------------------------------------------------------------------------------------


def _folder(folder: Path, shape: tuple[int, ...], count: int | None, mean_and_spread: Any, batch: int) -> ImageSource:
    import torch

    if folder.is_file():
        files = [folder]
    else:
        files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if not files:
        raise InputError("holds no images" if folder.is_dir() else "is no folder", argument=IMAGES, value=str(folder))
    files = files if count is None else files[:count]

    def batches(first: int) -> Iterator[Any]:
        for start in range(first, len(files), batch):
            yield torch.stack(
                [torch.from_numpy(read_image(f, shape, mean_and_spread)) for f in files[start : start + batch]]
            )

    how = "as they are" if mean_and_spread is None else f"normalized with {mean_and_spread}"
    return ImageSource(f"{len(files)} images of {folder}, {how}", len(files), batches)


def normalization(normalize: Any) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Mean and standard deviation per channel, or None."""
    if normalize is None or (isinstance(normalize, str) and normalize in ("none", "imagenet")):
        return IMAGENET if normalize == "imagenet" else None
    try:
        mean, spread = (tuple(float(v) for v in part) for part in normalize)
        if 0 < len(mean) == len(spread) and all(v > 0 for v in spread):
            return mean, spread
    except (TypeError, ValueError):
        pass
    raise InputError(argument=NORMALIZE, value=normalize, remedy='give "imagenet", "none", or (means, deviations)')


def read_image(file: Path, shape: tuple[int, ...], normalize: Any) -> np.ndarray:
    """One picture as (channels, height, width), scaled to 0 … 1, of the size that the model takes."""
    channels, size = shape[1], shape[2:]
    if file.suffix.lower() == ".npy":
        array = np.load(file, allow_pickle=False).astype(np.float32)
        _check_shape(array.shape, shape, f"{file.name} is")
        return array
    if len(size) != 2:
        raise InputError(f"a picture has two axes, the model takes {len(size)}", argument=IMAGES, value=str(file))
    from rfscale.engine.files import need_package

    need_package("PIL", "to read pictures")
    from PIL import Image

    modes = {1: "L", 3: "RGB", 4: "RGBA"}
    if channels not in modes:
        raise InputError(
            f"a picture has 1, 3 or 4 channels, the model takes {channels}", argument=IMAGES, remedy="give .npy files"
        )
    try:
        with Image.open(file) as opened:
            picture = opened.convert(modes[channels]).resize((size[1], size[0]), Image.Resampling.BILINEAR)
    except Exception as error:  # a file that may hold anything
        raise InputError(f"{file} is no picture that can be read: {shown(str(error), 80)}") from None
    array = np.asarray(picture, np.float32).reshape(*size, channels).transpose(2, 0, 1) / 255
    if normalize is not None:
        mean, spread = (np.array(v, np.float32).reshape(-1, 1, 1) for v in normalize)
        if len(mean) != channels:
            raise InputError(f"has {len(mean)} channels, the images {channels}", argument=NORMALIZE)
        array = (array - mean) / spread
    return np.ascontiguousarray(array)
