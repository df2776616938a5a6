"""Batch runs: sweeps, counts, validations and profiles in order, each with its measured cost. See examples/batch.yaml.

Results lie in one folder, ``<name>.zarr`` each, beside ``summary.json``. A run that is done with the same entry is not
done again; a sweep that was interrupted goes on where it stopped. A run that fails is reported, and the next begins.

A model is made and read as the verbs do it: ``{profile: timm:create_model, arg: {model_name: resnet26d}}``.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import InputError, nearest, shown
from engine.spec import listed
from sweeps.commands.options import READING
from sweeps.machine import machine, measured

if TYPE_CHECKING:
    import xarray as xr

KINDS = {
    "sweep": ("stages", "formulas"),
    "count": ("by", "where", "bins"),
    "validate": ("random", "seed", "worst", *READING),
    "profile": ("input_size", "entry", "globals", *READING),
}
Entry = dict[str, Any]
COLUMNS = {
    "kind": ("1", "what was run"),
    "status": ("1", "done, kept (done before), failed, or running (it was stopped there)"),
    "wall_seconds": ("s", "wall time"),
    "cpu_seconds": ("s", "CPU time of all threads"),
    "architectures": ("1", "architectures (of a network: 1)"),
    "rate": ("1/s", "architectures per second of wall time"),
    "peak_memory": ("byte", "largest resident memory"),
    "message": ("1", "why it failed"),
    "entry_hash": ("1", "hash of the run's entry"),
}


def read_runs(path: Path) -> list[Entry]:
    """Return the checked entries of a YAML or JSON file."""
    from engine.readers.files import read_mapping

    runs = listed(read_mapping(path).get("runs"))
    if not runs:
        raise InputError(f"{path}: a batch needs 'runs', a list of at least one")
    names: set[str] = set()
    for i, entry in enumerate(runs, start=1):
        try:
            _check(entry, names)
        except InputError as error:
            raise InputError(f"{path}: run {i}: {error}") from None
        names.add(entry["name"])
    return [dict(e) for e in runs]


def _check(entry: object, names: set[str]) -> None:
    if not isinstance(entry, Mapping):
        raise InputError(f"{shown(entry)}; it must be a mapping such as {{name: r50, profile: resnet50}}")
    name = entry.get("name")
    if not isinstance(name, str) or not name or not name.replace("-", "").replace("_", "").isalnum():
        raise InputError(f"name is {shown(name)}; it must be letters, digits, - and _, as it names a file")
    if name in names:
        raise InputError(f"two runs are named {name!r}; names must differ")
    kinds = [k for k in KINDS if k in entry]
    if len(kinds) != 1:
        raise InputError(f"{name!r} needs one of {', '.join(KINDS)}; it has {', '.join(kinds) or 'none'}")
    for key in entry:
        if key not in ("name", kinds[0], *KINDS[kinds[0]]):
            raise InputError(f"{name!r} has no {shown(key)}; {nearest(key, ('name', *KINDS, *KINDS[kinds[0]]))}")

    _check_reading(entry, kinds[0])


def _check_reading(entry: Mapping[str, Any], kind: str) -> None:
    """Check what says how a model is made and read."""
    for key, (fits, wanted) in _READS.items():
        if key in entry and not fits(entry[key]):
            raise InputError(f"{entry['name']!r}: {key} is {shown(entry[key])}; it must be {wanted}")
        if key in entry and key in READING and not isinstance(entry[kind], str):
            raise InputError(f"{entry['name']!r}: {key} goes with the name of a network, and {kind} describes one")


def _are_whole(given: object, least: int) -> bool:
    """Whether something is a list of whole numbers."""
    return isinstance(given, list) and all(type(n) is int and n >= least for n in given) and bool(given)


_READS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "arg": (
        lambda v: isinstance(v, Mapping) and all(isinstance(k, str) and k.isidentifier() for k in v),
        "a mapping such as {weights: null}",
    ),
    "example_input": (
        lambda v: _are_whole(v, 1) or (isinstance(v, list) and bool(v) and all(_are_whole(n, 1) for n in v)),
        "batch, channels and pixels such as [1, 3, 224, 224], or a list of such lists",
    ),
    "unknown": (
        lambda v: isinstance(v, str | Mapping),
        "pointwise, everything, or {flip: pointwise}",
    ),
    "axes": (lambda v: _are_whole(v, -64), "a list of dims such as [1, 2]"),
    "image": (lambda v: isinstance(v, str), "the name of an input"),
    "input_size": (
        lambda v: v is None or _are_whole(v if isinstance(v, list) else [v], 1),
        "pixels such as 224 or [480, 640]",
    ),
}


def run_batch(
    entries: list[Entry], out: Path, folder: Path, step: Callable[[str], object] = lambda _: None, fresh: bool = False
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
    fresh : bool
        Do all again.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {out}: {error.strerror or error}") from None
    known = _known(out)
    rows: list[dict[str, Any]] = []
    for entry in entries:
        step(entry["name"])
        code, before = _hash(entry, folder), known.get(entry["name"])
        same = before is not None and before["entry_hash"] == code and before["status"] in ("done", "kept")
        if before and same and not fresh and (out / f"{entry['name']}.zarr").is_dir():
            rows.append({**before, "status": "kept"})
        else:
            stale = before is not None and before["entry_hash"] != code  # made from another entry: begin anew
            if fresh or stale:
                _clear(entry, out, known=before is not None)
            # the entry is written down before it is run: killed in the middle, a sweep goes on if it is still the same
            begun = {**_NOT_RUN, "run": entry["name"], "kind": _kind(entry), "entry_hash": code}
            _write(_summary([*rows, begun, *_later(entries, len(rows) + 1, known)]), out / "summary.json")
            rows.append(_run(entry, out, folder) | {"entry_hash": code})
        _write(_summary([*rows, *_later(entries, len(rows), known)]), out / "summary.json")
    return _summary(rows)


_NOT_RUN: dict[str, Any] = {
    "status": "running", "message": "", "architectures": 0,
    **dict.fromkeys(("wall_seconds", "cpu_seconds", "rate", "peak_memory"), float("nan")),
}  # fmt: skip


def _later(entries: list[Entry], first: int, known: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """What is known of the entries that are still to come: a batch that is killed loses nothing of them."""
    return [known[e["name"]] for e in entries[first:] if e["name"] in known]


def _kind(entry: Entry) -> str:
    return next(k for k in KINDS if k in entry)


def _clear(entry: Entry, out: Path, *, known: bool) -> None:
    """Take away what cannot be gone on with, or written over: a sweep's store, and what is in the way of one."""
    import shutil

    path = out / f"{entry['name']}.zarr"
    if (path / "done").is_dir() or (known and _kind(entry) == "sweep" and (path / "zarr.json").is_file()):
        shutil.rmtree(path)


