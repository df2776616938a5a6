"""What each section of a Darknet configuration does to a tracked tensor of (batch, channels, y, x)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, TypeAlias

from rfscale.engine.readers.darknet.cfg_file import Section
from rfscale.engine.readers.tensors.layout import UnreadableError, regroup, some_of, with_dim
from rfscale.engine.readers.tensors.operators import spatial_ops as sp
from rfscale.engine.readers.tensors.operators import window_ops as wd
from rfscale.engine.readers.tensors.operators.joins import concatenate
from rfscale.engine.readers.tensors.operators.products import weighted
from rfscale.engine.readers.tensors.tracking import Constant, Tracked, Tracker, Unknown

OUTPUTS = ("yolo", "gaussian_yolo", "region", "detection")  # they end a branch
POINTWISE = "dropout batchnorm activation logistic cost normalization lrn empty silence l2norm local_response"
CONSTANT = ("implicit_add", "implicit_mul", "implicit")
BLOCKS = "blocks of pixels as channels, as in AlexeyAB's Darknet; the first Darknet orders its rows otherwise"


@dataclass(frozen=True)
class Step:
    """One section with the tensors before it.

    Attributes
    ----------
    section : Section
    values : list
        What the sections before made, by number.
    assumed : dict
        To note what a section is taken for.
    """

    section: Section
    values: list[Any]
    image: Tracked
    assumed: dict[str, str]

    @property
    def x(self) -> Any:
        """What the section before made."""
        return self.values[-1] if self.values else self.image

    def at(self, index: int) -> Any:
        """What a section made, counted from the first, or backwards from this one if below zero."""
        number = index if index >= 0 else len(self.values) + index
        if not 0 <= number < len(self.values):
            raise UnreadableError(f"it reads the section {index}, which is not before it")
        return self.values[number]


Handler: TypeAlias = Callable[[Tracker, Step], Any]
DARKNET: dict[str, Handler] = {}


def darknet(*names: str) -> Callable[[Handler], Handler]:
    """Register a handler under the names of sections."""

    def register(handler: Handler) -> Handler:
        DARKNET.update(dict.fromkeys(names, handler))
        return handler

    return register


def read_by(step: Step) -> list[Any]:
    """What a section reads: the tensor before it, or those that it names."""
    kind, section = step.section.kind, step.section
    if kind in CONSTANT:
        return []
    if kind == "route":
        return [step.at(n) for n in section.numbers_of("layers")]
    if kind in ("shortcut", "sam", "scale_channels"):
        return [step.x, *(step.at(n) for n in section.numbers_of("from"))]
    return [step.x]


@darknet(*POINTWISE.split(), *OUTPUTS)
def _pointwise(k: Tracker, step: Step) -> Any:
    x = step.x
    return k.after(x, "pointwise", x.dims) if step.section.kind in OUTPUTS else x


@darknet("softmax", "soft")
def _softmax(k: Tracker, step: Step) -> Any:
    """Over all numbers of a map or of a group of its channels, or with `spatial` over the channels of each entry."""
    return step.x if step.section.number_of("spatial", 0) else k.statistic(step.x, (1, 2, 3))


@darknet("shift_channels", "control_channels", "alternate_channels")
def _with_constant(k: Tracker, step: Step) -> Any:
    if any(isinstance(step.at(n), Tracked) for n in step.section.numbers_of("from")):
        raise UnreadableError("it combines channels of two maps")
    return step.x


@darknet(*CONSTANT)
def _implicit(k: Tracker, step: Step) -> Constant:
    return Constant((1, step.section.number_of("filters", 1), 1, 1))


@darknet("convolutional", "conv", "deconvolutional")
def _convolutional(k: Tracker, step: Step) -> Tracked:
    s, x = step.section, step.x
    size, filters, groups = s.number_of("size", 1), s.number_of("filters", 1), s.number_of("groups", 1)
    stride = s.number_of("stride", 1)
    strides = [s.number_of("stride_y", stride), s.number_of("stride_x", stride)]
    dilation = s.number_of("dilation", 1) if size > 1 else 1
    pad = (size // 2 if s.number_of("pad", 0) else s.number_of("padding", 0)) * dilation
    bias = not s.number_of("batch_normalize", 0)
    if s.number_of("antialiasing", 0) or s.kind == "deconvolutional":
        raise UnreadableError("it is smoothed or transposed")
    if min(size, filters, groups, dilation, *strides) < 1 or pad < 0 or x.shape[1] % groups:
        raise UnreadableError("its numbers do not fit its map")
    span = dilation * (size - 1) + 1
    k.shape = (1, filters, *((n + 2 * pad - span) // t + 1 for n, t in zip(x.shape[2:], strides, strict=True)))
    weights = Constant((filters, x.shape[1] // groups, size, size))
    return wd.convolve(k, x, weights, bias, strides, [pad] * 4, [dilation] * 2, groups)


@darknet("maxpool", "max", "local_avgpool", "local_avg")
def _pool(k: Tracker, step: Step) -> Tracked:
    """Its padding is of both sides together, by default size - 1, the smaller half at the start."""
    s, x = step.section, step.x
    stride = s.number_of("stride", 1)
    strides = [s.number_of("stride_y", stride), s.number_of("stride_x", stride)]
    size = s.number_of("size", stride)
    padding = s.number_of("padding", size - 1)
    if s.number_of("maxpool_depth", 0) or s.number_of("antialiasing", 0):
        raise UnreadableError("it pools channels, or is smoothed")
    if min(size, *strides) < 1 or padding < 0:
        raise UnreadableError("its numbers do not fit its map")
    k.shape = (*x.shape[:2], *((n + padding - size) // t + 1 for n, t in zip(x.shape[2:], strides, strict=True)))
    sides = [padding // 2] * 2 + [padding - padding // 2] * 2
    return wd.window(k, "max_pool" if s.kind.startswith("max") else "avg_pool", x, [size] * 2, strides, sides, [1, 1])


@darknet("avgpool", "avg")
def _average(k: Tracker, step: Step) -> Tracked:
    return k.reduce(step.x, (2, 3))


@darknet("upsample")
def _upsample(k: Tracker, step: Step) -> Tracked:
    scale = step.section.number_of("stride", 2)
    if scale < 1:
        raise UnreadableError("it shrinks")
    k.shape = (*step.x.shape[:2], *(n * scale for n in step.x.shape[2:]))
    return sp.resize(k, step.x, 2, "nearest")


@darknet("reorg")
def _reorg(k: Tracker, step: Step) -> Tracked:
    s, x = step.section.number_of("stride", 1), step.x
    if step.section.number_of("reverse", 0) or s < 1 or any(n % s for n in x.shape[2:]):
        raise UnreadableError("it moves pixels from channels, or its blocks do not fit")
    if s > 1:
        step.assumed[f"{k.path}: reorg"] = BLOCKS
    k.shape = (1, x.shape[1] * s * s, *(n // s for n in x.shape[2:]))
    return wd.shuffle(k, x, "space_to_depth", s)


@darknet("route")
def _route(k: Tracker, step: Step) -> Any:
    values = read_by(step)
    groups, part = step.section.number_of("groups", 1), step.section.number_of("group_id", 0)
    if not values or groups < 1 or not 0 <= part < groups:
        raise UnreadableError("it names no section, or no part of one")
    if groups > 1:
        values = [_part(v, groups) for v in values]
    if len(values) == 1:
        return values[0]
    if len({v.shape[2:] for v in values}) > 1:
        raise UnreadableError("it joins maps of different sizes")
    k.shape = (1, sum(v.shape[1] for v in values), *values[0].shape[2:])
    return concatenate(k, values, 1)


def _part(value: Any, groups: int) -> Any:
    """A part of the channels of a map."""
    n = value.shape[1]
    if n % groups:
        raise UnreadableError(f"{n} channels are no {groups} parts")
    return replace(value, dims=with_dim(value.dims, 1, some_of(value.dims[1], n // groups)))


@darknet("shortcut")
def _shortcut(k: Tracker, step: Step) -> Any:
    values = read_by(step)
    if len(values) < 2 or len({v.shape[2:] for v in values}) > 1:
        raise UnreadableError("it adds maps of different sizes")
    return k.merge("add", values, values[0].dims)


@darknet("sam", "scale_channels")
def _scaled(k: Tracker, step: Step) -> Any:
    values = read_by(step)
    if len(values) != 2:
        raise UnreadableError("it multiplies two maps")
    shape = tuple(max(v.shape[d] for v in values) for d in range(4))
    return k.elementwise(values, "multiply", shape)


@darknet("connected", "conn")
def _connected(k: Tracker, step: Step) -> Tracked:
    x = step.x
    inputs, outputs = prod(x.shape), step.section.number_of("output", 1)
    flat = replace(x, dims=regroup(x.dims, (1, inputs)))
    out = weighted(k, flat, 1, inputs, outputs)
    return replace(out, dims=(*out.dims, (), ()))


def is_unknown(values: Sequence[Any]) -> bool:
    """Whether one of some values is not known."""
    return any(isinstance(v, Unknown) for v in values)
