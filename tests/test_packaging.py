"""What is installed: one import name, complete, beside a user's own packages and files called engine and sweeps."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path
from typing import NamedTuple

import pytest

import rfscale as rf
from tests import ROOT

STUB = ROOT / "sweeps" / "cli" / "face" / "__init__.pyi"
PUBLIC = """
    FORMULAS InputError Network NetworkBuilder NetworkSpace Page Space __version__ all_fields best cells chains check
    choose_tile compare compare_fields context count coverage derive design effective_field entries_at entry_map
    evaluate explore field_figures field_profile footprint halo load match object_sizes output_lines pareto
    path_counts plot predicted_field profile sample sweep tile_costs tiles valid_sizes validate verify_tiles where
    zoo_survey
""".split()
MAIN = """
import rfscale as rf
from engine import train_one_epoch
from utils import WIDTH

def build():
    assert train_one_epoch() == "theirs"
    return rf.Network.sequential({"name": "theirs", "kernel": WIDTH, "padding": 2})
"""


class Installed(NamedTuple):
    """A virtual environment with rfscale and nothing else of its own."""

    python: Path
    command: Path
    packages: Path


def test_the_packages_of_pyproject_are_the_folders():
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {path.parent.relative_to(ROOT) for name in ("engine", "sweeps") for path in ROOT.glob(f"{name}/**/*.py")}
    names = {"rfscale." + ".".join(folder.parts) for folder in folders - {Path("sweeps/cli/face")}}
    assert tool["packages"] == sorted({"rfscale", *names})
    assert all((ROOT / folder / "__init__.py").exists() for folder in folders)
    assert tool["package-dir"] == {"rfscale": "sweeps/cli/face", "rfscale.engine": "engine", "rfscale.sweeps": "sweeps"}


def test_every_public_name_is_in_the_stub_that_editors_read():
    tree = ast.parse(STUB.read_text())
    imported = [a.name for node in tree.body if isinstance(node, ast.ImportFrom) for a in node.names]
    listed = next(ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.Assign))
    assert sorted(imported) == sorted(listed)
    assert set(PUBLIC) <= set(listed)


def test_the_lowest_versions_that_ci_tries_are_those_of_pyproject():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    asked = [*project["dependencies"], *(r for e in ("plot", "dask", "netcdf") for r in extras[e])]
    bounds = dict(re.fullmatch(r"([\w-]+)>=([\d.]+)(?:,<\d+)?", r).groups() for r in asked)
    lines = (ROOT / ".ci" / "lowest.txt").read_text().partition("# ---")[0].splitlines()
    tried = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert set(tried) == set(bounds)
    for name, version in bounds.items():
        assert re.fullmatch(rf"{re.escape(version)}(\.0)*", tried[name]), name


def test_nothing_tells_to_install_what_is_not_published():
    places = [ROOT / "README.md", *(p for f in ("docs", "engine", "sweeps") for p in ROOT.glob(f"{f}/**/*.[mp][dy]"))]
    assert [path for path in places if re.search(r"rfscale\[|pip install rfscale", path.read_text())] == []


def test_the_citation_has_this_version():
    assert f"\nversion: {rf.__version__}\n" in (ROOT / "CITATION.cff").read_text()


@pytest.fixture(scope="module", params=["wheel", "editable"])
def installed(request, tmp_path_factory) -> Installed:
    """Install a copy of the source, without the network: the other packages are those of the running environment."""
    folder = tmp_path_factory.mktemp(request.param)
    source = folder / "source"
    source.mkdir()
    for name in ("engine", "sweeps"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.nbi", "*.nbc"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    venv.create(folder / "venv", symlinks=os.name != "nt")
    paths = sysconfig.get_paths(vars={"base": str(folder / "venv"), "platbase": str(folder / "venv")})
    made = Installed(Path(paths["scripts"]) / "python", Path(paths["scripts"]) / "rfscale", Path(paths["purelib"]))
    (made.packages / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [sys.executable, "-m", "pip", "--python", made.python, "install", "--no-deps", "--no-build-isolation"]
    pip += ["--no-index", "--quiet", "--disable-pip-version-check"]
    given = [source] if request.param == "wheel" else ["-e", source]
    subprocess.run([*pip, *given], check=True, cwd=folder)
    for name in ("engine", "sweeps"):  # another distribution with these names
        (made.packages / name).mkdir()
        (made.packages / name / "__init__.py").write_text("train_one_epoch = None\n")
    return made


@pytest.fixture
def theirs(tmp_path):
    """The folder of a user's project."""
    files = {"main": MAIN, "engine": "def train_one_epoch():\n    return 'theirs'\n", "utils": "WIDTH = 5\n"}
    for name, text in files.items():
        (tmp_path / f"{name}.py").write_text(text)
    return tmp_path


def output(*command: str | Path, cwd: Path) -> str:
    """What a process prints, with nothing of this repository on its path."""
    bare = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run(command, cwd=cwd, env=bare, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_model_file_that_imports_engine_and_utils_is_profiled(installed, theirs):
    for command in ([installed.command], [installed.python, "-m", "rfscale"]):
        assert "theirs: extent 5, stride 1, padding 2" in output(*command, "profile", "main.py:build", cwd=theirs)


def test_engine_is_the_users_file_and_sweeps_the_other_package(installed, theirs):
    code = "import rfscale as rf, engine, sweeps; rf.profile, rf.count; print(engine.__file__, sweeps.__file__)"
    engine, sweeps = output(installed.python, "-c", code, cwd=theirs).split()
    assert Path(engine) == theirs / "engine.py"
    assert Path(sweeps) == installed.packages / "sweeps" / "__init__.py"


def test_every_public_name_is_there(installed, tmp_path):
    code = "import rfscale as rf; print(rf.__file__, *(n for n in rf.__all__ if getattr(rf, n) is not None))"
    place, *names = output(installed.python, "-c", code, cwd=tmp_path).split()
    assert ROOT not in Path(place).parents
    assert set(PUBLIC) <= set(names)


def test_data_and_types_are_installed(installed, tmp_path):
    code = (
        "import rfscale as rf, rfscale.engine, rfscale.sweeps; from pathlib import Path\n"
        "print(rf.object_sizes().attrs['objects'], rf.zoo_survey('resnet50').sizes['model'])\n"
        "print(*(Path(p.__file__).with_suffix('.pyi').exists() for p in (rf, rf.engine, rf.sweeps)))\n"
        "print(Path(rf.__file__).with_name('py.typed').exists())"
    )
    assert output(installed.python, "-c", code, cwd=tmp_path).split() == ["36781", "3", *["True"] * 4]