def _run(entry: Entry, out: Path, folder: Path) -> dict[str, Any]:
    """Run one entry; a failure is its status."""
    kind = _kind(entry)
    path = out / f"{entry['name']}.zarr"
    row: dict[str, Any] = {"run": entry["name"], "kind": kind, "status": "done", "message": ""}
    architectures = 0
    with measured() as cost:
        try:
            subject = _subject(entry, folder)
            drawn = entry.get("random")
            architectures = min(drawn if isinstance(drawn, int) else getattr(subject, "size", 1), 2**62)
            options = {k: entry[k] for k in KINDS[kind] if k in entry and k not in READING}
            data = _DO[kind](subject, options, path)
            if isinstance(data, int):  # a store is written already
                architectures, data = data, None
        except (Exception, SystemExit) as error:
            row |= _failure(error)
            data = None
    rate = architectures / cost["wall_seconds"] if row["status"] == "done" else float("nan")
    row |= {**cost, "architectures": architectures, "rate": rate}
    if row["status"] == "done":
        try:
            _keep(data, path, {**cost, "rate": rate, **machine()})
        except Exception as error:
            row |= {**_failure(error), "rate": float("nan")}
    return row


def _failure(error: BaseException) -> dict[str, str]:
    message = str(error).split("\n")[0] if isinstance(error, InputError) else repr(error)
    return {"status": "failed", "message": message}


