"""Files of torch.export.save that would run code: each way that torch knows, refused before anything runs."""

from __future__ import annotations

import io
import json
import logging
import os
import pickle
import zipfile
from pathlib import Path

import pytest

import rfscale as rf
from rfscale.engine import InputError
from rfscale.engine.readers.torch.program.program_file import load_program

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

GRAPH = "good/models/model.json"
CONSTANTS = "good/data/constants/model_constants_config.json"


class Touch:
    """Its pickle makes the file `ran`."""

    def __reduce__(self):
        return os.mkdir, ("ran",)


@pytest.fixture
def records(tmp_path, monkeypatch):
    """The records of a good program, in a folder of its own."""
    import torch

    monkeypatch.chdir(tmp_path)
    made = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.BatchNorm2d(4)).eval()
    torch.export.save(torch.export.export(made, (torch.zeros(1, 3, 16, 16),)), "good.pt2")
    with zipfile.ZipFile("good.pt2") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def save(records, changed, path="bad.pt2"):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (records | changed).items():
            archive.writestr(name, content)


def saved(value):
    import torch

    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def graph(records, change):
    content = json.loads(records[GRAPH])
    change(content["graph_module"])
    return {GRAPH: json.dumps(content).encode()}


def constant(file, content):
    entry = {"path_name": file, "is_param": False, "use_pickle": True, "tensor_meta": None}
    return {CONSTANTS: json.dumps({"config": {"c": entry}}).encode(), f"good/data/constants/{file}": content}


def with_symbolic_size(text):
    def change(module):
        size = {"as_expr": {"expr_str": text, "hint": None}}
        module["graph"]["tensor_values"]["conv2d"]["sizes"][2] = size

    return lambda records: graph(records, change)


def with_argument_type(records):
    def change(module):
        names = {"default_factory_module": "this", "default_factory_name": "d", "dict_context": []}
        spec = [1, {"type": "collections.defaultdict", "context": json.dumps(names), "children_spec": []}]
        module["module_call_graph"][0]["signature"]["in_spec"] = json.dumps(spec)

    return graph(records, change)


def with_operator(name):
    return lambda records: graph(records, lambda module: module["graph"]["nodes"][1].update(target=name))


