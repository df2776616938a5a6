"""Keras models read from their configuration, without Keras; judged by gradients where Keras runs on torch."""

import json
import zipfile

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine.readers.keras.reader import read_keras


def layer(kind, inputs, name, **config):
    """One layer of a functional model as Keras 3 writes it."""
    made = [{"class_name": "__keras_tensor__", "config": {"keras_history": [i, 0, 0]}} for i in inputs]
    node = {"args": made if len(made) == 1 else [made], "kwargs": {}}
    entry = {"module": "keras.layers", "class_name": kind, "config": {"name": name, **config}, "name": name}
    return {**entry, "inbound_nodes": [node] if inputs else []}


def functional(*layers, shape=(None, 32, 32, 3), outputs=None):
    given = layer("InputLayer", [], "image", batch_shape=list(shape))
    ends = outputs or [layers[-1]["name"]]
    config = {
        "name": "small",
        "layers": [given, *layers],
        "input_layers": [["image", 0, 0]],
        "output_layers": [[end, 0, 0] for end in ends],
    }
    return {"module": "keras", "class_name": "Functional", "config": config}


def conv(name, before, filters=4, kernel=3, stride=1, padding="same", **more):
    size = {"kernel_size": [kernel] * 2, "strides": [stride] * 2, "padding": padding, "dilation_rate": [1, 1]}
    return layer("Conv2D", [before], name, filters=filters, data_format="channels_last", groups=1, **size, **more)


BRANCHES = functional(
    conv("stem", "image", stride=2, activation="relu"),
    layer("BatchNormalization", ["stem"], "bn", axis=-1),
    layer("MaxPooling2D", ["bn"], "pool", pool_size=[3, 3], strides=[2, 2], padding="same"),
    conv("wide", "pool", kernel=5),
    conv("narrow", "pool", kernel=1),
    layer("Concatenate", ["wide", "narrow"], "cat", axis=-1),
    layer("UpSampling2D", ["cat"], "up", size=[2, 2], interpolation="nearest"),
    conv("down", "up", stride=2),
    layer("Add", ["down", "wide"], "sum"),
)


def test_a_functional_model():
    network = read_keras(BRANCHES)
    assert network.name == "small"
    assert network.input_size == (32, 32)
    assert network.outputs == ("sum",)
    profile = rf.profile(network)
    assert profile.extent.sel(layer="pool").values.tolist() == [7, 7]
    assert profile.extent.sel(layer="cat").values.tolist() == [23, 23]
    assert profile.start.sel(layer="stem").values.tolist() == [0, 0]  # 32 pixels of stride 2: the odd pixel at the end
    assert {"params", "macs"} <= set(profile)
    assert network["bn"] == network["stem"]


def test_sizes_that_are_open_and_others():
    open_model = functional(conv("a", "image"), shape=(None, None, None, 3))
    assert read_keras(open_model).input_size == (224, 224)
    assert read_keras(open_model, input_size=(48, 64)).input_size == (48, 64)
    assert read_keras(BRANCHES, example_input=(1, 64, 48, 3)).input_size == (64, 48)
    assert read_keras(BRANCHES, example_input=64).input_size == (64, 64)
    assert read_keras(BRANCHES, image="image").name == "small"
    with pytest.raises(rf.InputError, match="image is 'imag'; did you mean 'image'"):
        read_keras(BRANCHES, image="imag")
    with pytest.raises(rf.InputError, match="give the shape of the image, 4 numbers"):
        read_keras(BRANCHES, example_input=(3, 32))


def archive(path, config):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("config.json", json.dumps(config))
    return str(path)


def test_files(tmp_path):
    network = rf.load(archive(tmp_path / "small.keras", BRANCHES))
    (tmp_path / "small.json").write_text(json.dumps(BRANCHES))
    assert rf.load(tmp_path / "small.json").to_dict() == network.to_dict()
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "small.h5", "w") as file:
        file.attrs["model_config"] = json.dumps(BRANCHES)
    assert rf.load(tmp_path / "small.h5").to_dict() == network.to_dict()
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file.attrs["layer_names"] = ["a"]
    with pytest.raises(rf.InputError, match="holds weights, not a model"):
        rf.load(tmp_path / "weights.h5")


