"""ONNX graphs: single operators against onnx's reference evaluator and the wheel's real networks."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine import InputError

pytestmark = pytest.mark.onnx

SIZE = (8, 9)


def graphs():
    """(name, model) of small graphs, one operator or idiom each."""
    from tests.engine.readers.onnx.graphs import ints, model, node, weights

    w = weights(1, 1, 3, 3)
    for word in ("SAME_UPPER", "SAME_LOWER", "VALID"):
        for s in (1, 2, 3):
            yield (
                f"conv {word} {s}",
                model([node("Conv", "x", "w", auto_pad=word, strides=[s, s])], w=weights(1, 1, 4, 3)),
            )
    yield "conv pads", model([node("Conv", "x", "w", pads=[0, 1, 2, 0], strides=[2, 1], dilations=[2, 1])], w=w)
    yield "maxpool", model([node("MaxPool", "x", kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 0])])
    yield "avgpool", model([node("AveragePool", "x", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)], opset=19)
    yield "transposed", model([node("ConvTranspose", "x", "w", strides=[2, 3], pads=[1, 0, 0, 1])], w=w)
    yield (
        "transposed extra",
        model([node("ConvTranspose", "x", "w", strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 0])], w=w),
    )
    yield "transposed same", model([node("ConvTranspose", "x", "w", strides=[2, 2], auto_pad="SAME_UPPER")], w=w)
    yield "transposed shape", model([node("ConvTranspose", "x", "w", strides=[2, 2], output_shape=[17, 19])], w=w)
    for place in ("half_pixel", "align_corners", "pytorch_half_pixel"):
        yield (
            f"linear {place}",
            model(
                [node("Resize", "x", "", "", "s", mode="linear", coordinate_transformation_mode=place)],
                s=ints(1, 1, 16, 13),
            ),
        )
    yield (
        "nearest floor",
        model(
            [node("Resize", "x", "", "s", nearest_mode="floor", coordinate_transformation_mode="asymmetric")],
            s=np.array([1, 1, 2, 3], np.float32),
        ),
    )
    yield "nearest half", model([node("Resize", "x", "", "s")], s=np.array([1, 1, 2, 3], np.float32))
    yield "cubic", model([node("Resize", "x", "", "", "s", mode="cubic")], s=ints(1, 1, 12, 12))
    for mode in ("constant", "reflect", "edge", "wrap"):
        yield f"pad {mode}", model([node("Pad", "x", "p", mode=mode)], p=ints(0, 0, 1, 2, 0, 0, 3, 0), opset=19)
    yield (
        "slice",
        model([node("Slice", "x", "a", "b", "d", "e")], a=ints(1, -7), b=ints(7, 99), d=ints(2, 3), e=ints(2, 3)),
    )
    yield "slice 9", model([node("Slice", "x", starts=[1, 2], ends=[7, -1], axes=[2, 3])], opset=9)
    yield "gather", model([node("Gather", "x", "i", axis=3)], i=ints(1, 3, 5))
    yield "shuffle", model([node("DepthToSpace", "x", blocksize=2)], shape=(1, 4, 8, 9))
    yield "unshuffle", model([node("SpaceToDepth", "x", blocksize=2)], shape=(1, 1, 8, 8))
    yield (
        "shuffle by views",
        model(
            [
                node("Reshape", "x", "a", to="t"),
                node("Transpose", "t", to="u", perm=[0, 1, 4, 2, 5, 3]),
                node("Reshape", "u", "b", to="v"),
                node("Conv", "v", "w", pads=[1, 1, 1, 1]),
            ],
            shape=(1, 4, 8, 9),
            a=ints(1, 1, 2, 2, 8, 9),
            b=ints(1, 1, 16, 18),
            w=w,
        ),
    )
    yield (
        "roll",
        model(
            [
                node("Slice", "x", "a", "b", "d", to="t"),
                node("Slice", "x", "z", "a", "d", to="h"),
                node("Concat", "t", "h", to="r", axis=2),
                node("Conv", "r", "w", pads=[1, 1, 1, 1]),
            ],
            a=ints(3),
            b=ints(99),
            z=ints(0),
            d=ints(2),
            w=w,
        ),
    )
    yield (
        "rows joined",
        model([node("MaxPool", "x", to="m", kernel_shape=[2, 1], strides=[1, 1]), node("Concat", "x", "m", axis=2)]),
    )
    for name, picks in (("Gather", {"i": ints(1, 0)}), ("Slice", {"i": ints(1), "e": ints(3), "d": ints(1)})):
        yield (
            f"channels beside zeros, {name}, as pixels",
            model(
                [
                    node("Concat", "o", "x", "o", axis=1, to="c")
                    if name == "Slice"
                    else node("Concat", "x", "o", axis=1, to="c"),
                    node(name, "c", *picks, to="t", **({"axis": 1} if name == "Gather" else {})),
                    node("Transpose", "t", perm=[0, 2, 3, 1], to="p"),
                    node("Reshape", "p", "s"),
                ],
                o=np.zeros((1, 1, 8, 9), np.float32),
                s=ints(1, 1, 8, 18),
                **picks,
            ),
        )
    yield (
        "mean of rows",
        model([node("ReduceMean", "x", axes=[2], keepdims=1, to="m"), node("Add", "x", "m")], opset=17),
    )
    yield (
        "windows",
        model(
            [
                node("Reshape", "x", "a", to="t"),
                node("ReduceSum", "t", "d", to="m", keepdims=1),
                node("Add", "t", "m", to="s"),
                node("Reshape", "s", "b"),
            ],
            a=ints(1, 1, 2, 4, 3, 3),
            b=ints(1, 1, 8, 9),
            d=ints(3, 5),
        ),
    )
    yield (
        "patches",
        model(
            [
                node("Reshape", "x", "a", to="t"),
                node("Transpose", "t", to="u", perm=[0, 2, 4, 1, 3, 5]),
                node("Reshape", "u", "b", to="v"),
                node("MatMul", "v", "w", to="q"),
                node("Transpose", "q", to="c", perm=[0, 3, 1, 2]),
                node("Identity", "c"),
            ],
            a=ints(1, 1, 4, 2, 3, 3),
            b=ints(1, 4, 3, 6),
            w=weights(6, 5),
        ),
    )


@pytest.mark.parametrize("index", range(37))
def test_operators_equal_the_reference_evaluator(index):
    every = list(graphs())
    assert len(every) == 39
    equals_the_reference_evaluator(*every[index])


PLACES = ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric")
TARGETS = ((16, 27), (12, 15), (5, 6), (1, 13), (8, 4))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("mode", ["floor", "ceil", "round_prefer_floor", "round_prefer_ceil", "linear", "cubic"])
def test_resizes_equal_the_reference_evaluator(mode, place, target):
    from tests.engine.readers.onnx.graphs import ints, model, node

    attrs = {"mode": mode} if mode in ("linear", "cubic") else {"mode": "nearest", "nearest_mode": mode}
    resize = node("Resize", "x", "", "", "s", coordinate_transformation_mode=place, **attrs)
    proto = model([resize], s=ints(1, 1, *target), opset=19)
    if mode == "cubic" and place == "pytorch_half_pixel" and 1 in target:
        with pytest.raises(InputError, match="ONNX and PyTorch differ"):
            rf.load(proto)
        return
    equals_the_reference_evaluator(f"{mode} {place} {target}", proto)


def resizes():
    """(name, model) of resizes by factors that make no whole size, of regions, of some axes, and of old opsets."""
    from tests.engine.readers.onnx.graphs import ints, model, node

    def by(*scales):
        return np.array([1, 1, *scales], np.float32)

    for place in ("half_pixel", "pytorch_half_pixel", "asymmetric"):
        for mode in ("linear", "nearest", "cubic"):
            attrs = {"mode": mode, "coordinate_transformation_mode": place}
            yield f"{mode} {place} by 1.5, 0.75", model([node("Resize", "x", "", "s", **attrs)], s=by(1.25, 0.75))
            yield f"{mode} {place} by 0.5", model([node("Resize", "x", "", "s", **attrs)], s=by(0.375, 0.5))
    for mode in ("linear", "nearest"):
        attrs = {"mode": mode, "coordinate_transformation_mode": "tf_crop_and_resize"}
        roi = np.array([0, 0, 1 / 7, 0, 1, 1, 5 / 7, 1], np.float32)
        yield f"{mode} region", model([node("Resize", "x", "roi", "", "s", **attrs)], s=ints(1, 1, 10, 1), roi=roi)
        yield (
            f"{mode} all",
            model([node("Resize", "x", "roi", "", "s", **attrs)], s=ints(1, 1, 5, 17), roi=ints(*[0] * 4, *[1] * 4)),
        )
    axes = [node("Resize", "x", "", "", "s", mode="linear", axes=[3])]
    yield "one axis", model(axes, s=ints(14), opset=18)
    grown = [node("Resize", "x", "", "", "s", mode="linear", antialias=1)]
    yield "antialias that grows", model(grown, s=ints(1, 1, 12, 13), opset=18)
    kept = [node("Resize", "x", "", "", "s", mode="linear", axes=[2, 3], keep_aspect_ratio_policy="not_smaller")]
    yield "aspect ratio", model(kept, s=ints(16, 12), opset=18)
    yield "upsample 9", model([node("Upsample", "x", "s", mode="nearest")], s=by(2, 3), opset=9)
    yield "upsample 7", model([node("Upsample", "x", mode="nearest", scales=[1.0, 1.0, 2.0, 3.0])], opset=7)


@pytest.mark.parametrize("index", range(27))
def test_other_resizes_equal_the_reference_evaluator(index):
    every = list(resizes())
    assert len(every) == 27
    name, proto = every[index]
    newer = {opset.version: opset for opset in proto.opset_import}.get(7)
    if newer is None:
        return equals_the_reference_evaluator(name, proto)
    net = rf.load(proto)  # the evaluator has no Upsample 7
    assert net.layers[0].params["scale"] == (2, 3)


def unreadable_resizes():
    """(model, reason) of resizes that no layer is."""
    from tests.engine.readers.onnx.graphs import ints, model, node

    def one(message, opset=19, scales=None, **attrs):
        scaled = {"s": np.array([1, 1, *scales], np.float32)} if scales else {"s": ints(1, 1, 5, 5)}
        inputs = ("x", "s") if opset < 11 else ("x", "", "s") if scales else ("x", "", "", "s")
        return model([node("Resize", *inputs, **attrs)], opset=opset, **scaled), message

    yield one("antialiasing", mode="linear", antialias=1, coordinate_transformation_mode="asymmetric")
    yield one("leaves out some of its 4", mode="cubic", exclude_outside=1)
    yield one("no simple fraction", scales=(1.2345, 1.2345), mode="linear")
    yield one("no whole number", scales=(1.3, 1.3), mode="linear", coordinate_transformation_mode="align_corners")
    yield one("before 11 do not say", opset=10, scales=(0.7, 0.7), mode="nearest")
    yield one("aspect ratio", mode="linear", keep_aspect_ratio_policy="not_larger")
    roi = np.array([0, 0, 0.1, 0, 1, 1, 0.9, 1], np.float32)
    cut = node("Resize", "x", "roi", "", "s", mode="linear", coordinate_transformation_mode="tf_crop_and_resize")
    yield model([cut], s=ints(1, 1, 5, 5), roi=roi), "between entries"
    yield model([cut], s=ints(1, 1, 5, 5), roi=np.array([0, 0, -1, 0, 1, 1, 1, 1], np.float32)), "beyond the map"


@pytest.mark.parametrize("index", range(8))
def test_resizes_that_no_layer_is_are_listed(index):
    every = list(unreadable_resizes())
    assert len(every) == 8
    proto, message = every[index]
    with pytest.raises(InputError, match=rf"Resize.*{message}.*unknown='everything'"):
        rf.load(proto)


def equals_the_reference_evaluator(name, proto):
    """Seeded entries of a graph's output see the pixels that change it."""
    from tests.engine.readers.onnx.graphs import moved

    net = rf.load(proto)
    expected = moved(proto, net.input_size)
    assert net.map_sizes()[net.outputs[0]] == expected.shape[:2], name
    rng = random.Random(name)
    entries = list(np.ndindex(*expected.shape[:2]))
    for entry in {entries[0], entries[-1], *rng.sample(entries, min(12, len(entries)))}:
        found = rf.footprint(net, net.outputs[0], entry, net.input_size)
        np.testing.assert_array_equal(found.values, expected[entry], err_msg=f"{name} {entry}")


