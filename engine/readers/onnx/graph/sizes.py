"""The shape that a model is read with: as declared or given, and sizes to try where the file leaves them open."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from rfscale.engine.errors import EXAMPLE_INPUT, INPUT_SIZE, InputError
from rfscale.engine.readers.onnx.graph.image import Roles, declared_dims
from rfscale.engine.readers.tensors.tracking import Shape

# What models of open size are commonly used at: classifiers, detectors, text lines (high × wide), faces
IMAGES = (
    (224, 224), (640, 640), (48, 320), (32, 320), (64, 256), (256, 256), (320, 320), (384, 384), (512, 512), (32, 100),
    (112, 112), (128, 128), (518, 518), (1024, 1024),
)  # fmt: skip
WIDTHS = (320, 256, 224, 640, 100, 512)  # beside a height that the file says
SAMPLES = (16000, 512, 576, 1024, 4096, 32000)  # of sound
FRAMES = (3000, 100, 128, 256, 512, 64, 16)  # of features
VOLUMES = ((64, 64, 64), (96, 96, 96), (128, 128, 128), (16, 224, 224), (16, 112, 112))
FEATURES = 16  # more channels than this are features, not colours or loudspeakers


def shapes_to_try(
    model: Any, image: Any, roles: Roles, example: Any, input_size: Any, axes: Sequence[int] | None, label: str
) -> Iterator[tuple[Shape, bool]]:
    """Shapes of the image, the likeliest first, and whether a size was chosen: one where nothing is open.

    Raises
    ------
    InputError
        For an example or input size that does not fit the input.
    """
    declared = declared_dims(image)
    rank = len(declared)
    spatial = list(roles.spatial) if axes is None else [a % max(rank, 1) for a in axes]
    if example is not None:
        if len(list(example)) != rank:
            raise InputError(
                argument=EXAMPLE_INPUT, value=example, remedy=f"the input {image.name!r} of {label} has {rank} dims"
            )
        yield tuple(example), False
        return
    shape = list(declared)
    if input_size is not None:
        sizes = [input_size] * len(spatial) if isinstance(input_size, int) else list(input_size)
        if len(sizes) != len(spatial):
            raise InputError(argument=INPUT_SIZE, value=input_size, remedy=f"give one number, or {len(spatial)}")
        for d, n in zip(spatial, sizes, strict=True):
            shape[d] = n
    if roles.channel is not None and not shape[roles.channel]:
        shape[roles.channel] = roles.channels or 3
    others = [n for d, n in enumerate(shape) if d not in spatial and n]
    sizes = [shape[d] for d in spatial]
    if 0 not in sizes:
        yield tuple(n or 1 for n in shape), False
        return
    for chosen in _sizes(sizes, max(others, default=1), _noted(model, len(spatial))):
        for d, n in zip(spatial, chosen, strict=True):
            shape[d] = n
        yield tuple(n or 1 for n in shape), True


def _sizes(declared: Sequence[int], channels: int, noted: Sequence[tuple[int, ...]]) -> Iterator[tuple[int, ...]]:
    """Sizes that agree with those that are declared; 0 is open."""
    known = [n for n in declared if n]
    if len(declared) == 1:
        usual: Sequence[tuple[int, ...]] = [(n,) for n in (FRAMES if channels > FEATURES else SAMPLES)]
    elif len(declared) == 2 and known:
        usual = [(n, n) for n in (*WIDTHS, known[0])]
    else:
        usual = IMAGES if len(declared) == 2 else VOLUMES
    for size in dict.fromkeys([*noted, *usual]):
        yield tuple(n or m for n, m in zip(declared, size, strict=True))


def _noted(model: Any, rank: int) -> list[tuple[int, ...]]:
    """Sizes that the exporter noted in the file, as ultralytics does: imgsz [640, 640]."""
    noted = [p.value for p in model.metadata_props if p.key in ("imgsz", "input_size", "image_size")]
    found = [tuple(int(n) for n in re.findall(r"\d+", text)) for text in noted]
    return [(f * rank if len(f) == 1 else f) for f in found if len(f) in (1, rank) and all(0 < n < 1 << 16 for n in f)]