def sequential(*layers, **config):
    entries = [{key: value for key, value in entry.items() if key != "inbound_nodes"} for entry in layers]
    return {"class_name": "Sequential", "config": {"name": "row", "layers": entries, **config}}


def test_a_sequential_model_and_one_inside():
    inner = sequential(conv("a", "", stride=2), conv("b", ""), build_input_shape=[None, 32, 32, 3])
    assert rf.profile(read_keras(inner)).extent.values[-1].tolist() == [7, 7]
    entry = {**inner, "module": "keras", "name": "row", "inbound_nodes": conv("", "image")["inbound_nodes"]}
    network = read_keras(functional(entry, conv("after", "row")))
    assert [found.name for found in network.layers] == ["row.a", "row.b", "after"]
    assert network["row"].name == "row.b"
    assert rf.profile(network).extent.values[-1].tolist() == [11, 11]


def test_the_graph_of_keras_2():
    old = json.loads(json.dumps(BRANCHES))
    for entry in old["config"]["layers"]:
        del entry["module"]
        names = [
            tensor["config"]["keras_history"]
            for node in entry["inbound_nodes"]
            for argument in node["args"]
            for tensor in (argument if isinstance(argument, list) else [argument])
        ]
        entry["inbound_nodes"] = [[[*name, {}] for name in names]] if names else []
    assert read_keras(old).to_dict() == read_keras(BRANCHES).to_dict()


def test_a_layer_that_is_called_twice():
    twice = conv("shared", "image")
    twice["inbound_nodes"] += conv("", "middle")["inbound_nodes"]
    model = functional(twice, conv("middle", "shared"))
    model["config"]["output_layers"] = [["shared", 1, 0]]
    network = read_keras(model)
    assert [found.name for found in network.layers] == ["shared@0", "middle", "shared@1"]
    assert rf.profile(network).extent.values[-1].tolist() == [7, 7]


def called(inner, *befores):
    """An entry of a model inside a model, called on outputs [layer, call, position] one after another."""
    calls = [{"class_name": "__keras_tensor__", "config": {"keras_history": before}} for before in befores]
    return {**inner, "name": "small", "inbound_nodes": [{"args": [c], "kwargs": {}} for c in calls]}


@pytest.mark.parametrize("version", [3, 2])
def test_a_model_called_twice_inside_a_model_and_its_outputs(version):
    """The first call of such a model is 1 among the outputs; Keras 2 says so of inputs, too."""
    inner = functional(conv("a", "image", kernel=5), conv("b", "a"), outputs=["a", "b"])
    entry = called(inner, ["image", 0, 0], ["small", 0, 1])
    model = functional(entry, outputs=["small"] * 3)
    model["config"]["output_layers"] = [["small", 1, 0], ["small", 2, 0], ["small", 2, 1]]
    if version == 2:
        old = [[["image", 0, 0, {}]], [["small", 1, 1, {}]]]
        model["config"]["layers"] = [model["config"]["layers"][0], {**entry, "inbound_nodes": old}]
    network = read_keras(model)
    assert network.outputs == ("small.a@0", "small.a@1", "small.b@1")
    assert rf.profile(network).extent.sel(axis="y", layer=list(network.outputs)).values.tolist() == [5, 11, 13]


@pytest.mark.parametrize(
    "changes",
    [
        {"class_name": "Lambda"},
        {"module": "my.layers", "registered_name": "my>Conv2D"},
        {"config": {"name": "b", "filters": 4, "kernel_size": [3], "padding": "same"}},
        {"config": {"name": "b", "filters": 4, "kernel_size": [3, 3], "activation": {"class_name": "function",
         "module": "my", "config": "mine", "registered_name": "function"}}},
    ],
)  # fmt: skip
def test_what_is_not_known_ends_the_network(changes):
    model = functional(conv("a", "image"), {**conv("b", "a"), **changes}, conv("c", "b"))
    with pytest.warns(rf.PartlyReadWarning, match="b: "):
        network = read_keras(model)
    assert network.outputs == ("a",)
    if "config" not in changes:
        assert read_keras(model, unknown="pointwise").outputs == ("c",)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"class_name": "Mine", "config": {"units": 3}}, "holds 'Mine', whose layers stand in Python code alone"),
        (functional(conv("a", "nowhere")), "layer 'a' reads 'nowhere', which no layer makes"),
        (functional(conv("a", "b"), conv("b", "a")), "which depends on it"),
        (
            {"class_name": "Functional", "config": {"layers": [{}], "output_layers": [], "input_layers": []}},
            "not one of",
        ),
        (
            {"class_name": "Functional", "config": {"layers": [3], "output_layers": [], "input_layers": []}},
            "not one of",
        ),
    ],
)
def test_wrong_configurations_are_one_line(model, message, tmp_path):
    with pytest.raises(rf.InputError, match=message) as caught:
        rf.load(archive(tmp_path / "wrong.keras", model))
    assert "\n" not in str(caught.value)


