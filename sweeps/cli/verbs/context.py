"""The verb context: how far back and ahead a network reads along time."""

from __future__ import annotations

from typing import Annotated

import typer

from rfscale.sweeps.cli.model import NetworkArgument, takes_network
from rfscale.sweeps.cli.options import GlobalOps, Layers, Out, check_targets, global_ops_of, layers_of, write_data
from rfscale.sweeps.cli.output import deliver


@takes_network
def context(
    context: typer.Context,
    network: NetworkArgument,
    rate: Annotated[
        float | None, typer.Option(metavar="HZ", help="Samples per second: times in milliseconds too.")
    ] = None,
    layers: Layers = None,
    axis: Annotated[
        str | None, typer.Option(metavar="x|y|z", help="The axis that is time, of networks with several.")
    ] = None,
    global_ops: GlobalOps = "include",
    out: Out = None,
) -> None:
    """Show how far a network along time reads back and ahead.

    Past and lookahead of each output, the hop from one to the next, and the latency, in samples and milliseconds.
    Whether it is causal, and in what pieces a stream can be cut.

    Example: rfscale context wavenet --rate 16000
    """
    check_targets(out, None)
    net = network.load()
    from rfscale.engine.analysis.questions.context import context as compute
    from rfscale.sweeps.report.progress import progress
    from rfscale.sweeps.report.tables.context import context_report

    with progress(f"context of {net.name}"):
        found = compute(net, rate, layers=layers_of(net, layers), axis=axis, global_ops=global_ops_of(global_ops))
    found.attrs["command"] = context.obj["command"]
    written = write_data(found, out)
    deliver(context, found, *context_report(found), written=written)
