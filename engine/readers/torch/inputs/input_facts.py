"""What a module says of its input: dtype, rank, channels and pixels, read off its layers and its configuration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import isqrt
from numbers import Integral
from typing import Any

from rfscale.engine.errors import EXAMPLE_INPUT, INPUT_SIZE, InputError, Parameter

DEFAULT_PIXELS = {1: 4096, 2: 224, 3: 96}  # by rank, where the module says none
CHANNELS = 3
_CONVOLUTIONS = {f"Conv{kind}{rank}d": rank for rank in (1, 2, 3) for kind in ("", "Transpose")}
_SIZE_NAMES = ("img_size", "image_size")  # of modules
_MAP_NAMES = ("input_resolution",)  # of modules: of the image, or of the map that a block gets
_CONFIG_SIZE_NAMES = (*_SIZE_NAMES, *_MAP_NAMES, "crop_size", "sample_size", "input_size")
_CHANNEL_NAMES = ("num_channels", "in_channels", "in_chans", "num_input_channels")
_FRAME_NAMES = ("num_frames", "frames_per_clip")
_TOKEN_NAMES = ("max_position_embeddings", "n_positions")
MOST_TOKENS = 1024
_CONFIGS = ("pretrained_cfg", "default_cfg", "config", "vision_config", "encoder", "backbone_config")


@dataclass(frozen=True)
class InputFacts:
    """What a module says of its input.

    Attributes
    ----------
    dtype : torch.dtype
        That of its first floating parameter.
    rank : int or None
        Spatial axes.
    channels : int or None
    pixels : tuple of int or None
        The size that it wants, where it says one.
    other_channels : tuple of int
        Those of an image whose pixels it moves to channels first, where it has any.
    frames : int or None
        Of a clip, where its configuration names them.
    tokens : int or None
        The longest text that it takes, where its configuration names that, and no more than `MOST_TOKENS`.
    """

    dtype: Any
    rank: int | None = None
    channels: int | None = None
    pixels: tuple[int, ...] | None = None
    other_channels: tuple[int, ...] = ()
    frames: int | None = None
    tokens: int | None = None

    def axes_of(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Spatial dims of an image of this shape: all after the first two.

        Of a clip the frames, and those after its channels; of a batch of rows without channels, the entries of a row.
        """
        if len(shape) == 2:
            return (1,)
        if len(shape) == 5 and self.channels == shape[2] != shape[1]:
            return 1, 3, 4
        return tuple(range(2, len(shape)))

    def clip(self, frames: int, pixels: Sequence[int] | None = None) -> tuple[int, ...]:
        """Shape of a clip of images, with its frames before the channels, as models of videos take it."""
        return (1, frames, *InputFacts(self.dtype, 2, self.channels, self.pixels).shape(pixels)[1:])

    def shape(
        self, pixels: Sequence[int] | None = None, axes: Sequence[int] | None = None, channels: int | None = None
    ) -> tuple[int, ...]:
        """Shape of an image of a batch of one; `pixels` per axis or one for all, by default what the module wants."""
        ndim = (self.rank or 2) if axes is None else len(axes)
        if pixels is not None and len(pixels) > 1 and axes is None:
            ndim = len(pixels)
        if pixels is None:
            fits = self.pixels is not None and len(self.pixels) in (1, ndim)
            pixels = self.pixels if self.pixels is not None and fits else (DEFAULT_PIXELS.get(ndim, 224),)
        size = list(pixels) * ndim if len(pixels) == 1 else list(pixels)
        if len(size) != ndim:
            raise InputError(f"but the image has {ndim} axes", argument=INPUT_SIZE, value=list(pixels))
        if channels is None:
            channels = CHANNELS if self.channels is None else self.channels
        if axes is None:
            return (1, channels, *size)
        length = ndim + 2
        dims = [a % length for a in axes]
        if len(set(dims)) != ndim or any(not -length <= a < length for a in axes):
            raise InputError(
                argument=Parameter("axes"), value=list(axes),
                remedy=("give other dims, or ", EXAMPLE_INPUT, ", the whole shape of the image, too"),
            )  # fmt: skip
        others = iter((1, channels))
        by_dim = dict(zip(dims, size, strict=True))
        return tuple(by_dim[d] if d in by_dim else next(others) for d in range(length))

    def completed(self, shape: tuple[int, ...]) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
        """Shapes with their spatial dims that one given may mean, the likeliest first: it may lack batch and channels.

        A shape of channels and pixels may as well be what the module takes, which then adds what is not there.
        """
        rank, missing = self.rank, 0 if self.rank is None else self.rank + 2 - len(shape)
        if rank is None or missing not in (1, 2):
            return [(shape, self.axes_of(shape))]
        before = (1,) if missing == 1 else (1, self.channels or CHANNELS)
        whole = (before + shape, tuple(range(2, rank + 2)))
        return [whole, (shape, tuple(range(len(shape) - rank, len(shape))))]


