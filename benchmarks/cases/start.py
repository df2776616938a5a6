"""Cold start: what a user waits for before the first answer."""

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


@case
def cold_profile() -> Case:
    return Case(
        "cold start: `rfscale profile resnet50` in a new process",
        Contender(_python(*PROFILE), rounds=ROUNDS, note="kernels cached"),
        _check,
        {
            "with an empty kernel cache": Contender(
                _python(*PROFILE, empty=True), rounds=2, note="once per installation", readme=True
            ),
            "import numpy, numba, xarray": Contender(
                _python("-c", "import numpy, numba, xarray"),
                rounds=ROUNDS,
                note="what rfscale needs",
                readme=True,
            ),
        },
    )


@case
def cold_import() -> Case:
    return Case(
        "cold start: import rfscale",
        Contender(_python("-c", "import rfscale; print(427)"), rounds=ROUNDS),
        _check,
        {
            "import rfscale.sweeps": Contender(_python("-c", "import rfscale.sweeps"), rounds=ROUNDS),
            "rfscale --help": Contender(_python(*HELP), rounds=ROUNDS),
            "python -c pass": Contender(_python("-c", "pass"), rounds=ROUNDS),
            "import numpy, numba, xarray": Contender(_python("-c", "import numpy, numba, xarray"), rounds=ROUNDS),
        },
    )


@case
def first_call() -> Case:
    """The first answers in a process, kernels cached: a cost that a script has once."""
    first = "import rfscale as rf; print(rf.profile(rf.load('resnet50')).extent.sel(layer='layer4').values)"
    empty = {"with an empty kernel cache": Contender(_python("-c", first, empty=True), rounds=2)}
    again = first + "\nfor _ in range(10): rf.profile(rf.load('resnet50'))"
    return Case(
        "cold start: import rfscale and profile ResNet-50",
        Contender(_python("-c", first), rounds=ROUNDS, note="kernels cached"),
        _check,
        {"and ten times more": Contender(_python("-c", again), rounds=ROUNDS)} | sized(empty, {}),
    )
