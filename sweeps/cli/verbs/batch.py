"""The verb batch: many runs that one file lists."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rfscale.engine.errors import InputError
from rfscale.sweeps.cli.help import OUTPUT
from rfscale.sweeps.cli.output import deliver


def batch(
    context: typer.Context,
    runs: Annotated[Path, typer.Argument(metavar="RUNS.yaml", help="A list of runs; see examples/batch.yaml.")],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder for the results and the summary.", rich_help_panel=OUTPUT)
    ] = Path("batch"),
    against: Annotated[
        Path | None, typer.Option(metavar="SUMMARY", help="An earlier summary.json (or its folder) to compare with.")
    ] = None,
    rerun: Annotated[bool, typer.Option("--rerun", help="Do all runs again, also those that are done.")] = False,
    trust: Annotated[
        bool, typer.Option("--trust", help="Runs may name Python code, module:factory, and .pt2 files with code.")
    ] = False,
) -> None:
    """Run sweeps, counts, validations and profiles in order.

    Each result carries its cost. A run that is done is not done again, and one that fails does not stop the others.
    Models are made and read as by the other verbs, with arg, example_input, unknown, axes and image as keys of a run.

    Example: rfscale batch examples/batch.yaml --out results
    """
    from rfscale.sweeps.batch.entries import read_runs
    from rfscale.sweeps.batch.run import run_batch
    from rfscale.sweeps.batch.summary import check_against, compare, read_summary
    from rfscale.sweeps.report.progress import progress
    from rfscale.sweeps.report.tables.batch import summary_table

    entries = read_runs(runs)
    before = read_summary(against) if against else None
    if before is not None:
        check_against(entries, before)
    with progress("batch", len(entries)) as bar:
        summary = run_batch(entries, out, runs.absolute().parent, bar.step, rerun, trust)
    if before is not None:
        summary = compare(summary, before)
    deliver(context, summary, *summary_table(summary), written=[out / "summary.json"])
    failed = int((summary.status == "failed").sum())
    if failed:
        raise InputError(f"{failed} of {len(entries)} runs failed; the table says why, the others are done")
