"""The verbs about one network, and the reproduction. A verb checks its input, computes, writes its files, then prints.

Imports stand inside the functions: the help of all verbs is shown without numpy.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.errors import InputError, nearest
from sweeps.commands.options import (
    Entry,
    Finite,
    Globals,
    InputSize,
    Model,
    NetworkArgument,
    Out,
    Plot,
    check_targets,
    entry_of,
    fold_of,
    globals_of,
    size_of,
    takes_network,
    write_data,
)

if TYPE_CHECKING:
    import xarray as xr

    from engine.network import Network


def reproduce(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the results.")] = Path("reproduction"),
    pictures: Annotated[bool, typer.Option(help="Draw the pictures (needs matplotlib).")] = True,
) -> None:
    """Set the article's figures and numbers beside the exact ones.

    Prints the table claim / published / formula / exact / verdict, and writes claims.zarr (with the profiles),
    claims.md and the pictures.

    Example: rfscale reproduce --out reproduction
    """
    from sweeps.reproduction.reproduce import run

    run(out, pictures=pictures)


@takes_network
def profile(
    context: typer.Context,
    network: NetworkArgument,
    input_size: InputSize = None,
    finite: Finite = False,
    entry: Entry = "center",
    globals: Globals = "include",
    depth: Annotated[
        str | None,
        typer.Option(
            metavar="N|all",
            help="Fold the table by module: one row for all layers whose names share N parts, with the figures of the "
            "module's last layer. Without: as deep as fits a screen. Files and pictures get every layer.",
        ),
    ] = None,
    layers: Annotated[
        str | None,
        typer.Option(metavar="GLOB", help="Only layers or modules of these names; comma between patterns."),
    ] = None,
    outputs_only: Annotated[bool, typer.Option("--outputs-only", help="Only the network's outputs.")] = False,
    out: Out = None,
    plot: Plot = None,
) -> None:
    """Show what every layer sees, exactly and by the formulas.

    The table is folded by module to fit a screen. Below it stands a line for each output: extent, stride, padding,
    holes, overlap, and the box that holds 95 % of the paths. Without an input size footprints have no borders.

    Example: rfscale profile resnet50 --input-size 224 --out resnet50.csv --plot resnet50.png

    Example: rfscale profile torchvision.models:resnet50 --arg weights=None --depth 1
    """
    check_targets(out, plot)
    chosen = layers is not None or outputs_only
    rows = None if chosen and depth is None else fold_of(depth)
    net = network.load(input_size)
    size, at, how = size_of(net, input_size, finite), entry_of(entry), globals_of(globals)
    from engine.profiles import profile as compute
    from sweeps.profile_tables import profile_report
    from sweeps.tables import progress, say

    with progress(f"profile of {net.name}") as step:
        ds = whole = compute(net, size, at, how)
        if outputs_only:
            ds = ds.sel(layer=list(net.outputs))
        if layers is not None:
            ds = ds.isel(layer=_matching(layers, net, [str(n) for n in ds.layer.values]))
        step("outputs")
        told = [] if layers is not None else _output_lines(net, size, at, whole)
    ds.attrs["command"] = context.obj["command"]
    written = write_data(ds, out)
    if plot:
        from sweeps.plots import profile_figure, save

        save(profile_figure(ds), plot)
        written.append(str(plot))
    say(*profile_report(ds, rows, told), *(f"written: {path}" for path in written))


@takes_network
def footprint(
    context: typer.Context,
    network: NetworkArgument,
    layer: Annotated[str, typer.Argument(metavar="LAYER", help="Name of a layer, or of a module: its last layer.")],
    input_size: InputSize = None,
    finite: Finite = False,
    entry: Entry = "center",
    globals: Globals = "include",
    weights: Annotated[
        bool, typer.Option("--weights", help="Path weights (effective receptive field) instead of the set.")
    ] = False,
    out: Out = None,
    plot: Plot = None,
) -> None:
    """Show the pixels behind one entry of one feature map.

    Example: rfscale footprint dilated5 conv5 --plot holes.png

    Example: rfscale footprint torchvision.models:resnet50 layer3 --weights --entry 7,7 --input-size 224
    """
    check_targets(out, plot)
    net = network.load(input_size)
    size, at, how = size_of(net, input_size, finite), entry_of(entry), globals_of(globals)
    from engine.modules import module_layer
    from sweeps.tables import footprint_report, progress, say, weights_report

    name = module_layer(net, layer)
    with progress(f"{'path weights' if weights else 'footprint'} of {name}"):
        if weights:
            from engine.weights import effective_field, path_weights

            data = path_weights(net, name, at, size, how)
            report = weights_report(data, effective_field(data))
        else:
            from engine.footprints import footprint as draw

            data = draw(net, name, at, size, how)
            report = footprint_report(data)
    data.attrs["command"] = context.obj["command"]
    written = write_data(data, out)
    if plot:
        from sweeps.plots import map_figure, save

        save(map_figure(data), plot)
        written.append(str(plot))
    say(*report, *(f"written: {path}" for path in written))


@takes_network
def networks(
    network: Annotated[
        Model | None,
        typer.Argument(metavar="NETWORK", help="Show the layers of this one; as for rfscale profile."),
    ] = None,
) -> None:
    """List the networks that come along, or the layers of one.

    Example: rfscale networks resnet50
    """
    from sweeps.tables import layer_report, say, zoo_table

    if network is None:
        say(zoo_table(), "rfscale networks NAME shows layers and parameters; rfscale profile NAME the figures.")
    else:
        say(*layer_report(network.text, network.load()))


VERBS: tuple[Callable[..., None], ...] = (reproduce, profile, footprint, networks)


# rows of a profile --------------------------------------------------------------------------------------------------


def _output_lines(net: Network, size: Any, entry: Any, ds: xr.Dataset) -> list[str]:
    """One line per output; branches that see the whole image are looked past, and a line says so."""
    from engine.summary import output_lines

    anyway, wholly = net.behind_global
    past = ds.attrs["globals"] == "include" and anyway != wholly
    lines = output_lines(net, size, entry, "skip", dataset=None if past else ds)
    if past:
        lines.append("(not counting branches that see the whole image; --globals skip shows every layer so)")
    return lines


def _matching(globs: str, net: Network, names: list[str]) -> list[int]:
    """Positions of the layers that patterns match; the plain name of a module is its last layer."""
    from fnmatch import fnmatchcase

    from engine.modules import module_layer

    patterns = [p.strip() for p in globs.split(",") if p.strip()]
    if not patterns:
        raise InputError("--layers is empty; give names or patterns, such as 'layer4*'")
    found: set[int] = set()
    for pattern in patterns:
        hits = {i for i, name in enumerate(names) if fnmatchcase(name, pattern)}
        if not hits:
            try:
                hits = {names.index(module_layer(net, pattern))}
            except ValueError:  # InputError is one
                raise InputError(f"--layers: no layer is called {pattern!r}; {nearest(pattern, names)}") from None
        found |= hits
    return sorted(found)
