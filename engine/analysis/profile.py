"""Profiles: the exact figures of every layer of a network beside the analytic ones, as one labelled dataset."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan, prod
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from rfscale.engine.columns import Columns
from rfscale.engine.errors import INPUT_SIZE, InputError, Parameter
from rfscale.engine.footprints.figures import Figures, LayerFigures
from rfscale.engine.footprints.footprint_figures import FootprintFigures
from rfscale.engine.footprints.forward import trace
from rfscale.engine.footprints.plan import Entry, GlobalOps, Plan, attributes
from rfscale.engine.formulas.along_network import closed_values, published_values
from rfscale.engine.network.costs import layer_costs
from rfscale.engine.network.layer import IMAGE
from rfscale.engine.network.modules import module_attributes
from rfscale.engine.network.network import Network
from rfscale.engine.readers.load import as_network
from rfscale.engine.readers.reading import NetworkLike, Reading
from rfscale.engine.variables import PROFILE

if TYPE_CHECKING:
    import xarray as xr


Data = dict[str, np.ndarray]
LAYER, LAYER_AXIS = ("layer",), ("layer", "axis")


def profile(
    network: NetworkLike,
    input_size: int | Sequence[int] | None = None,
    entry: Entry = "center",
    global_ops: GlobalOps = "include",
    layers: Sequence[str] | None = None,
    **reading: Unpack[Reading],
) -> xr.Dataset:
    """Return the exact figures of every layer, beside those of the formulas.

    Parameters
    ----------
    network : Network, or what `load` takes
    input_size : int or sequence of int, optional
        Pixels per axis. With it the figures are finite: those of `entry`, every map cut to its entries. Without it they
        are interior, no borders, whatever size the network itself carries. Interior maps may have several phases: the
        figures are those of the largest footprint; of equally large ones, of the one that shares least with its
        neighbours; then of the first. `footprint` and `path_counts` take the same entry as their "center".
    entry : "center" or sequence of int
        Finite mode only: which entry of every map; n // 2 is the centre of n.
    global_ops : {"include", "skip"}
        "skip" leaves branches with a global receptive field out of merges, so that squeeze-and-excitation can be
        looked past; attrs["dropped"] names them.
    layers : sequence of str, optional
        The layers to give, by default all; `entry` need lie in their maps only.
    **reading
        How a model is read, as in `load`: example_input, unknown, axes, image, name, arguments.

    Returns
    -------
    xr.Dataset
        Over (layer[, axis]), in depth order; `rfscale.engine.variables.PROFILE` says what each variable is. `entry`
        says which entry of the map a row's figures are of (interior: the position within the period, 0 where all
        entries are alike), so that `start`, `extent` and `centre` are of one footprint: in interior mode centre is
        start + (extent - 1)/2, that of entry o, whole periods away, is centre + (o - entry)·jump, and start is minus
        the effective padding where the entry is 0. In finite mode start and extent are cut at the borders, and centre
        is not: the middle of the bounding box if the map went on beyond its borders, nan downstream of a global op and
        of merged maps of different jumps.

    Raises
    ------
    InputError
        For an input size, entry or graph that cannot be analysed; the message names the layer.

    Examples
    --------
    >>> import rfscale as rf
    >>> ds = profile(rf.Network.sequential({"kernel": 3}, {"kernel": 3, "dilation": 2}))
    >>> ds.area.values.tolist()
    [9.0, 49.0]
    """
    return profile_columns(as_network(network, reading, input_size), input_size, entry, global_ops, layers).dataset()


def profile_columns(
    network: Network,
    input_size: int | Sequence[int] | None = None,
    entry: Entry = "center",
    global_ops: GlobalOps = "include",
    layers: Sequence[str] | None = None,
) -> Columns:
    """Return what `profile` returns, as plain arrays."""
    traced = trace(network, input_size, global_ops)
    counted = FootprintFigures(traced)
    plan = traced.plan
    if plan.input_size is None and not (isinstance(entry, str) and entry == "center"):
        raise InputError(
            "but without an input size all entries are alike",
            argument=Parameter("entry"), value=entry, remedy=("give ", INPUT_SIZE),
        )  # fmt: skip
    kept = range(len(plan.steps)) if layers is None else sorted({network.index(name) for name in layers})
    columns = _columns(plan, counted.of_layers(entry, kept), entry, global_ops)
    return columns if layers is None else columns.take("layer", kept)


def _columns(plan: Plan, rows: LayerFigures, entry: Entry, global_ops: GlobalOps) -> Columns:
    data = {**_exact(plan, rows), **_analytic(plan), **_costs(plan)}
    coords = {"layer": tuple([s.layer.name for s in plan.steps]), "axis": plan.network.axes}
    attrs = attributes(plan, "profile", entry, global_ops) | module_attributes(plan.network)
    dims = {name: LAYER if array.ndim == 1 else LAYER_AXIS for name, array in data.items()}
    return Columns(data, dims, coords, attrs, PROFILE)


def _floats(values: Any) -> np.ndarray:
    return np.array(values, float)


def _centres(plan: Plan, figures: Figures, entries: np.ndarray) -> np.ndarray:
    """The middle of the extents before clipping, float64 (layers, axes); nan where there is none or it is infinite."""
    if plan.input_size is None:
        with np.errstate(invalid="ignore"):  # of a half-line
            middles = np.stack(figures.first, axis=1) + (np.stack(figures.extent, axis=1) - 1) / 2
        return np.where(figures.area[:, None] > 0, middles, nan)
    out = np.full((len(plan.steps), len(plan.network.axes)), nan)
    for row, at, step in zip(out, entries.tolist(), plan.steps, strict=True):
        if step.intervals:
            row[:] = [i.middle(o) for i, o in zip(step.intervals, at, strict=True)]
    return out


def _ends(figures: Figures, given: np.ndarray) -> np.ndarray:
    """Last pixel of each bounding box, float64 (layers, axes); nan where there is none."""
    with np.errstate(invalid="ignore"):  # of a half-line
        ends = np.stack(figures.first, axis=1) + np.stack(figures.extent, axis=1) - 1
    ends[figures.area == 0] = nan
    return np.where(np.isnan(given).all(axis=1, keepdims=True), ends, given)


def _jumps(plan: Plan) -> list[tuple[float, ...]]:
    """The jump of each layer, nan where there is none; layers that move no pixel have the intervals of their source."""
    known: dict[int, tuple[float, ...]] = {id(None): (nan,) * len(plan.network.axes)}
    out = []
    for step in plan.steps:
        jump = known.get(id(step.intervals))
        if jump is None:
            jump = known[id(step.intervals)] = step.jump or known[id(None)]
        out.append(jump)
    return out


def _exact(plan: Plan, rows: LayerFigures) -> Data:
    """The exact figures of every layer."""
    figures = rows.figures
    sized = all(s.size for s in plan.steps)
    return {
        "op": np.array([s.layer.op for s in plan.steps], object),
        **({"map_size": np.array([s.size for s in plan.steps], np.int64)} if sized else {}),
        "jump": _floats(_jumps(plan)),
        "extent": _floats(np.stack(figures.extent, axis=1)),
        "start": _floats(np.stack(figures.first, axis=1)),
        "end": _ends(figures, rows.last),
        "centre": _centres(plan, figures, rows.entry),
        "entry": rows.entry,
        "area": _floats(figures.area),
        "width": _floats(figures.width),
        "density": _floats(figures.density),
        "overlap": _floats(np.stack(figures.overlap, axis=1)),
        "max_gap": np.stack(figures.max_gap, axis=1).astype(np.int64),
        "terms": rows.terms,
        "phases": rows.phases,
        "aligned": np.array([s.aligned for s in plan.steps], bool),
        "is_global": np.array([s.is_global for s in plan.steps], bool),
    }


def _analytic(plan: Plan) -> Data:
    """The formulas at every layer; nan outside their domain, with the reason."""
    published, closed = published_values(plan), closed_values(plan)
    ndim = len(plan.network.axes)
    known: dict[int, tuple[float, tuple[float, ...]]] = {}  # layers that move no pixel have the value of their source
    for c in closed:
        if id(c) not in known:
            slide = tuple(1 - u / w for w, u in zip(c.pixels, c.new, strict=True))
            known[id(c)] = (nan, (nan,) * ndim) if c.reason else (prod(c.pixels), slide)
    reasons = [_reasons(p.reason, c.reason) for p, c in zip(published, closed, strict=True)]
    return {
        "published_area": _floats([p.area for p in published]),
        "published_overlap": _floats([p.overlap for p in published]),
        "closed_form_area": _floats([known[id(c)][0] for c in closed]),
        "closed_form_overlap": _floats([known[id(c)][1] for c in closed]),
        "formula_domain": np.array(reasons, object),
    }


def _reasons(published: str, closed: str) -> str:
    if not published and not closed:
        return ""
    return "; ".join(f"{kind}: {why}" for kind, why in (("published", published), ("closed_form", closed)) if why)


def _costs(plan: Plan) -> Data:
    """Weights and operations, where channels are known."""
    network = plan.network
    sizes = {s.layer.name: s.size for s in plan.steps if s.size}
    if sizes:
        sizes[IMAGE] = plan.input_size or network.input_size or ()
    costs = layer_costs(network, sizes or None)
    if not any(params > 0 for params, _ in costs):
        return {}
    macs = {"macs": _floats([c[1] for c in costs])} if sizes else {}
    return {"params": _floats([c[0] for c in costs]), **macs}
