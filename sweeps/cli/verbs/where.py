"""The verb where: the place of entries on the image, and the entries of a place."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from rfscale.engine.errors import InputError
from rfscale.sweeps.cli.model import NetworkArgument, takes_network
from rfscale.sweeps.cli.options import (
    Finite,
    GlobalOps,
    InputSize,
    Out,
    check_targets,
    entry_of,
    fold_of,
    global_ops_of,
    numbers,
    size_of,
    write_data,
)
from rfscale.sweeps.cli.output import deliver


@takes_network
def where(
    context: typer.Context,
    network: NetworkArgument,
    layer: Annotated[
        str | None, typer.Argument(metavar="LAYER", help="Name of a layer or module; all, or nothing: every layer.")
    ] = None,
    entry: Annotated[
        list[str] | None, typer.Argument(metavar="Y X", help="Which entry of the map, from 0; without: its centre.")
    ] = None,
    input_size: InputSize = None,
    finite: Finite = False,
    pixel: Annotated[
        str | None,
        typer.Option(metavar="Y,X", help="Instead: which entries read this pixel, or the box that begins there."),
    ] = None,
    size: Annotated[str | None, typer.Option(metavar="HxW", help="With --pixel: pixels of the box.")] = None,
    global_ops: GlobalOps = "include",
    depth: Annotated[
        str | None, typer.Option(metavar="N|all", help="Fold the table of every layer by module, as profile does.")
    ] = None,
    out: Out = None,
) -> None:
    """Show where an entry of a map lies on the image.

    Its centre, its box, what of the box is padding, and what the entry reads. With --pixel the other way round: the
    entries of each map whose box has the pixel, and the one whose centre is nearest.

    Example: rfscale where resnet50 layer4 3 5 --input-size 224

    Example: rfscale where resnet50 layer4 --pixel 300,300 --size 80 --input-size 640
    """
    check_targets(out, None)
    rows = fold_of(depth)
    net = network.load(input_size)
    words = [*([] if layer is None else [layer]), *(entry or ())]
    name = None
    if words and (words[0] in net or numbers(words[0]) is None):
        name = None if words[0] == "all" and "all" not in net else words[0]
        words = words[1:]
    extent, how = size_of(net, input_size, finite), global_ops_of(global_ops)
    if pixel is None and size is not None:
        raise InputError("--size goes with --pixel", remedy="give both, or an entry")
    if pixel is not None and words:
        raise InputError(f"--pixel asks for entries, and {' '.join(words)} is one", remedy="leave one of them out")
    from rfscale.engine.analysis.questions.where import entries_at
    from rfscale.engine.analysis.questions.where import where as compute
    from rfscale.sweeps.report.progress import progress
    from rfscale.sweeps.report.tables.where import entries_report, where_report

    with progress(f"places of {net.name}"):
        found: Any
        if pixel is not None:
            at, box = _numbers("--pixel", pixel), 1 if size is None else _numbers("--size", size)
            found = entries_at(net, at, name, extent, how, size=box)
            report = entries_report(found, rows)
        else:
            found = compute(net, name, entry_of(",".join(words)) if words else "center", extent, how)
            report = where_report(found, rows)
    found.attrs["command"] = context.obj["command"]
    written = write_data(found, out)
    deliver(context, found, *report, written=written)


def _numbers(option: str, text: str) -> Any:
    found = numbers(text)
    if found is None:
        raise InputError(argument=option, value=text, remedy="give whole numbers, such as 120,80")
    return found[0] if len(found) == 1 else found
