"""Networks: reading, writing, sizes, order, and one clear line for whatever is not a network."""

from __future__ import annotations

import copy
import gc
import json
import pickle
import random
import weakref

import numpy as np
import pytest
import yaml

from rfscale.engine.analysis.profile import profile
from rfscale.engine.errors import InputError
from rfscale.engine.footprints.plan import resolve
from rfscale.engine.network import layer
from rfscale.engine.network.builder import NetworkBuilder
from rfscale.engine.network.derived import Derived
from rfscale.engine.network.network import Network
from rfscale.engine.readers.load import load
from tests import ROOT
from tests.engine.strategies import FAMILIES, random_network

CONV = {"kernel": 3}


@pytest.mark.parametrize("family", FAMILIES)
def test_dict_and_back(family, tmp_path):
    rng = random.Random(family)
    for _ in range(20):
        net = Network.from_dict(random_network(rng, family, rng.choice([1, 2, 3])))
        again = Network.from_dict(net.to_dict())
        assert again == net
        assert [layer.params for layer in again.layers] == [layer.params for layer in net.layers]
        path = tmp_path / "net.json"
        path.write_text(json.dumps(net.to_dict()))
        assert Network.from_file(path) == net
        assert pickle.loads(pickle.dumps(net)) == net


def test_yaml_file_of_the_docs(tmp_path):
    text = (ROOT / "docs/formats.md").read_text().split("```yaml\n")[1].split("```")[0]
    path = tmp_path / "tiny.yaml"
    path.write_text(text)
    net = Network.from_file(path)
    assert net.map_sizes()["up"] == (64, 64)
    assert load(str(path)) == net
    assert net.outputs == ("up",)


def test_hash_follows_the_structure_and_not_the_name():
    one = Network.sequential(CONV, name="one")
    two = Network.sequential({"op": "conv", "kernel": [3, 3], "stride": 1, "padding": "valid"}, name="two")
    assert one.hash == two.hash
    assert one != two
    assert one.hash != Network.sequential({"kernel": 3, "padding": 1}).hash


@pytest.mark.parametrize(
    "name", ["name", "layers", "axes", "input_size", "outputs", "assumed", "left_out", "hash", "new"]
)
def test_no_attribute_of_a_network_can_be_set(name):
    net = Network.sequential(CONV)
    with pytest.raises(AttributeError, match="build a new network"):
        setattr(net, name, None)
    with pytest.raises(AttributeError):
        delattr(net, name)
    assert not hasattr(net, "__dict__")


def test_nothing_that_a_network_holds_can_be_changed():
    net = Network.sequential(CONV, {"kernel": 3, "dilation": 2}, input_size=64, assumed={"aten.flip": "pointwise"})
    profile(net)
    with pytest.raises(TypeError, match="cannot be changed"):
        net.layers[0].params["kernel"] = (5, 5)
    with pytest.raises(TypeError, match="cannot be changed"):
        net.layers[0].params.update(kernel=(5, 5))
    with pytest.raises(AttributeError):
        net.layers[0].name = "other"
    with pytest.raises(TypeError):
        net.assumed["aten.flip"] = "everything"
    net.map_sizes()["conv1"] = (1, 1)
    spec = net.to_dict()
    spec["layers"][0]["kernel"] = 99
    spec["assumed"].clear()
    assert net == Network.from_dict(net.to_dict())
    assert profile(net).extent.values.tolist() == [[3, 3], [7, 7]]


def test_what_is_worked_out_later_is_not_in_the_network():
    net, same = load("resnet18"), load("resnet18")
    before = pickle.dumps(net)
    profile(net)
    profile(net, 128)
    assert hash(net) == hash(same)
    assert pickle.dumps(net) == before
    again = pickle.loads(before)
    assert again == net
    assert again.map_sizes() == net.map_sizes()
    assert profile(again).equals(profile(net))


def test_copies_of_a_network_are_the_network():
    net = load("resnet18")
    assert copy.copy(net) is net
    assert copy.deepcopy([net])[0] is net
    layer = net.layers[0]
    assert copy.deepcopy(layer) == pickle.loads(pickle.dumps(layer)) == layer
    assert hash(copy.deepcopy(layer)) == hash(layer)
    assert len({net, load("resnet18"), load("resnet34")}) == 2


