"""The verb networks: the built-in networks."""

from __future__ import annotations

from typing import Annotated

import typer

from rfscale.sweeps.cli.model import Model, takes_network


@takes_network
def networks(
    network: Annotated[
        Model | None,
        typer.Argument(metavar="NETWORK", help="Show the layers of this one; as for rfscale profile."),
    ] = None,
) -> None:
    """List the built-in networks, or the layers of one.

    Example: rfscale networks resnet50
    """
    from rfscale.sweeps.report.tables.networks import layer_report, zoo_table
    from rfscale.sweeps.report.terminal import say

    if network is None:
        say(zoo_table(), "rfscale networks NAME shows layers and parameters; rfscale profile NAME the figures.")
    else:
        say(*layer_report(network.text, network.load()))
