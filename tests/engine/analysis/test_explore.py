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
from rfscale.engine.analysis.explore.figures import figures_at
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
