"""Two networks side by side: what of their receptive fields and costs differs, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from math import nan
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Unpack

import numpy as np

from rfscale.engine.errors import InputError
from rfscale.engine.footprints.plan import GlobalOps, Plan, resolve
from rfscale.engine.network.modules import module_attributes
from rfscale.engine.network.network import Network
from rfscale.engine.readers.load import as_network
from rfscale.engine.readers.reading import NetworkLike, Reading
from rfscale.engine.variables import NETWORK_COMPARISON, annotate, provenance

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
    rows = _rows(pairs, nets, plans, profiles)
    if effective:
        rows["effective"] = ("layer", "network", "axis"), _effective(pairs, plans, outputs, global_ops)
    rows["is_output"] = "layer", np.array([pair.a in outputs[0] or pair.b in outputs[1] for pair in pairs])
    rows["differs"] = "layer", _differences(pairs, rows)
    rows["layers"] = "network", np.array([len(n) for n in nets])
    for name in ("params", "macs"):
        totals = [float(p[name].sum(skipna=False)) if name in p else nan for p in profiles]
        rows[f"total_{name}"] = "network", np.array(totals)
    coords = {"layer": _labels(pairs, nets), "network": ["a", "b"], "axis": list(nets[0].axes)}
    out = xr.Dataset(rows, coords)
    out.attrs = _attributes(nets, plans, global_ops)
    return annotate(out, NETWORK_COMPARISON)


def _rows(
    pairs: Sequence[Pair], nets: Sequence[Network], plans: Sequence[Plan], profiles: Sequence[xr.Dataset]
) -> dict[str, Any]:
    """The figures of every pair, their names and ops, as variables of a dataset."""
    rows: dict[str, Any] = {}
    for name in (*PER_AXIS, *PER_LAYER):
        values = _column(name, pairs, plans, profiles)
        if values is not None:
            rows[name] = ("layer", "network", "axis")[: values.ndim], values
    rows["name"] = ("layer", "network"), _texts(pairs, nets, "name")
    rows["op"] = ("layer", "network"), _texts(pairs, nets, "op")
    rows["matched"] = "layer", np.array([pair.how for pair in pairs], object)
    return rows


def _ends(plan: Plan) -> list[int]:
    """Positions of the outputs, and of the last map without a global receptive field where an output has one."""
    outputs = [plan.network.index(name) for name in plan.network.outputs]
    local = [i for i, step in enumerate(plan.steps) if not step.is_global]
    return sorted({*outputs, *(local[-1:] if any(plan.steps[i].is_global for i in outputs) else [])})


def _labels(pairs: Sequence[Pair], nets: Sequence[Network]) -> np.ndarray:
    names = [nets[0].layers[p.a].name if p.a is not None else nets[1].layers[p.b or 0].name for p in pairs]
    return np.array(names, str)


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
    from rfscale.engine.analysis.paths.terms import effective_box

    out = np.full((len(pairs), 2, len(plans[0].network.axes)), nan)
    most = MOST_COUNTS // sum(map(len, outputs))
    for row, pair in enumerate(pairs):
        for n, plan in enumerate(plans):
            index = pair.a if n == 0 else pair.b
            if index is None or (pair.a not in outputs[0] and pair.b not in outputs[1]) or plan.steps[index].is_global:
                continue
            try:
                out[row, n] = effective_box(plan, plan.steps[index].layer.name, "center", MASS, most, global_ops)
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


# pairs of layers ------------------------------------------------------------------------------------------------------

How = Literal["name", "output", "order", "only a", "only b"]


class Pair(NamedTuple):
    """Positions of two layers that stand for each other; None where a network has no such layer."""

    a: int | None
    b: int | None
    how: How


def aligned(a: Network, b: Network, ends: tuple[list[int], list[int]] = ([], [])) -> list[Pair]:
    """Return the layers of two networks in pairs, in the order of the first; what only the second has stands between.

    Outputs of one name are a pair, and the other outputs in their order, if both networks have as many; then layers of
    one name; then the layers at the positions `ends`, as outputs; then runs of layers of one op, kernel and stride.

    Examples
    --------
    >>> a = Network.sequential({"name": "c1", "kernel": 3}, {"name": "c2", "kernel": 5}, {"name": "out", "kernel": 1})
    >>> b = Network.sequential({"name": "c1", "kernel": 3}, {"name": "d2", "kernel": 5}, {"name": "head", "kernel": 1})
    >>> [tuple(pair) for pair in aligned(a, b)]
    [(0, 0, 'name'), (1, 1, 'order'), (2, 2, 'output')]
    """
    found: dict[int, tuple[int, How]] = {}
    _by_name(a, b, a.outputs, b.outputs, found)
    _one_by_one([a.index(name) for name in a.outputs], [b.index(name) for name in b.outputs], found)
    _by_name(a, b, [layer.name for layer in a.layers], [layer.name for layer in b.layers], found)
    _one_by_one(*ends, found)
    taken = {j for j, _ in found.values()}
    rest_a = [i for i in range(len(a)) if i not in found]
    rest_b = [i for i in range(len(b)) if i not in taken]
    for i, j in _in_order(a, b, rest_a, rest_b):
        found[i] = j, "order"
    taken = {j for j, _ in found.values()}
    pairs = [Pair(i, *found[i]) if i in found else Pair(i, None, "only a") for i in range(len(a))]
    return _with_the_others(pairs, [j for j in range(len(b)) if j not in taken])


def _by_name(
    a: Network, b: Network, in_a: Sequence[str], in_b: Sequence[str], found: dict[int, tuple[int, How]]
) -> None:
    """Add the pairs of one name, of those that are not in a pair yet."""
    taken, names = {j for j, _ in found.values()}, set(in_b)
    for name in in_a:
        i, j = a.index(name), b.index(name) if name in names else -1
        if j >= 0 and i not in found and j not in taken:
            found[i] = j, "name"


def _one_by_one(in_a: list[int], in_b: list[int], found: dict[int, tuple[int, How]]) -> None:
    """Add the pairs of ends that are not in a pair yet, in their order, if both networks have as many."""
    taken = {j for j, _ in found.values()}
    left = [i for i in in_a if i not in found], [j for j in in_b if j not in taken]
    if len(left[0]) == len(left[1]):
        found |= {i: (j, "output") for i, j in zip(*left, strict=True)}


def _in_order(a: Network, b: Network, rest_a: list[int], rest_b: list[int]) -> list[tuple[int, int]]:
    """Pairs of the layers of two lists that are the same, or as many in the place of others."""
    keys = [_key(a, i) for i in rest_a], [_key(b, j) for j in rest_b]
    pairs: list[tuple[int, int]] = []
    for tag, i, i_end, j, j_end in SequenceMatcher(None, keys[0], keys[1], autojunk=False).get_opcodes():
        alike = tag == "replace" and [k[0] for k in keys[0][i:i_end]] == [k[0] for k in keys[1][j:j_end]]
        if tag == "equal" or alike:
            pairs += zip(rest_a[i:i_end], rest_b[j:j_end], strict=True)
    return pairs


def _key(network: Network, position: int) -> tuple[object, ...]:
    layer = network.layers[position]
    return layer.op, layer.params.get("kernel"), layer.params.get("stride"), layer.params.get("dilation")


def _with_the_others(pairs: list[Pair], others: list[int]) -> list[Pair]:
    """The pairs, and each layer that only the second network has after the pair of the layer before it."""
    place = {pair.b: k for k, pair in enumerate(pairs) if pair.b is not None}
    after: dict[int, list[Pair]] = {}
    for i in others:
        k = max((place[j] for j in range(i) if j in place), default=-1)
        after.setdefault(k, []).append(Pair(None, i, "only b"))
    out = after.get(-1, [])
    for k, pair in enumerate(pairs):
        out += [pair, *after.get(k, [])]
    return out
