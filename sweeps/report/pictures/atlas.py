"""Pictures of the atlas: where formulas are right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rfscale.engine.formulas.registry import PUBLISHED_BY_WINDOW
from rfscale.sweeps.validation.atlas import EXACT, IMPOSSIBLE, TOLERANCE

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

# pictures ------------------------------------------------------------------------------------------------------------


def published_figure(data: xr.Dataset) -> Figure:
    """Draw S'/S and P' over P for the article's windows: exact on a solid footprint, as printed."""
    from rfscale.sweeps.report.pictures.style import BLUE, RED, figure

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
    from rfscale.sweeps.report.pictures.style import RED

    if bad.any():
        ax.fill_between(P, 0, 1, where=bad, color=RED, alpha=0.15, lw=0, transform=ax.get_xaxis_transform())


def domain_figure(data: xr.Dataset, formula: str) -> Figure:
    """Draw, for every window, the share of overlaps where a formula is exact, and its largest error of S'."""
    from rfscale.sweeps.report.pictures.style import figure

    part = data.sel(formula=formula)
    share = (part.verdict == EXACT).mean("jump")
    error = abs(part.scale_error)
    worst = error.where(error > TOLERANCE, 0).max("jump")
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
