"""The shape that a model is read with: as declared or given, and sizes to try where the file leaves them open."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from math import isqrt
from typing import Any

from rfscale.engine.errors import EXAMPLE_INPUT, INPUT_SIZE, InputError
from rfscale.engine.readers.onnx.graph.image import Roles, declared_dims
from rfscale.engine.readers.tensors.tracking import Shape

# What models of open size are commonly used at: classifiers, detectors, text lines (high × wide), faces
IMAGES = (
    (224, 224), (640, 640), (48, 320), (32, 320), (64, 256), (256, 256), (320, 320), (384, 384), (512, 512), (32, 100),
    (112, 112), (128, 128), (416, 416), (160, 160), (96, 96), (518, 518), (800, 800), (1024, 1024),
)  # fmt: skip
WIDTHS = (320, 256, 224, 640, 100, 512)  # beside a height that the file says
SAMPLES = (16000, 512, 576, 1024, 4096, 32000)  # of sound
FRAMES = (3000, 100, 128, 256, 512, 64, 16)  # of features
VOLUMES = ((64, 64, 64), (96, 96, 96), (128, 128, 128), (16, 224, 224), (16, 112, 112))
LEVELS = ((8, 16, 32), (16, 32), (4, 8, 16, 32), (8, 16, 32, 64), (8, 16, 32, 64, 128))  # strides of a detector's maps
MAX_HINTS = 4
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
    for chosen in _sizes(sizes, max(others, default=1), model):
        for d, n in zip(spatial, chosen, strict=True):
            shape[d] = n
        yield tuple(n or 1 for n in shape), True


def _sizes(declared: Sequence[int], channels: int, model: Any) -> Iterator[tuple[int, ...]]:
    """Sizes that agree with those that are declared; 0 is open: as noted, the usual one, as constants hint, others."""
    noted, hints = _noted(model, len(declared)), _hinted(model.graph) if len(declared) == 2 else []
    known = [n for n in declared if n]
    if len(declared) == 1:
        usual: Sequence[tuple[int, ...]] = [(n,) for n in (FRAMES if channels > FEATURES else SAMPLES)]
    elif len(declared) == 2 and known:
        usual = [(n, n) for n in (*WIDTHS, known[0])]
    else:
        usual = IMAGES if len(declared) == 2 else VOLUMES
    for size in dict.fromkeys([*noted, usual[0], *hints, *usual]):
        yield tuple(n or m for n, m in zip(declared, size, strict=True))


def _noted(model: Any, rank: int) -> list[tuple[int, ...]]:
    """Sizes that the exporter noted in the file, as ultralytics does: imgsz [640, 640]."""
    noted = [p.value for p in model.metadata_props if p.key in ("imgsz", "input_size", "image_size")]
    found = [tuple(int(n) for n in re.findall(r"\d+", text)) for text in noted]
    return [(f * rank if len(f) == 1 else f) for f in found if len(f) in (1, rank) and all(0 < n < 1 << 16 for n in f)]


def _hinted(graph: Any) -> list[tuple[int, int]]:
    """Squares for which constants of a graph have an entry for each anchor of a detector, or each patch of an image."""
    lengths = {n for t in graph.initializer for n in t.dims}
    patch, weights = 0, {t.name: t.dims for t in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            lengths.update(n for a in node.attribute if a.type == 4 for n in a.t.dims)
        elif node.op_type == "Conv" and not patch:
            kernel = weights.get(node.input[1], ())[2:] if len(node.input) > 1 else ()
            stride = next((list(a.ints) for a in node.attribute if a.name == "strides"), [])
            patch = stride[0] if len(set(stride)) == 1 and list(kernel) == stride else 1
    for info in graph.output:
        lengths.update(d.dim_value for d in info.type.tensor_type.shape.dim)
    found: list[int] = []
    for n in sorted(lengths):
        if not 80 <= n < 1 << 20:
            continue
        for strides in LEVELS:
            size = isqrt(round(n / sum(1 / k**2 for k in strides)))
            if size % strides[-1] == 0 and sum((size // k) ** 2 for k in strides) == n:
                found.append(size)
        grid = isqrt(n)
        if patch > 1 and n - grid * grid in (0, 1):
            found.append(grid * patch)
    return [(size, size) for size in dict.fromkeys(found)][:MAX_HINTS]
