"""Names of modules mean what the modules return."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest

import rfscale as rf
from rfscale.engine import InputError

torch = pytest.importorskip("torch")

from tests.engine.readers.judges.returned import judge  # noqa: E402
from tests.engine.readers.torch import parts  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def unet():
    return rf.load(parts.UNet(), input_size=64)


@pytest.fixture(scope="module")
def detector():
    return rf.load(parts.Detector(), input_size=64)


@pytest.mark.parametrize("make", parts.PARTS, ids=lambda make: make.__name__)
def test_the_row_of_every_module_is_that_of_its_output(make):
    right, wrong, nameless = judge(make(), (32, 32))
    assert not wrong
    assert set(nameless) <= {"@0:"}  # a model with one output is its network
    assert right >= 5


def test_a_module_that_ends_in_a_child_returns_what_the_child_does(unet):
    assert unet["up1"].name == "up1.conv.1.0"
    assert "up1.concat" in unet
    assert {"inc.0", "down1.0", "up1.up", "out"} <= {layer.name for layer in unet.layers}
    assert unet.index("inc.1") == unet.index("inc.2") == unet.index("inc") == unet.index("inc.0")


@pytest.mark.parametrize("function", [rf.footprint, rf.path_counts, rf.coverage, rf.entry_map])
def test_modules_resolve_in_every_function_of_a_layer(unet, function):
    found, same = (function(unet, name, input_size=(32, 32)) for name in ("up1", "up1.conv.1.0"))
    assert found.equals(same)
    with pytest.raises(InputError, match="no layer 'up3'; did you mean 'up"):
        function(unet, "up3", input_size=(32, 32))


def test_tiles_of_a_module_equal_the_whole(unet):
    halo = rf.halo(unet, layers=["up1"])
    assert halo.equals(rf.halo(unet, layers=["up1.conv.1.0"]))
    margin = int(halo.margin.max())
    model = parts.UNet().eval()
    seen = {}
    model.up1.register_forward_hook(lambda module, args, output: seen.update(up1=output.clone()))
    image = torch.rand(1, 3, 96, 96)

    def run(pixels):
        with torch.no_grad():
            model(pixels)
        return seen["up1"]

    whole, first = run(image), 32
    tile = run(image[:, :, first - margin : first + 32 + margin, first - margin : first + 32 + margin])
    inner = slice(margin // 2, margin // 2 + 16)
    assert torch.allclose(tile[:, :, inner, inner], whole[:, :, 16:32, 16:32], atol=1e-6)
    assert margin > 0


def test_several_outputs_have_their_keys_and_calls_their_numbers(detector):
    assert [detector[f"neck:p{n}"].name for n in (3, 4, 5)] == ["neck.out.0", "neck.out.1", "neck.out.2"]
    assert [detector[f"head@{i}:1"].name for i in range(3)] == [f"head.boxes@{i}" for i in range(3)]
    assert [detector[f"p{n}.0"].name for n in (3, 4, 5)] == [f"head.classes@{i}" for i in range(3)]
    extents = rf.profile(detector).extent.values
    assert extents[detector.index("head.tower@0")][0] < extents[detector.index("head.tower@2")][0]
    with pytest.raises(InputError, match="'neck' of Detector is several maps; name one: neck:p3, neck:p4, neck:p5"):
        rf.footprint(detector, "neck")
    with pytest.raises(InputError, match=r"'head\.boxes' of Detector is several maps; name one: head\.boxes@0, "):
        detector.index("head.boxes")
    assert rf.halo(detector, layers=["neck"]).attrs["layers"] == ["neck.out.0", "neck.out.1", "neck.out.2"]


def test_modules_travel_with_the_network(detector, tmp_path):
    path = tmp_path / "detector.json"
    path.write_text(json.dumps(detector.to_dict()))
    for same in (rf.load(path), pickle.loads(pickle.dumps(detector)), rf.Network.from_dict(detector.to_dict())):
        assert same == detector
        assert same.modules == detector.modules
    spec = detector.to_dict()
    del spec["modules"]
    assert rf.Network.from_dict(spec) != detector
    assert "neck:p3: neck.out.0" in rf.profile(detector).attrs["modules"]


def test_a_program_without_notes_is_read_off_its_stacks(tmp_path):
    path = tmp_path / "net.pt2"
    for make in (parts.UNet, parts.Detector, parts.cross_stage):
        noted = rf.load(make(), input_size=64)
        torch.export.save(torch.export.export(make().eval(), (torch.zeros(1, 3, 64, 64),)), path)
        read = rf.load(path)
        assert [layer.name for layer in read.layers] == [layer.name for layer in noted.layers]
        alike = {name for name in read.modules if ":" not in name}
        assert {name: read.modules[name] for name in alike} == {name: noted.modules[name] for name in alike}
        assert len(alike) > 5
        if make is parts.Detector:
            assert [read[f"neck:{i}"].name for i in range(3)] == [noted[f"neck:p{i}"].name for i in (3, 4, 5)]
            assert read["p3.0"].name == noted["p3.0"].name


@pytest.mark.parametrize("dynamo", [False, True])
@pytest.mark.filterwarnings("ignore")  # of the exporters
def test_onnx_files_give_the_names_that_modules_have(tmp_path, dynamo):
    pytest.importorskip("onnx")
    for make in (parts.UNet, parts.Detector, parts.ends_in_dropped):
        path = tmp_path / f"{make.__name__}.onnx"
        torch.onnx.export(make().eval(), (torch.zeros(1, 3, 64, 64),), path, dynamo=dynamo, verbose=False)
        model, file = rf.load(make(), input_size=64), rf.load(path)
        extents, found = rf.profile(model).extent.values, rf.profile(file).extent.values
        plain = [n for n in (*model.modules, *(x.name for x in model.layers)) if not set(n) & set(":@")]
        shared = [name for name in plain if name in file or name in file.modules]
        assert len(shared) >= len(plain) / 2
        assert [tuple(found[file.index(n)]) for n in shared] == [tuple(extents[model.index(n)]) for n in shared]
        if make is parts.UNet:
            assert [x.name for x in file.layers] == [x.name for x in model.layers]
            assert file["up1"].name == model["up1"].name
        if make is parts.Detector:
            assert [file[f"neck:{i}"].name for i in range(3)] == ["neck.out.0", "neck.out.1", "neck.out.2"]


def test_hooks_leave_the_module_as_it_was():
    model = parts.Detector()
    calls = []
    model.neck.register_forward_hook(lambda module, args, output: calls.append(1))
    rf.load(model, input_size=64)
    assert len(calls) == 1
    assert sum(len(m._forward_hooks) for m in model.modules()) == 1
    assert model.training


def test_shuffles_of_views_have_the_map_of_their_tensor():
    net = rf.load(parts.shuffles(), input_size=64)
    sizes = net.map_sizes()
    assert [sizes[net[str(i)].name][0] for i in range(6)] == [32, 64, 64, 32, 32, 64]
    assert np.array_equal(rf.profile(net).jump.values[net.index("1")], [1, 1])
