"""The verb sweep: describe a space, enumerate it into a store, or answer a question about it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rfscale.engine.errors import InputError
from rfscale.engine.variables import provenance
from rfscale.sweeps.cli.help import OUTPUT
from rfscale.sweeps.cli.options import Plot, how_many
from rfscale.sweeps.cli.output import deliver
from rfscale.sweeps.spaces.load import load_space

if TYPE_CHECKING:
    import xarray as xr

    from rfscale.sweeps.spaces.network_space import NetworkSpace
    from rfscale.sweeps.spaces.space import Space

    Answer = xr.Dataset | xr.DataArray


def sweep(
    context: typer.Context,
    space: Annotated[
        str, typer.Argument(metavar="SPACE", help="A .yaml or .json file, or module:space (file.py:space) from Python.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Every architecture, into a Zarr store (resumed if begun) or a .nc file; "
            "or the answer, to .csv, .json, .nc or .zarr; - is stdout, as JSON.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    count: Annotated[
        str | None,
        typer.Option(
            metavar="FIGURES", help="Numbers of architectures over figures, such as extent,jump; '' for one number."
        ),
    ] = None,
    best: Annotated[
        str | None,
        typer.Option(metavar="EXPRESSION", help="The architectures with the smallest value, such as macs or -extent."),
    ] = None,
    pareto: Annotated[
        str | None,
        typer.Option(
            metavar="EXPRESSIONS", help="The Pareto-optimal ones in two or three values, such as macs,-extent."
        ),
    ] = None,
    sample: Annotated[int | None, typer.Option(metavar="N", help="Draw N architectures, uniformly.")] = None,
    where: Annotated[
        str | None, typer.Option(metavar="CONDITIONS", help="Only those with, such as 'extent >= 400, density == 1'.")
    ] = None,
    k: Annotated[str, typer.Option("--k", metavar="K|all", help="How many of --best.")] = "10",
    seed: Annotated[int, typer.Option(metavar="S", help="Seed of --sample.")] = 0,
    stages: Annotated[str | None, typer.Option(metavar="NAMES", help="Only these stages, with commas between.")] = None,
    formulas: Annotated[
        bool, typer.Option("--formulas", help="The published and closed-form figures as well.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(metavar="N", help="Write the store from N Dask processes here.")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Write the store from the workers of this Dask scheduler.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(metavar="N", help="Threads of this process; by default all cores.")
    ] = None,
    plot: Plot = None,
) -> None:
    """Describe, list or question a space of architectures.

    Without options: its size, factors, states, and what a store would take. A store that was interrupted goes on
    with the same command.

    Example: rfscale sweep space.yaml --best macs --where "extent >= 400, density == 1"
    """
    asked = {"--count": count, "--best": best, "--pareto": pareto, "--sample": sample}
    question = _one([name for name, value in asked.items() if value is not None])
    given = {"--where": where, "--k": k != "10", "--seed": seed, "--workers": workers, "--scheduler": scheduler,
             "--stages": stages, "--formulas": formulas}  # fmt: skip
    _check_options(question, [name for name, value in given.items() if value], out)
    _check_files(out, plot, question)
    _set_threads(threads)
    loaded = load_space(space)
    from rfscale.sweeps.report.tables.spaces import answer_report, space_content, space_report

    written: list[object] = []
    data: Any
    lines: list[Any]
    if question:
        from rfscale.sweeps.report.datasets import write

        data = _ask(loaded, question, asked[question], where, how_many(k, "--k"), seed)
        data.attrs["command"] = context.obj["command"]
        lines = answer_report(data)
        if out:
            write(data, out)
            written.append(out)
    elif out:
        names = None if stages is None else [s.strip() for s in stages.split(",") if s.strip()]
        data, lines, file = _enumerate(loaded, out, names, formulas, workers, scheduler)
        written.append(file)
    else:
        from rfscale.sweeps.runs.describe import describe

        found = describe(loaded)
        data, lines = space_content(found, context.obj["command"]), space_report(found)
    if plot:
        from rfscale.sweeps.report.pictures.spaces import answer_figure
        from rfscale.sweeps.report.pictures.style import save

        save(answer_figure(data) if question else _space_figure(loaded), plot)
        written.append(plot)
    deliver(context, data, *lines, written=written)


def _space_figure(space: Any) -> Any:
    """Return the picture of a space."""
    from rfscale.sweeps.answers.count import extents_by_stage
    from rfscale.sweeps.report.pictures.spaces import space_figure
    from rfscale.sweeps.spaces.network_space import NetworkSpace

    if isinstance(space, NetworkSpace):
        raise InputError("--plot draws spaces of stages; for a NetworkSpace open the store and plot with xarray")
    return space_figure(space, extents_by_stage(space))


# what is asked for ---------------------------------------------------------------------------------------------------


def _one(asked: list[str]) -> str | None:
    if len(asked) > 1:
        raise InputError(f"{' and '.join(asked)} are different questions; ask one at a time")
    return asked[0] if asked else None


GOES_WITH = {
    "--where": ("--count", "--best", "--pareto", "--sample"),
    "--k": ("--best",),
    "--seed": ("--sample",),
    "--workers": ("--out",),
    "--scheduler": ("--out",),
    "--stages": ("--out",),
    "--formulas": ("--out",),
}


def _check_options(question: str | None, given: list[str], out: Path | None) -> None:
    """Refuse options that would have no effect."""
    mode = question or ("--out" if out else None)
    for option in given:
        if mode not in GOES_WITH[option]:
            goes = GOES_WITH[option]
            alone = " alone" if question and goes == ("--out",) else ""
            raise InputError(f"{option} goes with {' or '.join(goes)}{alone}")
    if "--workers" in given and "--scheduler" in given:
        raise InputError("--workers starts processes here, --scheduler uses those of a cluster; give one of them")


def _check_files(out: Path | None, plot: Path | None, question: str | None) -> None:
    from rfscale.engine.files import DATA, PICTURES, check_target

    check_target(plot, PICTURES, "--plot")
    if out is None:
        return
    if question:
        check_target(out, DATA, "--out")
        if (out / "done" / "lock").is_file():
            raise InputError(f"--out {out} is the store of a sweep; it is not replaced by an answer, give another name")
    elif out.suffix == ".nc":
        check_target(out, (".nc",), "--out")
    elif out.suffix in (".csv", ".json", ".h5", ".yaml", ".yml", ".txt"):
        raise InputError(f"--out {out}: every architecture goes to a Zarr store (any other name) or a .nc file")


def _set_threads(threads: int | None) -> None:
    if threads is None:
        return
    import numba

    most = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
    if not 1 <= threads <= most:
        raise InputError(argument="--threads", value=threads, remedy=f"this machine has 1 to {most}")
    numba.set_num_threads(threads)


# every architecture --------------------------------------------------------------------------------------------------


def _enumerate(
    space: Space | NetworkSpace,
    out: Path,
    stages: Sequence[str] | None,
    formulas: bool,
    workers: int | None,
    scheduler: str | None,
) -> tuple[dict[str, Any], list[Any], str]:
    """Write every architecture to a store or a netCDF file; return the summary as data and as lines, and the file."""
    from rfscale.sweeps.report.progress import progress

    label = f"sweep of {space.name}"
    if workers is not None and workers < 1:
        raise InputError(argument="--workers", value=workers, remedy="it must be at least 1")
    if out.suffix == ".nc":
        if workers or scheduler:
            raise InputError("--workers and --scheduler write stores; give --out a name without .nc")
        from rfscale.sweeps.machine import size_text
        from rfscale.sweeps.report.datasets import write
        from rfscale.sweeps.runs.run import run

        with progress(label):
            write(run(space, stages=stages, formulas=formulas), out)
        size = out.stat().st_size
        facts = {"architectures": space.size, "size": size}
        return _stored(space, facts), [f"{space.size:,} architectures of {space.name}"], f"{out}, {size_text(size)}"
    from rfscale.sweeps.report.tables.spaces import summary_report
    from rfscale.sweeps.runs.store.store import write_store

    with _client(workers, scheduler) as client, progress(label, architectures=space.size) as bar:
        try:
            summary = write_store(space, out, stages=stages, formulas=formulas, client=client, progress=bar.share)
        except KeyboardInterrupt:
            text = f"interrupted; {int(100 * bar.done)} % are stored in {out}, and the same command goes on"
            print(f"rfscale: {text}", file=sys.stderr)
            raise
    return _stored(space, vars(summary)), summary_report(space, summary), str(out)


def _stored(space: Space | NetworkSpace, facts: dict[str, Any]) -> dict[str, Any]:
    """What was written, as data."""
    return {"attrs": provenance("sweep", space=space.name), "records": [facts]}


@contextmanager
def _client(workers: int | None, scheduler: str | None) -> Iterator[Any]:
    if workers is None and scheduler is None:
        yield None
        return
    from rfscale.sweeps.runs.store.dask_workers import local_client, remote_client

    with local_client(workers) if workers else remote_client(str(scheduler)) as client:
        yield client


# answers -------------------------------------------------------------------------------------------------------------


def _ask(space: Any, question: str, value: Any, where: str | None, k: int | None, seed: int) -> Answer:
    from rfscale import sweeps as answers
    from rfscale.sweeps.report.progress import progress

    with progress(f"{question[2:]} of {space.name}") if isinstance(value, str) else nullcontext():
        if question == "--count":
            by = value if value.strip() else ()
            return answers.count(space, by, where, combinations=value.count(",") > 1)  # a table of three is mostly 0
        if question == "--best":
            return answers.best(space, value, _all(space, where) if k is None else k, where)
        if question == "--pareto":
            return answers.pareto(space, *(v.strip() for v in value.split(",")), where=where)
        return answers.sample(space, value, where, seed)


def _all(space: Any, where: str | None) -> int:
    """Number of the architectures that satisfy conditions, where that many can be listed."""
    from rfscale import sweeps as answers
    from rfscale.sweeps.answers.question import MAX_ROWS

    found = int(answers.count(space, where=where))
    if found > MAX_ROWS:
        remedy = f"give a number up to {MAX_ROWS:,}, or conditions with --where; --out STORE alone writes them all"
        raise InputError(f"--k all are {found:,} architectures", remedy=remedy)
    return max(1, found)
