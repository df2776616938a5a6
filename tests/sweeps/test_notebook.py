"""An executed notebook: every public object shows itself, and every picture is drawn."""

from __future__ import annotations

import inspect
import re

import pytest

import rfscale as rf

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")
pytest.importorskip("matplotlib_inline")

SET_UP = """
import numpy as np
import rfscale as rf
net = rf.Network.from_dict({"name": "<i>tiny</i>", "input_size": [24, 20], "layers": [
    {"name": n, "kernel": 3, "padding": 1, "dilation": d, "stride": s, "channels": 4}
    for n, d, s in (("stem.<b>a</b>", 1, 1), ("stem.b", 1, 2), ("body.c", 3, 1))]})
stages = [{"name": "s1", "kernel": [3, 5]}, {"name": "s2", "kernel": 3, "dilation": [1, 2]}]
space = rf.Space.from_dict({"name": "<i>square</i>", "channels": 8, "input_size": [64, 64], "stages": stages})
boxes = np.array([[5.0, 6.0], [9.0, 9.0], [12.0, 8.0], [4.0, 3.0]])
sizes = rf.object_sizes(boxes)
counts = rf.path_counts(net, "body.c")
"""
SHOWN = {  # an expression for each public name whose value is an object, and what its HTML holds
    "FORMULAS": ('rf.FORMULAS["published"]', "conv7_s2_first"),
    "Finding": ("rf.check(net)", "warning"),
    "Network": ("net", "body.c"),
    "NetworkSpace": ('rf.NetworkSpace(lambda k: net, {"k": [1, 3]}, name="<i>mine</i>")', "labels"),
    "Page": ("rf.explore(net)", "<iframe"),
    "Space": ("space", "s2_dilation"),
    "check": ("rf.check(net)", "Remedy: "),
    "compare": ("rf.compare(net, net)", "xarray"),
    "count": ('rf.count(space, "extent")', "xarray"),
    "best": ('rf.best(space, "macs", k=3)', "xarray"),
    "chains": ("rf.chains([3], [1], [1, 2], 2)", "chains"),
    "compare_fields": ("rf.compare_fields(counts, counts)", "xarray"),
    "context": ('rf.context(net, 1000, axis="y")', "xarray"),
    "coverage": ('rf.coverage(net, "body.c")', "xarray"),
    "derive": ('rf.derive(rf.sweep(space)["s2"].to_dataset())', "xarray"),
    "design": ("rf.design(space, boxes, k=2)", "xarray"),
    "entries_at": ("rf.entries_at(net, (5, 5), input_size=24)", "xarray"),
    "explore": ("rf.explore(space)", "<iframe"),
    "entry_map": ('rf.entry_map(net, "body.c", 24)', "xarray"),
    "field_figures": ("rf.field_figures(counts)", "xarray"),
    "footprint": ('rf.footprint(net, "body.c")', "xarray"),
    "halo": ("rf.halo(net, 8)", "xarray"),
    "load": ("rf.load(net)", "body.c"),
    "match": ("rf.match(net, boxes)", "xarray"),
    "object_sizes": ("sizes", "xarray"),
    "pareto": ('rf.pareto(space, "macs", "-extent")', "xarray"),
    "path_counts": ("counts", "xarray"),
    "profile": ("rf.profile(net)", "xarray"),
    "sample": ("rf.sample(space, 3)", "xarray"),
    "sweep": ("rf.sweep(space)", "xarray"),
    "tile_costs": ("rf.tile_costs(net, [8, 16])", "xarray"),
    "valid_sizes": ("rf.valid_sizes(net, 24)", "xarray"),
    "validate": ("rf.validate(net)", "xarray"),
    "where": ('rf.where(net, "body.c", (3, 3), 24)', "xarray"),
    "zoo_survey": ('rf.zoo_survey("timm:resnet50")', "xarray"),
}
TEXT = {  # what shows itself as text
    "InputError": 'rf.InputError("no")',
    "NetworkBuilder": 'rf.NetworkBuilder("tiny")',
    "PartlyReadWarning": 'rf.PartlyReadWarning("in part")',
    "Progress": 'rf.Progress("work")',
    "__version__": "rf.__version__",
    "evaluate": "rf.evaluate([(3, 1, 1)])",
    "choose_tile": "rf.choose_tile(net, waste=2.0)",
    "output_lines": "rf.output_lines(net)",
    "tiles": "next(iter(rf.tiles(net, 24, 8)))",
}
OF_MODELS = {"all_fields", "effective_field", "field_profile", "predicted_field", "verify_tiles"}  # datasets of PyTorch
TYPES = {"NetworkLike", "Reading"}
MODULES = {"cells", "plot"}
COMPILES = {"warm"}  # all kernels, which takes a minute
PICTURES = {
    "profile": "rf.profile(net)",
    "compare": "rf.compare(net, net)",
    "footprint": 'rf.footprint(net, "body.c")',
    "field": "rf.field_figures(counts)",
    "match": "rf.match(net, boxes)",
    "check": "rf.check(net)",
    "halo": "rf.halo(net, 8)",
    "space": "space",
}


