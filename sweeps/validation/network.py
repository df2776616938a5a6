"""`rf.validate` for one network: every formula against the exact figures, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import inf, nan, prod
from typing import TYPE_CHECKING, Any

import numpy as np

from rfscale.engine.analysis.path_counts import chain_variance, path_counts
from rfscale.engine.analysis.profile import profile
from rfscale.engine.errors import InputError
from rfscale.engine.footprints.plan import Plan, resolve
from rfscale.engine.formulas.along_network import Closed, closed_values, published_values, solid_boxes, windows
from rfscale.engine.formulas.registry import advance, box_overlap, published_is_exact
from rfscale.engine.network.ops import OPS
from rfscale.engine.variables import annotate
from rfscale.sweeps.kernels.formula_errors import EXACT
from rfscale.sweeps.validation.gaussian import moments
from rfscale.sweeps.validation.own_formulas import OwnFormula, states_as_arrays
from rfscale.sweeps.variables import VALIDATION

if TYPE_CHECKING:
    import xarray as xr

    from rfscale.engine.network.network import Network

FORMULAS = ("published", "closed_form", "interval", "path_variance")
MAX_PIXELS = 1 << 22  # of a map of path counts that is worked out to check their variance


def validate_network(network: Network, own: Sequence[OwnFormula] = ()) -> xr.Dataset:
    """Return values and errors of every formula at every layer, interior.

    Returns
    -------
    xr.Dataset
        Over (layer, formula[, axis]). The closed form is continued outside its domain along windows, and `in_domain`
        says where; path_variance is the variance of the path counts along the first axis, for chains.
    """
    import xarray as xr

    ds = profile(network, global_ops="skip")
    plan = resolve(network, None, "skip")
    area, overlap = ds.area.values, ds.overlap.values
    names = (*FORMULAS, *(formula.name for formula in own))
    value, exact, inside, slide = _with_own(own, plan, ds, _values(plan, network, ds))
    with np.errstate(invalid="ignore", divide="ignore"):
        error = value - exact
        relative = error / exact
        off = (np.abs(relative) > EXACT) | (np.abs(slide - overlap[:, None, :]) > EXACT).any(axis=2)
    first = off & (off.cumsum(axis=0) == 1)
    dims = ("layer", "formula")
    data: dict[str, Any] = {
        "op": (("layer",), ds.op.values),
        "area": (("layer",), area),
        "overlap": (("layer", "axis"), overlap),
        "value": (dims, value),
        "exact": (dims, exact),
        "absolute_error": (dims, error),
        "relative_error": (dims, relative),
        "overlap_value": ((*dims, "axis"), slide),
        "overlap_error": ((*dims, "axis"), slide - overlap[:, None, :]),
        "in_domain": (dims, inside),
        "departs": (dims, first),
    }
    out = xr.Dataset(data, {"layer": ds.layer.values, "formula": list(names), "axis": ds.axis.values}, ds.attrs)
    out.attrs |= {"call": "validate"}
    for i, formula in enumerate(names):
        at = np.flatnonzero(first[:, i])
        out.attrs[f"{formula}_departs"] = str(ds.layer.values[at[0]]) if len(at) else ""
        wrong_area = len(at) > 0 and abs(relative[at[0], i]) > EXACT
        out.attrs[f"{formula}_departs_in"] = "" if not len(at) else "area" if wrong_area else "overlap"
    return annotate(out, VALIDATION)


def _values(plan: Plan, network: Network, ds: xr.Dataset) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Values, what they should be, domain, and overlaps of all formulas by layer."""
    n, ndim = len(plan.steps), len(network.axes)
    value, slide = np.full((n, len(FORMULAS)), nan), np.full((n, len(FORMULAS), ndim), nan)
    exact = np.repeat(ds.area.values[:, None], len(FORMULAS), axis=1)
    inside = np.zeros((n, len(FORMULAS)), bool)
    finite = ~ds.is_global.values
    closed, strict = _continued(plan), closed_values(plan)
    published = published_values(plan)
    for i in range(n):
        value[i, 0], slide[i, 0], inside[i, 0] = published[i].area, published[i].overlap, not published[i].reason
        if closed[i].pixels:
            value[i, 1] = prod(closed[i].pixels)
            slide[i, 1] = [1 - u / w for w, u in zip(closed[i].pixels, closed[i].new, strict=True)]
        inside[i, 1] = not strict[i].reason
    inside[:, 0] &= _published_inside(plan, strict)
    extent, jump = ds.extent.values, ds.jump.values
    with np.errstate(invalid="ignore"):
        value[:, 2] = np.where(finite, extent.prod(axis=1), nan)
        slide[:, 2] = np.where(finite[:, None], box_overlap(extent, jump), nan)
    inside[:, 2] = solid_boxes(plan)
    exact[:, 3] = nan
    for i, name in enumerate(ds.layer.values):
        if finite[i]:
            value[i, 3], exact[i, 3] = _variance(network, str(name), extent[i])
            inside[i, 3] = value[i, 3] == value[i, 3]
    return value, exact, inside, slide


