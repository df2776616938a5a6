"""Arguments of a kind that a question does not take: one error that names the argument, and numbers of NumPy taken."""

from __future__ import annotations

import numpy as np
import pytest

import rfscale as rf

LAYERS = [{"kernel": 3, "stride": 2, "padding": 1, "name": "a"}, {"kernel": 3, "padding": 1, "name": "b"}]
NET, LINE = rf.Network.sequential(*LAYERS), rf.Network.sequential(*LAYERS, axes=1)
OBJECTS = np.array([[12, 12], [50, 60]])
OF_LAYERS = {
    "context": lambda layers: rf.context(LINE, layers=layers),
    "halo": lambda layers: rf.halo(NET, layers=layers),
    "tile_costs": lambda layers: rf.tile_costs(NET, [16], layers=layers),
    "match": lambda layers: rf.match(NET, OBJECTS, layers=layers, effective=False),
    "match by width": lambda layers: rf.match(NET, OBJECTS, layers=layers, rule="width", effective=False),
}


@pytest.mark.parametrize("ask", OF_LAYERS.values(), ids=OF_LAYERS)
@pytest.mark.parametrize("layers", [3, 1.5, "b", "ab", [], (), [["b"]], np.array("b"), {}, [None], [3]])
def test_layers_that_are_no_list_of_names(ask, layers):
    with pytest.raises(rf.InputError, match=r"layers is|has no layer"):
        ask(layers)


@pytest.mark.parametrize("ask", OF_LAYERS.values(), ids=OF_LAYERS)
def test_layers_of_any_sequence_of_names(ask):
    assert ask(np.array(["b"])).identical(ask(["b", "b"]))


@pytest.mark.parametrize("layer", [["a"], {"a": 1}, np.array(["a", "b"]), 3])
def test_a_layer_that_is_no_name(layer):
    for ask in (lambda: rf.where(NET, layer), lambda: rf.entries_at(NET, 3, layer)):
        with pytest.raises(rf.InputError, match="has no layer"):
            ask()


@pytest.mark.parametrize("entry", [None, 2.0, np.int64(2), np.array(3), float("nan"), object(), "x", [1, 2, 3], {}])
@pytest.mark.parametrize("size", [None, 64])
def test_where_of_every_layer_of_what_is_no_entry(entry, size):
    with pytest.raises(rf.InputError, match="entry is"):
        rf.where(NET, None, entry, size)


def test_where_of_every_layer_of_one_axis_takes_a_number():
    for entry in (20, np.int64(20), [20], np.array([20])):
        found = rf.where(LINE, None, entry, 64)
        assert found.layer.values.tolist() == ["a", "b"]
        with pytest.raises(rf.InputError, match="outside"):
            rf.where(LINE, None, type(entry)(40) if not hasattr(entry, "__len__") else [40], 64)


@pytest.mark.parametrize("tiles", [3, 1.5, "16", [], (), {}, np.array(16), object()])
def test_tiles_that_are_no_list(tiles):
    with pytest.raises(rf.InputError, match="tiles is"):
        rf.tile_costs(NET, tiles)


def test_tiles_of_an_array():
    assert rf.tile_costs(NET, np.array([[16, 32], [32, 32]])).tile.values.tolist() == [[16, 32], [32, 32]]


@pytest.mark.parametrize("value", ["1.5", b"2", [2], np.array([2, 3]), {}, object(), float("nan")])
@pytest.mark.parametrize("limit", ["waste", "memory"])
def test_limits_that_are_no_numbers(limit, value):
    with pytest.raises(rf.InputError, match=f"{limit} is"):
        rf.choose_tile(NET, **{limit: value})


@pytest.mark.parametrize("dtype", [["float32"], {}, None, 32])
def test_a_dtype_that_is_no_name(dtype):
    with pytest.raises(rf.InputError, match="dtype is"):
        rf.tile_costs(NET, [16], dtype=dtype)


def test_a_factor_of_numpy():
    plain = rf.match(NET, OBJECTS, rule="width", factor=2.0, effective=False)
    assert rf.match(NET, OBJECTS, rule="width", factor=np.float32(2), effective=False).identical(plain)


def test_objects_that_are_another_dataset():
    with pytest.raises(rf.InputError, match="objects is a dataset of something else; give what object_sizes returns"):
        rf.match(NET, rf.profile(NET), effective=False)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("image_size", [480, "480x640", (480, 640, 3), (0, 5), (float("nan"), 5), (480, "x"), {480, 640}]),
        ("images", [3, ["a"]]),
        ("format", [["yolo"], 3]),
        ("categories", ["person", [], ()]),
    ],
)
def test_options_of_labels_that_are_of_another_kind(tmp_path, name, values):
    (tmp_path / "a.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    for value in values:
        options = {"image_size": (480, 640), name: value}
        with pytest.raises(rf.InputError, match=f"{name} is"):
            rf.object_sizes(tmp_path, **options)


def test_entries_of_numpy():
    plain = rf.match(NET, OBJECTS, entries=2.0, effective=False)
    for entries in (2, np.int64(2), np.float32(2)):
        assert rf.match(NET, OBJECTS, entries=entries, effective=False).identical(plain)