def test_wrong_files_are_one_line(tmp_path):
    (tmp_path / "a.keras").write_bytes(b"no archive")
    with zipfile.ZipFile(tmp_path / "b.keras", "w") as file:
        file.writestr("other.json", "{}")
    with zipfile.ZipFile(tmp_path / "c.keras", "w") as file:
        file.writestr("config.json", "{")
    for name, message in (("b", "holds no config.json"), ("c", "not JSON"), ("d", "No such file")):
        with pytest.raises(rf.InputError, match=message):
            rf.load(tmp_path / f"{name}.keras")
    with pytest.raises(rf.InputError, match=r"cannot be read|to read it"):
        rf.load(tmp_path / "a.keras")


# with Keras ----------------------------------------------------------------------------------------------------------


def _keras():
    pytest.importorskip("torch")
    from tests.engine.readers.keras.keras_judge import needed_keras

    return needed_keras()


def model_of(*layers, shape=(24, 20, 3)):
    def make(keras):
        return keras.Sequential([keras.Input(shape), *(made(keras.layers) for made in layers)])

    return make


LAYERS = {
    "strided": [lambda m: m.Conv2D(4, (3, 5), strides=2, padding="same"), lambda m: m.Conv2D(4, 4, padding="same")],
    "dilated": [lambda m: m.Conv2D(4, 3, dilation_rate=2), lambda m: m.Conv2D(6, 2, groups=2)],
    "depthwise": [lambda m: m.DepthwiseConv2D(3, strides=2, padding="same", depth_multiplier=2)],
    "separable": [lambda m: m.SeparableConv2D(5, 3, strides=2), lambda m: m.SeparableConv2D(4, 3, padding="same")],
    "transposed": [lambda m: m.Conv2D(4, 3, strides=2), lambda m: m.Conv2DTranspose(4, 3, strides=2, padding="same")],
    "transposed wide": [lambda m: m.AveragePooling2D(2), lambda m: m.Conv2DTranspose(4, 4, strides=3)],
    "transposed far": [lambda m: m.AveragePooling2D(4), lambda m: m.Conv2DTranspose(4, 2, strides=4, padding="same")],
    "transposed extra": [
        lambda m: m.AveragePooling2D(2),
        lambda m: m.Conv2DTranspose(4, 3, strides=2, padding="same", output_padding=1),
    ],
    "pools": [lambda m: m.MaxPooling2D(3, 2, padding="same"), lambda m: m.AveragePooling2D((2, 3))],
    "borders": [lambda m: m.ZeroPadding2D(((1, 2), (0, 3))), lambda m: m.Conv2D(3, 3), lambda m: m.Cropping2D(2)],
    "bilinear": [lambda m: m.Conv2D(4, 3, strides=2), lambda m: m.UpSampling2D(2, interpolation="bilinear")],
    "nearest": [lambda m: m.Conv2D(4, 3, strides=2), lambda m: m.UpSampling2D((3, 2))],
    "norms": [lambda m: m.Conv2D(4, 3), lambda m: m.LayerNormalization(), lambda m: m.Conv2D(4, 3, activation="gelu")],
    "views": [lambda m: m.Conv2D(4, 2, 2), lambda m: m.Permute((2, 1, 3)), lambda m: m.Conv2D(4, (3, 1))],
    "tokens": [lambda m: m.Conv2D(4, 4, 4), lambda m: m.Reshape((30, 4)), lambda m: m.Dense(5)],
    "head": [lambda m: m.Conv2D(4, 3, 2), lambda m: m.Flatten(), lambda m: m.Dense(3)],
}


