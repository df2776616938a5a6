"""Figures of a field: where its mass lies, how much of the footprint it uses, and how even it is."""

from __future__ import annotations

from collections.abc import Sequence
from math import atan2, degrees, nan, prod
from typing import TYPE_CHECKING, Any

import numpy as np

from rfscale.engine.errors import INPUT_SIZE, InputError, Parameter
from rfscale.engine.fields.mass_box import mass_within, smallest_box
from rfscale.engine.network.network import check_size
from rfscale.engine.network.spec import is_number, listed
from rfscale.engine.variables import FIELD_FIGURES, annotate, provenance

if TYPE_CHECKING:
    import xarray as xr

FIELD_ARGUMENT = Parameter("field")
SHARES = (0.2, 0.3, 0.5, 0.95, 0.99)
PERIODS = (2, 3, 4, 5, 6, 7, 8)  # pixels, of the gridding index


def field_figures(
    field: xr.DataArray | xr.Dataset,
    shares: Sequence[float] = SHARES,
    *,
    footprint: xr.DataArray | None = None,
    input_size: int | Sequence[int] | None = None,
) -> xr.Dataset:
    """Return figures of a field: measured, predicted from weights, or path counts.

    Parameters
    ----------
    field : xr.DataArray or xr.Dataset
        As from `effective_field`, `predicted_field` or `path_counts`; coordinates are pixel numbers, 0, 1, … where
        there are none.
    shares : sequence of float
        Shares of the mass that boxes and areas hold.
    footprint : xr.DataArray of bool, optional
        As from `footprint`, of the same entry: for the ratio of effective to exact area.
    input_size : int or sequence of int, optional
        Of a field without borders: pixels of the image, from 0 on, for the share of the mass on padding.

    Returns
    -------
    xr.Dataset
        `rfscale.engine.variables.FIELD_FIGURES` says what each is.

    Raises
    ------
    InputError
        For a field that is negative, not finite or all 0, and shares outside 0 … 1.

    Examples
    --------
    >>> from rfscale import Network, path_counts
    >>> found = field_figures(path_counts(Network.sequential(*[{"kernel": 3}] * 6), "conv6"))
    >>> found["std"].values.tolist(), found.box_extent.sel(share=0.95).values.tolist()
    ([2.0, 2.0], [9, 9])
    """
    import xarray as xr

    array = field_of(field)
    values = array.values.astype(float)
    shares = _checked(shares)
    total = float(values.sum())
    mass = values / total
    pixels = [np.asarray(array[d].values) for d in array.dims]
    data: dict[str, Any] = {"mass": (array.dims, mass)} | _moments(mass, pixels)
    # RepLKNet's analysis takes the logarithm first
    contribution = np.log10(values + 1) if array.attrs.get("protocol") == "replknet" else values
    data |= _boxes(values, total, pixels, shares) | _squares(contribution, shares) | _gridding(mass, pixels)
    ordered = np.cumsum(np.sort(mass, axis=None)[::-1])
    areas = np.array([int(np.searchsorted(ordered, s * (1 - 1e-12))) + 1 for s in shares], np.int64)
    data["area"] = ("share", np.minimum(areas, mass.size))
    if footprint is not None:
        data |= _beside(array, mass, data["area"][1], footprint)
    if input_size is not None:
        data["padding_mass"] = ((), _outside(mass, pixels, check_size(input_size, mass.ndim, INPUT_SIZE)))
    coords: dict[str, Any] = {str(d): array[d].values for d in array.dims}
    coords |= {"axis": [str(d) for d in array.dims], "share": list(shares), "period": list(PERIODS)}
    known = {str(k): v for k, v in array.attrs.items() if k not in ("units", "long_name")}
    return annotate(xr.Dataset(data, coords, known | provenance("field_figures")), FIELD_FIGURES)


def field_of(field: xr.DataArray | xr.Dataset, argument: Parameter = FIELD_ARGUMENT) -> xr.DataArray:
    """Return the map of a field, checked: shares of a mass, with pixel numbers as coordinates."""
    import xarray as xr

    if isinstance(field, xr.Dataset):
        name = next((n for n in ("field", "mass", "path_counts") if n in field), None)
        if name is None:
            raise InputError(f"has no map among {', '.join(map(str, field.data_vars))}", argument=argument)
        field = field[name].assign_attrs({**field.attrs, **field[name].attrs})
    if not isinstance(field, xr.DataArray):
        raise InputError(argument=argument, value=field, remedy="give what effective_field or path_counts returns")
    if field.dtype.kind not in "biuf" or not field.ndim:
        raise InputError(
            f"has {field.ndim} axes and values of type {field.dtype}", argument=argument, remedy="give a map of numbers"
        )
    for d in field.dims:
        if d in field.coords and field[d].dtype.kind not in "iu":
            raise InputError(f"has {field[d].dtype} along {d}", argument=argument, remedy="give whole pixel numbers")
    values = np.asarray(field.values, float)
    total = float(values.sum())
    if not (np.isfinite(total) and total > 0 and values.min() >= 0):
        raise InputError(
            f"sums to {total}, with a minimum of {values.min() if values.size else nan}", argument=argument,
            remedy="it must be shares of a mass, none below 0",
        )  # fmt: skip
    lacking = {d: np.arange(n) for d, n in zip(field.dims, field.shape, strict=True) if d not in field.coords}
    return field.assign_coords(lacking)


