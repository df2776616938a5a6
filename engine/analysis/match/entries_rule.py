"""The rule for detectors: an object is right for a level that has entries enough across it and depends on all of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf, log2, nan, prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from rfscale.engine.analysis.match.levels import FINEST_STRIDE, Level, Levels, find_levels
from rfscale.engine.analysis.match.verdicts import (
    Question,
    finer_question,
    finest_question,
    largest_question,
    level_verdict,
)
from rfscale.engine.analysis.paths.terms import TooManyCountsError, effective_box
from rfscale.engine.errors import InputError, Parameter
from rfscale.engine.footprints.plan import resolve
from rfscale.engine.network.network import Network
from rfscale.engine.network.spec import MAX_VALUE, is_number
from rfscale.engine.objects.histogram import share_below, shares
from rfscale.engine.variables import MATCH_BY_ENTRIES, annotate

if TYPE_CHECKING:
    import xarray as xr

MASS = 0.95  # of the path counts, which the effective box holds
MAX_CELLS = 1 << 27  # path counts of all levels together: some seconds


class Limits(NamedTuple):
    """What a level is right for: the smallest and the largest object in pixels, and the shares of the objects."""

    smallest: float
    largest: float
    under: float
    fit: float
    over: float


class Finer(NamedTuple):
    """A level that the network has not: what it would change.

    Attributes
    ----------
    name : str
    stride : float
    layer : str
        The network's last map of that stride; empty where it has none.
    gain : float
        Share of the objects that have entries enough across on it, but not on the next coarser level.
    under : float
        Share of the objects that have not even there.
    """

    name: str
    stride: float
    layer: str
    gain: float
    under: float


def match_by_entries(
    network: Network,
    sizes: xr.Dataset,
    layers: Sequence[str] | None = None,
    entries: float = 2.0,
    input_size: int | Sequence[int] | None = None,
    effective: bool = True,
    sides: Mapping[str, float] | None = None,
) -> xr.Dataset:
    """Return what each level is right for, and which levels are missing or idle; see `match`."""
    if not is_number(entries) or not 0 < entries <= MAX_VALUE:
        raise InputError(argument=Parameter("entries"), value=entries, remedy="it must be a number above 0, such as 2")
    entries = float(entries)
    found = find_levels(network, layers, input_size)
    boxes = _boxes(network, found, sides or {}) if effective else [nan] * len(found.levels)
    limits = [_limits(sizes, level.stride * entries, box) for level, box in zip(found.levels, boxes, strict=True)]
    finer = _finer(found, sizes, entries)
    return _dataset(found, boxes, limits, finer, sizes, entries)


def _boxes(network: Network, found: Levels, sides: Mapping[str, float]) -> list[float]:
    """Sides of the effective boxes, of fields where they are given; NaN where one takes too long."""
    plan = resolve(network, found.input_size, "skip")
    out = []
    for level in found.levels:
        if level.layer in sides:
            out.append(sides[level.layer])
            continue
        try:
            box = effective_box(plan, level.layer, "center", MASS, MAX_CELLS // len(found.levels), "skip")
        except TooManyCountsError:
            out.append(nan)
        else:
            out.append(float(np.sqrt(prod(box.tolist()))))
    return out


def _limits(sizes: xr.Dataset, smallest: float, largest: float) -> Limits:
    """Shares of the objects below and above the limits of a level; its `largest` may be unknown."""
    under, up_to = share_below(sizes, [smallest, largest if largest == largest else inf]).tolist()
    return Limits(smallest, largest, under, max(0.0, up_to - under), max(0.0, 1 - up_to) if largest == largest else nan)


def _finer(found: Levels, sizes: xr.Dataset, entries: float) -> list[Finer]:
    """Levels of half the stride of the finest, a quarter …, as long as no level of the detectors in use is finer."""
    out, stride = [], found.levels[0].stride
    while stride / 2 >= FINEST_STRIDE:
        coarser, stride = stride, stride / 2
        below = share_below(sizes, [stride * entries, coarser * entries]).tolist()
        name = f"P{round(log2(stride))}" if log2(stride).is_integer() else f"stride {stride:g}"
        out.append(Finer(name, stride, found.stages.get(stride, ""), below[1] - below[0], below[0]))
    return out


def _questions(found: Levels, limits: list[Limits], finer: list[Finer], sizes: xr.Dataset, n: float) -> list[Question]:
    """What is asked of the ends of the pyramid, with answers."""
    levels = found.levels
    questions = []
    name, stride, under = levels[0].name, levels[0].stride, limits[0].under
    for missing in finer:
        questions.append(finer_question(missing, name, stride * n, under, n))
        name, stride, under = missing.name, missing.stride, missing.under
    second = next((i for i, level in enumerate(levels) if level.stride > stride), None)
    if found.of_detector and not finer and second is not None:
        questions.append(finest_question(levels[0], levels[second], limits[0], limits[second], n))
    known = [i for i, limit in enumerate(limits) if limit.largest == limit.largest]
    if known:
        widest = max(known, key=lambda i: (limits[i].largest, i))
        whole = any(level.whole_image for level in levels)
        questions.append(largest_question(levels[widest].name, limits[widest].largest, limits[widest].over, whole))
    return questions


def _dataset(
    found: Levels,
    boxes: list[float],
    limits: list[Limits],
    finer: list[Finer],
    sizes: xr.Dataset,
    entries: float,
) -> xr.Dataset:
    import xarray as xr

    levels, of_level, of_finer = found.levels, ("level",), ("finer",)
    centres, share = shares(sizes)
    questions = _questions(found, limits, finer, sizes, entries)
    data: dict[str, Any] = {
        **{name: (of_level, _column(levels, name)) for name in Level._fields if name != "name"},
        "effective": (of_level, np.array(boxes)),
        **{name: (of_level, _column(limits, name)) for name in Limits._fields},
        "share": (("bin",), share),
        **{f"finer_{name}": (of_finer, _column(finer, name)) for name in ("stride", "gain", "under")},
        "finer_layer": (of_finer, _texts(finer, "layer")),
        **{name: (("question",), _texts(questions, name)) for name in ("answer", "why")},
    }
    scale = float(sizes.scale) if "scale" in sizes else nan
    if sizes.attrs.get("resize", "none") != "none" and scale == scale:
        data |= {f"{name}_original": (of_level, _column(limits, name) / scale) for name in ("smallest", "largest")}
        data["scale"] = ((), scale)
    verdicts = [level_verdict(level, limit, entries) for level, limit in zip(levels, limits, strict=True)]
    data["verdict"] = (of_level, np.array(verdicts, object))
    coords = {"level": _texts(levels, "name"), "bin": centres, "finer": _texts(finer, "name")}
    out = xr.Dataset(data, coords | {"question": _texts(questions, "question")})
    out.attrs = {"entries": float(entries), "mass": MASS, "input_size": found.input_size}
    return annotate(out, MATCH_BY_ENTRIES, entries=entries, mass=100 * MASS)


def _column(rows: Sequence[Any], name: str) -> np.ndarray:
    """A field of all rows, as numbers, truth values or texts."""
    values = [getattr(row, name) for row in rows]
    if any(isinstance(v, str) for v in values):
        return np.array(values, object)
    return np.array(values, bool if values and isinstance(values[0], bool) else float)


def _texts(rows: Sequence[Any], name: str) -> np.ndarray:
    return np.array([getattr(row, name) for row in rows], str)
