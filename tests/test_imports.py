"""What is loaded when: heavy packages only in the function that needs them."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "onnx", "dask", "distributed", "zarr", "matplotlib", "scipy")


@pytest.mark.parametrize(
    ("code", "forbidden"),
    [
        ("import engine, sweeps, sweeps.cli", (*HEAVY, "numpy", "xarray", "numba", "pandas")),
        (
            "import engine; engine.profile, engine.footprint, engine.FORMULAS",
            ("torch", "onnx", "matplotlib", "distributed"),
        ),
        ("import sweeps; sweeps.Space, sweeps.run, sweeps.count", ("torch", "onnx", "matplotlib", "distributed")),
    ],
)
def test_loaded_modules(code, forbidden):
    check = f"{code}; import sys; print(*[m for m in {forbidden} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert out.stdout.split() == []


def test_kernels_that_call_each_other_stand_in_one_file():
    """numba's cache watches only a kernel's own file."""
    import ast
    from pathlib import Path

    root = Path(__file__).parents[1]
    for path in [*root.glob("engine/kernels/*.py"), *root.glob("sweeps/kernels/*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("engine", "sweeps"):
                assert node.module == "engine.kernels._jit", f"{path.name} imports {node.module}"