LIGHT = {  # extent at the deepest map without a global receptive field, layers
    "bvlc_alexnet": (195, 11),
    "densenet121": (2071, 184),
    "inception_v1": (907, 81),
    "inception_v2": (891, 93),
    "resnet50": (619, 72),
    "shufflenet": (719, 71),
    "squeezenet": (207, 38),
    "vgg19": (268, 24),
    "zfnet512": (155, 11),
}


def light(name):
    import onnx

    return Path(onnx.__file__).parent / "backend" / "test" / "data" / "light" / f"light_{name}.onnx"


@pytest.mark.parametrize("name", LIGHT)
def test_graphs_of_the_onnx_wheel(name):
    net = rf.load(str(light(name)))
    ds = rf.profile(net)
    deepest = ds.layer[~ds.is_global].values[-1]
    assert (ds.extent.sel(layer=deepest).values == LIGHT[name][0]).all()
    assert len(net) == LIGHT[name][1]


# what a file leaves open, and what no reader knows ------------------------------------------------------------------


def test_sizes_that_a_file_leaves_open():
    from tests.engine.readers.onnx.graphs import model, node, weights

    open_size = model([node("Conv", "x", "w")], w=weights(1, 1, 3, 3))
    for d, name in zip((0, 2, 3), "NHW", strict=True):
        dim = open_size.graph.input[0].type.tensor_type.shape.dim[d]
        dim.Clear()
        dim.dim_param = name
    net = rf.load(open_size)
    assert net.input_size == (224, 224)
    assert net.assumed == {"size of 'x'": "224×224 (the file leaves it open)"}
    assert rf.load(open_size, input_size=64).assumed == {}
    assert rf.load(open_size, input_size=(32, 48)).input_size == (32, 48)
    assert rf.load(open_size, example_input=(2, 1, 20, 30)).input_size == (20, 30)


