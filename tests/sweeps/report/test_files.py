"""What the terminal shows of an answer is in the file that it is written to, in each format."""

from __future__ import annotations

import csv
import json
import math
import re

import pytest
import xarray as xr

from tests.sweeps.some_spaces import ANISOTROPIC, DEMO

FORMATS = ("nc", "zarr", "csv", "json")
CASES = {
    "profile": "profile dilated5",
    "profile, finite": "profile stack20 --input-size 40x56 --depth all",
    "match": "match dilated5",
    "match by width": "match dilated5 --rule width --k 2",
    "halo": "halo unet-padded --tile 512x256",
    "count": "sweep demo.json --count extent,jump",
    "count of labels": "sweep demo.json --count s3_choice,stem_kernel",
    "best": "sweep demo.json --best macs --k 5",
    "pareto": "sweep demo.json --pareto macs,-extent",
    "sample": "sweep demo.json --sample 7",
    "sample, anisotropic": "sweep wide.json --sample 7",
    "validate": "validate dilated5",
    "validate, gaussian": "validate gaussian --kernel 3,5",
    "validate, space": "validate chains --depth 2",
}
MARKS = {"=", "–", "all", "in", "out", "%", "px", "a"}  # signs of a cell that are no value


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo.json").write_text(json.dumps(DEMO))
    (tmp_path / "wide.json").write_text(json.dumps(ANISOTROPIC))
    return tmp_path


def cells(printed: str) -> list[str]:
    """Words of the rows of all tables that were printed."""
    out, inside = [], False
    for line in printed.splitlines():
        inside = line.startswith("──") or (inside and bool(line))
        out += line.split() if inside and not line.startswith("──") else []
    return out


def columns(path) -> dict[str, set]:
    """Values of a file by the name of their column or variable."""
    found: dict[str, set] = {}
    if path.suffix == ".csv":
        rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
        return {name: {row[name] for row in rows} for name in rows[0]}
    if path.suffix == ".json":
        content = json.loads(path.read_text(encoding="utf-8"))
        for part in [content] if "records" in content else content.values():
            groups = part["records"]
            for row in groups if isinstance(groups, list) else [r for g in groups.values() for r in g]:
                for name, value in row.items():
                    found.setdefault(name, set()).add(value)
        return found
    options = {".nc": {"engine": "h5netcdf"}, ".zarr": {"engine": "zarr", "consolidated": False}}[path.suffix]
    with xr.open_dataset(path, **options) as ds:
        return {str(name): set(v.values.ravel().tolist()) for name, v in ds.variables.items()}


def number(value) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def shown_as(word: str, values: list[float]) -> bool:
    """Whether a printed number is one of the values, their root or percentage, rounded as it is printed."""
    plain = word.replace("−", "-").replace(",", "").rstrip("%").lstrip("+")
    printed = number(plain)
    if printed is None:
        return False
    digits = len(plain.split("e")[0].partition(".")[2])
    unit = 10.0 ** (int(plain.partition("e")[2] or 0) - digits) if "e" in plain else 10.0**-digits
    made = [x for v in values for x in (v, 100 * v, math.sqrt(v) if v > 0 else 0)]
    return any(
        abs(x - printed) <= 0.51 * unit or abs(x - printed) <= 0.0051 * abs(printed) * ("e" in plain) for x in made
    )


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("name", CASES)
def test_what_is_printed_is_in_the_file(rfscale, folder, name, suffix):
    path = folder / f"answer.{suffix}"
    code, out, err = rfscale(*CASES[name].split(), "--out", path)
    if suffix == "csv" and name == "validate, space":
        assert (code, "more than one .csv table" in err) == (2, True)
        return
    assert (code, err) == (0, "")
    if suffix == "csv" and name.startswith("match"):  # says what is missing, and where it is
        assert f"written: {path}: the table of l" in out  # of levels, or of layers
        return
    compare(cells(out), columns(path))


def test_the_table_of_designs_is_in_its_file(rfscale, folder):
    code, out, err = rfscale("design", "demo.json", "--maps", "2", "--best", "4", "--out", "made")
    assert (code, err) == (0, "")
    compare(cells(out), columns(folder / "made" / "designs.csv"))


@pytest.mark.parametrize("where", ["extent == 93", "jump == 2", "extent == 93, jump == 4"])
def test_a_picture_of_counts_shows_a_side_of_a_single_value(where):
    from matplotlib.collections import QuadMesh

    import rfscale as rf
    from rfscale.sweeps.report.pictures.spaces import answer_figure

    figure = answer_figure(rf.count(rf.Space.from_dict(DEMO), ["extent", "jump"], where))
    mesh = next(c for c in figure.axes[0].collections if isinstance(c, QuadMesh))
    corners = mesh.get_coordinates().reshape(-1, 2)
    assert (corners.max(axis=0) - corners.min(axis=0) >= 1).all()


def compare(printed: list[str], file: dict[str, set]) -> None:
    """Find every word and number of the printed cells in the columns of a file."""
    values = [x for column in file.values() for v in column if (x := number(v)) is not None and math.isfinite(x)]
    texts = {str(v) for column in file.values() for v in column if number(v) is None}
    words = {w for t in texts for w in re.split(r"[\s,]+", t)}
    for cell in printed:
        label, equals, value = cell.partition("=")
        if equals and label:  # an architecture
            assert value in {str(v) for v in file[label]}, cell
            continue
        for word in re.split(r"[×]", cell.rstrip(",")):
            known = word in words or word in file or f"reach_{word}" in file or shown_as(word, values)
            assert known or word in MARKS, f"{word} of {cell} is not in {sorted(file)}"
