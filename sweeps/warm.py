"""Compiled code in advance: small questions of every kind, so that each kernel is compiled and kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


class Warmed(NamedTuple):
    """What `warm` did.

    Attributes
    ----------
    kernels : int
        Kernels that were compiled; 0 where all were there already.
    seconds : float
        How long it took.
    files, size : int
        Files of compiled code of this installation, and their bytes in all.
    folders : tuple of str
        Where they are.
    """

    kernels: int
    seconds: float
    files: int
    size: int
    folders: tuple[str, ...]


CHAIN: dict[str, Any] = {
    "name": "warm",
    "channels": {"base": 8},
    "stages": [
        {"name": "a", "op": "conv", "kernel": [3, 5], "dilation": [1, 4]},
        {"name": "b", "op": "conv", "kernel": [2, 3], "stride": [1, 2], "repeat": [0, 1, 2]},
        {"name": "c", "op": "conv", "kernel": [3, 7], "dilation": [1, 3]},
    ],
}
HOLES: dict[str, Any] = {  # states hardly merge: architectures are walked one by one
    "name": "warm-holes",
    "channels": {"base": 8},
    "stages": [{"name": name, "kernel": 2, "dilation": [2, 3, 5, 7]} for name in "abcd"],
}
BRANCHES: dict[str, Any] = {
    "name": "warm-branches",
    "stages": [
        {"name": "a", "kernel": [3, 5]},
        {"name": "b", "branches": {"choose": [1, 2], "of": [{"kernel": 3}, {"kernel": 3, "dilation": 4}, []]}},
        {"name": "c", "kernel": [1, 3], "stride": 2},
    ],
}
CELLS: dict[str, Any] = {  # known by their effects
    "name": "warm-cells",
    "channels": 8,
    "ops": {"a": {"kernel": 3}, "b": [], **{name: {"kernel": 1} for name in "cdefgh"}},
    "cells": {
        "cell": {
            "inputs": ["c0", "c1"],
            "nodes": [
                {"name": f"n{i}", "pick": 2, "of": ["c0", "c1", *(f"n{j}" for j in range(i))], "op": list("abcdefgh")}
                for i in range(3)
            ],
            "output": {"concat": ["n0", "n1", "n2"]},
            "project": True,
        }
    },
    "stages": [{"name": "s", "cell": "cell"}],
}
BOXES = [(4.0, 5.0), (9.0, 9.0), (12.0, 8.0), (20.0, 20.0), (33.0, 21.0)]  # width and height of objects, in pixels


def warm(on_step: Callable[[str], None] | None = None) -> Warmed:
    """Compile what this installation compiles once, so that no later call waits for it.

    The code is kept in the folder that NUMBA_CACHE_DIR names, else beside the installed files. It is for this processor
    and these versions of Python and numba: after an update it is made again.

    Parameters
    ----------
    on_step : callable, optional
        Is told the name of each part as it begins.

    Returns
    -------
    Warmed
        How many kernels were compiled, how long that took, and how much code is kept where.

    Examples
    --------
    >>> import rfscale as rf
    >>> rf.warm().kernels  # doctest: +SKIP
    65
    """
    from rfscale.engine.kernels.jit_cache import COMPILATION

    before, start = COMPILATION.kernels, time.perf_counter()
    with kernels_at_once():
        for name, part in PARTS.items():
            if on_step is not None:
                on_step(name)
            part()
    folders = _folders()
    files = [path for folder in folders for path in folder.glob("*.nb[ic]")]
    return Warmed(
        COMPILATION.kernels - before,
        time.perf_counter() - start,
        len(files),
        sum(path.stat().st_size for path in files),
        tuple(map(str, folders)),
    )


@contextmanager
def _settings(*given: tuple[Any, str, Any]) -> Iterator[None]:
    """Attributes of modules and objects with other values, for a while."""
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in given]
    for owner, name, value in given:
        setattr(owner, name, value)
    try:
        yield
    finally:
        for owner, name, value in before:
            setattr(owner, name, value)


def kernels_at_once() -> AbstractContextManager[None]:
    """Small work with kernels, too, which otherwise does without."""
    from rfscale.engine.analysis.path_counts import ADDED
    from rfscale.engine.footprints import backward
    from rfscale.engine.footprints.pixel_sets import READS
    from rfscale.engine.footprints.solid_program import NODES
    from rfscale.sweeps.answers.design import label_search
    from rfscale.sweeps.kernels.plain import ANSWERS
    from rfscale.sweeps.states import graph, pool
    from rfscale.sweeps.validation import levels, walk_space

    limited = ANSWERS, graph.NUMBERED, label_search.SOONER, levels.SOONER, pool.SOONER
    return _settings(
        *((limits, name, -1) for limits in (ADDED, NODES, READS) for name in ("few", "most")),
        *((sooner, name, -1) for sooner in limited for name in ("kept", "most", "loaded")),
        (backward, "FEW_READS", -1),
        (graph, "MIN_EDGES_TO_TEST_MERGING", 0),
        (graph, "MIN_NODES_OF_TAILS", 0),
        (levels, "FIRST_NODES", 1),
        (walk_space, "MIN_EDGES_TO_ESTIMATE_MERGING", 0),
    )


def _folders() -> tuple[Path, ...]:
    """Folders of the compiled code."""
    from rfscale.engine.kernels import sets
    from rfscale.sweeps.kernels import paths

    caches = (getattr(kernel, "_cache", None) for kernel in (sets.apply_map, paths.undominated))
    found = (getattr(cache, "cache_path", None) for cache in caches)  # none where nothing is kept
    return tuple(dict.fromkeys(Path(path) for path in found if path))


# parts ----------------------------------------------------------------------------------------------------------------


def _network() -> Any:
    from rfscale.engine.network.network import Network

    return Network.from_dict({
        "name": "warm",
        "layers": [
            {"name": "a", "kernel": 3, "stride": 2, "padding": 1, "op": "conv"},
            {"name": "b", "kernel": 3, "dilation": 2, "padding": 2, "op": "conv"},
            {"name": "c", "kernel": [1, 5], "padding": [0, 2], "op": "conv", "inputs": "a"},
            {"name": "d", "kernel": [5, 1], "padding": [2, 0], "op": "conv", "inputs": "a"},
            {"name": "e", "op": "concat", "inputs": ["b", "c", "d"]},
            {"name": "f", "op": "upsample", "scale": 2, "mode": "bilinear", "inputs": "e"},
        ],
    })  # fmt: skip


def _one_network() -> None:
    from rfscale.engine.analysis.entry_map import entry_map
    from rfscale.engine.analysis.output_lines import output_lines
    from rfscale.engine.analysis.path_counts import path_counts
    from rfscale.engine.analysis.profile import profile_columns
    from rfscale.engine.footprints.backward import grid_figures
    from rfscale.engine.footprints.forward import trace
    from rfscale.engine.footprints.plan import resolve

    net = _network()
    for size in (None, 16):
        profile_columns(net, size)
        terms: Any = trace(net, size).terms
        terms.solid.listed()
        output_lines(net, size)
        for layer in ("e", "f"):
            path_counts(net, layer, input_size=size)
        grid_figures(resolve(net, size), net.index("f"), (1, 1))
    entry_map(net, "f", input_size=16)


def _formulas() -> None:
    from rfscale.engine.formulas.evaluate import evaluate

    evaluate(["conv3", "pool2"], [1.0, 2.0], [0.0, 0.5])
    evaluate([(3, 1, 2)], [1.0], [0.0])


def _sweeps() -> None:
    from rfscale.sweeps.answers.best import best
    from rfscale.sweeps.answers.count import count
    from rfscale.sweeps.answers.pareto import pareto
    from rfscale.sweeps.answers.sample import sample
    from rfscale.sweeps.runs.run import sweep
    from rfscale.sweeps.spaces.space import Space
    from rfscale.sweeps.states import graph, unions

    space = Space.from_dict(CHAIN)
    count(space, by=["extent"])
    best(space, "extent", k=3)
    sample(space, 4)
    pareto(space, "extent", "overlap")
    count(Space.from_dict(BRANCHES), "pixels")
    sample(Space.from_dict(CELLS), 1, where="area > 0")
    best(Space.from_dict(CELLS), "params", k=1)
    count(Space.from_dict({**BRANCHES, "axes": 3}), "area")
    with TemporaryDirectory() as folder:
        for each in (space, *map(Space.from_dict, (HOLES, BRANCHES))):
            sweep(each)
            with _settings((graph, "MAX_LANE_WORDS", 0), (unions, "MAX_WORDS", 0)):  # sets too wide for many at once
                sweep(Space.from_dict(each.to_dict()))
            sweep(each, store=Path(folder) / f"{each.name}.zarr", formulas=each.name != "warm-branches")


def _designs() -> None:
    import numpy as np

    from rfscale.sweeps.answers.design.design import design
    from rfscale.sweeps.spaces.space import Space

    space, objects = Space.from_dict(CHAIN), np.array(BOXES)
    for pareto in (False, True):
        design(space, objects, 2, pareto=pareto)


def _validation() -> None:
    from rfscale.sweeps.spaces.space import Space
    from rfscale.sweeps.validation.validate import validate

    for spec in (CHAIN, HOLES):
        validate(Space.from_dict(spec))
        validate(Space.from_dict(spec), random=20)


PARTS: dict[str, Callable[[], None]] = {
    "one network": _one_network,
    "formulas": _formulas,
    "many networks": _sweeps,
    "designs": _designs,
    "validation": _validation,
}