def test_weights_in_other_files_need_not_be_there(tmp_path):
    import onnx

    from tests.engine.readers.onnx.graphs import model, node, weights

    proto = model([node("Conv", "x", "w")], shape=(1, 1, 32, 32), w=weights(64, 1, 9, 9))
    onnx.save(proto, tmp_path / "a.onnx", save_as_external_data=True, location="a.data", size_threshold=0)
    (tmp_path / "a.data").unlink()
    assert rf.load(str(tmp_path / "a.onnx")).layers[0].params["kernel"] == (9, 9)


def test_unknown_operators_as_the_user_says():
    from onnx import helper

    from tests.engine.readers.onnx.graphs import model, node, weights

    foo = helper.make_node("Foo", ["x"], ["a"], domain="my", name="foo1")
    proto = model([foo, node("Conv", "a", "w")], w=weights(1, 1, 3, 3))
    with pytest.raises(InputError, match=r"my\.Foo \(at foo1\).*unknown='pointwise'"):
        rf.load(proto)
    assert [x.op for x in rf.load(proto, unknown="pointwise").layers] == ["conv"]
    assert rf.profile(rf.load(proto, unknown="everything")).is_global.all()
    layer = {"op": "max_pool", "kernel": 3, "padding": 1, "stride": 1}
    net = rf.load(proto, unknown={"my.Foo": layer})
    assert rf.profile(net).extent.values[-1].tolist() == [5, 5]
    assumed = [f"my.Foo: {layer}"]
    found = [
        rf.profile(net),
        rf.profile(net, input_size=(8, 9)),
        rf.footprint(net, net.outputs[0], (3, 3), (8, 9)),
        rf.entry_map(net, net.outputs[0], (8, 9)),
        rf.path_counts(net, net.outputs[0], (3, 3), (8, 9)),
    ]
    assert [out.attrs["assumed"] for out in found] == [assumed] * 5
    assert "assumed" not in rf.profile(rf.load("vgg11")).attrs
    with pytest.raises(InputError, match="unknown is 'ignore'"):
        rf.load(proto, unknown="ignore")


def test_no_import_unless_asked():
    code = "import sys; import rfscale as rf; rf.load('resnet50'); assert not {'torch', 'onnx'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_line_that_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(InputError, match=r"pip install onnx$"):
        rf.load("model.onnx")
