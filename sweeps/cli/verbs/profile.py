"""The verb profile: the figures of every layer of a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from rfscale.engine.errors import InputError, nearest
from rfscale.sweeps.cli.model import NetworkArgument, takes_network
from rfscale.sweeps.cli.options import (
    Entry,
    Finite,
    GlobalOps,
    InputSize,
    Out,
    Plot,
    check_targets,
    entry_of,
    fold_of,
    global_ops_of,
    size_of,
    write_data,
)
from rfscale.sweeps.cli.output import deliver

if TYPE_CHECKING:
    from rfscale.engine.columns import Columns
    from rfscale.engine.network.network import Network


@takes_network
def profile(
    context: typer.Context,
    network: NetworkArgument,
    input_size: InputSize = None,
    finite: Finite = False,
    entry: Entry = "center",
    global_ops: GlobalOps = "include",
    depth: Annotated[
        str | None,
        typer.Option(
            metavar="N|all",
            help="Fold the table by module: one row for all layers whose names share N parts, with the figures of the "
            "layer that the module returns. Without: as deep as fits a screen. Files and pictures get every layer.",
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
    """Show the receptive field of every layer, exactly and by the formulas.

    The table is folded by module to fit a screen. Below it stands a line for each output: extent, stride, padding,
    holes, overlap, and the box that holds 95 % of the paths. Without an input size footprints have no borders.

    Example: rfscale profile resnet50 --input-size 224 --out resnet50.csv --plot resnet50.png

    Example: rfscale profile torchvision.models:resnet50 --arg weights=None --depth 1

    NETWORK_FORMS
    """
    check_targets(out, plot)
    chosen = layers is not None or outputs_only
    rows = None if chosen and depth is None else fold_of(depth)
    net = network.load(input_size)
    size, at, how = size_of(net, input_size, finite), entry_of(entry), global_ops_of(global_ops)
    names = list(net.outputs) if outputs_only else [layer.name for layer in net.layers]
    asked = _matching(layers, net, names) if layers is not None else names if outputs_only else None
    from rfscale.engine.analysis.profile import profile_columns
    from rfscale.sweeps.report.progress import progress
    from rfscale.sweeps.report.tables.profile import profile_report

    with progress(f"profile of {net.name}") as bar:
        found = profile_columns(net, size, at, how, asked)
        bar.step("outputs")
        outputs = [] if layers is not None else _output_lines(net, size, at, found)
    found.attrs["command"] = context.obj["command"]
    written = write_data(found, out)
    if plot:
        from rfscale.sweeps.report.pictures.network import profile_figure
        from rfscale.sweeps.report.pictures.style import save

        save(profile_figure(found.dataset()), plot)
        written.append(str(plot))
    deliver(context, found, *profile_report(found, rows, outputs), written=written)


# rows of a profile --------------------------------------------------------------------------------------------------


def _output_lines(net: Network, size: Any, entry: Any, found: Columns) -> list[str]:
    """One line per output; branches with a global receptive field are left out, and a line says so."""
    from rfscale.engine.analysis.output_lines import output_lines

    anyway, wholly = net.global_layers
    past = found.attrs["global_ops"] == "include" and anyway != wholly
    lines = output_lines(net, size, entry, "skip", dataset=None if past else found)
    if past:
        lines.append("(without branches of a global receptive field; --global-ops skip shows every layer so)")
    return lines


def _matching(globs: str, net: Network, names: list[str]) -> list[str]:
    """Names of the layers that patterns match; the plain name of a module is what it returns."""
    from fnmatch import fnmatchcase

    from rfscale.engine.network.modules import module_layers

    patterns = [p.strip() for p in globs.split(",") if p.strip()]
    if not patterns:
        raise InputError("--layers is empty; give names or patterns, such as 'layer4*'")
    found: set[str] = set()
    for pattern in patterns:
        hits = {name for name in names if fnmatchcase(name, pattern)}
        if not hits:
            try:
                hits = {names[names.index(layer)] for layer in module_layers(net, pattern)}
            except ValueError:  # InputError is one
                raise InputError(f"--layers: no layer is called {pattern!r}; {nearest(pattern, names)}") from None
        found |= hits
    return [name for name in names if name in found]