WORK = """
import time
rf.validate(space, progress=rf.Progress("<b>validation</b>"))
tree = rf.sweep(space, progress=rf.Progress("sweep", sum(space.stage_sizes)))
bar = rf.Progress("images")
for i in range(4):
    bar(i + 1, 4)
    time.sleep(0.15)
"""


@pytest.fixture(scope="module")
def outputs():
    """What each cell of the notebook shows, by its name: a mapping of MIME types."""
    cells = {"set up": SET_UP}
    cells |= {name: code for name, (code, _) in SHOWN.items()} | TEXT
    cells |= {f"plot {name}": f"rf.plot.{name}({code})" for name, code in PICTURES.items()}
    cells["progress"] = WORK
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in cells.values()])
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    found = {}
    for name, cell in zip(cells, notebook.cells, strict=True):
        found[name] = [(out.output_type, out.get("data", {})) for out in cell.outputs]
        assert not [out for out in cell.outputs if out.output_type == "stream" and out.name == "stderr"], name
    return found


def value(outputs, name):
    return next(data for kind, data in outputs[name] if kind == "execute_result")


def test_every_public_name_is_here():
    assert sorted(rf.__all__) == sorted(SHOWN.keys() | TEXT.keys() | OF_MODELS | TYPES | MODULES | COMPILES)


def test_every_public_object_shows_itself(outputs):
    for name, (_, word) in SHOWN.items():
        shown = value(outputs, name)
        assert word in shown["text/html"], name
    for name in TEXT:
        text = value(outputs, name)["text/plain"]
        assert not re.search(r" object at 0x|<function", text), (name, text)


def test_a_text_is_short_and_html_is_escaped(outputs):
    for name in ("Network", "Space", "NetworkSpace"):
        shown = value(outputs, name)
        assert "\n" not in shown["text/plain"]
        assert "<i>" not in shown["text/html"]
        assert "&lt;i&gt;" in shown["text/html"]
    for name in SHOWN:
        assert "<b>a</b>" not in value(outputs, name).get("text/html", ""), name


def test_every_picture_is_shown_once(outputs):
    for name in PICTURES:
        images = [data for kind, data in outputs[f"plot {name}"] if kind == "display_data" and "image/png" in data]
        assert len(images) == 1, name


def test_progress_is_a_bar_below_the_cell(outputs):
    """Drawn anew in its place, so that one stays for each, full; with no widgets."""
    bars = [data["text/html"] for kind, data in outputs["progress"] if kind == "display_data"]
    assert [re.sub(r"[\d.]+ s<", "s<", bar) for bar in bars] == [
        f'<div><progress max="1" value="1.000"></progress> {label}: 100%, s</div>'
        for label in ("&lt;b&gt;validation&lt;/b&gt;", "sweep", "images")
    ]


def test_what_is_public_and_made_has_no_bare_repr():
    for name in rf.__all__:
        made = getattr(rf, name)
        if inspect.isclass(made) and name not in TYPES | OF_MODELS:
            assert made.__repr__ is not object.__repr__, name
