"""The verbs `rfscale validate` and `rfscale batch`.

Imports stand inside the functions: the help is shown without numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.errors import InputError, shown
from sweeps.commands.options import Model, Out, Plot, fold_of, quiet, takes_network


@takes_network
def validate(
    context: typer.Context,
    what: Annotated[
        Model,
        typer.Argument(
            metavar="NETWORK|SPACE|chains|gaussian",
            help="A network (as for rfscale profile), a space (.yaml, .json or module:space), chains: all chains of "
            "--kernel, --stride and --dilation, --depth layers each, or gaussian: path weights of such layers in a row "
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
    from sweeps.output import DATA, PICTURES, check_folder, check_target, write

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
    from sweeps.validation.report import report, save_plot, write_worst

    windows = numbers(kernel, "--kernel"), numbers(stride, "--stride"), numbers(dilation, "--dilation")
    ds, rows = _computed(what, windows, depth, random, seed, table=out is not None and out.suffix == ".csv")
    ds.attrs["command"] = context.obj["command"]
    from sweeps.tables import say

    written = []
    if worst:
        paths = write_worst(ds, worst)
        if paths:
            written.append(f"{len(paths)} networks in {worst}; replay one with: rfscale profile {paths[0]}")
    if out:
        write(ds, out)
        written.append(str(out))
    if plot:
        save_plot(ds, plot)
        written.append(str(plot))
    say(*report(ds, rows), *(f"written: {path}" for path in written))


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
    from sweeps.spaces.space import Space
    from sweeps.validation import chains
    from sweeps.validation import validate as compute

    rows = None
    if what.text in ("chains", "gaussian"):
        layers = 4 if depth is None else fold_of(depth)
        if layers is None:
            raise InputError(f"--depth all folds the table of a network; {what.text} need a number of layers")
        if what.text == "gaussian":
            from sweeps.validation.gaussian import gaussian

            return gaussian(*windows, layers), None
        subject: Any = chains(*windows, layers)
    else:
        rows = fold_of(depth)
        subject = space_of(what.text, [*what.given, *(["--depth"] if depth else [])])
        if subject is None:
            subject = what.load()
    if table and isinstance(subject, Space):  # said before minutes of work, not behind them
        raise InputError("--out: a report over a space is more than one .csv table; write .json, .zarr or .nc")
    with bar(f"validation of {subject.name}") as tick:
        return compute(subject, random=random, seed=seed, progress=tick), rows


def batch(
    context: typer.Context,
    runs: Annotated[Path, typer.Argument(metavar="RUNS.yaml", help="A list of runs; see examples/batch.yaml.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the results and the summary.")] = Path("batch"),
    against: Annotated[
        Path | None, typer.Option(metavar="SUMMARY", help="An earlier summary.json (or its folder) to compare with.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Do all runs again, also those that are done.")] = False,
) -> None:
    """Run sweeps, counts, validations and profiles in order.

    Each result carries its cost. A run that is done is not done again, and one that fails does not stop the others.
    Models are made and read as by the other verbs, with arg, example_input, unknown, axes and image as keys of a run.

    Example: rfscale batch examples/batch.yaml --out results
    """
    from sweeps.batch import check_against, compare, read_summary, run_batch, summary_table
    from sweeps.batch_entries import read_runs
    from sweeps.tables import progress, say

    entries = read_runs(runs)
    before = read_summary(against) if against else None
    if before is not None:
        check_against(entries, before)
    with progress("batch", len(entries)) as step:
        summary = run_batch(entries, out, runs.absolute().parent, step, fresh)
    if before is not None:
        summary = compare(summary, before)
    say(*summary_table(summary), f"written: {out / 'summary.json'}")
    failed = int((summary.status == "failed").sum())
    if failed:
        raise InputError(f"{failed} of {len(entries)} runs failed; the table says why, the others are done")


VERBS: tuple[Callable[..., None], ...] = (validate, batch)


def numbers(text: str, option: str) -> list[int]:
    """Return the whole numbers of a list such as "1-4,7"."""
    out: list[int] = []
    for part in text.split(","):
        low, dash, high = part.strip().partition("-")
        if not low.isdigit() or (dash and not high.isdigit()) or (dash and int(high) < int(low)):
            raise InputError(f"{option} is {shown(text)}; it must be whole numbers such as 1,3,5 or 1-7")
        out += range(int(low), int(high or low) + 1)
        if len(out) > 1000:
            raise InputError(f"{option} {text} has more than 1000 values")
    return out


def space_of(text: str, given: Sequence[str] = ()) -> Any:
    """Return the space that a file describes (stages) or a module holds; None where the text names something else.

    `given` are options that a space does not take.
    """
    from engine.loading import kind_of
    from engine.readers.files import read_mapping
    from sweeps.spaces.space import NetworkSpace, Space

    kind, space = kind_of(text), None
    if kind == "spec" and text.endswith((".yaml", ".yml", ".json")) and "stages" in read_mapping(text):
        space = Space.from_file(text)
    if kind == "python":
        from engine.factories import find

        with quiet():
            space = find(text)
    if not isinstance(space, Space | NetworkSpace):
        return None
    if given:
        raise InputError(f"{text} is a space; {given[0]} goes with networks")
    return space


@contextmanager
def bar(label: str) -> Iterator[Callable[[int, int], None] | None]:
    """Show the share that is done and the time left, on stderr when it is a terminal."""
    import sys

    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown_bar:
        task = shown_bar.add_task(label, total=1)
        yield lambda done, total: shown_bar.update(task, completed=done / total)