def _checked(shares: Sequence[float]) -> tuple[float, ...]:
    values = listed(shares)
    given: list[Any] = [shares] if values is None else values
    if not given or not all(is_number(s) and 0 < s <= 1 for s in given):
        raise InputError(argument=Parameter("shares"), value=shares, remedy="give numbers above 0 and at most 1")
    return tuple(map(float, given))


def _moments(mass: np.ndarray, pixels: list[np.ndarray]) -> dict[str, Any]:
    """Centre, standard deviations, and the principal axes of two."""
    every = range(mass.ndim)
    marginals = [mass.sum(axis=tuple(b for b in every if b != a)) for a in every]
    means = [float((m * (p - p[0])).sum()) + float(p[0]) for m, p in zip(marginals, pixels, strict=True)]
    rest = [p - mean for p, mean in zip(pixels, means, strict=True)]
    spread = np.array([[_covariance(mass, rest, a, b) for b in every] for a in every])
    lengths, directions = np.linalg.eigh(spread)
    angle = nan
    if mass.ndim == 2:
        y, x = directions[:, -1]
        round_field = np.isclose(lengths[0], lengths[1], rtol=1e-9)
        angle = 0.0 if round_field else degrees(atan2(y, x)) % 180
    return {
        "mean": ("axis", np.array(means)),
        "std": ("axis", np.sqrt(np.diag(spread))),
        "principal_std": ("principal", np.sqrt(np.maximum(lengths[::-1], 0))),
        "angle": ((), angle),
    }


def _covariance(mass: np.ndarray, rest: list[np.ndarray], a: int, b: int) -> float:
    others = tuple(c for c in range(mass.ndim) if c not in (a, b))
    joint = mass.sum(axis=others)
    if a == b:
        return float((joint * rest[a] ** 2).sum())
    first, second = sorted((a, b))
    return float(rest[first] @ joint @ rest[second])


def _boxes(values: np.ndarray, total: float, pixels: list[np.ndarray], shares: Sequence[float]) -> dict[str, Any]:
    every = range(values.ndim)
    marginals = [values.sum(axis=tuple(b for b in every if b != a)) for a in every]
    found = [smallest_box(marginals, total, share, mass_within(values)) for share in shares]
    lows = np.array([low for low, _, _ in found], np.int64)
    highs = np.array([high for _, high, _ in found], np.int64)
    starts = np.stack([p[low] for p, low in zip(pixels, lows.T, strict=True)], axis=1).astype(np.int64)
    return {
        "box_start": (("share", "axis"), starts),
        "box_extent": (("share", "axis"), highs - lows),
        "box_mass": ("share", np.array([held for _, _, held in found])),
    }


def _squares(values: np.ndarray, shares: Sequence[float]) -> dict[str, Any]:
    """The smallest square about the middle pixel with more than each share, as RepLKNet's analysis takes it.

    NaN where none is: squares are of sides 3, 5, … below the height of the map.
    """
    if values.ndim != 2:
        return {}
    sides, total = np.full(len(shares), nan), float(values.sum())
    h, w = values.shape
    sums = np.pad(values.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    for i in range(1, h // 2):
        low_y, high_y = h // 2 - i, min(h // 2 + 1 + i, h)
        low_x, high_x = max(w // 2 - i, 0), min(w // 2 + 1 + i, w)
        held = sums[high_y, high_x] - sums[low_y, high_x] - sums[high_y, low_x] + sums[low_y, low_x]
        for at, share in enumerate(shares):
            if np.isnan(sides[at]) and held / total > share:
                sides[at] = 2 * i + 1
    return {"square_side": ("share", sides), "square_ratio": ("share", sides**2 / (h * w))}


def _gridding(mass: np.ndarray, pixels: list[np.ndarray]) -> dict[str, Any]:
    """How uneven the mass is over the residues of pixel numbers: total variation from even, over its largest value."""
    every = range(mass.ndim)
    out = np.empty((len(PERIODS), mass.ndim))
    for a in every:
        marginal = mass.sum(axis=tuple(b for b in every if b != a))
        for row, period in enumerate(PERIODS):
            classes = np.bincount(pixels[a] % period, marginal, period)
            out[row, a] = np.abs(classes - 1 / period).sum() / 2 / (1 - 1 / period)
    return {"gridding": (("period", "axis"), out)}


def _beside(array: xr.DataArray, mass: np.ndarray, areas: np.ndarray, footprint: xr.DataArray) -> dict[str, Any]:
    """The field beside the exact footprint of its entry."""
    if not hasattr(footprint, "dims") or not hasattr(footprint, "reindex") or hasattr(footprint, "data_vars"):
        raise InputError(argument=Parameter("footprint"), value=footprint, remedy="give what footprint returns")
    if tuple(footprint.dims) != tuple(array.dims):
        raise InputError(
            f"has the axes {', '.join(map(str, footprint.dims))}, the field {', '.join(map(str, array.dims))}",
            argument=Parameter("footprint"),
        )
    exact = int(footprint.sum())
    if not exact:
        raise InputError("is empty", argument=Parameter("footprint"))
    inside = footprint.reindex({d: array[d].values for d in array.dims}, fill_value=False)
    return {
        "exact_area": ((), exact),
        "effective_ratio": ("share", areas / exact),
        "outside_mass": ((), float(mass[~inside.values].sum())),
    }


def _outside(mass: np.ndarray, pixels: list[np.ndarray], size: Sequence[int]) -> float:
    """Share of the mass on pixels below 0 or from the size on."""
    inside = tuple((p >= 0) & (p < n) for p, n in zip(pixels, size, strict=True))
    return max(0.0, 1.0 - float(mass[np.ix_(*inside)].sum())) if prod(len(p) for p in pixels) else nan