def _keep(data: xr.Dataset | None, path: Path, attrs: dict[str, Any]) -> None:
    """Write a result with its cost; the store of a sweep is there already."""
    if data is not None:
        from sweeps.output import write

        data.attrs |= attrs
        write(data, path)
    else:
        import zarr

        zarr.open_group(path, mode="r+").attrs.update(attrs)


def _subject(entry: Entry, folder: Path) -> Any:
    """Return the space or network of an entry: a file beside the batch, a name, or a description."""
    import engine
    from sweeps.spaces.space import Space
    from sweeps.validation import chains

    kind = _kind(entry)
    given = entry[kind]
    if isinstance(given, Mapping):
        if "stages" in given:
            subject: Any = Space.from_dict(given)
        elif "layers" in given:
            subject = engine.Network.from_dict(dict(given))
        else:
            unknown = set(given) - {"kernel", "stride", "dilation", "depth"}
            if unknown:
                raise InputError(
                    f"{kind} has {shown(sorted(map(str, unknown)))}; give stages, layers, or kernel … depth"
                )
            subject = chains(**given)
    else:
        subject = _named(entry, str(given), folder)
    if isinstance(subject, engine.Network) and kind in ("sweep", "count"):
        raise InputError(f"{kind} needs a space, and {shown(given)} is a network")
    if not isinstance(subject, engine.Network) and kind == "profile":
        raise InputError(f"profile needs a network, and {shown(given)} is a space")
    return subject


def _named(entry: Entry, text: str, folder: Path) -> Any:
    """Return the space or network of a name; what fails says by which keys it was made and read."""
    from sweeps.commands.options import read_model
    from sweeps.commands.validate import space_of

    path, name = _parts(text)
    text = f"{folder / path}{name}" if (folder / path).is_file() else text
    keys = [key for key in READING if key in entry]
    reading = {key: entry[key] for key in keys if key != "arg"}
    if "example_input" in reading:
        shapes = reading["example_input"]
        reading["example_input"] = tuple(shapes) if isinstance(shapes[0], int) else [tuple(shape) for shape in shapes]
    try:
        return space_of(text, keys) or read_model(text, entry.get("arg", {}), reading, entry.get("input_size"))
    except InputError as error:
        # a factory's message says what to give it as Python does
        told = re.sub(r"(?<=give )\w+=…(, \w+=…)*$", lambda m: f"arg: {{{m[0].replace('=', ': ')}}}", str(error))
        raise InputError(f"{', '.join(keys)}: {told}" if keys else told) from None


def _parts(text: str) -> tuple[str, str]:
    """The file that a text may name, and the factory in it: file.py and :factory."""
    path, colon, name = text.rpartition(":") if ".py:" in text else (text, "", "")
    return path, colon + name


def _do_sweep(space: Any, options: Entry, path: Path) -> int:
    from sweeps.stores.store import write_store

    return write_store(space, path, **options).architectures


def _do_count(space: Any, options: Entry, path: Path) -> xr.Dataset:
    from sweeps.answers import count

    data = count(space, **options)
    return (data.astype(str) if data.dtype == object else data).to_dataset(promote_attrs=True)


def _do_validate(subject: Any, options: Entry, path: Path) -> xr.Dataset:
    from sweeps.validation import validate

    return validate(subject, **options)


def _do_profile(network: Any, options: Entry, path: Path) -> xr.Dataset:
    from engine.profiles import profile

    return profile(network, **options)


_DO: dict[str, Callable[[Any, Entry, Path], Any]] = {
    "sweep": _do_sweep, "count": _do_count, "validate": _do_validate, "profile": _do_profile,
}  # fmt: skip


def _hash(entry: Entry, folder: Path) -> str:
    """Hash of an entry and of the file that it names."""
    found = hashlib.sha256(json.dumps(entry, sort_keys=True, default=str).encode())
    for value in entry.values():
        file = folder / _parts(value)[0] if isinstance(value, str) else folder
        if file.is_file():
            found.update(file.read_bytes())
    return found.hexdigest()[:16]


