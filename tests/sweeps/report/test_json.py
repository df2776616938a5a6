"""--format json: every verb's data on stdout, pure JSON, notes on stderr, each field documented."""

from __future__ import annotations

import json
import re

import pytest

import rfscale as rf
from rfscale.sweeps.cli.verbs import VERBS
from tests import ROOT
from tests.sweeps.report.test_terminal import CASES, folder  # noqa: F401
from tests.sweeps.some_spaces import ANISOTROPIC, DEMO

FACTORS = {str(dim) for spec in (DEMO, ANISOTROPIC) for dim in rf.Space.from_dict(spec).dims}
FORMATS = (ROOT / "docs" / "formats.md").read_text()
DOCUMENTED = set(re.findall(r"`([\w.-]+)`", FORMATS[FORMATS.index("## JSON on stdout") :]))


def contents(data: dict) -> list[dict]:
    """The tables of a document: one, or one for each group of a tree."""
    return [data] if "attrs" in data else list(data.values())


@pytest.mark.parametrize("command", CASES)
def test_stdout_is_json_with_documented_fields(rfscale, folder, command):  # noqa: F811
    code, out, err = rfscale(*command.split(), "--format", "json")
    data = json.loads(out)
    assert code == 0
    assert all(line.startswith("rfscale: written: ") for line in err.splitlines())
    if command == "networks resnet50":  # a file of a network
        (folder / "saved.json").write_text(out)
        assert rfscale("profile", "saved.json", "--depth", "1")[0] == 0
        return
    if command.startswith("check"):
        assert set(data) <= DOCUMENTED
        assert {key for finding in data["findings"] for key in finding} <= DOCUMENTED
        return
    for part in contents(data):
        assert set(part) <= {"attrs", "variables", "records"}
        explained = set(part.get("variables", ())) | DOCUMENTED
        assert all(v["long_name"] and v["units"] for v in part.get("variables", {}).values())
        records = part["records"]
        tables = records.values() if isinstance(records, dict) else [records]
        for key in {key for table in tables for record in table for key in record}:
            assert any(key in (name, f"{name}_x", f"{name}_y", f"{name}_z") for name in explained | FACTORS), key


def test_out_to_stdout_is_the_same(rfscale):
    _, by_format, _ = rfscale("profile", "dilated5", "--format", "json")
    code, by_out, err = rfscale("profile", "dilated5", "--out", "-")
    assert (code, err) == (0, "")
    first, second = json.loads(by_format), json.loads(by_out)
    assert first["records"] == second["records"]
    assert second["attrs"]["command"] == "rfscale profile dilated5 --out -"


def test_out_to_stdout_of_a_verb_with_formats_of_its_own(rfscale):
    _, by_format, _ = rfscale("check", "dilated5", "--fail-on", "never", "--format", "json")
    assert rfscale("check", "dilated5", "--fail-on", "never", "--out", "-") == (0, by_format, "")
    _, by_format, _ = rfscale("check", "dilated5", "--fail-on", "never", "--format", "sarif")
    assert rfscale("check", "dilated5", "--fail-on", "never", "--format", "sarif", "--out", "-") == (0, by_format, "")


def test_a_file_and_stdout(rfscale, folder):  # noqa: F811
    code, out, err = rfscale("profile", "dilated5", "--format", "json", "--out", "a.json")
    assert (code, err) == (0, "rfscale: written: a.json\n")
    assert json.loads(out) == json.loads((folder / "a.json").read_text())


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("reproduce", "reproduce writes a folder; give its name, or --format json"),
        ("design demo.json", "design writes a folder"),
        ("batch runs.yaml", "batch writes a folder"),
        ("sweep demo.json", "every architecture goes to a store; give it the name of a store, or ask --count"),
    ],
)
def test_what_does_not_fit_stdout(rfscale, folder, command, message):  # noqa: F811
    code, out, err = rfscale(*command.split(), "--out", "-")
    assert (code, out) == (2, "")
    assert message in err


def test_every_verb_is_tried():
    elsewhere = {"explore", "field", "warm"}  # a document of its own, PyTorch, nothing to print as data
    assert {*(command.split()[0] for command in CASES)} | elsewhere == {verb.__name__ for verb in VERBS}
