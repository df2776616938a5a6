"""The verbs `rfscale validate` and `rfscale batch`.

Imports stand inside the functions: the help is shown without numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.errors import InputError, shown


def validate(
    context: typer.Context,
    what: Annotated[
        str,
        typer.Argument(
            metavar="NETWORK|SPACE|chains|gaussian",
            help="A network or a space (file, zoo name, module:name); chains: all chains of --kernel … --depth; "
            "gaussian: path weights of such layers in a row against the normal distribution.",
        ),
    ],
    kernel: Annotated[str, typer.Option(metavar="LIST", help="Of chains: kernels, such as 1-7 or 1,3,5.")] = "3",
    stride: Annotated[str, typer.Option(metavar="LIST", help="Of chains: strides.")] = "1",
    dilation: Annotated[str, typer.Option(metavar="LIST", help="Of chains: dilations.")] = "1",
    depth: Annotated[int, typer.Option(metavar="N", help="Of chains: layers.")] = 4,
    random: Annotated[
        int | None, typer.Option("--random", metavar="N", help="Draw N architectures instead of taking all.")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="S", help="Seed of --random.")] = 0,
    worst: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write the worst networks there, for rfscale profile.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write to .nc, .zarr, .csv or .json.")] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw a picture to .png or .svg.")] = None,
) -> None:
    """Set the analytic formulas against the exact figures, for one network or for millions.

    Example: rfscale validate chains --kernel 1-7 --stride 1-4 --depth 6
    """
    from sweeps.output import DATA, PICTURES, check_folder, check_target, write

    check_target(out, DATA, "--out")
    check_target(plot, PICTURES, "--plot")
    if worst:
        check_folder(worst.absolute().parent, "--worst")
        if worst.exists() and not worst.is_dir():
            raise InputError(f"--worst {worst} is a file; give the name of a folder")
    given = {"--kernel": kernel != "3", "--stride": stride != "1", "--dilation": dilation != "1", "--depth": depth != 4}
    if what not in ("chains", "gaussian") and any(given.values()):
        raise InputError(f"{next(k for k, v in given.items() if v)} goes with chains, not with {shown(what)}")
    if what == "gaussian" and (random is not None or worst):
        raise InputError(f"{'--worst' if worst else '--random'} is for spaces, not for gaussian")
    from sweeps.validation.report import report, save_plot, write_worst

    windows = numbers(kernel, "--kernel"), numbers(stride, "--stride"), numbers(dilation, "--dilation")
    ds = _computed(what, windows, depth, random, seed)
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
    say(*report(ds), *(f"written: {path}" for path in written))


def _computed(
    what: str, windows: tuple[list[int], list[int], list[int]], depth: int, random: int | None, seed: int
) -> Any:
    """Return the dataset that is asked for."""
    if what == "gaussian":
        from sweeps.validation.gaussian import gaussian

        return gaussian(*windows, depth)
    from sweeps.validation import chains
    from sweeps.validation import validate as compute

    subject: Any = chains(*windows, depth) if what == "chains" else load(what)
    with bar(f"validation of {subject.name}") as tick:
        return compute(subject, random=random, seed=seed, progress=tick)


def batch(
    context: typer.Context,
    runs: Annotated[Path, typer.Argument(metavar="RUNS.yaml", help="A list of runs; see examples/batch.yaml.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the results and the summary.")] = Path("batch"),
    against: Annotated[
        Path | None, typer.Option(metavar="SUMMARY", help="An earlier summary.json (or its folder) to compare with.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Do all runs again, also those that are done.")] = False,
) -> None:
    """Run sweeps, counts, validations and profiles in order; each result carries its cost.

    A run that is done is not done again, and one that fails does not stop the others.

    Example: rfscale batch examples/batch.yaml --out results
    """
    from sweeps.batch import check_against, compare, read_runs, read_summary, run_batch, summary_table
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


def load(text: str) -> Any:
    """Return a space where the file describes one (stages), a network otherwise."""
    import engine
    from engine.readers.files import read_mapping
    from sweeps.spaces.space import Space

    if text.endswith((".yaml", ".yml", ".json")) and "stages" in read_mapping(text):
        return Space.from_file(text)
    if ":" in text:
        from sweeps.commands.sweep import load_space

        try:
            return load_space(text)
        except InputError as error:
            if "must be a sweeps.Space" not in str(error):
                raise
    return engine.load(text)


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
