"""The atlas of docs/validity.md: each formula after each window, over the overlap of its input, against plain sets.

Run it for the pictures and the table, and for the dataset where it is asked for::

    python docs/atlas.py docs/pictures atlas.nc

The exact side is a set of pixels as one big integer, and shares nothing with the formulas. Two inputs are tried: a
solid one, [0, 96) at the jumps 1 … 96, and one with a gap, [0, 48) and [72, 120), at the same jumps.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rfscale.engine.formulas.exactness import ROUNDING
from rfscale.engine.formulas.registry import CLOSED_FORM, PUBLISHED, PUBLISHED_BY_WINDOW, box_overlap
from rfscale.engine.variables import ONE, Variable, annotate, provenance
from rfscale.sweeps.report.datasets import write
from rfscale.sweeps.report.pictures.style import BLUE, RED, figure, save
from rfscale.sweeps.report.pictures.validation import gaussian_figure
from rfscale.sweeps.validation.gaussian import gaussian

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

KERNELS, STRIDES, DILATIONS = range(1, 8), range(1, 5), range(1, 9)
PIXELS = 96
INPUTS = {"solid": (1 << 96) - 1, "gap": ((1 << 48) - 1) | (((1 << 48) - 1) << 72)}
FORMULAS = ("published", "closed_form", "interval")
NONE, EXACT, OFF, IMPOSSIBLE = range(4)

WINDOW_JUMP = ("kernel", "stride", "dilation", "jump")
ATLAS: dict[str, Variable] = {
    "scale": Variable(("input", "formula", *WINDOW_JUMP), "f", ONE, "scale S'/S by the formula"),
    "overlap": Variable(("input", "formula", *WINDOW_JUMP), "f", ONE, "overlap P' by the formula"),
    "exact_scale": Variable(("input", *WINDOW_JUMP), "f", ONE, "exact scale S'/S"),
    "exact_overlap": Variable(("input", *WINDOW_JUMP), "f", ONE, "exact overlap P'"),
    "scale_error": Variable(("input", "formula", *WINDOW_JUMP), "f", ONE, "relative error of the scale"),
    "overlap_error": Variable(
        ("input", "formula", *WINDOW_JUMP), "f", ONE, "difference of the overlap from the exact one"
    ),
    "verdict": Variable(("input", "formula", *WINDOW_JUMP), "i", ONE, "no formula, exact, off, impossible"),
    "input_overlap": Variable(("input", "jump"), "f", ONE, "overlap P of the input"),
}


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
        overlap[(slice(None), 2, *place)] = box_overlap(extent[at], s * jumps)
    exact_scale, exact_overlap = (pixels / PIXELS) ** 2, shared / pixels
    error, difference = scale / exact_scale[:, None] - 1, overlap - exact_overlap[:, None]
    dims = ("input", *WINDOW_JUMP)
    wide = ("input", "formula", *dims[1:])
    data: dict[str, Any] = {
        "scale": (wide, scale),
        "overlap": (wide, overlap),
        "exact_scale": (dims, exact_scale),
        "exact_overlap": (dims, exact_overlap),
        "scale_error": (wide, error),
        "overlap_error": (wide, difference),
        "verdict": (wide, _verdicts(scale, overlap, error, difference)),
    }
    coords = {
        "input": list(INPUTS), "formula": list(FORMULAS), "kernel": list(kernels), "stride": list(strides),
        "dilation": list(dilations), "jump": jumps, "input_overlap": (("input", "jump"), given[:, 0, 0, 0]),
    }  # fmt: skip
    return annotate(xr.Dataset(data, coords, provenance("atlas")), ATLAS)


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
        out[(np.abs(error) <= ROUNDING) & (np.abs(difference) <= ROUNDING)] = EXACT
        out[(scale <= ROUNDING) | (overlap < -ROUNDING) | (overlap > 1 + ROUNDING)] = IMPOSSIBLE
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
            worst = worst if worst > ROUNDING else 0.0
            rows.append(
                f"| {i} | {f} | {sum(counts):,} | {counts[0]:,} | {counts[1]:,} | {counts[2]:,} | {worst:.3g} |"
            )
    return rows


# pictures ------------------------------------------------------------------------------------------------------------


def published_figure(data: xr.Dataset) -> Figure:
    """Draw S'/S and P' over P for the article's windows: exact on a solid footprint, as printed."""
    windows = list(PUBLISHED_BY_WINDOW)
    with figure(15, 5.6, 2, len(windows), sharex=True) as (fig, axes):
        for column, (k, s, d) in enumerate(windows):
            part = data.sel(input="solid", formula="published", kernel=k, stride=s, dilation=d)
            P = part.input_overlap.values
            pairs = ((part.exact_scale, part.scale), (part.exact_overlap, part.overlap))
            for ax, (truth, value) in zip(axes[:, column], pairs, strict=True):
                ax.plot(P, truth, color=BLUE, lw=4, alpha=0.5, label="exact")
                ax.plot(P, np.clip(value, -3, 12), color=RED, lw=1.4, label="as printed")
                _shade(ax, P, part.verdict.values == IMPOSSIBLE)
            axes[0, column].set_title(f"{k}×{k}, s = {s}" + (f", d = {d}" if d > 1 else ""))
            axes[0, column].set_ylim(-2, 10)
            axes[1, column].set(xlabel="overlap P of the input", ylim=(-0.6, 1.6))
        axes[0, 0].set_ylabel("S' / S")
        axes[1, 0].set_ylabel("P'")
        axes[0, 0].legend()
    return fig


