"""The start: what a user waits for before the first answer of a process."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache

from benchmarks.registry import Case, Contender, case, sized

ROUNDS = 5
PROFILE = ("-m", "rfscale", "profile", "resnet50")
HELP = ("-m", "rfscale", "--help")


def _python(*arguments: str, empty: bool = False) -> Callable[[], str]:
    """A new Python process, with the kernels of earlier ones or with none."""

    def run() -> str:
        with tempfile.TemporaryDirectory() as nothing:
            folder = nothing if empty else _folder()
            environment = os.environ | {"NUMBA_CACHE_DIR": folder}
            done = subprocess.run([sys.executable, *arguments], env=environment, check=True, capture_output=True)
            return done.stdout.decode()

    return run


@cache
def _folder() -> str:
    return tempfile.mkdtemp(prefix="rfscale-bench-")


def _check(answer: str) -> None:
    assert "427" in answer  # the extent of the last map


SPACE = """
import numpy as np
import rfscale as rf
layers = [{"kernel": k, "dilation": d} for k, d in ((1, 1), (3, 1), (3, 2), (5, 1))]
space = rf.Space.from_dict({"stages": [{"name": f"s{i}", "choices": layers} for i in range(8)]})
"""
FIRST = {  # what prints 33, the largest extent of 8 layers of at most 4 more pixels, or counts the space's maps
    "sweep": "print(rf.sweep(space)['s7'].extent.values.max())",
    "design": "rf.design(space, np.array([(9, 9), (12, 12), (17, 17)]), 2); print(33)",
    "validate": "print(33 if rf.validate(space).maps.sum() == sum(4**n for n in range(1, 9)) else 0)",
    "count": "print(rf.count(space, 'extent').extent.values.max())",
}


def _states(*arguments: str, cold: bool = True, readme: bool = False) -> tuple[Contender, dict[str, Contender]]:
    """Ours in a new process with the compiled code of earlier ones, and the same with none, once an installation."""
    ours = Contender(_python(*arguments), rounds=ROUNDS, state="cached")
    empty = Contender(
        _python(*arguments, empty=True), rounds=2, state="cold", note="once per installation", readme=readme
    )
    return ours, {"rfscale, nothing compiled": empty} if cold else {}


def _process(*arguments: str, note: str = "", readme: bool = False) -> Contender:
    """Another process, of which nothing is compiled."""
    return Contender(_python(*arguments), rounds=ROUNDS, state="cached", note=note, readme=readme)


IMPORTS = _process("-c", "import numpy, numba, xarray", note="what rfscale needs", readme=True)


def _first(what: str) -> Case:
    def check(answer: str) -> None:
        assert answer.split() == ["33"]

    ours, others = _states("-c", SPACE + FIRST[what], cold=sized(True, False), readme=True)
    return Case(f"first rf.{what} of a process: 65,536 architectures", ours, check, others | {"its imports": IMPORTS})


@case
def first_sweep() -> Case:
    return _first("sweep")


@case
def first_count() -> Case:
    return _first("count")


@case
def first_design() -> Case:
    return _first("design")


@case
def first_validate() -> Case:
    return _first("validate")


@case
def cold_profile() -> Case:
    ours, others = _states(*PROFILE, readme=True)
    return Case("`rfscale profile resnet50` in a new process", ours, _check, others | {"its imports": IMPORTS})


@case
def cold_import() -> Case:
    return Case(
        "import rfscale in a new process",
        _process("-c", "import rfscale; print(427)"),
        _check,
        {
            "import rfscale.sweeps": _process("-c", "import rfscale.sweeps"),
            "rfscale --help": _process(*HELP),
            "python -c pass": _process("-c", "pass"),
            "import numpy, numba, xarray": IMPORTS,
        },
    )


@case
def first_call() -> Case:
    """The first answers in a process: a cost that a script has once."""
    first = "import rfscale as rf; print(rf.profile(rf.load('resnet50')).extent.sel(layer='layer4').values)"
    again = first + "\nfor _ in range(10): rf.profile(rf.load('resnet50'))"
    ours, others = _states("-c", first, cold=sized(True, False))
    return Case(
        "import rfscale and profile ResNet-50 in a new process",
        ours,
        _check,
        {"and ten times more": _process("-c", again)} | others,
    )
