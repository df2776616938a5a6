"""Names of layers and modules: what a model's modules return decides which layer has a module's name."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from rfscale.engine.network.layer import IMAGE
from rfscale.engine.network.modules import CALL, KEY
from rfscale.engine.network.ops import OPS
from rfscale.engine.readers.tensors.tracking import Tracker, single_maps


class Returned(NamedTuple):
    """One map that one call of a module returns.

    Attributes
    ----------
    path : str
        Of the module; empty for the model itself.
    call : int
        From 0.
    key : str
        Where in the structure that it returns: keys and positions with dots between, empty for a tensor alone.
    layer : int
    """

    path: str
    call: int
    key: str
    layer: int


def returned_maps(tracker: Tracker, path: str, call: int, key: str, value: object) -> list[Returned]:
    """Return the maps of one tensor that a module returns: of maps one after another, each has a key of its own.

    Levels of a pyramid are called p3 for one entry in every 2³ pixels, p4, …; other maps by their positions.

    Parameters
    ----------
    tracker : Tracker
    path, call, key : str, int and str
        As in `Returned`.
    value : Tracked, or anything else
        What does not depend on the image has no map.
    """
    layers = [t.layer for t in single_maps(value)]
    if len(layers) == 1:
        return [Returned(path, call, key, layers[0])]
    levels = [_level(tracker, layer) for layer in layers]
    pyramid = None not in levels and len(set(levels)) == len(levels)
    keys = [f"p{level}" if pyramid else str(i) for i, level in enumerate(levels)]
    return [Returned(path, call, f"{key}.{k}" if key else k, n) for k, n in zip(keys, layers, strict=True)]


def _level(tracker: Tracker, layer: int) -> int | None:
    """The power of two that the pixels between neighbouring entries are, on all axes; None for other layers."""
    jump = jump_of(tracker, layer)
    if jump is None:
        return None
    power = jump[0].numerator.bit_length() - 1
    return power if all(j == 2**power for j in jump) else None


def jump_of(tracker: Tracker, layer: int) -> tuple[Fraction, ...] | None:
    """Pixels between neighbouring entries of a layer per axis; None after a layer that reads a whole axis."""
    jump = [Fraction(1)] * len(tracker.image)
    while layer >= 0:
        draft = tracker.drafts[layer]
        layer = next((s for s in draft.sources if tracker.map_of(s) == draft.size), draft.sources[0])
        op, size = OPS[draft.op], tracker.map_of(layer)
        if op.kind != "merge":
            maps = [op.axis_map(draft.params, a, n) for a, n in enumerate(size)]
            if any(m.reads_all for m in maps):
                return None
            jump = [j * m.down / m.up for j, m in zip(jump, maps, strict=True)]
    return tuple(jump)


def returned_names(returned: Sequence[Returned]) -> dict[str, int]:
    """Names of what modules return, with the layers.

    ``up1`` is what a module returns; ``head@0`` and ``head@1`` what its calls return, if they differ; ``neck:p3`` one
    of several maps that a call returns, ``:p3`` one of those of the model itself.
    """
    calls: dict[str, dict[int, dict[str, int]]] = {}
    for r in returned:
        calls.setdefault(r.path, {}).setdefault(r.call, {})[r.key] = r.layer
    names: dict[str, int] = {}
    for path, by_call in calls.items():
        found = [set(keys.values()) for keys in by_call.values()]
        alike = all(f == found[0] for f in found)
        for call, keys in by_call.items():
            name = path if alike else f"{path}{CALL}{call}"
            if len(set(keys.values())) == 1:
                names[name] = next(iter(keys.values()))
            else:
                names |= {f"{name}{KEY}{key}": layer for key, layer in keys.items()}
    names.pop("", None)
    return names


def layer_names(
    ops: Sequence[str], paths: Sequence[str], numbers: Sequence[int], returned: Sequence[Returned] | None
) -> list[str]:
    """Names of layers.

    A layer is named by the path of the module that wrote it if it is what that module returns, otherwise it has the
    op after it. Where it is not known what modules return (None), each returns the last layer that it wrote.

    Parameters
    ----------
    ops, paths, numbers : sequence of str, str and int
        Of the layers: op, module that wrote it, and number.
    returned : sequence of Returned, or None
    """
    if returned is None:
        last = dict(zip(paths, numbers, strict=True))
        own = {number: path for path, number in last.items()}
    else:
        own = {}
        written = dict(zip(numbers, paths, strict=True))
        for name, layer in returned_names(returned).items():
            if KEY not in name and name.partition(CALL)[0] == written.get(layer):
                own[layer] = name
    taken = {IMAGE, *own.values(), *paths}
    names = []
    for op, path, number in zip(ops, paths, numbers, strict=True):
        name = own.get(number, "")
        if not name or name == IMAGE:
            base = name = f"{path}.{op}" if path else op
            count = 1
            while name in taken:
                count += 1
                name = f"{base}{count}"
            taken.add(name)
        names.append(name)
    return names


def module_names(returned: Sequence[Returned], names: dict[int, str]) -> dict[str, str]:
    """Names of what modules return that are no names of layers, with the layers' names, as in `Network.modules`.

    The maps of the model itself are called by their keys alone, ``p3``, unless a layer or module has that name.
    """
    taken = {*names.values(), IMAGE}
    found = {name: names[layer] for name, layer in returned_names(returned).items() if name not in taken}
    own = {name: name[1:] for name in found if name.startswith(KEY)}  # of the model itself
    free = {name: short for name, short in own.items() if short not in taken and short not in found}
    return {free.get(name, name): layer for name, layer in found.items()}
