"""What follows from several claims together: the numbers that the remarks under the table cite."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from rfscale.engine.formulas.exactness import same
from rfscale.sweeps.reproduction.claims import READINGS
from rfscale.sweeps.reproduction.verdicts import Result

if TYPE_CHECKING:
    import xarray as xr

LEVELS = (2, 3, 4, 5)  # of the feature pyramid


class PooledStack(NamedTuple):
    """The readings of "a pool every 4 layers", keys of `READINGS`, against the number that is printed.

    Attributes
    ----------
    printed : float
    hits : list of str
        Readings of which some layer has that width.
    widths : dict of str to float
        Of the last map of each reading, in pixels.
    nearest : str
        The reading whose last map is nearest to the print.
    digits_of_code : bool
        Whether the print has the digits of the article's own code in another order.
    dilated_formula : bool
        Whether the formula of dilated layers gives that number for five of them.
    """

    printed: float
    hits: list[str]
    widths: dict[str, float]
    nearest: str
    digits_of_code: bool
    dilated_formula: bool


class Findings(NamedTuple):
    """What the remarks are about.

    Attributes
    ----------
    claims : int
    verdicts : list of (str, int)
        How many claims have which verdict, the most frequent first.
    pools : PooledStack
    dilated, beyond : xr.Dataset
        Figures of the last of five dilated layers, and of a dilated layer after four plain ones.
    before, after : list of float
        Widths of the levels of the feature pyramid before and after its top-down path, in pixels.
    """

    claims: int
    verdicts: list[tuple[str, int]]
    pools: PooledStack
    dilated: xr.Dataset
    beyond: xr.Dataset
    before: list[float]
    after: list[float]


def find(results: Sequence[Result], profiles: Mapping[str, xr.Dataset]) -> Findings:
    """Return what follows from the results."""
    width = profiles["fpn-resnet50"].width
    before, after = ([float(width.sel(layer=f"{kind}{i}")) for i in LEVELS] for kind in ("lateral", "P"))
    return Findings(
        len(results),
        Counter(r.verdict for r in results).most_common(),
        _pooled(results, profiles),
        profiles["dilated5"].sel(layer="conv5"),
        profiles["plain4-dilated1"].isel(layer=-1),
        before,
        after,
    )


def _pooled(results: Sequence[Result], profiles: Mapping[str, xr.Dataset]) -> PooledStack:
    ends = {key: next(r for r in results if r.claim.network == f"pooled-{key}") for key in READINGS}
    printed = ends["code"].claim.printed
    assert printed is not None
    widths = {key: r.values.exact for key, r in ends.items()}
    dilated = next(r for r in results if r.claim.network == "dilated5" and r.claim.quantity == "width")
    return PooledStack(
        printed,
        [key for key in ends if any(same(w, printed) for w in profiles[f"pooled-{key}"].width.values.tolist())],
        widths,
        min(widths, key=lambda key: abs(widths[key] - printed)),
        sorted(f"{widths['code']:g}") == sorted(f"{printed:g}"),
        same(dilated.values.formula, printed),
    )
