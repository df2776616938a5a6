"""The plain rule of the article: a map is right for objects that are as large as its footprint is wide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf, isfinite, log2, nan, prod
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from rfscale.engine.errors import InputError, shown
from rfscale.engine.network.modules import layers_of
from rfscale.engine.network.network import Network
from rfscale.engine.network.spec import is_number, one_name, whole
from rfscale.engine.objects.fit import Objective, best_maps, gaps, octaves_apart, tightness
from rfscale.engine.objects.histogram import fpn_level_of, fpn_levels, shares
from rfscale.engine.variables import MATCH_BY_WIDTH, annotate

if TYPE_CHECKING:
    import xarray as xr

Measure = Literal["width", "extent", "effective"]
Data = dict[str, tuple[Any, ...]]  # variables: dims and values

MEASURES: tuple[Measure, ...] = ("width", "extent", "effective")
MASS = 0.95  # of the path counts, which the effective box holds
MAX_MAPS_LISTED = 6  # how far the table of best choices goes
DEFAULT_MAPS = 4  # where neither the network nor the caller says how many


def match_by_width(
    network: Network,
    sizes: xr.Dataset,
    layers: Sequence[str] | None = None,
    *,
    k: int | None = None,
    factor: float = 2.0,
    by: Measure = "width",
    objective: Objective = "tightness",
    input_size: int | Sequence[int] | None = None,
    effective: bool = True,
    sides: Mapping[str, float] | None = None,
) -> xr.Dataset:
    """Return which map is as wide as which objects, and the k maps that are nearest to the objects of all; see `match`.

    Branches with a global receptive field are left out of merges.
    """
    _check(factor, by, objective, effective)
    if k is not None and layers is not None:
        raise InputError("give either layers or k: k asks for the best maps, layers says which")
    table = _table(network, input_size, effective, sides or {})
    best = _best(network, table, sizes, k, by, objective, factor)
    chosen = _chosen(network, table, layers, k, best[(k or min(DEFAULT_MAPS, len(best))) - 1])
    out = _compared(table, sizes, chosen, best, by, factor)
    out.attrs = {
        "input_size": input_size,
        "layers": "chosen" if layers is None else "given",
        "by": by,
        "objective": objective,
        "factor": float(factor),
    }
    return annotate(out, MATCH_BY_WIDTH, by=by, factor=factor)


def _compared(
    table: xr.Dataset, sizes: xr.Dataset, chosen: list[int], best: list[list[int]], by: Measure, factor: float
) -> xr.Dataset:
    """Return the table of layers with what is found by size, chosen map, gap, number of maps and level."""
    figures = table[by].values
    levels, fpn = _fpn(table.jump.values[chosen].tolist(), figures[chosen].tolist(), sizes)
    coords = {"bin": shares(sizes)[0], "chosen": table.layer.values[chosen], "maps": np.arange(1, len(best) + 1)}
    data = _nearest(table, sizes) | _of_chosen(figures[chosen], sizes, factor) | fpn
    data |= _of_best(table, figures, sizes, best, factor)
    return table.assign_coords(coords | {"level": levels}).assign(data)


def _best(
    network: Network,
    table: xr.Dataset,
    sizes: xr.Dataset,
    k: int | None,
    by: Measure,
    objective: Objective,
    factor: float,
) -> list[list[int]]:
    """Return the best 1, 2, … maps: rows of the table."""
    keep = candidates(table, by)
    if k is not None and whole(k, "k") > len(keep):
        raise InputError(f"k is {k}, but {network.name} has only {len(keep)} maps of different {by}")
    most = min(max(MAX_MAPS_LISTED, k or 0), len(keep))
    found = best_maps(table[by].values[keep], sizes, most, objective, factor)
    return [[keep[i] for i in choice.chosen] for choice in found]


def _check(factor: float, by: str, objective: str, effective: bool) -> None:
    if not is_number(factor) or not 1 < factor < inf:
        raise InputError(f"factor is {shown(factor)}; it must be a number above 1, such as 2")
    if by not in MEASURES or (by == "effective" and not effective):
        raise InputError(f"by is {shown(by)}; it must be width, extent or effective (which effective=False leaves out)")
    one_name(objective, "objective", ("tightness", "coverage"))


def _table(network: Network, input_size: Any, effective: bool, sides: Mapping[str, float]) -> xr.Dataset:
    """Figures of the layers whose receptive field is not global."""
    import xarray as xr

    from rfscale.engine.analysis.profile import profile

    ds = profile(network, input_size, global_ops="skip")
    local = ~ds.is_global.values & (ds.area.values > 0)
    if not local.any():
        raise InputError(f"every layer of {network.name} has a global receptive field; there is nothing to match")
    ds = ds.isel(layer=np.flatnonzero(local))
    names = ds.layer.values.tolist()
    data: Data = {
        "width": ("layer", ds.width.values),
        "extent": ("layer", np.sqrt(ds.extent.values.prod(axis=1))),
        "effective": (
            "layer",
            _effective(network, names, input_size, sides) if effective else np.full(len(names), nan),
        ),
        "jump": ("layer", np.sqrt(np.abs(ds.jump.values.prod(axis=1)))),
        "op": ("layer", ds.op.values),
    }
    return xr.Dataset(data, {"layer": ds.layer.values})


def _effective(network: Network, layers: list[str], input_size: Any, sides: Mapping[str, float]) -> np.ndarray:
    """Side of the 95 % box per layer, of a field where one is given; a layer that passes its source on has its."""
    from rfscale.engine.analysis.paths.terms import effective_box
    from rfscale.engine.footprints.plan import resolve

    plan = resolve(network, input_size, "skip")
    known: dict[str, float] = {}
    for step in plan.steps:
        name = step.layer.name
        if name not in layers:
            continue
        if name in sides:
            known[name] = sides[name]
            continue
        source = step.layer.inputs[0]
        if step.passes and source in known:
            known[name] = known[source]
            continue
        known[name] = float(np.sqrt(prod(effective_box(plan, name, "center", MASS, inf, "skip").tolist())))
    return np.array([known[name] for name in layers])


def candidates(table: xr.Dataset, by: Measure = "width") -> list[int]:
    """Positions of one layer per figure, ascending: of layers alike the last, a convolution only if need be."""
    ranked: dict[float, tuple[bool, int]] = {}
    for i, (value, op) in enumerate(zip(table[by].values.tolist(), table.op.values.tolist(), strict=True)):
        if isfinite(value) and value > 0:
            ranked[value] = max(ranked.get(value, (False, -1)), (op not in ("conv", "conv_transpose"), i))
    return [ranked[value][1] for value in sorted(ranked)]


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
    layers = layers_of(network, layers)
    for name in layers:
        if name not in names:
            raise InputError(f"layer {name!r} has a global receptive field or none; it has no width to match")
    return sorted({names.index(name) for name in layers})


def _nearest(table: xr.Dataset, sizes: xr.Dataset) -> Data:
    """Share of the objects by size, and the layer nearest to each size by every measure that is known."""
    data: Data = {"share": ("bin", shares(sizes)[1])}
    for measure in MEASURES:
        values = table[measure].values
        if np.isfinite(values).any():
            at = np.nanargmin(octaves_apart(sizes, values), axis=1)
            data[f"best_{measure}"] = ("bin", table.layer.values[at])
    return data


def _of_chosen(figures: np.ndarray, sizes: xr.Dataset, factor: float) -> Data:
    """Objects at the nearest of the chosen maps, and those that none covers."""
    _, share = shares(sizes)
    away = octaves_apart(sizes, figures)
    nearest, least = away.argmin(axis=1), away.min(axis=1)
    part = np.bincount(nearest, share, len(figures))
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(nearest, share * least, len(figures)) / part
    found = np.array(gaps(sizes, figures, factor), float).reshape(-1, 3)
    return {
        "chosen_figure": ("chosen", figures),
        "chosen_share": ("chosen", part),
        "chosen_tightness": ("chosen", mean),
        "tightness": ((), float((share * least).sum())),
        **{f"gap_{name}": ("gap", found[:, i]) for i, name in enumerate(("low", "high", "share"))},
        "coverage": ((), _covered(sizes, figures, factor)),
    }


def _covered(sizes: xr.Dataset, figures: np.ndarray, factor: float) -> float:
    return 1.0 - sum(gap[2] for gap in gaps(sizes, figures, factor))


def _of_best(table: xr.Dataset, figures: np.ndarray, sizes: xr.Dataset, best: list[list[int]], factor: float) -> Data:
    """The best choice for each number of maps."""
    names = [", ".join(table.layer.values[at]) for at in best]
    return {
        "best_layers": ("maps", np.array(names, object)),
        "best_tightness": ("maps", np.array([tightness(sizes, figures[at]) for at in best])),
        "best_coverage": ("maps", np.array([_covered(sizes, figures[at], factor) for at in best])),
    }


def _fpn(jumps: list[float], figures: list[float], sizes: xr.Dataset) -> tuple[list[str], Data]:
    """FPN's rule: names of its levels, their shares, and the tightness that it reaches on the chosen maps.

    The chosen maps are levels if their jumps are successive powers of two; else the levels are P2 … P5, without a
    tightness.
    """
    levels = {round(log2(j)): w for j, w in zip(jumps, figures, strict=True) if j >= 1}
    exact = all(j == 2.0 ** round(log2(j)) for j in jumps) and len(levels) == len(jumps)
    are_levels = exact and len(levels) > 1 and sorted(levels) == list(range(min(levels), max(levels) + 1))
    low, high = (min(levels), max(levels)) if are_levels else (2, 5)
    share = fpn_levels(sizes, low, high)
    mean = nan
    if are_levels:
        centres, part = shares(sizes)
        at = np.array([levels[n] for n in fpn_level_of(centres, low, high).tolist()])
        mean = float((part * np.abs(np.log2(at / centres))).sum())
    return [f"P{n}" for n in share], {"fpn_share": ("level", list(share.values())), "fpn_tightness": ((), mean)}
