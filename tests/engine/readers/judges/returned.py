"""What the modules of a model return, judged by the model itself: not-a-number spreads from a row of pixels."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch.utils._pytree import tree_flatten_with_path

import rfscale as rf

ROWS_AT_A_TIME = 32


class Truth(NamedTuple):
    """A map that a call of a module returns: its spatial shape, and the first and last row and column of its centre."""

    path: str
    call: int
    key: str
    size: tuple[int, ...]
    bounds: tuple[tuple[int, int] | None, ...]


def truths(module: torch.nn.Module, size: tuple[int, int], channels: int = 3) -> list[Truth]:
    """Every map of four dims that a module of a model returns, in all its calls; constants are left out."""
    if any(value.is_meta for value in (*module.parameters(), *module.buffers())):
        module = module.to_empty(device="cpu")
    module = module.eval().double()
    for value in (*module.parameters(), *module.buffers()):
        if value.is_floating_point():
            value.data.fill_(0.01)  # none is zero, and nothing overflows
    sizes: dict[Any, tuple[int, ...]] = {}
    hit: dict[Any, list[list[int]]] = {}
    for axis in (0, 1):
        for first in range(0, size[axis], ROWS_AT_A_TIME):
            rows = range(first, min(first + ROWS_AT_A_TIME, size[axis]))
            images = torch.ones((len(rows), channels, *size), dtype=torch.float64)
            for i, row in enumerate(rows):
                images.select(2 + axis, row)[i] = torch.nan
            for key, value in _returned(module, images).items():
                sizes[key] = tuple(value.shape[2:])
                centre = value[:, :, value.shape[2] // 2, value.shape[3] // 2].isnan().any(dim=1)
                found = hit.setdefault(key, [[], []])
                found[axis] += [row for row, nan in zip(rows, centre.tolist(), strict=True) if nan]
    return [
        Truth(*key, sizes[key], tuple((min(rows), max(rows)) if rows else None for rows in axes))
        for key, axes in hit.items()
        if all(axes)
    ]


def _returned(module: torch.nn.Module, images: torch.Tensor) -> dict[tuple[str, int, str], torch.Tensor]:
    found: dict[tuple[str, int, str], torch.Tensor] = {}
    calls: dict[str, int] = {}

    def keep(path: str, output: Any) -> None:
        call = calls[path] = calls.get(path, -1) + 1
        for keys, value in tree_flatten_with_path(output)[0]:
            names = [str(getattr(k, "key", getattr(k, "idx", getattr(k, "name", "")))) for k in keys]
            if isinstance(value, torch.Tensor) and value.dim() == 4 and len(value) == len(images):
                found[path, call, ".".join(names)] = value.clone()  # what follows may write into it

    handles = [
        part.register_forward_hook(lambda _, __, output, path=path: keep(path, output))
        for path, part in module.named_modules()
    ]
    with torch.no_grad():
        module(images)
    for handle in handles:
        handle.remove()
    return found


def named(net: rf.Network, truth: Truth) -> str | None:
    """The name of a map in a network: the longest of those that it may have."""
    path, call, key = truth.path, f"@{truth.call}", f":{truth.key}"
    names = [path + call + key, path + key, path + call, path] if path else [key, truth.key]
    return next((n for n in names if n in net or n in net.modules), None)


def judge(module: torch.nn.Module, size: tuple[int, int]) -> tuple[int, list[str], list[str]]:
    """How many maps have the row of what the module returns, those that do not, and those without a name."""
    net = rf.load(module, example_input=(1, 3, *size))
    rows = rf.profile(net, size)
    right, wrong, nameless = 0, [], []
    for truth in truths(module, size):
        name = named(net, truth)
        if name is None:
            nameless.append(f"{truth.path}@{truth.call}:{truth.key}")
            continue
        at = net.index(name)
        extent = tuple(high - low + 1 for low, high in truth.bounds)
        found = tuple(rows.map_size.values[at].tolist()), tuple(rows.extent.values[at].tolist())
        if found == (truth.size, extent):
            right += 1
        else:
            wrong.append(f"{name} ({net[name].name}): {found} for {(truth.size, extent)}")
    return right, wrong, nameless
