"""The verbs about objects and faults: match, check, halo. A verb checks its input, computes, writes, then prints.

Imports stand inside the functions: the help of all verbs is shown without numpy.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from engine.errors import InputError, shown
from sweeps.commands.options import (
    Finite,
    Globals,
    InputSize,
    NetworkArgument,
    Out,
    Plot,
    check_targets,
    globals_of,
    layers_of,
    numbers,
    size_of,
    takes_network,
    write_data,
)

if TYPE_CHECKING:
    import xarray as xr
    from rich.table import Table


ImageSize = Annotated[
    str | None, typer.Option(metavar="HxW", help="Size of all images of a YOLO folder, where there are no pictures.")
]
Layers = Annotated[
    str | None, typer.Option(metavar="NAMES", help="Maps to take, comma between names of layers or modules.")
]


@takes_network
def match(
    context: typer.Context,
    network: NetworkArgument,
    objects: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="COCO .json, .csv, .parquet, .npy, or a folder of VOC or YOLO files. Without it: COCO val2017.",
        ),
    ] = None,
    resize: Annotated[
        str,
        typer.Option(
            metavar="RULE",
            help="What training does first: none, short=800,cap=1333, short=640-800,cap=1333, square=300, "
            "letterbox=640, scale=0.5-2.",
        ),
    ] = "none",
    layers: Layers = None,
    k: Annotated[
        int | None,
        typer.Option(
            "--k", metavar="N", help="Choose the best N maps of all layers. Without: the outputs if several, else 4."
        ),
    ] = None,
    by: Annotated[
        Literal["width", "extent", "effective"], typer.Option(help="Figure of a map that is held against object sizes.")
    ] = "width",
    objective: Annotated[
        Literal["tightness", "coverage"], typer.Option(help="What the best maps are best in.")
    ] = "tightness",
    factor: Annotated[float, typer.Option(metavar="F", help="A map covers objects within this factor of it.")] = 2.0,
    category: Annotated[
        list[str] | None, typer.Option("--category", metavar="NAME", help="Only objects of this category; repeatable.")
    ] = None,
    format: Annotated[
        Literal["coco", "voc", "yolo", "csv", "parquet", "npy"] | None, typer.Option(help="Format of --objects.")
    ] = None,
    images: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Pictures of a YOLO folder, for their sizes.")
    ] = None,
    image_size: ImageSize = None,
    crowd: Annotated[bool, typer.Option(help="Count COCO's crowd regions as objects.")] = True,
    input_size: InputSize = None,
    finite: Finite = False,
    out: Out = None,
    plot: Plot = None,
) -> None:
    """Set what layers see beside the object sizes of a data set.

    It chooses the maps that fit the objects best, and says which objects none fits.

    Example: rfscale match resnet50 --objects instances_train2017.json --resize short=800,cap=1333 --k 4 --plot fit.png
    """
    check_targets(out, plot)
    net = network.load(input_size)
    from sweeps.matching import match as compute
    from sweeps.objects import object_sizes
    from sweeps.tables import progress, say

    with progress(f"match of {net.name}") as step:
        step("object sizes")
        sizes = object_sizes(
            objects,
            resize,
            format=format,
            images=images,
            image_size=_pair(image_size),
            crowd=crowd,
            categories=category,
        )
        step("profile and effective boxes")
        found = compute(
            net,
            sizes,
            layers=layers_of(net, layers),
            k=k,
            by=by,
            objective=objective,
            factor=factor,
            input_size=size_of(net, input_size, finite),
        )
    found.attrs["command"] = context.obj["command"]
    written = write_data(_parts(found, out), out)
    if plot:
        from sweeps.match_plots import match_figure
        from sweeps.plots import save

        save(match_figure(found), plot)
        written.append(str(plot))
    say(*match_report(found, sizes), *(f"written: {path}" for path in written))


@takes_network
def check(
    context: typer.Context,
    network: NetworkArgument,
    input_size: InputSize = None,
    fail_on: Annotated[
        Literal["note", "warning", "error", "never"], typer.Option(help="Exit 1 if something of this level is found.")
    ] = "warning",
    format: Annotated[Literal["text", "json", "sarif"], typer.Option(help="How findings are written.")] = "text",
    level: Annotated[Literal["note", "warning", "error"], typer.Option(help="Leave out what is less severe.")] = "note",
    ignore: Annotated[
        list[str] | None, typer.Option("--ignore", metavar="RULE", help="Leave a rule out; repeatable.")
    ] = None,
    globals: Globals = "include",
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the findings here instead.")] = None,
) -> None:
    """Find holes, aliasing, misaligned branches and other faults.

    Each finding names the layer, the figure, the limit it crossed and a remedy. Exit code 1 if anything of the level
    --fail-on is found. Sizes are the network's own unless --input-size says otherwise.

    Example: rfscale check resnet50 --fail-on error --format sarif --out resnet50.sarif
    """
    net = network.load(input_size)
    from sweeps.checks import LEVELS, RULES
    from sweeps.checks import check as compute
    from sweeps.checks import written as formatted

    for name in ignore or ():
        if name not in RULES:
            raise InputError(f"--ignore: there is no rule {shown(name)}; known: {', '.join(RULES)}")
    if out is not None:
        from sweeps.output import check_folder

        check_folder(out.absolute().parent, "--out")
    findings = [
        f
        for f in compute(net, size_of(net, input_size, False), globals=globals_of(globals))
        if f.rule not in (ignore or ())
    ]
    kept = [f for f in findings if LEVELS.index(f.level) >= LEVELS.index(level)]
    text = formatted(kept, net, format, network.text if Path(network.text).is_file() else None)
    if out is None:
        print(text)
    else:
        from sweeps.output import write_text

        write_text(text + "\n", out)
    if fail_on != "never" and any(LEVELS.index(f.level) >= LEVELS.index(fail_on) for f in findings):
        raise typer.Exit(1)


@takes_network
def halo(
    context: typer.Context,
    network: NetworkArgument,
    tile: Annotated[
        str | None, typer.Option(metavar="HxW", help="Pixels of a tile without its margins: 512 or 512x768.")
    ] = None,
    layers: Layers = None,
    globals: Globals = "include",
    out: Out = None,
) -> None:
    """Show the exact margins that tiled inference needs.

    With these margins, per side and axis, a tile's outputs equal those of the whole image.

    Example: rfscale halo unet-padded --tile 512
    """
    check_targets(out, None)
    net = network.load()
    from sweeps.halos import halo as compute
    from sweeps.tables import progress, say

    size = None if tile is None else numbers(tile)
    if tile is not None and size is None:
        raise InputError(f"--tile is {shown(tile)}; give pixels per axis, such as 512 or 512x768")
    with progress(f"halo of {net.name}"):
        pixels = size[0] if size and len(size) == 1 else size
        found = compute(net, pixels, layers=layers_of(net, layers), globals=globals_of(globals))
    found.attrs["command"] = context.obj["command"]
    written = write_data(found, out)
    say(*halo_report(found), *(f"written: {path}" for path in written))


VERBS: tuple[Callable[..., None], ...] = (match, check, halo)


# what they print ----------------------------------------------------------------------------------------------------


def match_report(found: xr.Dataset, sizes: xr.Dataset) -> list[Any]:
    """Return the table of the chosen maps, and what fits and what does not in words."""
    from sweeps.tables import plain_table

    attrs = found.attrs
    by, factor = attrs["by"], attrs["factor"]
    headers = [("map", "left"), (f"{by} px", "right"), ("jump px", "right"), ("objects nearest", "right")]
    table = plain_table(*headers, ("|log2|", "right"))
    for i, name in enumerate(found.chosen.values.tolist()):
        jump = float(found.jump.sel(layer=name))
        part, mean = float(found.chosen_share[i]), float(found.chosen_tightness[i])
        told = "–" if mean != mean else f"{mean:.2f}"
        table.add_row(name, f"{float(found.chosen_figure[i]):.4g}", f"{jump:g}", f"{part:.1%}", told)
    quantiles = sizes.quantiles.sel(measure="size")
    spread = ", ".join(f"{float(v):.3g}" for v in quantiles.values)
    lines = [
        f"objects: {attrs['objects']} of {attrs['boxes']} boxes, resize {attrs['resize']}; sqrt(width·height) at "
        f"{', '.join(f'{q:.0%}' for q in quantiles.q.values)}: {spread} px; peaks at "
        f"{', '.join(f'{m:.3g}' for m in sizes.modes.values)} px",
        *_left_out(sizes),
        f"within a factor of {factor:g} of a chosen map: {float(found.coverage):.1%} of the objects; mean "
        f"|log2({by} / size)| {float(found.tightness):.3f}",
    ]
    for low, high, part in zip(found.gap_low.values, found.gap_high.values, found.gap_share.values, strict=True):
        lines.append(f"gap: {low:.3g} to {high:.3g} px, {part:.1%} of the objects")
    levels = ", ".join(f"{n} {s:.1%}" for n, s in zip(found.level.values, found.fpn_share.values, strict=True))
    fpn = float(found.fpn_tightness)
    lines.append(f"FPN's rule: {levels}" + ("" if fpn != fpn else f"; mean |log2| {fpn:.3f} on these maps"))
    title = f"{attrs['network']} on {attrs['source']}"
    return [title, table, *lines, f"best maps by {attrs['objective']}, of all layers", _best_table(found)]


def _parts(found: xr.Dataset, out: Path | None) -> Any:
    """A match as its file holds it: one dataset; in JSON one table per kind of row; in CSV the table of layers."""
    if out is None or out.suffix not in (".csv", ".json"):
        return found
    import xarray as xr

    dims = ("layer", "bin", "chosen", "gap", "level", "maps")
    groups = {d: [str(n) for n, v in found.data_vars.items() if v.dims == (d,)] for d in dims}
    nodes = {d: found[names].reset_coords(drop=True) for d, names in groups.items()}
    nodes = {d: node.drop_vars([c for c in node.coords if c != d]) for d, node in nodes.items()}
    if out.suffix == ".csv":
        return nodes["layer"]
    scalars = {str(n): float(v) for n, v in found.data_vars.items() if not v.dims and v == v}
    return xr.DataTree.from_dict(
        {"/": xr.Dataset(attrs={**found.attrs, **scalars}), **{f"/{d}": n for d, n in nodes.items()}}
    )


def _left_out(sizes: xr.Dataset) -> list[str]:
    reasons = [f"{n} {r}" for r, n in zip(sizes.reason.values.tolist(), sizes.left_out.values.tolist(), strict=True)]
    lines = [f"warning: left out: {', '.join(reasons)}"] if reasons else []
    return lines + ([f"note: {sizes.attrs['notes']}"] if sizes.attrs.get("notes") else [])


def _best_table(found: xr.Dataset) -> Table:
    from sweeps.tables import plain_table

    headers = (("maps", "right"), ("best", "left"), ("|log2|", "right"), ("covered", "right"))
    table = plain_table(*headers)
    for i, n in enumerate(found.maps.values.tolist()):
        names = str(found.best_layers.values[i])
        table.add_row(str(n), names, f"{float(found.best_tightness[i]):.3f}", f"{float(found.best_coverage[i]):.1%}")
    return table


def halo_report(found: xr.Dataset) -> list[Any]:
    """Return the table of margins, and the cost of a tile in words."""
    from sweeps.tables import plain_table

    headers = (("axis", "left"), ("before", "right"), ("after", "right"), ("margin before", "right"))
    title = f"{found.attrs['network']}: pixels beyond a tile that {', '.join(found.attrs['layers'][:4])} depend on"
    table = plain_table(*headers, ("margin after", "right"), ("period", "right"))
    for i, axis in enumerate(found.axis.values.tolist()):
        cells = [*found.reach.values[i].tolist(), *found.margin.values[i].tolist(), int(found.period[i])]
        table.add_row(axis, *map(str, cells))
    lines = ["a margin is a reach rounded up to the period, so that a crop keeps the phase of every layer"]
    if found.attrs.get("dropped"):
        lines.append(f"left out, as they see the whole image: {', '.join(found.attrs['dropped'])}")
    if "tile" in found:
        tile, crop, useful = ("×".join(map(str, found[v].values.tolist())) for v in ("tile", "crop", "useful"))
        lines.append(
            f"tiles of {tile}: run the network on {crop}, {float(found.waste):.3g} pixels computed for each of use"
        )
        as_crop = float(found.waste_as_crop)
        cost = f"{as_crop:.3g} pixels for each of use" if as_crop < float("inf") else "nothing of it is of use"
        lines.append(f"with {tile} as the size that the network is run on, tiles of {useful}: {cost}")
    return [title, table, *lines]


def _pair(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    size = numbers(text)
    if size is None or len(size) > 2 or min(size) < 1:
        raise InputError(f"--image-size is {shown(text)}; give height and width in pixels, such as 480x640")
    return size[0], size[-1]
