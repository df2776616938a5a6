"""What the survey keeps of one model: how it was read, and figures of its feature maps."""

from __future__ import annotations

import time
import warnings
from math import inf, isfinite, nan, prod
from typing import Any

import torch

import rfscale as rf
from rfscale.engine.analysis.path_counts import path_counts
from rfscale.engine.fields.mass_box import mass_box
from rfscale.engine.footprints.backward import windows
from rfscale.engine.footprints.plan import resolve
from rfscale.engine.network.modules import level_name
from tests.survey.subjects import Made, Subject
from tests.survey.texts import line, short

MASS = 0.95
MAX_CELLS = 1 << 24  # path counts of one map
MAX_MAPS = 10  # of one model
MAX_PARAMS = 1e9  # of a model that is made with values
STATUSES = ("whole", "part", "not", "unmade")
Row = dict[str, Any]


def made_on(subject: Subject, device: str) -> Made:
    """The model with its parameters on a device."""
    with torch.device(device):
        return subject.make()


def read(subject: Subject) -> Row:
    """Make a model, read it, and return its row.

    It is made without memory for weights; with values, where its code does not allow that, or is not read so.
    """
    found: list[Row] = []
    for device in ("cpu",) if subject.name.startswith("keras:") else ("meta", "cpu"):
        try:
            made = made_on(subject, device)
        except Exception as error:  # code that is not ours
            found.append(_start(subject) | {"status": "unmade", "reason": line(error)})
            continue
        try:
            found.append(_row(subject, made))
        except (rf.InputError, RuntimeError) as error:
            found.append(_start(subject) | {"status": "not", "reason": line(error)})
        if found[-1]["status"] in ("whole", "part") or _params(made.module) > MAX_PARAMS:
            break
    return min(reversed(found), key=lambda row: STATUSES.index(row["status"]))


def _start(subject: Subject) -> Row:
    return {"model": subject.name, "library": subject.name.partition(":")[0], "family": subject.family}


def _row(subject: Subject, made: Made) -> Row:
    begun = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = load(made)
        size, data = _profile(network)
        maps = _maps(network, data)
    seconds = time.process_time() - begun
    left = dict(network.left_out)
    return _start(subject) | {
        "status": "part" if left else "whole",
        "reason": short("; ".join(f"{node}: {why}" for node, why in left.items())),
        "seconds": round(seconds, 3),
        "axes": list(network.axes),
        "input_size": list(network.input_size or made.shape[2:]),
        "layers": len(network),
        "finite": size is not None,
        "params": _params(made.module),
        "macs": None if left else _macs(data),
        "maps": [_map(network, layer, role, row, size) for layer, role, row in maps],
    }


def load(made: Made, shape: tuple[int, ...] | None = None) -> rf.Network:
    """The network of a model."""
    if not isinstance(made.module, torch.nn.Module) or type(made.module).__module__.startswith("keras"):
        return rf.load(made.module)
    if made.fit is not None:
        made.fit(made.module, shape or made.shape)
    return rf.load(made.module, **made.options(shape))


# maps -----------------------------------------------------------------------------------------------------------------


def _profile(network: rf.Network) -> tuple[tuple[int, ...] | None, Any]:
    """The profile; and the image's size, where there are no interior figures."""
    try:
        return None, rf.profile(network, global_ops="skip")
    except rf.InputError:  # branches of different jumps
        return network.input_size, rf.profile(network, network.input_size, global_ops="skip")


def _maps(network: rf.Network, data: Any) -> list[tuple[str, str, Any]]:
    """Layers with their role and row of the profile.

    First the last of the outputs that are local, or the last local map; then the other outputs; then of every other
    stride the last map. Maps of the same figures are named once.
    """
    rows = {
        str(name): row
        for name, row in zip(data.layer.values, _rows(data), strict=True)
        if not row["is_global"] and row["area"] > 0
    }
    ends = [network[name].name for name in network.outputs]
    local = [name for name in ends if name in rows]
    named = [(name, "output") for name in (local[-1:] + local[:-1])]
    if len(local) < len(ends) and rows:
        named.insert(0, (list(rows)[-1], "last"))
    taken = {rows[name]["stride"] for name, _ in named}
    named += [(name, "stage") for name in _stages(rows) if rows[name]["stride"] not in taken]
    different: dict[Any, tuple[str, str, Any]] = {}
    for name, role in named:
        different.setdefault(_figures(rows[name]), (name, role, rows[name]))
    return list(different.values())[:MAX_MAPS]


