"""Digests of small answers of every kind, printed by a process of its own: `python -m tests.sweeps.digests MODE`.

Modes: "kernels", where all work is done by kernels, and shared among threads however little it is; "user", as it comes.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import rfscale as rf
from rfscale.engine.analysis.output_lines import output_lines
from rfscale.sweeps import machine
from rfscale.sweeps.warm import kernels_at_once
from tests.sweeps.some_spaces import DEMO

FOUR = [(1, 1, 1), (3, 1, 1), (3, 1, 2), (5, 1, 1)]
HOLES = [(3, 1, d) for d in (2, 3, 4, 5)]
MIXED = [*((3, 1, d) for d in (1, 2, 4, 8)), (3, 2, 1)]
ADVERSARIAL = [*((2, 1, d) for d in (2, 5, 11)), (3, 2, 2), (3, 2, 9)]
BOXES = [(4.0, 5.0), (9.0, 9.0), (12.0, 8.0), (20.0, 20.0), (33.0, 21.0)]
BRANCHES = {"name": "branches", "stages": [
    {"name": "a", "kernel": [3, 5]},
    {"name": "b", "branches": {"choose": [1, 2], "of": [{"kernel": 3}, {"kernel": 3, "dilation": 4}, []]}},
    {"name": "c", "kernel": [1, 3], "stride": 2},
    {"name": "d", "branches": [{"kernel": 3, "dilation": 7}, {"kernel": 3}]},
]}  # fmt: skip
UNLIKE = {"name": "unlike", "stages": [
    {"name": "a", "branches": {"choose": [1, 2], "of": [{"kernel": [1, 3]}, {"kernel": 3, "dilation": [4, 1]}, []]}},
    {"name": "b", "branches": [{"kernel": [3, 5], "dilation": 7}, {"kernel": 3}]},
]}  # fmt: skip


def space_of(choices: list[tuple[int, int, int]], depth: int) -> rf.Space:
    """A space of chains."""
    layers = [{"kernel": k, "stride": s, "dilation": d} for k, s, d in choices]
    return rf.Space.from_dict({"name": "s", "stages": [{"name": f"s{i}", "choices": layers} for i in range(depth)]})


def head(r1: int, r2: int) -> rf.Network:
    """Two dilated branches."""
    b = rf.NetworkBuilder("head")
    x = b.conv("stem", kernel=7, stride=2, padding=3)
    b.concat(
        "join", inputs=[b.conv(f"r{i}", kernel=3, dilation=r, padding=r, inputs=x) for i, r in enumerate((r1, r2))]
    )
    return b.build()


def stored(space: rf.Space) -> dict[str, bytes]:
    """The figures of a store, as its files hold them."""
    with tempfile.TemporaryDirectory() as folder:
        rf.sweep(space, store=Path(folder) / "a.zarr", formulas=True)
        return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(Path(folder).rglob("c.*"))}


def evaluated(*layers: Any) -> tuple[Any, Any]:
    """Formulas over some thousand points."""
    draw = np.random.default_rng(0)
    return rf.evaluate(list(layers), 100 * draw.random(3001), draw.random(3001))


def answers() -> dict[str, Callable[[], Any]]:
    """Calls by row."""
    net, cube = rf.load("resnet18"), [3, 3, 3]
    volume = rf.Network.from_dict({"layers": [{"kernel": cube, "stride": 2}, {"kernel": cube, "dilation": 2}]})
    holes = rf.Network.from_dict({"layers": [
        {"kernel": 3, "dilation": 2, "padding": 2}, {"name": "last", "kernel": 3, "dilation": 3, "padding": 3},
    ]})  # fmt: skip
    return {
        "sweep, 4 choices": lambda: rf.sweep(space_of(FOUR, 5)),
        "sweep, all holes": lambda: rf.sweep(space_of(HOLES, 5)),
        "sweep, mixed": lambda: rf.sweep(space_of(MIXED, 4)),
        "sweep, adversarial": lambda: rf.sweep(space_of(ADVERSARIAL, 4)),
        "sweep, depth first": lambda: rf.sweep(space_of(ADVERSARIAL, 4), memory=20_000),
        "sweep, unlike axes, costs and formulas": lambda: rf.sweep(rf.Space.from_dict(DEMO), formulas=True),
        "store": lambda: stored(space_of(HOLES, 4)),
        "pixels of one entry": lambda: rf.footprint(net, "layer4", entry=(1, 1), input_size=64),
        "entries of solid sets": lambda: rf.entry_map(net, "layer3", input_size=32),
        "entries of sets with holes": lambda: rf.entry_map(holes, "last", input_size=24),
        "interior profile": lambda: rf.profile(net, global_ops="skip"),
        "effective box": lambda: output_lines(volume, 16),
        "formulas": lambda: [evaluated("conv3"), evaluated("pool2"), evaluated("conv3", "pool2"), evaluated((3, 1, 2))],
        "counts": lambda: rf.count(space_of(MIXED, 5), by=["extent", "jump"]),
        "best": lambda: rf.best(space_of(MIXED, 4), "pixels", k=5),
        "sample": lambda: rf.sample(space_of(MIXED, 5), 20, seed=3),
        "pareto": lambda: rf.pareto(space_of(MIXED, 3), "extent", "overlap"),
        "design": lambda: rf.design(space_of(FOUR, 4), np.array(BOXES), 2),
        "validation": lambda: rf.validate(space_of(MIXED, 3)),
        "validation, adversarial": lambda: rf.validate(space_of(ADVERSARIAL, 3)),
        "validation of random chains": lambda: rf.validate(space_of(MIXED, 6), random=200),
        "branches": lambda: rf.sweep(rf.Space.from_dict(BRANCHES)),
        "branches of unlike axes": lambda: rf.sweep(rf.Space.from_dict(UNLIKE)),
        "branches by pixels": lambda: rf.count(rf.Space.from_dict(BRANCHES), "pixels"),
        "NetworkSpace": lambda: rf.sweep(rf.NetworkSpace(head, {"r1": [1, 2, 3], "r2": [1, 4, 6]})),
    }  # fmt: skip


def arrays(answer: Any) -> Iterator[Any]:
    """Arrays and texts that an answer is made of, in an order of their own."""
    if isinstance(answer, xr.DataTree):
        yield from arrays(answer.to_dataset())
        for name, child in answer.children.items():
            yield name
            yield from arrays(child)
    elif isinstance(answer, xr.Dataset):
        for name, values in sorted(answer.variables.items(), key=lambda item: str(item[0])):
            yield str(name)
            yield values.values
    elif isinstance(answer, xr.DataArray):
        yield from arrays(answer.to_dataset(name="_"))
    elif isinstance(answer, dict):
        for key, value in answer.items():
            yield str(key)
            yield from arrays(value)
    elif isinstance(answer, list | tuple):
        for each in answer:
            yield from arrays(each)
    else:
        yield answer


def digest(answer: Any) -> str:
    """Return a digest of every bit of an answer."""
    found = hashlib.sha256()
    for each in arrays(answer):
        if isinstance(each, np.ndarray) and each.dtype != object:
            found.update(f"{each.dtype} {each.shape}".encode() + np.ascontiguousarray(each).tobytes())
        elif isinstance(each, bytes):
            found.update(each)
        else:
            found.update(repr(each.tolist() if isinstance(each, np.ndarray) else each).encode())
    return found.hexdigest()[:16]


def main(mode: str) -> None:
    """Print the digests of all answers."""
    with ExitStack() as stack:
        if mode == "kernels":
            machine.PARALLEL_FROM = 1
            stack.enter_context(kernels_at_once())
        print(json.dumps({name: digest(call()) for name, call in answers().items()}))


if __name__ == "__main__":
    main(sys.argv[1])