@pytest.mark.torch
@pytest.mark.parametrize("name", [n for n in LAYERS if n not in ("views", "tokens", "head")])
def test_layers_read_what_gradients_say(name):
    _keras()
    from tests.engine.readers.keras.keras_judge import judged

    compared, differing = judged(model_of(*LAYERS[name]), entries=8)
    assert compared
    assert differing == []


@pytest.mark.torch
def test_views_and_heads():
    keras = _keras()
    turned = rf.profile(rf.load(model_of(*LAYERS["views"])(keras)))
    assert turned.extent.values[-1].tolist() == [2, 6]
    assert rf.load(model_of(*LAYERS["tokens"])(keras)).layers[-1].op == "conv"
    assert rf.load(model_of(*LAYERS["head"])(keras)).layers[-1].op == "linear"


@pytest.mark.torch
def test_one_and_three_axes_and_channels_first():
    keras = _keras()
    from tests.engine.readers.keras.keras_judge import judged

    row = model_of(
        lambda m: m.Conv1D(4, 3, padding="causal", dilation_rate=2), lambda m: m.MaxPooling1D(2), shape=(40, 2)
    )
    volume = model_of(lambda m: m.Conv3D(4, 3, 2, padding="same"), lambda m: m.UpSampling3D(2), shape=(8, 9, 10, 1))
    first = model_of(
        lambda m: m.Conv2D(4, 3, 2, data_format="channels_first"),
        lambda m: m.ZeroPadding2D(1, data_format="channels_first"),
        lambda m: m.AveragePooling2D(3, 1, data_format="channels_first"),
        shape=(3, 20, 24),
    )
    assert judged(row)[1] == judged(volume)[1] == judged(first, first=True)[1] == []
    assert rf.load(first(keras)).input_size == (20, 24)


@pytest.mark.torch
def test_gradients_do_not_vanish_in_depthwise_layers():
    """The corner of their footprint has one path; its gradient is the product of a weight of each layer."""
    _keras()
    from tests.engine.readers.keras.keras_judge import judged

    first, deep = [lambda m: m.Conv2D(200, 1), lambda m: m.BatchNormalization()], 14 * [lambda m: m.DepthwiseConv2D(3)]
    model = model_of(*first, *deep, lambda m: m.Conv2D(2, 1), shape=(32, 32, 3))
    assert judged(model, entries=1) == (1, [])


@pytest.mark.torch
def test_an_application():
    _keras()
    from tests.engine.readers.keras.keras_judge import judged

    def make(keras):
        return keras.applications.VGG16(weights=None, include_top=False, input_shape=(32, 32, 3))

    compared, differing = judged(make, entries=3)
    assert (compared, differing) == (3, [])


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Keras, while it saves
def test_files_of_keras_itself(tmp_path):
    keras = _keras()
    model = model_of(*LAYERS["strided"], lambda m: m.GlobalAveragePooling2D(), lambda m: m.Dense(2))(keras)
    model.save(tmp_path / "saved.keras")
    network = rf.load(tmp_path / "saved.keras")
    assert network.to_dict() | {"name": ""} == rf.load(model).to_dict() | {"name": ""}
    assert np.isinf(rf.profile(network).extent.values[-1]).all()


@pytest.mark.torch
def test_functions_between_layers():
    keras = _keras()
    from keras import ops

    image = keras.Input((16, 16, 4))
    x = keras.layers.Conv2D(4, 3, padding="same")(image)
    y = ops.pad(ops.concatenate([x, image], axis=-1)[:, 2:-2, ::2, :], [[0, 0], [1, 1], [0, 0], [0, 0]])
    halves = ops.split(ops.sigmoid(y) * 2 + 1, 2, axis=-1)
    pooled = ops.nn.max_pool(halves[0] - halves[1], 2)
    mean = ops.mean(pooled, axis=(1, 2), keepdims=True)
    network = rf.load(keras.Model(image, [pooled, mean, keras.layers.MultiHeadAttention(2, 4)(pooled, pooled)]))
    assert rf.profile(network).jump.sel(layer=network.outputs[0]).values.tolist() == [2, 4]
    assert len(network.outputs) == 3
