"""Cold start: what a user waits for before the first answer."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any

from benchmarks.cases import Case, Contender, case


def _command(*arguments: str, cache: str | None = None) -> Callable[[], Any]:
    environment = dict(os.environ)

    def run() -> Any:
        with tempfile.TemporaryDirectory() as empty:
            environment["NUMBA_CACHE_DIR"] = cache or empty
            return subprocess.run(
                [sys.executable, "-m", "sweeps.cli", *arguments], env=environment, check=True, capture_output=True
            )

    return run


@case
def cold_start() -> Case:
    cache = tempfile.mkdtemp(prefix="rfscale-bench-")
    profile = ("profile", "resnet50")
    return Case(
        "cold start: rfscale profile resnet50, kernels cached",
        Contender(_command(*profile, cache=cache), rounds=5),
        {
            "rfscale --help": Contender(_command("--help", cache=cache), rounds=5),
            "empty kernel cache": Contender(_command(*profile), rounds=2),
            "import numpy, numba, xarray": Contender(
                lambda: subprocess.run([sys.executable, "-c", "import numpy, numba, xarray"], check=True), rounds=5
            ),
        },
        lambda: _command(*profile, cache=cache)() and None,
    )