def _stages(rows: dict[str, Row]) -> list[str]:
    """The last map of every stride, large strides first; of maps of the same figures that of the outermost module."""
    last: dict[Any, Any] = {row["stride"]: _figures(row) for row in rows.values() if all(map(isfinite, row["stride"]))}
    found: dict[Any, str] = {}
    for name, row in rows.items():
        stride = row["stride"]
        if last.get(stride) == _figures(row) and name.count(".") <= found.get(stride, name).count("."):
            found[stride] = name
    return [found[stride] for stride in sorted(found, reverse=True)]


def _figures(row: Row) -> tuple[Any, ...]:
    return row["stride"], row["extent"], row["start"], row["area"]


def _rows(data: Any) -> list[Row]:
    """The rows of a profile as plain values."""
    columns = {
        "is_global": data.is_global.values.tolist(),
        "area": data.area.values.tolist(),
        "density": data.density.values.tolist(),
    }
    columns |= {
        name: [tuple(row) for row in data[variable].values.tolist()]
        for name, variable in (("stride", "jump"), ("extent", "extent"), ("start", "start"), ("gap", "max_gap"))
    }
    columns["overlap"] = [tuple(row) for row in data.overlap.values.tolist()]
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _map(network: rf.Network, layer: str, role: str, row: Row, size: tuple[int, ...] | None) -> Row:
    return {
        "layer": layer,
        "level": level_name(network, layer) or "",
        "role": role,
        "map_size": list(network.map_sizes()[layer]) if network.input_size else [],
        "stride": [_number(v) for v in row["stride"]],
        "extent": [_number(v) for v in row["extent"]],
        "padding": _padding(network, layer, size),
        "density": _number(row["density"]),
        "max_gap": [int(v) for v in row["gap"]],
        "overlap": [_number(v) for v in row["overlap"]],
        "box": _box(network, layer, size),
        "global": layer in network.global_layers[0],
    }


def _padding(network: rf.Network, layer: str, size: tuple[int, ...] | None) -> list[float | None]:
    """Pixels by which entry 0 reaches beyond the image."""
    if size is not None:
        return []
    step = resolve(network, None, "skip").steps[network.index(layer)]
    return [None if i.start is None else _number(0.0 - i.start) for i in step.intervals or ()]


def _box(network: rf.Network, layer: str, size: tuple[int, ...] | None) -> list[int]:
    """Sides of the box that holds most of the paths to the centre entry; none where that takes too many counts."""
    try:
        plan, index = resolve(network, size, "skip"), network.index(layer)
        at = tuple(n // 2 for n in plan.map_size(index)) if size is not None else (0,) * len(network.axes)
        if sum(prod(hi - lo for lo, hi in window) for window in windows(plan, index, at).values()) > MAX_CELLS:
            return []
        found = mass_box(path_counts(network, layer, "center", size, "skip"), MASS)
    except rf.InputError:
        return []
    return [int(v) for v in found.box_extent.values]


# costs ----------------------------------------------------------------------------------------------------------------


def _params(module: Any) -> int:
    if hasattr(module, "count_params"):
        return int(module.count_params())
    return sum(p.numel() for p in module.parameters())


def _macs(data: Any) -> float | None:
    """Of convolutions and linear layers, where all are known."""
    total = float(data.macs.sum(skipna=False)) if "macs" in data else nan
    return total if total == total else None


def _number(value: float) -> float | None:
    """A number of a line of JSON: none for what is not known."""
    if value != value or value in (inf, -inf):
        return None
    return int(value) if float(value).is_integer() else round(float(value), 6)
