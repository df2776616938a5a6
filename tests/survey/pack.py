"""The file that ships with the package, from the results of a run."""

from __future__ import annotations

import gzip
import json
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rfscale.engine.zoo.survey.zoo_survey import FILE, NAMES, NUMBERS, TEXTS
from tests import ROOT
from tests.survey.libraries import PACKAGES
from tests.survey.run import Job, results
from tests.survey.texts import short

SHIPPED = ROOT / "engine" / "zoo" / "survey" / FILE
JUDGES = ("judged", "gradients")
# names in a row of a result, by those of the dataset
OF_MAP = {"map_size": "map_size", "stride": "stride", "extent": "extent", "padding": "padding", "effective": "box",
          "max_gap": "max_gap", "overlap": "overlap"}  # fmt: skip
NO_PLACE = "no module returns a tensor in which each entry of a map has a place of its own"
Row = dict[str, Any]


def packed(known: dict[Job, Row]) -> dict[str, Any]:
    """The columns of the dataset, models in the order of their libraries and names."""
    libraries = list(PACKAGES)
    rows = [row for job, row in known.items() if job.kind == "read"]
    rows.sort(key=lambda row: (libraries.index(row["model"].partition(":")[0]), row["model"]))
    models: dict[str, list[Any]] = {}
    maps: dict[str, list[Any]] = {}
    for number, row in enumerate(rows):
        _add(models, model_columns(row, known))
        for level, one in enumerate(row.get("maps", ())):
            _add(maps, {"model": number, "level": level} | map_columns(one))
    return {"attrs": {"date": date.today().isoformat(), "versions": _versions()}, "models": models, "maps": maps}


def model_columns(row: Row, known: dict[Job, Row]) -> Row:
    """What the dataset has of a model."""
    if "failed" in row:
        row = {"status": "not", "reason": row["failed"]} | row
    name = row["model"]
    start = {"model": name, "library": name.partition(":")[0], "family": ""}
    judged = [found for kind in JUDGES if (found := known.get(Job(kind, name))) and "compared" in found]
    start["unjudged"] = _unjudged(row, known.get(Job("judged", name))) if not any(f["compared"] for f in judged) else ""
    return (
        {key: (start | row).get(key, "") for key in ("model", *TEXTS)}
        | {key: row.get(key) for key in NUMBERS}
        | {
            "compared": sum(found["compared"] for found in judged),
            "wrong": sum(len({text.partition("):")[0] for text in found["differing"]}) for found in judged),
            "interior": not row.get("finite", False),
            "rank": len(row.get("axes", ())),
            "input_size": _one(row.get("input_size")),
        }
    )


def _unjudged(row: Row, found: Row | None) -> str:
    """Why no entry of a model was judged."""
    if row["status"] not in ("whole", "part"):
        return ""
    if found is None:
        return "the run of the judges ended before its turn"
    return short(found["failed"]) if "failed" in found else NO_PLACE


def map_columns(one: Row) -> Row:
    """What the dataset has of a map."""
    texts = {"layer": one["layer"], "pyramid": one["level"], "role": one["role"]}
    assert set(texts) == set(NAMES)
    figures = {name: _one(one[key]) for name, key in OF_MAP.items()}
    return texts | {"density": one["density"], "is_global": one["global"]} | figures


def write(known: dict[Job, Row], path: Path = SHIPPED) -> None:
    """Write the file, the same bytes for the same results of a day."""
    text = json.dumps(packed(known), separators=(",", ":"), ensure_ascii=False)
    path.write_bytes(gzip.compress(text.encode(), 9, mtime=0))


def read_results(paths: list[Path]) -> dict[Job, Row]:
    """The results of several runs, the last one's where several have one."""
    return {job: row for path in paths for job, row in results(path).items()}


def _add(columns: dict[str, list[Any]], row: Row) -> None:
    for name, value in row.items():
        columns.setdefault(name, []).append(value)


def _one(values: list[Any] | None) -> Any:
    """One figure where axes are alike."""
    if not values:
        return None
    return values[0] if len(set(values)) == 1 else values


def _versions() -> str:
    packages = {"torch": "torch"} | {library: package.replace("_", "-") for library, package in PACKAGES.items()}
    found = []
    for library, package in packages.items():
        try:
            found.append(f"{library} {version(package)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)
