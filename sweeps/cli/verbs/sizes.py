"""The verb sizes: the input sizes that a network takes."""

from __future__ import annotations

from typing import Annotated

import typer

from rfscale.engine.errors import Parameter
from rfscale.sweeps.cli.model import NetworkArgument, takes_network
from rfscale.sweeps.cli.options import Out, check_targets, pixels, write_data
from rfscale.sweeps.cli.output import deliver


@takes_network
def sizes(
    context: typer.Context,
    network: NetworkArgument,
    near: Annotated[
        str | None, typer.Option(metavar="HxW", help="Show the nearest valid sizes, and what to pad or to cut.")
    ] = None,
    count: Annotated[int, typer.Option(metavar="N", help="How many valid sizes to list.")] = 6,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify", help="Read the model, which runs its code, at these sizes, to see that it takes them."
        ),
    ] = False,
    out: Out = None,
) -> None:
    """Show which input sizes a network takes, and the smallest.

    By three rules: every map has an entry and merged maps fit; no entries at the end of a map are left unread; every
    stride divides the map that it reads, as in "a multiple of 32". Each axis by itself.

    Example: rfscale sizes unet --near 500x375
    """
    check_targets(out, None)
    wanted = pixels(near, Parameter("near"), "500 or 500x375")
    net = network.load()
    from rfscale.engine.analysis.questions.sizes import as_read, is_model, valid_sizes
    from rfscale.engine.readers.quiet import quiet
    from rfscale.sweeps.report.progress import progress
    from rfscale.sweeps.report.tables.sizes import sizes_report

    with progress(f"sizes of {net.name}"), quiet():
        if verify:
            found = valid_sizes(network.text, wanted, count, verify=True, **network.options)
        else:
            found = valid_sizes(net, wanted, count)
            if is_model(network.text, net):
                found.attrs["notes"] = [*found.attrs.get("notes", ()), as_read(net)]
    found.attrs["command"] = context.obj["command"]
    written = write_data(found, out)
    deliver(context, found, *sizes_report(found), written=written)
