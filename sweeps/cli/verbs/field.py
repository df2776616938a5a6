"""The verb field: what an entry of a model with its weights sees, measured and predicted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from rfscale.engine.errors import InputError
from rfscale.sweeps.cli.model import NetworkArgument, arguments, takes_network
from rfscale.sweeps.cli.options import Entry, InputSize, Out, Plot, check_targets, entry_of, pixels, write_data
from rfscale.sweeps.cli.output import deliver

if TYPE_CHECKING:
    import xarray as xr

Checkpoint = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Weights: .safetensors, or a state dict of torch.save.")
]


@takes_network
def field(
    context: typer.Context,
    network: NetworkArgument,
    layer: Annotated[str, typer.Argument(metavar="LAYER", help="Name of a module: the map that it returns.")],
    images: Annotated[
        str | None,
        typer.Option(
            metavar="DIR|noise", help="Measure on the pictures of a folder, or on noise; without, only predict."
        ),
    ] = None,
    checkpoint: Checkpoint = None,
    compare: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Another checkpoint, to set the fields of both side by side.")
    ] = None,
    count: Annotated[int | None, typer.Option(metavar="N", help="How many images; of noise 100.")] = None,
    protocol: Annotated[
        str, typer.Option(metavar="NAME", help="squared, luo2016, luo2016-signed or replknet.")
    ] = "squared",
    normalize: Annotated[str, typer.Option(metavar="imagenet|none", help="How pictures are normalized.")] = "imagenet",
    signs: Annotated[
        Literal["random", "kept"],
        typer.Option(help="Of weights, for the prediction: kept is nearer where filters add up what they see, slower."),
    ] = "random",
    seed: Annotated[int, typer.Option(metavar="N", help="Of noise and of the entry's random gradients.")] = 0,
    resume: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A .npz file that keeps the sums, to go on after a stop.")
    ] = None,
    input_size: InputSize = None,
    entry: Entry = "center",
    over: Annotated[Path | None, typer.Option(metavar="PICTURE", help="Draw the fields over this picture.")] = None,
    out: Out = None,
    plot: Plot = None,
) -> None:
    """Show what one entry of a model with its weights can see, is predicted to see, and sees.

    Fields in one frame: the exact footprint; predictions from the structure (path counts) and from the weights; and the
    gradient, measured on images. Needs PyTorch.

    Example: rfscale field timm:resnet18 layer3 --images noise --checkpoint trained.safetensors --plot fields.png

    Example: rfscale field model.py:Net backbone --images photos --checkpoint after.pt --compare before.pt
    """
    check_targets(out, plot)
    if over is not None and plot is None:
        raise InputError("draws a picture", argument="--over", remedy="give --plot as well")
    options = {"entry": entry_of(entry), "input_size": pixels(input_size), "protocol": protocol, "count": count}
    options |= {"normalize": normalize, "seed": seed, "signs": signs} | _reading(network)
    from rfscale.engine.analysis.fields.all_fields import all_fields
    from rfscale.engine.readers.quiet import quiet
    from rfscale.sweeps.report.progress import progress
    from rfscale.sweeps.report.tables.fields import comparison_lines, fields_report

    with progress(f"field of {layer}") as bar, quiet():

        def share(done: int, total: int | None) -> None:
            bar.share(done, total or done)

        def fields(of: Path | None, state: Path | None) -> xr.Dataset:
            return all_fields(network.text, layer, images, checkpoint=of, resume=state, progress=share, **options)

        found = fields(checkpoint, resume)
        other = None if compare is None else fields(compare, None)
    found.attrs["command"] = context.obj["command"]
    if plot and found.footprint.ndim != 2:
        raise InputError(
            f"draws two axes, the image has {found.footprint.ndim}", argument="--plot", remedy="give --out"
        )
    written = write_data(found, out)
    if plot:
        from rfscale.sweeps.report.pictures.fields import fields_figure
        from rfscale.sweeps.report.pictures.style import save

        save(fields_figure(found, over, other), plot)
        written.append(str(plot))
    lines = fields_report(found)
    if other is not None:
        lines += ["", *comparison_lines(other, found)]
    deliver(context, found, *lines, written=written)


def _reading(network: Any) -> dict[str, Any]:
    """Options of NETWORK that a model with weights takes."""
    given = network.reading()
    for key in ("unknown",):
        if key in given:
            raise InputError("no operators are left out of a model that runs", argument=f"--{key}")
    return {**given, "arguments": arguments(network.arg)}
