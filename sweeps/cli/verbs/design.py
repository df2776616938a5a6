"""The verb design: the architectures of a space whose maps fit the sizes of objects."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from rfscale.engine.errors import InputError, shown
from rfscale.sweeps.cli.help import OUTPUT
from rfscale.sweeps.cli.options import LABELS, Category, Factor, Plot, Resize
from rfscale.sweeps.cli.output import deliver


def design(
    context: typer.Context,
    space: Annotated[
        str, typer.Argument(metavar="SPACE", help="A .yaml or .json file, or module:space (file.py:space) from Python.")
    ],
    objects: Annotated[
        str,
        typer.Option(metavar="FILE", help=f"{LABELS}, or coco: COCO val2017."),
    ] = "coco",
    resize: Resize = "none",
    maps: Annotated[
        int, typer.Option(metavar="K", help="How many maps, at the ends of stages, the objects go to.")
    ] = 3,
    objective: Annotated[
        Literal["tightness", "coverage"],
        typer.Option(help="Least mean |log2(map / object)|, or most objects within --factor of a map."),
    ] = "tightness",
    cost: Annotated[
        Literal["auto", "macs", "params", "none"],
        typer.Option(help="Of designs that fit alike the cheapest comes first; auto: macs where the space has them."),
    ] = "auto",
    where: Annotated[
        str | None,
        typer.Option(
            metavar="CONDITIONS",
            help="Only those with, such as 'extent <= 800, macs <= 4e9'; of the chosen maps: 'chosen.density == 1, "
            "0.5 <= chosen.overlap <= 0.9, chosen.jump <= 32'.",
        ),
    ] = None,
    best: Annotated[int, typer.Option(metavar="N", help="How many designs.")] = 10,
    pareto: Annotated[bool, typer.Option("--pareto", help="Instead, all Pareto-optimal ones in fit and cost.")] = False,
    factor: Factor = 2.0,
    by: Annotated[
        Literal["width", "extent"], typer.Option(help="Figure of a map that is compared with object sizes.")
    ] = "width",
    category: Category = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Write each design as a spec file, and all to designs.csv.", rich_help_panel=OUTPUT
        ),
    ] = None,
    plot: Plot = None,
) -> None:
    """Find the architectures whose maps fit object sizes best.

    Of each architecture the K best maps count; of those that fit alike the cheapest comes first. Exact over spaces of
    any size: a shortest path over their states, not a search.

    Example: rfscale design space.yaml --objects coco --resize short=800,cap=1333 --maps 4 --pareto --out designs
    """
    from rfscale.engine.files import PICTURES, check_target

    check_target(plot, PICTURES, "--plot")
    from rfscale.engine.objects.sizes import object_sizes
    from rfscale.sweeps.answers.design.design import design as compute
    from rfscale.sweeps.report.pictures.designs import design_figure
    from rfscale.sweeps.report.progress import progress
    from rfscale.sweeps.report.tables.designs import check_out, design_report, write_designs
    from rfscale.sweeps.spaces.load import load_space
    from rfscale.sweeps.spaces.space import Space

    check_out(out)
    if pareto and best != 10:
        raise InputError("--pareto gives all Pareto-optimal designs; leave --best out")
    loaded = load_space(space)
    if not isinstance(loaded, Space):
        raise InputError(f"SPACE {shown(space)} is made of whole networks; design needs a space of stages")
    with progress(f"design from {loaded.name}") as bar:
        bar.step("object sizes")
        sizes = object_sizes(None if objects == "coco" else objects, resize, categories=category)
        bar.step("states and their best maps")
        price = None if cost == "none" else cost
        found = compute(
            loaded, sizes, maps, objective, price, where, best, pareto=pareto, factor=factor, by=by
        )  # fmt: skip
    found.attrs["command"] = context.obj["command"]
    written: list[object] = []
    if out:
        networks = (loaded.network(found.isel(rank=i)) for i in range(found.sizes["rank"]))
        written += write_designs(found, loaded, networks, out)
    if plot:
        from rfscale.sweeps.report.pictures.style import save

        save(design_figure(found, sizes), plot)
        written.append(plot)
    deliver(context, found, *design_report(found, loaded), written=written)
