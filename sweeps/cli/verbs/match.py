"""The verb match: the levels of a network that are right for the sizes of objects."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, get_args

import typer

from rfscale.engine.errors import InputError
from rfscale.sweeps.cli.model import NetworkArgument, takes_network
from rfscale.sweeps.cli.options import (
    LABELS,
    Category,
    Fields,
    Finite,
    ImageSize,
    InputSize,
    Layers,
    Out,
    Plot,
    check_targets,
    fields_of,
    layers_of,
    numbers,
    size_of,
    write_data,
)
from rfscale.sweeps.cli.output import deliver
from rfscale.sweeps.report.tables.match import CSV_NOTE, match_report, stored_parts

FormatName = Literal["coco", "voc", "yolo", "ultralytics", "visdrone", "kitti", "dota", "csv", "parquet", "npy"]


@takes_network
def match(
    context: typer.Context,
    network: NetworkArgument,
    objects: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help=f"{LABELS}. Without it: COCO val2017."),
    ] = None,
    resize: Annotated[
        str | None,
        typer.Option(
            metavar="RULE",
            help="What training does first: letterbox=640, short=800,cap=1333, short=640-800,cap=1333, square=300, "
            "scale=0.5-2. Without it: none.",
        ),
    ] = None,
    entries: Annotated[
        float | None,
        typer.Option(metavar="N", help="Entries of a level that there must be across an object. Without it: 2."),
    ] = None,
    layers: Layers = None,
    rule: Annotated[
        Literal["entries", "width"],
        typer.Option(help="entries across an object and effective boxes; or the article's width against size."),
    ] = "entries",
    k: Annotated[
        int | None,
        typer.Option(
            "--k", metavar="N", help="Rule width: the best N maps. Without it: the outputs if several, else 4."
        ),
    ] = None,
    by: Annotated[
        Literal["width", "extent", "effective"] | None,
        typer.Option(help="Rule width: figure of a map that is compared with object sizes. Without it: width."),
    ] = None,
    objective: Annotated[
        Literal["tightness", "coverage"] | None,
        typer.Option(help="Rule width: what the best maps are best in. Without it: tightness."),
    ] = None,
    factor: Annotated[
        float | None,
        typer.Option(metavar="F", help="Rule width: a map covers objects within this factor. Without it: 2."),
    ] = None,
    category: Category = None,
    objects_format: Annotated[
        FormatName | None,
        typer.Option(metavar="FORMAT", help=f"Of --objects: {', '.join(get_args(FormatName))}."),
    ] = None,
    split: Annotated[
        Literal["train", "val", "test"] | None, typer.Option(help="Of data.yaml. Without it: the first that it has.")
    ] = None,
    images: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Pictures of the labels, for the sizes of the images.")
    ] = None,
    image_size: ImageSize = None,
    crowd: Annotated[bool, typer.Option(help="Count COCO's crowd regions as objects.")] = True,
    fields: Fields = None,
    input_size: InputSize = None,
    finite: Finite = False,
    out: Out = None,
    plot: Plot = None,
) -> None:
    """Say which levels of a detector are right for the object sizes of a data set, and whether it needs P2.

    A level is right for objects that have two of its entries across, and that are not larger than its effective box.

    Example: rfscale match yolov5s --objects data.yaml --resize letterbox=640 --plot match.png
    """
    check_targets(out, plot)
    net = network.load(input_size)
    from rfscale.engine.analysis.match.match import match as compute
    from rfscale.engine.objects.sizes import object_sizes
    from rfscale.sweeps.report.progress import progress

    with progress(f"match of {net.name}") as bar:
        bar.step("object sizes")
        sizes = object_sizes(
            objects,
            resize or "none",
            format=objects_format,
            images=images,
            image_size=_pair(image_size),
            split=split,
            crowd=crowd,
            categories=category,
        )
        bar.step("profile and effective boxes")
        found = compute(
            net,
            sizes,
            resize=resize,
            layers=layers_of(net, layers),
            rule=rule,
            entries=entries,
            k=k,
            by=by,
            objective=objective,
            factor=factor,
            fields=fields_of(fields),
            input_size=size_of(net, input_size, finite),
        )
    found.attrs["command"] = context.obj["command"]
    written = write_data(stored_parts(found, sizes, out), out)
    if out is not None and out.suffix == ".csv":
        written[0] += f": {CSV_NOTE[rule]}"
    if plot:
        from rfscale.sweeps.report.pictures.match import match_figure
        from rfscale.sweeps.report.pictures.style import save

        save(match_figure(found), plot)
        written.append(str(plot))
    data = stored_parts(found, sizes, Path("match.json"))
    deliver(context, data, *match_report(found, sizes), written=written)


def _pair(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    size = numbers(text)
    if size is None or len(size) > 2 or min(size) < 1:
        raise InputError(argument="--image-size", value=text, remedy="give height and width in pixels, such as 480x640")
    return size[0], size[-1]
