"""The verb networks: the built-in networks."""

from __future__ import annotations

from typing import Annotated

import typer

from rfscale.sweeps.cli.model import Model, takes_network
from rfscale.sweeps.cli.output import deliver


@takes_network
def networks(
    context: typer.Context,
    network: Annotated[
        Model | None,
        typer.Argument(metavar="NETWORK", help="Show the layers of this one; as for rfscale profile."),
    ] = None,
) -> None:
    """List the built-in networks, or the layers of one.

    With --format json the layers are a file that every verb reads as NETWORK.

    Example: rfscale networks resnet50
    """
    from rfscale.sweeps.report.tables.networks import layer_report, zoo_entries, zoo_table

    if network is None:
        note = "rfscale networks NAME shows layers and parameters; rfscale profile NAME the figures."
        deliver(context, zoo_entries(), zoo_table(), note)
    else:
        net = network.load()
        deliver(context, net.to_dict(), *layer_report(network.text, net))
