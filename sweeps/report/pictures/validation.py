"""Pictures of a validation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rfscale.engine.formulas.exactness import ROUNDING
from rfscale.sweeps.report.pictures.style import FORMULAS, label, title
from rfscale.sweeps.validation.space import shares_by_error, totals

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from rfscale.sweeps.report.pictures.style import Place


def gaussian_figure(data: xr.Dataset, place: Place = None) -> Figure:
    """Draw distances over depth: a colour for each kernel, a kind of line for each stride and dilation."""
    from rfscale.sweeps.report.pictures.style import BLUE, INK, LINES, ORANGE, RED, SKY, figure, title

    KERNELS, MARKS = (BLUE, ORANGE, SKY, RED, INK), ("", "o", "s", "^", "D")
    kernels = list(dict.fromkeys(data.kernel.values.tolist()))
    steps = list(dict.fromkeys(zip(data.stride.values.tolist(), data.dilation.values.tolist(), strict=True)))
    with figure(9, 5, place=place) as (fig, axes):
        ax = axes.flat[0]
        for i, window in enumerate(data.window.values):
            part = data.isel(window=i)
            kernel, step = kernels.index(part.kernel.item()), steps.index((part.stride.item(), part.dilation.item()))
            marks = {"marker": MARKS[kernel // len(KERNELS) % len(MARKS)], "ms": 4, "markevery": 0.2}
            color = KERNELS[kernel % len(KERNELS)]
            ax.plot(
                data.depth, part.distance, LINES[step % 4], color=color, lw=1 + step // 4, label=str(window), **marks
            )
        ax.set(xscale="log", yscale="log", xlabel="layers in a row", ylabel="total-variation distance from the normal")
        ends = [row[np.isfinite(row)][-1] for row in data.distance.transpose("window", "depth").values]
        span = f"{min(ends):.2g}" if min(ends) == max(ends) else f"{min(ends):.2g} to {max(ends):.2g}"
        most = int(data.depth[-1])
        title(ax, f"After up to {most} layers in a row, path counts are {span} from a normal distribution")
        ax.legend(ncols=2, fontsize=9)
    return fig


def validation_figure(ds: xr.Dataset, place: Place = None) -> Figure:
    """Return the picture of `rf.validate`: of a space shares of maps by error, of a network errors by layer.

    Of `gaussian`, distances by depth.
    """
    from matplotlib.ticker import MaxNLocator

    from rfscale.sweeps.report.pictures.style import figure, title

    if "window" in ds.dims:
        return gaussian_figure(ds, place)
    if "stage" in ds.dims:
        with figure(4.5 * ds.sizes["figure"], 5, 1, ds.sizes["figure"], place=place) as (fig, axes):
            for ax, g in zip(axes.flat, ds.figure.values, strict=False):
                _shares(ax, ds, str(g))
    else:
        with figure(9, 4.5, place=place) as (fig, axes):
            ax = axes.flat[0]
            for f in ds.formula.values:
                error = np.abs(ds.relative_error.sel(formula=f).values)
                error[error <= ROUNDING] = 0
                ax.plot(error, ms=4, label=_named(str(f)), **FORMULAS.get(str(f), {}))
            ax.set_ylim(0, max(1e-3, 2 * ax.dataLim.y1))
            ax.xaxis.set_major_locator(MaxNLocator(integer=True))
            ax.set(xlabel="layer, by number", ylabel="relative error of the area")
            title(ax, _finding(ds))
            ax.set_yscale("symlog", linthresh=1e-3)
            ax.legend()
    return fig


def _shares(ax: Any, ds: xr.Dataset, name: str) -> None:
    """Shares of maps by error, cumulated."""
    upto = shares_by_error(ds).sel(figure=name)
    for f in ds.formula.values:
        share = upto.sel(formula=f)
        if share.notnull().all():
            style = {k: v for k, v in FORMULAS.get(str(f), {}).items() if k != "marker"}
            ax.step(upto.error_bin, share, where="post", label=_named(str(f)), **style)
    ax.set(xscale="log", ylim=(0, 1.02), xlabel=f"error of the {name} up to", ylabel="share of maps")
    title(ax, *_exact_shares(ds, name), size=10)
    ax.legend()


def _named(formula: str) -> str:
    return formula.replace("_", " ")


def _finding(ds: xr.Dataset) -> str:
    """Where the published formula first is wrong, or that it never is."""
    at = str(ds.attrs["published_departs"])
    network = label(ds.attrs["network"], 40)
    found = f"is wrong from {label(at, 30)} on" if at else "is exact wherever it has a value"
    return f"{network}: the published formula {found}"


def _exact_shares(ds: xr.Dataset, name: str) -> list[str]:
    """Which share of the maps each formula gives exactly, of those for which it has a value."""
    whole = totals(ds).sel(figure=name)
    parts = []
    for f in ds.formula.values:
        valued, wrong = int(whole.valued.sel(formula=f)), int(whole.inexact.sel(formula=f))
        if valued:
            share = 100 * (valued - wrong) / valued
            parts.append(f"{_named(str(f))} {share:.3g} %")
    half = -(-len(parts) // 2)
    lines = ", ".join(parts[:half]), ", ".join(parts[half:])
    return [f"maps whose {name} is exact:", *lines] if parts else [f"{name}: no formula has a value"]
