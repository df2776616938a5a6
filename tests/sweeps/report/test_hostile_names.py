"""Names from files that a terminal, a picture or a spreadsheet would act on: shown as escapes, whole, and harmless."""

from __future__ import annotations

import csv
import json
import re
import warnings

import pytest
import xarray as xr

from rfscale.engine.errors import InputError, visible
from rfscale.sweeps.report.datasets import csv_cell
from rfscale.sweeps.report.tables.designs import file_stem

NAMES = (
    "a\x1b[31mred\x1b]0;title\x07", "b\rover", "c\nbroken", "d\u202eright-to-left", "e\u200bnothing", "=cmd()", "+1-A1",
    "-2+3", "@SUM(A1)", "\t=1", r"$\frac{a$", r"$x$", "f" * 250, "h\x00nul", "i\x9bcsi", "[bold]j[/]",
    ":smile:", "k\u2028line", "../../l",
)  # fmt: skip
RAW = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
NETWORK = {
    "name": "n\x1b[2J\r\u202e=$\\frac{a$",
    "input_size": [64, 64],
    "layers": [
        {"name": n, "op": "conv", "kernel": 3, "padding": 1, "stride": 2 if i == 1 else 1} for i, n in enumerate(NAMES)
    ],
}
SPACE = {
    "name": "../s\x1b[2J\r\u202e$\\frac{a$",
    "input_size": 64,
    "channels": {"base": 8},
    "stages": [
        {"name": "first", "kernel": [3, 5], "stride": 2},
        {"name": "second", "choices": [{"name": n, "kernel": 3 + 2 * i} for i, n in enumerate(NAMES)]},
    ],
}
COMMANDS = {
    "profile": "profile net.json",
    "footprint": "footprint net.json =cmd()",
    "path counts": "footprint net.json +1-A1 --path-counts",
    "match": "match net.json",
    "match by width": "match net.json --rule width --k 3",
    "validate": "validate net.json",
    "count": "sweep space.json --count extent,second_choice",
    "best": "sweep space.json --best macs --k 30",
    "pareto": "sweep space.json --pareto macs,-extent",
    "sample": "sweep space.json --sample 30",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    inside = tmp_path / "inside"
    inside.mkdir()
    monkeypatch.chdir(inside)
    (inside / "net.json").write_text(json.dumps(NETWORK))
    (inside / "space.json").write_text(json.dumps(SPACE))
    return inside


@pytest.fixture
def harmless(rfscale):
    """Run a command, and hold what it prints against the rule."""

    def run(*args):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            code, out, err = rfscale(*args)
        assert (code, err) == (0, "")
        assert not RAW.search(out)
        return out

    return run


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("suffix", ["nc", "zarr", "csv", "json", "png", "svg"])
def test_files_and_pictures(harmless, folder, name, suffix):
    path = folder / f"x.{suffix}"
    option = "--plot" if suffix in ("png", "svg") else "--out"
    harmless(*COMMANDS[name].split(), option, path)
    if suffix in ("csv", "json", "svg"):
        text = path.read_text(encoding="utf-8")
        assert not RAW.search(text)
    if suffix == "csv":
        rows = list(csv.reader(text.splitlines()))
        assert len({len(row) for row in rows}) == 1
        assert not [c for row in rows for c in row if c.lstrip()[:1] in ("=", "+", "-", "@") and not is_number(c)]
    if suffix == "json" and name == "profile":
        assert [row["layer"] for row in json.loads(text)["records"]] == list(NAMES)  # exactly
    if suffix in ("nc", "zarr") and name == "profile":
        options = {"engine": "h5netcdf"} if suffix == "nc" else {"engine": "zarr", "consolidated": False}
        with xr.open_dataset(path, **options) as ds:
            kept = [n.replace("\ud800", r"\ud800").replace("\x00", r"\x00") for n in NAMES]
            assert ds.layer.values.tolist() == kept


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    "command",
    ["profile net.json --depth all", "networks net.json", "halo net.json", "check net.json --fail-on never",
     "sweep space.json", "check net.json --fail-on never --format json",
     "check net.json --fail-on never --format sarif",
     "sweep space.json --plot space.svg", "halo net.json --out h.json"],
)  # fmt: skip
def test_printed(harmless, folder, command):
    out = harmless(*command.split())
    if command == "profile net.json --depth all":
        assert all(visible(n).strip() in out for n in NAMES)


def test_designs_stay_in_their_folder(harmless, folder):
    out = harmless("design", "space.json", "--maps", "1", "--best", "40", "--out", "made", "--plot", "d.svg")
    assert "written: made" in out
    assert sorted(p.name for p in folder.parent.iterdir()) == ["inside"]
    specs = sorted((folder / "made").glob("*.yaml"))
    assert len(specs) == 2 * len(NAMES)
    assert all(RAW.search(p.read_text(encoding="utf-8")) is None for p in specs)
    harmless("profile", specs[0])


def test_errors_are_one_harmless_line(rfscale, folder):
    for args in (["profile", "net.json", "--layers", "x\x1b[2J\r"], ["footprint", "net.json", "nothing\x9b"]):
        code, out, err = rfscale(*args)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert not RAW.search(err)
    assert str(InputError("a\x1b[2J\n  b")) == r"a\x1b[2J b"


@pytest.mark.parametrize(
    ("value", "cell"),
    [("=cmd()", "'=cmd()"), (" =1", "' =1"), ("@a", "'@a"), ("-a", "'-a"), ("-12", "-12"), ("+1e5", "+1e5"),
     ("-inf", "-inf"), (-3, -3), (-0.5, -0.5), (None, None), ("a\rb", r"a\rb"), ("\t=1", r"\t=1"),
     ("layer1", "layer1")],
)  # fmt: skip
def test_cells_of_csv(value, cell):
    assert csv_cell(value) == cell


@pytest.mark.parametrize(
    ("name", "stem"), [("demo", "demo"), ("../../x", "_.._x"), ("a\x1bb", "a_x1bb"), ("..", "design")]
)
def test_names_of_spaces_as_names_of_files(name, stem):
    assert file_stem(name) == stem


def test_powers_on_a_log_axis_are_drawn_as_powers(tmp_path):
    from rfscale.sweeps.report.pictures.style import save
    from rfscale.sweeps.report.pictures.validation import gaussian_figure
    from rfscale.sweeps.validation.gaussian import gaussian

    save(gaussian_figure(gaussian((3,), (1,), (1,), 20)), tmp_path / "powers.svg")
    drawn = re.sub(r"<!--.*?-->", "", (tmp_path / "powers.svg").read_text(), flags=re.S)
    assert "layers in a row" in drawn
    assert "mathdefault" not in drawn
