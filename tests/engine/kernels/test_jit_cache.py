"""Compiled kernels without a place to keep them, and with damaged files in it: the command runs all the same."""

import os
import subprocess
import sys
from pathlib import Path

import numba
import pytest

pytestmark = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled")

CODE = """
import sys
from rfscale.engine.kernels.jit import jit
sys.path.insert(0, {folder!r})
import kernel_of_a_test
print(kernel_of_a_test.add(1), sum(kernel_of_a_test.add.stats.cache_hits.values()))
"""
KERNEL = """
from rfscale.engine.kernels.jit import jit

@jit
def add(a):
    return a + 1
"""


def run(folder, **env):
    code = CODE.format(folder=str(folder))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | env, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split(), done.stderr


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "kernel_of_a_test.py").write_text(KERNEL)
    return tmp_path


def test_without_a_place_for_kernels_they_are_compiled_and_it_is_said_once(folder):
    (folder / "file").write_text("")
    (folder / "__pycache__").write_text("")  # no folder can be made here, by root neither
    nowhere = str(folder / "file" / "below")
    for _ in range(2):
        out, err = run(folder, NUMBA_CACHE_DIR=nowhere, HOME=nowhere, XDG_CACHE_HOME=nowhere)
        assert out == ["2", "0"]
        assert err.count("rfscale: compiled kernels cannot be kept") == err.count("\n") == 1


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def halved(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def random(path: Path) -> None:
    path.write_bytes(os.urandom(path.stat().st_size))


def flipped(path: Path) -> None:
    """One bit in the middle: of machine code, which would be run."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def unpicklable(path: Path) -> None:
    path.write_bytes(b"cnothere\nnothing\n.")


def folder_instead(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("suffixes", [(".nbi",), (".nbc",), (".nbi", ".nbc")], ids=str)
@pytest.mark.parametrize("damage", [emptied, halved, random, flipped, unpicklable, folder_instead])
def test_damaged_kernels_are_compiled_again(folder, damage, suffixes):
    cache = folder / "cache"
    env = {"NUMBA_CACHE_DIR": str(cache)}
    assert run(folder, **env)[0] == ["2", "0"]
    files = [p for p in cache.rglob("*") if p.suffix in suffixes and "kernel_of_a_test" in p.name]
    assert len(files) == len(suffixes)
    for file in files:
        damage(file)
    out, err = run(folder, **env)
    assert out == ["2", "0"]
    out, second = run(folder, **env)
    if damage is folder_instead:
        assert "cannot be kept" in err
    else:
        assert (out, err + second) == (["2", "1"], "")  # replaced: found again


def test_every_kernel_of_the_package_is_kept_so():
    import rfscale.engine
    import rfscale.sweeps

    for package in (rfscale.engine, rfscale.sweeps):
        for file in (Path(package.__file__).parent / "kernels").glob("*.py"):
            assert file.name == "jit.py" or "njit(" not in file.read_text(), file
