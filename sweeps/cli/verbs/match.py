"""The verb match: the feature maps of a network that fit the sizes of objects."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from rfscale.engine.errors import InputError
from rfscale.sweeps.cli.model import NetworkArgument, takes_network
from rfscale.sweeps.cli.options import (
    Category,
    Factor,
    Finite,
    ImageSize,
    InputSize,
    Layers,
    Out,
    Plot,
    Resize,
    check_targets,
    layers_of,
    numbers,
    size_of,
    write_data,
)
from rfscale.sweeps.cli.output import deliver
from rfscale.sweeps.report.tables.match import CSV_NOTE, match_report, stored_parts


@takes_network
def match(
    context: typer.Context,
    network: NetworkArgument,
    objects: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="COCO .json, .csv, .parquet, .npy, or a folder of VOC or YOLO files. Without it: COCO val2017.",
        ),
    ] = None,
    resize: Resize = "none",
    layers: Layers = None,
    k: Annotated[
        int | None,
        typer.Option(
            "--k", metavar="N", help="Choose the best N maps of all layers. Without: the outputs if several, else 4."
        ),
    ] = None,
    by: Annotated[
        Literal["width", "extent", "effective"],
        typer.Option(help="Figure of a map that is compared with object sizes."),
    ] = "width",
    objective: Annotated[
        Literal["tightness", "coverage"], typer.Option(help="What the best maps are best in.")
    ] = "tightness",
    factor: Factor = 2.0,
    category: Category = None,
    objects_format: Annotated[
        Literal["coco", "voc", "yolo", "csv", "parquet", "npy"] | None, typer.Option(help="Format of --objects.")
    ] = None,
    images: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Pictures of a YOLO folder, for their sizes.")
    ] = None,
    image_size: ImageSize = None,
    crowd: Annotated[bool, typer.Option(help="Count COCO's crowd regions as objects.")] = True,
    input_size: InputSize = None,
    finite: Finite = False,
    out: Out = None,
    plot: Plot = None,
) -> None:
    """Compare the receptive fields of layers with the object sizes of a data set.

    It chooses the maps that fit the objects best, and says which objects none fits.

    Example: rfscale match resnet50 --objects instances_train2017.json --resize short=800,cap=1333 --k 4 --plot fit.png
    """
    check_targets(out, plot)
    net = network.load(input_size)
    from rfscale.engine.analysis.match import match as compute
    from rfscale.engine.objects.sizes import object_sizes
    from rfscale.sweeps.report.progress import progress

    with progress(f"match of {net.name}") as bar:
        bar.step("object sizes")
        sizes = object_sizes(
            objects,
            resize,
            format=objects_format,
            images=images,
            image_size=_pair(image_size),
            crowd=crowd,
            categories=category,
        )
        bar.step("profile and effective boxes")
        found = compute(
            net,
            sizes,
            layers=layers_of(net, layers),
            k=k,
            by=by,
            objective=objective,
            factor=factor,
            input_size=size_of(net, input_size, finite),
        )
    found.attrs["command"] = context.obj["command"]
    written = write_data(stored_parts(found, sizes, out), out)
    if out is not None and out.suffix == ".csv":
        written[0] += f": {CSV_NOTE}"
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
