"""Match: which feature map sees how much of which object, and which k maps fit a data set best."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isfinite, log2, nan, prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Unpack

import numpy as np

from rfscale.engine.errors import InputError, shown
from rfscale.engine.network.network import Network
from rfscale.engine.network.spec import whole
from rfscale.engine.objects.choices import Choice, cheapest_choices
from rfscale.engine.objects.histogram import fpn_levels, share_below, shares
from rfscale.engine.objects.sizes import object_sizes
from rfscale.engine.readers.load import as_network
from rfscale.engine.readers.reading import NetworkLike, Reading

if TYPE_CHECKING:
    import xarray as xr

Measure = Literal["width", "extent", "effective"]


Objective = Literal["tightness", "coverage"]


MEASURES: tuple[Measure, ...] = ("width", "extent", "effective")


MOST = 6  # maps: how far the table of best choices goes


USUAL = 4  # maps, where neither the network nor the caller says how many


LONG_NAMES = {
    "width": "square root of the pixels of the footprint",
    "extent": "side of the bounding box, mean of both on a log scale",
    "effective": "side of the box that holds 95 % of the path counts, mean of both on a log scale",
}


def match(
    network: NetworkLike,
    objects: xr.Dataset | str | Path | np.ndarray | None = None,
    *,
    resize: str = "none",
    layers: Sequence[str] | None = None,
    k: int | None = None,
    factor: float = 2.0,
    by: Measure = "width",
    objective: Objective = "tightness",
    input_size: int | Sequence[int] | None = None,
    effective: bool = True,
    **reading: Unpack[Reading],
) -> xr.Dataset:
    """Set the profile of a network beside the object sizes of a data set.

    Parameters
    ----------
    network : Network, or what `load` takes
        With two axes.
    objects : xr.Dataset, path, array or None
        Of `rfscale.engine.objects.sizes.object_sizes`, or what that takes; None: COCO val2017.
    resize : str
        Resize rule for objects that are not yet a histogram.
    layers : sequence of str, optional
        The chosen maps. By default the best `k`; without `k` the network's outputs, if they are several, else the best
        4.
    k : int, optional
        How many maps to choose.
    factor : float
        An object is covered by a map whose figure lies within this factor of its size.
    by : {"width", "extent", "effective"}
        The figure of a map that is held against an object's size sqrt(width·height).
    objective : {"tightness", "coverage"}
        What the best maps have least of: the mean of |log2(figure / size)|, or objects that are not covered.
    input_size : int or sequence of int, optional
        Figures of the centre entries for images of this size; by default without borders.
    effective : bool
        Whether to work out the effective boxes, which takes longest.
    **reading
        How a model is read, as in `load`: example_input, unknown, axes, image, name, arguments.

    Returns
    -------
    xr.Dataset
        Per `layer`: width, extent, effective, jump. Per `bin` of object sizes: share, the best layer by each figure.
        Per `chosen` map: its figure, and the share and tightness of the objects nearest to it. Per `gap`: low, high,
        share. Per number of `maps`: the best choice. Per `level`: FPN's share. Scalars coverage, tightness and
        fpn_tightness (the mean if FPN's rule assigns the objects; NaN unless the chosen maps have the jumps of levels).

    Raises
    ------
    InputError
        For a network of other than two axes, unknown layers, or a k above the number of different widths.

    Examples
    --------
    >>> import rfscale as rf
    >>> found = match(rf.load("vgg16"), np.array([[20, 20], [150, 150]]), k=2, effective=False)
    >>> found.chosen.values.tolist(), round(float(found.tightness), 2)
    (['conv3_1', 'conv5_2'], 0.19)
    """
    import xarray as xr

    network = as_network(network, reading, input_size)
    _check(network, factor, by, objective, effective)
    sizes = objects if isinstance(objects, xr.Dataset) else object_sizes(objects, resize)
    table = _figures(network, input_size, effective)
    values = table[by].values
    keep = candidates(table, by)
    if k is not None and layers is not None:
        raise InputError("give either layers or k: k asks for the best maps, layers says which")
    most = max(MOST, k or 0)
    if k is not None and whole(k, "k") > len(keep):
        raise InputError(f"k is {k}, but {network.name} has only {len(keep)} maps of different {by}")
    best = best_maps(values[keep], sizes, min(most, len(keep)), objective, factor)
    chosen = _chosen(network, table, layers, k, [keep[i] for i in best[(k or min(USUAL, len(keep))) - 1].chosen])
    out = _assigned(table, sizes, chosen, by, factor)
    out = _fpn(out, sizes, by)
    out = _with_best(out, table, sizes, best, keep, by, factor)
    out.attrs = _attributes(network, sizes, input_size, by, objective, factor, layers is not None)
    return out


def _check(network: Network, factor: float, by: str, objective: str, effective: bool) -> None:
    if len(network.axes) != 2:
        raise InputError(f"{network.name} has {len(network.axes)} axes; objects have sizes on two")
    if not isinstance(factor, int | float) or not 1 < factor < inf:
        raise InputError(f"factor is {shown(factor)}; it must be a number above 1, such as 2")
    if by not in MEASURES or (by == "effective" and not effective):
        raise InputError(f"by is {shown(by)}; it must be width, extent or effective (which effective=False leaves out)")
    if objective not in ("tightness", "coverage"):
        raise InputError(f"objective is {shown(objective)}; it must be tightness or coverage")


def _figures(network: Network, input_size: Any, effective: bool) -> xr.Dataset:
    """Figures of the layers that do not see everything."""
    import xarray as xr

    from rfscale.engine.analysis.profile import profile

    ds = profile(network, input_size)
    local = ~ds.is_global.values & (ds.area.values > 0)
    if not local.any():
        raise InputError(f"every layer of {network.name} sees the whole image; there is nothing to match")
    ds = ds.isel(layer=np.flatnonzero(local))
    out = xr.Dataset(coords={"layer": ds.layer.values})
    columns = {"width": ds.width.values, "extent": np.sqrt(ds.extent.values.prod(axis=1))}
    columns["effective"] = (
        _effective(network, list(ds.layer.values), input_size) if effective else np.full(len(local[local]), nan)
    )
    for name, column in columns.items():
        out[name] = ("layer", column, {"units": "pixel", "long_name": LONG_NAMES[name]})
    jump = np.sqrt(ds.jump.values.prod(axis=1))
    out["jump"] = ("layer", jump, {"units": "pixel", "long_name": "input pixels between neighbouring entries"})
    out["op"] = ("layer", ds.op.values, {"units": "1", "long_name": "operation of the layer"})
    return out


def _effective(network: Network, layers: list[str], input_size: Any) -> np.ndarray:
    """Side of the 95 % box per layer; a layer that passes its source on has its source's."""
    from rfscale.engine.analysis.effective_field import effective_field
    from rfscale.engine.analysis.path_counts import path_counts
    from rfscale.engine.footprints.plan import resolve

    plan = resolve(network, input_size)
    known: dict[str, float] = {}
    for step in plan.steps:
        name = step.layer.name
        if name not in layers:
            continue
        source = step.layer.inputs[0]
        if step.passes and source in known:
            known[name] = known[source]
            continue
        box = effective_field(path_counts(network, name, input_size=input_size)).box_extent.values
        known[name] = float(np.sqrt(prod(box.tolist())))
    return np.array([known[name] for name in layers])


def candidates(table: xr.Dataset, by: Measure = "width") -> list[int]:
    """Positions of one layer per figure, ascending: of layers alike the last, a convolution only if need be."""
    ranked: dict[float, tuple[bool, int]] = {}
    for i, (value, op) in enumerate(zip(table[by].values.tolist(), table.op.values.tolist(), strict=True)):
        if isfinite(value) and value > 0:
            ranked[value] = max(ranked.get(value, (False, -1)), (op not in ("conv", "conv_transpose"), i))
    return [ranked[value][1] for value in sorted(ranked)]


def best_maps(
    widths: np.ndarray, sizes: xr.Dataset, most: int, objective: Objective = "tightness", factor: float = 2.0
) -> list[Choice]:
    """Return the best 1, 2, …, `most` of some widths, exactly.

    Parameters
    ----------
    widths : float array (n,)
        Different ones, ascending.
    sizes : xr.Dataset
        Of `object_sizes`.
    most : int
        At most n.
    objective : {"tightness", "coverage"}
        The cost: the mean of |log2(width / size)| with each object at its nearest width, or the share of objects for
        which no width lies within `factor`.

    Returns
    -------
    list of Choice
        Item i has i + 1 widths.

    Notes
    -----
    The nearest of ascending widths is one of the two neighbours of an object, so the cost is a sum over pairs of
    neighbouring chosen widths, and the best choice a shortest path: `most`·n² steps.
    """
    if objective == "tightness":
        head, between, tail = _distances(np.log2(widths), sizes)
    else:
        above, below = share_below(sizes, widths * factor), share_below(sizes, widths / factor)
        head, tail = below, 1 - above
        between = np.maximum(0, below[None, :] - above[:, None])
    at = np.arange(len(widths))
    between = np.where(at[:, None] < at, between, inf)
    return [Choice(c.chosen, max(0.0, c.cost)) for c in cheapest_choices(head, between, tail, most)]


def _distances(c: np.ndarray, sizes: xr.Dataset) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cost of the objects below the first, between two neighbouring, and above the last chosen width."""
    centres, share = shares(sizes)
    x = np.log2(centres)
    away = np.abs(x - c[:, None])  # width, bin
    head = (away * share * (x < c[:, None])).sum(axis=1)
    tail = (away * share * (x >= c[:, None])).sum(axis=1)
    between = np.zeros((len(c), len(c)))
    for i in range(len(c)):
        inside = (x >= c[i]) & (x < c[:, None])
        between[i] = (np.minimum(away[i], away) * share * inside).sum(axis=1)
    return head, between, tail


def _chosen(
    network: Network, table: xr.Dataset, layers: Sequence[str] | None, k: int | None, best: list[int]
) -> list[int]:
    """Positions of the chosen maps in the table, ascending by depth."""
    names = table.layer.values.tolist()
    if layers is None and k is None:
        outputs = [name for name in network.outputs if name in names]
        layers = outputs if len(outputs) > 1 else None
    if layers is None:
        return best
    for name in layers:
        network.index(name)
        if name not in names:
            raise InputError(f"layer {name!r} sees the whole image or nothing; it has no width to match")
    if not layers:
        raise InputError("layers is empty; name at least one map")
    return sorted({names.index(name) for name in layers})


def _assigned(table: xr.Dataset, sizes: xr.Dataset, chosen: list[int], by: Measure, factor: float) -> xr.Dataset:
    """Objects to their best layers: of all, and of the chosen ones."""
    centres, share = shares(sizes)
    out = table.assign_coords(bin=centres, chosen=table.layer.values[chosen])
    out["share"] = ("bin", share, {"units": "1", "long_name": "share of the objects"})
    for measure in MEASURES:
        values = table[measure].values
        if np.isfinite(values).any():
            away = np.abs(np.log2(centres)[:, None] - np.log2(values))
            best = table.layer.values[np.nanargmin(away, axis=1)]
            out[f"best_{measure}"] = ("bin", best, {"units": "1", "long_name": f"layer whose {measure} is nearest"})
    figures = table[by].values[chosen]
    away = np.abs(np.log2(centres)[:, None] - np.log2(figures))
    nearest, least = away.argmin(axis=1), away.min(axis=1)
    part = np.bincount(nearest, share, len(chosen))
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(nearest, share * least, len(chosen)) / part
    out["chosen_figure"] = ("chosen", figures, {"units": "pixel", "long_name": LONG_NAMES[by]})
    out["chosen_share"] = (
        "chosen",
        part,
        {"units": "1", "long_name": "share of the objects that are nearest to the map"},
    )
    out["chosen_tightness"] = ("chosen", mean, {"units": "1", "long_name": f"their mean |log2({by} / size)|"})
    out["tightness"] = ((), float((share * least).sum()), {"units": "1", "long_name": f"mean |log2({by} / size)|"})
    gaps = _gaps(figures, sizes, factor)
    for i, (name, units) in enumerate((("low", "pixel"), ("high", "pixel"), ("share", "1"))):
        out[f"gap_{name}"] = (
            "gap",
            [g[i] for g in gaps],
            {"units": units, "long_name": f"{name} of a range not covered"},
        )
    coverage = 1 - sum(g[2] for g in gaps)
    out["coverage"] = (
        (),
        coverage,
        {"units": "1", "long_name": f"share of the objects within {factor:g} of a chosen map"},
    )
    return out


def _gaps(figures: np.ndarray, sizes: xr.Dataset, factor: float) -> list[tuple[float, float, float]]:
    """Ranges of object sizes farther than `factor` from every figure, and the share of the objects in each."""
    ends = [float(sizes.bin_low[0]), float(sizes.bin_high[-1])]
    gaps, low = [], ends[0]
    for figure in [*sorted(figures.tolist()), inf]:
        high = min(figure / factor, ends[1])
        if low < high:
            below = share_below(sizes, [low, high])
            if below[1] > below[0]:
                gaps.append((low, high, float(below[1] - below[0])))
        low = max(low, figure * factor)
    return gaps


def _fpn(out: xr.Dataset, sizes: xr.Dataset, by: Measure) -> xr.Dataset:
    """FPN's rule: its levels' shares, and the tightness it reaches on the chosen maps."""
    levels = {round(log2(j)): w for j, w in zip(_jumps(out), out.chosen_figure.values.tolist(), strict=True) if j >= 1}
    exact = all(j == 2.0 ** round(log2(j)) for j in _jumps(out)) and len(levels) == out.sizes["chosen"]
    whole_run = exact and sorted(levels) == list(range(min(levels), max(levels) + 1))
    low, high = (min(levels), max(levels)) if whole_run and len(levels) > 1 else (2, 5)
    share = fpn_levels(sizes, low, high)
    out = out.assign_coords(level=[f"P{n}" for n in share])
    out["fpn_share"] = (
        "level",
        list(share.values()),
        {"units": "1", "long_name": "share of the objects by FPN's rule"},
    )
    tightness = nan
    if whole_run and len(levels) > 1:
        centres, part = shares(sizes)
        at = np.clip(np.floor(4 + np.log2(centres / 224)), low, high).astype(int)
        figures = np.array([levels[n] for n in at.tolist()])
        tightness = float((part * np.abs(np.log2(figures / centres))).sum())
    long_name = f"mean |log2({by} / size)| with the objects at the levels of FPN's rule"
    out["fpn_tightness"] = ((), tightness, {"units": "1", "long_name": long_name})
    return out


def _jumps(out: xr.Dataset) -> list[float]:
    return out.jump.sel(layer=out.chosen.values).values.tolist()


def _with_best(
    out: xr.Dataset,
    table: xr.Dataset,
    sizes: xr.Dataset,
    best: list[Choice],
    keep: list[int],
    by: Measure,
    factor: float,
) -> xr.Dataset:
    """The best choice for each number of maps."""
    centres, share = shares(sizes)
    rows = []
    for choice in best:
        figures = table[by].values[[keep[i] for i in choice.chosen]]
        away = np.abs(np.log2(centres)[:, None] - np.log2(figures)).min(axis=1)
        covered = 1 - sum(g[2] for g in _gaps(figures, sizes, factor))
        names = ", ".join(table.layer.values[[keep[i] for i in choice.chosen]])
        rows.append((names, float((share * away).sum()), covered))
    out = out.assign_coords(maps=np.arange(1, len(best) + 1))
    out["best_layers"] = ("maps", np.array([r[0] for r in rows], object), {"units": "1", "long_name": "best maps"})
    out["best_tightness"] = ("maps", [r[1] for r in rows], {"units": "1", "long_name": "tightness of the best maps"})
    out["best_coverage"] = ("maps", [r[2] for r in rows], {"units": "1", "long_name": "coverage of the best maps"})
    return out


def _attributes(
    network: Network, sizes: xr.Dataset, input_size: Any, by: str, objective: str, factor: float, given: bool
) -> dict[str, Any]:
    from rfscale.engine import __version__

    copied = {
        key: sizes.attrs[key] for key in ("source", "resize", "objects", "boxes", "attribution") if key in sizes.attrs
    }
    return {
        "network": network.name,
        "network_hash": network.hash,
        "mode": "interior" if input_size is None else f"finite {input_size}",
        "by": by,
        "objective": objective,
        "factor": float(factor),
        "layers": "given" if given else "chosen",
        **copied,
        "software": f"rfscale {__version__}",
    }
