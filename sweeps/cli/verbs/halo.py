"""The verb halo: the margins that tiled inference needs."""

from __future__ import annotations

from typing import Annotated

import typer

from rfscale.engine.errors import InputError
from rfscale.sweeps.cli.model import NetworkArgument, takes_network
from rfscale.sweeps.cli.options import (
    GlobalOps,
    Layers,
    Out,
    check_targets,
    global_ops_of,
    layers_of,
    numbers,
    write_data,
)
from rfscale.sweeps.cli.output import deliver
from rfscale.sweeps.report.tables.halo import halo_report


@takes_network
def halo(
    context: typer.Context,
    network: NetworkArgument,
    tile: Annotated[
        str | None, typer.Option(metavar="HxW", help="Pixels of a tile without its margins: 512 or 512x768.")
    ] = None,
    layers: Layers = None,
    global_ops: GlobalOps = "include",
    out: Out = None,
) -> None:
    """Show the exact margins that tiled inference needs.

    With these margins, per side and axis, a tile's outputs equal those of the whole image.

    Example: rfscale halo unet-padded --tile 512
    """
    check_targets(out, None)
    net = network.load()
    from rfscale.engine.analysis.halo import halo as compute
    from rfscale.sweeps.report.progress import progress

    size = None if tile is None else numbers(tile)
    if tile is not None and size is None:
        raise InputError(argument="--tile", value=tile, remedy="give pixels per axis, such as 512 or 512x768")
    with progress(f"halo of {net.name}"):
        pixels = size[0] if size and len(size) == 1 else size
        found = compute(net, pixels, layers=layers_of(net, layers), global_ops=global_ops_of(global_ops))
    found.attrs["command"] = context.obj["command"]
    written = write_data(found, out)
    deliver(context, found, *halo_report(found), written=written)
