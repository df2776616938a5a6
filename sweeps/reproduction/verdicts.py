"""Verdicts on the claims of the article: printed, formula and exact side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isnan, nan, sqrt
from typing import TYPE_CHECKING, NamedTuple

from rfscale.engine.formulas.exactness import ROUNDING, same
from rfscale.sweeps.reproduction.claims import Claim

if TYPE_CHECKING:
    import xarray as xr

    from rfscale.engine.network.network import Network

COUNTED = ("position", "maps", "map_height", "map_width")  # no footprint, no formula: a matter of counting


class Values(NamedTuple):
    """One quantity by the article's formula, by the closed form, and exactly; NaN where there is none."""

    formula: float
    closed: float
    exact: float


class Result(NamedTuple):
    """A claim, its three values, the exact footprint it is about, and the verdict."""

    claim: Claim
    values: Values
    area: float
    extent: tuple[float, ...]
    verdict: str


# quantities ---------------------------------------------------------------------------------------------------------


def _root(area: float) -> float:
    return sqrt(area) if area >= 0 else nan


def _area(ds: xr.Dataset, claim: Claim, network: Network) -> Values:
    row = ds.sel(layer=claim.layer)
    return Values(float(row.published_area), float(row.closed_form_area), float(row.area))


def _width(ds: xr.Dataset, claim: Claim, network: Network) -> Values:
    return Values(*map(_root, _area(ds, claim, network)))


def _overlap(ds: xr.Dataset, claim: Claim, network: Network) -> Values:
    row = ds.sel(layer=claim.layer).isel(axis=0)
    return Values(float(row.published_overlap), float(row.closed_form_overlap), float(row.overlap))


def _layers_to(ds: xr.Dataset, claim: Claim, network: Network) -> Values:
    """Layers until a width is reached."""
    areas = (ds.published_area, ds.closed_form_area, ds.area)
    return Values(*(int((a.values >= claim.target**2).argmax()) + 1 for a in areas))


def _position(ds: xr.Dataset, claim: Claim, network: Network) -> Values:
    """Convolutions and pools along the main path up to a layer."""
    path = network.layers[: network.index(claim.layer)]
    return Values(nan, nan, sum(x.op in ("conv", "max_pool") and "downsample" not in x.name for x in path))


def _maps(ds: xr.Dataset, claim: Claim, network: Network) -> Values:
    return Values(nan, nan, len(network.outputs))


def _map_size(axis: int) -> Callable[[xr.Dataset, Claim, Network], Values]:
    return lambda ds, claim, network: Values(nan, nan, float(ds.map_size.sel(layer=claim.layer)[axis]))


QUANTITIES: dict[str, tuple[str, Callable[[xr.Dataset, Claim, Network], Values]]] = {
    "width": ("pixel", _width),
    "area": ("pixel", _area),
    "overlap": ("1", _overlap),
    "layers_to": ("1", _layers_to),
    "position": ("1", _position),
    "maps": ("1", _maps),
    "map_height": ("1", _map_size(0)),
    "map_width": ("1", _map_size(1)),
}


def verdict(printed: float | None, rounding: float, formula: float, exact: float) -> str:
    """Return what a claim is worth.

    Parameters
    ----------
    printed : float or None
        The article's number, or None where it prints none.
    rounding : float
        Half a unit of its last digit.
    formula : float
        The article's formula along the network; NaN where it has none.
    exact : float

    Examples
    --------
    >>> verdict(50, 0, 41.0, 41.0)
    'formula exact, print wrong'
    >>> verdict(243, 0, 243.0, 11.0)
    'formula wrong'
    """
    known, right = not isnan(formula), same(formula, exact)
    if printed is None:
        return "formula exact" if right else "formula wrong" if known else "no formula"
    if abs(printed - exact) <= rounding + ROUNDING:
        return "exact" if right else "print exact, formula wrong" if known else "print exact, no formula"
    if right:
        return "formula exact, print wrong"
    if known and abs(printed - formula) <= rounding + ROUNDING:
        return "formula wrong"
    return "formula and print wrong" if known else "print wrong"


def judge(claims: Sequence[Claim], profiles: Mapping[str, xr.Dataset], nets: Mapping[str, Network]) -> list[Result]:
    """Return the values and the verdict of every claim."""
    results = []
    for claim in claims:
        network, ds = nets[claim.network], profiles[claim.network]
        full = claim if claim.layer else Claim(**{**vars(claim), "layer": network.layers[-1].name})
        values = QUANTITIES[claim.quantity][1](ds, full, network)
        formula = values.exact if claim.quantity in COUNTED else values.formula
        row = ds.sel(layer=full.layer)
        results.append(
            Result(
                full,
                values,
                float(row.area),
                tuple(row.extent.values.tolist()),
                verdict(full.printed, full.rounding, formula, values.exact),
            )
        )
    return results
