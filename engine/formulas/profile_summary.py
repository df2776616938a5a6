"""What holds for all layers of a profile: where footprints have holes, and where the formulas are right."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rfscale.engine.formulas.exactness import same

if TYPE_CHECKING:
    import xarray as xr

FORMULA_AREAS = ("published_area", "closed_form_area")


class FormulaValues(NamedTuple):
    """What a formula gives for the footprint of each layer, and where that is right.

    Attributes
    ----------
    value : float array (layer,)
        The width in pixels; where the network has other than two axes, or the formula's area is below 0, the area. NaN
        where the formula has no value.
    exact : float array (layer,)
        The same of the exact footprint.
    right : bool array (layer,)
        Whether the two are equal but for rounding.
    """

    value: np.ndarray
    exact: np.ndarray
    right: np.ndarray

    @property
    def known(self) -> np.ndarray:
        """Where the formula has a value."""
        return ~np.isnan(self.value)


class ProfileSummary(NamedTuple):
    """What holds for all layers of a profile.

    Attributes
    ----------
    with_holes : list of str
        Layers whose footprints miss whole rows inside their bounding boxes.
    fills_boxes : bool
        Whether every footprint fills its bounding box.
    formulas : dict of str to FormulaValues
        By the name of the variable, `published_area` and `closed_form_area`.
    global_layers : int
        How many layers have a global receptive field.
    """

    with_holes: list[str]
    fills_boxes: bool
    formulas: dict[str, FormulaValues]
    global_layers: int


def profile_summary(ds: xr.Dataset) -> ProfileSummary:
    """Return what holds for all layers of a profile.

    Examples
    --------
    >>> import rfscale as rf
    >>> found = profile_summary(rf.profile("dilated5"))
    >>> found.with_holes[0], found.formulas["published_area"].right.tolist()
    ('conv1', [True, False, False, False, False])
    """
    return ProfileSummary(
        [str(name) for name in ds.layer.values[(ds.max_gap.values > 0).any(axis=1)]],
        bool((ds.density.values == 1).all()),
        {name: formula_values(ds, name) for name in FORMULA_AREAS},
        int(ds.is_global.sum()),
    )


def formula_values(ds: xr.Dataset, name: str) -> FormulaValues:
    """Return what a formula, one of `FORMULA_AREAS`, gives for each layer of a profile."""
    area, exact = ds[name].values, ds.area.values
    if ds.sizes["axis"] == 2:
        exact = ds.width.values
        with np.errstate(invalid="ignore"):
            area = np.where(area >= 0, np.sqrt(area), area)
    right = [same(a, e) for a, e in zip(area.tolist(), exact.tolist(), strict=True)]
    return FormulaValues(area, exact, np.array(right, bool))
