"""The verb footprint: the input pixels of one entry of one feature map."""

from __future__ import annotations

from typing import Annotated

import typer

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
    global_ops_of,
    size_of,
    write_data,
)
from rfscale.sweeps.cli.output import deliver


@takes_network
def footprint(
    context: typer.Context,
    network: NetworkArgument,
    layer: Annotated[str, typer.Argument(metavar="LAYER", help="Name of a layer, or of a module: what it returns.")],
    input_size: InputSize = None,
    finite: Finite = False,
    entry: Entry = "center",
    global_ops: GlobalOps = "include",
    counts: Annotated[
        bool,
        typer.Option(
            "--path-counts",
            help="Path counts instead of the set: all weights taken as equal (of a model: rfscale field).",
        ),
    ] = False,
    out: Out = None,
    plot: Plot = None,
) -> None:
    """Show the input pixels of one entry of one feature map.

    Example: rfscale footprint dilated5 conv5 --plot holes.png

    Example: rfscale footprint torchvision.models:resnet50 layer3 --path-counts --entry 7,7 --input-size 224
    """
    check_targets(out, plot)
    net = network.load(input_size)
    size, at, how = size_of(net, input_size, finite), entry_of(entry), global_ops_of(global_ops)
    from rfscale.engine.network.modules import module_layer
    from rfscale.sweeps.report.progress import progress
    from rfscale.sweeps.report.tables.footprint import footprint_report, path_counts_report

    name, field = module_layer(net, layer), None
    with progress(f"{'path counts' if counts else 'footprint'} of {name}"):
        if counts:
            from rfscale.engine.analysis.path_counts import path_counts
            from rfscale.engine.fields.mass_box import mass_box

            data = path_counts(net, name, at, size, how)
            field = mass_box(data)
            report = path_counts_report(data, field)
        else:
            from rfscale.engine.analysis.footprint import footprint as draw
            from rfscale.engine.analysis.footprint import footprint_figures

            data = draw(net, name, at, size, how)
            report = footprint_report(data, footprint_figures(data))
    data.attrs["command"] = context.obj["command"]
    written = write_data(data, out)
    if plot:
        from rfscale.sweeps.report.pictures.network import map_figure
        from rfscale.sweeps.report.pictures.style import save

        save(map_figure(data, field), plot)
        written.append(str(plot))
    deliver(context, data, *report, written=written)
