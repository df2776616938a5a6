"""The lines of a halo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rfscale.sweeps.report.terminal import Column, folded

if TYPE_CHECKING:
    import xarray as xr


def halo_report(found: xr.Dataset) -> list[Any]:
    """Return the table of margins, and the cost of a tile in words."""
    title = f"{found.attrs['network']}: pixels beyond a tile that {', '.join(found.attrs['layers'][:4])} depend on"
    sides = {"before": found.reach[:, 0], "after": found.reach[:, 1], "margin before": found.margin[:, 0],
             "margin after": found.margin[:, 1], "period": found.period}  # fmt: skip
    figures = [Column(name, [str(v) for v in values.values.tolist()]) for name, values in sides.items()]
    table = folded([Column("axis", found.axis.values.tolist(), "left"), *figures])
    lines = ["a margin is a reach rounded up to the period, so that a crop keeps the phase of every layer"]
    if found.attrs.get("dropped"):
        lines.append(f"left out, for their receptive field is global: {', '.join(found.attrs['dropped'])}")
    if "tile" in found:
        tile, crop, useful = ("×".join(map(str, found[v].values.tolist())) for v in ("tile", "crop", "useful"))
        lines.append(
            f"tiles of {tile}: run the network on {crop}, {float(found.waste):.3g} pixels computed for each of use"
        )
        as_crop = float(found.waste_as_crop)
        cost = f"{as_crop:.3g} pixels for each of use" if as_crop < float("inf") else "nothing of it is of use"
        lines.append(f"with {tile} as the size that the network is run on, tiles of {useful}: {cost}")
    return [title, table, *lines]
