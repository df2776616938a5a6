"""The verb compare: two networks side by side."""

from __future__ import annotations

from typing import Annotated

import typer

from rfscale.sweeps.cli.model import NetworkArgument, takes_network
from rfscale.sweeps.cli.options import (
    Finite,
    GlobalOps,
    InputSize,
    Out,
    Plot,
    check_targets,
    fold_of,
    global_ops_of,
    size_of,
    write_data,
)
from rfscale.sweeps.cli.output import deliver


@takes_network
def compare(
    context: typer.Context,
    network: NetworkArgument,
    other: Annotated[str, typer.Argument(metavar="OTHER", help="The second network, in the same words as the first.")],
    other_arg: Annotated[
        list[str] | None,
        typer.Option("--other-arg", metavar="KEY=VALUE", help="As --arg, of the second network alone; repeatable."),
    ] = None,
    input_size: InputSize = None,
    finite: Finite = False,
    global_ops: GlobalOps = "skip",
    effective: Annotated[
        bool, typer.Option("--effective/--no-effective", help="With the effective boxes of the outputs, or without.")
    ] = True,
    every: Annotated[bool, typer.Option("--every", help="Show the layers that are equal, too.")] = False,
    depth: Annotated[
        str | None, typer.Option(metavar="N|all", help="Fold the table by module, as profile does.")
    ] = None,
    out: Out = None,
    plot: Plot = None,
) -> None:
    """Show two networks side by side: what differs, and what is equal.

    Layers of one name are compared, then the outputs, then what stands in the same order. Two checkpoints of one
    structure are equal, whatever their weights. The options that say how a model is read go for both.

    Example: rfscale compare resnet50 resnet101 --plot both.png

    Example: rfscale compare resnet50 resnet50 --other-arg stride_in=1x1
    """
    check_targets(out, plot)
    rows = fold_of(depth)
    first, second = network.load(input_size), network.another(other, other_arg).load(input_size)
    size, how = size_of(first, input_size, finite), global_ops_of(global_ops)
    from rfscale.engine.analysis.questions.compare import compare as compute
    from rfscale.sweeps.report.progress import progress
    from rfscale.sweeps.report.tables.compare import compare_report

    with progress(f"{first.name} and {second.name}"):
        found = compute(first, second, size, global_ops=how, effective=effective)
    found.attrs["command"] = context.obj["command"]
    written = write_data(found, out)
    if plot:
        from rfscale.sweeps.report.pictures.compare import compare_figure
        from rfscale.sweeps.report.pictures.style import save

        save(compare_figure(found), plot)
        written.append(str(plot))
    deliver(context, found, *compare_report(found, rows, every), written=written)
