"""Tables in terminals of any width and in a pipe: every cell of every verb is there."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest

from rfscale.sweeps.report import terminal
from rfscale.sweeps.report.terminal import Column, Table, folded, rendered
from tests.sweeps.some_spaces import ANISOTROPIC, DEMO

WIDTHS = (60, 80, 100, 120)
CASES = (
    "profile resnet50 --depth all",
    "profile fpn-resnet50 --finite",
    "match resnet50 --rule width --k 5",
    "match yolov5s --resize letterbox=640",
    "halo unet-padded --tile 512",
    "halo unet-padded --image-size 1000x500",
    "networks",
    "networks resnet50",
    "validate resnet18",
    "validate chains --kernel 1-4 --depth 3",
    "validate gaussian",
    "sweep demo.json",
    "sweep demo.json --count extent,jump",
    "sweep demo.json --best macs",
    "sweep demo.json --pareto macs,-extent",
    "sweep wide.json --sample 5",
    "design demo.json --maps 3 --best 4",
    "reproduce --no-pictures --out rep",
    "batch runs.yaml --out runs",
    "check resnet50 --fail-on never",
    "footprint dilated5 conv5",
    "where resnet50 layer4 3 5 --input-size 224",
    "where resnet50 --finite",
    "where resnet50 --pixel 100,120 --size 30",
    "sizes unet --near 500x375",
    "sizes fpn-resnet50",
    "context wavenet --rate 16000",
    "compare resnet18 resnet34 --no-effective",
    "compare vgg16 mobilenet-v1 --no-effective --depth all",
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo.json").write_text(json.dumps(DEMO))
    (tmp_path / "wide.json").write_text(json.dumps(ANISOTROPIC))
    (tmp_path / "runs.yaml").write_text(
        "runs: [{name: a-profile, profile: dilated5}, {name: a-count, count: demo.json}]"
    )
    return tmp_path


def words(text: str) -> set[str]:
    return set(text.split())


def letters(texts) -> Counter[str]:
    return Counter(re.sub(r"[\s─]", "", "".join(texts)))


def check_width(parts, width: int) -> None:
    """Hold the lines of a width against the cells of the tables: every one is there, and no line is too long."""
    text = rendered(parts, width)
    for table in (p for p in parts if isinstance(p, Table)):
        rows = rendered([table], width).splitlines()
        assert max(map(len, rows), default=0) <= width
        assert all(row in text for row in rows)
        for column in table.columns:
            if column.justify == "right":
                assert words(" ".join(column.cells)) <= words(" ".join(rows)), column.header
        first, *others = ([c.header, c.unit, *c.cells] for c in table.columns)
        blocks = sum(set(row) == {"─"} for row in rows)  # parts of the table, each with the first column and sections
        cells = [*(first + list(table.sections.values())) * blocks, *(cell for column in others for cell in column)]
        assert letters(rows) == letters(cells)  # folded, but nothing is lost
    for part in (p for p in parts if isinstance(p, str)):
        lines = rendered([part], width).splitlines()
        assert [w for line in lines for w in line.split()] == part.split()
        assert all(line in text for line in lines)
        assert all(len(line) <= width or len(line.split()) == 1 for line in lines)


@pytest.mark.parametrize("command", CASES)
def test_no_number_is_cut(rfscale, folder, monkeypatch, command):
    printed: list = []
    monkeypatch.setattr(terminal, "terminal_width", lambda: printed.append(None))
    monkeypatch.setattr(terminal, "rendered", lambda parts, width: printed.append(parts) or rendered(parts, width))
    code, out, err = rfscale(*command.split())
    assert (code, err) == (0, "")
    if command.startswith("check"):  # lines of text alone
        return
    parts = next(p for p in printed if p is not None)
    for width in WIDTHS:
        check_width(parts, width)
    for table in (p for p in parts if isinstance(p, Table)):  # the pipe
        for column in table.columns:
            assert words(" ".join(column.cells)) <= words(out), column.header


def test_a_drawing_that_has_no_room_is_a_line(rfscale, monkeypatch):
    from rfscale.sweeps.report.tables import footprint

    monkeypatch.setattr(footprint, "terminal_width", lambda: 20)
    assert "its drawing is 21 characters wide; --plot" in rfscale("footprint", "dilated5", "conv5")[1]
    assert "its drawing is 21 characters wide" in rfscale("footprint", "dilated5", "conv5", "--path-counts")[1]
    monkeypatch.setattr(footprint, "terminal_width", lambda: 40)
    narrow = rfscale("footprint", "dilated5", "conv5", "--path-counts")[1].split("\n\n", 1)[1]
    monkeypatch.setattr(footprint, "terminal_width", lambda: 42)
    wide = rfscale("footprint", "dilated5", "conv5", "--path-counts")[1].split("\n\n", 1)[1]
    assert ["".join(c * 2 for c in line) for line in narrow.splitlines()] == wide.splitlines()


def test_columns_without_room_stand_in_a_second_part():
    columns = [Column("rank", ["0"]), *(Column(f"figure{i}", ["3106930688"], unit="px") for i in range(6))]
    columns.append(Column("architecture", ["kernel=3 dilation=2 stride=1"], "left"))
    lines = rendered([folded(columns)], 60).splitlines()
    assert [line.split() for line in lines] == [
        ["rank", "figure0", "figure1", "figure2", "figure3"],
        ["px"] * 4,
        ["─" * 52],
        ["0", *["3106930688"] * 4],
        [],
        ["rank", "figure4", "figure5", "architecture"],
        ["px"] * 2,
        ["─" * 58],
        ["0", *["3106930688"] * 2, "kernel=3", "dilation=2", "stride=1"],
    ]
    wide = rendered([folded(columns)], 200)
    assert wide.count("rank") == 1
    assert wide == rendered([folded(columns)], None)


def test_names_are_folded_at_separators_and_whole():
    name = "encoder.layer3.0.downsample.convolution"
    rows = rendered([folded([Column("layer", [name, "x" * 250], "left"), Column("area", ["12345678", "1"])])], 30)
    lines = rows.splitlines()
    assert max(map(len, lines)) <= 30
    assert lines[2].split() == ["encoder.layer3.0.", "12345678"]
    assert "".join(w for line in lines[2:] for w in line.split() if not w.isdigit()) == name + "x" * 250


def test_wide_characters_count_twice():
    assert rendered(
        [folded([Column("層", ["畳み込み", "a"], "left"), Column("n", ["1", "2"])])], None
    ).splitlines() == [
        "層        n",
        "───────────",
        "畳み込み  1",
        "a         2",
    ]
