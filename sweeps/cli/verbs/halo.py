"""The verb halo: the margins that tiled inference needs, and what tiles cost."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from rfscale.engine.errors import InputError, Parameter
from rfscale.sweeps.cli.model import Model, NetworkArgument, arguments, takes_network
from rfscale.sweeps.cli.options import (
    GlobalOps,
    Layers,
    Out,
    Plot,
    check_targets,
    global_ops_of,
    layers_of,
    pixels,
    write_data,
)
from rfscale.sweeps.cli.output import deliver

if TYPE_CHECKING:
    import xarray as xr

UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


@takes_network
def halo(
    context: typer.Context,
    network: NetworkArgument,
    tile: Annotated[
        str | None, typer.Option(metavar="HxW", help="Pixels of a tile without its margins: 512 or 512x768.")
    ] = None,
    image_size: Annotated[
        str | None, typer.Option(metavar="HxW", help="Pixels of your images: what to pad them to, and how many tiles.")
    ] = None,
    waste: Annotated[
        float | None,
        typer.Option(metavar="F", help="Choose the smallest tile with at most F pixels computed for each of use."),
    ] = None,
    memory: Annotated[
        str | None, typer.Option(metavar="BYTES", help="Choose the largest tile whose maps fit: 8GB, 500MB or 4GiB.")
    ] = None,
    dtype: Annotated[
        Literal["float64", "float32", "bfloat16", "float16", "int8"],
        typer.Option(help="Type of the maps' values, for their memory."),
    ] = "float32",
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Run the PyTorch model on tiles and on the whole image, and compare."),
    ] = False,
    layers: Layers = None,
    global_ops: GlobalOps = "include",
    out: Out = None,
    plot: Plot = None,
) -> None:
    """Show the margins that tiles need, and what tiles cost.

    With these margins, per side and axis, the outputs of a tile equal those of the whole image. Without --tile it
    lists tiles of several sizes: what to run the network on, pixels computed for each of use, and memory of the maps.

    Example: rfscale halo unet-padded --tile 512

    Example: rfscale halo unet-padded --memory 8GB --image-size 3000x4000

    Example: rfscale halo model.py:build --verify
    """
    check_targets(out, plot)
    sizes = {"tile": tile, "image_size": image_size}
    size, image = (pixels(text, Parameter(name), "512 or 512x768") for name, text in sizes.items())
    room = None if memory is None else bytes_of(memory)
    if tile is not None and (waste is not None or memory is not None):
        name = "waste" if waste is not None else "memory"
        raise InputError((Parameter(name), " chooses a tile"), remedy=("leave ", Parameter("tile"), " out"))
    if verify and (layers or global_ops != "include"):
        raise InputError("--verify compares what the model returns; leave --layers and --global-ops out")
    net = network.load()
    from rfscale.engine.analysis.tiling.halo import halo as compute
    from rfscale.engine.analysis.tiling.tile_costs import choose_tile, tile_costs
    from rfscale.sweeps.report.progress import progress
    from rfscale.sweeps.report.tables.halo import CSV_NOTE, halo_report, stored_parts, verify_report

    how: dict[str, Any] = {"layers": layers_of(net, layers), "global_ops": global_ops_of(global_ops)}
    cost: dict[str, Any] = {**how, "image_size": image, "dtype": dtype}
    tested = None
    with progress(f"halo of {net.name}") as bar:
        asked = size
        if waste is not None or memory is not None:
            size = list(choose_tile(net, waste=waste, memory=room, **cost))
        found = compute(net, size, image_size=image, **how)
        costs = tile_costs(net, None if size is None else [size], **cost)
        if verify:
            bar.step("tiled and whole")
            tested = _verified(network, asked, image)  # a small tile shows as much as one chosen
    found.attrs["command"] = costs.attrs["command"] = context.obj["command"]
    lines = [*halo_report(found, costs), *([] if tested is None else verify_report(tested))]
    data = stored_parts(found, costs, tested)
    written = write_data(found if out is not None and out.suffix == ".csv" else data, out)
    if out is not None and out.suffix == ".csv":
        written[0] += f": {CSV_NOTE}"
    if plot:
        from rfscale.sweeps.report.pictures.style import save
        from rfscale.sweeps.report.pictures.tiles import halo_figure, tile_costs_figure

        save(tile_costs_figure(costs) if size is None else halo_figure(found), plot)
        written.append(str(plot))
    deliver(context, data, *lines, written=written)


def _verified(network: Model, tile: Any, image: Any) -> xr.Dataset:
    from rfscale.engine.analysis.tiling.verify_tiles import verify_tiles
    from rfscale.engine.readers.quiet import quiet

    with quiet():
        return verify_tiles(network.text, tile, image, arguments=arguments(network.arg), **network.reading())


def bytes_of(text: str) -> float:
    """Return a text such as 8GB, 500 MB or 4GiB as a number of bytes.

    Examples
    --------
    >>> bytes_of("8GB"), bytes_of("1.5 GiB")
    (8000000000.0, 1610612736.0)
    """
    found = re.fullmatch(r"([0-9.]+)\s*([kmgt]?i?)b?", text.strip().lower())
    try:
        return float(found[1]) * UNITS[found[2]] if found else float("")
    except (ValueError, KeyError):
        raise InputError(
            argument=Parameter("memory"), value=text, remedy="give bytes, such as 8GB, 500MB or 4GiB"
        ) from None
