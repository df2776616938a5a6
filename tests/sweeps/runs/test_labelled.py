"""Answers as labelled datasets, and the memory that they lie in."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import xarray as xr

import rfscale as rf
from rfscale.sweeps.runs import answer_arrays as memory
from rfscale.sweeps.runs.answer_arrays import answer_arrays
from rfscale.sweeps.runs.blocks import Blocks
from rfscale.sweeps.runs.labelled import coordinates, label
from tests.sweeps.some_spaces import ALL


@pytest.mark.parametrize("spec", ALL, ids=lambda s: s["name"])
def test_is_what_xarray_makes_of_the_same_variables(spec):
    """`label` leaves out xarray's checks, and nothing else."""
    blocks = Blocks(rf.Space.from_dict(spec), formulas=True)
    labels = coordinates(blocks)
    for stage, out in answer_arrays(blocks, {s: blocks.size(s) for s in blocks.stages}).items():
        blocks.fill(stage, 0, blocks.size(stage), out)
        found = label(blocks, stage, out, labels)
        own = {dim: list(labels.variables[dim].values) for dim in found.dims}
        again = xr.Dataset({name: (v.dims, v.values, v.attrs) for name, v in found.data_vars.items()}, own, found.attrs)
        xr.testing.assert_identical(found, again.assign_coords({d: found[d] for d in found.dims}))
        assert found.sizes == again.sizes
        assert list(found.coords) == list(again.coords)
        assert list(found.xindexes) == list(again.xindexes)
        assert found.isel({d: slice(0, 1) for d in found.dims}).sizes == dict.fromkeys(found.dims, 1)
        xr.testing.assert_identical(found.copy(deep=True).load(), found)
        for dim in found.dims:
            made = xr.Dataset(coords={dim: np.array(own[dim])})
            assert (found[dim].dtype, type(found[dim].variable)) == (made[dim].dtype, type(made[dim].variable))
            assert repr(found.xindexes[dim]) == repr(made.xindexes[dim])


@pytest.mark.parametrize("spec", ALL, ids=lambda s: s["name"])
def test_the_tree_is_what_xarray_makes_of_the_same_datasets(spec):
    tree = rf.sweep(rf.Space.from_dict(spec))
    again = xr.DataTree.from_dict({"/": tree.to_dataset(), **{n: t.to_dataset() for n, t in tree.children.items()}})
    again.name = tree.name
    xr.testing.assert_identical(tree, again)
    assert [node.path for node in tree.subtree] == [node.path for node in again.subtree]
    assert [(node.name, node.root is tree) for node in tree.subtree] == [(n.name, True) for n in again.subtree]
    xr.testing.assert_identical(tree.copy(deep=True), again)
    xr.testing.assert_identical(tree.map_over_datasets(lambda ds: ds), again)


def test_labels_of_stages_are_their_own():
    tree = rf.sweep(rf.Space.from_dict(ALL[0]))
    first, last = list(tree.children.values())[:: len(tree.children) - 1]
    dim = next(iter(first.dims))
    first[dim].attrs["mark"] = "mine"
    assert "mark" not in last[dim].attrs


@pytest.mark.parametrize("piece", [0, 1, 100, 1 << 30], ids=lambda n: f"pieces of {n} bytes")
def test_arrays_of_an_answer_do_not_overlap(piece, monkeypatch):
    monkeypatch.setattr(memory, "PIECE_BYTES", piece)
    monkeypatch.setattr(memory, "HUGE_FROM", 1 << 12)
    blocks = Blocks(rf.Space.from_dict(ALL[0]), formulas=True)
    made = answer_arrays(blocks, {s: blocks.size(s) for s in blocks.stages})
    spans = []
    for stage, arrays in made.items():
        one = blocks.empty(stage, 0, 1)
        assert arrays.keys() == one.keys()
        for name, array in arrays.items():
            assert (array.dtype, array.shape) == (one[name].dtype, (blocks.size(stage), *one[name].shape[1:]))
            assert array.flags.c_contiguous
            assert array.flags.writeable
            spans.append((array.ctypes.data, array.ctypes.data + array.nbytes))
    assert all(stop <= start for (_, stop), (start, _) in pairwise(sorted(spans)))


def test_large_pieces_begin_at_huge_pages():
    blocks = Blocks(rf.Space.from_dict({"stages": [{"name": f"s{i}", "kernel": [*range(1, 17)]} for i in range(5)]}))
    made = answer_arrays(blocks, {s: blocks.size(s) for s in blocks.stages})
    assert made["s4"]["pixels"].nbytes == 1 << 22
    assert made["s0"]["pixels"].ctypes.data % memory.HUGE_PAGE == 0


def test_labels_of_answers_are_their_own():
    """Spaces of the same few labels share an index, of which an answer shows its own name, type and attributes."""
    one = rf.sweep(rf.Space.from_dict({"stages": [{"name": "a", "kernel": [1, 3]}]}))["a"]
    other = rf.sweep(rf.Space.from_dict({"stages": [{"name": "b", "kernel": [1, 3], "repeat": list(range(100))}]}))["b"]
    one.a_kernel.attrs["mark"] = "mine"
    assert "mark" not in other.b_kernel.attrs
    assert (one.xindexes["a_kernel"].index.name, other.xindexes["b_kernel"].index.name) == ("a_kernel", "b_kernel")
    assert other.to_dataset().to_dataframe().index.names == ["b_kernel", "b_repeat"]
    with pytest.raises(ValueError, match="read-only"):
        one.a_kernel.values[0] = 5
    assert other.b_kernel.values.tolist() == [1, 3]
    assert other.b_repeat.values.tolist() == list(range(100))
    flags = rf.Space.from_dict(
        {"channels": 4, "stages": [{"name": "c", "kernel": 3, "bias": [False, True]}, {"name": "d", "kernel": [1, 3]}]}
    )
    assert rf.sweep(flags)["d"].c_bias.dtype == bool


def test_tables_are_of_any_size_and_cut_anywhere():
    """Whole rows of few architectures are copied another way than cut ones."""
    space = rf.Space.from_dict({"axes": 2, "stages": [{"name": n, "kernel": [1, 3, [1, 5]]} for n in "abcd"]})
    blocks, out = Blocks(space), {}
    for start, stop in pairwise([0, 1, 40, 81]):
        made = blocks.empty("d", start, stop)
        blocks.fill("d", start, stop, made)
        out = {n: np.concatenate([out[n], v]) if out else v for n, v in made.items()}
    for name, values in out.items():
        np.testing.assert_array_equal(values.ravel(), rf.sweep(space)["d"][name].values.ravel())
