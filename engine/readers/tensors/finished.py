"""The network of what a reader followed: whole, or as far as it is known."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rfscale.engine.errors import InputError, PartlyReadWarning, worded
from rfscale.engine.network.costs import channels
from rfscale.engine.network.layer import IMAGE, Layer, Params
from rfscale.engine.network.network import Network
from rfscale.engine.readers.tensors.naming import Returned, layer_names, module_names, returned_maps
from rfscale.engine.readers.tensors.tracking import IMAGE_LAYER, Stop, Tracker, Unknown, single_maps
from rfscale.engine.readers.tensors.unknowns import Unknowns

STOPS_LISTED = 4  # in a line; all are in `Network.left_out`


def finished(
    tracker: Tracker,
    name: str,
    outputs: Iterable[object],
    image_channels: int,
    unknowns: Unknowns,
    returned: Sequence[Returned] | None = None,
) -> Network:
    """Return the network of what the outputs read, its layers named by module.

    Where an output depends on an operator that is not known, the last maps before it are outputs in its place, and the
    operator is in `Network.left_out`.

    Parameters
    ----------
    tracker : Tracker
    name : str
    outputs : iterable of Tracked, Constant or Unknown
        What the model returns.
    image_channels : int
    unknowns : Unknowns
    returned : sequence of Returned, optional
        What the modules return, where that is known.

    Raises
    ------
    InputError
        Where nothing is left: no layer is known, or no output depends on the image.
    PartlyReadWarning
        Not raised but issued, once, where an operator was left out.
    """
    outputs = list(outputs)
    stops, frontier = _stopped_at([v for v in outputs if isinstance(v, Unknown)], unknowns)
    ends = list(dict.fromkeys(t.layer for v in outputs for t in single_maps(v) if t.layer >= 0))
    last = sorted({t.layer for v in frontier for t in single_maps(v) if t.layer >= 0} - set(ends))
    upstream = _upstream(tracker, [*ends, *last]) if last else set()
    ends += [layer for layer in last if layer not in upstream]
    if not ends and any(map(single_maps, outputs)):  # the model is pointwise from end to end
        ends = [tracker.emit("pointwise", [IMAGE_LAYER])]
    if not ends:
        if stops:
            raise unknowns.error(name, stops)
        raise InputError(f"{name}: no output depends on the image through a layer")
    left_out = {f"{stop.node}: {stop.operator}": stop.reason or "not known" for stop in stops}
    levels = [] if any(r.path == "" for r in returned or ()) else _levels(tracker, [*outputs, *frontier])
    options = {"input_channels": image_channels, "assumed": unknowns.assumed, "left_out": left_out}
    network = _network(tracker, name, ends, returned, levels, **options)
    if left_out:
        note, remedy = left_out_note(network), worded(unknowns.remedy(stops))
        warnings.warn(PartlyReadWarning(f"{note}; {remedy}" if remedy else note), stacklevel=_calls_inside())
    return network


def left_out_note(network: Network) -> str:
    """Return in one line what was left out of a network, and why."""
    listed = [f"{what} ({reason})" for what, reason in network.left_out.items()]
    more = f" and {len(listed) - STOPS_LISTED} more" if len(listed) > STOPS_LISTED else ""
    return (
        f"{network.name} is read in part: what depends on these operators is left out: "
        f"{', '.join(listed[:STOPS_LISTED])}{more}"
    )


def _stopped_at(values: Sequence[Unknown], unknowns: Unknowns) -> tuple[list[Stop], list[Any]]:
    """Operators that some unknown values depend on, and the last known values before these."""
    seen = set(map(id, values))
    stops: set[Stop] = set()
    frontier: list[Any] = []
    todo = list(values)
    while todo:
        value = todo.pop()
        if value.stop is not None:
            stops.add(value.stop)
        elif not value.read:  # its reader does not say what it depends on: on any of them
            todo += [other for other in unknowns.found if id(other) not in seen]
            seen.update(map(id, unknowns.found))
        for read in value.read:
            if not isinstance(read, Unknown):
                frontier.append(read)
            elif id(read) not in seen:
                seen.add(id(read))
                todo.append(read)
    return [value.stop for value in unknowns.found if value.stop is not None and value.stop in stops], frontier


def _upstream(tracker: Tracker, ends: Sequence[int]) -> set[int]:
    """Layers that some layers read, at any distance; an end only where another end reads it."""
    found: set[int] = set()
    todo = list(ends)
    while todo:
        for source in tracker.drafts[todo.pop()].sources:
            if source >= 0 and source not in found:
                found.add(source)
                todo.append(source)
    return found


def _levels(tracker: Tracker, outputs: Sequence[object]) -> list[Returned]:
    """The maps of outputs that are several, as `Returned` of the model itself."""
    several = {tuple(t.layer for t in single_maps(v)): v for v in outputs if len(single_maps(v)) > 1}
    keys = [str(i) if len(several) > 1 else "" for i in range(len(several))]
    return [r for key, v in zip(keys, several.values(), strict=True) for r in returned_maps(tracker, "", 0, key, v)]


def _network(
    tracker: Tracker,
    name: str,
    ends: Sequence[int],
    returned: Sequence[Returned] | None,
    levels: Sequence[Returned],
    **options: Any,
) -> Network:
    needed = sorted({*ends, *_upstream(tracker, ends)})
    drafts = [tracker.drafts[i] for i in needed]
    kept = set(needed)
    returned = None if returned is None else [r for r in returned if r.layer in kept]
    named = layer_names([d.op for d in drafts], [d.path for d in drafts], needed, returned)
    names = dict(zip(needed, named, strict=True)) | {IMAGE_LAYER: IMAGE}
    layers = [
        Layer(names[i], d.op, tuple(names[s] for s in d.sources), Params(d.params))
        for i, d in zip(needed, drafts, strict=True)
    ]
    options |= {"name": name, "axes": len(tracker.image), "input_size": tracker.image}
    options["outputs"] = tuple(names[i] for i in ends)
    options["modules"] = module_names([*(returned or ()), *(r for r in levels if r.layer in kept)], names)
    network = Network(layers, **options)
    fixed = _with_channels(network, {names[i]: d.before for i, d in zip(needed, drafts, strict=True)})
    return network if len(fixed) == len(layers) else Network(fixed, **options)


def _with_channels(network: Network, wanted: Mapping[str, int | None]) -> list[Layer]:
    """Layers with a pointwise one, which says the channels, in front of each that reads only some channels of a map."""
    known = channels(network)
    out: list[Layer] = []
    for layer in network.layers:
        before = wanted.get(layer.name)
        if before is not None and before > 0 and known[layer.inputs[0]] != before:
            part = Layer(f"{layer.name}.channels", "pointwise", layer.inputs, Params({"channels": before}))
            out.append(part)
            layer = replace(layer, inputs=(part.name,))
        out.append(layer)
    return out


def _calls_inside() -> int:
    """Level of the call from outside this package, for `warnings.warn`: the user's own line."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("rfscale."):
        frame, level = frame.f_back, level + 1
    return level
