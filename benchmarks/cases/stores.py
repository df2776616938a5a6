"""Stores: every figure of a space on disk, against numpy that saves the same arrays."""

from __future__ import annotations

import os
import shutil
import tempfile
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

import rfscale as rf
from benchmarks.cases.sweeps import anew, fill, space_of
from benchmarks.registry import Case, Contender, case, sized

CHOICES = [(1, 1, 1), (3, 1, 1), (3, 1, 2), (5, 1, 1)]


@cache
def _folder() -> Path:
    """A folder beside the repository's other temporary files; the system clears it."""
    return Path(tempfile.mkdtemp(prefix="rfscale-bench-"))


def _remove(name: str) -> None:
    shutil.rmtree(_folder() / name, ignore_errors=True)


def _save(arrays: list[np.ndarray], sync: bool) -> int:
    target = _folder() / "numpy"
    target.mkdir()
    for i, array in enumerate(arrays):
        with open(target / f"{i}.npy", "wb") as file:
            np.save(file, array)
            if sync:
                file.flush()
                os.fsync(file.fileno())
    return _size(target)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _case(name: str, choices: list[tuple[int, int, int]], depth: int, readme: bool = False) -> Case:
    space = space_of(choices, depth)
    arrays = [values for stage in fill(space) for values in stage.values()]
    nbytes = sum(a.nbytes for a in arrays)

    def ours() -> Any:
        return rf.sweep(anew(space), store=_folder() / "ours.zarr")

    def check(answer: Any) -> None:
        for stage, figures in zip(space.stages, fill(space), strict=True):
            for key, values in figures.items():
                np.testing.assert_array_equal(answer[stage.name][key].values.ravel(), values)

    def verdict(size: int) -> str:
        return f"{size / _size(_folder() / 'ours.zarr'):,.0f} times the space on disk"

    return Case(
        f"figures worked out and stored, {name}: {space.size:,} architectures, {nbytes / 1e6:,.0f} MB",
        Contender(ours, rounds=3, note="compressed, resumable, read back lazily", before=lambda: _remove("ours.zarr")),
        check,
        {
            name: Contender(
                partial(_save, arrays, sync=sync),
                rounds=3,
                note="no working out",
                verdict=verdict,
                before=lambda: _remove("numpy"),
                readme=readme,
                aim=aim,
            )
            for name, sync, aim in (
                ("np.save of the finished arrays", False, None),
                ("np.save and fsync", True, 1.0 if readme else None),
            )
        },
        items=float(nbytes),
        unit="bytes",
    )


@case
def store_merging() -> Case:
    return _case("states merge", CHOICES, sized(11, 7), readme=True)


@case
def store_adversarial() -> Case:
    """Hardly a figure occurs twice in a row: little to compress."""
    choices = [*((2, 1, d) for d in (2, 3, 5, 7, 11, 13)), *((3, 2, d) for d in (2, 5, 9))]
    return _case("adversarial", choices, sized(7, 4))
