"""Two networks side by side: what of their receptive fields and costs differs, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from rfscale.engine.errors import InputError
from rfscale.engine.footprints.plan import GlobalOps, Plan, resolve
from rfscale.engine.network.alignment import Pair, aligned
from rfscale.engine.network.modules import module_attributes
from rfscale.engine.network.network import Network
from rfscale.engine.readers.load import as_network
from rfscale.engine.readers.reading import NetworkLike, Reading
from rfscale.engine.variables import COMPARISON, annotate, provenance

if TYPE_CHECKING:
    import xarray as xr

MOST_COUNTS = 1 << 26  # path counts of all effective boxes together: some seconds
MASS = 0.95  # share of the path counts in an effective box
PER_AXIS = ("jump", "extent", "padding", "start", "max_gap")  # figures that are compared
PER_LAYER = ("density", "params", "macs")


def compare(
    a: NetworkLike,
    b: NetworkLike,
    input_size: int | Sequence[int] | None = None,
    *,
    global_ops: GlobalOps = "skip",
    effective: bool = True,
    **reading: Unpack[Reading],
) -> xr.Dataset:
    """Return the figures of two networks side by side: variants of one, or two checkpoints.

    Compared are outputs and layers of one name, the other outputs in their order, and what is left of one op, kernel
    and stride in its order. Figures follow from the structure: two checkpoints of one structure are equal, whatever
    their weights.

    Parameters
    ----------
    a, b : Network, or what `load` takes
    input_size : int or sequence of int, optional
        Pixels per axis: figures of the centre entries of images of this size. Without it they have no borders.
    global_ops : {"skip", "include"}
        "skip" leaves branches with a global receptive field out of merges, as `output_lines` does.
    effective : bool
        Whether to work out the effective boxes of the outputs, which takes longest.
    **reading
        How models are read, both of them, as in `load`: example_input, unknown, axes, image, name, arguments.

    Returns
    -------
    xr.Dataset
        Over (layer[, network[, axis]]), network "a" and "b": `jump`, `extent`, `max_gap`, and `padding` of entry 0, or
        with an input size `start` of the centre entry; `density`, `params`, `macs`; of outputs `effective`, the box of
        95 % of the path counts. `name` and `op`, empty where a network has no such layer; `matched`, by what the two
        are a pair; `differs`, the figures that are not equal, in words; `is_output`, also of the last map without a
        global receptive field where an output has one. Over network: `layers`, `total_params`, `total_macs`, nan where
        they are not known. The label of a layer is its name in a, or in b if only that has it.

    Raises
    ------
    InputError
        As `profile`, for either network, and for networks of different axes.

    Examples
    --------
    >>> import rfscale as rf
    >>> found = rf.compare("resnet18", "resnet34", effective=False)
    >>> found.extent.sel(layer="layer4", axis="x").values.tolist()
    [435.0, 899.0]
    >>> found.differs.sel(layer="layer1.0.conv2").item(), found.differs.sel(layer="layer1").item()
    ('', 'extent, padding')
    """
    import xarray as xr

    from rfscale.engine.analysis.profile import profile

    nets = [as_network(n, reading, input_size) for n in (a, b)]
    if nets[0].axes != nets[1].axes:
        axes = [", ".join(n.axes) for n in nets]
        raise InputError(
            f"{nets[0].name} has the axes {axes[0]}, {nets[1].name} {axes[1]}; compare networks of one kind"
        )
    plans = [resolve(n, input_size, global_ops) for n in nets]
    outputs = _ends(plans[0]), _ends(plans[1])
    pairs = aligned(nets[0], nets[1], outputs)
    profiles = [profile(n, input_size, global_ops=global_ops) for n in nets]
    rows: dict[str, Any] = {}
    for name in (*PER_AXIS, *PER_LAYER):
        values = _column(name, pairs, plans, profiles)
        if values is not None:
            rows[name] = ("layer", "network", "axis")[: values.ndim], values
    rows["name"] = ("layer", "network"), _texts(pairs, nets, "name")
    rows["op"] = ("layer", "network"), _texts(pairs, nets, "op")
    rows["matched"] = "layer", np.array([pair.how for pair in pairs], object)
    rows["is_output"] = "layer", np.array([pair.a in outputs[0] or pair.b in outputs[1] for pair in pairs])
    if effective:
        rows["effective"] = ("layer", "network", "axis"), _effective(pairs, plans, outputs, global_ops)
    rows["differs"] = "layer", _differences(pairs, rows)
    rows["layers"] = "network", np.array([len(n) for n in nets])
    for name in ("params", "macs"):
        totals = [float(p[name].sum(skipna=False)) if name in p else nan for p in profiles]
        rows[f"total_{name}"] = "network", np.array(totals)
    coords = {"layer": _labels(pairs, nets), "network": ["a", "b"], "axis": list(nets[0].axes)}
    out = xr.Dataset(rows, coords)
    out.attrs = _attributes(nets, plans, global_ops)
    return annotate(out, COMPARISON)


def _ends(plan: Plan) -> list[int]:
    """Positions of the outputs, and of the last map without a global receptive field where an output has one."""
    outputs = [plan.network.index(name) for name in plan.network.outputs]
    local = [i for i, step in enumerate(plan.steps) if not step.is_global]
    return sorted({*outputs, *(local[-1:] if any(plan.steps[i].is_global for i in outputs) else [])})


def _labels(pairs: Sequence[Pair], nets: Sequence[Network]) -> np.ndarray:
    names = [nets[0].layers[p.a].name if p.a is not None else nets[1].layers[p.b or 0].name for p in pairs]
    return np.array(names, object)


def _texts(pairs: Sequence[Pair], nets: Sequence[Network], what: str) -> np.ndarray:
    rows = [
        ["" if i is None else getattr(net.layers[i], what) for i, net in zip(pair[:2], nets, strict=True)]
        for pair in pairs
    ]
    return np.array(rows, object)


def _column(
    name: str, pairs: Sequence[Pair], plans: Sequence[Plan], profiles: Sequence[xr.Dataset]
) -> np.ndarray | None:
    """A figure of every pair, float64 (pairs, 2[, axes]), nan where there is none; None if neither network has it."""
    finite = plans[0].input_size is not None
    if (name == "padding" and finite) or (name == "start" and not finite):
        return None
    known = [_padding(plan) if name == "padding" else p.get(name) for plan, p in zip(plans, profiles, strict=True)]
    if all(values is None for values in known):
        return None
    shape = (len(pairs), 2, len(plans[0].network.axes)) if name in PER_AXIS else (len(pairs), 2)
    out = np.full(shape, nan)
    for n, values in enumerate(known):
        for row, pair in enumerate(pairs):
            if values is not None and pair[n] is not None:
                out[row, n] = np.asarray(values)[pair[n]]
    return out


def _padding(plan: Plan) -> np.ndarray:
    """Pixels by which entry 0 of each map reaches beyond the image, float64 (layers, axes)."""
    ndim = len(plan.network.axes)
    rows = [
        [nan if i.start is None else 0.0 - i.start for i in step.intervals] if step.intervals else [nan] * ndim
        for step in plan.steps
    ]
    return np.array(rows, float)


def _effective(
    pairs: Sequence[Pair], plans: Sequence[Plan], outputs: Sequence[Sequence[int]], global_ops: GlobalOps
) -> np.ndarray:
    """Sides of the effective boxes of outputs; nan for other layers, global ones, and where it takes too long."""
    from rfscale.engine.analysis.effective_field import effective_box

    out = np.full((len(pairs), 2, len(plans[0].network.axes)), nan)
    most = MOST_COUNTS // sum(map(len, outputs))
    for row, pair in enumerate(pairs):
        for n, plan in enumerate(plans):
            index = pair.a if n == 0 else pair.b
            if index is None or (pair.a not in outputs[0] and pair.b not in outputs[1]) or plan.steps[index].is_global:
                continue
            try:
                out[row, n] = effective_box(plan, plan.steps[index].layer.name, "center", MASS, most, global_ops).values
            except InputError:
                continue
    return out


def _differences(pairs: Sequence[Pair], rows: dict[str, Any]) -> np.ndarray:
    """The figures of each pair that are not equal, as texts."""
    unequal = {
        name: [not np.array_equal(one, other, equal_nan=True) for one, other in rows[name][1]]
        for name in (*PER_AXIS, "effective", *PER_LAYER)
        if name in rows
    }
    texts = []
    for row, pair in enumerate(pairs):
        if pair.a is None or pair.b is None:
            texts.append("all")
            continue
        ops = ["op"] if len(set(rows["op"][1][row])) > 1 else []
        texts.append(", ".join([*ops, *(WORDS.get(name, name) for name, differ in unequal.items() if differ[row])]))
    return np.array(texts, object)


WORDS = {"max_gap": "holes"}  # what a figure is called in `differs`


def _attributes(nets: Sequence[Network], plans: Sequence[Plan], global_ops: GlobalOps) -> dict[str, Any]:
    size = plans[0].input_size
    attrs = provenance(
        "compare",
        mode="finite" if size else "interior",
        global_ops=global_ops,
        input_size=list(size) if size else None,
        a=nets[0].name,
        a_hash=nets[0].hash,
        b=nets[1].name,
        b_hash=nets[1].hash,
        dropped=sorted({name for plan in plans for name in plan.dropped}) or None,
    )
    return attrs | module_attributes(nets[0])
