"""The verb explore: a page of a network, or of a space, that opens in any browser."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rfscale.engine.errors import InputError, Parameter
from rfscale.sweeps.cli.help import OUTPUT
from rfscale.sweeps.cli.model import Model, takes_network
from rfscale.sweeps.cli.options import (
    LABELS,
    Category,
    GlobalOps,
    ImageSize,
    InputSize,
    global_ops_of,
    pixels,
)
from rfscale.sweeps.cli.output import deliver

if TYPE_CHECKING:
    from rfscale.sweeps.report.page.page import Page


@takes_network
def explore(
    context: typer.Context,
    what: Annotated[
        Model,
        typer.Argument(
            metavar="NETWORK|SPACE",
            help="A network (as for rfscale profile), or a space (.yaml, .json or module:space).",
        ),
    ],
    objects: Annotated[Path | None, typer.Option(metavar="FILE", help=f"{LABELS}. Without it: COCO val2017.")] = None,
    resize: Annotated[
        str | None,
        typer.Option(
            metavar="RULE",
            help="What training does first: letterbox=640, short=800,cap=1333, square=300. Without it: a choice.",
        ),
    ] = None,
    photo: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A picture that is shown under the footprints; --image FILE.jpg, too."),
    ] = None,
    input_size: InputSize = None,
    more_sizes: Annotated[
        str | None,
        typer.Option(metavar="LIST", help="Further sizes that the page offers, such as 320,480x640."),
    ] = None,
    global_ops: GlobalOps = "include",
    category: Category = None,
    image_size: ImageSize = None,
    objective: Annotated[
        list[str] | None,
        typer.Option("--objective", metavar="TEXT", help="Of a space: two objectives of the front; give it twice."),
    ] = None,
    where: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Of a space: a condition, as for rfscale sweep.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The page, .html, or what it draws, .json. Without it: NAME.html.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
) -> None:
    """Write one page to look at: what a network sees, and which maps fit your objects; no server, no requests.

    A picture file after --image is the photo of the page; any other text there is the name of a model's input.

    Example: rfscale explore fpn-resnet50 --resize letterbox=640 --out net.html

    Example: rfscale explore examples/resnet-like.yaml --objective macs --objective=-extent
    """
    from rfscale.engine.files import check_target
    from rfscale.sweeps.explorer.explore import explore as compute
    from rfscale.sweeps.report.page.page import SUFFIXES, is_photo
    from rfscale.sweeps.report.progress import progress
    from rfscale.sweeps.spaces.load import find_space
    from rfscale.sweeps.spaces.space import Space

    check_target(out, SUFFIXES, "--out")
    pictures: dict[str, Any] = {"photo": photo}
    if photo is None and is_photo(what.image):
        pictures, what = {"image": what.image}, replace(what, image=None)
    of_network: dict[str, object] = {"objects": objects, "resize": resize, **pictures, "input_size": input_size}
    of_network |= {"more_sizes": more_sizes, "category": category, "image_size": image_size}
    given = [Parameter(name) for name, value in of_network.items() if value is not None]
    space = find_space(what.text, [*map(Parameter, what.given), *given])
    if space is not None:
        if not isinstance(space, Space):
            raise InputError("is no space of chains, of which there are fronts", argument=what.text)
        with progress(f"page of {space.name}"):
            page = compute(space, objectives=objective or (), where=where)
    else:
        for name, value in (("objective", objective), ("where", where)):
            if value:
                raise InputError((Parameter(name), " is for spaces"), argument=what.text)
        network = what.load(input_size)
        source = {"categories": category, "image_size": _pair(image_size)}
        with progress(f"page of {network.name}"):
            page = compute(
                network,
                objects,
                resize=resize,
                input_size=pixels(input_size),
                more_sizes=_sizes(more_sizes),
                global_ops=global_ops_of(global_ops),
                source=source,
                **pictures,
            )
    _deliver(context, page, out)


def _deliver(context: typer.Context, page: Page, out: Path | None) -> None:
    """Write the page, unless it is to be printed as JSON alone."""
    document, written = page.document, []
    if out is not None or context.obj.get("format") != "json":
        target = out or Path(re.sub(r"[^\w.-]+", "-", document["name"]).strip(".-")[:80] or "page").with_suffix(".html")
        written.append(f"{page.save(target)} ({target.stat().st_size / 1000:.0f} kB), for any browser")
    deliver(context, document, *document["verdict"], written=written)


def _pair(text: str | None) -> tuple[int, int] | None:
    size = pixels(text, Parameter("image_size"), "480x640")
    if size is None or isinstance(size, int):
        return None if size is None else (size, size)
    return size[0], size[-1]


def _sizes(text: str | None) -> list[int | list[int]]:
    sizes = [pixels(part, Parameter("more_sizes"), "320,480x640") for part in (text or "").split(",") if part.strip()]
    return [size for size in sizes if size is not None]