def _with_own(
    own: Sequence[OwnFormula], plan: Plan, ds: xr.Dataset, built_in: tuple[np.ndarray, ...]
) -> tuple[np.ndarray, ...]:
    """Values, what they should be, domain, and overlaps, those of the user's formulas after the others."""
    value, exact, inside, slide = built_in
    for formula in own:
        states, fits = formula.along(plan)
        area, overlap = states_as_arrays(formula, states, len(plan.network.axes))
        value, exact = (np.column_stack(pair) for pair in ((value, area), (exact, ds.area.values)))
        inside = np.column_stack([inside, fits])
        slide = np.concatenate([slide, overlap[:, None, :]], axis=1)
    return value, exact, inside, slide


def _published_inside(plan: Plan, strict: list[Closed]) -> np.ndarray:
    """Where the article's formulas are exact if they have a value: along one path, each layer in its domain."""
    out = np.zeros(len(plan.steps), bool)
    start = _image(plan)
    for i, step in enumerate(plan.steps):
        source = step.sources[0]
        before = strict[source] if source >= 0 else start
        if len(step.sources) > 1 or OPS[step.layer.op].kind == "merge" or not (source < 0 or out[source]):
            continue
        P = max((Fraction(w - u, w) for w, u in zip(before.pixels, before.new, strict=True)), default=0)
        regular = not before.reason and all(before.regular)
        out[i] = all(published_is_exact(shape, P, regular) for shape in windows(step))
    return out


def _continued(plan: Plan) -> list[Closed]:
    """The closed form, continued through windows outside its domain; merges take their largest branch there."""
    strict = closed_values(plan)
    image = _image(plan)
    out: list[Closed] = []
    for step, value in zip(plan.steps, strict, strict=True):
        branches = [image if s < 0 else out[s] for s in step.sources]
        if not value.reason or step.is_global:
            out.append(value)
        elif OPS[step.layer.op].kind == "merge":
            out.append(max(branches, key=lambda b: prod(b.pixels) if b.pixels else inf))
        else:
            out.append(_along(branches[0], windows(step), value))
    return out


def _along(before: Closed, shapes: list[tuple[int, int, int] | None], value: Closed) -> Closed:
    given = [s for s in shapes if s is not None]
    if not before.pixels or len(given) < len(before.pixels):
        return before if before.pixels and not shapes else value
    pairs = [advance(w, u, k, s, d) for w, u, (k, s, d) in zip(before.pixels, before.new, given, strict=True)]
    return Closed(tuple(int(w) for w, _ in pairs), tuple(int(u) for _, u in pairs), (), value.reason)


def _image(plan: Plan) -> Closed:
    ndim = len(plan.network.axes)
    return Closed((1,) * ndim, (1,) * ndim, (True,) * ndim)


def _variance(network: Network, layer: str, extent: np.ndarray) -> tuple[float, float]:
    """Variance of the path counts along the first axis, by formula and from the weights; nan where there is none."""
    try:
        formula = float(chain_variance(network, layer)[0])
    except InputError:
        return nan, nan
    if extent.prod() > MAX_PIXELS:
        return formula, nan
    weights = path_counts(network, layer)
    return formula, moments(weights.sum([d for d in weights.dims if d != network.axes[0]]).values)[1]