def input_facts(module: Any) -> InputFacts:
    """Return what a module says of its input."""
    rank, channels = _first_convolution(module)
    pixels = _wanted_pixels(module)
    config = next((c for c in _configurations(module)), None)
    said = _channels_of(config) if config is not None else None
    channels = said if channels is None else channels
    if rank is None and channels is None:
        channels, square = _first_linear(module)
        pixels = pixels or square
    others = () if channels is None else tuple(n for n in dict.fromkeys((said, CHANNELS)) if n not in (None, channels))
    frames, tokens = (_number_named(module, names) for names in (_FRAME_NAMES, _TOKEN_NAMES))
    tokens = None if tokens is None else min(tokens, MOST_TOKENS)
    return InputFacts(_dtype(module), rank, channels, pixels, others, frames, tokens)


def _number_named(module: Any, names: Sequence[str]) -> int | None:
    """The first number that the configurations of a module give one of some names."""
    found = (config.get(name) for config in _configurations(module) for name in names)
    return next((int(n) for n in found if n is not None and _is_size(n)), None)


def _channels_of(config: Mapping[str, Any]) -> int | None:
    """Channels that a configuration names, or those before the pixels of a size."""
    named = next((int(config[n]) for n in _CHANNEL_NAMES if _is_size(config.get(n))), None)
    size = config.get("input_size")
    if named is None and isinstance(size, list | tuple) and len(size) == 3 and _is_size(size[0]) and size[0] <= 4:
        return int(size[0])
    return named


def _dtype(module: Any) -> Any:
    import torch

    tensors = chain(module.parameters(), module.buffers())
    return next((t.dtype for t in tensors if t.dtype.is_floating_point), torch.get_default_dtype())


def _first_convolution(module: Any) -> tuple[int | None, int | None]:
    """Rank and input channels of the first convolution in the order of the modules; None without one."""
    for part in module.modules():
        names = [cls.__name__ for cls in type(part).__mro__]
        names.append(getattr(part, "original_name", ""))  # of TorchScript, whose parts are all of one class
        name = next((name for name in names if name in _CONVOLUTIONS), None)
        if name is None:
            continue
        rank, channels = _CONVOLUTIONS[name], getattr(part, "in_channels", None)
        weight = getattr(part, "weight", None)
        if channels is None and weight is not None and weight.dim() == rank + 2:
            channels = int(weight.shape[0 if "Transpose" in name else 1])  # TorchScript keeps no numbers; no groups
        return rank, channels or None  # a lazy one has none yet
    return None, None


def _first_linear(module: Any) -> tuple[int | None, tuple[int, ...] | None]:
    """Channels and pixels of a square image whose values the first linear layer takes flattened; None where none."""
    for part in module.modules():
        width = getattr(part, "in_features", None)
        if not isinstance(width, int) or width < 1:
            continue
        for channels in (3, 1):
            side = isqrt(width // channels)
            if channels * side * side == width and side >= 8:
                return channels, (side, side)
        return None, None
    return None, None


def _wanted_pixels(module: Any) -> tuple[int, ...] | None:
    """The size that a module, one of its parts or its configuration names."""
    return _size_of_parts(module, _SIZE_NAMES) or _size_of_configurations(module) or _size_of_parts(module, _MAP_NAMES)


def _size_of_parts(module: Any, names: Sequence[str]) -> tuple[int, ...] | None:
    for part in module.modules():
        for name in _names_there(part, names):
            found = _pixels(getattr(part, name, None))
            if found is not None and getattr(part, "strict_img_size", True):
                return found
    return None


def _size_of_configurations(module: Any) -> tuple[int, ...] | None:
    for config in _configurations(module):
        for name in _CONFIG_SIZE_NAMES:
            found = _pixels(config.get(name))
            if found is not None:
                return found
    return None


def _names_there(part: Any, names: Sequence[str]) -> Iterable[str]:
    """Those of some names that a module may have: it searches its parts for any other, 3 µs for each name."""
    import torch

    if type(part).__getattr__ is not torch.nn.Module.__getattr__:  # TorchScript finds its attributes otherwise
        return names
    return [name for name in names if name in vars(part) or hasattr(type(part), name)]


def _configurations(module: Any) -> Iterator[Mapping[str, Any]]:
    """Configurations of timm and transformers, as mappings; those inside others after them."""
    todo = [value for name in _CONFIGS if (value := getattr(module, name, None)) is not None]
    while todo:
        value = todo.pop(0)
        config = value if isinstance(value, Mapping) else getattr(value, "__dict__", None)
        if not config or hasattr(value, "forward"):
            continue
        yield config
        todo += [inner for name in _CONFIGS if (inner := config.get(name)) is not None]


def _pixels(value: Any) -> tuple[int, ...] | None:
    """Pixels per axis of a size as configurations write it: a number, a row (channels before them), or a dict."""
    if isinstance(value, Mapping):
        value = [value[key] for key in ("height", "width") if key in value]
    if _is_size(value):
        return (int(value),)
    if isinstance(value, list | tuple) and 1 <= len(value) <= 3 and all(map(_is_size, value)):
        sizes = tuple(map(int, value))
        return sizes[1:] if len(sizes) == 3 and sizes[0] <= 4 else sizes
    return None


def _is_size(value: Any) -> bool:
    return isinstance(value, Integral) and value is not True and int(value) > 0
