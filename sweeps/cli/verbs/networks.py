"""The verb networks: the built-in networks, and the surveyed models of libraries."""

from __future__ import annotations

from typing import Annotated

import typer

from rfscale.engine.errors import InputError
from rfscale.sweeps.cli.model import Model, takes_network
from rfscale.sweeps.cli.output import deliver


@takes_network
def networks(
    context: typer.Context,
    network: Annotated[
        Model | None,
        typer.Argument(metavar="NETWORK", help="Show the layers of this one; as for rfscale profile."),
    ] = None,
    survey: Annotated[
        str | None,
        typer.Option(
            metavar="PATTERN",
            help="Figures of models of libraries, from a survey in the package: 'resnet*', 'timm:*', timm:resnet50d.",
        ),
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Of a survey: model, stride, extent, effective, density, params, macs, layers, seconds.",
        ),
    ] = None,
) -> None:
    """List the built-in networks, the layers of one, or what a survey of libraries found.

    With --format json the layers are a file that every verb reads as NETWORK.

    Example: rfscale networks resnet50
    """
    from rfscale.sweeps.report.tables.networks import layer_report, zoo_entries, zoo_table

    if survey is not None:
        if network is not None:
            raise InputError(argument="--survey", value=survey, remedy="give it without NETWORK")
        from rfscale.engine.zoo.survey.zoo_survey import zoo_survey
        from rfscale.sweeps.report.tables.survey import survey_report

        found = zoo_survey(survey)
        deliver(context, found, *survey_report(found, sort or "model"))
    elif sort is not None:
        raise InputError(argument="--sort", value=sort, remedy="it goes with --survey PATTERN")
    elif network is None:
        note = (
            "rfscale networks NAME shows layers and parameters; rfscale profile NAME the figures; "
            "rfscale networks --survey 'resnet*' models of libraries."
        )
        deliver(context, zoo_entries(), zoo_table(), note)
    else:
        net = network.load()
        deliver(context, net.to_dict(), *layer_report(network.text, net))