def test_what_was_worked_out_goes_with_the_network():
    made = []
    lengths = Derived(lambda net: made.append(net.name) or len(net))
    net = Network.sequential(CONV, CONV)
    assert lengths.of(net) == lengths.of(net) == 2
    assert made == ["network"]
    profile(net)
    gone = weakref.ref(net)
    del net
    gc.collect()
    assert gone() is None
    assert len(lengths) == 0


@pytest.mark.parametrize("key", ["assumed", "left_out"])
def test_what_a_reader_assumed_or_left_out_is_part_of_the_network(tmp_path, key):
    net = Network.sequential(CONV, **{key: {"my.Foo": "{'op': 'conv', 'kernel': 3}", "flip: aten.flip": "no reason"}})
    for suffix, text in ((".json", json.dumps(net.to_dict())), (".yaml", yaml.safe_dump(net.to_dict()))):
        path = tmp_path / f"net{suffix}"
        path.write_text(text)
        assert Network.from_file(path) == net
        assert getattr(Network.from_file(path), key) == getattr(net, key)
    assert getattr(pickle.loads(pickle.dumps(net)), key) == getattr(net, key)
    assert profile(net).attrs[key][1] == "flip: aten.flip: no reason"
    plain = Network.sequential(CONV)
    assert net != plain
    assert key not in plain.to_dict()


def test_what_modules_return_is_part_of_the_network(tmp_path):
    layers = [{"name": "up.cat", "kernel": 3}, {"name": "up.conv.0", "kernel": 5}, {"name": "out", "kernel": 1}]
    modules = {"up": "up.conv.0", "up.conv": "up.conv.0", ":p3": "out", "neck:a": "up.cat", "neck:b": "out"}
    net = Network.from_dict({"layers": layers, "modules": modules})
    for suffix, text in ((".json", json.dumps(net.to_dict())), (".yaml", yaml.safe_dump(net.to_dict()))):
        path = tmp_path / f"net{suffix}"
        path.write_text(text)
        assert Network.from_file(path) == net
        assert Network.from_file(path).modules == modules
    assert pickle.loads(pickle.dumps(net)).modules == modules
    assert net != Network.from_dict({"layers": layers})
    assert (net.index("up"), net["up.conv"].name, net[":p3"].name, "up" in net) == (1, "up.conv.0", "out", False)
    with pytest.raises(InputError, match="'neck' of network is several maps; name one: neck:a, neck:b"):
        net.index("neck")
    with pytest.raises(TypeError):
        net.modules["up"] = "out"


@pytest.mark.parametrize(
    ("modules", "match"),
    [
        (["up"], "modules is .*; it must be a mapping of names"),
        ({"up": 1}, "modules is .*; it must be a mapping of names"),
        ({"up": "con1"}, "no layer 'con1'; did you mean 'conv1'"),
        ({"conv1": "conv1"}, "modules: 'conv1' is the name of a layer"),
    ],
)
def test_modules_that_are_none_are_refused(modules, match):
    with pytest.raises(InputError, match=match):
        Network.from_dict({"layers": [{"kernel": 3}], "modules": modules})


def test_a_prefix_stands_for_its_last_layer_where_modules_are_not_known():
    net = Network.from_dict({"layers": [{"name": "a.conv", "kernel": 3}, {"name": "a.pool.0", "kernel": 2}]})
    assert (net["a"].name, net["a.pool"].name) == ("a.pool.0", "a.pool.0")
    with pytest.raises(InputError, match="no layer 'b'"):
        net["b"]
    with pytest.raises(InputError, match="no layer None"):
        net[None]