def _shade(ax: Any, P: np.ndarray, bad: np.ndarray) -> None:
    if bad.any():
        ax.fill_between(P, 0, 1, where=bad, color=RED, alpha=0.15, lw=0, transform=ax.get_xaxis_transform())


def domain_figure(data: xr.Dataset, formula: str) -> Figure:
    """Draw, for every window, the share of overlaps where a formula is exact, and its largest error of S'."""
    part = data.sel(formula=formula)
    share = (part.verdict == EXACT).mean("jump")
    error = abs(part.scale_error)
    worst = error.where(error > ROUNDING, 0).max("jump")
    top = max(1e-3, float(worst.max()))  # one scale for both inputs: what is exact is as pale as it should be
    with figure(13, 9.4, 2, 2) as (fig, axes):
        for row, name in enumerate(part.input.values):
            title = f"{formula.replace('_', ' ')}, {'solid input' if name == 'solid' else 'input with a gap'}"
            for ax, values, what, cmap, largest in (
                (axes[row, 0], share, "share of overlaps P where it is exact", "viridis", 1.0),
                (axes[row, 1], worst, "largest relative error of S'", "magma_r", top),
            ):
                grid = values.sel(input=name).transpose("dilation", "stride", "kernel")
                flat = grid.values.reshape(grid.sizes["dilation"], -1)
                image = ax.imshow(flat, aspect="auto", cmap=cmap, vmin=0, vmax=largest)
                _windows(ax, part)
                ax.set_title(f"{title}: {what}", fontsize=10, pad=18)
                fig.colorbar(image, ax=ax)
    return fig


def _windows(ax: Any, part: xr.Dataset) -> None:
    kernels, n = part.kernel.values, part.sizes["kernel"]
    ax.set_yticks(range(part.sizes["dilation"]), part.dilation.values)
    ax.set_xticks(range(n * part.sizes["stride"]), [str(k) for _ in part.stride.values for k in kernels], fontsize=8)
    for i in range(1, part.sizes["stride"]):
        ax.axvline(i * n - 0.5, color="white", lw=2)
    ax.grid(False)
    for i, stride in enumerate(part.stride.values):
        ax.text((i + 0.5) * n - 0.5, -0.6, f"stride {stride}", ha="center", va="bottom", fontsize=9)
    ax.set(ylabel="dilation", xlabel="kernel")


def main(folder: Path, out: Path | None = None) -> None:
    """Write the pictures, and the dataset where it is asked for; print the table."""
    data = atlas()
    save(published_figure(data), folder / "atlas-published.png")
    for formula in FORMULAS[1:]:
        save(domain_figure(data, formula), folder / f"atlas-{formula.replace('_', '-')}.png")
    distances = gaussian((2, 3, 7), (1, 2), (1, 2), 50)
    distances = distances.isel(
        window=np.flatnonzero(distances.stride * distances.dilation < 4)
    )  # one of them at a time
    save(gaussian_figure(distances), folder / "atlas-gaussian.png")
    if out:
        write(data, out)
    print("\n".join(summary(data)))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