HOSTILE = {
    "sample inputs": lambda r: {"good/data/sample_inputs/model.pt": saved(((Touch(),), {}))},
    "bare pickle": lambda r: {"good/data/sample_inputs/model.pt": pickle.dumps(Touch())},
    "old weights": lambda r: {"good/data/weights/model.pt": saved({"w": Touch()})},
    "old constants": lambda r: {"good/data/constants/model.pt": saved({"c": Touch()})},
    "older archive": lambda r: {"version": b"8.8", "serialized_state_dict.pt": saved({"w": Touch()})},
    "constant": lambda r: constant("tensor_0", saved(Touch())),
    "opaque object": lambda r: constant("opaque_obj_0", pickle.dumps(Touch())),
    "script object": lambda r: constant("custom_obj_0", saved(Touch())),
    "compiled library": lambda r: {"good/data/aotinductor/model/a.so": b"\x7fELF"},
    "symbolic size": with_symbolic_size("__import__('os').mkdir('ran')"),
    "text in a symbolic size": with_symbolic_size("Symbol('x', positive=S(\"__import__('os').mkdir('ran')\"))"),
    "method in a symbolic size": with_symbolic_size("Symbol('x').func.__class__"),
    "type of arguments": with_argument_type,
    "function": with_operator("torch.serialization.os.mkdir"),
    "operator that opens files": with_operator("torch.ops.aten.from_file.default"),
    "operator that writes files": with_operator("torch.ops.aten.save.default"),
    "operators of images": with_operator("torch.ops.image.write_file.default"),
    "libraries": with_operator("torch.ops.load_library.__call__"),
    "method of an operator": with_operator("torch.ops.aten.relu.__class__"),
    "method by its name": with_operator("_operator.methodcaller"),
    "call": with_operator("_operator.call"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_code_in_a_program_is_refused_and_not_run(records, kind):
    save(records, HOSTILE[kind](records))
    with pytest.raises(InputError, match=r"^bad\.pt2 may run code .*nothing was run; .* give trust$") as raised:
        rf.load("bad.pt2")
    assert "\n" not in str(raised.value)
    assert not Path("ran").exists()


def test_a_trusted_program_is_loaded_as_torch_does(records, monkeypatch):
    monkeypatch.setattr(logging.getLogger("torch._export.serde.serialize"), "disabled", True)  # its text is misformed
    save(records, HOSTILE["sample inputs"](records))
    assert len(rf.load("bad.pt2", trust=True).layers) == 1
    assert Path("ran").exists()


def older(records, changed):
    """The same program as torch 2.6 archived it."""
    import torch

    state = dict(torch.export.load("good.pt2").state_dict)
    version = ".".join(str(json.loads(records[GRAPH])["schema_version"][key]) for key in ("major", "minor"))
    return {
        "version": version.encode(),
        "serialized_exported_program.json": records[GRAPH],
        "serialized_state_dict.pt": saved(state),
        "serialized_constants.pt": saved({}),
        "serialized_example_inputs.pt": saved(((torch.zeros(1, 3, 16, 16),), {})),
    } | changed


def test_an_archive_of_torch_before_2_7_is_read(records, monkeypatch):
    for name in ("torch.export", "torch.export.pt2_archive._package"):
        monkeypatch.setattr(logging.getLogger(name), "disabled", True)
    save({}, older(records, {}), "old.pt2")
    assert rf.load("old.pt2", name="net") == rf.load("good.pt2", name="net")


OLDER = {
    "weights": lambda r: {"serialized_state_dict.pt": saved({"w": Touch()})},
    "bare pickle": lambda r: {"serialized_constants.pt": pickle.dumps(Touch())},
    "weights of another name": lambda r: {"serialized_state_dict.json": saved({"w": Touch()})},
    "example inputs": lambda r: {"serialized_example_inputs.pt": saved(((Touch(),), {}))},
    "operator": lambda r: {"serialized_exported_program.json": with_operator("_operator.call")(r)[GRAPH]},
    "symbolic size": lambda r: {
        "serialized_exported_program.json": with_symbolic_size("__import__('os').mkdir('ran')")(r)[GRAPH]
    },
    "types": lambda r: {"serialized_exported_program.json": with_argument_type(r)[GRAPH]},
}


@pytest.mark.parametrize("kind", OLDER)
def test_code_in_an_archive_of_torch_before_2_7_is_refused(records, kind):
    save({}, older(records, OLDER[kind](records)))
    with pytest.raises(InputError, match=r"^bad\.pt2 may run code "):
        rf.load("bad.pt2")
    assert not Path("ran").exists()


def test_constants_are_computed_by_known_operators_alone():
    """Whatever operators a file names: those that do more than compute are not run for the values of a mask."""
    import torch

    from rfscale.engine.readers.torch.program.masks import COMPUTED, is_computed

    assert all(hasattr(torch.ops.aten, name) for name in COMPUTED)
    ops = torch.ops.aten
    assert is_computed(ops.mul.Tensor)
    assert not any(map(is_computed, (ops.save.default, ops.from_file.default, ops.mul_.Tensor, ops._print.default)))


def test_two_records_of_one_name(records):
    save(records, {})
    with zipfile.ZipFile("bad.pt2", "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr(GRAPH, records[GRAPH])
    with pytest.raises(InputError, match="two of its records have one name"):
        rf.load("bad.pt2")


def test_arguments_by_name_are_those_by_place():
    """Files of torch before 2.7 name every argument that has a default."""
    import torch

    made = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, 2, 2, 2), torch.nn.MaxPool2d(3, 2)).eval()
    program = torch.export.export(made, (torch.zeros(1, 3, 32, 32),), strict=False)
    before = rf.profile(rf.load(program, name="net"))
    for node in program.graph.nodes:
        if node.op == "call_function":
            places = [argument.name for argument in node.target._schema.arguments]
            keep = 2 if "conv" in str(node.target) else 1
            node.kwargs = dict(zip(places[keep:], node.args[keep:], strict=False)) | node.kwargs
            node.args = node.args[:keep]
    assert any(node.kwargs for node in program.graph.nodes)
    assert rf.profile(rf.load(program, name="net")).equals(before)
    assert before.extent.isel(layer=-1).values.tolist() == [9, 9]


def test_a_good_program_is_the_same_network_either_way(records):
    assert rf.load("good.pt2") == rf.load("good.pt2", trust=True) == rf.load("good.pt2", trust=False)
    assert rf.profile("good.pt2", trust=False).extent.values[-1].tolist() == [3, 3]


def test_symbolic_sizes_inside_are_read(tmp_path, monkeypatch):
    """What torch.export writes itself for sizes that depend on data passes the check."""
    import torch

    class Chosen(torch.nn.Module):
        def forward(self, x):
            count = x.sum().to(torch.int64).item()
            torch._check(count >= 2)
            torch._check(count <= 9)
            return torch.nn.functional.max_pool2d(x, 3), torch.zeros(2 * count + 1)

    monkeypatch.chdir(tmp_path)
    torch.export.save(torch.export.export(Chosen(), (torch.ones(1, 1, 9, 9),)), "chosen.pt2")
    assert "expr_str" in zipfile.ZipFile("chosen.pt2").read("chosen/models/model.json").decode()
    assert str(load_program("chosen.pt2").graph) == str(load_program("chosen.pt2", trust=True).graph)


def test_a_program_in_memory_of_open_sizes_is_read_at_those_of_its_example():
    import torch

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.last = torch.nn.Conv2d(3, 4, 3, 2, 1), torch.nn.Conv2d(4, 2, 3)

        def forward(self, x):
            y = self.conv(x)
            b, c, h, w = y.shape
            y = y.view(b, c, h * w).softmax(1).view(b, c, h, w)
            return self.last(torch.nn.functional.interpolate(y, size=(2 * h, 2 * w))) + torch.arange(2 * w - 2)

    auto = torch.export.Dim.AUTO
    example = (torch.zeros(2, 3, 20, 24),)
    fixed = torch.export.export(Net().eval(), example)
    free = torch.export.export(Net().eval(), example, dynamic_shapes=({0: auto, 2: auto, 3: auto},))
    assert rf.load(free).to_dict() == rf.load(fixed).to_dict()
    assert rf.load(free).input_size == (20, 24)


def test_trust_is_for_programs():
    with pytest.raises(InputError, match=r"resnet50 is no file that may run code; leave trust out"):
        rf.load("resnet50", trust=True)
