"""The atlas of domains: each formula after each window, over the overlap of its input, against plain sets.

The exact side is a set of pixels as one big integer, and shares nothing with the formulas. Two inputs are tried: a
solid one, [0, 96) at the jumps 1 … 96, and one with a gap, [0, 48) and [72, 120), at the same jumps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rfscale.engine.formulas.registry import CLOSED_FORM, PUBLISHED, PUBLISHED_BY_WINDOW

if TYPE_CHECKING:
    import xarray as xr

KERNELS, STRIDES, DILATIONS = range(1, 8), range(1, 5), range(1, 9)
PIXELS = 96
INPUTS = {"solid": (1 << 96) - 1, "gap": ((1 << 48) - 1) | (((1 << 48) - 1) << 72)}
FORMULAS = ("published", "closed_form", "interval")
NONE, EXACT, OFF, IMPOSSIBLE = range(4)
VERDICTS = ("no formula", "exact", "off", "impossible")
TOLERANCE = 1e-9


def atlas(
    kernels: Sequence[int] = KERNELS, strides: Sequence[int] = STRIDES, dilations: Sequence[int] = DILATIONS
) -> xr.Dataset:
    """Return every formula's scale S'/S and overlap P' after every window, beside the exact ones.

    Returns
    -------
    xr.Dataset
        Over (input, formula, kernel, stride, dilation, jump), with the input's overlap as the coordinate
        `input_overlap` (input, jump): `scale`, `overlap` by formula, `exact_scale`, `exact_overlap`, the errors, and
        `verdict`: 0 no formula, 1 exact, 2 off, 3 impossible (S' ≤ 0, P' outside [0, 1]).

    Examples
    --------
    >>> a = atlas([3], [1], [2]).sel(input="solid", formula="published", kernel=3, stride=1, dilation=2)
    >>> at = a.isel(jump=23)  # four entries' jumps make a footprint: P = 3/4
    >>> [round(x.item(), 3) for x in (at.exact_scale, at.scale, at.exact_overlap, at.overlap)]
    [4.0, 3.0, 0.875, 1.0]
    """
    import xarray as xr

    jumps = np.arange(1, PIXELS + 1)
    shape = (len(INPUTS), len(kernels), len(strides), len(dilations), len(jumps))
    exact = np.empty((4, *shape))  # pixels, shared, extent, and the input's overlap
    for at in np.ndindex(*shape):
        i, k, s, d, j = at
        exact[(slice(None), *at)] = _exact(
            list(INPUTS.values())[i], kernels[k], strides[s], dilations[d], int(jumps[j])
        )
    pixels, shared, extent, given = exact
    scale = np.full((shape[0], len(FORMULAS), *shape[1:]), np.nan)
    overlap = scale.copy()
    for place in np.ndindex(*shape[1:4]):
        k, s, d = kernels[place[0]], strides[place[1]], dilations[place[2]]
        at = (slice(None), *place)
        P = given[at]
        name = PUBLISHED_BY_WINDOW.get((k, s, d if k > 1 else 1))
        if name:
            scale[(slice(None), 0, *place)], overlap[(slice(None), 0, *place)] = PUBLISHED[name](1.0 + 0 * P, P)
        wider, overlap[(slice(None), 1, *place)] = CLOSED_FORM["window"](1.0 + 0 * P, P, k, s, d)
        scale[(slice(None), 1, *place)] = wider**2
        scale[(slice(None), 2, *place)] = (extent[at] / PIXELS) ** 2
        overlap[(slice(None), 2, *place)] = np.maximum(0, 1 - s * jumps / extent[at])
    exact_scale, exact_overlap = (pixels / PIXELS) ** 2, shared / pixels
    error, difference = scale / exact_scale[:, None] - 1, overlap - exact_overlap[:, None]
    dims = ("input", "kernel", "stride", "dilation", "jump")
    wide = ("input", "formula", *dims[1:])
    data: dict[str, Any] = {
        "scale": (wide, scale, _about("scale S'/S by the formula")),
        "overlap": (wide, overlap, _about("overlap P' by the formula")),
        "exact_scale": (dims, exact_scale, _about("exact scale S'/S")),
        "exact_overlap": (dims, exact_overlap, _about("exact overlap P'")),
        "scale_error": (wide, error, _about("relative error of the scale")),
        "overlap_error": (wide, difference, _about("difference of the overlap from the exact one")),
        "verdict": (wide, _verdicts(scale, overlap, error, difference), _about(", ".join(VERDICTS))),
    }
    coords = {
        "input": list(INPUTS), "formula": list(FORMULAS), "kernel": list(kernels), "stride": list(strides),
        "dilation": list(dilations), "jump": jumps, "input_overlap": (("input", "jump"), given[:, 0, 0, 0]),
    }  # fmt: skip
    return xr.Dataset(data, coords, {"call": "atlas"})


def _about(text: str) -> dict[str, str]:
    return {"units": "1", "long_name": text}


def _exact(pixels: int, k: int, s: int, d: int, jump: int) -> tuple[int, int, int, float]:
    """Pixels, shared and extent after a window, and the overlap of its input, from a set as a big integer."""
    after = 0
    for i in range(k):
        after |= pixels << (i * d * jump)
    shared = (after & (after << (s * jump))).bit_count()
    given = (pixels & (pixels << jump)).bit_count() / pixels.bit_count()
    return after.bit_count(), shared, after.bit_length(), given


def _verdicts(scale: np.ndarray, overlap: np.ndarray, error: np.ndarray, difference: np.ndarray) -> np.ndarray:
    out = np.full(scale.shape, OFF, np.int8)
    with np.errstate(invalid="ignore"):
        out[(np.abs(error) <= TOLERANCE) & (np.abs(difference) <= TOLERANCE)] = EXACT
        out[(scale <= TOLERANCE) | (overlap < -TOLERANCE) | (overlap > 1 + TOLERANCE)] = IMPOSSIBLE
    out[np.isnan(scale)] = NONE
    return out


def summary(data: xr.Dataset) -> list[str]:
    """Return the rows of a Markdown table: shares of the points by verdict, per input and formula."""
    rows = ["| input | formula | points | exact | off | impossible | largest error of S' |",
            "| --- | --- | ---: | ---: | ---: | ---: | ---: |"]  # fmt: skip
    for i in data.input.values:
        for f in data.formula.values:
            part = data.sel(input=i, formula=f)
            verdict = part.verdict.values
            counts = [int((verdict == v).sum()) for v in (EXACT, OFF, IMPOSSIBLE)]
            worst = float(abs(part.scale_error).max())
            worst = worst if worst > TOLERANCE else 0.0
            rows.append(
                f"| {i} | {f} | {sum(counts):,} | {counts[0]:,} | {counts[1]:,} | {counts[2]:,} | {worst:.3g} |"
            )
    return rows
