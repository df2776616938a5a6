"""The verb check: faults of a network, each with a remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from rfscale.engine.errors import InputError, shown
from rfscale.sweeps.cli.help import OUTPUT
from rfscale.sweeps.cli.model import NetworkArgument, takes_network
from rfscale.sweeps.cli.options import (
    Fields,
    GlobalOps,
    InputSize,
    Plot,
    check_targets,
    fields_of,
    global_ops_of,
    size_of,
)


@takes_network
def check(
    context: typer.Context,
    network: NetworkArgument,
    input_size: InputSize = None,
    fail_on: Annotated[
        Literal["note", "warning", "error", "never"], typer.Option(help="Exit 1 if something of this level is found.")
    ] = "warning",
    format: Annotated[
        Literal["text", "json", "sarif"],
        typer.Option(metavar="text|json|sarif", help="How findings are written.", rich_help_panel=OUTPUT),
    ] = "text",
    level: Annotated[Literal["note", "warning", "error"], typer.Option(help="Leave out what is less severe.")] = "note",
    ignore: Annotated[
        list[str] | None, typer.Option("--ignore", metavar="RULE", help="Leave a rule out; repeatable.")
    ] = None,
    fields: Fields = None,
    global_ops: GlobalOps = "include",
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the findings here instead.", rich_help_panel=OUTPUT)
    ] = None,
    plot: Plot = None,
) -> None:
    """Find holes, aliasing, misaligned branches and other faults.

    Each finding names the layer, the figure, the limit it crossed and a remedy. Exit code 1 if anything of the level
    --fail-on is found. Sizes are the network's own unless --input-size says otherwise.

    Example: rfscale check resnet50 --fail-on error --format sarif --out resnet50.sarif
    """
    check_targets(None, plot)
    net = network.load(input_size)
    from rfscale.engine.analysis.check.check import check as compute
    from rfscale.engine.analysis.check.formats import written as formatted
    from rfscale.engine.analysis.check.rules import LEVELS, RULES

    for name in ignore or ():
        if name not in RULES:
            raise InputError(f"--ignore: there is no rule {shown(name)}", remedy=f"known: {', '.join(RULES)}")
    if out is not None:
        from rfscale.engine.files import check_folder

        check_folder(out.absolute().parent, "--out")
    found = compute(
        net, size_of(net, input_size, False), global_ops=global_ops_of(global_ops), fields=fields_of(fields)
    )
    findings = [f for f in found if f.rule not in (ignore or ())]
    kept = [f for f in findings if LEVELS.index(f.level) >= LEVELS.index(level)]
    text = formatted(kept, net, format, network.text if Path(network.text).is_file() else None)
    if out is None:
        from rfscale.sweeps.report.terminal import emit, say

        if format == "text":
            say(*text.splitlines())
        else:
            emit(text)
    else:
        from rfscale.engine.files import write_text

        write_text(text + "\n", out)
    if plot is not None:
        from rfscale.sweeps.report.pictures.findings import findings_figure
        from rfscale.sweeps.report.pictures.style import save

        save(findings_figure(kept, net.name, [layer.name for layer in net.layers]), plot)
    if fail_on != "never" and any(LEVELS.index(f.level) >= LEVELS.index(fail_on) for f in findings):
        raise typer.Exit(1)
