"""The verb validate: where the formulas hold."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from rfscale.engine.errors import InputError, Parameter, shown
from rfscale.sweeps.cli.model import Model, takes_network
from rfscale.sweeps.cli.options import Out, Plot, fold_of
from rfscale.sweeps.cli.output import deliver
from rfscale.sweeps.report.progress import progress
from rfscale.sweeps.spaces.load import find_space


@takes_network
def validate(
    context: typer.Context,
    what: Annotated[
        Model,
        typer.Argument(
            metavar="NETWORK|SPACE|chains|gaussian",
            help="A network (as for rfscale profile), a space (.yaml, .json or module:space), chains: all chains of "
            "--kernel, --stride and --dilation, --depth layers each, or gaussian: path counts of such layers in a row "
            "against the normal distribution.",
        ),
    ],
    kernel: Annotated[str, typer.Option(metavar="LIST", help="Of chains: kernels, such as 1-7 or 1,3,5.")] = "3",
    stride: Annotated[str, typer.Option(metavar="LIST", help="Of chains: strides.")] = "1",
    dilation: Annotated[str, typer.Option(metavar="LIST", help="Of chains: dilations.")] = "1",
    depth: Annotated[
        str | None,
        typer.Option(
            metavar="N|all",
            help="Of chains: layers, 4 by default. Of a network: fold the table by module, as rfscale profile does.",
        ),
    ] = None,
    random: Annotated[
        int | None, typer.Option("--random", metavar="N", help="Of spaces: draw N architectures instead of taking all.")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="S", help="Seed of --random.")] = 0,
    worst: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Of spaces: write the worst networks there, as .json for rfscale profile."),
    ] = None,
    out: Out = None,
    plot: Plot = None,
) -> None:
    """Show where the formulas hold, for one network or for millions.

    Example: rfscale validate chains --kernel 1-7 --stride 1-4 --depth 6
    """
    from rfscale.engine.files import DATA, PICTURES, check_folder, check_target
    from rfscale.sweeps.report.datasets import write

    check_target(out, DATA, "--out")
    check_target(plot, PICTURES, "--plot")
    if worst:
        check_folder(worst.absolute().parent, "--worst")
        if worst.exists() and not worst.is_dir():
            raise InputError(f"--worst {worst} is a file; give the name of a folder")
    given = {"--kernel": kernel != "3", "--stride": stride != "1", "--dilation": dilation != "1"}
    if what.text not in ("chains", "gaussian") and any(given.values()):
        raise InputError(f"{next(k for k, v in given.items() if v)} goes with chains, not with {shown(what.text)}")
    if what.text == "gaussian" and (random is not None or worst):
        raise InputError(f"{'--worst' if worst else '--random'} is for spaces, not for gaussian")
    from rfscale.sweeps.report.tables.validation import report, write_worst

    windows = numbers(kernel, "--kernel"), numbers(stride, "--stride"), numbers(dilation, "--dilation")
    ds, rows = _computed(what, windows, depth, random, seed, table=out is not None and out.suffix == ".csv")
    ds.attrs["command"] = context.obj["command"]

    written = []
    if worst:
        paths = write_worst(ds, worst)
        if paths:
            written.append(f"{len(paths)} networks in {worst}; replay one with: rfscale profile {paths[0]}")
    if out:
        write(ds, out)
        written.append(str(out))
    if plot:
        from rfscale.sweeps.report.pictures.style import save
        from rfscale.sweeps.report.pictures.validation import validation_figure

        save(validation_figure(ds), plot)
        written.append(str(plot))
    deliver(context, ds, *report(ds, rows), written=written)


def _computed(
    what: Model,
    windows: tuple[list[int], list[int], list[int]],
    depth: str | None,
    random: int | None,
    seed: int,
    *,
    table: bool,
) -> tuple[Any, int | None]:
    """Return the dataset that is asked for, and how the table of a network is folded; `table`: it goes to a .csv."""
    from rfscale.sweeps.spaces.chains import chains
    from rfscale.sweeps.spaces.space import Space
    from rfscale.sweeps.validation.validate import validate as compute

    rows = None
    if what.text in ("chains", "gaussian"):
        layers = 4 if depth is None else fold_of(depth)
        if layers is None:
            raise InputError(f"--depth all folds the table of a network; {what.text} need a number of layers")
        if what.text == "gaussian":
            from rfscale.sweeps.validation.gaussian import gaussian

            return gaussian(*windows, layers), None
        subject: Any = chains(*windows, layers)
    else:
        rows = fold_of(depth)
        subject = find_space(what.text, [*map(Parameter, what.given), *(["--depth"] if depth else [])])
        if subject is None:
            subject = what.load()
    if table and isinstance(subject, Space):  # before minutes of work, not after them
        raise InputError("--out: a report over a space is more than one .csv table; write .json, .zarr or .nc")
    with progress(f"validation of {subject.name}") as bar:
        return compute(subject, random=random, seed=seed, progress=bar.share), rows


def numbers(text: str, option: str) -> list[int]:
    """Return the whole numbers of a list such as "1-4,7"."""
    out: list[int] = []
    for part in text.split(","):
        low, dash, high = part.strip().partition("-")
        if not low.isdigit() or (dash and not high.isdigit()) or (dash and int(high) < int(low)):
            raise InputError(argument=option, value=text, remedy="it must be whole numbers such as 1,3,5 or 1-7")
        out += range(int(low), int(high or low) + 1)
        if len(out) > 1000:
            raise InputError(f"{option} {text} has more than 1000 values")
    return out
