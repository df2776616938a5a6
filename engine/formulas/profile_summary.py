"""What holds for all layers of a profile: where footprints have holes, and where the formulas are right."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rfscale.engine.columns import Columns
from rfscale.engine.formulas.exactness import same

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


def profile_summary(profile: Columns) -> ProfileSummary:
    """Return what holds for all layers of a profile.

    Examples
    --------
    >>> import rfscale as rf
    >>> from rfscale.engine.analysis.profile import profile_columns
    >>> found = profile_summary(profile_columns(rf.load("dilated5")))
    >>> found.with_holes[0], found.formulas["published_area"].right.tolist()
    ('conv1', [True, False, False, False, False])
    """
    return ProfileSummary(
        [
            name
            for name, gaps in zip(profile.coords["layer"], profile["max_gap"].tolist(), strict=True)
            if max(gaps) > 0
        ],
        bool((profile["density"] == 1).all()),
        {name: formula_values(profile, name) for name in FORMULA_AREAS},
        int(profile["is_global"].sum()),
    )


def formula_values(profile: Columns, name: str) -> FormulaValues:
    """Return what a formula, one of `FORMULA_AREAS`, gives for each layer of a profile."""
    area, exact = profile[name], profile["area"]
    if len(profile.coords["axis"]) == 2:
        exact = profile["width"]
        with np.errstate(invalid="ignore"):
            area = np.where(area >= 0, np.sqrt(area), area)
    right = [same(a, e) for a, e in zip(area.tolist(), exact.tolist(), strict=True)]
    return FormulaValues(area, exact, np.array(right, bool))
