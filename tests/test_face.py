"""The package as its users meet it: every public name, the types that an editor shows, and what functions take."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import rfscale as rf
import rfscale.engine
import rfscale.sweeps
from tests import ROOT

NAMES = """
FORMULAS Finding InputError Network NetworkBuilder NetworkLike NetworkSpace Page PartlyReadWarning Reading Space
__version__ all_fields best cells chains check choose_tile compare compare_fields context count coverage derive design
effective_field entries_at entry_map evaluate explore field_figures field_profile footprint halo load match
object_sizes output_lines pareto path_counts plot predicted_field profile sample sweep tile_costs tiles valid_sizes
validate verify_tiles where zoo_survey
""".split()

NET = {
    "name": "small",
    "input_size": 32,
    "layers": [{"name": "a", "kernel": 3, "padding": 1}, {"name": "b", "kernel": 3, "stride": 2, "padding": 1}],
}


def test_every_public_name_can_be_imported():
    code = f"import rfscale as rf; assert dir(rf) == rf.__all__; print(*[n for n in {NAMES} if getattr(rf, n) is None])"
    out = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == []
    assert sorted(rf.__all__) == sorted(NAMES)


def test_the_three_stubs_agree():
    assert sorted(rf.__all__) == sorted({*rfscale.engine.__all__, *rfscale.sweeps.__all__})
    for package in (rf, rfscale.engine, rfscale.sweeps):
        stub = ast.parse(Path(f"{package.__file__}i").read_text())
        imported = [a.asname or a.name for s in stub.body if isinstance(s, ast.ImportFrom) for a in s.names]
        listed = next(ast.literal_eval(s.value) for s in stub.body if isinstance(s, ast.Assign))
        assert sorted(imported) == sorted(listed) == sorted(package.__all__)


def test_nothing_public_is_missing():
    """What pages and examples call is here, and so is a question of every file of questions."""
    pages = [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*.py")]
    called = {name for page in pages for name in re.findall(r"\brf\.(\w+)", page.read_text(encoding="utf-8"))}
    assert called - set(NAMES) == set()
    files = [
        *ROOT.glob("engine/analysis/[a-z]*.py"),
        *ROOT.glob("engine/analysis/*/check.py"),
        *ROOT.glob("engine/analysis/questions/[a-z]*.py"),
        *ROOT.glob("engine/analysis/fields/[a-z]*.py"),
    ]
    for path in files:
        functions = {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}
        assert functions & set(NAMES), path


# types ----------------------------------------------------------------------------------------------------------------

USER = """
import rfscale as rf

net: rf.Network = rf.load("resnet50", stride_in="1x1", input_size=(480, 640))
reveal_type(rf.profile(net, 224))
reveal_type(rf.halo("net.yaml", 64, unknown="pointwise"))
reveal_type(rf.check("resnet50"))
reveal_type(rf.count(rf.Space.from_file("space.yaml"), by="extent"))
reveal_type(rf.Space.from_file("space.yaml").network(rf.best(rf.Space.from_file("space.yaml"), "macs").isel(rank=0)))
reveal_type([formula for formula in rf.FORMULAS])
def widest(network: rf.Network | str) -> float:
    return float(rf.profile(network).extent.max())
rf.profile(net, exmple_input=3)
rf.profile(3)
"""


@pytest.mark.skipif(find_spec("mypy") is None, reason="mypy is in the dev extra")
def test_mypy_knows_the_types_of_a_few_lines(tmp_path):
    (tmp_path / "user.py").write_text(USER)
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "user.py"]
    out = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True).stdout
    shown = re.findall(r'Revealed type is "(.*)"', out)
    names = ["xarray.core.dataset.Dataset"] * 2 + ["rfscale.engine.analysis.check.rules.Findings"]
    names += ["xarray.core.dataarray.DataArray", "rfscale.engine.network.network.Network", "list[str]"]
    assert [re.sub(r"\bbuiltins\.", "", name) for name in shown] == names, out
    errors = [line for line in out.splitlines() if " error: " in line]
    assert ["exmple_input" in errors[0], "incompatible type" in errors[1], len(errors)] == [True, True, 2], out


# what functions of a network take -------------------------------------------------------------------------------------

FUNCTIONS = {
    "profile": lambda net, **reading: rf.profile(net, 32, **reading),
    "interior profile": lambda net, **reading: rf.profile(net, **reading),
    "footprint": lambda net, **reading: rf.footprint(net, "b", input_size=32, **reading),
    "entry_map": lambda net, **reading: rf.entry_map(net, "b", 32, **reading),
    "path_counts": lambda net, **reading: rf.path_counts(net, "b", input_size=32, **reading),
    "coverage": lambda net, **reading: rf.coverage(net, "b", 32, **reading),
    "output_lines": lambda net, **reading: rf.output_lines(net, 32, **reading),
    "check": lambda net, **reading: rf.check(net, 32, **reading),
    "halo": lambda net, **reading: rf.halo(net, 8, **reading),
    "tiles": lambda net, **reading: list(rf.tiles(net, 32, 8, **reading)),
    "tile_costs": lambda net, **reading: rf.tile_costs(net, [8, 16], **reading),
    "choose_tile": lambda net, **reading: rf.choose_tile(net, waste=2.0, **reading),
    "match": lambda net, **reading: rf.match(net, np.array([[4, 4]]), effective=False, **reading),
    "valid_sizes": lambda net, **reading: rf.valid_sizes(net, 33, **reading),
    "where": lambda net, **reading: rf.where(net, "b", (3, 3), 32, **reading),
    "entries_at": lambda net, **reading: rf.entries_at(net, (3, 3), "b", 32, **reading),
    "compare": lambda net, **reading: rf.compare(net, net, **reading),
    "context": lambda net, **reading: rf.context(net, 1000, axis="y", **reading),
    "validate": lambda net, **reading: rf.validate(net, **reading),
}


MADE = f"""
import rfscale as rf

