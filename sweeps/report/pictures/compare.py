"""The picture of a comparison: the extents of two networks layer by layer, and their strides below."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rfscale.sweeps.report.pictures.network import layer_ticks
from rfscale.sweeps.report.pictures.style import BLUE, INK, ORANGE, figure, label, title

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from rfscale.sweeps.report.pictures.style import Place

STYLES: dict[str, dict[str, Any]] = {  # that differ in dash and marker too, not in colour alone
    "a": {"color": BLUE, "ls": "-", "lw": 2.6, "marker": "o", "ms": 3.5},
    "b": {"color": ORANGE, "ls": "--", "lw": 1.8, "marker": "x", "ms": 4.5},
}


def compare_figure(found: xr.Dataset, place: Place = None) -> Figure:
    """Return the picture of `rf.compare`; see `style.figure` for `place`, here and below."""
    import numpy as np

    steps = np.arange(found.sizes["layer"])
    wide = min(14.0, max(7.0, 0.12 * len(steps)))
    with figure(wide, 6.4, 2, 1, place=place, sharex=True, height_ratios=[3, 1]) as (fig, axes):
        top, *below = axes[:, 0]
        for name, style in STYLES.items():
            own = found.sel(network=name)
            there = own.name.values != ""
            extent = np.where(np.isfinite(own.extent.values), own.extent.values, np.nan).max(axis=1)
            top.plot(steps[there], extent[there], label=f"{name}: {label(found.attrs[name])}", **style)
        if "effective" in found:
            boxes = found.effective.max("axis")
            for name, style in STYLES.items():
                mark = {"color": style["color"], "mec": INK, "marker": "s", "ms": 8, "ls": ""}
                ends = found.is_output.values
                top.plot(steps[ends], boxes.sel(network=name).values[ends], **mark)
        title(top, _finding(found))
        top.set_ylabel("extent, pixels (■ effective box)" if "effective" in found else "extent, pixels")
        top.set_ylim(bottom=0)
        top.legend(loc="upper left")
        for bottom in below:
            for name, style in STYLES.items():
                own = found.sel(network=name)
                there = own.name.values != ""
                bottom.plot(steps[there], own.jump.values.max(axis=1)[there], **style)
            bottom.set_ylabel("stride, pixels")
            bottom.set_yscale("log", base=2)
        layer_ticks(axes[-1, 0], [str(n) for n in found.layer.values])
    return fig


def _finding(found: xr.Dataset) -> str:
    """What the picture shows, of the last output that both have."""
    from rfscale.sweeps.report.tables.compare import sentences
    from rfscale.sweeps.report.terminal import per_axis

    both = [i for i, end in enumerate(found.is_output.values) if end and (found.name.values[i] != "").all()]
    known = [i for i in both if (found.extent.values[i] < float("inf")).all()]
    if not known:
        return label(sentences(found)[0], 100)
    row = found.isel(layer=known[-1])
    one, other = (per_axis(values, 1) for values in row.extent.values.tolist())
    name = label(row.layer.item(), 40)
    return f"{name}: extent {one} in both" if one == other else f"{name}: extent {one} pixels in a, {other} in b"
