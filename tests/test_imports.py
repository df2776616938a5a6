"""What is loaded when: heavy packages only in the function that needs them."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from tests import ROOT

HEAVY = ("torch", "onnx", "dask", "distributed", "zarr", "matplotlib", "scipy")


@pytest.mark.parametrize(
    ("code", "forbidden"),
    [
        ("import rfscale, rfscale.sweeps.cli.main", (*HEAVY, "numpy", "xarray", "numba", "pandas")),
        (
            "import rfscale as rf; rf.profile, rf.footprint, rf.FORMULAS",
            ("torch", "onnx", "matplotlib", "distributed"),
        ),
        ("import rfscale as rf; rf.Space, rf.sweep, rf.count", ("torch", "onnx", "matplotlib", "distributed")),
    ],
)
def test_loaded_modules(code, forbidden):
    check = f"{code}; import sys; print(*[m for m in {forbidden} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert out.stdout.split() == []


PRINTING = """
import sys
from rfscale.sweeps.cli.main import main
code = main(sys.argv[2:])
print("loaded:", *[name for name in sys.argv[1].split(",") if sys.modules.get(name)])
sys.exit(code > 1)
"""


@pytest.mark.parametrize(
    "command",
    ["networks", "profile resnet50", "profile unet --depth all", "profile resnet50 --input-size 224", "check resnet50"],
)
def test_a_verb_that_prints_a_table_needs_numpy_alone(command):
    """Neither xarray, which takes longer to import than the answer to compute, nor compiled code."""
    heavy = ",".join((*HEAVY, "xarray", "pandas", "numba"))
    done = subprocess.run(
        [sys.executable, "-c", PRINTING, heavy, *command.split()], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "loaded:"


FIRST = """
import importlib, sys
import numpy, numba, rich.table, typer, xarray, yaml, zarr  # stay loaded: only our own modules are imported anew
for name in sys.argv[1:]:
    for loaded in [m for m in sys.modules if m.partition(".")[0] == "rfscale"]:
        del sys.modules[loaded]
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        folders = ("rfscale.engine.readers.torch.trace.", "rfscale.engine.fields.squares.")
        runs_models = name.startswith(folders)  # imported where a model is at hand
        if error.name != "torch" or not runs_models:
            print(f"{name}: {error}")
    except Exception as error:
        print(f"{name}: {type(error).__name__}: {error}")
"""


def modules():
    """The names of all modules of both packages."""
    for package in ("engine", "sweeps"):
        for path in sorted((ROOT / package).rglob("*.py")):
            inside = path.relative_to(ROOT).with_suffix("")
            if inside.parts[:3] != ("sweeps", "cli", "face"):  # the source of rfscale itself
                yield "rfscale." + ".".join(inside.parts).removesuffix(".__init__")


def test_every_module_can_be_imported_first():
    """A circle of imports shows only when the right module of it comes first."""
    names = [*modules(), "rfscale"]
    assert len(names) > 150
    done = subprocess.run([sys.executable, "-c", FIRST, *names], capture_output=True, text=True, check=True)
    assert done.stdout == ""


def test_kernels_that_call_each_other_stand_in_one_file():
    """numba's cache watches only a kernel's own file; a kernel that inlines another's functions carries its version."""
    for path in [*ROOT.glob("engine/kernels/*.py"), *ROOT.glob("sweeps/kernels/*.py")]:
        source = path.read_text()
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rfscale"):
                own = {
                    f"rfscale.engine.kernels.{name}" for name in ("jit", "jit_cache", "borders", "arrays")
                }  # they warn
                if path.name == "compiled_pass.py":  # it compiles that file's functions, into that file's cache
                    own.add("rfscale.engine.kernels.solid_pass")
                assert node.module in own or "VERSION" in source, f"{path.name} imports {node.module}"
