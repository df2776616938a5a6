"""Pictures of a validation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rfscale.sweeps.validation.space import shares_by_error

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure


def gaussian_figure(data: xr.Dataset) -> Figure:
    """Draw distances over depth: a colour for each kernel, a kind of line for each stride and dilation."""
    from rfscale.sweeps.report.pictures.style import figure

    kernels = list(dict.fromkeys(data.kernel.values.tolist()))
    steps = list(dict.fromkeys(zip(data.stride.values.tolist(), data.dilation.values.tolist(), strict=True)))
    with figure(9, 5) as (fig, axes):
        ax = axes.flat[0]
        for i, window in enumerate(data.window.values):
            part = data.isel(window=i)
            style = ("-", "--", ":", "-.")[steps.index((part.stride.item(), part.dilation.item())) % 4]
            color = f"C{kernels.index(part.kernel.item()) % 10}"
            ax.plot(data.depth, part.distance, style, color=color, lw=2, label=str(window))
        ax.set(xscale="log", yscale="log", xlabel="layers in a row", ylabel="total-variation distance from the normal")
        ax.legend(ncols=2, fontsize=9)
    return fig


def save_plot(ds: xr.Dataset, path: Path) -> None:
    """Draw shares of maps by error (a space), errors by layer (a network), or distances by depth (gaussian)."""
    from rfscale.sweeps.report.pictures.style import figure, label, save

    if "window" in ds.dims:
        fig = gaussian_figure(ds)
    elif "stage" in ds.dims:
        with figure(4.5 * ds.sizes["figure"], 5, 1, ds.sizes["figure"]) as (fig, axes):
            for ax, g in zip(axes.flat, ds.figure.values, strict=True):
                _shares(ax, ds, str(g))
    else:
        with figure(9, 4.5) as (fig, axes):
            ax = axes.flat[0]
            for f in ds.formula.values:
                ax.plot(np.abs(ds.relative_error.sel(formula=f)), "o-", ms=3, label=str(f))
            ax.set(
                yscale="symlog", xlabel="layer", ylabel="relative error of the area", title=label(ds.attrs["network"])
            )
            ax.set_yscale("symlog", linthresh=1e-3)
            ax.legend()
    save(fig, path)


def _shares(ax: Any, ds: xr.Dataset, name: str) -> None:
    """Shares of maps by error, cumulated."""
    upto = shares_by_error(ds).sel(figure=name)
    for f in ds.formula.values:
        share = upto.sel(formula=f)
        if share.notnull().all():
            ax.step(upto.error_bin, share, where="post", label=str(f))
    ax.set(xscale="log", ylim=(0, 1.02), xlabel=f"error of the {name} up to", ylabel="share of maps", title=name)
    ax.legend()
