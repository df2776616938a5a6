"""Other sizes, which the page works out itself from the rules of the document: against the engine."""

from __future__ import annotations

import json
import random
import shutil
import subprocess

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine.analysis.explore.document import explorer_document
from tests import ROOT
from tests.engine.strategies import random_network
from tests.sweeps.explorer.some_networks import ASPP, PHASES, ROW, VOLUME

MODEL = ROOT / "sweeps" / "report" / "page" / "files" / "model"
NODE = shutil.which("node")
FIGURES = ("map_size", "jump", "extent", "start", "area", "density", "overlap", "max_gap", "params", "macs")

# sizes of TensorFlow's padding, of resizing and of windows that keep to blocks
SPECS = [
    ASPP,
    PHASES,
    ROW,
    VOLUME,
    {
        "name": "resized",
        "input_size": [24, 30],
        "layers": [
            {"name": "same", "kernel": 3, "stride": 2, "padding": "same", "channels": 4},
            {"name": "lower", "kernel": [2, 5], "stride": 3, "padding": "same_lower", "channels": 8},
            {"name": "corners", "op": "upsample", "scale": 2, "mode": "bilinear", "align_corners": True},
            {"name": "bins", "op": "adaptive_pool", "size": [3, 5]},
            {"name": "cubic", "op": "resize", "size": [7, 4], "mode": "bicubic"},
            {"name": "ceil", "op": "resize", "size": [5, 9], "rounding": "ceil", "coordinates": "half_pixel"},
            {"name": "turned", "op": "flip", "reverse": [1, 0]},
            {"name": "fc", "op": "linear", "channels": 10},
        ],
    },
    {
        "name": "excited",
        "input_size": [20, 16],
        "layers": [
            {"name": "a", "kernel": 3, "padding": 1, "channels": 6},
            {"name": "pool", "op": "global_pool"},
            {"name": "gate", "op": "multiply", "inputs": ["a", "pool"]},
            {"name": "border", "op": "pad", "padding": 2, "mode": "reflect"},
            {"name": "up", "op": "conv_transpose", "kernel": 4, "stride": 2, "padding": 1, "channels": 3},
            {"name": "blocks", "op": "max_pool", "kernel": 2, "stride": 1, "block": [4, 0]},
            {"name": "middle", "op": "crop", "size": [6, 7]},
        ],
    },
]

SCRIPT = """
import {{ readFileSync }} from "node:fs";
import {{ footprint }} from {footprint};
import {{ viewOf }} from {sizes};
const at = (doc, size) => {{
  let view;
  try {{
    view = viewOf(doc, size);
  }} catch (error) {{
    if (!(error instanceof RangeError)) throw error;
    return {{ error: error.message }};
  }}
  const entries = (n) => [n.map((k) => Math.floor(k / 2)), n.map((k) => k - 1)];
  const drawn = view.figures.map_size.map((n, i) => entries(n).map((e) => footprint(doc, view, i, e)));
  return {{ figures: view.figures, plain: view.as_without_borders, drawn }};
}};
console.log(JSON.stringify(JSON.parse(readFileSync(0)).map(([doc, sizes]) => sizes.map((size) => at(doc, size)))));
"""


def worked_out(documents, sizes):
    """What the page makes of each document at each of its sizes: a view, or an error."""
    script = SCRIPT.format(**{name: json.dumps((MODEL / f"{name}.mjs").as_uri()) for name in ("footprint", "sizes")})
    jobs = json.dumps(list(zip(documents, sizes, strict=True)))
    done = subprocess.run([NODE, "--input-type=module", "-e", script], input=jobs, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def grid(products, like):
    out = np.zeros(like.shape, bool)
    first = [int(like[d].values[0]) if like.sizes[d] else 0 for d in like.dims]
    for product in products:
        sets = [
            [p - o for low, high in zip(runs[::2], runs[1::2], strict=True) for p in range(low, high)]
            for runs, o in zip(product, first, strict=True)
        ]
        out[np.ix_(*sets)] = True
    return out


def compare(network, view, size):
    """Figures and footprints of one view; returns how many footprints it has, or 0 where the size is refused."""
    try:
        expected = rf.profile(network, size)
    except rf.InputError:
        assert "error" in view, size
        return 0
    assert "error" not in view, (size, view)
    checked = 0
    for i, layer in enumerate(network.layers):
        for name in set(FIGURES) & set(expected.data_vars):
            if name in ("start", "max_gap") and not expected.area.values[i]:
                continue  # of a footprint without pixels
            value = view["figures"][name][i]
            found = np.nan if value is None else np.array(value, float)
            assert np.allclose(found, expected[name].values[i], rtol=1e-5, equal_nan=True), (layer.name, name, size)
        map_size = expected.map_size.values[i].tolist()
        for entry, products in zip(
            ([n // 2 for n in map_size], [n - 1 for n in map_size]), view["drawn"][i], strict=True
        ):
            fp = rf.footprint(network, layer.name, entry, size)
            assert np.array_equal(grid(products, fp), fp.values), (layer.name, size, entry)
            checked += 1
    return checked


@pytest.mark.skipif(NODE is None, reason="node runs the scripts of the page")
def test_other_sizes_are_those_of_the_engine():
    rng = random.Random(17)
    networks = [rf.Network.from_dict(spec) for spec in (*SPECS, *(random_network(rng) for _ in range(12)))]
    documents = [explorer_document(network, with_objects=False) for network in networks]
    documents = [json.loads(json.dumps(document)) for document in documents]
    sizes = []
    for network in networks:
        own = network.input_size
        others = [[rng.randint(1, 2 * n + 3) for n in own] for _ in range(3)]
        sizes.append([list(own), [2 * n for n in own], *others])
    checked = refused = 0
    for network, at, views in zip(networks, sizes, worked_out(documents, sizes), strict=True):
        for size, view in zip(at, views, strict=True):
            found = compare(network, view, size)
            checked += found
            refused += not found
    assert checked > 400
    assert refused > 3


@pytest.mark.skipif(NODE is None, reason="node runs the scripts of the page")
def test_without_global_branches_and_of_sizes_that_are_none():
    network = rf.Network.from_dict(SPECS[5])
    document = explorer_document(network, with_objects=False, global_ops="skip")
    sizes = [[28, 12], [0, 4], [9], [9000, 4]]
    (views,) = worked_out([document], [sizes])
    expected = rf.profile(network, sizes[0], global_ops="skip")
    for i, layer in enumerate(network.layers):
        if not expected.is_global.values[i]:
            assert views[0]["figures"]["area"][i] == expected.area.values[i], layer.name
            assert views[0]["plain"][i] == (layer.name != "middle")
    assert all("a size is y×x, each from 1 to 8192 pixels" in view["error"] for view in views[1:])


@pytest.mark.skipif(NODE is None, reason="node runs the scripts of the page")
def test_a_layer_without_a_rule_is_named():
    spec = {
        "input_size": [9, 9],
        "layers": [{"name": "less", "op": "resize", "size": 5, "mode": "bilinear", "antialias": True}],
    }
    document = explorer_document(rf.Network.from_dict(spec), with_objects=False)
    assert document["program"]["missing"].startswith("less (resize) depends on the size of its map")
    (views,) = worked_out([document], [[[12, 12]]])
    assert "other sizes are not known here: less (resize)" in views[0]["error"]
