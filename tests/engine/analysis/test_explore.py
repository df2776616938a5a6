"""The document of the explorer: footprints from its intervals, and what it says, against the functions that say it."""

from __future__ import annotations

import json
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rfscale as rf
from rfscale.engine.analysis.explore.document import explorer_document
from rfscale.engine.analysis.explore.families import FamilyTable
from rfscale.engine.analysis.explore.fields import MOST_CELLS
from rfscale.engine.analysis.explore.figures import figures_at
from rfscale.engine.analysis.explore.tree import tree_of
from tests.engine.strategies import networks
from tests.sweeps.explorer.some_networks import ASPP, PHASES, ROW, VOLUME


def pixels(document, family, entry):
    """Pixels of an entry, read from the document as docs/formats.md describes it."""
    phases = document["families"][family]["phases"]
    at, phase = divmod(entry, len(phases))
    for entries, first, step, shape in phases[phase]:
        if entries is None or at < entries:
            found, place = [], first + step * at
            for number, length in enumerate(document["shapes"][shape]):
                found += range(place, place + length) if number % 2 == 0 else []
                place += length
            return found
        at -= entries
    raise IndexError(entry)


def drawn(document, view, layer, entry, like):
    """The footprint on the grid of an array, from the document alone."""
    grid = np.zeros(like.shape, bool)
    origin = [int(like[d].values[0]) if like.sizes[d] else 0 for d in like.dims]
    for term in view["terms"][layer]:
        sets = [pixels(document, f, e) for f, e in zip(term, entry, strict=True)]
        if all(sets):
            grid[np.ix_(*([p - o for p in s] for s, o in zip(sets, origin, strict=True)))] = True
    return grid


@pytest.mark.parametrize("spec", [ASPP, PHASES, ROW, VOLUME], ids=lambda spec: spec["name"])
def test_footprints_come_from_the_document(spec):
    network = rf.Network.from_dict(spec)
    document = json.loads(json.dumps(explorer_document(network, with_objects=False)))
    assert document["views"][0]["input_size"] == spec["input_size"]
    rng = np.random.default_rng(0)
    checked = 0
    for view in document["views"]:
        for layer, terms in enumerate(view["terms"]):
            name = document["layers"][layer]["name"]
            if terms is None:
                assert view["without_terms"][name]
                continue
            size = view["figures"]["map_size"][layer] if view["input_size"] else [7] * len(network.axes)
            for _ in range(4):
                entry = [int(rng.integers(n)) for n in size]
                fp = rf.footprint(network, name, entry, view["input_size"])
                assert np.array_equal(drawn(document, view, layer, entry, fp), fp.values), (name, entry)
                checked += 1
    assert checked > 50


@settings(max_examples=60, deadline=None)
@given(networks(), st.data())
def test_footprints_of_random_networks_come_from_the_document(spec, data):
    network, table = rf.Network.from_dict(spec), FamilyTable()
    views = [figures_at(network, network.input_size, "include", table)]
    with suppress(rf.InputError):  # branches of different jumps
        views.append(figures_at(network, None, "include", table))
    document = {"families": table.families, "shapes": table.shapes}
    for view in views:
        for layer, terms in enumerate(view["terms"]):
            if terms is None:
                continue
            size = view["figures"]["map_size"][layer] if view["input_size"] else [9] * len(network.axes)
            entry = [data.draw(st.integers(0, int(n) - 1)) for n in size]
            fp = rf.footprint(network, network.layers[layer].name, entry, view["input_size"])
            assert np.array_equal(drawn(document, view, layer, entry, fp), fp.values)


def test_the_tree_folds_modules():
    found = tree_of(["stem", "a.b.c", "a", "out", "a.b.d"], {"a": 2, "a.b": 4})

    def shown(nodes):
        return [(n["name"], n["label"], n["layer"], n["depth"], shown(n["children"])) for n in nodes]

    inner = ("a.b", "b", 4, 2, [("a.b.c", "c", 1, 3, []), ("a.b.d", "d", 4, 3, [])])
    assert shown(found["tree"]) == [
        ("stem", "stem", 0, 1, []),
        ("a", "a", 2, 1, [("a", "(output)", 2, 2, []), inner]),
        ("out", "out", 3, 1, []),
    ]
    assert found["open"] == ["a", "a.b"]
    many = [f"{module}.{layer}" for module in "ab" for layer in range(20)]
    assert tree_of(many, {"a": 19, "b": 39})["open"] == []
    assert tree_of(many[:25], {"a": 19, "b": 24})["open"] == ["a", "b"]


def test_holes_in_sentences():
    chain = [{"name": f"c{i}", "kernel": 3, "dilation": d, "padding": d} for i, d in enumerate((1, 2, [4, 3]))]
    dense = explorer_document({"layers": chain[:2]}, with_objects=False)
    assert dense["holes"] == ["No output leaves out a pixel inside its extent."]
    holes = explorer_document({"layers": chain[1:]}, with_objects=False)["holes"]
    ds = rf.profile({"layers": chain[1:]})
    extent, left = ds.extent.values[1].astype(int), 1 - ds.density.values
    assert holes == [
        f"c2 leaves out {100 * left[1]:.2g} % of the {extent[0]}×{extent[1]} pixels of its extent "
        f"({extent.prod() - int(ds.area[1])}): the longest gap is 1 pixel; it begins at c1; left out after "
        f"c1 (dilation 2) {100 * left[0]:.2g} %, c2 (dilation 4×3) {100 * left[1]:.2g} %."
    ]
    everything = explorer_document({"input_size": 8, "layers": [{"op": "attention"}]}, with_objects=False)
    assert everything["holes"] == [
        "The outputs have a global receptive field, which has no bounds to leave pixels out of."
    ]


@pytest.mark.parametrize(
    ("network", "layer"), [("resnet18", "layer2"), ("dilated5", "conv5"), (ROW, "sum"), (VOLUME, "up")]
)
def test_contours_hold_their_shares_of_the_paths(network, layer):
    """The levels of a field, drawn on the grid of pixels, hold what they say; each is as small as a cell allows."""
    document = explorer_document(network, with_objects=False)
    index = next(i for i, row in enumerate(document["layers"]) if row["name"] == layer)
    field = document["fields"]["of"][str(index)]
    while isinstance(field, int):
        field = document["fields"]["of"][str(field)]
    levels = np.repeat(field["levels"][::2], field["levels"][1::2]).reshape(field["shape"])
    size = document["fields"]["input_size"]
    counts = rf.path_counts(network, layer, field["entry"], size)
    mass = np.zeros(levels.shape)
    places = np.meshgrid(
        *((counts[d].values - f) // c for d, f, c in zip(counts.dims, field["first"], field["cell"], strict=True)),
        indexing="ij",
    )
    np.add.at(mass, tuple(places), counts.values / counts.values.sum())
    for level, share in enumerate((0.95, 0.8, 0.5), 1):
        held = mass[levels >= level].sum()
        assert held >= share - 1e-6
        assert held - share <= 0.13  # cells that are alike, eight of them by symmetry, are all inside
    assert max(field["shape"]) <= MOST_CELLS[len(field["shape"])]
