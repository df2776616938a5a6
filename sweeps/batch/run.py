"""Batch runs: sweeps, counts, validations and profiles in order, each with its measured cost. See examples/batch.yaml.

Results lie in one folder, ``<name>.zarr`` each, beside ``summary.json``. A run that is done with the same entry is not
done again; a sweep that was interrupted goes on where it stopped. A run that fails is reported, and the next begins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rfscale.engine.errors import InputError, failure_text
from rfscale.engine.files import check_own_store
from rfscale.sweeps.batch.entries import Entry, entry_hash, file_wording, kind_of_entry, options_of, subject_of
from rfscale.sweeps.batch.summary import known_rows, summary_of
from rfscale.sweeps.machine import machine, measured

if TYPE_CHECKING:
    import xarray as xr


def run_batch(
    entries: list[Entry],
    out: Path,
    folder: Path,
    step: Callable[[str], object] = lambda _: None,
    rerun: bool = False,
    trust: bool = False,
) -> xr.Dataset:
    """Run all entries, and return the summary, which is also written to `out`/summary.json after every run.

    Parameters
    ----------
    entries : list of dict
        From `read_runs`.
    out : Path
        Folder of the results.
    folder : Path
        Where files that entries name are looked for.
    step : callable
        Called with the name of every run that begins.
    rerun : bool
        Run all entries again, also those that are done.
    trust : bool
        Entries may name Python code, and .pt2 files that hold some.
    """
    from rfscale.sweeps.report.datasets import write

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {out}: {error.strerror or error}") from None
    known = known_rows(out)
    rows: list[dict[str, Any]] = []
    for entry in entries:
        step(entry["name"])
        code, before = entry_hash(entry, folder), known.get(entry["name"])
        same = before is not None and before["entry_hash"] == code and before["status"] in ("done", "kept")
        if before and same and not rerun and _is_there(entry, out / f"{entry['name']}.zarr", folder, trust):
            rows.append({**before, "status": "kept"})
        else:
            stale = before is not None and before["entry_hash"] != code  # made from another entry: begin again
            # the summary names the entry before it runs: if it is killed, the same entry continues the sweep
            begun = {**_NOT_RUN, "run": entry["name"], "kind": kind_of_entry(entry), "entry_hash": code}
            write(summary_of([*rows, begun, *_later(entries, len(rows) + 1, known)]), out / "summary.json")
            rows.append(_run(entry, out, folder, trust, clear=rerun or stale) | {"entry_hash": code})
        write(summary_of([*rows, *_later(entries, len(rows), known)]), out / "summary.json")
    return summary_of(rows)


_NOT_RUN: dict[str, Any] = {
    "status": "running", "message": "", "architectures": 0,
    **dict.fromkeys(("wall_seconds", "cpu_seconds", "rate", "peak_memory"), float("nan")),
}  # fmt: skip


def _later(entries: list[Entry], first: int, known: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """The known rows of the entries that are still to come, so that a batch that is killed keeps them."""
    return [known[e["name"]] for e in entries[first:] if e["name"] in known]


def _is_there(entry: Entry, path: Path, folder: Path, trust: bool) -> bool:
    """Whether the result of an entry that is done is still there; of a sweep, all bytes of all its blocks."""
    if kind_of_entry(entry) != "sweep" or not path.is_dir():
        return path.is_dir()
    from rfscale.sweeps.runs.store.layout import Options, Plan

    try:
        plan = Plan(subject_of(entry, folder, trust), Options(str(path), **options_of(entry)))
        return all(map(plan.is_stored, range(plan.blocks)))
    except (Exception, SystemExit):  # it is run, and says what is wrong
        return False


def _clear(entry: Entry, path: Path) -> None:
    """Remove a store that this entry can neither continue nor replace, if rfscale wrote it and nobody added to it."""
    import shutil

    if (path / "zarr.json").is_file() and ((path / "done").is_dir() or kind_of_entry(entry) == "sweep"):
        check_own_store(path, "store")
        shutil.rmtree(path)


def _run(entry: Entry, out: Path, folder: Path, trust: bool, *, clear: bool) -> dict[str, Any]:
    """Run one entry, `clear`: without what is there; a failure is its status."""
    kind = kind_of_entry(entry)
    path = out / f"{entry['name']}.zarr"
    row: dict[str, Any] = {"run": entry["name"], "kind": kind, "status": "done", "message": ""}
    architectures = 0
    with measured() as cost:
        try:
            subject = subject_of(entry, folder, trust)
            if clear:
                _clear(entry, path)
            drawn = entry.get("random")
            architectures = min(drawn if isinstance(drawn, int) else getattr(subject, "size", 1), 2**62)
            data = _DO[kind](subject, options_of(entry), path)
            if isinstance(data, int):  # a store is written already
                architectures, data = data, None
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # whatever the code of a user or a library raises: the next entry is run
            row |= _failure(error)
            data = None
    rate = architectures / cost["wall_seconds"] if row["status"] == "done" else float("nan")
    row |= {**cost, "architectures": architectures, "rate": rate}
    if row["status"] == "done":
        try:
            _keep(data, path, {**cost, "rate": rate, **machine()})
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            row |= {**_failure(error), "rate": float("nan")}
    return row


def _failure(error: BaseException) -> dict[str, str]:
    left = f"the code of the entry ended Python: {error!r}" if isinstance(error, SystemExit) else None
    return {"status": "failed", "message": left or failure_text(error, file_wording)}


def _keep(data: xr.Dataset | xr.DataArray | None, path: Path, attrs: dict[str, Any]) -> None:
    """Write a result with its cost; the store of a sweep is there already."""
    if data is not None:
        from rfscale.sweeps.report.datasets import write

        data.attrs |= attrs
        write(data, path)
    else:
        import zarr

        zarr.open_group(path, mode="r+").attrs.update(attrs)


def _do_sweep(space: Any, options: Entry, path: Path) -> int:
    from rfscale.sweeps.runs.store.store import write_store

    return write_store(space, path, **options).architectures


def _do_count(space: Any, options: Entry, path: Path) -> xr.DataArray:
    from rfscale.sweeps.answers.count import count

    return count(space, **options)


def _do_validate(subject: Any, options: Entry, path: Path) -> xr.Dataset:
    from rfscale.sweeps.validation.validate import validate

    return validate(subject, **options)


def _do_profile(network: Any, options: Entry, path: Path) -> xr.Dataset:
    from rfscale.engine.analysis.profile import profile

    return profile(network, **options)


_DO: dict[str, Callable[[Any, Entry, Path], Any]] = {
    "sweep": _do_sweep, "count": _do_count, "validate": _do_validate, "profile": _do_profile,
}  # fmt: skip