def test_layers_may_read_layers_further_down():
    branches = [{"name": n, "kernel": k, "padding": k // 2, "inputs": "input"} for n, k in (("a", 3), ("b", 1))]
    net = Network.from_dict({"layers": [{"name": "sum", "op": "add", "inputs": ["a", "b"]}, *branches]})
    assert [x.name for x in net.layers] == ["a", "b", "sum"]
    assert Network.from_dict(net.to_dict()) == net


def test_numpy_numbers_are_whole_numbers():
    net = Network.sequential({"kernel": np.int64(3), "stride": np.array([1, 2])})
    assert net.layers[0].params["stride"] == (1, 2)


def test_axes_follow_from_what_is_given_per_axis():
    assert Network.sequential({"kernel": [3]}).axes == ("x",)
    assert Network.sequential({"kernel": [3, 3, 3]}).axes == ("z", "y", "x")
    assert Network.sequential(CONV, axes=1).axes == ("x",)
    assert Network.sequential({"kernel": 3, "padding": [1, 2, 3, 4]}).axes == ("y", "x")


def test_builder_reads_the_layer_before():
    b = NetworkBuilder("tiny", input_size=(16, 16))
    x = b.conv("stem", kernel=3, stride=2, padding=1)
    b.conv(kernel=3, padding=1)
    b.add("sum", inputs=[x, b.last])
    assert b.build().map_sizes()["sum"] == (8, 8)
    with pytest.raises(AttributeError, match="did you mean"):
        b.cnov(kernel=3)
    with pytest.raises(InputError, match="inputs of layer 'z' is 5; it must be a layer's name"):
        b.conv("z", kernel=3, inputs=5)


@pytest.mark.parametrize("made", [list, np.array])
def test_builder_keeps_what_it_was_given(made):
    b, kernel = NetworkBuilder(), made([3, 3])
    b.conv("a", kernel=kernel)
    kernel[0] = 7
    assert b.build().layers[0].params["kernel"] == (3, 3)


def test_builder_tells_equal_values_of_other_types_apart():
    def built(**params):
        b = NetworkBuilder()
        b.conv("a", **params)
        return b.build().layers[0]

    assert built(kernel=1) is built(kernel=1)  # read once
    assert built(kernel=[1, 3]) is built(kernel=[1, 3])
    assert built(kernel=np.int64(1)) == built(kernel=1)
    assert built(kernel=np.array([1, 3])) == built(kernel=(1, 3)) == built(kernel=[1, 3])
    for value in (True, 1.0, np.float64(1), np.array([1, 3], float)):
        with pytest.raises(InputError, match="must be a whole number"):
            built(kernel=value)
    with pytest.raises(InputError, match="must be a whole number"):
        built(kernel={1})


def test_networks_that_are_wired_alike():
    def spec(kernel, order):
        layers = {"a": {"inputs": "input"}, "b": {"inputs": "a"}, "c": {"inputs": "a"}}
        return {"layers": [{"name": name, "kernel": kernel, **layers[name]} for name in order]}

    one, two = (Network.from_dict(spec(k, "bca")) for k in (1, 3))
    for net in (one, two, pickle.loads(pickle.dumps(one)), Network.from_dict(spec(3, "abc"))):
        assert [x.name for x in net.layers] == ["a", "b", "c"]
        assert [net.index(name) for name in "abc"] == [0, 1, 2]
        assert net.outputs == ("b", "c")
    assert (one["c"].params["kernel"], two["c"].params["kernel"]) == ((1, 1), (3, 3))
    many = Network.sequential(*[{"kernel": 1}] * (layer.MAX_ALIKE + 1))
    assert many.outputs == (many.layers[-1].name,)


def test_aligned_tells_branches_of_one_centre():
    def merged(padding):
        b = NetworkBuilder()
        x = b.conv("a", kernel=3, padding=padding, inputs="input")
        b.conv("b", kernel=1, inputs="input")
        b.add("sum", inputs=[x, "b"])
        return resolve(b.build()).steps[-1].aligned

    assert merged(1)
    assert not merged(0)


BAD = {
    "assumed list": ({"layers": [CONV], "assumed": ["aten.flip"]}, "must be a mapping of texts"),
    "left_out text": ({"layers": [CONV], "left_out": "nms"}, "left_out is 'nms'; it must be a mapping of texts"),
    "assumed layer": ({"layers": [CONV], "assumed": {"my.Foo": {"kernel": 3}}}, "must be a mapping of texts"),
    "empty": ({}, "needs 'layers'"),
    "no list": ({"layers": {"a": 1}}, "needs 'layers'"),
    "no mapping": ([], "must be a mapping"),
    "unknown key": ({"layer": [CONV]}, "did you mean 'layers'"),
    "unknown op": ({"layers": [{"op": "cnov", "kernel": 3}]}, "did you mean 'conv'"),
    "op no text": ({"layers": [{"op": ["conv"]}]}, "unknown op"),
    "unknown parameter": ({"layers": [{"kernel": 3, "strid": 2}]}, "did you mean 'stride'"),
    "no kernel": ({"layers": [{"op": "conv"}]}, "needs 'kernel'"),
    "zero kernel": ({"layers": [{"kernel": 0}]}, "kernel of layer 'conv1' is 0; it must lie between 1"),
    "negative kernel": ({"layers": [{"kernel": -3}]}, "is -3"),
    "half a kernel": ({"layers": [{"kernel": 2.5}]}, "must be a whole number"),
    "true as a kernel": ({"layers": [{"kernel": True}]}, "must be a whole number"),
    "text as a kernel": ({"layers": [{"kernel": "3"}]}, "must be a whole number"),
    "endless kernel": ({"layers": [{"kernel": 10**5000}]}, "must lie between"),
    "kernel per axis": ({"axes": 2, "layers": [{"kernel": [3, 3, 3]}]}, "one for each of the 2 axes"),
    "nested kernel": ({"axes": 2, "layers": [{"kernel": [[3], 3]}]}, "must be a whole number"),
    "padding sides": (
        {"layers": [{"kernel": 3, "padding": [1, 1, 1]}, {"kernel": [3, 3]}]},
        "all starts, then all ends",
    ),
    "padding word": ({"layers": [{"kernel": 3, "padding": "some"}]}, "same, same_lower, valid"),
    "negative padding": ({"layers": [{"kernel": 3, "padding": -1}]}, "is -1"),
    "transposed same": ({"layers": [{"op": "conv_transpose", "kernel": 3, "padding": "same"}]}, "needs numbers"),
    "mode": ({"layers": [{"op": "upsample", "scale": 2, "mode": "cubist"}]}, "nearest, bilinear"),
    "flag": ({"layers": [{"op": "max_pool", "kernel": 2, "ceil_mode": 1}]}, "must be true or false"),
    "crop": ({"layers": [{"op": "crop"}]}, "either 'amount' or 'size'"),
    "layer no mapping": ({"layers": ["conv"]}, "must be a mapping"),
    "name no text": ({"layers": [{"name": 3, "kernel": 3}]}, "must be a string"),
    "duplicate": ({"layers": [{"name": "a", **CONV}, {"name": "a", **CONV}]}, "two layers are named 'a'"),
    "named input": ({"layers": [{"name": "input", **CONV}]}, "the image's name"),
    "unknown input": ({"layers": [{"name": "stem", **CONV}, {**CONV, "inputs": "stam"}]}, "did you mean 'stem'"),
    "inputs": ({"layers": [{**CONV, "inputs": 3}]}, "a layer's name or a list of names"),
    "no inputs": ({"layers": [{**CONV, "inputs": []}]}, "a layer's name or a list of names"),
    "arity": ({"layers": [{"name": "a", **CONV}, {**CONV, "inputs": ["a", "input"]}]}, "reads one map, not 2"),
    "cycle": (
        {"layers": [{"name": "a", **CONV, "inputs": "b"}, {"name": "b", **CONV, "inputs": "a"}]},
        "cycle: 'a' reads 'b' reads 'a'",
    ),
    "self": ({"layers": [{"name": "a", **CONV, "inputs": "a"}]}, "cycle: 'a' reads 'a'"),
    "outputs": ({"layers": [CONV], "outputs": ["conv2"]}, "did you mean 'conv1'"),
    "input_size": ({"input_size": [8, 8, 8, 8], "layers": [CONV]}, "1, 2 or 3 numbers"),
    "zero input_size": ({"input_size": 0, "layers": [CONV]}, "must lie between 1"),
    "axes": ({"axes": 4, "layers": [CONV]}, "between 1 and 3"),
    "shrunk": ({"input_size": 4, "layers": [CONV, CONV]}, "'conv2' (conv) leaves nothing of its 2×2 input"),
    "shrunk blocks": (
        {"input_size": 25, "layers": [{"kernel": 2, "dilation": 6, "block": 5}]},
        "layer 'conv1': a window of 7 entries does not fit into a block of 5; give a larger block",
    ),
    "sizes": (
        {"input_size": 8, "layers": [{"name": "a", **CONV}, {"op": "add", "inputs": ["a", "input"]}]},
        "different sizes: 'a' is 6×6, 'input' is 8×8",
    ),
    "depth": ({"input_size": 9, "layers": [{"op": "space_to_depth", "scale": 2}]}, "does not divide"),
    "reflect": ({"input_size": 3, "layers": [{"op": "pad", "padding": 3, "mode": "reflect"}]}, "larger than 3"),
    "crop size": ({"input_size": 3, "layers": [{"op": "crop", "size": 5}]}, "larger than the map's 3"),
    "channels": ({"layers": [{**CONV, "channels": 0}]}, "channels of layer 'conv1'"),
    "bias": ({"layers": [{**CONV, "bias": "no"}]}, "must be true or false"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_specs_get_one_clear_line(case):
    spec, words = BAD[case]
    with pytest.raises(InputError) as caught:
        Network.from_dict(spec)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


ANALYSES = {
    "jumps": (
        [
            {"name": "a", "kernel": 3, "stride": 2},
            {"name": "b", "kernel": 1, "inputs": "input"},
            {"op": "add", "inputs": ["a", "b"]},
        ],
        "merges maps of different jumps: 'a' has 2×2, 'b' has 1×1 pixels",
    ),
    "same needs a size": ([{"kernel": 3, "stride": 2, "padding": "same"}], "depends on the size of its map"),
    "resize needs a size": ([{"op": "resize", "size": 7}], "depends on the size of its map"),
    "small blocks": ([{"kernel": 2, "dilation": 6, "block": [9, 5]}, CONV], "does not fit into a block of 5"),
    "endless strides": ([{"kernel": 3, "stride": 2**20}] * 3, "beyond 2^53 pixels"),
    "wide kernel": ([{"kernel": 2**30}], "table of 1073741824 taps"),
    "phases": ([{"op": "upsample", "scale": 1024}] * 3, "repeats only after"),
}


@pytest.mark.parametrize("case", ANALYSES)
def test_what_cannot_be_analysed_gets_one_clear_line(case):
    layers, words = ANALYSES[case]
    with pytest.raises(InputError, match="layer '") as caught:
        resolve(Network.from_dict({"layers": layers}))
    assert words in str(caught.value)


FILES = {
    "empty.yaml": ("", "is empty"),
    "blank.json": ("  \n", "is empty"),
    "text.yaml": ("hello", "must hold a mapping"),
    "broken.yaml": ("layers: [\n  {kernel: 3", "cannot be read as YAML"),
    "broken.json": ('{"layers": [', "cannot be read as JSON"),
    "twice.json": ('{"layers": [], "layers": []}', "stands twice"),
    "twice.yaml": ("layers: []\nlayers: []", "stands twice"),
    "tag.yaml": ("layers: !!python/object/apply:os.system [echo hi]", "cannot be read as YAML"),
    "deep.yaml": ("[" * 5000 + "]" * 5000, "nest"),
    "deep.json": ("[" * 100_000, "nested too deeply"),
    "number.yaml": ("layers: [{kernel: " + "9" * 6000 + "}]", "cannot be read as YAML"),
    "anchors.yaml": ("a: &a [1,1]\nb: &b [*a,*a]\nlayers: [*b, *b]", "no 'a'"),
}


@pytest.mark.parametrize("name", FILES)
def test_bad_files_get_one_clear_line(name, tmp_path):
    text, words = FILES[name]
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        Network.from_file(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_no_text(tmp_path):
    (tmp_path / "latin.yaml").write_bytes(b"name: caf\xe9\n")
    for path, words in (
        (tmp_path / "latin.yaml", "UTF-8"),
        (tmp_path, "is a folder"),
        (tmp_path / "none.yaml", "No such file"),
    ):
        with pytest.raises(InputError, match=words):
            Network.from_file(path)


def test_load_names_the_nearest():
    with pytest.raises(InputError, match="did you mean 'resnet50'"):
        load("resnet5O")
    with pytest.raises(InputError, match="cannot be imported"):
        load("no_such_module:net")


def test_names_are_plain_texts_whatever_they_were_given_as():
    """Networks that are wired alike share their names: one must not have those of a subclass that another was given."""

    def network(kind):
        layers = [
            {"kernel": 3, "name": kind("a")},
            {"kernel": 3, "name": kind("b"), "inputs": [kind("a")]},
        ]
        return Network.from_dict({"axes": 1, "layers": layers, "outputs": [kind("b")]})

    class Text(str):
        __slots__ = ()

    for made in (network(Text), network(str)):
        names = [*made.outputs, *made.layers[1].inputs, *(layer.name for layer in made.layers)]
        assert {*map(type, names)} == {str}
