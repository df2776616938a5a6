"""A network shows itself: a short repr, a tree as text and as HTML, with figures of the profile, in bounded time."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine.display import network_tree
from rfscale.engine.display.network_tree import figures, fitting, network_html, network_text, tree
from rfscale.engine.display.tables import NONE, number, per_axis
from rfscale.engine.zoo.registry import NETWORKS

HOSTILE = "<script>alert('&')</script>\x1b[31m"


class Balanced(HTMLParser):
    """Reads HTML, and demands that what is opened is closed."""

    def __init__(self):
        super().__init__()
        self.open, self.texts = [], []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.texts.append(data)


def read(html):
    parser = Balanced()
    parser.feed(html)
    parser.close()
    assert not parser.open
    return parser.texts


@pytest.mark.parametrize("name", NETWORKS)
def test_figures_are_those_of_the_profile(name):
    net = rf.load(name)
    rows, note = figures(net)
    ds = rf.profile(net)
    assert note == ""
    for row, extent, jump in zip(rows, ds.extent.values.tolist(), ds.jump.values.tolist(), strict=True):
        assert row.extent == per_axis(extent)
        assert row.stride == per_axis(jump)
    for cost in ("params", "macs"):
        if cost in ds:
            np.testing.assert_array_equal([getattr(row, cost) for row in rows], ds[cost].values)
    assert len(network_text(net).splitlines()) < 45
    read(network_html(net))


def test_where_a_branch_reads_nothing_there_is_no_extent():
    """Interval arithmetic counts such a branch along the other axis, and would give too much from there on."""
    layers = [
        {"name": "gaps", "op": "conv_transpose", "kernel": [1, 3], "stride": [2, 1], "padding": [0, 1]},
        {"name": "near", "op": "upsample", "scale": [2, 1], "inputs": "input"},
        {"name": "sum", "op": "add", "inputs": ["gaps", "near"]},
        {"name": "last", "kernel": 3, "padding": 1},
    ]
    rows, _ = figures(rf.Network.from_dict({"layers": layers}))
    assert [row.extent for row in rows] == [NONE, "1", NONE, NONE]


def test_repr_is_one_line_and_str_the_tree():
    net = rf.load("resnet50")
    assert repr(net) == "<Network resnet50: 76 layers, axes y, x, input 224×224>"
    lines = str(net).splitlines()
    assert lines[0] == "resnet50: 76 layers, axes y, x, input 224×224; outputs fc"
    assert re.split(r"\s{2,}", lines[2]) == ["layer", "op", "map", "stride", "extent", "params", "macs"]
    row = next(line for line in lines if line.startswith("layer3"))
    assert row.split() == ["layer3", "26", "layers", "14", "16", "267", "7,077,888", "1,464,336,384"]
    assert sum(line.startswith("  ") for line in lines) == 16  # the blocks, inside of the stages
    assert lines[-1].startswith("25,503,912 parameters, 4,089,184,256 multiply-accumulates")


def test_html_is_the_same_tree_unfolded():
    texts = read(network_html(rf.load("resnet50")))
    for name in ("conv1", "layer3", "downsample", "26 layers", "267", "7,077,888"):
        assert name in texts
    html = network_html(rf.load("resnet50"))
    assert html.count("<details open>") == 4  # the stages; their blocks are closed
    assert html.count("<details>") == 16


def test_modules_with_several_maps_and_what_they_return():
    layers = [{"name": n, "kernel": k, "padding": k // 2} for n, k in (("a.x", 3), ("a.y", 5), ("b.x.only", 7))]
    net = rf.Network.from_dict({"layers": layers, "modules": {"a": "a.x"}})
    rows = {line.split()[0]: line.split()[1:] for line in str(net).splitlines() if "layers" in line or "conv" in line}
    assert rows["a"] == ["2", "layers", "1", "3"]  # what it returns, not what comes last
    assert rows["b.x.only"] == ["conv", "1", "13"]  # a module that holds one layer is no row


def test_a_long_network_is_cut_and_a_deep_one_folded():
    flat = rf.Network.sequential(*[{"kernel": 3, "padding": 1}] * 400)
    lines = str(flat).splitlines()
    assert len(lines) < 45
    assert any("… 370 more" in line for line in lines)
    deep = {"layers": [{"name": f"m{i % 7}.n{i}.{'x.y.z' * (i % 2)}w", "kernel": 1} for i in range(300)]}
    assert len(str(rf.Network.from_dict(deep)).splitlines()) < 45


def test_html_of_any_network_is_bounded(monkeypatch):
    monkeypatch.setattr(network_tree, "MOST_ROWS", 100)
    net = rf.Network.from_dict({"layers": [{"name": f"m{i % 3}.n{i}", "kernel": 1} for i in range(300)]})
    assert fitting(tree(net), 100) == 1
    assert network_html(net).count('class="row"') == 3
    flat = rf.Network.sequential(*[{"kernel": 1}] * 300)
    texts = read(network_html(flat))
    assert "and 200 rows more" in texts
    assert "conv101" not in texts


def test_what_takes_long_is_left_out(monkeypatch):
    monkeypatch.setattr(network_tree, "MOST_LAYERS", 5)
    net = rf.load("resnet18")
    monkeypatch.setattr(network_tree, "resolve", None)
    assert "more than 5 layers: rf.profile has their strides and extents" in str(net)
    read(net._repr_html_())


def test_nothing_is_compiled_to_show_a_network(monkeypatch):
    from rfscale.engine.footprints import forward

    monkeypatch.setattr(forward, "trace", None)
    rf.load("yolov5s")._repr_html_()


def test_a_network_that_has_no_extents_shows_itself_and_says_why():
    layers = [
        {"name": "a", "kernel": 3, "stride": 2},
        {"name": "b", "kernel": 3, "inputs": "input"},
        {"name": "sum", "op": "add", "inputs": ["a", "b"]},
    ]
    net = rf.Network.from_dict({"layers": layers})
    assert "no strides and extents: layer 'sum' (add): it merges maps of different jumps" in str(net)
    read(net._repr_html_())


def test_names_are_escaped():
    net = rf.Network.from_dict(
        {"name": HOSTILE, "layers": [{"name": HOSTILE, "kernel": 3}, {"name": "b", "kernel": 1}]}
    )
    for text in (str(net), repr(net)):
        assert "\x1b" not in text
        assert r"\x1b[31m" in text
    html = net._repr_html_()
    assert "<script" not in html
    assert "\x1b" not in html
    assert any("<script>alert('&')</script>" in text for text in read(html))


def test_cells():
    assert [number(v) for v in (3, 2.5, float("nan"), float("inf"), 12345.0)] == ["3", "2.5", NONE, "all", "12,345"]
    assert per_axis([3, 3]) == "3"
    assert per_axis([3, 5.5]) == "3×5.5"
