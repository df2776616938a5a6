"""Two fields beside each other: predicted and measured, two models, or a model before and after training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rfscale.engine.errors import InputError, Parameter
from rfscale.engine.fields.field_figures import field_figures, field_of
from rfscale.engine.variables import FIELD_COMPARISON, annotate, provenance

if TYPE_CHECKING:
    import xarray as xr


def compare_fields(first: xr.DataArray | xr.Dataset, second: xr.DataArray | xr.Dataset) -> xr.Dataset:
    """Return how the second of two fields differs from the first, over the pixels that one of them reaches.

    Parameters
    ----------
    first, second : xr.DataArray or xr.Dataset
        As from `effective_field`, `predicted_field` or `path_counts`.

    Returns
    -------
    xr.Dataset
        `rfscale.engine.variables.FIELD_COMPARISON` says what each is; a correlation is NaN where a field is constant.

    Raises
    ------
    InputError
        For fields of different axes, or that are no fields.

    Examples
    --------
    >>> from rfscale import Network, path_counts
    >>> fields = [path_counts(Network.sequential(*[{"kernel": 3, "padding": 1}] * n), f"conv{n}") for n in (6, 24)]
    >>> found = compare_fields(*fields)
    >>> found.std_ratio.values.round(9).tolist(), round(float(found.distance), 2)
    ([2.0, 2.0], 0.48)
    """
    import xarray as xr

    a, b = field_of(first, Parameter("first")), field_of(second, Parameter("second"))
    if tuple(a.dims) != tuple(b.dims):
        raise InputError(
            f"has the axes {', '.join(map(str, b.dims))}, the first {', '.join(map(str, a.dims))}",
            argument=Parameter("second"),
        )
    figures = field_figures(a), field_figures(b)
    one, two = xr.align(figures[0].mass, figures[1].mass, join="outer", fill_value=0.0)
    reached = (one.values > 0) | (two.values > 0)  # pixels that neither reaches would only raise a correlation
    x, y = one.values[reached], two.values[reached]
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = float(np.corrcoef(x, y)[0, 1]) if x.std() and y.std() else np.nan
        ratio = figures[1]["std"].values / figures[0]["std"].values
    data = {
        "correlation": ((), correlation),
        "std_ratio": ("axis", ratio),
        "shift": ("axis", figures[1]["mean"].values - figures[0]["mean"].values),
        "distance": ((), float(np.abs(x - y).sum()) / 2),
        "difference": (one.dims, (two - one).values),
    }
    coords = {str(d): one[d].values for d in one.dims} | {"axis": [str(d) for d in one.dims]}
    return annotate(xr.Dataset(data, coords, provenance("compare_fields")), FIELD_COMPARISON)