# summaries -----------------------------------------------------------------------------------------------------------


def _summary(rows: list[dict[str, Any]]) -> xr.Dataset:
    import xarray as xr

    data = {}
    for name, (units, text) in COLUMNS.items():
        values = [r[name] for r in rows]
        kind: Any = object if isinstance(values[0], str) else np.int64 if name == "architectures" else float
        data[name] = (("run",), np.array(values, kind), {"units": units, "long_name": text})
    return xr.Dataset(data, {"run": [r["run"] for r in rows]}, {"call": "batch", **machine()})


def _write(summary: xr.Dataset, path: Path) -> None:
    from sweeps.output import write

    write(summary, path)


def read_summary(path: Path) -> xr.Dataset:
    """Return the summary of a batch from its file or folder."""
    import xarray as xr

    file = path / "summary.json" if path.is_dir() else path
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        rows = content["records"]
        data = {n: (("run",), np.array([np.nan if r[n] is None else r[n] for r in rows])) for n in COLUMNS}
        return xr.Dataset(data, {"run": [r["run"] for r in rows]}, content["attrs"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file} is no summary of a batch: {shown(str(error))}") from None


def _known(out: Path) -> dict[str, dict[str, Any]]:
    """Rows of the summary that is there already, by run."""
    if not (out / "summary.json").is_file():
        return {}
    before = read_summary(out)
    names = ["run", *COLUMNS]
    columns = [before[n].values.tolist() for n in names]
    rows = (dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True))
    return {row["run"]: {**row, "message": row["message"] or ""} for row in rows}


def check_against(entries: list[Entry], before: xr.Dataset) -> None:
    """Refuse an earlier summary that has no run of these entries, before anything is run."""
    if not {e["name"] for e in entries} & set(before.run.values):
        raise InputError(
            f"--against has the runs {', '.join(map(str, before.run.values))}, none of this batch; "
            "give the summary of the same runs"
        )


def compare(summary: xr.Dataset, before: xr.Dataset) -> xr.Dataset:
    """Return the summary with the earlier wall times, and how many times faster each run has become."""
    earlier = before.wall_seconds.reindex(run=summary.run.values)
    out = summary.assign(wall_before=earlier, speedup=earlier / summary.wall_seconds)
    out.wall_before.attrs = {"units": "s", "long_name": "wall time of the earlier summary"}
    out.speedup.attrs = {"units": "1", "long_name": "earlier wall time / this one"}
    return out


def summary_table(summary: xr.Dataset) -> list[Any]:
    """Return what is printed of a summary."""
    from sweeps.runs import size_text
    from sweeps.tables import Column, folded, number

    def text(name: str) -> list[str]:
        return ["–" if v != v else number(v) for v in summary[name].values.astype(float).tolist()]

    columns = [
        Column("run", [str(v) for v in summary.run.values], "left"),
        Column("kind", [str(v) for v in summary.kind.values], "left"),
        Column("status", [str(v) for v in summary.status.values], "left"),
        Column("wall s", text("wall_seconds")),
        Column("CPU s", text("cpu_seconds")),
        Column("architectures", [f"{int(v):,}" if v < 1e15 else f"{v:.3g}" for v in summary.architectures.values]),
        Column("per second", [f"{v:,.0f}" if v == v else "–" for v in summary.rate.values]),
        Column("memory", [size_text(int(v)) for v in summary.peak_memory.values]),
    ]
    if "speedup" in summary:
        columns.append(Column("before s", text("wall_before")))
        columns.append(Column("× faster", text("speedup")))
    lines: list[Any] = [folded(columns)[0]]
    failed = summary.run.values[summary.status.values == "failed"]
    lines += [f"{name} failed: {summary.message.sel(run=name).item()}" for name in failed]
    return [*lines, f"{summary.attrs['machine']}; {summary.attrs['threads']} threads; {summary.attrs['versions']}"]
