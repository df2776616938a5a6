"""The lines of a halo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray as xr


def halo_report(found: xr.Dataset) -> list[Any]:
    """Return the table of margins, and the cost of a tile in words."""
    from rfscale.sweeps.report.terminal import plain_table

    headers = (("axis", "left"), ("before", "right"), ("after", "right"), ("margin before", "right"))
    title = f"{found.attrs['network']}: pixels beyond a tile that {', '.join(found.attrs['layers'][:4])} depend on"
    table = plain_table(*headers, ("margin after", "right"), ("period", "right"))
    for i, axis in enumerate(found.axis.values.tolist()):
        cells = [*found.reach.values[i].tolist(), *found.margin.values[i].tolist(), int(found.period[i])]
        table.add_row(axis, *map(str, cells))
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
