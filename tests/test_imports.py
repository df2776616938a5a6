"""What is loaded when: heavy packages only in the function that needs them."""

from __future__ import annotations

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


def test_kernels_that_call_each_other_stand_in_one_file():
    """numba's cache watches only a kernel's own file."""
    import ast

    for path in [*ROOT.glob("engine/kernels/*.py"), *ROOT.glob("sweeps/kernels/*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rfscale"):
                shared = ("rfscale.engine.kernels.jit", "rfscale.engine.kernels.borders")  # their docstrings warn
                assert node.module in shared, f"{path.name} imports {node.module}"