def make(name):
    return rf.Network.from_dict({NET!r} | {{"name": name}})
"""


def same(a, b):
    return a.identical(b) if hasattr(a, "identical") else a == b


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_take_what_load_takes(name, tmp_path, monkeypatch):
    ask = FUNCTIONS[name]
    net = rf.Network.from_dict(NET)
    expected = ask(net)
    (tmp_path / "made.py").write_text(MADE)
    file = tmp_path / "net.json"
    file.write_text(str(NET).replace("'", '"'))
    assert same(ask(NET), expected)
    assert same(ask(str(file)), expected)
    assert same(ask(file), expected)
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert same(ask(f"{tmp_path}/made.py:make", arguments={"name": "small"}), expected)
    with pytest.raises(rf.InputError, match="is a network already; axes goes with models"):
        ask(net, axes=[1])
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'exmple_input'; did you mean 'example_input'"):
        ask(net, exmple_input=(1, 3, 8, 8))


def test_load_gives_options_to_whom_they_belong(tmp_path):
    assert rf.load("resnet50", stride_in="1x1", input_size=(480, 640)).input_size == (480, 640)
    assert rf.load("stack", n=3, name="mine").name == "mine"
    file = tmp_path / "own_size.py"
    file.write_text(
        "import rfscale as rf\ndef make(input_size=8, axes=1, **given):\n"
        "    return rf.Network.sequential({'kernel': 3}, input_size=input_size, axes=axes, **given)\n"
    )
    net = rf.load(f"{file}:make", input_size=[9], axes=1, assumed={"my.Foo": "pointwise"})
    assert (net.input_size, net.assumed) == ((9,), {"my.Foo": "pointwise"})


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        (
            "resnet50",
            {"example_input": (1, 3, 8, 8)},
            "a network of the zoo; example_input goes with models",
        ),
        ("resnet50", {"stride": 1}, "has no parameter 'stride'; did you mean 'stride_in'"),
        ("none.onnx", {"examples": 1}, "none.onnx takes no parameter 'examples'; did you mean 'example_input'"),
        (NET, {"input_size": 8}, "is a spec; input_size goes with models"),
        (3, {}, "3 is no network; give a zoo name, a file"),
    ],
)
def test_load_says_what_an_option_goes_with(source, options, message):
    with pytest.raises(rf.InputError, match=message):
        rf.load(source, **options)


def test_arguments_of_a_builder_go_through_every_function():
    assert rf.profile("stack", arguments={"n": 3}).sizes["layer"] == 3
    with pytest.raises(rf.InputError, match="arguments is 3; it must be a mapping"):
        rf.profile("stack", arguments=3)


@pytest.mark.torch
def test_models_are_read_at_the_size_that_is_analysed():
    import torch

    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.AdaptiveAvgPool2d(4)).eval()
    for found in (rf.profile(model, 32), rf.profile(model, 32, example_input=(1, 3, 64, 64))):
        assert found.identical(rf.profile(rf.load(model, example_input=(1, 3, 32, 32)), 32))
    tensor = torch.zeros(1, 3, 64, 64)
    assert rf.profile(model, 32, example_input=tensor).identical(rf.profile(rf.load(model, example_input=tensor), 32))
    assert rf.halo(model[0], 8, name="conv").attrs["network"] == "conv"
