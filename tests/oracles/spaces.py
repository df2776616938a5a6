"""The oracle of sweeps: reads a space dict by itself, lists every architecture, counts plain sets. Slow and obvious."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple


class Layer(NamedTuple):
    op: str
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    channels: int | None
    groups: Any
    bias: bool


class Figures(NamedTuple):
    """Figures of one architecture at one stage; the first four per axis."""

    pixels: tuple[int, ...]
    extent: tuple[int, ...]
    jump: tuple[int, ...]
    shared: tuple[int, ...]
    params: int
    macs: int


def factors(spec: dict[str, Any]) -> list[list[tuple[str, list[Any]]]]:
    """Names and values of the factors that each stage introduces."""
    out, shared_met = [], set()
    for stage in spec["stages"]:
        own, shared = [], []
        for key, value in stage.items():
            if key == "choices":
                own.append((f"{stage['name']}_choice", list(range(len(value)))))
                texts = [v for choice in value for layer in _blocks(choice) for v in layer.values()]
            elif isinstance(value, list):
                own.append((f"{stage['name']}_{key}", value))
                texts = []
            else:
                texts = [value]
            for text in texts:
                if isinstance(text, str) and text.startswith("$") and text[1:] not in shared_met:
                    shared_met.add(text[1:])
                    shared.append((text[1:], spec["factors"][text[1:]]))
        out.append(own + shared)
    return out


def _blocks(choice: Any) -> list[dict[str, Any]]:
    if isinstance(choice, list):
        return choice
    if "layers" in choice:
        return choice["layers"]
    return [] if set(choice) <= {"name"} else [choice]


def _per_axis(value: Any, ndim: int) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value,) * ndim


def _make(layer: dict[str, Any], ndim: int, strided: bool) -> Layer:
    op = layer.get("op", "conv")
    one = (1,) * ndim
    if op == "pointwise":
        return Layer(op, one, one, one, None, 1, True)
    if op == "space_to_depth":
        scale = _per_axis(layer["scale"], ndim)
        return Layer(op, scale, scale, one, None, 1, True)
    if op == "slice":
        return Layer(op, one, _per_axis(layer.get("step", 1), ndim), one, None, 1, True)
    kernel = _per_axis(layer["kernel"], ndim)
    stride = _per_axis(layer.get("stride", 1), ndim) if strided else one
    if op != "conv" and "stride" not in layer:
        stride = kernel
    dilation = _per_axis(layer.get("dilation", 1), ndim)
    return Layer(op, kernel, stride, dilation, layer.get("channels"), layer.get("groups", 1), layer.get("bias", True))


def _repeated(layer: dict[str, Any], ndim: int) -> list[Layer]:
    times, place = layer.get("repeat", 1), layer.get("stride_at", "first")
    return [_make(layer, ndim, i == (0 if place == "first" else times - 1)) for i in range(times)]


def architectures(spec: dict[str, Any], ndim: int) -> Iterator[tuple[dict[str, int], list[list[Layer]]]]:
    """Every architecture in index order: the position of each factor's value, and the layers of each stage."""
    flat = [f for new in factors(spec) for f in new]
    for places in itertools.product(*(range(len(values)) for _, values in flat)):
        chosen = {name: values[place] for (name, values), place in zip(flat, places, strict=True)}
        stages = []
        for stage in spec["stages"]:
            given = {}
            for key, value in stage.items():
                if isinstance(value, list) and key != "choices":
                    value = chosen[f"{stage['name']}_{key}"]
                given[key] = chosen[value[1:]] if isinstance(value, str) and value.startswith("$") else value
            if "choices" not in given:
                stages.append(_repeated(given, ndim))
                continue
            blocks = _blocks(given["choices"][chosen[f"{stage['name']}_choice"]])
            blocks = [
                {k: chosen[v[1:]] if isinstance(v, str) and v.startswith("$") else v for k, v in b.items()}
                for b in blocks
            ]
            stages.append([x for b in blocks for x in _repeated(b, ndim)] * given.get("repeat", 1))
        yield dict(zip((n for n, _ in flat), places, strict=True)), stages


def figures(spec: dict[str, Any], stages: list[list[Layer]], ndim: int) -> list[Figures]:
    """Figures after each stage of one architecture."""
    sets, jumps = [{0} for _ in range(ndim)], [1] * ndim
    size = spec.get("input_size")
    sizes = list(_per_axis(size, ndim)) if size else None
    channels, strides, params, macs = spec.get("input_channels", 3), 0, 0, 0
    given = spec.get("channels")
    base, growth = (
        (given, 1) if isinstance(given, int) else (given["base"], given.get("growth", 1)) if given else (0, 1)
    )
    out = []
    for layers in stages:
        for layer in layers:
            for a in range(ndim):
                offsets = [i * layer.dilation[a] * jumps[a] for i in range(layer.kernel[a])]
                sets[a] = {x + o for x in sets[a] for o in offsets}
                jumps[a] *= layer.stride[a]
                if sizes:
                    sizes[a] = -(-sizes[a] // layer.stride[a])
            strides += max(layer.stride) > 1
            if layer.op == "space_to_depth":
                for s in layer.stride:
                    channels *= s
            if layer.op == "conv" and given:
                after = layer.channels or base * growth**strides
                weights = after * channels // (channels if layer.groups == "depthwise" else layer.groups)
                for k in layer.kernel:
                    weights *= k
                params += weights + (after if layer.bias else 0)
                for n in sizes or [0]:
                    weights *= n
                macs += weights
                channels = after
        out.append(
            Figures(
                tuple(len(s) for s in sets),
                tuple(max(s) - min(s) + 1 for s in sets),
                tuple(jumps),
                tuple(len(s & {x + j for x in s}) for s, j in zip(sets, jumps, strict=True)),
                params,
                macs,
            )
        )
    return out


def table(spec: dict[str, Any], ndim: int = 2) -> list[tuple[dict[str, int], list[Figures]]]:
    """Every architecture's choices and figures, in index order."""
    return [(places, figures(spec, stages, ndim)) for places, stages in architectures(spec, ndim)]
